/*
 * http_reader.c
 *		What comes in of a reply: bounded, by lines where it is a stream.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "lightning/http.h"

#include "lightning/http_reader.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_HEADER_BYTES ((size_t) 64 * 1024)

int64_t
moment(void)
{
	struct timespec time = {0};

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t) time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

void
wiping_free(void *memory)
{
	if (memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

void *
wiping_realloc(void *memory, size_t size)
{
	size_t		old = memory == NULL ? 0 : malloc_usable_size(memory);
	void	   *fresh = malloc(size);

	if (fresh == NULL || memory == NULL)
		return fresh;
	memcpy(fresh, memory, old < size ? old : size);
	wiping_free(memory);
	return fresh;
}

/* Adds to a text of malloc; false where memory is missing. */
static bool
append(Bytes *text, const char *bytes, size_t length)
{
	if (text->length + length + 1 > text->room)
	{
		size_t		room = text->room * 2 > text->length + length + 1 ? text->room * 2 : text->length + length + 1;
		char	   *fresh = wiping_realloc(text->bytes, room);

		if (fresh == NULL)
			return false;
		text->bytes = fresh;
		text->room = room;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
	return true;
}

/* A whole line of the stream is kept in place of the one before. */
static bool
take_line(HttpReader *self, const char *line, size_t length)
{
	while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' '))
		length--;
	if (length == 0)
		return true;
	self->line.length = 0;
	if (!append(&self->line, line, length))
		return false;
	if (!self->has_line && self->linger > 0)
		self->enough_at = moment() + self->linger;
	self->has_line = true;
	self->has_end = self->is_enough == NULL || self->is_enough(self->line.bytes, length);
	return true;
}

/* Takes the whole lines out of what came; however many there are, the rest is moved once. */
static bool
take_lines(HttpReader *self)
{
	Bytes	   *reply = &self->reply;
	size_t		used = 0;
	bool		is_taken = true;

	while (is_taken && !self->has_end)
	{
		const char *end = memchr(reply->bytes + self->searched, '\n', reply->length - self->searched);

		self->searched = end == NULL ? reply->length : (size_t) (end - reply->bytes) + 1;
		if (end == NULL)
			break;
		is_taken = take_line(self, reply->bytes + used, (size_t) (end - reply->bytes) - used);
		used = self->searched;
	}
	memmove(reply->bytes, reply->bytes + used, reply->length - used + 1);
	reply->length -= used;
	self->searched -= used;
	return is_taken;
}

/* What came is bounded; of a stream only the line that is not whole yet is kept. */
static bool
take_all(HttpReader *self, const char *bytes, size_t length)
{
	if (self->reply.length + length > self->most_bytes)
	{
		self->is_too_long = true;
		return false;
	}
	if (!append(&self->reply, bytes, length))
		return false;
	return !self->reads_a_line || take_lines(self);
}

bool
reader_take(HttpReader *self, const char *bytes, size_t length)
{
	if (!take_all(self, bytes, length))
	{
		self->lacks_memory = !self->is_too_long;
		return false;
	}
	return !self->has_end;
}

bool
reader_take_header(HttpReader *self, size_t length)
{
	self->header_bytes += length;
	self->is_too_long = self->is_too_long || self->header_bytes > MOST_HEADER_BYTES;
	return !self->is_too_long;
}

void
reader_end(HttpReader *self)
{
	wiping_free(self->reply.bytes);
	wiping_free(self->line.bytes);
	self->reply = (Bytes) {0};
	self->line = (Bytes) {0};
}
