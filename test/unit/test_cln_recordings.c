/*
 * test_cln_recordings.c
 *		What spark makes of what a real Core Lightning said, reply by reply, over its
 *		socket and over clnrest: test/fixtures/cln (see the README there).
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
#include "lightning/cln.h"
#include "lightning/cln_replies.h"

#define FOLDER "test/fixtures/cln/"
#define HASH "c5ef000000000000000000000000000000000000000000000000000000000000"
#define HELD_HASH "4acd000000000000000000000000000000000000000000000000000000000000"
#define PREIMAGE "5c1300000000000000000000000000000000000000000000000000000000835b"
#define SOCKET ((void *) "socket")

static BumpArena memory;
static HttpNode node;
static NodeCall call;
static NodeTalk talk;
static bool by_socket;

static int
begin(void **state)
{
	by_socket = *state != NULL;
	bump_arena_init(&memory);
	http_node_init(&node, &cln_dialect);
	node.notes.version = 2606;
	node.peer.socket_path = by_socket ? "rpc" : NULL;
	return 0;
}

static int
end(void **state)
{
	node.peer.socket_path = NULL;
	http_node_end(&node);
	bump_arena_destroy(&memory);
	return 0;
}

static void
ask(NodeOperation operation, const char *hash)
{
	call = (NodeCall) {.operation = operation, .arena = &memory.arena};
	node_call_give_up(&call);
	call.done = false;
	assert_true(bytes32_parse(hash, &call.payment_hash));
	talk = (NodeTalk) {.call = &call};
}

/* Hands a recorded reply to the adapter, as the next step of what was asked; true: it asks for more. */
static bool
hear(const char *name)
{
	const char *path = arena_printf(&memory.arena, FOLDER "%s.json", name);
	json_t	   *recording = json_load_file(path, 0, NULL);
	int			status = (int) json_integer_value(json_object_get(recording, "status"));
	const char *text = json_string_value(json_object_get(json_array_get(json_object_get(recording, "lines"), 0), "text"));
	HttpReply	reply = {.transport = HTTP_REPLIED, .problem = HTTP_FINE, .status = status, .words = ""};
	bool		goes_on;

	if (text == NULL)
		fail_msg("%s is missing", path);
	reply.body = !by_socket ? text :
		arena_printf(&memory.arena, "{\"jsonrpc\":\"2.0\",\"id\":\"" CLN_REQUEST_ID "\",\"%s\":%s}", status == 500 ? "error" : "result", text);
	reply.length = strlen(reply.body);
	goes_on = node.dialect->hear(&node, &talk, &reply);
	talk.step++;
	json_decref(recording);
	return goes_on;
}

