/*
 * test_lnbits_recordings.c
 *		What spark makes of what a real LNbits over a real lnd said, exchange by
 *		exchange: the recordings in test/fixtures/lnbits (see the README there).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "lightning/bytes32.h"
#include "lightning/lnbits.h"
#include "lightning/lnbits_replies.h"

#define FOLDER "test/fixtures/lnbits/"

static BumpArena memory;
static HttpNode node;
static NodeCall call;
static NodeTalk talk;

static int
begin(void **state)
{
	bump_arena_init(&memory);
	http_node_init(&node, &lnbits_dialect);
	return 0;
}

static int
end(void **state)
{
	http_node_end(&node);
	bump_arena_destroy(&memory);
	return 0;
}

/* The hash that the recording is about: of its address or of its body. */
static void
take_hash(const json_t *recording, const char *body)
{
	const char *path = json_string_value(json_object_get(json_object_get(recording, "request"), "path"));
	const char *found = strstr(body, "\"payment_hash\":\"");
	const char *last = strrchr(path, '/') + 1;

	if (strlen(last) == 64)
		assert_true(bytes32_parse(last, &call.payment_hash));
	else if (found != NULL)
		assert_true(bytes32_parse(arena_text_of(&memory.arena, found + 16, 64), &call.payment_hash));
}

/* Hands a recorded reply to the adapter; true: it asks for more. */
static bool
replay(const char *name, NodeOperation operation, int step)
{
	char		path[100];
	json_error_t error;
	json_t	   *recording;
	const char *body;
	HttpReply	reply;
	bool		goes_on;

	snprintf(path, sizeof(path), FOLDER "%s.json", name);
	recording = json_load_file(path, 0, &error);
	if (recording == NULL)
		fail_msg("%s: %s", path, error.text);
	body = json_string_value(json_object_get(json_array_get(json_object_get(recording, "lines"), 0), "text"));
	body = body == NULL ? "" : body;
	if (step == 0 || operation != NODE_PAY)
		call = (NodeCall) {.operation = operation, .arena = &memory.arena};
	call.operation = operation;
	call.arena = &memory.arena;
	call.max_fee = AMOUNT_MSAT(1000000);
	take_hash(recording, body);
	node_call_give_up(&call);
	talk = (NodeTalk) {.call = &call, .step = step};
	reply = (HttpReply) {
		.transport = HTTP_REPLIED, .status = (int) json_integer_value(json_object_get(recording, "status")),
		.body = body, .length = strlen(body), .words = "",
	};
	goes_on = lnbits_hear(&node, &talk, &reply);
	json_decref(recording);
	return goes_on;
}

static void
L81_payments_as_recorded(void **state)
{
	static const struct
	{
		const char *name;
		SubmitAnswer answer;
		bool		is_looked_up;
		NodeFailure refusal;
	} rows[] = {
		{"pay_settled", SUBMIT_AMBIGUOUS, true, NODE_FAILURE_NONE},
		{"pay_held", SUBMIT_ACKED, false, NODE_FAILURE_NONE},
		{"pay_lnd_gone", SUBMIT_ACKED, false, NODE_FAILURE_NONE},
		{"pay_refused", SUBMIT_AMBIGUOUS, true, NODE_FAILURE_NONE},
		{"pay_no_route", SUBMIT_AMBIGUOUS, true, NODE_FAILURE_NONE},
		{"pay_no_route_again", SUBMIT_AMBIGUOUS, true, NODE_FAILURE_NONE},
		{"pay_again", SUBMIT_AMBIGUOUS, true, NODE_FAILURE_NONE},
		{"pay_while_held", SUBMIT_AMBIGUOUS, true, NODE_FAILURE_NONE},
		{"pay_no_funds", SUBMIT_AMBIGUOUS, true, NODE_FAILURE_NO_FUNDS},
		{"pay_invoice_key", SUBMIT_AMBIGUOUS, true, NODE_FAILURE_OTHER},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		bool		goes_on = replay(rows[i].name, NODE_PAY, LNBITS_PAY_SEND);

		if (call.submit != rows[i].answer || goes_on != rows[i].is_looked_up || talk.failure != rows[i].refusal)
			fail_msg("%s: submit %d, looked up %d, refusal %d", rows[i].name, (int) call.submit, goes_on, (int) talk.failure);
	}
	assert_true(replay("fee_reserve", NODE_PAY, LNBITS_PAY_RESERVE));
}

