/*
 * answers.c
 *		Rows that SQL functions give back, built column by column in order.
 */
#include "postgres/answers.h"

#include "postgres/environment.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/jsonb.h"

static void
put(Answer *answer, Datum value, bool is_null)
{
	if (answer->column >= answer->description->natts)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a function of spark answers more columns than its SQL declaration has"),
				 errhint("Run ALTER EXTENSION spark UPDATE.")));
	answer->values[answer->column] = value;
	answer->nulls[answer->column] = is_null;
	answer->column++;
}

Answer
answer_begin(FunctionCallInfo fcinfo)
{
	Answer		answer = {0};

	if (get_call_result_type(fcinfo, NULL, &answer.description) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function must be called in a context that accepts a row")));
	Assert(answer.description->natts <= MAX_COLUMNS);
	answer.description = BlessTupleDesc(answer.description);
	return answer;
}

Answer
answers_begin(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	return (Answer) {.description = result->setDesc, .rows = result->setResult};
}

void
answer_uuid(Answer *answer, Uuid uuid)
{
	put(answer, uuid_datum(uuid), uuid_is_nil(uuid));
}

void
answer_text(Answer *answer, const char *text)
{
	put(answer, text == NULL ? (Datum) 0 : CStringGetTextDatum(text), text == NULL);
}

void
answer_jsonb(Answer *answer, const char *json)
{
	put(answer, json == NULL ? (Datum) 0 : DirectFunctionCall1(jsonb_in, CStringGetDatum(json)), json == NULL);
}

void
answer_amount(Answer *answer, Amount amount)
{
	put(answer, Int64GetDatum(amount.msat), false);
}

void
answer_bigint(Answer *answer, int64 value)
{
	put(answer, Int64GetDatum(value), false);
}

void
answer_int(Answer *answer, int32 value)
{
	put(answer, Int32GetDatum(value), false);
}

void
answer_bool(Answer *answer, bool value)
{
	put(answer, BoolGetDatum(value), false);
}

void
answer_double(Answer *answer, double value)
{
	put(answer, Float8GetDatum(value), false);
}

void
answer_instant(Answer *answer, Instant instant)
{
	put(answer, TimestampTzGetDatum(instant_is_none(instant) ? 0 : timestamp_from_instant(instant)),
		instant_is_none(instant));
}

void
answer_ints(Answer *answer, const int32 *values, size_t count)
{
	Datum	   *elements = palloc(Max(count, 1) * sizeof(Datum));

	for (size_t i = 0; i < count; i++)
		elements[i] = Int32GetDatum(values[i]);
	put(answer, PointerGetDatum(construct_array(elements, (int) count, INT4OID, sizeof(int32), true, TYPALIGN_INT)),
		false);
}

void
answer_null(Answer *answer)
{
	put(answer, (Datum) 0, true);
}

static void
check_complete(const Answer *answer)
{
	if (answer->column != answer->description->natts)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a function of spark answers fewer columns than its SQL declaration has"),
				 errhint("Run ALTER EXTENSION spark UPDATE.")));
}

Datum
answer_row(Answer *answer)
{
	check_complete(answer);
	return HeapTupleGetDatum(heap_form_tuple(answer->description, answer->values, answer->nulls));
}

void
answer_put(Answer *answer)
{
	check_complete(answer);
	tuplestore_putvalues(answer->rows, answer->description, answer->values, answer->nulls);
	answer->column = 0;
}
