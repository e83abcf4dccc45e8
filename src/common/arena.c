/*
 * arena.c
 *		Helpers over any arena, and the one for programs without a server.
 *
 * Every allocation of the bump arena is a block of its own: slower than one
 * large block, but the address sanitizer then sees each overrun.
 */
#include "common/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct BumpBlock
{
	struct BumpBlock *next;
	max_align_t data[];
} BumpBlock;

void *
arena_alloc(Arena *arena, size_t size)
{
	return arena->allocate(arena, size > 0 ? size : 1);
}

void *
arena_copy(Arena *arena, const void *from, size_t size)
{
	void	   *to = arena_alloc(arena, size);

	if (size > 0)
		memcpy(to, from, size);
	return to;
}

char *
arena_text_of(Arena *arena, const char *text, size_t length)
{
	char	   *to = arena_alloc(arena, length + 1);

	if (length > 0)
		memcpy(to, text, length);
	to[length] = '\0';
	return to;
}

const char *
arena_text(Arena *arena, const char *text)
{
	return text == NULL ? NULL : arena_text_of(arena, text, strlen(text));
}

char *
arena_printf(Arena *arena, const char *format,...)
{
	va_list		arguments;
	int			length;
	char	   *text;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return arena_text_of(arena, "", 0);
	text = arena_alloc(arena, (size_t) length + 1);
	va_start(arguments, format);
	(void) vsnprintf(text, (size_t) length + 1, format, arguments);
	va_end(arguments);
	return text;
}

static void *
bump_allocate(Arena *arena, size_t size)
{
	BumpArena  *self = (BumpArena *) arena;
	BumpBlock  *block = calloc(1, sizeof(BumpBlock) + size);

	if (block == NULL)
		abort();
	block->next = self->blocks;
	self->blocks = block;
	return block->data;
}

void
bump_arena_init(BumpArena *self)
{
	self->arena.allocate = bump_allocate;
	self->blocks = NULL;
}

void
bump_arena_destroy(BumpArena *self)
{
	while (self->blocks != NULL)
	{
		BumpBlock  *block = self->blocks;

		self->blocks = block->next;
		free(block);
	}
}
