/*
 * connection.c
 *		How a node is reached: read from one text, or put together from settings.
 */
#include "lightning/connection.h"

#include "common/array.h"
#include "lightning/this_machine.h"

#include <ctype.h>
#include <string.h>

#define THUMBPRINT_DIGITS 64
#define PIN_PREFIX "sha256//"
#define HTTP "http://"

/* What a name means. */
typedef enum Part
{
	PART_TYPE,
	PART_SERVER,
	PART_CA_FILE,
	PART_THUMBPRINT,
	PART_PINNED_KEY,
	PART_CREDENTIAL_FILE,
	PART_ALLOWS_PLAIN,
	PART_SECRET,				/* a secret itself */
	PART_COUNT
} Part;

static const struct
{
	const char *name;
	Part		part;
} part_names[] = {
	{"type", PART_TYPE},
	{"server", PART_SERVER},
	{"certfilepath", PART_CA_FILE},
	{"certthumbprint", PART_THUMBPRINT},
	{"pinnedpublickey", PART_PINNED_KEY},
	{"macaroonfilepath", PART_CREDENTIAL_FILE},
	{"runefilepath", PART_CREDENTIAL_FILE},
	{"apikeyfilepath", PART_CREDENTIAL_FILE},
	{"allowinsecure", PART_ALLOWS_PLAIN},
	{"macaroon", PART_SECRET},
	{"rune", PART_SECRET},
	{"api-key", PART_SECRET},
	{"apikey", PART_SECRET},
	{"password", PART_SECRET},
};

static const struct
{
	const char *type;
	const char *node;
} types[] = {
	{"lnd-rest", "lnd"},
	{"lnd", "lnd"},
	{"clightning", "cln"},
	{"cln", "cln"},
	{"lnbits", "lnbits"},
};

static const char unknown_name[] = "a name is none of type, server, macaroonfilepath, runefilepath, apikeyfilepath, certfilepath, certthumbprint, pinnedpublickey and allowinsecure";

/* A piece of the text, without the blanks around it. */
typedef struct Piece
{
	const char *text;
	size_t		length;
} Piece;

static Piece
piece_of(const char *from, const char *until)
{
	while (from < until && isspace((unsigned char) *from))
		from++;
	while (from < until && isspace((unsigned char) until[-1]))
		until--;
	return (Piece) {from, (size_t) (until - from)};
}

static bool
piece_is(Piece piece, const char *lower)
{
	if (piece.length != strlen(lower))
		return false;
	for (size_t i = 0; i < piece.length; i++)
		if (tolower((unsigned char) piece.text[i]) != lower[i])
			return false;
	return true;
}

static bool
starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* ------------------------------------------------------------------ values */

static const char *
node_of(Piece type)
{
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (piece_is(type, types[i].type))
			return types[i].node;
	return NULL;
}

static const char *
set_type(NodeConnection *connection, Piece value)
{
	connection->node = node_of(value);
	return connection->node != NULL ? NULL : "type is none of lnd-rest, clightning and lnbits";
}

/* Hex digits of either case, with colons between or not. */
static const char *
set_thumbprint(Arena *arena, NodeConnection *connection, Piece value)
{
	char	   *digits = arena_alloc(arena, THUMBPRINT_DIGITS + 1);
	size_t		count = 0;

	for (size_t i = 0; i < value.length; i++)
	{
		if (value.text[i] == ':')
			continue;
		if (!isxdigit((unsigned char) value.text[i]) || count == THUMBPRINT_DIGITS)
			return "certthumbprint is not the SHA-256 of a certificate in 64 hex digits";
		digits[count++] = (char) tolower((unsigned char) value.text[i]);
	}
	if (count != THUMBPRINT_DIGITS)
		return "certthumbprint is not the SHA-256 of a certificate in 64 hex digits";
	connection->thumbprint = digits;
	return NULL;
}

