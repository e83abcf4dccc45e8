/*
 * password_policy.h
 *		Which passwords are taken, and how strong a stored hash is.
 *
 * Length is what counts: no rule of composition, no rotation.  Refused beside
 * short ones are the name itself and what is made of words that everybody
 * tries first.
 */
#ifndef SPARK_AUTH_PASSWORD_POLICY_H
#define SPARK_AUTH_PASSWORD_POLICY_H

#include "common/arena.h"
#include "common/result.h"

#include <stdbool.h>
#include <stdint.h>

/* Below this, no setting goes. */
#define PASSWORD_LEAST_CHARACTERS 8
#define PASSWORD_MAX_BYTES 1024

/*
 * INVALID_ARGUMENT, with a detail that does not show the password, for one
 * that must not be taken.  username: folded.
 */
extern Result password_check(Arena *arena, const char *password, const char *username,
							 int least_characters) MUST_CHECK;

/* What computing an argon2id hash takes. */
typedef struct HashCost
{
	int64_t		memory_kb;
	int64_t		passes;
} HashCost;

/* The cost in a PHC string, $argon2id$v=19$m=..,t=..,p=..$..; false for another one. */
extern bool hash_cost_read(const char *hash, HashCost *cost);

/* True where b takes more than a in one way and less in none: a hash is never made weaker. */
extern bool hash_cost_grew(HashCost a, HashCost b);

#endif
