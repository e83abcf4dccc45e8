/*
 * test_dashboard.c
 *		The read models of the dashboard, with ports in memory.
 */
#include "in_memory.h"

#include "accounting/messages.h"
#include "auth/messages.h"
#include "crowdfunding/messages.h"
#include "dashboard/handlers.h"

#include <string.h>

typedef struct Stage
{
	World		world;
	InMemoryRepository overviews;
	InMemoryRepository campaigns;
	InMemoryRepository movements;
	InMemoryRepository donations;
	Dashboard	dashboard;
	Consumer	consumer;
} Stage;

#define ALICE id_of(1)
#define BOB id_of(2)
#define NODE id_of(3)

static int
set_up(void **state)
{
	Stage	   *stage = test_calloc(1, sizeof(Stage));

	world_init(&stage->world);
	stage->overviews = in_memory_repository(&stage->world, &overview_type);
	stage->campaigns = in_memory_repository(&stage->world, &own_campaign_type);
	stage->movements = in_memory_repository(&stage->world, &movement_type);
	stage->donations = in_memory_repository(&stage->world, &counted_donation_type);
	stage->dashboard = (Dashboard) {
		&stage->overviews.repository, &stage->campaigns.repository,
		&stage->movements.repository, &stage->donations.repository
	};
	stage->consumer = (Consumer) DASHBOARD_CONSUMER(&stage->dashboard);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	Stage	   *stage = *state;

	world_destroy(&stage->world);
	test_free(stage);
	return 0;
}

/* ------------------------------------------------------------------ steps */

static void
tell(Stage *stage, Message message)
{
	UnitOfWork *work = world_work(&stage->world, &message);

	assert_ok(consumer_handle(&stage->consumer, work, &message));
	assert_ok(unit_of_work_complete(work));
}

#define TELL(message, key, ...) tell(stage, MESSAGE_OF(&stage->world, message, key, __VA_ARGS__))

static Instant
at(int64_t seconds)
{
	return (Instant) {INT64_C(1767225600000000) + seconds * MICROSECONDS_PER_SECOND};
}

static Message
deposit_message(Stage *stage, Uuid account_id, uint64_t transfer, int64_t msat)
{
	return MESSAGE_OF(&stage->world, accounting_deposit_succeeded, id_of(transfer + 500),
					  .account_id = account_id, .idempotency_key = "hash", .amount_msat = {msat},
					  .invoice_id = id_of(transfer + 500), .transfer_id = id_of(transfer),
					  .node_account_id = NODE, .created_at = at(1));
}

static Message
donation_message(Stage *stage, Uuid from, Uuid to, uint64_t transfer, int64_t msat)
{
	return MESSAGE_OF(&stage->world, accounting_transfer_succeeded, id_of(transfer + 500),
					  .idempotency_key = "k", .from_account_id = from, .to_account_id = to, .amount_msat = {msat},
					  .purpose = "donation", .campaign_id = id_of(77), .transfer_id = id_of(transfer),
					  .created_at = at(2), .posted_at = at(2));
}

static Message
accepted_message(Stage *stage, uint64_t transfer, int64_t msat, int64_t max_fee)
{
	return MESSAGE_OF(&stage->world, accounting_withdraw_accepted, id_of(900),
					  .account_id = ALICE, .idempotency_key = "i", .amount_msat = {msat}, .max_fee_msat = {max_fee},
					  .invoice_id = id_of(900), .node_account_id = NODE, .transfer_id = id_of(transfer),
					  .created_at = at(3));
}

static Message
withdrawn_message(Stage *stage, uint64_t transfer, int64_t msat, int64_t fee, uint64_t fee_transfer, bool late)
{
	return MESSAGE_OF(&stage->world, accounting_withdraw_succeeded, id_of(900),
					  .account_id = ALICE, .idempotency_key = "i", .amount_msat = {msat}, .fee_msat = {fee},
					  .released_msat = {late ? 0 : msat + 1000}, .invoice_id = id_of(900), .node_account_id = NODE,
					  .transfer_id = id_of(transfer), .fee_transfer_id = fee == 0 ? UUID_NIL : id_of(fee_transfer),
					  .created_at = at(3), .posted_at = at(4), .late = late);
}

