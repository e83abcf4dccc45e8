/*
 * test_crowdfunding.c
 *		Campaigns and donations, from the command to the ledger's answer.
 */
#include "crowdfunding_stage.h"

#include "accounting/messages.h"
#include "auth/messages.h"
#include "crowdfunding/messages.h"

#include <string.h>

/* -------------------------------------------------------------- campaigns */

static void
S8_a_new_campaign_is_open_with_nothing_raised(void **state)
{
	CrowdfundingStage *stage = *state;
	const Campaign *campaign = stored_campaign(stage, stage_campaign(stage, 0, 50));
	const Message *message = world_emitted(&stage->world, &crowdfunding_campaign_created_type);
	const crowdfunding_campaign_created *event = message->payload;

	assert_int_equal(campaign->raised.msat, 0);
	assert_int_equal(campaign->donation_count, 0);
	assert_int_equal(campaign->status, CAMPAIGN_OPEN);
	assert_false(campaign->goal_reached);
	assert_true(uuid_equal(message->aggregate_id, campaign->aggregate.id));
	assert_true(uuid_equal(event->account_id, person(0)));
	assert_int_equal(event->goal_msat.msat, 50000);
	assert_string_equal(event->title, "A well");
}

static void
S8_the_creators_name_is_kept_once_the_sign_up_is_handled(void **state)
{
	CrowdfundingStage *stage = *state;

	(void) stage_campaign(stage, 0, 50);
	assert_null(in_memory_stored(&stage->creators, person(0)));
	assert_ok(stage_tell(stage, MESSAGE_OF(&stage->world, auth_signed_up, person(0), person(0), "alice")));
	assert_string_equal(((Creator *) in_memory_stored(&stage->creators, person(0)))->username, "alice");
}

static void
S9_goals_up_to_all_bitcoin_are_kept_exactly(void **state)
{
	CrowdfundingStage *stage = *state;

	assert_int_equal(stored_campaign(stage, stage_campaign(stage, 0, INT64_C(2147483648)))->goal.msat,
					 INT64_C(2147483648000));
	assert_int_equal(stored_campaign(stage, stage_campaign(stage, 0, MAX_SAT))->goal.msat,
					 INT64_C(2100000000000000000));
}

static void
S9_D18_goals_of_nothing_less_or_too_much_are_refused(void **state)
{
	CrowdfundingStage *stage = *state;
	const Amount goals[] = {{0}, {-1}, {-1000}, {INT64_MIN}, {MAX_SAT * MSAT_PER_SAT + 1}, {INT64_MAX}};
	Campaign   *campaign;

	for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++)
	{
		CreateCampaign command = {.owner_id = person(0), .title = "x", .description = "", .goal = goals[i]};

		assert_refused(stage_create(stage, &command, &campaign), INVALID_ARGUMENT);
	}
	assert_int_equal(stage->world.outbox.count, 0);
	assert_int_equal(stage->campaigns.inserts, 0);
}

static Result
create_titled(CrowdfundingStage *stage, const char *title, const char *description)
{
	CreateCampaign command = {.owner_id = person(0), .title = title, .description = description, .goal = SAT(1)};
	Campaign   *campaign;

	return stage_create(stage, &command, &campaign);
}

static const char *
repeated(CrowdfundingStage *stage, const char *unit, size_t times)
{
	size_t		length = strlen(unit);
	char	   *text = arena_alloc(stage->world.arena, length * times + 1);

	for (size_t i = 0; i < times; i++)
		memcpy(text + i * length, unit, length);
	return text;
}

static void
S9_titles_and_descriptions_have_limits_in_characters(void **state)
{
	CrowdfundingStage *stage = *state;

	assert_refused(create_titled(stage, "", ""), INVALID_ARGUMENT);
	assert_refused(create_titled(stage, " \t\n\r", ""), INVALID_ARGUMENT);
	assert_refused(create_titled(stage, "\u00a0\u2003\u3000", ""), INVALID_ARGUMENT);
	assert_refused(create_titled(stage, NULL, ""), INVALID_ARGUMENT);
	assert_refused(create_titled(stage, "x", NULL), INVALID_ARGUMENT);
	assert_ok(create_titled(stage, " x ", ""));
	assert_ok(create_titled(stage, repeated(stage, "\u00fc", 200), ""));
	assert_refused(create_titled(stage, repeated(stage, "\u00fc", 201), ""), INVALID_ARGUMENT);
	assert_ok(create_titled(stage, "x", repeated(stage, "\u20bf", 10000)));
	assert_refused(create_titled(stage, "x", repeated(stage, "a", 10001)), INVALID_ARGUMENT);
}

