/*
 * functions.c
 *		The SQL function of the dashboard.
 */
#include "postgres/server.h"

#include "dashboard/postgres.h"

#include "postgres/answers.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/errors.h"

PG_FUNCTION_INFO_V1(spark_dashboard_show);

Datum
spark_dashboard_show(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("dashboard");
	Answer		answer = answer_begin(fcinfo);
	DashboardView view = dashboard_query(context_arena(CurrentMemoryContext), caller);
	Amount		available;

	if (!amount_subtract(view.overview.posted, view.overview.reserved, &available))
		refuse(RESULT_INTERNAL, "The available amount cannot be counted.");
	answer_uuid(&answer, caller);
	answer_text(&answer, view.overview.username);
	answer_amount(&answer, view.overview.posted);
	answer_amount(&answer, available);
	answer_amount(&answer, view.overview.reserved);
	answer_bigint(&answer, view.overview.campaign_count);
	answer_amount(&answer, view.overview.raised);
	answer_amount(&answer, view.overview.donated);
	answer_jsonb(&answer, view.campaigns);
	answer_jsonb(&answer, view.recent);
	PG_RETURN_DATUM(answer_row(&answer));
}
