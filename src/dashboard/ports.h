/*
 * ports.h
 *		What the dashboard needs from outside: a place for each of its rows.
 */
#ifndef SPARK_DASHBOARD_PORTS_H
#define SPARK_DASHBOARD_PORTS_H

#include "dashboard/read_model.h"

#include "common/unit_of_work.h"

typedef struct Dashboard
{
	const Repository *overviews;
	const Repository *campaigns;
	const Repository *movements;
	const Repository *donations;	/* the counted ones */
} Dashboard;

#endif
