/*
 * http.h
 *		Requests to a node that take time, none of which blocks.
 *
 * An exchange is one request and what came of it.  It is started, moved by
 * http_progress() together with all others, read once it is done, and released.
 * Between two moves the caller sleeps on one descriptor, beside its own latch:
 * no exchange, however slow its peer, keeps anybody waiting.
 *
 * What is promised of each exchange:
 * - it is written once at most: no retry, no redirect, no second round of
 *   authentication, no proxy; one that pays has a connection of its own, so
 *   that nothing below can repeat it either;
 * - its reply is bounded, and it ends at its deadline;
 * - NOT_SENT is said only with proof that no byte of the request has left;
 * - what it carried is wiped when it is released; no secret is in its words.
 *
 * The one file that knows libcurl is http.c; sockets without HTTP are in
 * raw_exchange.c.  Nothing here raises, logs, or takes memory of the server.
 * Used by the worker "spark lightning" alone: no thread, no fork in between.
 */
#ifndef SPARK_LIGHTNING_HTTP_H
#define SPARK_LIGHTNING_HTTP_H

#include "common/clock.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_MOST_REPLY ((size_t) 1024 * 1024)	/* bytes of a body, unless the request says otherwise */
#define HTTP_MOST_LINE ((size_t) 4 * 1024 * 1024)	/* of one line of a stream */
#define HTTP_MOST_HEADERS 8

/* What is known about the bytes of a request. */
typedef enum HttpTransport
{
	HTTP_NOT_SENT,				/* none has left: proven */
	HTTP_NO_REPLY,				/* some may have; no whole reply came */
	HTTP_REPLIED				/* a whole reply came, or the line that was asked for */
} HttpTransport;

/* Why there is no whole reply. */
typedef enum HttpProblem
{
	HTTP_FINE,
	HTTP_BAD_REQUEST,			/* the address or a file's name is no good, or not safe: see words */
	HTTP_UNREACHABLE,			/* no such host, refused, no route, no connection in time */
	HTTP_UNTRUSTED,				/* TLS: not the peer that the certificate or the key names */
	HTTP_LATE,					/* the deadline passed */
	HTTP_CUT,					/* empty, reset or ended within the reply */
	HTTP_TOO_LONG,				/* more than the caller wanted to read */
	HTTP_STOPPED,				/* released before it was done */
	HTTP_BROKEN					/* anything else */
} HttpProblem;

/* Whom a request goes to and how he is known. */
typedef struct HttpPeer
{
	const char *url;			/* "https://host:port/path", without a slash at its end */
	const char *socket_path;	/* a Unix socket instead of the network, or NULL */
	const char *ca_file;		/* PEM: what his certificate must come from, or NULL: what the system trusts */
	const char *pinned_key;		/* "sha256//<base64>" of his public key, or NULL; no certificate is asked for then */
	const char *thumbprint;		/* SHA-256 of his certificate, 64 lower-case hex digits, or NULL; likewise */
	bool		allows_plain;	/* http:// to another machine, too */
} HttpPeer;

typedef struct HttpRequest
{
	const HttpPeer *peer;
	const char *method;			/* "GET", "POST", "PUT", "DELETE"; NULL: the body goes raw to socket_path */
	const char *path;			/* behind the peer's url, with its query */
	const char *headers[HTTP_MOST_HEADERS];	/* "Name: value"; the first NULL ends them */
	const char *body;			/* JSON, or NULL */
	bool		pays;			/* connection of its own, used for nothing before or after */
	bool		reads_a_line;	/* done once the first line of the reply is there; then the connection ends */
	/* With reads_a_line: whether that line is the one; NULL: the first is.  Pure: no call of anything. */
	bool		(*is_enough) (const char *line, size_t length);
	int64_t		linger;			/* ms after the first line, until the last one must do; 0: none */
	size_t		most_bytes;		/* of the reply; 0: HTTP_MOST_REPLY, of a line HTTP_MOST_LINE */
	Instant		deadline;		/* by the clock of the wall; none: 60 s from now */
	Instant		write_before;	/* likewise: what has not begun to leave by then never does; none: no such moment */
} HttpRequest;

typedef struct HttpReply
{
	HttpTransport transport;
	HttpProblem problem;
	int			status;			/* 200, ..; 0 where none came, and of a raw exchange */
	const char *body;			/* a NUL behind it; what came, also where it was cut */
	size_t		length;
	const char *words;			/* for operators: static text without anything secret or hostile */
} HttpReply;

typedef struct HttpClient HttpClient;
typedef struct HttpExchange HttpExchange;

/*
 * The first one of a process readies libcurl for it.  NULL where memory or
 * descriptors are missing.  It holds two descriptors, and one an exchange.
 */
extern HttpClient *http_client_new(void);

/* Ends it with every exchange it has. */
extern void http_client_free(HttpClient *client);

/*
 * Starts an exchange; it may be done at once.  Texts are copied.  NULL where
 * memory is missing: nothing was sent.
 *
 * A raw exchange ends at the first empty line behind the reply, at the end of
 * the stream, or at its deadline.
 */
extern HttpExchange *http_start(HttpClient *client, const HttpRequest *request);

/* Moves all exchanges; never blocks. */
extern void http_progress(HttpClient *client);

/* Readable when http_progress() has work, deadlines included. */
extern int	http_descriptor(const HttpClient *client);

/* NULL while it is under way; it lives until the exchange is released. */
extern const HttpReply *http_reply(const HttpExchange *exchange);

/* Ends it, done or not; the transport it would have had by now is answered (NULL is fine: NOT_SENT). */
extern HttpTransport http_release(HttpExchange *exchange);

#endif
