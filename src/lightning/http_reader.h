/*
 * http_reader.h
 *		What comes in of a reply: bounded, by lines where it is a stream.
 *
 * A part of http.c.  Its functions run in callbacks of libcurl: they touch
 * memory of malloc and nothing else, and say what is wrong instead of leaving.
 * That memory is wiped before it is given back.
 */
#ifndef SPARK_LIGHTNING_HTTP_READER_H
#define SPARK_LIGHTNING_HTTP_READER_H

#include "lightning/http.h"

/* Microseconds of a clock that only grows; NEVER comes after all of them. */
#define NEVER INT64_MAX

typedef struct Bytes
{
	char	   *bytes;			/* malloc; a NUL behind the length */
	size_t		length;
	size_t		room;
} Bytes;

typedef struct HttpReader
{
	bool		reads_a_line;
	bool		(*is_enough) (const char *line, size_t length);
	size_t		most_bytes;
	int64_t		linger;			/* microseconds; 0: none */
	int64_t		enough_at;		/* when the last line must do; NEVER before the first */

	Bytes		reply;			/* of a stream only what is no whole line yet */
	size_t		searched;		/* no line ends before this */
	Bytes		line;			/* the last whole line */
	size_t		header_bytes;
	bool		has_line;
	bool		has_end;		/* the line that was asked for is there */
	bool		is_too_long;
	bool		lacks_memory;
} HttpReader;

/* Takes in bytes; false where no more are wanted: see the flags for why. */
extern bool reader_take(HttpReader *self, const char *bytes, size_t length);

/* Counts a header; false where that is too much. */
extern bool reader_take_header(HttpReader *self, size_t length);

extern void reader_end(HttpReader *self);

/* free() and realloc() of memory that may hold a secret. */
extern void wiping_free(void *memory);
extern void *wiping_realloc(void *memory, size_t size);

/* Now. */
extern int64_t moment(void);

#endif
