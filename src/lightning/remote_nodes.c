/*
 * remote_nodes.c
 *		The real nodes behind the port.
 *
 * Settings and the file with the credential are read at the first call and at
 * the first one after each reload; while they cannot be used, at each call, so
 * that a file which is put right is found without a reload.  The bytes are
 * wiped once they were taken in.
 *
 * Descriptors of a call are told to the server, so that it keeps room for them.
 */
#include "postgres/server.h"

#include "lightning/remote_nodes.h"

#include "lightning/cln.h"
#include "lightning/http_node.h"
#include "lightning/lnbits.h"
#include "lightning/lnd.h"
#include "postgres/environment.h"
#include "postgres/secret_file.h"

#include "storage/fd.h"

#define MOST_CREDENTIAL_BYTES 16384
#define CLIENT_DESCRIPTORS 2
#define MOST_PROBLEM 400

typedef struct RemoteNode
{
	LightningNode node;
	HttpNode	http;
	bool		is_made;
	bool		is_counted;		/* the descriptors of its client are told */
	char		problem[MOST_PROBLEM];
	TimestampTz since;			/* the reload that its connection belongs to */
} RemoteNode;

static const NodeDialect *const dialects[] = {
	&lnd_dialect,
	&cln_dialect,
	&lnbits_dialect,
};

static RemoteNode nodes[lengthof(dialects)];
static ConnectionSource source;

void
remote_nodes_set_source(ConnectionSource new_source)
{
	source = new_source;
}

/* -------------------------------------------------------------- connection */

static const char *
fault_words(SecretFileFault fault)
{
	switch (fault)
	{
		case SECRET_FILE_FINE:
			break;
		case SECRET_FILE_NOT_OPENED:
			return "the file with the node's credential could not be opened: the server's user must own it, with mode 0600";
		case SECRET_FILE_NOT_REGULAR:
			return "the node's credential must be a regular file";
		case SECRET_FILE_EXPOSED:
			return "group and others must have no access to the file with the node's credential: make a copy of mode 0600 that the server's user owns, and name that";
		case SECRET_FILE_NOT_READ:
			return "the file with the node's credential could not be read";
	}
	return NULL;
}

static const char *
connect_by_file(HttpNode *http, const NodeConnection *connection)
{
	uint8		bytes[MOST_CREDENTIAL_BYTES];
	size_t		length = 0;
	const char *problem = NULL;

	if (connection->credential_file != NULL)
		problem = fault_words(secret_file_read(connection->credential_file, bytes, sizeof(bytes), &length));
	if (problem == NULL && length == sizeof(bytes))
		problem = "the file with the node's credential is too long for one";
	if (problem == NULL)
		problem = http_node_connect(http, connection, bytes, length);
	explicit_bzero(bytes, sizeof(bytes));
	return problem;
}

static void
connect_by_settings(RemoteNode *remote)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "spark node settings", ALLOCSET_SMALL_SIZES);
	NodeConnection connection = {0};
	const char *problem = source(context_arena(context), &connection);

	if (problem == NULL)
		problem = connect_by_file(&remote->http, &connection);
	if (problem != NULL)
	{
		strlcpy(remote->problem, problem, sizeof(remote->problem));
		http_node_disconnect(&remote->http, remote->problem);
	}
	MemoryContextDelete(context);
	remote->since = PgReloadTime;
}

/* -------------------------------------------------------------------- port */

/* True where the call is under way, or was. */
static bool
has_talk(const RemoteNode *remote, const NodeCall *call)
{
	for (const NodeTalk *talk = remote->http.talks; talk != NULL; talk = talk->next)
		if (talk->call == call)
			return true;
	return false;
}

static void
remote_start(LightningNode *self, NodeCall *call)
{
	RemoteNode *remote = (RemoteNode *) self;

	if (remote->http.problem != NULL || remote->since != PgReloadTime)
		connect_by_settings(remote);
	remote->http.node.start(&remote->http.node, call);
	/* An adapter may have learned more of its node. */
	self->capabilities = remote->http.node.capabilities;
	if (has_talk(remote, call))
		ReserveExternalFD();
	for (int i = 0; i < CLIENT_DESCRIPTORS && remote->http.client != NULL && !remote->is_counted; i++)
		ReserveExternalFD();
	remote->is_counted = remote->http.client != NULL;
}

static void
remote_progress(LightningNode *self)
{
	RemoteNode *remote = (RemoteNode *) self;

	remote->http.node.progress(&remote->http.node);
	self->capabilities = remote->http.node.capabilities;
}

static Instant
remote_next(LightningNode *self)
{
	RemoteNode *remote = (RemoteNode *) self;

	return remote->http.node.next(&remote->http.node);
}

static int
remote_descriptor(LightningNode *self)
{
	RemoteNode *remote = (RemoteNode *) self;

	return remote->http.node.descriptor(&remote->http.node);
}

static void
remote_release(LightningNode *self, NodeCall *call)
{
	RemoteNode *remote = (RemoteNode *) self;

	if (!has_talk(remote, call))
		return;
	remote->http.node.release(&remote->http.node, call);
	ReleaseExternalFD();
}

static void
make(RemoteNode *remote, const NodeDialect *dialect)
{
	http_node_init(&remote->http, dialect);
	remote->node = (LightningNode) {
		.name = dialect->name,
		.capabilities = node_capabilities[dialect->kind],
		.start = remote_start,
		.progress = remote_progress,
		.next = remote_next,
		.descriptor = remote_descriptor,
		.release = remote_release,
	};
	remote->is_made = true;
}

LightningNode *
remote_node(const char *name)
{
	for (int i = 0; i < (int) lengthof(dialects); i++)
	{
		if (strcmp(dialects[i]->name, name) != 0)
			continue;
		if (!nodes[i].is_made)
			make(&nodes[i], dialects[i]);
		return &nodes[i].node;
	}
	return NULL;
}
