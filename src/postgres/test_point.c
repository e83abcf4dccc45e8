/*
 * test_point.c
 *		Named places at which a test can stop or kill the process.
 *
 * Nothing here raises an error or allocates: some places lie behind a commit.
 */
#include "postgres/server.h"

#include "postgres/test_point.h"

#ifdef SPARK_TEST_POINTS

#include "miscadmin.h"
#include "storage/pmsignal.h"

#include <signal.h>
#include <unistd.h>

#define ARMED "spark_test_point"	/* the server's directory is the data directory */

typedef struct Armed
{
	char		name[64];
	char		victim[16];
	char		act[16];
} Armed;

static bool
read_armed(Armed *armed)
{
	FILE	   *file = fopen(ARMED, "r");
	bool		is_whole = file != NULL && fscanf(file, "%63s %15s %15s", armed->name, armed->victim, armed->act) == 3;

	if (file != NULL)
		fclose(file);
	return is_whole;
}

void
test_point(const char *name)
{
	const char *victim = MyBackendType == B_BG_WORKER ? "worker" : "backend";
	Armed		armed;

	if (!read_armed(&armed) || strcmp(armed.name, name) != 0 || strcmp(armed.victim, victim) != 0 || unlink(ARMED) != 0)
		return;
	if (strcmp(armed.act, "kill") == 0)
		kill(getpid(), SIGKILL);
	/* Until the server is stopped, which ends this, too, or its postmaster is gone. */
	while (PostmasterIsAlive())
		pg_usleep(20000L);
	_exit(2);
}

#endif
