/*
 * node_stage.h
 *		A node of any dialect, played by a peer that says what the test tells it.
 *
 * One act is the reply to one request; behind the last one it is said again.
 * The port is used as the worker uses it: start, sleep on its descriptor, move.
 */
#ifndef SPARK_TEST_NODE_STAGE_H
#define SPARK_TEST_NODE_STAGE_H

#include "fault_peer.h"
#include "lightning/http_node.h"

#define STAGE_MOST_ACTS 64

typedef struct NodeStage
{
	BumpArena	memory;
	Arena	   *arena;
	FaultPeer	peer;
	PeerAct		acts[STAGE_MOST_ACTS];
	HttpNode	node;
	NodeCall	call;
	bool		by_socket;
	bool		is_open;
	bool		loses_its_settings;	/* between the first request and its reply */
} NodeStage;

extern void stage_begin(NodeStage *self, const NodeDialect *dialect, const char *credential, bool by_socket);
extern void stage_end(NodeStage *self);

/* What is asked next; its deadline is that many seconds away. */
extern NodeCall *stage_call(NodeStage *self, NodeOperation operation, int64_t seconds);

/* Asks it while the peer does these things, and waits for the answer. */
extern void stage_play(NodeStage *self, const PeerAct *acts, size_t count);

/* Nobody listens. */
extern void stage_play_nobody(NodeStage *self);

/* A reply of HTTP with that body. */
extern PeerAct stage_reply(NodeStage *self, int status, const char *body);

#define PLAY(stage, ...) \
	do { \
		const PeerAct played[] = {__VA_ARGS__}; \
		stage_play((stage), played, sizeof(played) / sizeof(played[0])); \
	} while (0)

#endif
