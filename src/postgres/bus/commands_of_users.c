/*
 * commands_of_users.c
 *		Which consumer of a user a command is for.
 *
 * All commands are read at once, under a snapshot taken now: that of the
 * transaction may be older than the last change.  News of a change come with
 * the lock that an emitter takes on the shape of the log.
 */
#include "postgres/bus/commands_of_users.h"

#include "postgres/bus/log.h"

#include "access/genam.h"
#include "access/table.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* spark_common.subscription: its first columns. */
enum
{
	CONSUMER,
	MESSAGE_TYPE,
	KIND
};

typedef struct Command
{
	const char *message_type;
	const char *consumer;
} Command;

static MemoryContext memory;
static List *commands;			/* in that memory */
static bool is_known;
static Oid	table_id;			/* of spark_common.subscription, when they were read */
static uint64 changes;			/* that this backend has heard of */

static void
on_relation_change(Datum argument, Oid relation)
{
	(void) argument;
	if (OidIsValid(relation) && OidIsValid(table_id) && relation != table_id)
		return;
	is_known = false;
	changes++;
}

static void
start(void)
{
	if (memory != NULL)
		return;
	memory = AllocSetContextCreate(CacheMemoryContext, "spark commands of users", ALLOCSET_SMALL_SIZES);
	CacheRegisterRelcacheCallback(on_relation_change, (Datum) 0);
}

static void
remember(HeapTuple tuple, TupleDesc description)
{
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];
	MemoryContext caller;
	Command    *command;

	heap_deform_tuple(tuple, description, values, nulls);
	if (strcmp(TextDatumGetCString(values[KIND]), "command") != 0)
		return;
	caller = MemoryContextSwitchTo(memory);
	command = palloc(sizeof(Command));
	command->message_type = TextDatumGetCString(values[MESSAGE_TYPE]);
	command->consumer = TextDatumGetCString(values[CONSUMER]);
	commands = lappend(commands, command);
	MemoryContextSwitchTo(caller);
}

static void
read_commands(void)
{
	uint64		changes_before;
	Relation	table;
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;

	start();
	commands = NIL;
	MemoryContextReset(memory);
	table_id = log_subscriptions();
	table = table_open(table_id, AccessShareLock);
	changes_before = changes;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = systable_beginscan(table, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		remember(tuple, RelationGetDescr(table));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	/* Reading may have let in the news of a change that it has not seen. */
	is_known = changes == changes_before;
}

const char *
subscriber_of_command(const char *message_type)
{
	ListCell   *cell;

	if (!is_known)
		read_commands();
	foreach(cell, commands)
	{
		const Command *command = lfirst(cell);

		if (strcmp(command->message_type, message_type) == 0)
			return pstrdup(command->consumer);
	}
	return NULL;
}

void
subscriptions_changed(void)
{
	CacheInvalidateRelcacheByRelid(log_subscriptions());
}