static void
create_campaign_with_an_id_may_be_repeated(void **state)
{
	CrowdfundingStage *stage = *state;
	CreateCampaign command = {
		.owner_id = person(0), .campaign_id = id_of(7), .title = "A well", .description = "Deep", .goal = SAT(9)
	};
	CreateCampaign other;
	Campaign   *campaign;

	assert_ok(stage_create(stage, &command, &campaign));
	assert_int_equal(campaign->aggregate.version, 0);
	assert_true(uuid_equal(campaign->aggregate.id, id_of(7)));
	assert_ok(stage_create(stage, &command, &campaign));
	assert_int_equal(campaign->aggregate.version, 1);
	assert_int_equal(world_count(&stage->world, &crowdfunding_campaign_created_type), 1);

	other = command, other.owner_id = person(1);
	assert_refused(stage_create(stage, &other, &campaign), IDEMPOTENCY_MISMATCH);
	other = command, other.title = "A wall";
	assert_refused(stage_create(stage, &other, &campaign), IDEMPOTENCY_MISMATCH);
	other = command, other.description = "Deeper";
	assert_refused(stage_create(stage, &other, &campaign), IDEMPOTENCY_MISMATCH);
	other = command, other.goal = SAT(10);
	assert_refused(stage_create(stage, &other, &campaign), IDEMPOTENCY_MISMATCH);
	assert_int_equal(stage->campaigns.inserts, 1);
}

/* -------------------------------------------------------------- donations */

static void
S18_a_donation_moves_from_donor_to_owner_and_counts(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(100), "k1", &donation));
	assert_int_equal(donation->status, DONATION_PENDING);
	assert_true(instant_is_none(donation->decided_at));
	world_wait(&stage->world, 3);
	stage_drain(stage);

	assert_int_equal(stored_donation(stage, donation->aggregate.id)->status, DONATION_CONFIRMED);
	assert_int_equal(stored_donation(stage, donation->aggregate.id)->decided_at.microseconds,
					 stage->world.clock.now.microseconds);
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 100000);
	assert_int_equal(stored_campaign(stage, campaign_id)->donation_count, 1);
	assert_int_equal(stage->ledger.msat[1], SAT(900).msat);
	assert_int_equal(stage->ledger.msat[0], SAT(1100).msat);
	assert_int_equal(sum_of_balances(stage), PEOPLE * SAT(1000).msat);
	assert_int_equal(world_count(&stage->world, &crowdfunding_donation_created_type), 1);
	assert_int_equal(world_count(&stage->world, &crowdfunding_donation_confirmed_type), 1);
}

static void
S18_the_ledger_is_asked_under_the_key_of_the_donor(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;
	const Message *message;
	const accounting_request_transfer *request;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(7), "k1", &donation));
	message = world_emitted(&stage->world, &accounting_request_transfer_type);
	request = message->payload;
	assert_true(uuid_equal(message->aggregate_id, donation->aggregate.id));
	assert_string_equal(request->idempotency_key, "k1");
	assert_string_equal(request->purpose, "donation");
	assert_true(uuid_equal(request->from_account_id, person(1)));
	assert_true(uuid_equal(request->to_account_id, person(0)));
	assert_true(uuid_equal(request->campaign_id, campaign_id));
	assert_int_equal(request->amount_msat.msat, 7000);
	assert_false(request->pending);
}

static void
S19_the_same_donation_again_is_the_same_row(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *first;
	Donation   *again;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(100), "k1", &first));
	assert_ok(stage_donate(stage, 1, campaign_id, SAT(100), "k1", &again));
	assert_true(uuid_equal(first->aggregate.id, again->aggregate.id));
	assert_int_equal(first->aggregate.version, 0);
	assert_int_equal(again->aggregate.version, 1);
	stage_drain(stage);
	assert_ok(stage_donate(stage, 1, campaign_id, SAT(100), "k1", &again));
	assert_int_equal(again->status, DONATION_CONFIRMED);
	stage_drain(stage);

	assert_int_equal(stage->ledger.moved, 1);
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 100000);
	assert_int_equal(stored_campaign(stage, campaign_id)->donation_count, 1);
}