static Message
voided_message(Stage *stage, uint64_t transfer, int64_t released)
{
	return MESSAGE_OF(&stage->world, accounting_withdraw_voided, id_of(900),
					  .account_id = ALICE, .idempotency_key = "i", .released_msat = {released},
					  .invoice_id = id_of(900), .node_account_id = NODE, .transfer_id = id_of(transfer),
					  .created_at = at(3), .reason = "payment_refused");
}

static Message
campaign_message(Stage *stage, Uuid owner, uint64_t campaign, const char *title)
{
	return MESSAGE_OF(&stage->world, crowdfunding_campaign_created, id_of(campaign),
					  .campaign_id = id_of(campaign), .account_id = owner, .title = title,
					  .goal_msat = {50000}, .created_at = at((int64_t) campaign));
}

static Message
confirmed_message(Stage *stage, Uuid donor, Uuid owner, uint64_t campaign, uint64_t donation, int64_t msat)
{
	return MESSAGE_OF(&stage->world, crowdfunding_donation_confirmed, id_of(donation),
					  .campaign_id = id_of(campaign), .donation_id = id_of(donation), .account_id = donor,
					  .owner_id = owner, .amount_msat = {msat});
}

static const Overview *
overview(Stage *stage, Uuid account_id)
{
	return (const Overview *) in_memory_stored(&stage->overviews, account_id);
}

static const Movement *
movement(Stage *stage, uint64_t transfer)
{
	return (const Movement *) in_memory_stored(&stage->movements, id_of(transfer));
}

static const OwnCampaign *
campaign(Stage *stage, uint64_t id)
{
	return (const OwnCampaign *) in_memory_stored(&stage->campaigns, id_of(id));
}

static void
assert_money(Stage *stage, Uuid account_id, int64_t posted, int64_t reserved)
{
	const Overview *now = overview(stage, account_id);

	assert_non_null(now);
	assert_int_equal(now->posted.msat, posted);
	assert_int_equal(now->reserved.msat, reserved);
}

/* ------------------------------------------------------------------ tests */

static void
S40_a_sign_up_is_a_row_of_zeros_with_a_name(void **state)
{
	Stage	   *stage = *state;

	assert_null(overview(stage, ALICE));
	TELL(auth_signed_up, ALICE, .account_id = ALICE, .username = "alice");
	assert_string_equal(overview(stage, ALICE)->username, "alice");
	assert_money(stage, ALICE, 0, 0);
	assert_int_equal(overview(stage, ALICE)->campaign_count, 0);
}

static void
S40_a_credit_may_come_before_the_sign_up(void **state)
{
	Stage	   *stage = *state;

	tell(stage, deposit_message(stage, ALICE, 10, 5000));
	assert_money(stage, ALICE, 5000, 0);
	assert_null(overview(stage, ALICE)->username);
	TELL(auth_signed_up, ALICE, .account_id = ALICE, .username = "alice");
	assert_money(stage, ALICE, 5000, 0);
	assert_string_equal(overview(stage, ALICE)->username, "alice");
}

static void
S39_a_deposit_is_a_posted_line_from_the_node(void **state)
{
	Stage	   *stage = *state;
	const Movement *line;

	tell(stage, deposit_message(stage, ALICE, 10, INT64_C(2147483648000) * 2));
	assert_money(stage, ALICE, INT64_C(4294967296000), 0);
	assert_null(overview(stage, NODE));
	line = movement(stage, 10);
	assert_int_equal(line->state, MOVEMENT_POSTED);
	assert_null(line->payer.kind);
	assert_string_equal(line->payee.kind, "deposit");
	assert_true(uuid_equal(line->payee.invoice_id, id_of(510)));
	assert_int_equal(line->posted_at.microseconds, at(1).microseconds);
}

