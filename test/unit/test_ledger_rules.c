/*
 * test_ledger_rules.c
 *		The pure rules of the ledger, by hand and against a model.
 *
 * The model knows lists and 128-bit sums only; a random walk of orders, posts
 * and voids, of amounts up to the edge of int64, must agree with it at each
 * step.
 */
#include "accounting_stage.h"

#include "accounting/settlement.h"

/* ------------------------------------------- the pure rules against a model */

#define MODEL_ACCOUNTS 5
#define MODEL_TRANSFERS 400

typedef struct ModelTransfer
{
	Transfer	transfer;
	int			from;
	int			to;
	int			end;			/* 0: open, 1: posted, 2: voided; of a direct one 1 */
	Wide		posted;
} ModelTransfer;

typedef struct Model
{
	LedgerAccount accounts[MODEL_ACCOUNTS];	/* 0 to 2 strict, 3 and 4 unchecked */
	ModelTransfer transfers[MODEL_TRANSFERS];
	size_t		count;
	uint64_t	random;
} Model;

/* debits posted, credits posted, debits pending, credits pending, by addition alone. */
static void
model_sums(const Model *model, int account, Wide sums[4])
{
	memset(sums, 0, sizeof(Wide) * 4);
	for (size_t i = 0; i < model->count; i++)
	{
		const ModelTransfer *transfer = &model->transfers[i];

		if (transfer->from == account)
			sums[transfer->end == 0 ? 2 : 0] += transfer->end == 0 ? transfer->transfer.amount.msat : transfer->posted;
		if (transfer->to == account)
			sums[transfer->end == 0 ? 3 : 1] += transfer->end == 0 ? transfer->transfer.amount.msat : transfer->posted;
	}
}

static ResultCode
model_expects(const Model *model, const Transfer *asked, int from, int to)
{
	Wide		debit[4];
	Wide		credit[4];

	if (from == to || asked->amount.msat <= 0)
		return RESULT_INVALID_ARGUMENT;
	model_sums(model, from, debit);
	model_sums(model, to, credit);
	if (debit[0] + debit[2] + asked->amount.msat > INT64_MAX || credit[1] + credit[3] + asked->amount.msat > INT64_MAX)
		return RESULT_INVALID_ARGUMENT;
	if (model->accounts[from].strict && debit[1] - debit[0] - debit[2] < asked->amount.msat)
		return RESULT_INSUFFICIENT_FUNDS;
	return RESULT_OK;
}

static int64_t
model_amount(Model *model)
{
	uint64_t	dice = books_random(&model->random);

	switch (dice % 12)
	{
		case 0:
			return INT64_MAX - (int64_t) (dice >> 60);
		case 1:
			return INT64_MAX / 2;
		case 2:
			return -(int64_t) (dice >> 50);
		case 3:
			return 0;
		default:
			return 1 + (int64_t) (dice >> 8) % 1000;
	}
}

static void
model_orders(Model *model)
{
	int			from = (int) (books_random(&model->random) % MODEL_ACCOUNTS);
	int			to = (int) (books_random(&model->random) % MODEL_ACCOUNTS);
	ModelTransfer *next = &model->transfers[model->count];
	LedgerAccount before_from = model->accounts[from];
	LedgerAccount before_to = model->accounts[to];
	ResultCode	expected;
	Result		result;

	*next = (ModelTransfer) {.from = from, .to = to};
	next->transfer.key = "key";
	next->transfer.aggregate.id = id_of(model->count + 100);
	next->transfer.debit_account_id = id_of((uint64_t) from + 1);
	next->transfer.credit_account_id = id_of((uint64_t) to + 1);
	next->transfer.amount = AMOUNT_MSAT(model_amount(model));
	next->transfer.form = books_random(&model->random) % 2 == 0 ? TRANSFER_DIRECT : TRANSFER_PENDING;
	expected = model_expects(model, &next->transfer, from, to);
	result = transfer_is_well_formed(&next->transfer);
	if (!failed(result))
		result = transfer_execute(&next->transfer, &model->accounts[from], &model->accounts[to]);
	assert_int_equal(result.code, expected);
	if (expected == RESULT_OK)
	{
		next->end = next->transfer.form == TRANSFER_DIRECT;
		next->posted = next->transfer.form == TRANSFER_DIRECT ? next->transfer.amount.msat : 0;
		model->count++;
		return;
	}
	assert_memory_equal(&before_from, &model->accounts[from], sizeof(LedgerAccount));
	assert_memory_equal(&before_to, &model->accounts[to], sizeof(LedgerAccount));
}