static void
S19_a_session_that_was_quicker_is_met_as_a_duplicate(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	UnitOfWork *slow = world_work(&stage->world, NULL);
	Donate		command = {person(1), campaign_id, SAT(5), "k1"};
	Donation   *quick;
	Donation   *mine;

	assert_ok(crowdfunding_donate(&stage->crowdfunding, slow, &command, &mine));
	assert_ok(stage_donate(stage, 1, campaign_id, SAT(5), "k1", &quick));
	assert_int_equal(unit_of_work_complete(slow).code, RESULT_DUPLICATE);
	assert_int_equal(world_count(&stage->world, &accounting_request_transfer_type), 1);
	assert_ok(stage_donate(stage, 1, campaign_id, SAT(5), "k1", &mine));
	assert_true(uuid_equal(mine->aggregate.id, quick->aggregate.id));
}

static void
S20_D1_one_key_lets_one_donation_land(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaigns[] = {stage_campaign(stage, 0, 500), stage_campaign(stage, 2, 500), stage_campaign(stage, 3, 500)};
	Donation   *donation;

	assert_ok(stage_donate(stage, 1, campaigns[0], SAT(100), "k1", &donation));
	assert_refused(stage_donate(stage, 1, campaigns[1], SAT(100), "k1", &donation), IDEMPOTENCY_MISMATCH);
	assert_refused(stage_donate(stage, 1, campaigns[2], SAT(100), "k1", &donation), IDEMPOTENCY_MISMATCH);
	assert_refused(stage_donate(stage, 1, campaigns[0], SAT(101), "k1", &donation), IDEMPOTENCY_MISMATCH);
	stage_drain(stage);
	assert_int_equal(stage->ledger.msat[0], SAT(1100).msat);
	assert_int_equal(stage->ledger.msat[2], SAT(1000).msat);
	assert_int_equal(stage->ledger.msat[3], SAT(1000).msat);
	assert_int_equal(sum_of_balances(stage), PEOPLE * SAT(1000).msat);
}

static void
S21_D2_two_donors_may_use_the_same_key(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *first;
	Donation   *second;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(100), "k1", &first));
	assert_ok(stage_donate(stage, 2, campaign_id, SAT(100), "k1", &second));
	assert_false(uuid_equal(first->aggregate.id, second->aggregate.id));
	stage_drain(stage);
	assert_int_equal(stage->ledger.msat[1], SAT(900).msat);
	assert_int_equal(stage->ledger.msat[2], SAT(900).msat);
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 200000);
	assert_int_equal(stored_campaign(stage, campaign_id)->donation_count, 2);
}

static void
S22_transfers_of_another_purpose_are_not_ours(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(1), "k1", &donation));
	assert_ok(stage_tell(stage, MESSAGE_OF(&stage->world, accounting_transfer_succeeded, donation->aggregate.id,
									 .idempotency_key = "k1", .from_account_id = person(1), .to_account_id = person(0),
									 .amount_msat = SAT(1), .purpose = "withdrawal", .campaign_id = campaign_id)));
	assert_ok(stage_tell(stage, MESSAGE_OF(&stage->world, accounting_transfer_rejected, donation->aggregate.id,
									 .idempotency_key = "k1", .from_account_id = person(1), .to_account_id = person(0),
									 .amount_msat = SAT(1), .purpose = "withdrawal", .reason = "insufficient_funds")));
	assert_int_equal(stored_donation(stage, donation->aggregate.id)->status, DONATION_PENDING);
}

static void
S23_D4_amounts_of_nothing_less_or_too_much_are_refused(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	const Amount amounts[] = {{0}, {-1}, {-120000}, {INT64_MIN}, {MAX_SAT * MSAT_PER_SAT + 1}, {INT64_MAX}};
	size_t		emitted = stage->world.outbox.count;
	Donation   *donation;

	for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++)
		assert_refused(stage_donate(stage, 1, campaign_id, amounts[i], "k1", &donation), INVALID_ARGUMENT);
	assert_int_equal(stage->world.outbox.count, emitted);
	assert_int_equal(stage->donations.rows.inserts, 0);
}

static void
a_donation_needs_a_key_of_at_most_255_bytes(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;

	assert_refused(stage_donate(stage, 1, campaign_id, SAT(1), "", &donation), IDEMPOTENCY_KEY_MISSING);
	assert_refused(stage_donate(stage, 1, campaign_id, SAT(1), NULL, &donation), IDEMPOTENCY_KEY_MISSING);
	assert_refused(stage_donate(stage, 1, campaign_id, SAT(1), repeated(stage, "k", 256), &donation), INVALID_ARGUMENT);
	assert_ok(stage_donate(stage, 1, campaign_id, SAT(1), repeated(stage, "k", 255), &donation));
}

