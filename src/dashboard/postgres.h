/*
 * postgres.h
 *		The dashboard on PostgreSQL: the wired ports, the consumer, the query.
 */
#ifndef SPARK_DASHBOARD_POSTGRES_H
#define SPARK_DASHBOARD_POSTGRES_H

#include "postgres/statement.h"

#include "dashboard/handlers.h"

extern const Dashboard dashboard;
extern const Consumer dashboard_consumer;

/* What an account sees of itself. */
typedef struct DashboardView
{
	Overview	overview;		/* zeros where nothing was told yet */
	const char *campaigns;		/* JSON array, newest first */
	const char *recent;			/* JSON array of statement lines, newest first */
} DashboardView;

extern DashboardView dashboard_query(Arena *arena, Uuid account_id);

#endif
