/*
 * password_policy.c
 *		Rules for passwords.
 */
#include "auth/password_policy.h"

#include "common/array.h"
#include "common/json.h"

#include <string.h>

/* Words of this site, and what is tried first everywhere. */
static const char *const weak_words[] = {
	"spark", "satoshi", "nakamoto", "bitcoin", "lightning", "crowdfunding", "campaign", "donation",
	"postgres", "postgresql", "postgrest",
	"password", "passw0rd", "p@ssw0rd", "passphrase", "letmein", "welcome", "iloveyou", "trustno1",
	"administrator", "admin", "secret", "default", "changeme", "superman", "batman", "sunshine",
	"princess", "football", "baseball", "starwars", "dragon", "monkey", "master", "shadow",
	"qwerty", "qwertyuiop", "asdfgh", "asdfghjkl", "zxcvbn", "zxcvbnm", "qazwsx", "qazwsxedc",
	"1q2w3e4r", "1qaz2wsx", "abc123", "abcdefgh", "abcdefghijklmnopqrstuvwxyz",
	"012345", "0123456789", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789",
	"1234567890", "654321", "87654321", "987654321", "111111", "000000", "666666", "888888",
};

/* A name of less than this may stand in a good password by chance. */
#define NAME_WORD_LENGTH 4

static char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static bool
begins_with(const char *text, const char *word)
{
	for (; *word != '\0'; text++, word++)
		if (ascii_lower(*text) != *word)
			return false;
	return true;
}

static bool
is_separator(char c)
{
	return c == ' ' || c == '-' || c == '_' || c == '.';
}

/*
 * True where the password is nothing but weak words in a row, with or without
 * something between them.  reachable[i]: the first i bytes are that.
 */
static bool
is_made_of_weak_words(Arena *arena, const char *password, const char *username)
{
	size_t		length = strlen(password);
	bool	   *reachable = ARENA_ARRAY(arena, bool, length + 1);

	reachable[0] = true;
	for (size_t i = 0; i < length; i++)
	{
		if (!reachable[i])
			continue;
		if (is_separator(password[i]))
			reachable[i + 1] = true;
		for (size_t w = 0; w < COUNT_OF(weak_words); w++)
			if (begins_with(password + i, weak_words[w]))
				reachable[i + strlen(weak_words[w])] = true;
		if (strlen(username) >= NAME_WORD_LENGTH && begins_with(password + i, username))
			reachable[i + strlen(username)] = true;
	}
	return reachable[length];
}

Result
password_check(Arena *arena, const char *password, const char *username, int least_characters)
{
	size_t		length = strlen(password);

	if (least_characters < PASSWORD_LEAST_CHARACTERS)
		least_characters = PASSWORD_LEAST_CHARACTERS;
	if (length > PASSWORD_MAX_BYTES)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "Argument password must not be longer than 1024 bytes.");
	if (!utf8_is_valid(password, length))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "Argument password must be UTF-8.");
	if (utf8_length(password) < (size_t) least_characters)
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Argument password must have at least %d characters.", least_characters));
	if (is_made_of_weak_words(arena, password, username))
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							"Argument password must not be the name or made of words that are tried first.");
	return OK;
}

/* ----------------------------------------------------------- cost of a hash */

/* Reads the prefix, then a positive number, and moves behind both. */
static bool
read_number(const char **at, const char *prefix, int64_t *number)
{
	size_t		length = strlen(prefix);

	if (strncmp(*at, prefix, length) != 0)
		return false;
	*at += length;
	*number = 0;
	for (; **at >= '0' && **at <= '9'; (*at)++)
	{
		if (*number > UINT32_MAX)
			return false;
		*number = *number * 10 + (**at - '0');
	}
	return *number > 0;
}

bool
hash_cost_read(const char *hash, HashCost *cost)
{
	int64_t		version;

	return read_number(&hash, "$argon2id$v=", &version) &&
		read_number(&hash, "$m=", &cost->memory_kb) &&
		read_number(&hash, ",t=", &cost->passes);
}

bool
hash_cost_grew(HashCost a, HashCost b)
{
	return b.memory_kb >= a.memory_kb && b.passes >= a.passes &&
		(b.memory_kb > a.memory_kb || b.passes > a.passes);
}