static const char *
set_pinned_key(Arena *arena, NodeConnection *connection, Piece value)
{
	connection->pinned_key = arena_text_of(arena, value.text, value.length);
	if (!starts_with(connection->pinned_key, PIN_PREFIX) || value.length != strlen(PIN_PREFIX) + 44 ||
		strspn(connection->pinned_key + strlen(PIN_PREFIX),
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != 44)
		return "pinnedpublickey is not sha256// and the hash of a public key in base64";
	return NULL;
}

static const char *
set_allows_plain(NodeConnection *connection, Piece value)
{
	connection->allows_plain = piece_is(value, "true");
	return connection->allows_plain || piece_is(value, "false") ? NULL : "allowinsecure is neither true nor false";
}

/* A path of the machine: unix://run/x is /run/x, as is unix:///run/x. */
static const char *
set_socket(Arena *arena, const char *path, NodeConnection *connection)
{
	while (path[0] == '/')
		path++;
	if (path[0] == '\0')
		return "server names no path behind unix://";
	connection->socket_path = arena_printf(arena, "/%s", path);
	connection->url = "http://localhost";
	return NULL;
}

const char *
connection_set_server(Arena *arena, const char *server, NodeConnection *connection)
{
	size_t		length = strlen(server);
	const char *host = starts_with(server, "https://") ? server + 8 : starts_with(server, "http://") ? server + 7 : NULL;

	for (size_t i = 0; i < length; i++)
		if ((unsigned char) server[i] <= ' ' || (unsigned char) server[i] > '~')
			return "the address of the node has blanks or letters that no address has";
	if (starts_with(server, "unix://"))
		return set_socket(arena, server + strlen("unix://"), connection);
	if (host == NULL)
		return "the address of the node begins with none of https://, http:// and unix://";
	if (host[0] == '\0' || strchr("/:?#", host[0]) != NULL)
		return "the address of the node names no host";
	if (strpbrk(host, "@?#\\") != NULL)
		return "the address of the node is more than host, port and path: no name, no query";
	while (length > 0 && server[length - 1] == '/')
		length--;
	connection->url = arena_text_of(arena, server, length);
	connection->socket_path = NULL;
	return NULL;
}

/* ------------------------------------------------------------------- parts */

static const char *
set_part(Arena *arena, NodeConnection *connection, Part part, Piece value)
{
	const char *text = arena_text_of(arena, value.text, value.length);

	if (value.length == 0)
		return "a name has no value";
	switch (part)
	{
		case PART_TYPE:
			return set_type(connection, value);
		case PART_SERVER:
			return connection_set_server(arena, text, connection);
		case PART_CA_FILE:
			connection->ca_file = text;
			return NULL;
		case PART_THUMBPRINT:
			return set_thumbprint(arena, connection, value);
		case PART_PINNED_KEY:
			return set_pinned_key(arena, connection, value);
		case PART_CREDENTIAL_FILE:
			connection->credential_file = text;
			return NULL;
		case PART_ALLOWS_PLAIN:
			return set_allows_plain(connection, value);
		case PART_SECRET:
			return "a secret stands in the text itself: put it into a file that group and others cannot read, and name that by macaroonfilepath, runefilepath or apikeyfilepath";
		case PART_COUNT:
			break;
	}
	return unknown_name;
}

static Part
part_of(Piece name)
{
	for (size_t i = 0; i < COUNT_OF(part_names); i++)
		if (piece_is(name, part_names[i].name))
			return part_names[i].part;
	return PART_COUNT;
}

static const char *
parse_piece(Arena *arena, const char *from, const char *until, NodeConnection *connection, bool *seen)
{
	const char *equals = memchr(from, '=', (size_t) (until - from));
	Part		part;

	if (piece_of(from, until).length == 0)
		return NULL;
	if (equals == NULL)
		return "a piece between semicolons is not name=value";
	part = part_of(piece_of(from, equals));
	if (part == PART_COUNT)
		return unknown_name;
	if (seen[part])
		return "a name stands there twice";
	seen[part] = true;
	return set_part(arena, connection, part, piece_of(equals + 1, until));
}

const char *
connection_parse(Arena *arena, const char *text, NodeConnection *connection)
{
	bool		seen[PART_COUNT] = {false};

	*connection = (NodeConnection) {0};
	for (const char *from = text; *from != '\0';)
	{
		const char *until = from + strcspn(from, ";");
		const char *problem = parse_piece(arena, from, until, connection, seen);

		if (problem != NULL)
			return problem;
		from = *until == ';' ? until + 1 : until;
	}
	return connection_problem(connection);
}

const char *
connection_node(const char *text)
{
	for (const char *from = text; *from != '\0';)
	{
		const char *until = from + strcspn(from, ";");
		const char *equals = memchr(from, '=', (size_t) (until - from));

		if (equals != NULL && part_of(piece_of(from, equals)) == PART_TYPE)
			return node_of(piece_of(equals + 1, until));
		from = *until == ';' ? until + 1 : until;
	}
	return NULL;
}

/* True where a request could be read on its way to another machine. */
static bool
goes_in_the_clear(const NodeConnection *connection)
{
	return starts_with(connection->url, HTTP) && connection->socket_path == NULL &&
		!host_is_this_machine(connection->url + strlen(HTTP));
}

const char *
connection_problem(const NodeConnection *connection)
{
	int			proofs = (connection->thumbprint != NULL) + (connection->ca_file != NULL) + (connection->pinned_key != NULL);

	if (connection->node == NULL)
		return "type is missing";
	if (connection->url == NULL)
		return "server is missing";
	if (connection->socket_path != NULL && strcmp(connection->node, "cln") != 0)
		return "only Core Lightning is reached by a Unix socket";
	if (connection->credential_file == NULL && connection->socket_path == NULL)
		return "the file with the credential is missing: macaroonfilepath, runefilepath or apikeyfilepath";
	if (connection->credential_file != NULL && connection->credential_file[0] != '/')
		return "the file with the credential is not named by its whole path";
	if (connection->ca_file != NULL && connection->ca_file[0] != '/')
		return "the file with the certificate is not named by its whole path";
	if (proofs > 1)
		return "more than one of certfilepath, certthumbprint and pinnedpublickey";
	if (proofs > 0 && !starts_with(connection->url, "https://"))
		return "a certificate goes with an address that begins with https://";
	if (!connection->allows_plain && goes_in_the_clear(connection))
		return "by http:// the credential could be read on its way to another machine: use https://, or say allowinsecure=true in spark.lightning_connection";
	return NULL;
}
