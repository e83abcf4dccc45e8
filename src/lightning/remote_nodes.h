/*
 * remote_nodes.h
 *		The real nodes behind the port, one of each kind, as the settings say
 *		how they are reached.
 *
 * Used by the worker "spark lightning" alone; until it starts a call nothing is
 * read, opened or loaded.  What is wrong with the settings or the file with the
 * credential makes every call fail with words that name the remedy.
 */
#ifndef SPARK_LIGHTNING_REMOTE_NODES_H
#define SPARK_LIGHTNING_REMOTE_NODES_H

#include "postgres/server.h"

#include "common/arena.h"
#include "lightning/connection.h"
#include "lightning/lightning_node.h"

/* Reads the settings; NULL, or what is wrong with them. */
typedef const char *(*ConnectionSource) (Arena *arena, NodeConnection *connection);

/* Wired once by the composition root. */
extern void remote_nodes_set_source(ConnectionSource source);

/* "lnd", ..: the one of this process, the same at each call; NULL where there is none of that name. */
extern LightningNode *remote_node(const char *name);

#endif
