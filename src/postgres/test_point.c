/*
 * test_point.c
 *		Named places at which a test can hold a process.
 *
 * Nothing here raises an error or allocates: some places lie behind a commit.
 */
#include "postgres/server.h"

#include "postgres/test_point.h"

#ifdef SPARK_TEST_POINTS

#include "miscadmin.h"
#include "storage/pmsignal.h"

#include <unistd.h>

#define MAX_FILE 64				/* the server's directory is the data directory */

typedef struct Armed
{
	char		name[64];
	char		victim[16];
	char		step[64];
} Armed;

static const char *last_step = "";

static bool
read_armed(const char *file_name, Armed *armed)
{
	FILE	   *file = fopen(file_name, "r");
	bool		is_whole = file != NULL && fscanf(file, "%63s %15s %63s", armed->name, armed->victim, armed->step) == 3;

	if (file != NULL)
		fclose(file);
	return is_whole;
}

static bool
is_meant(const Armed *armed, const char *name)
{
	return strcmp(armed->name, name) == 0 &&
		strcmp(armed->victim, MyBackendType == B_BG_WORKER ? "worker" : "backend") == 0 &&
		(strcmp(armed->step, "-") == 0 || strcmp(armed->step, last_step) == 0);
}

static void
come_to(const char *name)
{
	char		file_name[MAX_FILE];
	char		reached[MAX_FILE];
	Armed		armed;

	snprintf(file_name, MAX_FILE, "spark_test_point.%u", MyDatabaseId);
	snprintf(reached, MAX_FILE, "%s.%d", file_name, (int) getpid());
	if (!read_armed(file_name, &armed) || !is_meant(&armed, name) || rename(file_name, reached) != 0)
		return;
	while (PostmasterIsAlive())
		pg_usleep(20000L);
	_exit(2);
}

void
test_point(const char *name)
{
	come_to(name);
	last_step = name;
}

/* The last of a worker's transaction: what comes next is none of its steps. */
void
commit_point(const char *name)
{
	come_to(name);
	if (strcmp(name, "work_committed") == 0)
		last_step = "";
}

#endif
