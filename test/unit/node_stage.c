/*
 * node_stage.c
 *		A node of any dialect, played by a peer that says what the test tells it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node_stage.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static Instant
in_seconds(int64_t seconds)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (Instant) {((int64_t) time.tv_sec + seconds) * 1000000 + time.tv_nsec / 1000};
}

static void
connect_node(NodeStage *self, const char *credential)
{
	NodeConnection connection = {
		.node = self->node.dialect->name,
		.url = self->peer.url,
		.socket_path = self->by_socket ? self->peer.socket_path : NULL,
	};
	const char *problem;

	problem = http_node_connect(&self->node, &connection, (const uint8_t *) credential, strlen(credential));
	if (problem != NULL)
		fail_msg("%s", problem);
}

/* Takes the address of the peer of this play; what the node has learned stays. */
static void
readdress(NodeStage *self)
{
	self->node.peer.url = self->peer.url;
	self->node.peer.socket_path = self->by_socket ? self->peer.socket_path : NULL;
}

void
stage_begin(NodeStage *self, const NodeDialect *dialect, const char *credential, bool by_socket)
{
	memset(self, 0, sizeof(*self));
	signal(SIGPIPE, SIG_IGN);
	bump_arena_init(&self->memory);
	self->arena = &self->memory.arena;
	self->by_socket = by_socket;
	http_node_init(&self->node, dialect);
	strcpy(self->peer.url, "http://127.0.0.1:1");
	strcpy(self->peer.socket_path, "/nonexistent");
	connect_node(self, credential);
	free((char *) self->node.peer.url);
	free((char *) self->node.peer.socket_path);
	readdress(self);
}

void
stage_end(NodeStage *self)
{
	self->node.peer.url = NULL;
	self->node.peer.socket_path = NULL;
	http_node_end(&self->node);
	bump_arena_destroy(&self->memory);
}

NodeCall *
stage_call(NodeStage *self, NodeOperation operation, int64_t seconds)
{
	self->call = (NodeCall) {.operation = operation, .arena = self->arena, .deadline = in_seconds(seconds)};
	return &self->call;
}

static void
lose_settings(NodeStage *self)
{
	self->node.peer.url = NULL;
	self->node.peer.socket_path = NULL;
	http_node_disconnect(&self->node, "its file is gone");
	self->loses_its_settings = false;
}

static void
ask(NodeStage *self)
{
	LightningNode *node = &self->node.node;

	readdress(self);
	node->start(node, &self->call);
	if (self->loses_its_settings)
		lose_settings(self);
	while (!self->call.done)
	{
		struct pollfd wait = {.fd = node->descriptor(node), .events = POLLIN};

		assert_int_not_equal(poll(&wait, 1, 60000), 0);
		node->progress(node);
	}
	node->release(node, &self->call);
}

void
stage_play(NodeStage *self, const PeerAct *acts, size_t count)
{
	assert_true(count <= STAGE_MOST_ACTS);
	memcpy(self->acts, acts, count * sizeof(PeerAct));
	peer_begin(&self->peer, self->acts, count, self->by_socket);
	ask(self);
	/* The other side goes first: a peer that waits for that must see it. */
	http_client_free(self->node.client);
	self->node.client = NULL;
	peer_end(&self->peer);
}

void
stage_play_nobody(NodeStage *self)
{
	static const PeerAct nothing = {NULL, NULL, PEER_CLOSES, false};

	peer_begin(&self->peer, &nothing, 1, self->by_socket);
	peer_end(&self->peer);
	ask(self);
}

PeerAct
stage_reply(NodeStage *self, int status, const char *body)
{
	return (PeerAct) {
		.words = arena_printf(self->arena, "HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nConnection: close\r\n"
							  "Content-Length: %zu\r\n\r\n%s", status, strlen(body), body),
	};
}
