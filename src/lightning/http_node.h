/*
 * http_node.h
 *		What all nodes that are reached by http.h have in common: the port, with
 *		a dialect behind it.
 *
 * A dialect says what to ask for a call and what the reply means, one request
 * after the other; it neither waits nor sends.  Whatever it does not say, the
 * call is answered with AMBIGUOUS or UNAVAILABLE.
 *
 * A call holds one descriptor at most.  Secrets are kept in memory that is
 * wiped, and what repeats a part of one is left out of the answer, whichever
 * dialect heard it.  Raises nothing; logs nothing.
 */
#ifndef SPARK_LIGHTNING_HTTP_NODE_H
#define SPARK_LIGHTNING_HTTP_NODE_H

#include "lightning/connection.h"
#include "lightning/http.h"
#include "lightning/node_kinds.h"

#include <stdint.h>

#define HTTP_NODE_SECRETS 4

/* A page of a list may be longer than any other reply. */
#define HTTP_NODE_MOST_LIST ((size_t) 8 * 1024 * 1024)

/* Rows of one list, over all its pages: more are not gathered. */
#define HTTP_NODE_MOST_LISTED 2000000

typedef struct HttpNode HttpNode;

/* A call that was started and not released. */
typedef struct NodeTalk
{
	struct NodeTalk *next;
	NodeCall   *call;
	HttpExchange *exchange;		/* NULL: none is under way */
	int			step;			/* of the request under way: 0 for the first */
	uint64_t	connection;		/* that it began on */

	/* The dialect's own, from one step to the next; all zero at first. */
	NodeFailure failure;
	Bytes32		preimage;
	Bytes32		hash;
	int64_t		number;
	const void *record;			/* in the call's arena */
} NodeTalk;

typedef struct NodeDialect
{
	const char *name;			/* as in spark.lightning_node */
	NodeKind	kind;

	/*
	 * Takes in what the file with the credential holds (nothing where the
	 * connection names none), by http_node_keep() and into `derivation`.
	 * NULL, or what is wrong with it: static text.
	 */
	const char *(*take_credential) (HttpNode *self, const uint8_t *bytes, size_t length);

	/*
	 * Writes the request of talk->step; peer and deadline are filled in, texts
	 * must live until it comes back.  False: nothing is to be asked, the call is
	 * answered as it stands.
	 */
	bool		(*ask) (HttpNode *self, NodeTalk *talk, HttpRequest *request);

	/* Takes in the reply to talk->step; true: another step is to be asked. */
	bool		(*hear) (HttpNode *self, NodeTalk *talk, const HttpReply *reply);
} NodeDialect;

/* What a dialect has learned of its node, from one call to another; all zero after each connect. */
typedef struct NodeNotes
{
	int64_t		version;		/* larger for a newer one; 0: not known yet */
	char		node_id[72];	/* where it has to be found out in a roundabout way */
	char		network[16];
	char		wallet[72];
	Bytes32		in_parts[64];	/* hashes of payments, as they were listed, the newest over the oldest */
	size_t		in_parts_count;
	size_t		listed;			/* rows of the list that is being read, page by page */
} NodeNotes;

struct HttpNode
{
	LightningNode node;
	const NodeDialect *dialect;
	HttpClient *client;			/* made at the first call: in the worker, nowhere else */
	HttpPeer	peer;			/* texts of malloc */
	uint64_t	connection;		/* counts how often peer and secrets were made anew */
	const char *problem;		/* why it cannot be asked; static text or NULL */
	char	   *secrets[HTTP_NODE_SECRETS]; /* of malloc; NULL: none */
	uint8_t		derivation[32]; /* a secret from which others are made */
	NodeNotes	notes;
	NodeTalk   *talks;
};

/* A port that can be asked nothing before http_node_connect(). */
extern void http_node_init(HttpNode *self, const NodeDialect *dialect);

/*
 * From now on this is where and by what it is reached.  The request under way of
 * a call goes on as it was; no further one follows it, as another node would get
 * it: the call is answered as it stands.  All is copied.  NULL, or why it cannot be asked: static text.
 */
extern const char *http_node_connect(HttpNode *self, const NodeConnection *connection,
									 const uint8_t *credential, size_t credential_length);

/* It cannot be asked, for that reason (static text). */
extern void http_node_disconnect(HttpNode *self, const char *problem);

/* Gives back all it holds, calls under way included. */
extern void http_node_end(HttpNode *self);

/* For dialects: keeps a secret text; false where memory is missing. */
extern bool http_node_keep(HttpNode *self, int index, const char *before, const char *secret);

#endif