static void
model_ends(Model *model, Arena *arena)
{
	ModelTransfer *chosen;
	Transfer	end = {.reason = NULL};
	Transfer	ended = {.form = TRANSFER_POST};
	bool		post = books_random(&model->random) % 2 == 0;
	int64_t		amount;
	ResultCode	expected = RESULT_OK;

	if (model->count == 0)
		return;
	chosen = &model->transfers[books_random(&model->random) % model->count];
	amount = books_random(&model->random) % 3 == 0 ? model_amount(model) : chosen->transfer.amount.msat;
	transfer_begin_end(&end, &chosen->transfer, post ? TRANSFER_POST : TRANSFER_VOID, AMOUNT_MSAT(amount), arena);
	if (chosen->transfer.form == TRANSFER_DIRECT)
		expected = RESULT_PENDING_RESOLVED;
	else if (post && (amount <= 0 || amount > chosen->transfer.amount.msat))
		expected = RESULT_INVALID_ARGUMENT;
	else if (chosen->end != 0)
		expected = RESULT_PENDING_RESOLVED;
	assert_int_equal(transfer_end(&end, &chosen->transfer, chosen->end != 0 ? &ended : NULL, (Instant) {1},
								  &model->accounts[chosen->from], &model->accounts[chosen->to]).code, expected);
	if (expected != RESULT_OK)
		return;
	chosen->end = post ? 1 : 2;
	chosen->posted = post ? amount : 0;
}

static void
I1_to_I6_random_walk_agrees_with_a_naive_model(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++)
	{
		World		world;
		Model	   *model = test_calloc(1, sizeof(Model));

		world_init(&world);
		model->random = seed * UINT64_C(0x9E3779B97F4A7C15);
		for (int i = 0; i < MODEL_ACCOUNTS; i++)
			ledger_account_open(&model->accounts[i], id_of((uint64_t) i + 1),
								i < 3 ? LEDGER_USER : i == 3 ? LEDGER_NODE : LEDGER_SUSPENSE, (Instant) {1});
		while (model->count < MODEL_TRANSFERS / 2)
		{
			Wide		sums[4];

			if (books_random(&model->random) % 3 == 0)
				model_ends(model, world.arena);
			else
				model_orders(model);
			for (int i = 0; i < MODEL_ACCOUNTS; i++)
			{
				const LedgerAccount *account = &model->accounts[i];

				model_sums(model, i, sums);
				assert_true(account->debits_posted.msat == sums[0] && account->credits_posted.msat == sums[1] &&
							account->debits_pending.msat == sums[2] && account->credits_pending.msat == sums[3]);
				assert_true(!account->strict || ledger_account_available(account).msat >= 0);
			}
		}
		test_free(model);
		world_destroy(&world);
	}
}

/* ---------------------------------------------------- the order of refusals */

static Transfer
order_of(int64_t msat)
{
	return (Transfer) {.debit_account_id = ALICE, .credit_account_id = BOB, .key = "key",
		.amount = AMOUNT_MSAT(msat), .purpose = PURPOSE_DONATION, .form = TRANSFER_DIRECT};
}

static void
T3_counters_at_the_edge_of_int64_refuse_and_stay(void **state)
{
	LedgerAccount node;
	LedgerAccount alice;
	LedgerAccount before;
	Transfer	asked = order_of(INT64_MAX);

	ledger_account_open(&node, NODE, LEDGER_NODE, (Instant) {1});
	ledger_account_open(&alice, ALICE, LEDGER_USER, (Instant) {1});
	assert_ok(transfer_execute(&asked, &node, &alice));
	assert_int_equal(ledger_account_available(&alice).msat, INT64_MAX);
	assert_int_equal(ledger_account_balance(&node).msat, -INT64_MAX);
	before = alice;
	asked.amount = AMOUNT_MSAT(1);
	assert_refused(transfer_execute(&asked, &node, &alice), INVALID_ARGUMENT);
	asked.form = TRANSFER_PENDING;
	assert_refused(transfer_execute(&asked, &node, &alice), INVALID_ARGUMENT);
	assert_memory_equal(&before, &alice, sizeof(alice));

	/* Only the credit side is full. */
	ledger_account_open(&node, NODE, LEDGER_NODE, (Instant) {1});
	assert_refused(transfer_execute(&asked, &node, &alice), INVALID_ARGUMENT);
	assert_int_equal(node.debits_pending.msat, 0);
}

