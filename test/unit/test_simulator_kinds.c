/*
 * test_simulator_kinds.c
 *		The simulated node as each kind of node: what it refuses, what it pays
 *		again, and what its words are worth.
 */
#include "simulator_stage.h"

#include "lightning/simulator_kind.h"

#define EACH_KIND(kind) for (NodeKind kind = 0; kind < NODE_KIND_COUNT; kind++)

static Stage *
stage_of(NodeKind kind)
{
	Stage	   *stage = stage_new();

	stage->order.kind = kind;
	return stage;
}

static void
L64_only_eclair_pays_a_hash_again_that_is_paid_or_under_way(void **state)
{
	static const char *const firsts[] = {"succeed", "stuck"};

	EACH_KIND(kind)
		for (int i = 0; i < 2; i++)
		{
			Stage	   *stage = stage_of(kind);

			script(stage, HASH, firsts[i], "{}");
			pay(stage);
			world_wait(&stage->world, 1);
			script(stage, HASH, "succeed", "{}");
			pay(stage);
			assert_int_equal(stage->attempt_count, kind == NODE_KIND_ECLAIR ? 2 : 1);
			assert_int_equal(executed(stage), kind == NODE_KIND_ECLAIR ? 2 : 1);
			/* and spark knows it of each kind but LNbits, which is not relied on for more than its own rows */
			assert_int_equal(node_capabilities[kind].refuses_second_payment, kind != NODE_KIND_ECLAIR && kind != NODE_KIND_LNBITS);
			stage_free(stage);
		}
}

/* Which of its words in the reply to a pay call are its last. */
static void
L64_a_refusal_is_the_last_word_where_that_kind_means_it(void **state)
{
	static const struct
	{
		const char *reason;
		NodeFailure failure;
		bool		of_cln;
		bool		of_lnbits;
	} cases[] = {
		{"no_route", NODE_FAILURE_NO_ROUTE, true, false},
		{"fee_limit", NODE_FAILURE_FEE_LIMIT, true, true},
		{"expired", NODE_FAILURE_EXPIRED, true, true},
		{"refused_by_payee", NODE_FAILURE_REFUSED_BY_PAYEE, true, false},
		{"no_funds", NODE_FAILURE_NO_FUNDS, false, true},
		{"bad_invoice", NODE_FAILURE_BAD_INVOICE, true, true},
		{"gave_up", NODE_FAILURE_GAVE_UP, false, false},
		{"canceled", NODE_FAILURE_CANCELED, false, false},
		{"other", NODE_FAILURE_OTHER, false, false},
	};

	EACH_KIND(kind)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		{
			Stage	   *stage = stage_of(kind);
			bool		is_last = kind == NODE_KIND_CLN ? cases[i].of_cln : kind == NODE_KIND_LNBITS ? cases[i].of_lnbits : true;
			NodeCall	call;

			script(stage, HASH, "fail", arena_printf(stage->world.arena, "{\"reason\": \"%s\"}", cases[i].reason));
			call = pay(stage);
			assert_int_equal(call.submit, kind == NODE_KIND_ECLAIR ? SUBMIT_ACKED : is_last ? SUBMIT_REJECTED : SUBMIT_AMBIGUOUS);
			assert_int_equal(call.failure, call.submit == SUBMIT_REJECTED ? cases[i].failure : NODE_FAILURE_NONE);
			call = look_up(stage);
			assert_int_equal(call.verdict, PAYMENT_FAILED);
			assert_int_equal(call.failure, cases[i].failure);
			stage_free(stage);
		}
}

static void
L64_failed_and_not_found_are_worth_what_that_kind_means(void **state)
{
	static const struct
	{
		NodeKind	kind;
		FailureRule failed;
		NotFoundRule not_found;
	} rules[] = {
		{NODE_KIND_LND, FAILURE_IS_FINAL, NOT_FOUND_AFTER_DELAY},
		{NODE_KIND_CLN, FAILURE_AFTER_EXPIRY, NOT_FOUND_AFTER_EXPIRY},
		{NODE_KIND_LNBITS, FAILURE_IS_WEAK, NOT_FOUND_TWICE},
		{NODE_KIND_ECLAIR, FAILURE_IS_FINAL, NOT_FOUND_TWICE},
		{NODE_KIND_PHOENIXD, FAILURE_IS_FINAL, NOT_FOUND_AFTER_DELAY},
	};

	assert_int_equal(sizeof(rules) / sizeof(rules[0]), NODE_KIND_COUNT);
	for (size_t i = 0; i < NODE_KIND_COUNT; i++)
	{
		assert_int_equal(node_capabilities[rules[i].kind].failure_rule, rules[i].failed);
		assert_int_equal(node_capabilities[rules[i].kind].not_found_rule, rules[i].not_found);
	}
}

