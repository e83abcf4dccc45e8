/*
 * payload.h
 *		What a message may carry, whoever emits it.
 */
#ifndef SPARK_POSTGRES_BUS_PAYLOAD_H
#define SPARK_POSTGRES_BUS_PAYLOAD_H

#include "postgres/server.h"

#include "utils/jsonb.h"

/* SP001 unless it is an object, of a size and depth that whoever handles it can bear. */
extern Jsonb *arg_payload_jsonb(FunctionCallInfo fcinfo, int number);

/* The same as text. */
extern const char *arg_payload(FunctionCallInfo fcinfo, int number);

extern const char *text_of_payload(Jsonb *payload);

#endif