static void
S39_a_donation_moves_on_both_sides(void **state)
{
	Stage	   *stage = *state;

	tell(stage, deposit_message(stage, ALICE, 10, 5000));
	tell(stage, donation_message(stage, ALICE, BOB, 11, 2000));
	assert_money(stage, ALICE, 3000, 0);
	assert_money(stage, BOB, 2000, 0);
	assert_string_equal(movement(stage, 11)->payer.kind, "donation");
	assert_string_equal(movement(stage, 11)->payee.kind, "donation");
	assert_true(uuid_equal(movement(stage, 11)->campaign_id, id_of(77)));
}

static void
a_debit_may_be_told_before_its_credit(void **state)
{
	Stage	   *stage = *state;

	tell(stage, donation_message(stage, ALICE, BOB, 11, 2000));
	assert_money(stage, ALICE, -2000, 0);
	tell(stage, deposit_message(stage, ALICE, 10, 5000));
	assert_money(stage, ALICE, 3000, 0);
}

static void
a_withdrawal_reserves_then_moves_amount_and_fee(void **state)
{
	Stage	   *stage = *state;

	tell(stage, deposit_message(stage, ALICE, 10, 100000));
	tell(stage, accepted_message(stage, 12, 50000, 1000));
	assert_money(stage, ALICE, 100000, 51000);
	assert_int_equal(movement(stage, 12)->amount.msat, 51000);
	assert_int_equal(movement(stage, 12)->state, MOVEMENT_PENDING);
	assert_true(instant_is_none(movement(stage, 12)->posted_at));

	tell(stage, withdrawn_message(stage, 12, 50000, 300, 13, false));
	assert_money(stage, ALICE, 49700, 0);
	assert_int_equal(movement(stage, 12)->amount.msat, 50000);
	assert_int_equal(movement(stage, 12)->state, MOVEMENT_POSTED);
	assert_int_equal(movement(stage, 12)->created_at.microseconds, at(3).microseconds);
	assert_int_equal(movement(stage, 12)->posted_at.microseconds, at(4).microseconds);
	assert_string_equal(movement(stage, 13)->payer.kind, "fee");
	assert_int_equal(movement(stage, 13)->amount.msat, 300);
	assert_int_equal(movement(stage, 13)->state, MOVEMENT_POSTED);
}

static void
a_withdrawal_without_fee_has_one_line(void **state)
{
	Stage	   *stage = *state;

	tell(stage, accepted_message(stage, 12, 50000, 1000));
	tell(stage, withdrawn_message(stage, 12, 50000, 0, 0, false));
	assert_money(stage, ALICE, -50000, 0);
	assert_int_equal(stage->movements.inserts, 1);
}

static void
a_failed_withdrawal_gives_the_reserve_back(void **state)
{
	Stage	   *stage = *state;

	tell(stage, deposit_message(stage, ALICE, 10, 100000));
	tell(stage, accepted_message(stage, 12, 50000, 1000));
	tell(stage, voided_message(stage, 12, 51000));
	assert_money(stage, ALICE, 100000, 0);
	assert_int_equal(movement(stage, 12)->state, MOVEMENT_VOIDED);
	assert_int_equal(movement(stage, 12)->amount.msat, 51000);
}

static void
a_late_success_is_booked_whether_on_the_voided_line_or_on_a_new_one(void **state)
{
	Stage	   *stage = *state;

	for (uint64_t late_transfer = 12; late_transfer <= 14; late_transfer += 2)
	{
		tear_down(state);
		set_up(state);
		stage = *state;
		tell(stage, deposit_message(stage, ALICE, 10, 100000));
		tell(stage, accepted_message(stage, 12, 50000, 1000));
		tell(stage, voided_message(stage, 12, 51000));
		tell(stage, withdrawn_message(stage, late_transfer, 50000, 300, 13, true));
		assert_money(stage, ALICE, 49700, 0);
		assert_int_equal(movement(stage, late_transfer)->state, MOVEMENT_POSTED);
	}
}

static void
a_late_success_that_others_bear_is_no_line(void **state)
{
	Stage	   *stage = *state;

	tell(stage, withdrawn_message(stage, 14, 0, 0, 0, true));
	assert_null(movement(stage, 14));
	assert_money(stage, ALICE, 0, 0);
}

