/*
 * lane_reader.h
 *		Reads the rows of a lane in the order of their numbers, without a
 *		statement.
 *
 * A consumer reads each message once, and does little else with most of them:
 * a plan over three segments, a sort, and a copy of each row on the way out
 * cost more than that.  So the indexes are read themselves, of all segments at
 * once, and rows are looked at where they lie.
 */
#ifndef SPARK_POSTGRES_BUS_LANE_READER_H
#define SPARK_POSTGRES_BUS_LANE_READER_H

#include "postgres/server.h"

#include "executor/tuptable.h"

typedef struct LaneReader LaneReader;

/* Of what is visible now; nothing of it before something is added. */
extern LaneReader *lane_reader_open(int lane);

/* Of what will be, too, if those commit that are on their way. */
extern LaneReader *lane_reader_open_dirty(int lane);

/* Adds the rows with numbers above that one, up to the last. */
extern void lane_reader_add(LaneReader *reader, int64 after, int64 last);

/* Adds those of one transaction among them; no row must be added twice. */
extern void lane_reader_add_of(LaneReader *reader, uint64 xid, int64 after, int64 last);

/* The next row, all its columns (log_row.h), good until the next call; NULL behind the last. */
extern TupleTableSlot *lane_reader_next(LaneReader *reader);

extern void lane_reader_close(LaneReader *reader);

#endif
