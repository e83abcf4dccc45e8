/*
 * prepared_before.c
 *		What transactions have emitted that were prepared before the server's start.
 *
 * They outlive what was noted of them.  Nobody else sees their rows yet, so these
 * are read with eyes that see what is on its way: of each such transaction once,
 * by the index that leads to its rows and no others.
 */
#include "postgres/counts/prepared_before.h"

#include "postgres/bus/lane_reader.h"
#include "postgres/bus/log.h"
#include "postgres/bus/log_row.h"
#include "postgres/counts/in_doubt.h"
#include "postgres/counts/traffic.h"
#include "postgres/environment.h"
#include "postgres/statement.h"

#include "access/transam.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

/* As the server tells it, without the epoch. */
static Statement find_prepared = {
	.sql = "SELECT transaction::text::bigint FROM pg_catalog.pg_prepared_xacts"
	" WHERE database = pg_catalog.current_database()",
	.read_only = true};

typedef struct EmissionKey
{
	uint64		type;
	int64		lane;
} EmissionKey;

typedef struct EmissionSum
{
	EmissionKey key;
	int64		number;
} EmissionSum;

/* The id with its epoch: it is not above the next one. */
static uint64
whole_id(TransactionId transaction)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (transaction > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, transaction));
}

static void
add_rows(HTAB *sums, uint64 transaction, int lane)
{
	LaneReader *reader = lane_reader_open_dirty(lane);
	TupleTableSlot *row;

	lane_reader_add_of(reader, transaction, 0, PG_INT64_MAX);
	while ((row = lane_reader_next(reader)) != NULL)
	{
		Message		message = {.type_name = TextDatumGetCString(row->tts_values[LOG_TYPE])};
		EmissionKey key = {traffic_type(&message), lane};
		bool		found;
		EmissionSum *sum = hash_search(sums, &key, HASH_ENTER, &found);

		sum->number = found ? sum->number + 1 : 1;
		pfree(unconstify(char *, message.type_name));
	}
	lane_reader_close(reader);
}

static void
note(uint64 transaction)
{
	HASHCTL		shape = {.keysize = sizeof(EmissionKey), .entrysize = sizeof(EmissionSum), .hcxt = CurrentMemoryContext};
	HTAB	   *sums = hash_create("spark emissions", 64, &shape, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	HASH_SEQ_STATUS all;
	EmissionSum *sum;
	Emission   *emissions;
	int			count = 0;

	for (int lane = 0; lane < log_shape()->made; lane++)
		add_rows(sums, transaction, lane);
	emissions = palloc((hash_get_num_entries(sums) + 1) * sizeof(Emission));
	hash_seq_init(&all, sums);
	while ((sum = hash_seq_search(&all)) != NULL)
		emissions[count++] = (Emission) {sum->key.type, (int) sum->key.lane, sum->number};
	hash_destroy(sums);
	note_in_doubt(transaction, emissions, count, INSTANT_NONE);
	pfree(emissions);
}

void
note_prepared_before(void)
{
	Rows		rows = rows_open(&find_prepared, NO_PARAMETERS);

	while (rows_next(&rows))
	{
		uint64		transaction = whole_id((TransactionId) row_bigint(&rows, 1));

		if (!is_in_doubt(transaction))
			note(transaction);
	}
	rows_close(&rows);
}