static void
L81_payments_as_seen(void **state)
{
	static const struct
	{
		const char *said;
		const char *listed;		/* NULL: nothing is asked afterwards */
		SubmitAnswer answer;
		NodeFailure failure;
	} rows[] = {
		{"pay_settled", NULL, SUBMIT_SETTLED, NODE_FAILURE_NONE},
		{"pay_again", "listpays_done", SUBMIT_SETTLED, NODE_FAILURE_NONE},
		{"pay_wrong_chain", "listpays_unknown", SUBMIT_REJECTED, NODE_FAILURE_BAD_INVOICE},
		{"pay_refused", "listpays_failed", SUBMIT_REJECTED, NODE_FAILURE_REFUSED_BY_PAYEE},
		{"pay_expired", "listpays_unknown", SUBMIT_REJECTED, NODE_FAILURE_EXPIRED},
		{"pay_no_capacity", "listpays_unknown", SUBMIT_REJECTED, NODE_FAILURE_NO_ROUTE},
		{"pay_no_capacity", "listpays_after_a_retry", SUBMIT_SETTLED, NODE_FAILURE_NONE},
		{"pay_while_held", "listpays_failed", SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{"pay_while_held", "listpays_unknown", SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		bool		goes_on;

		ask(NODE_PAY, HASH);
		goes_on = hear(rows[i].said);
		assert_int_equal(goes_on, rows[i].listed != NULL);
		if (goes_on)
			assert_false(hear(rows[i].listed));
		if (call.submit != rows[i].answer || call.failure != rows[i].failure)
			fail_msg("%s: answer %d, failure %d", rows[i].said, (int) call.submit, (int) call.failure);
		if (call.submit == SUBMIT_SETTLED)
			assert_string_equal(bytes32_hex(&memory.arena, call.payment.preimage), PREIMAGE);
	}
	ask(NODE_PAY, HELD_HASH);
	assert_true(hear("pay_while_held"));
	assert_false(hear("listpays_held"));
	assert_int_equal(call.submit, SUBMIT_ACKED);
}

static void
L81_look_ups_as_seen(void **state)
{
	static const struct
	{
		const char *name;
		const char *hash;
		PaymentAnswer verdict;
	} rows[] = {
		{"listpays_done", HASH, PAYMENT_SUCCEEDED},
		{"listpays_held", HELD_HASH, PAYMENT_PENDING},
		{"listpays_unknown", HASH, PAYMENT_NOT_FOUND},
		{"listpays_failed", HASH, PAYMENT_FAILED},
		{"listpays_after_a_retry", HASH, PAYMENT_SUCCEEDED},
		{"listpays_done", HELD_HASH, PAYMENT_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		ask(NODE_LOOKUP_PAYMENT, rows[i].hash);
		assert_false(hear(rows[i].name));
		if (call.verdict != rows[i].verdict)
			fail_msg("%s: verdict %d", rows[i].name, (int) call.verdict);
	}
}

static void
L81_invoices_as_seen(void **state)
{
	ask(NODE_CREATE_INVOICE, HASH);
	assert_false(hear("invoice"));
	assert_true(call.answered);
	assert_string_equal(call.created, "lnbcrt1234560n1p");
	/* the label is taken: the invoice is looked for under it */
	ask(NODE_CREATE_INVOICE, HASH);
	assert_true(hear("invoice_label_taken"));
	assert_false(hear("listinvoices_held"));
	assert_true(call.answered);

	ask(NODE_LOOKUP_INVOICE, HASH);
	assert_false(hear("listinvoices_paid"));
	assert_int_equal(call.invoice, INVOICE_SETTLED);
	assert_int_equal(call.received.msat, 123456);
	assert_string_equal(bytes32_hex(&memory.arena, call.preimage), PREIMAGE);
	/* what the payee holds is unpaid, says the node */
	ask(NODE_LOOKUP_INVOICE, HASH);
	assert_false(hear("listinvoices_held"));
	assert_int_equal(call.invoice, INVOICE_OPEN);

	ask(NODE_SETTLED_SINCE, HASH);
	assert_false(hear("wait_timed_out"));
	assert_true(call.answered);
	assert_int_equal(call.settled_count, 0);
}

static void
L81_a_page_of_payments_as_documented(void **state)
{
	ask(NODE_LIST_PAYMENTS, HASH);
	assert_false(hear("documented_page_of_payments"));
	assert_true(call.answered);
	assert_int_equal(call.listed_count, 2);
	assert_int_equal(call.payments[0].amount.msat, 500000000);
	assert_int_equal(call.payments[1].state, PAYMENT_SUCCEEDED);
	assert_true(call.payments[1].created_at.microseconds == INT64_C(1738000000000000));
	assert_int_equal(call.next_cursor, 5);
}

int
main(void)
{
#define BOTH(test) \
	{#test ": clnrest", test, begin, end, NULL}, {#test ": socket", test, begin, end, SOCKET}
	const struct CMUnitTest tests[] = {
		BOTH(L81_payments_as_seen),
		BOTH(L81_look_ups_as_seen),
		BOTH(L81_invoices_as_seen),
		BOTH(L81_a_page_of_payments_as_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