static void
S24_D12_D23_owner_cannot_donate_to_his_own_campaign(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;

	assert_refused(stage_donate(stage, 0, campaign_id, SAT(1), "k1", &donation), OWN_CAMPAIGN);
	assert_int_equal(world_count(&stage->world, &accounting_request_transfer_type), 0);
}

static void
S25_D12_a_donation_over_the_balance_is_rejected_with_its_reason(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;
	const crowdfunding_donation_rejected *event;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(1001), "k1", &donation));
	stage_drain(stage);
	assert_int_equal(stored_donation(stage, donation->aggregate.id)->status, DONATION_REJECTED);
	assert_string_equal(stored_donation(stage, donation->aggregate.id)->reason, "insufficient_funds");
	assert_false(instant_is_none(stored_donation(stage, donation->aggregate.id)->decided_at));
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 0);
	assert_int_equal(stage->ledger.msat[1], SAT(1000).msat);
	event = world_emitted(&stage->world, &crowdfunding_donation_rejected_type)->payload;
	assert_string_equal(event->reason, "insufficient_funds");

	/* The rejection is remembered under its key: a new try takes a new one. */
	assert_ok(stage_donate(stage, 1, campaign_id, SAT(1001), "k1", &donation));
	assert_int_equal(donation->status, DONATION_REJECTED);
}

static void
S26_unknown_and_ended_campaigns_take_nothing(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	size_t		emitted = stage->world.outbox.count;
	Donation   *donation;

	((Campaign *) stage->campaigns.rows->aggregate)->status = CAMPAIGN_ENDED;
	assert_refused(stage_donate(stage, 1, id_of(99), SAT(1), "k1", &donation), NOT_FOUND);
	assert_refused(stage_donate(stage, 1, campaign_id, SAT(1), "k1", &donation), CAMPAIGN_CLOSED);
	assert_int_equal(stage->world.outbox.count, emitted);
	assert_int_equal(stage->donations.rows.inserts, 0);
}

static void
S26_money_that_has_moved_counts_even_if_the_campaign_has_ended(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(3), "k1", &donation));
	((Campaign *) stage->campaigns.rows->aggregate)->status = CAMPAIGN_ENDED;
	stage_drain(stage);
	assert_int_equal(stored_donation(stage, donation->aggregate.id)->status, DONATION_CONFIRMED);
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 3000);
}

static void
S27_after_the_goal_donations_count_on(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 100);
	const crowdfunding_goal_reached *event;
	Donation   *donation;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(99), "k1", &donation));
	stage_drain(stage);
	assert_false(stored_campaign(stage, campaign_id)->goal_reached);
	assert_int_equal(world_count(&stage->world, &crowdfunding_goal_reached_type), 0);
	assert_ok(stage_donate(stage, 1, campaign_id, SAT(1), "k2", &donation));
	stage_drain(stage);
	assert_true(stored_campaign(stage, campaign_id)->goal_reached);
	assert_int_equal(world_count(&stage->world, &crowdfunding_goal_reached_type), 1);
	event = world_emitted(&stage->world, &crowdfunding_goal_reached_type)->payload;
	assert_int_equal(event->raised_msat.msat, 100000);
	assert_true(uuid_equal(event->account_id, person(0)));
	assert_ok(stage_donate(stage, 2, campaign_id, SAT(50), "k3", &donation));
	stage_drain(stage);
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 150000);
	assert_int_equal(world_count(&stage->world, &crowdfunding_goal_reached_type), 1);
}

static void
S28_D20_a_donation_costs_the_same_however_many_there_are(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;

	for (int i = 0; i < 60; i++)
		assert_ok(stage_donate(stage, 1, campaign_id, SAT(1), arena_printf(stage->world.arena, "k%d", i), &donation));
	assert_int_equal(stage->campaigns.updates, 0);
	assert_int_equal(stage->donations.rows.inserts, 60);
	stage_drain(stage);
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 60000);
	assert_int_equal(stored_campaign(stage, campaign_id)->donation_count, 60);
	assert_int_equal(stage->donations.rows.updates, 60);
}