static Message
inside_message(Stage *stage, const MessageType *type)
{
	const accounting_transfer_succeeded posted = {
		.idempotency_key = "i", .from_account_id = ALICE, .to_account_id = BOB, .amount_msat = {7000},
		.purpose = "withdrawal", .pending = true, .from_invoice_id = id_of(901), .to_invoice_id = id_of(902),
		.transfer_id = id_of(15), .created_at = at(5), .posted_at = at(6)
	};
	const accounting_transfer_reserved reserved = {
		.idempotency_key = "i", .from_account_id = ALICE, .to_account_id = BOB, .amount_msat = {7000},
		.purpose = "withdrawal", .from_invoice_id = id_of(901), .to_invoice_id = id_of(902),
		.transfer_id = id_of(15), .created_at = at(5)
	};
	const accounting_transfer_voided voided = {
		.idempotency_key = "i", .from_account_id = ALICE, .to_account_id = BOB, .amount_msat = {7000},
		.purpose = "withdrawal", .from_invoice_id = id_of(901), .to_invoice_id = id_of(902),
		.transfer_id = id_of(15), .created_at = at(5)
	};

	if (type == &accounting_transfer_succeeded_type)
		return world_message(&stage->world, type, id_of(901), &posted);
	if (type == &accounting_transfer_reserved_type)
		return world_message(&stage->world, type, id_of(901), &reserved);
	return world_message(&stage->world, &accounting_transfer_voided_type, id_of(901), &voided);
}

static void
a_payment_inside_is_a_withdrawal_to_one_and_a_deposit_to_the_other(void **state)
{
	Stage	   *stage = *state;
	const Movement *line;

	tell(stage, inside_message(stage, &accounting_transfer_reserved_type));
	assert_money(stage, ALICE, 0, 7000);
	assert_money(stage, BOB, 0, 0);
	tell(stage, inside_message(stage, &accounting_transfer_succeeded_type));
	assert_money(stage, ALICE, -7000, 0);
	assert_money(stage, BOB, 7000, 0);
	line = movement(stage, 15);
	assert_string_equal(line->payer.kind, "withdrawal");
	assert_true(uuid_equal(line->payer.invoice_id, id_of(901)));
	assert_string_equal(line->payee.kind, "deposit");
	assert_true(uuid_equal(line->payee.invoice_id, id_of(902)));
}

static void
a_voided_payment_inside_moves_nothing(void **state)
{
	Stage	   *stage = *state;

	tell(stage, inside_message(stage, &accounting_transfer_reserved_type));
	tell(stage, inside_message(stage, &accounting_transfer_voided_type));
	assert_money(stage, ALICE, 0, 0);
	assert_money(stage, BOB, 0, 0);
	assert_int_equal(movement(stage, 15)->state, MOVEMENT_VOIDED);
}

static void
S39_D16_the_owner_of_two_campaigns_sees_two(void **state)
{
	Stage	   *stage = *state;

	tell(stage, campaign_message(stage, ALICE, 21, "A well"));
	tell(stage, campaign_message(stage, ALICE, 22, "A wall"));
	tell(stage, campaign_message(stage, BOB, 23, "A door"));
	assert_int_equal(overview(stage, ALICE)->campaign_count, 2);
	assert_int_equal(overview(stage, BOB)->campaign_count, 1);
	assert_true(uuid_equal(campaign(stage, 22)->owner_id, ALICE));
	assert_string_equal(campaign(stage, 22)->title, "A wall");
	assert_string_equal(campaign(stage, 22)->status, "open");
	assert_int_equal(campaign(stage, 22)->goal.msat, 50000);
}

static void
confirmed_donations_count_for_donor_owner_and_campaign(void **state)
{
	Stage	   *stage = *state;

	tell(stage, campaign_message(stage, ALICE, 21, "A well"));
	tell(stage, confirmed_message(stage, BOB, ALICE, 21, 31, 2000));
	tell(stage, confirmed_message(stage, BOB, ALICE, 21, 32, 3000));
	assert_int_equal(overview(stage, ALICE)->raised.msat, 5000);
	assert_int_equal(overview(stage, ALICE)->donated.msat, 0);
	assert_int_equal(overview(stage, BOB)->donated.msat, 5000);
	assert_int_equal(campaign(stage, 21)->raised.msat, 5000);
	assert_int_equal(campaign(stage, 21)->donation_count, 2);
	assert_money(stage, ALICE, 0, 0);
}

