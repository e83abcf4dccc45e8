/*
 * test_lnd_recordings.c
 *		What spark makes of what a real LND said, exchange by exchange: the
 *		recordings in test/fixtures/lnd (see the README there).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lightning/base64.h"
#include "lightning/bytes32.h"
#include "lightning/http_node.h"
#include "lightning/lnd_replies.h"

#define FOLDER "test/fixtures/lnd/"

static BumpArena memory;
static NodeCall call;
static HttpReply reply;

static int
begin(void **state)
{
	bump_arena_init(&memory);
	return 0;
}

static int
end(void **state)
{
	bump_arena_destroy(&memory);
	return 0;
}

/* The reply as http.c would hand it over: whole, or the line that a stream is left with. */
static void
replay(const char *name, int line_wanted)
{
	char		path[100];
	json_error_t error;
	json_t	   *recording;
	const json_t *lines;
	char	   *body = arena_alloc(&memory.arena, 1);

	snprintf(path, sizeof(path), FOLDER "%s.json", name);
	recording = json_load_file(path, 0, &error);
	if (recording == NULL)
		fail_msg("%s: %s", path, error.text);
	lines = json_object_get(recording, "lines");
	for (size_t i = 0; i < json_array_size(lines); i++)
	{
		const char *text = json_string_value(json_object_get(json_array_get(lines, i), "text"));

		if (line_wanted < 0 || (size_t) line_wanted == i || (line_wanted == 99 && i + 1 == json_array_size(lines)))
			body = arena_printf(&memory.arena, "%s%s", body, text);
	}
	reply = (HttpReply) {
		.transport = json_integer_value(json_object_get(recording, "status")) == 0 ? HTTP_NOT_SENT : HTTP_REPLIED,
		.status = (int) json_integer_value(json_object_get(recording, "status")),
		.body = body, .length = strlen(body), .words = "",
	};
	json_decref(recording);
}

#define FIRST 0
#define LAST 99
#define WHOLE (-1)

/* The call that was about what the recording tells of. */
static void
fresh(NodeOperation operation)
{
	json_t	   *body = json_loadb(reply.body, reply.length, JSON_DISABLE_EOF_CHECK, NULL);
	const char *hash = json_string_value(json_object_get(json_object_get(body, "result"), "payment_hash"));
	const char *hash64 = json_string_value(json_object_get(body, "r_hash"));

	call = (NodeCall) {.operation = operation, .arena = &memory.arena};
	if (hash != NULL)
		assert_true(bytes32_parse(hash, &call.payment_hash));
	if (hash64 != NULL)
		assert_true(base64_parse(hash64, call.payment_hash.bytes, 32));
	json_decref(body);
	node_call_give_up(&call);
}