static void
BK6_refusals_come_in_the_order_of_the_contract(void **state)
{
	LedgerAccount alice;
	LedgerAccount bob;
	Transfer	asked = order_of(10);

	ledger_account_open(&alice, ALICE, LEDGER_USER, (Instant) {1});
	ledger_account_open(&bob, BOB, LEDGER_USER, (Instant) {1});
	bob.closed = true;
	assert_refused(transfer_execute(&asked, NULL, &bob), ACCOUNT_UNKNOWN);
	assert_refused(transfer_execute(&asked, &alice, &bob), ACCOUNT_CLOSED);
	bob.closed = false;
	bob.credits_posted = AMOUNT_MSAT(INT64_MAX);
	assert_refused(transfer_execute(&asked, &alice, &bob), INVALID_ARGUMENT);	/* overflow before funds */
	ledger_account_freeze(&alice, "somebody has to look", (Instant) {5});
	assert_refused(transfer_execute(&asked, &alice, &bob), ACCOUNT_FROZEN); /* before overflow */
	ledger_account_freeze(&alice, "another reason", (Instant) {6});
	assert_string_equal(alice.frozen_reason, "somebody has to look");
	assert_ok(ledger_account_unfreeze(&alice));
	bob.credits_posted = AMOUNT_ZERO;
	assert_refused(transfer_execute(&asked, &alice, &bob), INSUFFICIENT_FUNDS);
	alice.credits_posted = AMOUNT_MSAT(10);
	assert_ok(transfer_execute(&asked, &alice, &bob));
}

static void
BK11_an_account_comes_back_once(void **state)
{
	LedgerAccount alice;

	ledger_account_open(&alice, ALICE, LEDGER_USER, (Instant) {1});
	alice.credits_posted = AMOUNT_MSAT(10);
	assert_refused(ledger_account_unfreeze(&alice), REFUSED_NOW);
	ledger_account_freeze(&alice, "somebody has to look", (Instant) {5});
	assert_refused(ledger_account_accepts_debit(&alice), ACCOUNT_FROZEN);
	assert_ok(ledger_account_accepts_credit(&alice));
	assert_ok(ledger_account_unfreeze(&alice));
	assert_null(alice.frozen_reason);
	assert_true(instant_is_none(alice.frozen_at));
	assert_ok(ledger_account_accepts_debit(&alice));
	assert_refused(ledger_account_unfreeze(&alice), REFUSED_NOW);
	/* closed is another matter, and told first */
	ledger_account_freeze(&alice, "once more", (Instant) {6});
	alice.closed = true;
	assert_refused(ledger_account_accepts_debit(&alice), ACCOUNT_CLOSED);
	assert_int_equal(ledger_account_available(&alice).msat, 10);
}

static void
S23_D4_D23_malformed_orders_are_refused(void **state)
{
	Transfer	asked = order_of(1);

	assert_ok(transfer_is_well_formed(&asked));
	asked.amount = AMOUNT_ZERO;
	assert_refused(transfer_is_well_formed(&asked), INVALID_ARGUMENT);
	asked.amount = AMOUNT_MSAT(-120);
	assert_refused(transfer_is_well_formed(&asked), INVALID_ARGUMENT);
	asked.amount = AMOUNT_MSAT(INT64_MIN);
	assert_refused(transfer_is_well_formed(&asked), INVALID_ARGUMENT);
	asked = order_of(1);
	asked.credit_account_id = asked.debit_account_id;
	assert_refused(transfer_is_well_formed(&asked), INVALID_ARGUMENT);
	asked = order_of(1);
	asked.key = "";
	assert_refused(transfer_is_well_formed(&asked), INVALID_ARGUMENT);
	asked = order_of(1);
	asked.expires_at = (Instant) {7};
	assert_refused(transfer_is_well_formed(&asked), INVALID_ARGUMENT);
	asked.form = TRANSFER_PENDING;
	assert_ok(transfer_is_well_formed(&asked));
	asked.fee_limit = AMOUNT_MSAT(-1);
	assert_refused(transfer_is_well_formed(&asked), INVALID_ARGUMENT);
	asked.fee_limit = asked.amount;
	assert_refused(transfer_is_well_formed(&asked), INVALID_ARGUMENT);
}

static void
BK7_a_pending_transfer_ends_once(void **state)
{
	World		world;
	LedgerAccount alice;
	LedgerAccount bob;
	Transfer	pending = order_of(100);
	Transfer	end = {.reason = NULL};

	world_init(&world);
	pending.form = TRANSFER_PENDING;
	pending.expires_at = (Instant) {50};
	ledger_account_open(&alice, ALICE, LEDGER_USER, (Instant) {1});
	ledger_account_open(&bob, BOB, LEDGER_USER, (Instant) {1});
	alice.credits_posted = AMOUNT_MSAT(100);
	assert_ok(transfer_execute(&pending, &alice, &bob));
	assert_int_equal(ledger_account_available(&alice).msat, 0);
	assert_int_equal(ledger_account_available(&bob).msat, 0);	/* BK2: a pending credit is not money yet */

	transfer_begin_end(&end, &pending, TRANSFER_POST, AMOUNT_MSAT(60), world.arena);
	assert_refused(transfer_end(&end, NULL, NULL, (Instant) {1}, &alice, &bob), NOT_FOUND);
	assert_refused(transfer_end(&end, &pending, &end, (Instant) {1}, &alice, &bob), PENDING_RESOLVED);
	assert_refused(transfer_end(&end, &pending, NULL, (Instant) {50}, &alice, &bob), PENDING_EXPIRED);
	alice.closed = true;
	assert_refused(transfer_end(&end, &pending, NULL, (Instant) {49}, &alice, &bob), ACCOUNT_CLOSED);
	alice.closed = false;
	ledger_account_freeze(&alice, "posts pass", (Instant) {2});
	assert_ok(transfer_end(&end, &pending, NULL, (Instant) {49}, &alice, &bob));
	assert_int_equal(ledger_account_available(&alice).msat, 40);	/* the rest is free again */
	assert_int_equal(ledger_account_available(&bob).msat, 60);
	assert_refused(transfer_end(&end, &pending, NULL, (Instant) {49}, &alice, &bob), INTERNAL);
	world_destroy(&world);
}

