/*
 * node_replies.h
 *		What the replies of all nodes have in common.
 */
#ifndef SPARK_LIGHTNING_NODE_REPLIES_H
#define SPARK_LIGHTNING_NODE_REPLIES_H

#include "lightning/node_json.h"

#define NO_JSON_OF_A_NODE "the reply is not the JSON of a node"
#define NO_ERROR_OF_A_NODE "an error that is not the node's own"

/* The node's own words where the body is an error as this kind of node tells it, in call->words; false where it is none. */
typedef bool (*TakeError) (NodeCall *call, const HttpReply *reply, const json_t *body);

/* The body of a reply of that status, to be given back; NULL, and call->words, where it is another one or none. */
extern json_t *node_good_body(NodeCall *call, const HttpReply *reply, int status, TakeError take_error);

/* The entry is about the hash that was asked about; false, and call->words, where it is not. */
extern bool node_is_of_hash(NodeCall *call, const json_t *entry);

#endif