static void
S28_the_answers_of_a_batch_move_the_total_once(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	UnitOfWork *batch = world_work(&stage->world, NULL);
	Touched		touched = {.arena = stage->world.arena};
	Message		answers[20];
	Donation   *donation;

	for (int i = 0; i < 20; i++)
	{
		const char *key = arena_printf(stage->world.arena, "k%d", i);

		assert_ok(stage_donate(stage, 1, campaign_id, SAT(2), key, &donation));
		answers[i] = MESSAGE_OF(&stage->world, accounting_transfer_succeeded, donation->aggregate.id,
								.idempotency_key = key, .from_account_id = person(1), .to_account_id = person(0),
								.amount_msat = SAT(2), .purpose = "donation", .campaign_id = campaign_id);
		consumer_subscription(&stage->consumer, answers[i].type_name)
			->touches(&stage->crowdfunding, &answers[i], &touched);
	}
	assert_ok(touched_find(&touched, batch));
	stage->campaigns.loads = stage->donations.rows.loads = 0;
	for (int i = 0; i < 20; i++)
		assert_ok(consumer_handle(&stage->consumer, batch, &answers[i]));
	assert_ok(unit_of_work_complete(batch));
	assert_int_equal(stage->campaigns.loads, 0);
	assert_int_equal(stage->donations.rows.loads, 0);
	assert_int_equal(stage->campaigns.updates, 1);
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 40000);
}

static void
a_transfer_that_differs_from_the_donation_confirms_nothing(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;
	const accounting_transfer_succeeded good = {
		.idempotency_key = "k1", .from_account_id = person(1), .to_account_id = person(0),
		.amount_msat = SAT(10), .purpose = "donation", .campaign_id = campaign_id
	};
	accounting_transfer_succeeded bad[5] = {good, good, good, good, good};

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(10), "k1", &donation));
	bad[0].idempotency_key = "k2";
	bad[1].from_account_id = person(2);
	bad[2].to_account_id = person(3);
	bad[3].amount_msat = SAT(11);
	for (size_t i = 0; i < 4; i++)
		assert_ok(stage_tell(stage, world_message(&stage->world, &accounting_transfer_succeeded_type,
											donation->aggregate.id, &bad[i])));
	assert_ok(stage_tell(stage, world_message(&stage->world, &accounting_transfer_succeeded_type, id_of(5), &bad[4])));
	assert_int_equal(stored_donation(stage, donation->aggregate.id)->status, DONATION_PENDING);
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 0);

	assert_ok(stage_tell(stage, world_message(&stage->world, &accounting_transfer_succeeded_type,
										donation->aggregate.id, &good)));
	assert_int_equal(stored_donation(stage, donation->aggregate.id)->status, DONATION_CONFIRMED);
}

static void
a_decided_donation_is_never_decided_otherwise(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(10), "k1", &donation));
	stage_drain(stage);
	assert_refused(stage_tell(stage, MESSAGE_OF(&stage->world, accounting_transfer_rejected, donation->aggregate.id,
										  .idempotency_key = "k1", .from_account_id = person(1),
										  .to_account_id = person(0), .amount_msat = SAT(10), .purpose = "donation",
										  .reason = "insufficient_funds")), INTERNAL);
	assert_int_equal(stored_donation(stage, donation->aggregate.id)->status, DONATION_CONFIRMED);
}

static void
S47_every_message_handled_twice_counts_once(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Message		messages[3];
	Donation   *paid;
	Donation   *refused;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(10), "k1", &paid));
	assert_ok(stage_donate(stage, 1, campaign_id, SAT(20), "k2", &refused));
	messages[0] = MESSAGE_OF(&stage->world, auth_signed_up, person(0), person(0), "alice");
	messages[1] = MESSAGE_OF(&stage->world, accounting_transfer_succeeded, paid->aggregate.id,
							 .idempotency_key = "k1", .from_account_id = person(1), .to_account_id = person(0),
							 .amount_msat = SAT(10), .purpose = "donation", .campaign_id = campaign_id);
	messages[2] = MESSAGE_OF(&stage->world, accounting_transfer_rejected, refused->aggregate.id,
							 .idempotency_key = "k2", .from_account_id = person(1), .to_account_id = person(0),
							 .amount_msat = SAT(20), .purpose = "donation", .reason = "insufficient_funds");
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < 3; i++)
			assert_ok(stage_tell(stage, messages[i]));
	assert_int_equal(stored_campaign(stage, campaign_id)->raised.msat, 10000);
	assert_int_equal(stored_campaign(stage, campaign_id)->donation_count, 1);
	assert_int_equal(stage->creators.inserts, 1);
	assert_int_equal(stage->donations.rows.updates, 2);
	assert_int_equal(world_count(&stage->world, &crowdfunding_donation_confirmed_type), 1);
	assert_int_equal(world_count(&stage->world, &crowdfunding_donation_rejected_type), 1);
}

