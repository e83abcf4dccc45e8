/*
 * page.h
 *		Lists in pages: newest first, by the time and the id of their rows.
 *
 *		static Statement statement = {
 *			.sql = "SELECT .. FROM .. WHERE account_id = $4 AND " PAGE("invoice_id"),
 *			.read_only = true};
 *
 *		return rows_open(&statement, PARAMETERS(PAGE_PARAMETERS(after, limit), param_uuid(account_id)));
 *
 * With an index on (account_id, created_at, invoice_id), a page is read as it
 * stands there and nothing beside it, however long the list (test/tap/070).
 * $1 to $3 are the page's.
 */
#ifndef SPARK_POSTGRES_PAGE_H
#define SPARK_POSTGRES_PAGE_H

#include "postgres/statement.h"

/* A place in a list: behind it the next page begins. */
typedef struct PagePlace
{
	Instant		created_at;		/* none: before the first row */
	Uuid		id;
} PagePlace;

#define FIRST_PAGE ((PagePlace) {INSTANT_NONE, UUID_NIL})

/* id: the name of its column. */
#define BEHIND_PLACE(id) "(created_at, " id ") < (coalesce($1, 'infinity'), $2)"
#define PAGE(id) BEHIND_PLACE(id) " ORDER BY created_at DESC, " id " DESC LIMIT $3"

#define PAGE_PARAMETERS(after, limit) \
	param_instant((after).created_at), param_uuid((after).id), param_bigint(limit)

#endif
