/*
 * creator.c
 *		An account as this context knows it.
 */
#include "crowdfunding/creator.h"

const AggregateType creator_type = {"creator", sizeof(Creator), RANK_CREATOR};
