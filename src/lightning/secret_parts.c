/*
 * secret_parts.c
 *		Whether texts of somebody else hold a part of a secret.
 *
 * Eight characters are one number.  Those of the texts are sorted; those of the
 * secret, in each of its forms, pass by one after the other.
 */
#include "lightning/secret_parts.h"

#include "common/array.h"

#include <stdlib.h>
#include <string.h>

#define PART 8					/* characters, one a byte of a run */
#define PARTS_IN_DIGITS 9		/* each a character further on: sixteen */

static const char hex_digits[] = "0123456789abcdef";
static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The last characters that went by. */
typedef struct Window
{
	uint64_t	run;
	size_t		length;
} Window;

/* Takes in one more; true: the run is a part that could be told. */
static bool
slide(Window *window, char letter)
{
	unsigned char byte = (unsigned char) letter;

	if (byte >= 'A' && byte <= 'Z')
		byte = (unsigned char) (byte - 'A' + 'a');
	else if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9')))
		return false;
	window->run = window->run << 8 | byte;
	window->length++;
	return window->length >= PART && window->run != byte * UINT64_C(0x0101010101010101);
}

/* ------------------------------------------------------------------- texts */

SecretSearch
secret_search_begin(Arena *arena, size_t most_characters)
{
	return (SecretSearch) {.runs = ARENA_ARRAY(arena, uint64_t, most_characters + 1), .room = most_characters, .least = 1};
}

SecretSearch
secret_search_begin_in_digits(Arena *arena, size_t most_characters)
{
	SecretSearch search = secret_search_begin(arena, most_characters);

	search.least = PARTS_IN_DIGITS;
	return search;
}

void
secret_search_add(SecretSearch *self, const char *text)
{
	Window		window = {0};

	self->is_sorted = false;
	for (; text != NULL && *text != '\0' && self->count < self->room; text++)
		if (slide(&window, *text))
			self->runs[self->count++] = window.run;
}

static int
by_value(const void *a, const void *b)
{
	uint64_t	left = *(const uint64_t *) a;
	uint64_t	right = *(const uint64_t *) b;

	return (left > right) - (left < right);
}

/* ------------------------------------------------------------------- forms */

/* A form of the secret as it is looked for. */
typedef struct Form
{
	const SecretSearch *search;
	Window		window;
	size_t		found;			/* parts, up to the last one */
	bool		is_found;
} Form;

static Form
begin_form(const SecretSearch *search)
{
	return (Form) {.search = search};
}

static void
add_letter(Form *form, char letter)
{
	const SecretSearch *search = form->search;

	if (form->is_found || !slide(&form->window, letter))
		return;
	if (bsearch(&form->window.run, search->runs, search->count, sizeof(uint64_t), by_value) != NULL)
		form->found++;
	else
		form->found = 0;
	form->is_found = form->found >= search->least;
}

static bool
finds_text(const SecretSearch *search, const char *text)
{
	Form		form = begin_form(search);

	for (; *text != '\0'; text++)
		add_letter(&form, *text);
	return form.is_found;
}

/* What that letter is worth, of so many bits; negative: nothing. */
static int
value_of(char letter, unsigned bits)
{
	const char *letters = bits == 4 ? hex_digits : base64_letters;
	const char *found;

	if (bits == 6 && (letter == '-' || letter == '_'))
		letter = letter == '-' ? '+' : '/';
	if (bits == 4 && letter >= 'A' && letter <= 'F')
		letter = (char) (letter - 'A' + 'a');
	found = letter == '\0' ? NULL : strchr(letters, letter);
	return found == NULL ? -1 : (int) (found - letters);
}

/* The bytes that a text is, or is of where each letter stands for so many bits only. */
typedef struct Source
{
	const char *text;
	unsigned	bits;			/* 8: the text itself */
	size_t		count;
} Source;

static Source
source_of(const char *text, unsigned bits)
{
	size_t		letters = 0;

	if (bits == 8)
		return (Source) {text, bits, strlen(text)};
	while (value_of(text[letters], bits) >= 0)
		letters++;
	/* Nothing but padding may follow. */
	if (text[letters + strspn(text + letters, "=")] != '\0')
		letters = 0;
	return (Source) {text, bits, letters * bits / 8};
}

static unsigned
byte_at(const Source *source, size_t place)
{
	size_t		letter = place * 8 / source->bits;
	size_t		skipped = place * 8 % source->bits;	/* bits of the first letter */
	unsigned	held = 0;
	size_t		held_bits = 0;

	if (source->bits == 8)
		return (unsigned char) source->text[place];
	while (held_bits < skipped + 8)
	{
		held = held << source->bits | (unsigned) value_of(source->text[letter++], source->bits);
		held_bits += source->bits;
	}
	return held >> (held_bits - skipped - 8) & 255;
}

static bool
finds_hex(const SecretSearch *search, const Source *source)
{
	Form		form = begin_form(search);

	for (size_t i = 0; i < source->count; i++)
	{
		unsigned	byte = byte_at(source, i);

		add_letter(&form, hex_digits[byte >> 4]);
		add_letter(&form, hex_digits[byte & 15]);
	}
	return form.is_found;
}

/* Within a longer text, three bytes begin anywhere. */
static bool
finds_base64(const SecretSearch *search, const Source *source)
{
	bool		is_found = false;

	for (size_t first = 0; first < 3; first++)
	{
		Form		form = begin_form(search);

		for (size_t i = first; i + 3 <= source->count; i += 3)
		{
			unsigned	group = byte_at(source, i) << 16 | byte_at(source, i + 1) << 8 | byte_at(source, i + 2);

			for (int shift = 18; shift >= 0; shift -= 6)
				add_letter(&form, base64_letters[group >> shift & 63]);
		}
		is_found = is_found || form.is_found;
	}
	return is_found;
}

bool
secret_search_finds(SecretSearch *self, const char *secret)
{
	static const unsigned widths[] = {8, 4, 6};

	if (self->count == 0)
		return false;
	if (!self->is_sorted)
		qsort(self->runs, self->count, sizeof(uint64_t), by_value);
	self->is_sorted = true;
	if (finds_text(self, secret))
		return true;
	for (size_t i = 0; i < COUNT_OF(widths); i++)
	{
		Source		source = source_of(secret, widths[i]);

		if (finds_hex(self, &source) || finds_base64(self, &source))
			return true;
	}
	return false;
}