static void
a_donation_may_be_told_before_its_campaign(void **state)
{
	Stage	   *stage = *state;

	tell(stage, confirmed_message(stage, BOB, ALICE, 21, 31, 2000));
	assert_null(campaign(stage, 21)->title);
	assert_int_equal(overview(stage, ALICE)->campaign_count, 0);
	tell(stage, campaign_message(stage, ALICE, 21, "A well"));
	assert_string_equal(campaign(stage, 21)->title, "A well");
	assert_int_equal(campaign(stage, 21)->raised.msat, 2000);
	assert_int_equal(overview(stage, ALICE)->campaign_count, 1);
}

/* Every handler, its message told `times` over, in one order or the other. */
static void
tell_everything(Stage *stage, int times, bool backwards)
{
	Message		messages[] = {
		MESSAGE_OF(&stage->world, auth_signed_up, ALICE, .account_id = ALICE, .username = "alice"),
		campaign_message(stage, ALICE, 21, "A well"),
		deposit_message(stage, ALICE, 10, 200000),
		donation_message(stage, BOB, ALICE, 11, 2000),
		confirmed_message(stage, BOB, ALICE, 21, 31, 2000),
		inside_message(stage, &accounting_transfer_reserved_type),
		inside_message(stage, &accounting_transfer_succeeded_type),
		accepted_message(stage, 12, 50000, 1000),
		voided_message(stage, 12, 51000),
		accepted_message(stage, 16, 60000, 1000),
		withdrawn_message(stage, 16, 60000, 300, 17, false),
	};
	const int	count = sizeof(messages) / sizeof(messages[0]);

	for (int i = 0; i < count; i++)
		for (int time = 0; time < times; time++)
			tell(stage, messages[backwards ? count - 1 - i : i]);
}

static void
assert_everything(Stage *stage)
{
	assert_money(stage, ALICE, 200000 + 2000 - 7000 - 60000 - 300, 0);
	assert_money(stage, BOB, 7000 - 2000, 0);
	assert_int_equal(overview(stage, ALICE)->raised.msat, 2000);
	assert_int_equal(overview(stage, BOB)->donated.msat, 2000);
	assert_int_equal(overview(stage, ALICE)->campaign_count, 1);
	assert_string_equal(overview(stage, ALICE)->username, "alice");
	assert_int_equal(campaign(stage, 21)->donation_count, 1);
	assert_int_equal(stage->movements.inserts, 6);
	assert_int_equal(stage->world.outbox.count, 0);
}

static void
S47_every_message_told_twice_is_told_once(void **state)
{
	Stage	   *stage = *state;

	tell_everything(stage, 2, false);
	assert_everything(stage);
}

static void
S47_all_messages_told_again_change_nothing(void **state)
{
	Stage	   *stage = *state;

	tell_everything(stage, 1, false);
	tell_everything(stage, 1, false);
	assert_everything(stage);
}

static void
messages_told_backwards_add_up_alike(void **state)
{
	Stage	   *stage = *state;

	tell_everything(stage, 1, true);
	assert_everything(stage);
}

static void
D20_what_is_told_again_writes_nothing(void **state)
{
	Stage	   *stage = *state;
	size_t		updates;

	tell_everything(stage, 1, false);
	updates = stage->overviews.updates + stage->campaigns.updates + stage->movements.updates;
	tell_everything(stage, 1, false);
	assert_int_equal(stage->overviews.updates + stage->campaigns.updates + stage->movements.updates, updates);
}