static void
a_donation_is_seen_by_its_donor_and_the_owner_alone(void **state)
{
	CrowdfundingStage *stage = *state;
	Uuid		campaign_id = stage_campaign(stage, 0, 500);
	Donation   *donation;

	assert_ok(stage_donate(stage, 1, campaign_id, SAT(10), "k1", &donation));
	assert_true(donation_is_open_to(donation, person(0)));
	assert_true(donation_is_open_to(donation, person(1)));
	assert_false(donation_is_open_to(donation, person(2)));
	assert_false(donation_is_open_to(donation, UUID_NIL));
	assert_string_equal(donation_key_for(donation, person(1)), "k1");
	assert_null(donation_key_for(donation, person(0)));
}

static void
statuses_have_the_names_that_are_stored(void **state)
{
	DonationStatus donation;
	CampaignStatus campaign;

	(void) state;
	for (DonationStatus status = DONATION_PENDING; status <= DONATION_REJECTED; status++)
	{
		assert_true(donation_status_by_name(donation_status_name(status), &donation));
		assert_int_equal(donation, status);
	}
	for (CampaignStatus status = CAMPAIGN_OPEN; status <= CAMPAIGN_ENDED; status++)
	{
		assert_true(campaign_status_by_name(campaign_status_name(status), &campaign));
		assert_int_equal(campaign, status);
	}
	assert_false(donation_status_by_name("open", &donation));
	assert_false(campaign_status_by_name("", &campaign));
}

static void
the_consumer_is_sound_and_its_messages_lie_right(void **state)
{
	CrowdfundingStage *stage = *state;
	const Consumer *const consumers[] = {&stage->consumer, &stage->ledger_consumer};

	assert_true(bus_is_sound(consumers, 2));
	assert_true(message_layout_is_right(&crowdfunding_campaign_created_type));
	assert_true(message_layout_is_right(&crowdfunding_goal_reached_type));
	assert_true(message_layout_is_right(&crowdfunding_donation_created_type));
	assert_true(message_layout_is_right(&crowdfunding_donation_confirmed_type));
	assert_true(message_layout_is_right(&crowdfunding_donation_rejected_type));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stage_set_up, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(S8_a_new_campaign_is_open_with_nothing_raised),
		TEST(S8_the_creators_name_is_kept_once_the_sign_up_is_handled),
		TEST(S9_goals_up_to_all_bitcoin_are_kept_exactly),
		TEST(S9_D18_goals_of_nothing_less_or_too_much_are_refused),
		TEST(S9_titles_and_descriptions_have_limits_in_characters),
		TEST(create_campaign_with_an_id_may_be_repeated),
		TEST(S18_a_donation_moves_from_donor_to_owner_and_counts),
		TEST(S18_the_ledger_is_asked_under_the_key_of_the_donor),
		TEST(S19_the_same_donation_again_is_the_same_row),
		TEST(S19_a_session_that_was_quicker_is_met_as_a_duplicate),
		TEST(S20_D1_one_key_lets_one_donation_land),
		TEST(S21_D2_two_donors_may_use_the_same_key),
		TEST(S22_transfers_of_another_purpose_are_not_ours),
		TEST(S23_D4_amounts_of_nothing_less_or_too_much_are_refused),
		TEST(a_donation_needs_a_key_of_at_most_255_bytes),
		TEST(S24_D12_D23_owner_cannot_donate_to_his_own_campaign),
		TEST(S25_D12_a_donation_over_the_balance_is_rejected_with_its_reason),
		TEST(S26_unknown_and_ended_campaigns_take_nothing),
		TEST(S26_money_that_has_moved_counts_even_if_the_campaign_has_ended),
		TEST(S27_after_the_goal_donations_count_on),
		TEST(S28_D20_a_donation_costs_the_same_however_many_there_are),
		TEST(S28_the_answers_of_a_batch_move_the_total_once),
		TEST(a_transfer_that_differs_from_the_donation_confirms_nothing),
		TEST(a_decided_donation_is_never_decided_otherwise),
		TEST(S47_every_message_handled_twice_counts_once),
		TEST(a_donation_is_seen_by_its_donor_and_the_owner_alone),
		TEST(statuses_have_the_names_that_are_stored),
		TEST(the_consumer_is_sound_and_its_messages_lie_right),
	};

	return cmocka_run_group_tests_name("crowdfunding", tests, NULL, NULL);
}
