/*
 * spark.c
 *		The composition root: settings, shared memory, workers, and who is wired
 *		to whom.  The only file that knows every context.
 */
#include "postgres/server.h"

#include "postgres/bus/careful.h"
#include "postgres/command.h"
#include "postgres/bus/consumers.h"
#include "postgres/counts/counters.h"
#include "postgres/counts/database_place.h"
#include "postgres/counts/delayed_count.h"
#include "postgres/operators/count_health.h"
#include "postgres/operators/delayed_health.h"
#include "postgres/operators/health.h"
#include "postgres/bus/late_due.h"
#include "postgres/counts/in_doubt.h"
#include "postgres/workers/launcher.h"
#include "postgres/operators/lock_health.h"
#include "postgres/counts/obstacle.h"
#include "postgres/operators/oldest_snapshot.h"
#include "postgres/outside.h"
#include "postgres/counts/pressure.h"
#include "postgres/settings.h"
#include "postgres/bus/stubborn.h"
#include "postgres/counts/traffic.h"
#include "postgres/workers/worker.h"
#include "postgres/workers/worker_slots.h"

#include "accounting/frozen_accounts.h"
#include "accounting/messages.h"
#include "accounting/postgres.h"
#include "accounting/settings.h"
#include "auth/messages.h"
#include "auth/postgres.h"
#include "bitcoin/messages.h"
#include "bitcoin/postgres_audit.h"
#include "bitcoin/settings.h"
#include "crowdfunding/messages.h"
#include "crowdfunding/postgres.h"
#include "dashboard/postgres.h"
#include "lightning/remote_nodes.h"
#include "lightning/simulator_node.h"

#include "storage/ipc.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static const Consumer *const contexts[] = {
	&accounting_consumer,
	&crowdfunding_consumer,
	&bitcoin_consumer,
	&dashboard_consumer,
};

static const MessageType *const *const messages[] = {
	auth_messages,
	accounting_messages,
	crowdfunding_messages,
	bitcoin_messages,
};

static shmem_request_hook_type earlier_request_hook;
static shmem_startup_hook_type earlier_startup_hook;

static void
request_shared_memory(void)
{
	if (earlier_request_hook != NULL)
		earlier_request_hook();
	worker_slots_shmem_request();
	database_place_shmem_request();
	counters_shmem_request();
	traffic_shmem_request();
	in_doubt_shmem_request();
	late_due_shmem_request();
	obstacle_shmem_request();
	pressure_shmem_request();
	stubborn_shmem_request();
	auth_shmem_request();
}

static void
start_shared_memory(void)
{
	if (earlier_startup_hook != NULL)
		earlier_startup_hook();
	worker_slots_shmem_startup();
	database_place_shmem_startup();
	counters_shmem_startup();
	traffic_shmem_startup();
	in_doubt_shmem_startup();
	late_due_shmem_startup();
	obstacle_shmem_startup();
	pressure_shmem_startup();
	stubborn_shmem_startup();
	careful_startup();
	auth_shmem_startup();
}

static HealthCheck
throttle_probe(Arena *arena)
{
	const char *secret_problem = auth_secret_problem();

	(void) arena;
	if (!auth_throttle_is_on())
		return (HealthCheck) {.ok = false, .detail = "failed logins are not limited: add spark to shared_preload_libraries"};
	if (secret_problem != NULL)
		return (HealthCheck) {.ok = false, .detail = secret_problem};
	return (HealthCheck) {.ok = true, .detail = "failed logins are counted in shared memory"};
}

static LightningNode *
find_node(const char *name)
{
	return strcmp(name, simulator_node()->name) == 0 ? simulator_node() : remote_node(name);
}

static void
wire(void)
{
	set_contexts(contexts, lengthof(contexts), messages, lengthof(messages));
	set_identity_provider(auth_caller);
	bitcoin_set_nodes(find_node);
	remote_nodes_set_source(bitcoin_node_connection);
	bitcoin_set_ledger(liabilities_query);
	set_lightning_task(&bitcoin_lightning_task);
	add_resumption(doubt_unsent_payments);
	add_health_probe("throttle", throttle_probe);
	add_health_probe("locks", lock_probe);
	add_health_probe("counts", count_probe);
	add_health_probe("delayed", delayed_probe);
	add_health_probe("frozen", frozen_probe);
	add_health_probe("late_payments", late_payments_probe);
}

static void
preload(void)
{
	earlier_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	earlier_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shared_memory;
	register_launcher();
}

void
_PG_init(void)
{
	define_settings();
	define_pressure_settings();
	define_snapshot_settings();
	define_place_setting();
	define_delayed_settings();
	auth_define_settings();
	accounting_define_settings();
	bitcoin_define_settings();
	simulator_define_settings();
	MarkGUCPrefixReserved("spark");
	wire();
	/* pg_upgrade runs the server for itself: nothing of ours may act in it. */
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
		preload();
}