static void
a_batch_writes_each_overview_once(void **state)
{
	Stage	   *stage = *state;
	UnitOfWork *batch = world_work(&stage->world, NULL);
	Touched		touched = {.arena = stage->world.arena};
	Message		messages[50];

	tell(stage, deposit_message(stage, ALICE, 10, 1000));
	tell(stage, deposit_message(stage, BOB, 11, 1000));
	for (uint64_t i = 0; i < 50; i++)
	{
		messages[i] = donation_message(stage, BOB, ALICE, 100 + i, 10);
		consumer_subscription(&stage->consumer, messages[i].type_name)
			->touches(&stage->dashboard, &messages[i], &touched);
	}
	assert_ok(touched_find(&touched, batch));
	stage->overviews.loads = 0;
	for (uint64_t i = 0; i < 50; i++)
		assert_ok(consumer_handle(&stage->consumer, batch, &messages[i]));
	assert_ok(unit_of_work_complete(batch));
	assert_int_equal(stage->overviews.loads, 0);
	assert_int_equal(stage->overviews.updates, 2);
	assert_money(stage, ALICE, 1500, 0);
	assert_money(stage, BOB, 500, 0);
}

static void
a_sum_that_cannot_be_counted_fails_the_message(void **state)
{
	Stage	   *stage = *state;
	Message		message = deposit_message(stage, ALICE, 11, 1);
	UnitOfWork *work = world_work(&stage->world, &message);

	tell(stage, deposit_message(stage, ALICE, 10, INT64_MAX));
	assert_refused(consumer_handle(&stage->consumer, work, &message), INTERNAL);
}

static void
states_move_on_and_have_names(void **state)
{
	MovementState named;

	(void) state;
	assert_true(movement_goes_on(MOVEMENT_PENDING, MOVEMENT_POSTED));
	assert_true(movement_goes_on(MOVEMENT_PENDING, MOVEMENT_VOIDED));
	assert_true(movement_goes_on(MOVEMENT_VOIDED, MOVEMENT_POSTED));
	assert_false(movement_goes_on(MOVEMENT_VOIDED, MOVEMENT_PENDING));
	for (MovementState next = MOVEMENT_PENDING; next <= MOVEMENT_VOIDED; next++)
	{
		assert_false(movement_goes_on(next, next));
		assert_false(movement_goes_on(MOVEMENT_POSTED, next));
		assert_true(movement_state_by_name(movement_state_name(next), &named));
		assert_int_equal(named, next);
	}
	assert_false(movement_state_by_name("open", &named));
}

static void
the_consumer_is_sound(void **state)
{
	Stage	   *stage = *state;
	const Consumer *const consumers[] = {&stage->consumer};

	assert_true(bus_is_sound(consumers, 1));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(S40_a_sign_up_is_a_row_of_zeros_with_a_name),
		TEST(S40_a_credit_may_come_before_the_sign_up),
		TEST(S39_a_deposit_is_a_posted_line_from_the_node),
		TEST(S39_a_donation_moves_on_both_sides),
		TEST(a_debit_may_be_told_before_its_credit),
		TEST(a_withdrawal_reserves_then_moves_amount_and_fee),
		TEST(a_withdrawal_without_fee_has_one_line),
		TEST(a_failed_withdrawal_gives_the_reserve_back),
		TEST(a_late_success_is_booked_whether_on_the_voided_line_or_on_a_new_one),
		TEST(a_late_success_that_others_bear_is_no_line),
		TEST(a_payment_inside_is_a_withdrawal_to_one_and_a_deposit_to_the_other),
		TEST(a_voided_payment_inside_moves_nothing),
		TEST(S39_D16_the_owner_of_two_campaigns_sees_two),
		TEST(confirmed_donations_count_for_donor_owner_and_campaign),
		TEST(a_donation_may_be_told_before_its_campaign),
		TEST(S47_every_message_told_twice_is_told_once),
		TEST(S47_all_messages_told_again_change_nothing),
		TEST(messages_told_backwards_add_up_alike),
		TEST(D20_what_is_told_again_writes_nothing),
		TEST(a_batch_writes_each_overview_once),
		TEST(a_sum_that_cannot_be_counted_fails_the_message),
		TEST(states_move_on_and_have_names),
		TEST(the_consumer_is_sound),
	};

	return cmocka_run_group_tests_name("dashboard", tests, NULL, NULL);
}
