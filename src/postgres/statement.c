/*
 * statement.c
 *		SQL with parameters over SPI, prepared once a backend.
 *
 * rows_open() connects to SPI and rows_close() disconnects, so that what a
 * caller allocates between them must come from its own arena.
 *
 * Whatever the session looks names up in, a statement of spark does so in
 * SPARK_SEARCH_PATH: nobody's operator takes the place of PostgreSQL's.
 */
#include "postgres/statement.h"

#include "postgres/environment.h"
#include "postgres/errors.h"

#include "catalog/namespace.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

static Statement *prepared;

/* ------------------------------------------------------------- parameters */

Parameter
param_uuid(Uuid uuid)
{
	return (Parameter) {UUIDOID, uuid_datum(uuid), false};
}

Parameter
param_uuid_or_null(Uuid uuid)
{
	return (Parameter) {UUIDOID, uuid_datum(uuid), uuid_is_nil(uuid)};
}

Parameter
param_uuids(const Uuid *uuids, size_t count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (size_t i = 0; i < count; i++)
		elements[i] = uuid_datum(uuids[i]);
	return (Parameter) {
		UUIDARRAYOID,
		PointerGetDatum(construct_array(elements, (int) count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR)),
		false};
}

Parameter
param_text(const char *text)
{
	return (Parameter) {TEXTOID, text == NULL ? (Datum) 0 : CStringGetTextDatum(text), text == NULL};
}

Parameter
param_texts(const char *const *texts, size_t count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (size_t i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(texts[i]);
	return (Parameter) {
		TEXTARRAYOID,
		PointerGetDatum(construct_array(elements, (int) count, TEXTOID, -1, false, TYPALIGN_INT)),
		false};
}

Parameter
param_jsonb(const char *json)
{
	if (json == NULL)
		return (Parameter) {JSONBOID, (Datum) 0, true};
	return (Parameter) {JSONBOID, DirectFunctionCall1(jsonb_in, CStringGetDatum(json)), false};
}

Parameter
param_typed(Oid type, const char *text)
{
	Oid			input;
	Oid			io_parameter;

	if (text == NULL)
		return (Parameter) {type, (Datum) 0, true};
	getTypeInputInfo(type, &input, &io_parameter);
	return (Parameter) {type, OidInputFunctionCall(input, pstrdup(text), io_parameter, -1), false};
}

Parameter
param_amount(Amount amount)
{
	return (Parameter) {INT8OID, Int64GetDatum(amount.msat), false};
}

Parameter
param_amounts(const Amount *amounts, size_t count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (size_t i = 0; i < count; i++)
		elements[i] = Int64GetDatum(amounts[i].msat);
	return (Parameter) {
		INT8ARRAYOID,
		PointerGetDatum(construct_array(elements, (int) count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)),
		false};
}

Parameter
param_bigint(int64 value)
{
	return (Parameter) {INT8OID, Int64GetDatum(value), false};
}

Parameter
param_bigint_or_null(int64 value, bool is_null)
{
	return (Parameter) {INT8OID, Int64GetDatum(value), is_null};
}

Parameter
param_int(int32 value)
{
	return (Parameter) {INT4OID, Int32GetDatum(value), false};
}

Parameter
param_bool(bool value)
{
	return (Parameter) {BOOLOID, BoolGetDatum(value), false};
}

Parameter
param_instant(Instant instant)
{
	return (Parameter) {TIMESTAMPTZOID,
		TimestampTzGetDatum(instant_is_none(instant) ? 0 : timestamp_from_instant(instant)),
		instant_is_none(instant)};
}

Parameter
param_bytea(const uint8_t *bytes, size_t length)
{
	bytea	   *copy = palloc(VARHDRSZ + length);

	SET_VARSIZE(copy, VARHDRSZ + length);
	memcpy(VARDATA(copy), bytes, length);
	return (Parameter) {BYTEAOID, PointerGetDatum(copy), false};
}

/* ---------------------------------------------------------------- running */

static void
prepare(Statement *statement, const Parameter *parameters, int count)
{
	Oid			types[MAX_PARAMETERS];
	SPIPlanPtr	plan;

	for (int i = 0; i < count; i++)
		types[i] = parameters[i].type;
	plan = SPI_prepare(statement->sql, count, types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not prepare a statement of spark: %s", SPI_result_code_string(SPI_result)),
				 errdetail_internal("%s", statement->sql)));
	statement->plan = plan;
	statement->next = prepared;
	prepared = statement;
}

