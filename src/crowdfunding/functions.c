/*
 * functions.c
 *		The SQL functions of crowdfunding.
 *
 * Who is calling is asked before anything else: a protected call by nobody is
 * SP003, whatever else is wrong with it.
 */
#include "postgres/server.h"

#include "crowdfunding/postgres.h"

#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/errors.h"

#define DEFAULT_LIMIT 50

PG_FUNCTION_INFO_V1(spark_crowdfunding_create_campaign);
PG_FUNCTION_INFO_V1(spark_crowdfunding_campaign);
PG_FUNCTION_INFO_V1(spark_crowdfunding_campaigns);
PG_FUNCTION_INFO_V1(spark_crowdfunding_donate);
PG_FUNCTION_INFO_V1(spark_crowdfunding_donation);
PG_FUNCTION_INFO_V1(spark_crowdfunding_donations);

static void
answer_campaign(Answer *answer, const CampaignView *view)
{
	const Campaign *campaign = view->campaign;

	answer_uuid(answer, campaign->aggregate.id);
	answer_uuid(answer, campaign->owner_id);
	answer_text(answer, view->owner_username);
	answer_text(answer, campaign->title);
	answer_text(answer, campaign->description);
	answer_bigint(answer, amount_whole_sat(campaign->goal));
	answer_bigint(answer, amount_whole_sat(campaign->raised));
	answer_amount(answer, campaign->raised);
	answer_bigint(answer, campaign->donation_count);
	answer_bool(answer, campaign->goal_reached);
	answer_text(answer, campaign_status_name(campaign->status));
	answer_instant(answer, campaign->created_at);
}

static void
answer_donation(Answer *answer, const Donation *donation, Uuid reader)
{
	answer_uuid(answer, donation->aggregate.id);
	answer_uuid(answer, donation->campaign_id);
	answer_uuid(answer, donation->donor_id);
	answer_bigint(answer, amount_whole_sat(donation->amount));
	answer_text(answer, donation_status_name(donation->status));
	answer_text(answer, donation->reason);
	answer_instant(answer, donation->created_at);
	answer_instant(answer, donation->decided_at);
	answer_text(answer, donation_key_for(donation, reader));
}

/* The id that a caller made for what he creates; nil where he leaves it to us. */
static Uuid
arg_own_id(FunctionCallInfo fcinfo, int number, const char *name)
{
	Uuid		id = arg_uuid_or_nil(fcinfo, number);

	if (!PG_ARGISNULL(number) && uuid_is_nil(id))
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must not be the nil uuid.", name);
	return id;
}

Datum
spark_crowdfunding_create_campaign(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("crowdfunding");
	CreateCampaign command = {
		.owner_id = caller,
		.title = arg_text(fcinfo, 0, "title"),
		.description = arg_text(fcinfo, 1, "description"),
		.goal = arg_sat(fcinfo, 2, "goal_sat"),
		.campaign_id = arg_own_id(fcinfo, 3, "campaign_id"),
	};
	Answer		answer = answer_begin(fcinfo);
	UnitOfWork *work;
	Campaign   *campaign;

	COMMAND(work, crowdfunding_create_campaign(&crowdfunding, work, &command, &campaign));
	answer_created("campaign", "campaign_id", &campaign->aggregate);
	answer_campaign(&answer, &(CampaignView) {campaign, creator_username(work->arena, campaign->owner_id)});
	PG_RETURN_DATUM(answer_row(&answer));
}

Datum
spark_crowdfunding_campaign(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answer_begin(fcinfo);
	CampaignView view;

	installed_required("crowdfunding");
	if (!campaign_query(arena, arg_uuid(fcinfo, 0, "campaign_id"), &view))
		refuse(RESULT_NOT_FOUND, NULL);
	answer_campaign(&answer, &view);
	PG_RETURN_DATUM(answer_row(&answer));
}

