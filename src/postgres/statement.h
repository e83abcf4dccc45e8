/*
 * statement.h
 *		SQL with parameters, prepared once a backend.
 *
 * A statement is a static of the adapter that owns it.  Its plan is made at
 * the first use and kept; names are qualified, values are parameters, always.
 *
 *		static Statement find = {
 *			.sql = "SELECT campaign_id, title FROM spark_crowdfunding.campaigns"
 *			" WHERE campaign_id = $1 FOR UPDATE"};
 *
 *		Rows rows = rows_open(&find, PARAMETERS(param_uuid(id)));
 *		if (rows_next(&rows))
 *			title = row_text(&rows, 2, work->arena);
 *		rows_close(&rows);
 *
 * Columns count from 1.  An error of the server unwinds past all of this; SPI
 * cleans up by itself.
 */
#ifndef SPARK_POSTGRES_STATEMENT_H
#define SPARK_POSTGRES_STATEMENT_H

#include "postgres/server.h"

#include "common/amount.h"
#include "common/arena.h"
#include "common/clock.h"
#include "common/uuid.h"

/* Where statements look up what has no qualified name: the operators. */
#define SPARK_SEARCH_PATH "pg_catalog, pg_temp"

typedef struct Parameter
{
	Oid			type;
	Datum		value;
	bool		is_null;
} Parameter;

typedef struct Statement
{
	const char *sql;
	bool		read_only;		/* a query: the snapshot of the caller, no write, good on a standby */
	bool		of_now;			/* sees what is committed, also where the transaction keeps to an older snapshot */
	SPIPlanPtr	plan;			/* kept; NULL before the first use */
	struct Statement *next;		/* all that have a plan */
} Statement;

typedef struct Rows
{
	SPITupleTable *table;
	uint64		count;
	uint64		position;		/* of the row after the current one */
} Rows;

extern Parameter param_uuid(Uuid uuid);
extern Parameter param_uuid_or_null(Uuid uuid); /* nil is NULL */
extern Parameter param_uuids(const Uuid *uuids, size_t count);	/* uuid[] */
extern Parameter param_text(const char *text);	/* NULL is NULL */
extern Parameter param_texts(const char *const *texts, size_t count);	/* text[] */
extern Parameter param_jsonb(const char *json); /* JSON text as jsonb; NULL is NULL */
extern Parameter param_typed(Oid type, const char *text);	/* any type from its text form */
extern Parameter param_amount(Amount amount);
extern Parameter param_amounts(const Amount *amounts, size_t count);	/* bigint[] */
extern Parameter param_bigint(int64 value);
extern Parameter param_bigint_or_null(int64 value, bool is_null);
extern Parameter param_int(int32 value);
extern Parameter param_bool(bool value);
extern Parameter param_instant(Instant instant);	/* none is NULL */
extern Parameter param_bytea(const uint8_t *bytes, size_t length);

#define PARAMETERS(...) \
	(const Parameter[]) {__VA_ARGS__}, \
	(int) (sizeof((const Parameter[]) {__VA_ARGS__}) / sizeof(Parameter))
#define NO_PARAMETERS NULL, 0

/* Runs it; how many rows it touched or returned. */
extern uint64 statement_run(Statement *statement, const Parameter *parameters, int count);

/*
 * Runs it for many rows of values at once, each row written by put(); in the
 * statement they are the relation rows, in that order.
 *
 *		"INSERT INTO .. SELECT id, name FROM rows AS r (id, name)"
 *
 * Checks of the table are then prepared once, not once a row.
 */
#define MAX_PARAMETERS 32

typedef int (*RowWriter) (const void *item, Parameter *row);	/* how many values */

#define PUT_ROW(row, ...) \
	(memcpy((row), (const Parameter[]) {__VA_ARGS__}, sizeof((const Parameter[]) {__VA_ARGS__})), \
	 (int) (sizeof((const Parameter[]) {__VA_ARGS__}) / sizeof(Parameter)))

extern uint64 statement_run_rows(Statement *statement, const void *const *items, size_t count, RowWriter put);

/* Runs it and stands before the first row. */
extern Rows rows_open(Statement *statement, const Parameter *parameters, int count);

/* Steps to the next row; false behind the last. */
extern bool rows_next(Rows *rows);
extern void rows_close(Rows *rows);

extern bool row_is_null(const Rows *rows, int column);
extern Uuid row_uuid(const Rows *rows, int column);	/* NULL: nil */
extern const char *row_text(const Rows *rows, int column, Arena *arena);	/* NULL: NULL; jsonb as its text */
extern Amount row_amount(const Rows *rows, int column);	/* NULL: 0 */
extern int64 row_bigint(const Rows *rows, int column);	/* NULL: 0 */
extern int32 row_int(const Rows *rows, int column); /* NULL: 0 */
extern int	row_smallint(const Rows *rows, int column); /* NULL: 0 */
extern double row_double(const Rows *rows, int column); /* NULL: 0 */
extern bool row_bool(const Rows *rows, int column); /* NULL: false */
extern Instant row_instant(const Rows *rows, int column);	/* NULL: none */

/* Exactly so many bytes, NULL: zeros; SP900 where the column holds another number of them. */
extern void row_bytea(const Rows *rows, int column, uint8_t *bytes, size_t length);

/* The same for so many amounts of a bigint[]. */
extern void row_amounts(const Rows *rows, int column, Amount *amounts, size_t count);

/*
 * Drops every kept plan: after the extension was dropped and created again in
 * the life of one backend.
 */
extern void statements_forget(void);

#endif
