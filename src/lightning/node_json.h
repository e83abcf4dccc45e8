/*
 * node_json.h
 *		What a node says in JSON, read strictly.
 *
 * A reply is hostile: names may stand there once only, texts are UTF-8 without
 * NUL and bounded, an amount is an integer or a text of digits and nothing
 * else, a hash is exactly its 32 bytes.  What is not so is not there, and the
 * reader of it says UNAVAILABLE.  No number ever passes through a float.
 */
#ifndef SPARK_LIGHTNING_NODE_JSON_H
#define SPARK_LIGHTNING_NODE_JSON_H

#include "common/amount.h"
#include "common/arena.h"
#include "common/clock.h"
#include "lightning/http.h"
#include "lightning/lightning_node.h"

#include <jansson.h>

/* Longer texts of a node are not there: payment requests are the longest. */
#define NODE_MOST_TEXT 8192

/* A reply of more values is none. */
#define NODE_MOST_VALUES ((size_t) 300000)

/* The object that the body is, to be given back by json_decref(); NULL where it is none. */
extern json_t *node_json_parse(const HttpReply *reply);

/* A member that is an object; NULL where there is none. */
extern const json_t *node_json_object(const json_t *object, const char *name);

/* A text, as the node has it, as long as the object lives; NULL where there is none or it is too long. */
extern const char *node_json_peek(const json_t *object, const char *name);

/* A copy of it; NULL likewise. */
extern const char *node_json_text(Arena *arena, const json_t *object, const char *name);

/* True where the member is that text. */
extern bool node_json_is(const json_t *object, const char *name, const char *text);

/* An integer, or a text of nothing but its digits and perhaps a minus sign. */
extern bool node_json_integer(const json_t *object, const char *name, int64_t *value) MUST_CHECK;

/* The same in millisatoshi; any sign, for a node may lie. */
extern bool node_json_msat(const json_t *object, const char *name, Amount *amount) MUST_CHECK;

extern bool node_json_bool(const json_t *object, const char *name, bool *value) MUST_CHECK;

/* 32 bytes as 64 hex digits of either case, or in base64. */
extern bool node_json_hex32(const json_t *object, const char *name, Bytes32 *value) MUST_CHECK;
extern bool node_json_base64_32(const json_t *object, const char *name, Bytes32 *value) MUST_CHECK;

/* Seconds, or nanoseconds, since 1970; none where it is no good. */
extern Instant node_json_seconds(const json_t *object, const char *name);
extern Instant node_json_nanoseconds(const json_t *object, const char *name);

#endif
