/*
 * launcher.c
 *		The one static worker: keeps a dispatcher for each database of
 *		spark.databases.
 *
 * It is connected to no database and reads shared catalogs only, so that it
 * never stands in the way of CREATE or DROP DATABASE.  A database that is not
 * there, or takes no connections, is said once in the log and looked for again.
 */
#include "postgres/server.h"

#include "postgres/workers/children.h"
#include "postgres/counts/gone_databases.h"
#include "postgres/workers/launcher.h"
#include "postgres/settings.h"
#include "postgres/workers/worker_slots.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_database.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#define NAP 1000
#define MAX_DATABASES 64

typedef struct Known
{
	char		name[NAMEDATALEN];
	Oid			oid;			/* InvalidOid: cannot be served */
	bool		wanted;			/* named in spark.databases */
	const char *said;			/* the last that the log was told of it */
} Known;

static Known known[MAX_DATABASES];
static int	known_count;

void
register_launcher(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "spark", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "spark_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "spark launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "spark launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/*
 * The oid of a database that takes connections; else InvalidOid and why not.
 * A scan of the table, as autovacuum's launcher does it: without a database,
 * the indexes of the shared catalogs need not be there.
 */
static Oid
connectable_database(const char *name, const char **why_not)
{
	Relation	databases = table_open(DatabaseRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(databases, 0, NULL);
	HeapTuple	tuple;
	Oid			oid = InvalidOid;

	*why_not = "does not exist";
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (strcmp(NameStr(database->datname), name) != 0)
			continue;
		*why_not = database->datallowconn ? NULL : "takes no connections";
		oid = database->datallowconn ? database->oid : InvalidOid;
	}
	table_endscan(scan);
	table_close(databases, AccessShareLock);
	return oid;
}

static Known *
known_database(const char *name)
{
	for (int i = 0; i < known_count; i++)
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	if (known_count == MAX_DATABASES)
		return NULL;
	memset(&known[known_count], 0, sizeof(Known));
	strlcpy(known[known_count].name, name, NAMEDATALEN);
	return &known[known_count++];
}

static void
tend_database(const char *name)
{
	Known	   *database = known_database(name);
	const char *why_not;
	Oid			oid;

	if (database == NULL)
		return;
	database->wanted = true;
	oid = connectable_database(name, &why_not);
	if (oid != database->oid && OidIsValid(database->oid))
		drop_child(database->oid, WORKER_DISPATCHER, "");
	database->oid = oid;
	if (why_not != NULL && (database->said == NULL || strcmp(database->said, why_not) != 0))
		ereport(LOG,
				(errmsg("spark waits: database \"%s\" %s", name, why_not),
				 errhint("Create it, or take it out of spark.databases.")));
	database->said = why_not;
	if (OidIsValid(oid))
		(void) keep_child(oid, WORKER_DISPATCHER, "");
}

static void
tend_databases(void)
{
	List	   *names = NIL;
	ListCell   *cell;
	char	   *text;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	forget_gone_databases();
	for (int i = 0; i < known_count; i++)
		known[i].wanted = false;
	text = pstrdup(spark_databases);
	if (SplitIdentifierString(text, ',', &names))
		foreach(cell, names)
			tend_database(lfirst(cell));
	for (int i = known_count - 1; i >= 0; i--)
		if (!known[i].wanted)
		{
			if (OidIsValid(known[i].oid))
				drop_child(known[i].oid, WORKER_DISPATCHER, "");
			known[i] = known[--known_count];
		}
	CommitTransactionCommand();
}

void
spark_launcher_main(Datum argument)
{
	(void) argument;
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	register_worker(WORKER_LAUNCHER, "");
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		tend_databases();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, NAP, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
