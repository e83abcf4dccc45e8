/*
 * lane_reader.h
 *		Reads the rows of a lane in the order of their numbers, without a
 *		statement.
 *
 * A consumer reads each message once, and does little else with most of them:
 * a plan over three segments, and a copy of each row on the way out of it, cost
 * more than that.  So the index on the number is read itself, of all segments
 * at once, and rows are looked at where they lie.
 */
#ifndef SPARK_POSTGRES_LANE_READER_H
#define SPARK_POSTGRES_LANE_READER_H

#include "postgres/server.h"

#include "executor/tuptable.h"

typedef struct LaneReader LaneReader;

/* The rows with numbers above that one, up to the last, that are visible now. */
extern LaneReader *lane_reader_open(int lane, int64 after, int64 last);

/* The next row, all its columns (log_row.h), good until the next call; NULL behind the last. */
extern TupleTableSlot *lane_reader_next(LaneReader *reader);

extern void lane_reader_close(LaneReader *reader);

#endif
