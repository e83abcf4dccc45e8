/*
 * listener.c
 *		The worker of a plain queue: waits for NOTIFY, takes what is there.
 *
 *		listener CONNECTION
 *
 * LISTEN queue, then SELECT plain.take(1000) until nothing is left, at the
 * start and after each notification; ends when the server ends it.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static PGresult *
run(PGconn *connection, const char *sql)
{
	PGresult   *result = PQexec(connection, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "listener: %s", PQerrorMessage(connection));
		exit(1);
	}
	return result;
}

static void
take_all(PGconn *connection)
{
	int			taken;

	do
	{
		PGresult   *result = PQexecPrepared(connection, "take", 0, NULL, NULL, NULL, 0);

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			exit(1);
		taken = atoi(PQgetvalue(result, 0, 0));
		PQclear(result);
	} while (taken > 0);
}

int
main(int count, char **arguments)
{
	PGconn	   *connection = PQconnectdb(count > 1 ? arguments[1] : "");
	PGnotify   *notification;

	if (PQstatus(connection) != CONNECTION_OK)
	{
		fprintf(stderr, "listener: %s", PQerrorMessage(connection));
		return 1;
	}
	PQclear(run(connection, "LISTEN queue"));
	PQclear(PQprepare(connection, "take", "SELECT plain.take(1000)", 0, NULL));
	puts("ready");
	fflush(stdout);
	for (;;)
	{
		struct pollfd wait = {.fd = PQsocket(connection), .events = POLLIN};

		take_all(connection);
		while (PQconsumeInput(connection) && (notification = PQnotifies(connection)) == NULL)
			if (poll(&wait, 1, -1) < 0)
				return 1;
		if (PQstatus(connection) != CONNECTION_OK)
			return 0;
		do
			PQfreemem(notification);
		while ((notification = PQnotifies(connection)) != NULL);
	}
}
