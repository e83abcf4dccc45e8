/*
 * segment_writer.h
 *		Appends rows to a segment of the log, without a statement.
 *
 * Emitting is on the way of every command and of every user's own transaction.
 * A statement costs its plan, its parameters and the nodes that run it: more
 * than the row.  So rows go in the way in which the server's own apply worker
 * puts rows in: constraints, both indexes, WAL and logical decoding are those
 * of any INSERT.
 *
 * Who appends has assigned the transaction's id (outbox.c says why) and keeps
 * ROW EXCLUSIVE on the segment until the transaction ends.
 */
#ifndef SPARK_POSTGRES_BUS_SEGMENT_WRITER_H
#define SPARK_POSTGRES_BUS_SEGMENT_WRITER_H

#include "postgres/server.h"

#include "common/message.h"

typedef struct SegmentWriter SegmentWriter;

extern SegmentWriter *segment_writer_open(int lane, int segment);

/* Draws the next number of the lane for it.  The payload is that of the message, as jsonb. */
extern void segment_append(SegmentWriter *writer, const Message *message, Datum payload);

/* The rows are there for what comes next in the transaction. */
extern void segment_writer_close(SegmentWriter *writer);

#endif
