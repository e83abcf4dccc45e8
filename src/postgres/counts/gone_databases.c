/*
 * gone_databases.c
 *		Gives back what is kept in shared memory for databases that are gone.
 *
 * Whoever is connected to a database, and whatever was prepared in it, keeps it
 * from being dropped; and its oid comes no second time.  So of one that is gone,
 * nobody uses anything any more.
 *
 * First it is read who has a place, then who exists: who has one was connected
 * before, so the database was there to be seen, and one that is created meanwhile
 * is not taken for gone.
 */
#include "postgres/counts/gone_databases.h"

#include "postgres/bus/late_due.h"
#include "postgres/counts/counters.h"
#include "postgres/counts/database_place.h"
#include "postgres/counts/obstacle.h"
#include "postgres/counts/pressure.h"
#include "postgres/counts/traffic.h"
#include "postgres/environment.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_database.h"

#define SAID_SECONDS 3600

static void
forget(int place, Oid database)
{
	pressure_forget(place);
	obstacles_forget(place);
	late_due_forget(place);
	give_counter_slots_up(database);
	traffic_forget(database);
	give_database_place_up(place);
}

static void
say_who_is_without(const char *name)
{
	static Instant said_at;
	Instant		now = server_time();

	if (!instant_is_none(said_at) && instant_before(now, instant_plus_seconds(said_at, SAID_SECONDS)))
		return;
	said_at = now;
	ereport(LOG,
			(errmsg("spark counts and limits no messages of database \"%s\": there are more databases than spark.max_databases", name),
			 errhint("Raise spark.max_databases, and restart the server.")));
}

/* Takes out who exists: the rest is gone.  The name of the other, or "". */
static void
look_who_exists(Oid *having_place, Oid without_place, char *name)
{
	Relation	databases = table_open(DatabaseRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(databases, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		for (int i = 0; i < max_databases; i++)
			if (having_place[i] == database->oid)
				having_place[i] = InvalidOid;
		if (database->oid == without_place)
			strlcpy(name, NameStr(database->datname), NAMEDATALEN);
	}
	table_endscan(scan);
	table_close(databases, AccessShareLock);
}

void
forget_gone_databases(void)
{
	Oid		   *databases = palloc(max_databases * sizeof(Oid));
	char		without_place[NAMEDATALEN] = "";
	bool		some_are_gone = false;

	if (!copy_database_places(databases))
		return;
	look_who_exists(databases, database_without_place(), without_place);
	for (int i = 0; i < max_databases; i++)
		if (OidIsValid(databases[i]))
		{
			forget(i, databases[i]);
			some_are_gone = true;
		}
	/* Else it finds one now. */
	if (without_place[0] != '\0' && !some_are_gone)
		say_who_is_without(without_place);
	pfree(databases);
}