/* The place of the campaign that argument after names, or the first page. */
static PagePlace
arg_place_of_campaign(FunctionCallInfo fcinfo, int number, Arena *arena)
{
	Uuid		after = arg_uuid_or_nil(fcinfo, number);
	CampaignView view;

	if (PG_ARGISNULL(number))
		return FIRST_PAGE;
	if (!campaign_query(arena, after, &view))
		refuse(RESULT_NOT_FOUND, "Argument after names no campaign.");
	return (PagePlace) {view.campaign->created_at, after};
}

Datum
spark_crowdfunding_campaigns(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	int			limit;
	Rows		rows;

	installed_required("crowdfunding");
	limit = arg_limit(fcinfo, 0, DEFAULT_LIMIT);
	rows = campaigns_page(arg_place_of_campaign(fcinfo, 1, arena), limit);
	while (rows_next(&rows))
	{
		CampaignView view = campaign_of_row(&rows, arena);

		answer_campaign(&answer, &view);
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}

Datum
spark_crowdfunding_donate(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("crowdfunding");
	Donate		command = {
		.donor_id = caller,
		.campaign_id = arg_uuid(fcinfo, 0, "campaign_id"),
		.amount = arg_sat(fcinfo, 1, "amount_sat"),
		.idempotency_key = arg_key(fcinfo, 2, "idempotency_key"),
	};
	Answer		answer = answer_begin(fcinfo);
	UnitOfWork *work;
	Donation   *donation;

	COMMAND(work, crowdfunding_donate(&crowdfunding, work, &command, &donation));
	answer_accepted("donation", "donation_id", &donation->aggregate);
	answer_donation(&answer, donation, caller);
	PG_RETURN_DATUM(answer_row(&answer));
}

Datum
spark_crowdfunding_donation(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("crowdfunding");
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answer_begin(fcinfo);
	const Donation *donation = donation_query(arena, arg_uuid(fcinfo, 0, "donation_id"));

	if (donation == NULL || !donation_is_open_to(donation, caller))
		refuse(RESULT_NOT_FOUND, NULL);
	answer_donation(&answer, donation, caller);
	PG_RETURN_DATUM(answer_row(&answer));
}

/* The place, in that reader's list, of the donation that argument after names, or the first page. */
static PagePlace
arg_place_of_donation(FunctionCallInfo fcinfo, int number, Arena *arena, Uuid campaign_id, Uuid reader)
{
	Uuid		after = arg_uuid_or_nil(fcinfo, number);
	const Donation *donation;

	if (PG_ARGISNULL(number))
		return FIRST_PAGE;
	donation = donation_query(arena, after);
	if (donation == NULL || !donation_is_open_to(donation, reader) || !uuid_equal(donation->campaign_id, campaign_id))
		refuse(RESULT_NOT_FOUND, "Argument after names no donation of this list.");
	return (PagePlace) {donation->created_at, after};
}

Datum
spark_crowdfunding_donations(PG_FUNCTION_ARGS)
{
	Uuid		caller = caller_required("crowdfunding");
	Uuid		campaign_id = arg_uuid(fcinfo, 0, "campaign_id");
	int			limit = arg_limit(fcinfo, 1, DEFAULT_LIMIT);
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Answer		answer = answers_begin(fcinfo);
	CampaignView view;
	PagePlace	after;
	Rows		rows;

	if (!campaign_query(arena, campaign_id, &view))
		refuse(RESULT_NOT_FOUND, NULL);
	after = arg_place_of_donation(fcinfo, 2, arena, campaign_id, caller);
	rows = uuid_equal(view.campaign->owner_id, caller)
		? donations_page(campaign_id, after, limit)
		: donations_page_of_donor(campaign_id, caller, after, limit);
	while (rows_next(&rows))
	{
		answer_donation(&answer, donation_of_row(&rows, arena), caller);
		answer_put(&answer);
	}
	rows_close(&rows);
	return (Datum) 0;
}
