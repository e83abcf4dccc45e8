/*
 * creator.h
 *		An account as this context knows it: its name, for owner_username.
 *
 * Kept from auth.signed_up.  A campaign may be there first: its owner has no
 * name then, for a moment.
 */
#ifndef SPARK_CROWDFUNDING_CREATOR_H
#define SPARK_CROWDFUNDING_CREATOR_H

#include "common/aggregate.h"

typedef struct Creator
{
	Aggregate	aggregate;		/* its id is the account's */
	const char *username;
} Creator;

extern const AggregateType creator_type;

#endif