/* "failed" that becomes a payment: in the reply only where that kind calls it final. */
static void
L64_a_flip_is_no_refusal_where_failed_is_weak(void **state)
{
	EACH_KIND(kind)
	{
		Stage	   *stage = stage_of(kind);

		script(stage, HASH, "flip", "{\"after_s\": 5, \"reason\": \"no_route\"}");
		assert_int_equal(pay(stage).submit, kind == NODE_KIND_CLN || kind == NODE_KIND_LNBITS ? SUBMIT_AMBIGUOUS :
						 kind == NODE_KIND_ECLAIR ? SUBMIT_ACKED : SUBMIT_REJECTED);
		assert_looks(stage, PAYMENT_FAILED);
		world_wait(&stage->world, 5);
		assert_looks(stage, PAYMENT_SUCCEEDED);
		assert_int_equal(executed(stage), 1);
		stage_free(stage);
	}
}

static void
L64_eclair_says_no_more_than_that_it_has_it(void **state)
{
	Stage	   *stage = stage_of(NODE_KIND_ECLAIR);
	NodeCall	call = pay(stage);

	assert_int_equal(call.submit, SUBMIT_ACKED);
	assert_false(call.payment.has_preimage);
	call = look_up(stage);
	assert_paid(stage, &call, 1000);
	stage_free(stage);
}

static void
L64_of_several_attempts_one_that_is_under_way_beats_one_that_failed(void **state)
{
	Stage	   *stage = stage_of(NODE_KIND_ECLAIR);

	script(stage, HASH, "stuck", "{}");
	pay(stage);
	world_wait(&stage->world, 1);
	script(stage, HASH, "fail", "{}");
	/* bound to the newest attempt from now on */
	stage->attempts[0].changed = false;
	pay(stage);
	stage->attempts[0].closed = false;
	stage->attempts[0].script = &stage->scripts[0];
	assert_looks(stage, PAYMENT_PENDING);
	stage_free(stage);
}

/* What has no highest fee must be given what it would set aside. */
static void
L10_a_kind_without_a_cap_refuses_where_less_is_reserved_than_it_needs(void **state)
{
	static const struct
	{
		int64_t		amount;
		int64_t		of_lnbits;
		int64_t		of_phoenixd;
	} cases[] = {{1000, 2000, 4004}, {200000, 2000, 4800}, {200100, 2001, 4801}, {100000000, 1000000, 404000}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EACH_KIND(kind)
		{
			int64_t		needs = kind == NODE_KIND_LNBITS ? cases[i].of_lnbits : kind == NODE_KIND_PHOENIXD ? cases[i].of_phoenixd : 0;
			Stage	   *stage = stage_of(kind);
			NodeCall	call;

			stage->order.amount = AMOUNT_MSAT(cases[i].amount);
			stage->order.max_fee = AMOUNT_MSAT(needs > 0 ? needs - 1 : 0);
			call = pay(stage);
			assert_int_equal(call.submit == SUBMIT_REJECTED, needs > 0);
			assert_int_equal(call.failure, needs > 0 ? NODE_FAILURE_FEE_LIMIT : NODE_FAILURE_NONE);
			assert_int_equal(stage->attempt_count, needs > 0 ? 0 : 1);
			stage->order.max_fee = AMOUNT_MSAT(needs);
			if (needs > 0)
				assert_int_equal(pay(stage).submit, SUBMIT_SETTLED);
			stage_free(stage);
		}
}

static void
L6_a_cap_in_whole_satoshi_is_never_rounded_up(void **state)
{
	Stage	   *stage = stage_of(NODE_KIND_ECLAIR);

	script(stage, HASH, "succeed", "{\"fee_msat\": 2500}");
	stage->order.max_fee = AMOUNT_MSAT(1999);
	pay(stage);
	assert_int_equal(look_up(stage).payment.fee.msat, 1000);
	stage_free(stage);
}

static void
L14_a_kind_that_pays_no_amountless_request_refuses_it(void **state)
{
	EACH_KIND(kind)
	{
		Stage	   *stage = stage_of(kind);
		bool		pays = node_capabilities[kind].pays_amountless;
		NodeCall	call;

		stage->order.names_amount = false;
		call = pay(stage);
		assert_int_equal(pays, kind != NODE_KIND_LNBITS && kind != NODE_KIND_PHOENIXD);
		assert_int_equal(call.submit == SUBMIT_REJECTED, !pays);
		assert_int_equal(call.failure, pays ? NODE_FAILURE_NONE : NODE_FAILURE_BAD_INVOICE);
		stage_free(stage);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L64_only_eclair_pays_a_hash_again_that_is_paid_or_under_way),
		cmocka_unit_test(L64_a_refusal_is_the_last_word_where_that_kind_means_it),
		cmocka_unit_test(L64_failed_and_not_found_are_worth_what_that_kind_means),
		cmocka_unit_test(L64_a_flip_is_no_refusal_where_failed_is_weak),
		cmocka_unit_test(L64_eclair_says_no_more_than_that_it_has_it),
		cmocka_unit_test(L64_of_several_attempts_one_that_is_under_way_beats_one_that_failed),
		cmocka_unit_test(L10_a_kind_without_a_cap_refuses_where_less_is_reserved_than_it_needs),
		cmocka_unit_test(L6_a_cap_in_whole_satoshi_is_never_rounded_up),
		cmocka_unit_test(L14_a_kind_that_pays_no_amountless_request_refuses_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
