/*
 * count_health.c
 *		Row "counts" of spark_ops.health(): whether there is room in shared memory
 *		for what is counted.
 *
 * Where there is none, figures are read from the tables; and where the database
 * has no place, nobody is held off by back-pressure.
 */
#include "postgres/operators/count_health.h"

#include "postgres/counts/counters.h"
#include "postgres/counts/database_place.h"
#include "postgres/counts/traffic.h"

HealthCheck
count_probe(Arena *arena)
{
	HealthCheck said = {.ok = false};
	int			consumers = counter_slots_taken();
	int			types = types_taken();

	if (!is_counting())
		said.detail = "nothing is counted, and no emitter held off: add spark to shared_preload_libraries";
	else if (database_place() < 0)
		said.detail = arena_printf(arena, "nothing of this database is counted, and no emitter held off: there are more databases"
								   " than spark.max_databases, %d; raise it and restart", max_databases);
	else if (consumers >= MAX_COUNTED)
		said.detail = arena_printf(arena, "there is room for %d consumers in shared memory, and it is taken: unsubscribe those"
								   " that nobody needs; the figures of further ones are read from the tables", MAX_COUNTED);
	else if (types >= MAX_TYPES)
		said.detail = arena_printf(arena, "there is room for %d message types in shared memory, and it is taken: unsubscribe those"
								   " that nobody needs; the figures of who wants further ones are read from the tables", MAX_TYPES);
	else
		said = (HealthCheck) {.ok = true, .detail = arena_printf(arena, "%d of %d consumers and %d of %d message types are counted in"
																 " shared memory", consumers, MAX_COUNTED, types, MAX_TYPES)};
	return said;
}
