/*
 * raw_exchange.h
 *		Bytes out and bytes in over a Unix socket, without HTTP around them.
 *
 * A part of http.c, which owns the waiting: it is told which events a raw
 * exchange wants, and moves it when they are there.
 */
#ifndef SPARK_LIGHTNING_RAW_EXCHANGE_H
#define SPARK_LIGHTNING_RAW_EXCHANGE_H

#include "lightning/http.h"

typedef struct RawExchange
{
	int			socket;			/* -1: none */
	char	   *request;		/* malloc; wiped at the end */
	size_t		length;
	size_t		written;		/* bytes that have left */
	int			refusal;		/* errno of connect(), where that has failed */
} RawExchange;

/* Begins to connect and takes a copy of the bytes; HTTP_FINE, or why not. */
extern HttpProblem raw_begin(RawExchange *self, const char *socket_path, const char *bytes, size_t length);

/* What an operator is told of that problem: static text. */
extern const char *raw_words(const RawExchange *self, HttpProblem problem);

/* Writes what can be written; false where the peer is gone. */
extern bool raw_write(RawExchange *self);

/* True once all is written. */
extern bool raw_is_written(const RawExchange *self);

/* Reads at most size bytes: how many, 0 at the end of the stream, -1 for nothing yet, -2 where it broke. */
extern long raw_read(RawExchange *self, char *buffer, size_t size);

extern void raw_end(RawExchange *self);

#endif