static void
E10_L7_settlements_share_out_all_that_left_the_node(void **state)
{
	static const int64_t amounts[] = {1, 999, 1000, 5000};
	static const int64_t fees[] = {-7, -1, 0, 1, 9, 10, 11, 4000};
	static const int64_t limits[] = {0, 10, 4000};
	static const int64_t availables[] = {-5, 0, 1, 1000, 1005, 100000};
	Settlement	settlement;

	for (size_t a = 0; a < 4; a++)
		for (size_t f = 0; f < 8; f++)
			for (size_t l = 0; l < 3; l++)
				for (size_t v = 0; v < 7; v++)
				{
					Result		result = v == 6 ?
						settlement_of_reserve(AMOUNT_MSAT(amounts[a] + limits[l]), AMOUNT_MSAT(amounts[a]),
											  AMOUNT_MSAT(fees[f]), &settlement) :
						settlement_of_late(AMOUNT_MSAT(availables[v]), AMOUNT_MSAT(amounts[a]),
										   AMOUNT_MSAT(fees[f]), AMOUNT_MSAT(limits[l]), &settlement);

					if (amounts[a] + fees[f] < 0)
					{
						assert_refused(result, INVALID_ARGUMENT);
						continue;
					}
					assert_ok(result);
					assert_int_equal(settlement.amount.msat + settlement.fee.msat + settlement.excess.msat +
									 settlement.uncovered.msat - settlement.surplus.msat, amounts[a] + fees[f]);
					assert_true(settlement.fee.msat >= 0 && settlement.fee.msat <= limits[l]);
					if (v < 6)
						assert_true(settlement.amount.msat + settlement.fee.msat <=
									(availables[v] > 0 ? availables[v] : 0));
				}
	assert_refused(settlement_of_late(AMOUNT_ZERO, AMOUNT_MSAT(INT64_MAX), AMOUNT_MSAT(1), AMOUNT_MSAT(1),
									  &settlement), INVALID_ARGUMENT);
	assert_refused(settlement_of_reserve(AMOUNT_MSAT(5), AMOUNT_MSAT(5), AMOUNT_MSAT(INT64_MIN), &settlement),
				   INVALID_ARGUMENT);
}

static void
names_go_both_ways(void **state)
{
	LedgerAccountClass class;
	TransferPurpose purpose;
	TransferKind kind;
	TransferForm form;

	for (int i = LEDGER_USER; i <= LEDGER_SUSPENSE; i++)
		assert_true(ledger_account_class_by_name(ledger_account_class_name((LedgerAccountClass) i), &class) && (int) class == i);
	for (int i = PURPOSE_DEPOSIT; i <= PURPOSE_VOID; i++)
		assert_true(transfer_purpose_by_name(transfer_purpose_name((TransferPurpose) i), &purpose) && (int) purpose == i);
	for (int i = TRANSFER_KIND_DEPOSIT; i <= TRANSFER_KIND_REFUND; i++)
		assert_true(transfer_kind_by_name(transfer_kind_name((TransferKind) i), &kind) && (int) kind == i);
	for (int i = TRANSFER_DIRECT; i <= TRANSFER_VOID; i++)
		assert_true(transfer_form_by_name(transfer_form_name((TransferForm) i), &form) && (int) form == i);
	assert_false(ledger_account_class_by_name("bank", &class));
	assert_false(transfer_purpose_by_order("fee", &purpose));
	assert_true(transfer_purpose_by_order("refund", &purpose));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(I1_to_I6_random_walk_agrees_with_a_naive_model),
		cmocka_unit_test(T3_counters_at_the_edge_of_int64_refuse_and_stay),
		cmocka_unit_test(BK6_refusals_come_in_the_order_of_the_contract),
		cmocka_unit_test(BK11_an_account_comes_back_once),
		cmocka_unit_test(S23_D4_D23_malformed_orders_are_refused),
		cmocka_unit_test(BK7_a_pending_transfer_ends_once),
		cmocka_unit_test(E10_L7_settlements_share_out_all_that_left_the_node),
		cmocka_unit_test(names_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
