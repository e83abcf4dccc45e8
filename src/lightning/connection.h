/*
 * connection.h
 *		How a node is reached: read from one text, or put together from settings.
 *
 * The text is that which users of BTCPay Server know, names and values with
 * semicolons behind them:
 *
 *		type=lnd-rest;server=https://node:8080/;macaroonfilepath=/..;certthumbprint=..
 *		type=clightning;server=unix://run/lightning/lightning-rpc
 *		type=lnbits;server=https://..;apikeyfilepath=/..
 *
 * Secrets stand in files; a text with a secret itself is refused, and no
 * refusal repeats any of the text.  Pure C.
 */
#ifndef SPARK_LIGHTNING_CONNECTION_H
#define SPARK_LIGHTNING_CONNECTION_H

#include "common/arena.h"

#include <stdbool.h>

typedef struct NodeConnection
{
	const char *node;			/* "lnd", "cln", "lnbits" */
	const char *url;			/* without a slash at its end; "http://localhost" behind a socket */
	const char *socket_path;	/* a Unix socket, or NULL */
	const char *ca_file;		/* the certificate to check against, or NULL */
	const char *pinned_key;		/* "sha256//<base64>" of the node's public key, or NULL */
	const char *thumbprint;		/* SHA-256 of its certificate, 64 lower-case hex digits, or NULL */
	const char *credential_file;	/* macaroon, rune or keys, or NULL */
	bool		allows_plain;	/* http:// to another machine */
} NodeConnection;

/* Reads the text; NULL, or what is wrong with it: static text. */
extern const char *connection_parse(Arena *arena, const char *text, NodeConnection *connection);

/* Which node the text is about: "lnd", ..; NULL where it does not say.  Takes no memory. */
extern const char *connection_node(const char *text);

/* Takes in an address: http, https or unix.  NULL, or what is wrong with it. */
extern const char *connection_set_server(Arena *arena, const char *server, NodeConnection *connection);

/* What is missing or does not go together in a connection that was put together; NULL: nothing. */
extern const char *connection_problem(const NodeConnection *connection);

#endif