static void
L81_look_ups_as_recorded(void **state)
{
	static const struct
	{
		const char *name;
		PaymentAnswer verdict;
		InvoiceAnswer invoice;
	} rows[] = {
		{"look_sent", PAYMENT_SUCCEEDED, INVOICE_UNAVAILABLE},
		{"look_taken", PAYMENT_SUCCEEDED, INVOICE_UNAVAILABLE},
		{"look_refused", PAYMENT_FAILED, INVOICE_UNAVAILABLE},
		{"look_no_route", PAYMENT_FAILED, INVOICE_UNAVAILABLE},
		{"look_unknown", PAYMENT_NOT_FOUND, INVOICE_NOT_FOUND},
		{"look_of_another", PAYMENT_NOT_FOUND, INVOICE_NOT_FOUND},
		{"look_lnd_gone", PAYMENT_UNAVAILABLE, INVOICE_UNAVAILABLE},
		{"look_open", PAYMENT_NOT_FOUND, INVOICE_OPEN},
		{"look_settled", PAYMENT_NOT_FOUND, INVOICE_SETTLED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		(void) replay(rows[i].name, NODE_LOOKUP_PAYMENT, 0);
		if (call.verdict != rows[i].verdict)
			fail_msg("%s: verdict %d", rows[i].name, (int) call.verdict);
		if (call.verdict == PAYMENT_SUCCEEDED)
		{
			assert_true(call.payment.has_preimage);
			assert_true(amount_is_positive(call.payment.amount));
			assert_false(instant_is_none(call.payment.created_at));
		}
		(void) replay(rows[i].name, NODE_LOOKUP_INVOICE, 0);
		if (call.invoice != rows[i].invoice)
			fail_msg("%s: invoice %d", rows[i].name, (int) call.invoice);
	}
}

static void
L81_the_rest_as_recorded(void **state)
{
	assert_true(replay("wallet", NODE_IDENTIFY, LNBITS_IDENTIFY_WALLET));
	(void) replay("create", NODE_IDENTIFY, LNBITS_IDENTIFY_PROBE);
	assert_true(call.answered);
	assert_string_equal(call.identity.network, "regtest");
	assert_int_equal(strlen(call.identity.node_id), 66);
	assert_non_null(call.identity.wallet);
	assert_false(replay("wallet_invoice_key", NODE_IDENTIFY, LNBITS_IDENTIFY_WALLET));
	assert_false(call.answered);
	assert_false(replay("wallet_wrong_key", NODE_IDENTIFY, LNBITS_IDENTIFY_WALLET));
	assert_false(call.answered);
	(void) replay("create", NODE_CREATE_INVOICE, 0);
	assert_true(call.answered);
	(void) replay("create_lnd_gone", NODE_CREATE_INVOICE, 0);
	assert_false(call.answered);
	assert_int_equal(call.failure, NODE_FAILURE_NONE);
	(void) replay("create_nothing", NODE_CREATE_INVOICE, 0);
	/* Nobody here asks for one without an amount: a word that is not known ends nothing. */
	assert_false(call.answered);
	assert_int_equal(call.failure, NODE_FAILURE_NONE);
	(void) replay("wallet", NODE_BALANCE, LNBITS_BALANCE_WALLET);
	assert_true(call.answered);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(L81_payments_as_recorded),
		TEST(L81_look_ups_as_recorded),
		TEST(L81_the_rest_as_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
