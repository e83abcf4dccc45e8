/*
 * username.c
 *		Folding of names.
 */
#include "auth/username.h"

#include "common/array.h"
#include "common/json.h"

#include <stdint.h>
#include <string.h>

/* Capitals first, first + step, .. last; the small letter is that much on. */
typedef struct CapitalLetters
{
	uint32_t	first;
	uint32_t	last;
	uint32_t	step;
	int32_t		to_small;
} CapitalLetters;

/* Latin, Greek, Cyrillic, Armenian, Georgian; other scripts have no case to speak of. */
static const CapitalLetters capitals[] = {
	{0x0041, 0x005a, 1, 32},
	{0x00c0, 0x00d6, 1, 32},
	{0x00d8, 0x00de, 1, 32},
	{0x0100, 0x012e, 2, 1},
	{0x0132, 0x0136, 2, 1},
	{0x0139, 0x0147, 2, 1},
	{0x014a, 0x0176, 2, 1},
	{0x0178, 0x0178, 1, -121},
	{0x0179, 0x017d, 2, 1},
	{0x018f, 0x018f, 1, 202},
	{0x01a0, 0x01a4, 2, 1},
	{0x01af, 0x01af, 1, 1},
	{0x01cd, 0x01db, 2, 1},
	{0x01de, 0x01ee, 2, 1},
	{0x01f8, 0x021e, 2, 1},
	{0x0222, 0x0232, 2, 1},
	{0x0386, 0x0386, 1, 38},
	{0x0388, 0x038a, 1, 37},
	{0x038c, 0x038c, 1, 64},
	{0x038e, 0x038f, 1, 63},
	{0x0391, 0x03a1, 1, 32},
	{0x03a3, 0x03ab, 1, 32},
	{0x03c2, 0x03c2, 1, 1},		/* the sigma at the end of a word */
	{0x0400, 0x040f, 1, 80},
	{0x0410, 0x042f, 1, 32},
	{0x0460, 0x0480, 2, 1},
	{0x048a, 0x04be, 2, 1},
	{0x04c0, 0x04c0, 1, 15},
	{0x04c1, 0x04cd, 2, 1},
	{0x04d0, 0x052e, 2, 1},
	{0x0531, 0x0556, 1, 48},
	{0x10a0, 0x10c5, 1, 7264},
	{0x1c90, 0x1cba, 1, -3008},
	{0x1e00, 0x1e94, 2, 1},
	{0x1e9e, 0x1e9e, 1, -7615},
	{0x1ea0, 0x1efe, 2, 1},
};

typedef struct PointRange
{
	uint32_t	first;
	uint32_t	last;
} PointRange;

/* Controls, joiners, marks of direction, fillers, tags: no name needs them. */
static const PointRange refused[] = {
	{0x0000, 0x001f},
	{0x007f, 0x009f},
	{0x00ad, 0x00ad},
	{0x034f, 0x034f},
	{0x061c, 0x061c},
	{0x115f, 0x1160},
	{0x17b4, 0x17b5},
	{0x180b, 0x180f},
	{0x200b, 0x200f},
	{0x2028, 0x202e},
	{0x2060, 0x206f},
	{0x3164, 0x3164},
	{0xfeff, 0xfeff},
	{0xffa0, 0xffa0},
	{0xfff0, 0xfffb},
	{0xe0000, 0xe0fff},
};

/* The code point at *at, which moves behind it; the text is well-formed. */
static uint32_t
next_point(const char **at)
{
	const unsigned char *byte = (const unsigned char *) *at;
	uint32_t	point = *byte++;

	if (point >= 0xf0)
		point &= 0x07;
	else if (point >= 0xe0)
		point &= 0x0f;
	else if (point >= 0xc0)
		point &= 0x1f;
	while ((*byte & 0xc0) == 0x80)
		point = point << 6 | (*byte++ & 0x3f);
	*at = (const char *) byte;
	return point;
}

static char *
put_point(char *to, uint32_t point)
{
	if (point < 0x80)
	{
		*to++ = (char) point;
		return to;
	}
	if (point < 0x800)
		*to++ = (char) (0xc0 | point >> 6);
	else
	{
		if (point < 0x10000)
			*to++ = (char) (0xe0 | point >> 12);
		else
		{
			*to++ = (char) (0xf0 | point >> 18);
			*to++ = (char) (0x80 | (point >> 12 & 0x3f));
		}
		*to++ = (char) (0x80 | (point >> 6 & 0x3f));
	}
	*to++ = (char) (0x80 | (point & 0x3f));
	return to;
}

static uint32_t
small_letter(uint32_t point)
{
	for (size_t i = 0; i < COUNT_OF(capitals); i++)
		if (point >= capitals[i].first && point <= capitals[i].last)
			return (point - capitals[i].first) % capitals[i].step == 0
				? (uint32_t) ((int32_t) point + capitals[i].to_small) : point;
	return point;
}

static bool
is_refused(uint32_t point)
{
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		if (point >= refused[i].first && point <= refused[i].last)
			return true;
	return false;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

Result
username_fold(Arena *arena, const char *name, const char **folded)
{
	size_t		length = strlen(name);
	const char *at;
	const char *end;
	char	   *small;
	char	   *to;

	while (length > 0 && is_space(name[0]))
		name++, length--;
	while (length > 0 && is_space(name[length - 1]))
		length--;
	if (length == 0)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "Argument username must not be empty.");
	if (length > USERNAME_MAX_BYTES || !utf8_is_valid(name, length))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "Argument username must be 1 to 64 characters of UTF-8.");
	at = arena_text_of(arena, name, length);
	end = at + length;
	/* The small letter of a capital never takes more than three bytes. */
	to = small = arena_alloc(arena, length * 3 + 1);
	while (at < end)
	{
		uint32_t	point = next_point(&at);

		if (is_refused(point))
			return FAIL_BECAUSE(INVALID_ARGUMENT, "Argument username must not hold control or invisible characters.");
		to = put_point(to, small_letter(point));
	}
	if (utf8_length(small) > USERNAME_MAX_CHARACTERS)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "Argument username must not be longer than 64 characters.");
	*folded = small;
	return OK;
}
