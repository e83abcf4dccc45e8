/*
 * test_http_reader.c
 *		What comes in of a reply: bounded, by lines where it is a stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lightning/http_reader.h"

#include <stdlib.h>
#include <string.h>

static bool
is_end(const char *line, size_t length)
{
	return length == 3 && strcmp(line, "end") == 0;
}

static HttpReader
stream_of(size_t most_bytes)
{
	return (HttpReader) {.reads_a_line = true, .is_enough = is_end, .most_bytes = most_bytes, .enough_at = NEVER};
}

/* Who sends nothing but ends of lines keeps nobody busy: with a move of the rest for each, this would take minutes. */
static void
L56_a_million_lines_at_once_are_read_in_one_pass(void **state)
{
	const size_t count = 1000000;
	char	   *text = malloc(2 * count + 16);
	HttpReader	reader = stream_of(HTTP_MOST_LINE);

	for (size_t i = 0; i < count; i++)
		memcpy(text + 2 * i, i % 3 == 0 ? "x\n" : i % 3 == 1 ? "\r\n" : " \n", 2);
	strcpy(text + 2 * count, "end\nand more\n");
	assert_false(reader_take(&reader, text, 2 * count + 13));
	assert_true(reader.has_end);
	assert_string_equal(reader.line.bytes, "end");
	reader_end(&reader);
	free(text);
}

static void
L56_lines_are_the_same_however_they_are_cut(void **state)
{
	static const char text[] = "one\r\n\n two \nend\nrest";

	for (size_t piece = 1; piece < sizeof(text); piece++)
	{
		HttpReader	reader = stream_of(100);
		bool		goes_on = true;

		for (size_t at = 0; goes_on && at < sizeof(text) - 1; at += piece)
		{
			size_t		length = sizeof(text) - 1 - at < piece ? sizeof(text) - 1 - at : piece;

			goes_on = reader_take(&reader, text + at, length);
			assert_true(reader.reply.length <= piece + 5);
			assert_int_equal(reader.reply.bytes[reader.reply.length], '\0');
		}
		assert_false(goes_on);
		assert_string_equal(reader.line.bytes, "end");
		assert_false(reader.is_too_long);
		reader_end(&reader);
	}
}

static void
L56_a_line_without_end_is_too_long(void **state)
{
	HttpReader	reader = stream_of(100);

	for (int i = 0; i < 10; i++)
		assert_true(reader_take(&reader, "a line\n12", 9));
	for (int i = 0; i < 9; i++)
		assert_true(reader_take(&reader, "0123456789", 10));
	assert_false(reader_take(&reader, "0123456789", 10));
	assert_true(reader.is_too_long);
	assert_true(reader.has_line);
	reader_end(&reader);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L56_a_million_lines_at_once_are_read_in_one_pass),
		cmocka_unit_test(L56_lines_are_the_same_however_they_are_cut),
		cmocka_unit_test(L56_a_line_without_end_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