/* Where the session's is another: a level of settings, to be ended by leave_own_path(); else 0. */
static int
enter_own_path(void)
{
	int			level;

	if (strcmp(namespace_search_path, SPARK_SEARCH_PATH) == 0)
		return 0;
	level = NewGUCNestLevel();
	(void) set_config_option("search_path", SPARK_SEARCH_PATH, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

static void
leave_own_path(int level)
{
	if (level != 0)
		AtEOXact_GUC(true, level);
}

static int
execute_plan(const Statement *statement, Datum *values, const char *nulls)
{
	if (statement->of_now && IsolationUsesXactSnapshot())
		return SPI_execute_snapshot(statement->plan, values, nulls, GetLatestSnapshot(), InvalidSnapshot,
									statement->read_only, true, 0);
	return SPI_execute_plan(statement->plan, values, nulls, statement->read_only, 0);
}

static void
execute(Statement *statement, const Parameter *parameters, int count)
{
	int			level = enter_own_path();
	Datum		values[MAX_PARAMETERS];
	char		nulls[MAX_PARAMETERS + 1];
	int			code;

	Assert(count <= MAX_PARAMETERS);
	if (statement->plan == NULL)
		prepare(statement, parameters, count);
	for (int i = 0; i < count; i++)
	{
		values[i] = parameters[i].value;
		nulls[i] = parameters[i].is_null ? 'n' : ' ';
	}
	nulls[count] = '\0';
	code = execute_plan(statement, values, nulls);
	if (code < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not run a statement of spark: %s", SPI_result_code_string(code)),
				 errdetail_internal("%s", statement->sql)));
	leave_own_path(level);
}

uint64
statement_run(Statement *statement, const Parameter *parameters, int count)
{
	uint64		processed;

	SPI_connect();
	execute(statement, parameters, count);
	processed = SPI_processed;
	SPI_finish();
	return processed;
}

/*
 * The values of all rows as the relation "rows" of this statement alone.  That
 * costs little beside one array a column, and the plan needs no parameters.
 */
static void
register_rows(const void *const *items, size_t count, RowWriter put)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	Parameter	row[MAX_PARAMETERS];
	Datum		values[MAX_PARAMETERS];
	bool		nulls[MAX_PARAMETERS];
	int			columns = 0;
	TupleDesc	description = NULL;

	for (size_t i = 0; i < count; i++)
	{
		columns = put(items[i], row);
		Assert(columns <= MAX_PARAMETERS);
		if (description == NULL)
			description = CreateTemplateTupleDesc(columns);
		for (int c = 0; c < columns; c++)
		{
			if (i == 0)
				TupleDescInitEntry(description, (AttrNumber) (c + 1), psprintf("value%d", c + 1), row[c].type, -1, 0);
			values[c] = row[c].value;
			nulls[c] = row[c].is_null;
		}
		tuplestore_putvalues(store, description, values, nulls);
	}
	relation->md.name = "rows";
	relation->md.tupdesc = description;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	/* As for one row: the plan is kept, and finds its rows by index. */
	relation->md.enrtuples = 1;
	relation->reldata = store;
	if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("the rows of a statement of spark could not be named")));
}

uint64
statement_run_rows(Statement *statement, const void *const *items, size_t count, RowWriter put)
{
	uint64		processed;

	if (count == 0)
		return 0;
	SPI_connect();
	register_rows(items, count, put);
	execute(statement, NO_PARAMETERS);
	processed = SPI_processed;
	SPI_finish();
	return processed;
}

