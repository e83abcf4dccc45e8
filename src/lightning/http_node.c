/*
 * http_node.c
 *		What all nodes that are reached by http.h have in common.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lightning/http_node.h"

#include "common/hex.h"
#include "lightning/bytes32.h"
#include "lightning/http_reader.h"
#include "lightning/secret_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WORDS 400

/* ----------------------------------------------------------------- secrets */

static bool
finds_a_secret(const HttpNode *self, SecretSearch *search)
{
	for (int i = 0; i < HTTP_NODE_SECRETS; i++)
	{
		const char *header = self->secrets[i];
		const char *value = header == NULL ? NULL : strstr(header, ": ");

		if (header != NULL && secret_search_finds(search, value == NULL ? header : value + 2))
			return true;
	}
	return false;
}

/* Of an invoice that is to be made: whoever knows it before it is paid can take the payment. */
static bool
finds_a_preimage(const NodeTalk *talk, SecretSearch *search)
{
	char		digits[BYTES32_TEXT_LENGTH + 1];
	bool		is_found;

	if (bytes32_is_zero(talk->preimage))
		return false;
	hex_format(talk->preimage.bytes, sizeof(talk->preimage.bytes), digits);
	is_found = secret_search_finds(search, digits);
	explicit_bzero(digits, sizeof(digits));
	return is_found;
}

static bool
repeats_in(const HttpNode *self, const NodeTalk *talk, SecretSearch search, const char *text)
{
	/* By which secret it was asked nobody knows any more. */
	if (talk->connection != self->connection)
		return true;
	secret_search_add(&search, text);
	return finds_a_secret(self, &search) || finds_a_preimage(talk, &search);
}

static bool
repeats(const HttpNode *self, const NodeTalk *talk, const char *text)
{
	return text != NULL && repeats_in(self, talk, secret_search_begin(talk->call->arena, strlen(text)), text);
}

static bool
key_repeats(const HttpNode *self, const NodeTalk *talk, const char *key)
{
	return key != NULL && repeats_in(self, talk, secret_search_begin_in_digits(talk->call->arena, strlen(key)), key);
}

static bool
identity_repeats(const HttpNode *self, const NodeTalk *talk)
{
	const NodeIdentity *identity = &talk->call->identity;

	return repeats(self, talk, identity->network) || key_repeats(self, talk, identity->node_id) ||
		repeats(self, talk, identity->wallet) || repeats(self, talk, identity->version);
}

/* A hash that nobody here knows is written down, too. */
static bool
list_repeats(const HttpNode *self, const NodeTalk *talk)
{
	const NodeCall *call = talk->call;
	SecretSearch search = secret_search_begin_in_digits(call->arena, call->listed_count * BYTES32_TEXT_LENGTH);

	if (talk->connection != self->connection)
		return true;
	for (size_t i = 0; i < call->listed_count; i++)
		secret_search_add(&search, bytes32_hex(call->arena, call->operation == NODE_LIST_PAYMENTS ?
											   call->payments[i].payment_hash : call->invoices[i].payment_hash));
	return finds_a_secret(self, &search);
}

/* The words for operators, cut. */
static void
say(NodeCall *call, const char *words)
{
	call->words = words == NULL || words[0] == '\0' ? NULL :
		arena_text_of(call->arena, words, strnlen(words, MOST_WORDS));
}

/* What a node says is logged, stored and shown: never with a part of what we said to it in confidence. */
static void
withhold_secrets(const HttpNode *self, NodeTalk *talk)
{
	NodeCall   *call = talk->call;
	bool		is_withheld = false;

	say(call, call->words);
	if (repeats(self, talk, call->payment.reference))
		call->payment.reference = NULL;
	if (call->operation == NODE_IDENTIFY)
		is_withheld = identity_repeats(self, talk);
	else if (call->listed_count > 0)
		is_withheld = list_repeats(self, talk);
	if (is_withheld)
		node_call_give_up(call);
	if (is_withheld || repeats(self, talk, call->words))
		call->words = "(left out: the node repeats a part of a secret)";
}

/* Each page of a list may lead on to another, for ever. */
static void
bound_list(HttpNode *self, NodeCall *call)
{
	if (call->cursor == 0)
		self->notes.listed = 0;
	self->notes.listed += call->listed_count;
	if (self->notes.listed <= HTTP_NODE_MOST_LISTED)
		return;
	node_call_give_up(call);
	call->words = "the list is longer than can be compared with the books";
}

/* ------------------------------------------------------------------- talks */

static HttpRequest
empty_request(const HttpNode *self, const NodeTalk *talk)
{
	return (HttpRequest) {.peer = &self->peer, .method = "GET", .path = "", .deadline = talk->call->deadline};
}

static const HttpReply *
reply_of(const NodeTalk *talk)
{
	static const HttpReply lacking = {
		.transport = HTTP_NOT_SENT, .problem = HTTP_BROKEN, .body = "", .words = "out of memory or descriptors",
	};

	return talk->exchange == NULL ? &lacking : http_reply(talk->exchange);
}

/* Sends the request of this step; false where there is none. */
static bool
ask(HttpNode *self, NodeTalk *talk)
{
	HttpRequest request = empty_request(self, talk);

	talk->exchange = NULL;
	if (!self->dialect->ask(self, talk, &request))
		return false;
	if (request.pays)
		request.write_before = talk->call->write_before;
	if (self->client == NULL)
		self->client = http_client_new();
	if (self->client != NULL)
		talk->exchange = http_start(self->client, &request);
	return true;
}

