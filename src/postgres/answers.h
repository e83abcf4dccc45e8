/*
 * answers.h
 *		Rows that SQL functions give back, built column by column in order.
 *
 *		Answer answer = answer_begin(fcinfo);
 *		answer_uuid(&answer, campaign->aggregate.id);
 *		answer_text(&answer, campaign->title);
 *		PG_RETURN_DATUM(answer_row(&answer));
 *
 * A function that returns a set begins with answers_begin() and calls
 * answer_put() after each row, then returns (Datum) 0.
 */
#ifndef SPARK_POSTGRES_ANSWERS_H
#define SPARK_POSTGRES_ANSWERS_H

#include "postgres/server.h"

#include "common/amount.h"
#include "common/clock.h"
#include "common/uuid.h"

#define MAX_COLUMNS 32

typedef struct Answer
{
	TupleDesc	description;
	Tuplestorestate *rows;		/* of a set; else NULL */
	int			column;			/* the next to be filled */
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];
} Answer;

/* For a function that returns one composite value. */
extern Answer answer_begin(FunctionCallInfo fcinfo);

/* For a function that returns a set of them (materialised). */
extern Answer answers_begin(FunctionCallInfo fcinfo);

extern void answer_uuid(Answer *answer, Uuid uuid); /* nil: NULL */
extern void answer_text(Answer *answer, const char *text);	/* NULL: NULL */
extern void answer_jsonb(Answer *answer, const char *json); /* NULL: NULL */
extern void answer_amount(Answer *answer, Amount amount);
extern void answer_bigint(Answer *answer, int64 value);
extern void answer_int(Answer *answer, int32 value);
extern void answer_bool(Answer *answer, bool value);
extern void answer_double(Answer *answer, double value);
extern void answer_instant(Answer *answer, Instant instant);	/* none: NULL */
extern void answer_ints(Answer *answer, const int32 *values, size_t count);	/* int[] */
extern void answer_null(Answer *answer);

/* The finished row as a Datum. */
extern Datum answer_row(Answer *answer);

/* The finished row into the set; the next one begins. */
extern void answer_put(Answer *answer);

#endif