Rows
rows_open(Statement *statement, const Parameter *parameters, int count)
{
	SPI_connect();
	execute(statement, parameters, count);
	return (Rows) {.table = SPI_tuptable, .count = SPI_tuptable != NULL ? SPI_processed : 0, .position = 0};
}

bool
rows_next(Rows *rows)
{
	if (rows->position >= rows->count)
		return false;
	rows->position++;
	return true;
}

void
rows_close(Rows *rows)
{
	rows->table = NULL;
	SPI_finish();
}

void
statements_forget(void)
{
	while (prepared != NULL)
	{
		Statement  *statement = prepared;

		prepared = statement->next;
		SPI_freeplan(statement->plan);
		statement->plan = NULL;
	}
}

/* ---------------------------------------------------------------- columns */

static Datum
column_datum(const Rows *rows, int column, bool *is_null)
{
	return SPI_getbinval(rows->table->vals[rows->position - 1], rows->table->tupdesc, column, is_null);
}

bool
row_is_null(const Rows *rows, int column)
{
	bool		is_null;

	(void) column_datum(rows, column, &is_null);
	return is_null;
}

Uuid
row_uuid(const Rows *rows, int column)
{
	bool		is_null;
	Datum		datum = column_datum(rows, column, &is_null);

	return is_null ? UUID_NIL : uuid_of_datum(datum);
}

const char *
row_text(const Rows *rows, int column, Arena *arena)
{
	return arena_text(arena, SPI_getvalue(rows->table->vals[rows->position - 1], rows->table->tupdesc, column));
}

int64
row_bigint(const Rows *rows, int column)
{
	bool		is_null;
	Datum		datum = column_datum(rows, column, &is_null);

	return is_null ? 0 : DatumGetInt64(datum);
}

Amount
row_amount(const Rows *rows, int column)
{
	return (Amount) {row_bigint(rows, column)};
}

int32
row_int(const Rows *rows, int column)
{
	bool		is_null;
	Datum		datum = column_datum(rows, column, &is_null);

	return is_null ? 0 : DatumGetInt32(datum);
}

int
row_smallint(const Rows *rows, int column)
{
	bool		is_null;
	Datum		datum = column_datum(rows, column, &is_null);

	return is_null ? 0 : DatumGetInt16(datum);
}

double
row_double(const Rows *rows, int column)
{
	bool		is_null;
	Datum		datum = column_datum(rows, column, &is_null);

	return is_null ? 0 : DatumGetFloat8(datum);
}

bool
row_bool(const Rows *rows, int column)
{
	bool		is_null;
	Datum		datum = column_datum(rows, column, &is_null);

	return !is_null && DatumGetBool(datum);
}

Instant
row_instant(const Rows *rows, int column)
{
	bool		is_null;
	Datum		datum = column_datum(rows, column, &is_null);

	return is_null ? INSTANT_NONE : instant_from_timestamp(DatumGetTimestampTz(datum));
}

void
row_bytea(const Rows *rows, int column, uint8_t *bytes, size_t length)
{
	bool		is_null;
	Datum		datum = column_datum(rows, column, &is_null);
	bytea	   *stored;

	memset(bytes, 0, length);
	if (is_null)
		return;
	stored = DatumGetByteaPP(datum);
	if (VARSIZE_ANY_EXHDR(stored) != length)
		refuse(RESULT_INTERNAL, "A stored value of bytes does not have the length that it must have.");
	memcpy(bytes, VARDATA_ANY(stored), length);
}

void
row_amounts(const Rows *rows, int column, Amount *amounts, size_t count)
{
	bool		is_null;
	Datum		datum = column_datum(rows, column, &is_null);
	Datum	   *elements;
	int			stored = 0;

	memset(amounts, 0, sizeof(Amount) * count);
	if (is_null)
		return;
	deconstruct_array(DatumGetArrayTypeP(datum), INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &elements, NULL, &stored);
	if ((size_t) stored != count)
		refuse(RESULT_INTERNAL, "A stored value of amounts does not have the length that it must have.");
	for (size_t i = 0; i < count; i++)
		amounts[i] = AMOUNT_MSAT(DatumGetInt64(elements[i]));
}