static void
L81_payments_as_recorded(void **state)
{
	static const struct
	{
		const char *name;
		int			line;
		SubmitAnswer answer;
		NodeFailure failure;
		LndNext		next;
	} rows[] = {
		{"pay_settled", FIRST, SUBMIT_ACKED, NODE_FAILURE_NONE, LND_DONE},
		{"pay_settled", LAST, SUBMIT_SETTLED, NODE_FAILURE_NONE, LND_DONE},
		{"pay_amount_given", LAST, SUBMIT_SETTLED, NODE_FAILURE_NONE, LND_DONE},
		{"pay_held_taken", FIRST, SUBMIT_ACKED, NODE_FAILURE_NONE, LND_DONE},
		{"pay_held_taken", LAST, SUBMIT_SETTLED, NODE_FAILURE_NONE, LND_DONE},
		/* The payee has let go, and yet it is not over: a reason is no verdict. */
		{"pay_held_released", 2, SUBMIT_ACKED, NODE_FAILURE_NONE, LND_DONE},
		{"pay_held_released", LAST, SUBMIT_REJECTED, NODE_FAILURE_REFUSED_BY_PAYEE, LND_DONE},
		{"pay_refused", LAST, SUBMIT_REJECTED, NODE_FAILURE_REFUSED_BY_PAYEE, LND_DONE},
		{"pay_no_route", LAST, SUBMIT_REJECTED, NODE_FAILURE_NO_ROUTE, LND_DONE},
		{"pay_fee_limit", LAST, SUBMIT_REJECTED, NODE_FAILURE_NO_ROUTE, LND_DONE},
		{"pay_no_funds", LAST, SUBMIT_REJECTED, NODE_FAILURE_NO_FUNDS, LND_DONE},
		{"pay_killed", FIRST, SUBMIT_ACKED, NODE_FAILURE_NONE, LND_DONE},
		{"pay_again", WHOLE, SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE, LND_DONE},
		{"pay_while_in_flight", WHOLE, SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE, LND_DONE},
		{"pay_expired", WHOLE, SUBMIT_AMBIGUOUS, NODE_FAILURE_EXPIRED, LND_TRACK},
		{"pay_malformed", WHOLE, SUBMIT_AMBIGUOUS, NODE_FAILURE_BAD_INVOICE, LND_TRACK},
		{"pay_no_amount", WHOLE, SUBMIT_AMBIGUOUS, NODE_FAILURE_OTHER, LND_TRACK},
		{"pay_own", WHOLE, SUBMIT_AMBIGUOUS, NODE_FAILURE_OTHER, LND_TRACK},
		{"gone", WHOLE, SUBMIT_NOT_SENT, NODE_FAILURE_NONE, LND_DONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		NodeFailure failure = NODE_FAILURE_NONE;
		LndNext		next;

		replay(rows[i].name, rows[i].line);
		fresh(NODE_PAY);
		next = lnd_hear_paid(&call, &reply, &failure);
		if (call.submit != rows[i].answer || next != rows[i].next ||
			(call.failure != rows[i].failure && failure != rows[i].failure))
			fail_msg("%s line %d: submit %d, next %d, failure %d or %d", rows[i].name, rows[i].line, (int) call.submit,
					 (int) next, (int) call.failure, (int) failure);
		if (call.submit == SUBMIT_SETTLED)
		{
			assert_true(call.payment.has_preimage);
			assert_true(amount_is_positive(call.payment.amount));
			assert_false(instant_is_none(call.payment.created_at));
			assert_non_null(call.payment.reference);
		}
	}
}

static void
L81_the_stream_of_a_payment_is_read_to_its_last_word(void **state)
{
	static const char *const names[] = {
		"pay_settled", "pay_amount_given", "pay_held_taken", "pay_refused", "pay_no_route", "pay_no_funds", "pay_fee_limit",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		replay(names[i], FIRST);
		assert_false(lnd_is_final(reply.body, reply.length));
		replay(names[i], LAST);
		assert_true(lnd_is_final(reply.body, reply.length));
	}
	replay("pay_again", WHOLE);
	assert_true(lnd_is_final(reply.body, reply.length));
	replay("subscribe", FIRST);
	assert_true(lnd_is_settled(reply.body, reply.length));
}

static void
L81_lookups_as_recorded(void **state)
{
	static const struct
	{
		const char *name;
		PaymentAnswer verdict;
	} rows[] = {
		{"track_settled", PAYMENT_SUCCEEDED}, {"track_failed", PAYMENT_FAILED}, {"track_in_flight", PAYMENT_PENDING},
		{"track_unknown", PAYMENT_NOT_FOUND}, {"track_locked", PAYMENT_UNAVAILABLE}, {"unknown_endpoint", PAYMENT_UNAVAILABLE},
		{"gone", PAYMENT_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		replay(rows[i].name, FIRST);
		fresh(NODE_LOOKUP_PAYMENT);
		lnd_hear_payment(&call, &reply);
		if (call.verdict != rows[i].verdict)
			fail_msg("%s: verdict %d", rows[i].name, (int) call.verdict);
	}
	replay("track_settled", FIRST);
	fresh(NODE_LOOKUP_PAYMENT);
	call.payment_hash.bytes[0] ^= 1;
	lnd_hear_payment(&call, &reply);
	assert_int_equal(call.verdict, PAYMENT_UNAVAILABLE);
}

static void
L81_invoices_as_recorded(void **state)
{
	static const struct
	{
		const char *name;
		InvoiceAnswer answer;
	} rows[] = {
		{"invoice_open", INVOICE_OPEN}, {"invoice_held", INVOICE_HELD}, {"invoice_settled", INVOICE_SETTLED},
		{"invoice_canceled", INVOICE_CANCELED}, {"invoice_unknown", INVOICE_NOT_FOUND}, {"invoice_locked", INVOICE_UNAVAILABLE},
		{"unknown_endpoint", INVOICE_UNAVAILABLE}, {"gone", INVOICE_UNAVAILABLE},
	};
	Bytes32		hash;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		replay(rows[i].name, WHOLE);
		fresh(NODE_LOOKUP_INVOICE);
		lnd_hear_invoice(&call, &reply);
		if (call.invoice != rows[i].answer)
			fail_msg("%s: invoice %d", rows[i].name, (int) call.invoice);
	}
	replay("invoice_settled", WHOLE);
	fresh(NODE_LOOKUP_INVOICE);
	lnd_hear_invoice(&call, &reply);
	assert_int_equal(call.received.msat, 250000);
	assert_false(bytes32_is_zero(call.preimage));

	replay("invoice_create", WHOLE);
	fresh(NODE_CREATE_INVOICE);
	hash = call.payment_hash;
	assert_int_equal(lnd_hear_created(&call, &reply, &hash), LND_DONE);
	assert_true(call.answered);
	assert_memory_equal(call.created, "lnbcrt2500n1", 12);
	replay("invoice_create_again", WHOLE);
	fresh(NODE_CREATE_INVOICE);
	assert_int_equal(lnd_hear_created(&call, &reply, &hash), LND_LOOK_UP);
	replay("invoice_create_bad", WHOLE);
	fresh(NODE_CREATE_INVOICE);
	assert_int_equal(lnd_hear_created(&call, &reply, &hash), LND_DONE);
	assert_false(call.answered);
	replay("subscribe", FIRST);
	fresh(NODE_SETTLED_SINCE);
	call.cursor = 1;
	lnd_hear_settled(&call, &reply);
	assert_int_equal(call.settled_count, 1);
	assert_int_equal(call.next_cursor, 2);
}

static void
L81_cancellations_as_recorded(void **state)
{
	static const struct
	{
		const char *name;
		CancelAnswer answer;
	} rows[] = {
		{"cancel", CANCEL_CANCELED}, {"cancel_again", CANCEL_CANCELED}, {"cancel_settled", CANCEL_ALREADY_SETTLED},
		{"cancel_unknown", CANCEL_NOT_FOUND}, {"getinfo_locked", CANCEL_UNAVAILABLE}, {"gone", CANCEL_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		replay(rows[i].name, WHOLE);
		fresh(NODE_CANCEL_INVOICE);
		lnd_hear_cancelled(&call, &reply);
		if (call.cancel != rows[i].answer)
			fail_msg("%s: cancel %d", rows[i].name, (int) call.cancel);
	}
}

static void
L81_the_node_as_recorded(void **state)
{
	replay("getinfo", WHOLE);
	fresh(NODE_IDENTIFY);
	lnd_hear_identity(&call, &reply);
	assert_true(call.answered);
	assert_true(call.identity.ready);
	assert_string_equal(call.identity.network, "regtest");
	assert_int_equal(strlen(call.identity.node_id), 66);
	assert_null(call.identity.warning);
	static const char *const silent[] = {"getinfo_locked", "getinfo_wrong_macaroon", "getinfo_no_macaroon", "gone", "unknown_endpoint"};

	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
	{
		replay(silent[i], WHOLE);
		fresh(NODE_IDENTIFY);
		lnd_hear_identity(&call, &reply);
		assert_false(call.answered);
		assert_non_null(call.words);
	}
	replay("state_locked", WHOLE);
	lnd_hear_state(&call, &reply);
	assert_string_equal(call.words, "its wallet is locked");
	replay("balance", WHOLE);
	fresh(NODE_BALANCE);
	lnd_hear_balance(&call, &reply);
	assert_true(call.answered);
	assert_true(amount_is_positive(call.balance.local));
}

static void
L81_lists_as_recorded(void **state)
{
	replay("payments", WHOLE);
	fresh(NODE_LIST_PAYMENTS);
	lnd_hear_payments(&call, &reply);
	assert_true(call.answered);
	assert_int_equal(call.listed_count, 8);
	assert_int_equal(call.next_cursor, 10);
	assert_int_equal(call.payments[0].state, PAYMENT_SUCCEEDED);
	assert_false(call.has_more);
	replay("invoices", WHOLE);
	fresh(NODE_LIST_INVOICES);
	lnd_hear_invoices(&call, &reply);
	assert_true(call.answered);
	assert_true(call.listed_count > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(L81_payments_as_recorded, begin, end),
		cmocka_unit_test_setup_teardown(L81_the_stream_of_a_payment_is_read_to_its_last_word, begin, end),
		cmocka_unit_test_setup_teardown(L81_lookups_as_recorded, begin, end),
		cmocka_unit_test_setup_teardown(L81_invoices_as_recorded, begin, end),
		cmocka_unit_test_setup_teardown(L81_cancellations_as_recorded, begin, end),
		cmocka_unit_test_setup_teardown(L81_the_node_as_recorded, begin, end),
		cmocka_unit_test_setup_teardown(L81_lists_as_recorded, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
