/*
 * arena.h
 *		Where pure code takes its memory from.
 *
 * An arena only grows and is dropped whole.  In the server it is a memory
 * context, in the unit tests a chain of blocks (bump_arena).  Pure code owns
 * nothing that must be released: an error of the server may unwind past it at
 * any call through a port, and then the arena is all there is to clean up.
 */
#ifndef SPARK_COMMON_ARENA_H
#define SPARK_COMMON_ARENA_H

#include <stddef.h>

typedef struct Arena Arena;

struct Arena
{
	/* Memory of size bytes, aligned for any type, zeroed.  Never NULL. */
	void	   *(*allocate) (Arena *self, size_t size);
};

/* Zeroed memory that lives as long as the arena. */
extern void *arena_alloc(Arena *arena, size_t size);

/* A copy of size bytes. */
extern void *arena_copy(Arena *arena, const void *from, size_t size);

/* A copy of text; NULL stays NULL. */
extern const char *arena_text(Arena *arena, const char *text);

/* A copy of the first length bytes of text, with a NUL behind them. */
extern char *arena_text_of(Arena *arena, const char *text, size_t length);

/* Text made by a printf format. */
extern char *arena_printf(Arena *arena, const char *format,...)
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
;

#define ARENA_NEW(arena, type) ((type *) arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *) arena_alloc((arena), sizeof(type) * (count)))

/*
 * The arena of programs without a server.  Create, use through `arena`,
 * destroy.  It calls abort() when memory is out: tests have no other answer.
 */
typedef struct BumpArena
{
	Arena		arena;
	struct BumpBlock *blocks;
} BumpArena;

extern void bump_arena_init(BumpArena *self);
extern void bump_arena_destroy(BumpArena *self);

#endif
