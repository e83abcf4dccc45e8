/*
 * log.h
 *		The shape of the log: its lanes, and the segments of each.
 *
 * A lane is three tables of one structure (its segments), a sequence, and a
 * view over all three.  Emitters write into the current segment of the lane of
 * the key; readers read all three, so which one is current is a hint, never a
 * truth.  Segments that every cursor has left behind are emptied (rotation.h).
 *
 * The number of lanes that emitters use can be changed (relane.h).  Each change
 * begins an epoch.  All rows of earlier epochs have numbers up to the epoch's
 * barrier, in every lane; all later ones lie beyond it.
 */
#ifndef SPARK_POSTGRES_BUS_LOG_H
#define SPARK_POSTGRES_BUS_LOG_H

#include "postgres/server.h"

#include "common/lane.h"
#include "postgres/statement.h"

#include "utils/relcache.h"

#define LOG_SEGMENTS 3

typedef struct LogShape
{
	int			epoch;
	int			lanes;			/* that emitters use */
	int			made;			/* that have tables: readers read them all */
	int64		barrier;		/* the last number of earlier epochs */
	uint64		switched_by;	/* the transaction that began the epoch */
	int			segment[MAX_LANES]; /* where emitters write */
} LogShape;

/* As it is now, whatever snapshot the transaction has; kept until it changes. */
extern const LogShape *log_shape(void);

/* The same, for somebody who emits: it stays so until his transaction ends. */
extern const LogShape *log_shape_for_writing(void);

/* Makes the tables of all lanes up to that count that have none yet. */
extern void log_make_lanes(int made);

/* Tells every backend, at commit, that the shape is another. */
extern void log_shape_changed(void);

/* The table by whose locks emitters and a change of lanes take turns. */
extern Oid	log_shape_table(void);

/* The table of who has subscribed what. */
extern Oid	log_subscriptions(void);

/* The sequence of a lane; a segment of it. */
extern Oid	log_sequence(int lane);
extern Oid	log_segment_table(int lane, int segment);

/* Refuses a table whose rows are not those of log_row.h. */
extern void log_check_columns(Relation table);

/* One statement a lane: %1$d in its text stands for the lane. */
typedef struct LaneStatement
{
	const char *pattern;
	bool		read_only;		/* see statement.h */
	Statement  *made[MAX_LANES];
} LaneStatement;

extern Statement *lane_statement(LaneStatement *statement, int lane);

/* The same for the segments of lanes: %2$d stands for the segment. */
typedef struct SegmentStatement
{
	const char *pattern;
	Statement  *made[MAX_LANES][LOG_SEGMENTS];
} SegmentStatement;

extern Statement *segment_statement(SegmentStatement *statement, int lane, int segment);

#endif