/* Goes on as long as replies are there. */
static void
move(HttpNode *self, NodeTalk *talk)
{
	const HttpReply *reply;

	while (!talk->call->done && (reply = reply_of(talk)) != NULL)
	{
		HttpExchange *exchange = talk->exchange;
		bool		goes_on = self->dialect->hear(self, talk, reply);

		withhold_secrets(self, talk);
		if (talk->call->listed_count > 0)
			bound_list(self, talk->call);
		talk->exchange = NULL;
		(void) http_release(exchange);
		talk->step++;
		if (!goes_on || talk->connection != self->connection || !ask(self, talk))
			talk->call->done = true;
	}
}

static void
node_start(LightningNode *port, NodeCall *call)
{
	HttpNode   *self = (HttpNode *) port;
	NodeTalk   *talk = self->problem == NULL ? calloc(1, sizeof(NodeTalk)) : NULL;

	node_call_give_up(call);
	call->done = false;
	if (talk == NULL)
	{
		call->submit = SUBMIT_NOT_SENT;
		say(call, self->problem == NULL ? "out of memory" : self->problem);
		call->done = true;
		return;
	}
	talk->call = call;
	talk->connection = self->connection;
	talk->next = self->talks;
	self->talks = talk;
	if (ask(self, talk))
		move(self, talk);
	else
		call->done = true;
}

static void
node_progress(LightningNode *port)
{
	HttpNode   *self = (HttpNode *) port;

	if (self->client == NULL)
		return;
	http_progress(self->client);
	for (NodeTalk *talk = self->talks; talk != NULL; talk = talk->next)
		move(self, talk);
}

static Instant
node_next(LightningNode *port)
{
	(void) port;
	/* Deadlines make the descriptor readable, too. */
	return INSTANT_NONE;
}

static int
node_descriptor(LightningNode *port)
{
	HttpNode   *self = (HttpNode *) port;

	return self->client == NULL ? -1 : http_descriptor(self->client);
}

static void
node_release(LightningNode *port, NodeCall *call)
{
	HttpNode   *self = (HttpNode *) port;

	for (NodeTalk **link = &self->talks; *link != NULL; link = &(*link)->next)
		if ((*link)->call == call)
		{
			NodeTalk   *talk = *link;

			*link = talk->next;
			(void) http_release(talk->exchange);
			wiping_free(talk);
			return;
		}
}

/* -------------------------------------------------------------- connection */

void
http_node_init(HttpNode *self, const NodeDialect *dialect)
{
	memset(self, 0, sizeof(*self));
	self->dialect = dialect;
	self->problem = "the node was not connected yet";
	self->node = (LightningNode) {
		.name = dialect->name,
		.capabilities = node_capabilities[dialect->kind],
		.start = node_start,
		.progress = node_progress,
		.next = node_next,
		.descriptor = node_descriptor,
		.release = node_release,
	};
}

static void
forget(HttpNode *self)
{
	free((char *) self->peer.url);
	free((char *) self->peer.socket_path);
	free((char *) self->peer.ca_file);
	free((char *) self->peer.pinned_key);
	free((char *) self->peer.thumbprint);
	self->peer = (HttpPeer) {0};
	self->connection++;
	for (int i = 0; i < HTTP_NODE_SECRETS; i++)
	{
		wiping_free(self->secrets[i]);
		self->secrets[i] = NULL;
	}
	explicit_bzero(self->derivation, sizeof(self->derivation));
	self->notes = (NodeNotes) {0};
}

static bool
copy(const char **into, const char *text)
{
	*into = text == NULL ? NULL : strdup(text);
	return text == NULL || *into != NULL;
}

static bool
copy_peer(HttpPeer *peer, const NodeConnection *connection)
{
	peer->allows_plain = connection->allows_plain;
	return copy(&peer->url, connection->url) && copy(&peer->socket_path, connection->socket_path) &&
		copy(&peer->ca_file, connection->ca_file) && copy(&peer->pinned_key, connection->pinned_key) &&
		copy(&peer->thumbprint, connection->thumbprint);
}

const char *
http_node_connect(HttpNode *self, const NodeConnection *connection,
				  const uint8_t *credential, size_t credential_length)
{
	forget(self);
	if (!copy_peer(&self->peer, connection))
		self->problem = "out of memory";
	else
		self->problem = self->dialect->take_credential(self, credential, credential_length);
	if (self->problem != NULL)
		forget(self);
	return self->problem;
}

void
http_node_disconnect(HttpNode *self, const char *problem)
{
	forget(self);
	self->problem = problem;
}

void
http_node_end(HttpNode *self)
{
	while (self->talks != NULL)
		node_release(&self->node, self->talks->call);
	http_client_free(self->client);
	self->client = NULL;
	http_node_disconnect(self, "the node was not connected yet");
}

bool
http_node_keep(HttpNode *self, int index, const char *before, const char *secret)
{
	size_t		size = strlen(before) + strlen(secret) + 1;

	wiping_free(self->secrets[index]);
	self->secrets[index] = malloc(size);
	if (self->secrets[index] == NULL)
		return false;
	snprintf(self->secrets[index], size, "%s%s", before, secret);
	return true;
}
