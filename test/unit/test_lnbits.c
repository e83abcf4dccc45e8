/*
 * test_lnbits.c
 *		What is asked of LNbits, and what its replies are taken for: as version
 *		1.6.2 gives them, and as one that breaks or lies would.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "bolt11_vectors.h"
#include "lightning/bytes32.h"
#include "lightning/lnbits.h"

#include "node_stage.h"

#define ADMIN_KEY "0f3bd8e1a2c44f0d9a6b6b0f4a4f6e11"
#define INVOICE_KEY "9be54a01f8e34c7fa1c5d9f1d6a27b22"
#define HASH "c5ef000000000000000000000000000000000000000000000000000000000001"
#define OTHER "4acd000000000000000000000000000000000000000000000000000000000002"
#define PREIMAGE "5c1300000000000000000000000000000000000000000000000000000000835b"
#define REQUEST "lnbcrt1234560n1p"

#define ROW(hash, amount, fee, status) \
	"{\"checking_id\":\"" hash "\",\"payment_hash\":\"" hash "\",\"wallet_id\":\"7a\",\"amount\":" amount ",\"fee\":" fee \
	",\"status\":\"" status "\",\"created_at\":\"2026-11-21T19:02:11.123456+00:00\",\"preimage\":\"" PREIMAGE "\",\"bolt11\":\"lnbcrt1row\"}"
#define OUT(status) ROW(HASH, "-123000", "-1500", status)
#define IN(status) ROW(HASH, "123000", "0", status)
#define PAID(details) "{\"paid\":true,\"preimage\":\"" PREIMAGE "\",\"details\":" details "}"
#define UNPAID(status, details) "{\"paid\":false,\"status\":\"" status "\",\"preimage\":null,\"details\":" details "}"
#define DETAIL(words) "{\"detail\":\"" words "\"}"
#define UNKNOWN DETAIL("Payment does not exist.")
#define RESERVE "{\"fee_reserve\":2000}"
#define PROBE_HASH "0001020304050607080900010203040506070809000102030405060708090102"
#define SEEN_BY_BOTH_KEYS said(200, UNPAID("pending", ROW(PROBE_HASH, "1000", "0", "pending")))

static NodeStage stage;

static int
begin(void **state)
{
	stage_begin(&stage, &lnbits_dialect, ADMIN_KEY "\n" INVOICE_KEY "\n", false);
	strcpy(stage.node.notes.node_id, VECTOR_PAYEE);
	strcpy(stage.node.notes.network, "testnet");
	*state = NULL;
	return 0;
}

static int
end(void **state)
{
	stage_end(&stage);
	return 0;
}

static PeerAct
said(int status, const char *body)
{
	return stage_reply(&stage, status, body);
}

/* An invoice that it made to be asked who makes them. */
static PeerAct
probe(size_t vector)
{
	return said(201, arena_printf(stage.arena, "{\"payment_hash\":\"" HASH "\",\"bolt11\":\"%s\"}", valid_vectors[vector].text));
}

#define SAME_NODE probe(4)

static NodeCall *
asked(NodeOperation operation)
{
	NodeCall   *call = stage_call(&stage, operation, 30);

	assert_true(bytes32_parse(HASH, &call->payment_hash));
	call->max_fee = AMOUNT_MSAT(5000);
	call->seconds = 60;
	call->payment_request = REQUEST;
	call->memo = "memo";
	return call;
}

static bool
was_asked(const char *words)
{
	return strstr(stage.peer.last, words) != NULL;
}

/* ----------------------------------------------------------------- payments */

static void
a_payment_is_what_the_look_up_says(void **state)
{
	static const struct
	{
		int			status;
		const char *sent;
		int			looked_status;
		const char *looked;
		SubmitAnswer answer;
		NodeFailure failure;
	} cases[] = {
		{201, OUT("success"), 200, PAID(OUT("success")), SUBMIT_SETTLED, NODE_FAILURE_NONE},
		{201, OUT("pending"), 0, "", SUBMIT_ACKED, NODE_FAILURE_NONE},	/* a look-up would last as long as the payment */
		{201, ROW(OTHER, "-123000", "-1500", "pending"), 404, UNKNOWN, SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		/* The faults of the seeds: 201 is no proof. */
		{201, OUT("success"), 200, UNPAID("pending", OUT("pending")), SUBMIT_ACKED, NODE_FAILURE_NONE},
		{201, OUT("failed"), 200, UNPAID("failed", OUT("failed")), SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{201, OUT("success"), 404, UNKNOWN, SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{201, OUT("success"), 500, "{}", SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{520, "{\"detail\":\"Payment already paid.\",\"status\":\"success\"}", 200, PAID(OUT("success")), SUBMIT_SETTLED, NODE_FAILURE_NONE},
		{520, "{\"detail\":\"Payment failed: FAILURE_REASON_NO_ROUTE\",\"status\":\"failed\"}", 200, UNPAID("failed", OUT("failed")), SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{520, "{\"detail\":\"Insufficient balance.\",\"status\":\"failed\"}", 404, UNKNOWN, SUBMIT_REJECTED, NODE_FAILURE_NO_FUNDS},
		{520, "{\"detail\":\"Payment failed: Insufficient balance in channels\",\"status\":\"failed\"}", 200, UNPAID("failed", OUT("failed")), SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{520, "{\"detail\":\"You must reserve at least (2 sat) to cover potential routing fees.\",\"status\":\"failed\"}", 404, UNKNOWN, SUBMIT_REJECTED, NODE_FAILURE_NO_FUNDS},
		{520, "{\"detail\":\"Insufficient balance.\",\"status\":\"failed\"}", 200, UNPAID("pending", OUT("pending")), SUBMIT_ACKED, NODE_FAILURE_NONE},
		{520, "{\"detail\":\"Insufficient balance.\",\"status\":\"failed\"}", 502, "<html>", SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{400, DETAIL("Invoice expired."), 404, UNKNOWN, SUBMIT_REJECTED, NODE_FAILURE_EXPIRED},
		{403, DETAIL("Invoice (or Admin) key required."), 404, UNKNOWN, SUBMIT_REJECTED, NODE_FAILURE_OTHER},
		{401, DETAIL("Invalid key"), 401, DETAIL("Invalid key"), SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{403, "<html>a proxy</html>", 404, UNKNOWN, SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{429, "{\"error\":\"slow down\"}", 404, UNKNOWN, SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{500, DETAIL("Unexpected error!"), 404, UNKNOWN, SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{504, "", 200, PAID(OUT("success")), SUBMIT_SETTLED, NODE_FAILURE_NONE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NodeCall   *call = asked(NODE_PAY);

		PLAY(&stage, SAME_NODE, said(200, RESERVE), said(cases[i].status, cases[i].sent), said(cases[i].looked_status, cases[i].looked));
		if (call->submit != cases[i].answer || call->failure != cases[i].failure)
			fail_msg("case %zu: answer %d, failure %d", i, (int) call->submit, (int) call->failure);
		assert_int_equal(stage.peer.requests, cases[i].looked_status == 0 ? 3 : 4);
		if (call->submit == SUBMIT_SETTLED)
		{
			assert_int_equal(call->payment.amount.msat, 123000);
			assert_int_equal(call->payment.fee.msat, 1500);
			assert_string_equal(bytes32_hex(stage.arena, call->payment.preimage), PREIMAGE);
		}
	}
}

static void
L1_a_payment_is_asked_for_once_with_the_admin_key(void **state)
{
	const PeerAct bad[] = {
		{NULL, NULL, PEER_CLOSES}, {NULL, NULL, PEER_RESETS},
		{"HTTP/1.1 201 Created\r\nContent-Length: 200\r\n\r\n{\"status\"", NULL, PEER_RESETS},
		{"HTTP/1.1 307 Go\r\nLocation: /api/v1/payments\r\nContent-Length: 0\r\n\r\n", NULL, PEER_CLOSES},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		NodeCall   *call = asked(NODE_PAY);

		PLAY(&stage, SAME_NODE, said(200, RESERVE), bad[i], {NULL, NULL, PEER_CLOSES});
		assert_int_equal(call->submit, SUBMIT_AMBIGUOUS);
		/* No second POST: only the reply to a redirect is looked into afterwards. */
		assert_int_equal(stage.peer.requests, i == 3 ? 4 : 3);
		if (i == 3)
			assert_true(was_asked("GET /api/v1/payments/" HASH));
		else
		{
			assert_true(was_asked("POST /api/v1/payments HTTP/1.1\r\n"));
			assert_true(was_asked("X-Api-Key: " ADMIN_KEY));
		}
	}
}

/* L10: it takes no limit, so it must want no more than was reserved. */
static void
L10_nothing_is_sent_where_it_sets_aside_more_than_was_reserved(void **state)
{
	NodeCall   *call = asked(NODE_PAY);

	PLAY(&stage, SAME_NODE, said(200, "{\"fee_reserve\":5001}"));
	assert_int_equal(call->submit, SUBMIT_REJECTED);
	assert_int_equal(call->failure, NODE_FAILURE_FEE_LIMIT);
	assert_int_equal(stage.peer.requests, 2);
	assert_true(was_asked("GET /api/v1/payments/fee-reserve?invoice=" REQUEST " "));

	call = asked(NODE_PAY);
	PLAY(&stage, SAME_NODE, said(200, "{\"fee_reserve\":5000}"), said(201, OUT("success")), said(200, PAID(OUT("success"))));
	assert_int_equal(call->submit, SUBMIT_SETTLED);
}

/* The question before it takes time, too. */
static void
L17_nothing_is_sent_once_its_time_is_over(void **state)
{
	NodeCall   *call = asked(NODE_PAY);

	call->write_before = (Instant) {call->deadline.microseconds - 30 * MICROSECONDS_PER_SECOND};
	PLAY(&stage, SAME_NODE, said(200, RESERVE), said(201, OUT("success")), said(200, PAID(OUT("success"))));
	assert_int_equal(call->submit, SUBMIT_NOT_SENT);
	assert_int_equal(stage.peer.requests, 2);
	call = asked(NODE_PAY);
	call->write_before = call->deadline;
	PLAY(&stage, SAME_NODE, said(200, RESERVE), said(201, OUT("success")), said(200, PAID(OUT("success"))));
	assert_int_equal(call->submit, SUBMIT_SETTLED);
}

static void
L52_nothing_is_sent_where_the_reserve_is_not_told(void **state)
{
	const PeerAct bad[] = {
		{NULL, NULL, PEER_CLOSES}, {NULL, NULL, PEER_RESETS}, said(200, "{}"), said(200, "{\"fee_reserve\":-1}"),
		said(200, "{\"fee_reserve\":\"many\"}"), said(404, DETAIL("Not Found")), said(500, "x"),
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		NodeCall   *call = asked(NODE_PAY);

		PLAY(&stage, SAME_NODE, bad[i]);
		assert_int_equal(call->submit, SUBMIT_NOT_SENT);
		assert_int_equal(stage.peer.requests, 2);
		assert_non_null(call->words);
	}
	(void) asked(NODE_PAY);
	stage_play_nobody(&stage);
	assert_int_equal(stage.call.submit, SUBMIT_NOT_SENT);
}

static void
L14_a_request_without_an_amount_or_with_an_address_in_it_is_refused(void **state)
{
	NodeCall   *call = asked(NODE_PAY);

	call->amount = AMOUNT_MSAT(1000);
	PLAY(&stage, said(200, RESERVE));
	assert_int_equal(call->submit, SUBMIT_REJECTED);
	assert_int_equal(stage.peer.requests, 0);
	call = asked(NODE_PAY);
	call->payment_request = "lnbcrt1p&x=/../";
	PLAY(&stage, said(200, RESERVE));
	assert_int_equal(call->submit, SUBMIT_REJECTED);
	assert_int_equal(stage.peer.requests, 0);
}

static void
L6_no_fraction_of_a_satoshi_is_paid(void **state)
{
	NodeCall   *call = asked(NODE_PAY);

	call->due = AMOUNT_MSAT(123001);
	PLAY(&stage, said(200, RESERVE));
	assert_int_equal(call->submit, SUBMIT_REJECTED);
	assert_int_equal(call->failure, NODE_FAILURE_OTHER);
	assert_int_equal(stage.peer.requests, 0);
	/* nor is one taken for a payment */
	call = asked(NODE_PAY);
	call->due = AMOUNT_MSAT(123000);
	PLAY(&stage, SAME_NODE, said(200, RESERVE), said(201, OUT("success")), said(200, PAID(ROW(HASH, "-123001", "-1500", "success"))));
	assert_int_equal(call->submit, SUBMIT_AMBIGUOUS);
	for (int i = 0; i < 2; i++)
	{
		call = asked(NODE_LOOKUP_PAYMENT);
		PLAY(&stage, said(200, i == 0 ? PAID(ROW(HASH, "-999", "0", "success")) : UNPAID("failed", ROW(HASH, "-123001", "0", "failed"))));
		assert_int_equal(call->verdict, PAYMENT_UNAVAILABLE);
		assert_non_null(strstr(call->words, "fraction"));
	}
}

static void
a_look_up_is_believed_only_as_a_whole(void **state)
{
	static const struct
	{
		int			status;
		const char *body;
		PaymentAnswer verdict;
	} cases[] = {
		{200, PAID(OUT("success")), PAYMENT_SUCCEEDED},
		{200, UNPAID("pending", OUT("pending")), PAYMENT_PENDING},
		{200, UNPAID("failed", OUT("failed")), PAYMENT_FAILED},
		{404, UNKNOWN, PAYMENT_NOT_FOUND},
		{200, PAID(IN("success")), PAYMENT_NOT_FOUND},	/* the outgoing one would come first */
		{404, DETAIL("Not Found"), PAYMENT_UNAVAILABLE},	/* an address that is not there */
		{404, "nginx", PAYMENT_UNAVAILABLE},
		{200, UNKNOWN, PAYMENT_UNAVAILABLE},
		/* Its own node is away: it says no state at the outer place. */
		{200, "{\"paid\":false,\"details\":" OUT("pending") "}", PAYMENT_UNAVAILABLE},
		{200, "{\"paid\":true,\"preimage\":\"" PREIMAGE "\"}", PAYMENT_UNAVAILABLE},	/* of another wallet */
		{200, UNPAID("failed", OUT("pending")), PAYMENT_UNAVAILABLE},
		{200, UNPAID("failed", OUT("success")), PAYMENT_UNAVAILABLE},
		{200, PAID(OUT("failed")), PAYMENT_UNAVAILABLE},
		{200, PAID(ROW(OTHER, "-123000", "-1500", "success")), PAYMENT_UNAVAILABLE},
		{200, PAID(ROW(HASH, "-9223372036854775808", "0", "success")), PAYMENT_UNAVAILABLE},
		{200, PAID(ROW(HASH, "-1.5", "0", "success")), PAYMENT_UNAVAILABLE},
		{401, DETAIL("Invalid key"), PAYMENT_UNAVAILABLE},
		{502, PAID(OUT("success")), PAYMENT_UNAVAILABLE},
		{200, "", PAYMENT_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NodeCall   *call = asked(NODE_LOOKUP_PAYMENT);

		PLAY(&stage, said(cases[i].status, cases[i].body));
		if (call->verdict != cases[i].verdict)
			fail_msg("case %zu: %d", i, (int) call->verdict);
		assert_true(was_asked("GET /api/v1/payments/" HASH " "));
		assert_true(was_asked("X-Api-Key: " ADMIN_KEY "\r\n"));
		if (call->verdict == PAYMENT_FAILED || call->verdict == PAYMENT_SUCCEEDED)
			assert_true(call->payment.created_at.microseconds == INT64_C(1795287731000000));
	}
	assert_int_equal(stage.node.node.capabilities.failure_rule, FAILURE_IS_WEAK);
	assert_int_equal(stage.node.node.capabilities.not_found_rule, NOT_FOUND_TWICE);
}

/* In which zone it is decides whether a failure is that of an earlier attempt. */
static void
L24_a_time_counts_only_with_its_zone(void **state)
{
	static const struct
	{
		const char *said;
		int64_t		microseconds;
	}			times[] = {
		{"2026-11-21T19:02:11.123456+00:00", INT64_C(1795287731000000)},
		{"2026-11-21T19:02:11Z", INT64_C(1795287731000000)},
		{"2026-11-21T19:02:11.123456", 0},
		{"2026-11-21T19:02:11", 0},
		{"2026-11-21T19:02:11+01:00", 0},
		{"2026-11-21 19:02:11Z", 0},
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
	{
		NodeCall   *call = asked(NODE_LOOKUP_PAYMENT);

		PLAY(&stage, said(200, arena_printf(stage.arena, UNPAID("failed",
			"{\"payment_hash\":\"" HASH "\",\"amount\":-123000,\"fee\":0,\"status\":\"failed\",\"created_at\":\"%s\"}"),
			times[i].said)));
		assert_int_equal(call->verdict, PAYMENT_FAILED);
		if (times[i].microseconds == 0)
			assert_true(instant_is_none(call->payment.created_at));
		else
			assert_int_equal(call->payment.created_at.microseconds, times[i].microseconds);
	}
}

static void
L2_a_success_without_a_preimage_says_so(void **state)
{
	NodeCall   *call = asked(NODE_LOOKUP_PAYMENT);

	PLAY(&stage, said(200, "{\"paid\":true,\"preimage\":null,\"details\":" OUT("success") "}"));
	assert_int_equal(call->verdict, PAYMENT_SUCCEEDED);
	assert_false(call->payment.has_preimage);
}

/* ----------------------------------------------------------------- invoices */

static void
L33_a_deposit_is_paid_only_where_money_came_in(void **state)
{
	static const struct
	{
		int			status;
		const char *body;
		InvoiceAnswer answer;
	} cases[] = {
		{200, UNPAID("pending", IN("pending")), INVOICE_OPEN},
		{200, UNPAID("failed", IN("failed")), INVOICE_CANCELED},
		{200, PAID(IN("success")), INVOICE_SETTLED},
		{200, PAID(OUT("success")), INVOICE_UNAVAILABLE},	/* went out under the same hash */
		{200, "{\"paid\":true,\"preimage\":\"5c\",\"details\":" IN("success") "}", INVOICE_UNAVAILABLE},
		{404, UNKNOWN, INVOICE_NOT_FOUND},
		{404, DETAIL("Not Found"), INVOICE_UNAVAILABLE},
		{200, "{\"paid\":false,\"details\":" IN("pending") "}", INVOICE_UNAVAILABLE},
		{500, "{}", INVOICE_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NodeCall   *call = asked(NODE_LOOKUP_INVOICE);

		PLAY(&stage, said(cases[i].status, cases[i].body));
		if (call->invoice != cases[i].answer)
			fail_msg("case %zu: %d", i, (int) call->invoice);
		if (call->invoice == INVOICE_SETTLED)
		{
			assert_int_equal(call->received.msat, 123000);
			assert_string_equal(bytes32_hex(stage.arena, call->preimage), PREIMAGE);
		}
	}
}

static void
L6_invoices_are_of_whole_satoshi(void **state)
{
	NodeCall   *call = asked(NODE_CREATE_INVOICE);

	call->amount = AMOUNT_MSAT(21000);
	PLAY(&stage, said(201, "{\"payment_hash\":\"" HASH "\",\"bolt11\":\"lnbcrt1new\"}"));
	assert_true(call->answered);
	assert_string_equal(call->created, "lnbcrt1new");
	assert_true(was_asked("21,") && !was_asked("21000"));
	assert_true(was_asked("X-Api-Key: " INVOICE_KEY "\r\n"));
	call = asked(NODE_CREATE_INVOICE);
	call->amount = AMOUNT_MSAT(21001);
	PLAY(&stage, said(201, "{}"));
	assert_false(call->answered);
	assert_int_equal(stage.peer.requests, 0);
	call = asked(NODE_CREATE_INVOICE);
	call->amount = AMOUNT_MSAT(21000);
	PLAY(&stage, said(520, DETAIL("Could not fetch wallet.")));
	assert_false(call->answered);
	assert_non_null(strstr(call->words, "Could not"));
}

static void
what_it_cannot_do_is_not_asked(void **state)
{
	NodeCall   *call = asked(NODE_CANCEL_INVOICE);

	PLAY(&stage, said(200, "{}"));
	assert_int_equal(call->cancel, CANCEL_UNAVAILABLE);
	assert_int_equal(stage.peer.requests, 0);
	call = asked(NODE_SETTLED_SINCE);
	call->cursor = 4;
	PLAY(&stage, said(200, "{}"));
	assert_true(call->answered);
	assert_int_equal(call->next_cursor, 4);
	assert_int_equal(stage.peer.requests, 0);
}

/* ----------------------------------------------------- identity and the rest */

static void
L11_an_invoice_tells_whose_node_it_is(void **state)
{
	NodeCall   *call = asked(NODE_IDENTIFY);
	const char *wallet = "{\"id\":\"7a\",\"name\":\"w\",\"balance\":123000}";

	stage.node.notes.node_id[0] = '\0';
	PLAY(&stage, said(200, wallet), SAME_NODE, SEEN_BY_BOTH_KEYS);
	assert_true(call->answered);
	assert_string_equal(call->identity.node_id, VECTOR_PAYEE);
	assert_string_equal(call->identity.network, "testnet");
	assert_string_equal(call->identity.wallet, "7a");
	assert_true(call->identity.ready);
	assert_non_null(call->identity.warning);
	/* Once, as long as it answers. */
	call = asked(NODE_IDENTIFY);
	PLAY(&stage, said(200, wallet));
	assert_true(call->answered);
	assert_string_equal(call->identity.node_id, VECTOR_PAYEE);
	assert_int_equal(stage.peer.requests, 1);
	assert_true(was_asked("X-Api-Key: " ADMIN_KEY "\r\n"));

	call = asked(NODE_IDENTIFY);
	PLAY(&stage, said(200, "{\"name\":\"w\",\"balance\":123000}"));
	assert_false(call->answered);
	assert_non_null(strstr(call->words, "admin key"));
	call = asked(NODE_IDENTIFY);
	PLAY(&stage, said(401, DETAIL("Invalid key")));
	assert_false(call->answered);
	/* And anew where it was away. */
	call = asked(NODE_IDENTIFY);
	PLAY(&stage, said(200, wallet), probe(15), SEEN_BY_BOTH_KEYS);
	assert_true(call->answered);
	assert_string_not_equal(call->identity.node_id, VECTOR_PAYEE);
	assert_int_equal(VALID_VECTORS + INVALID_VECTORS, 26);
}

/* Else what one wallet has paid would be looked up, and not found, in the other. */
static void
L11_both_keys_are_of_one_wallet(void **state)
{
	static const struct
	{
		int			status;
		const char *body;
	} others[] = {
		{404, UNKNOWN},
		{200, "{\"paid\":false}"},
		{200, UNPAID("pending", ROW(OTHER, "1000", "0", "pending"))},
		{500, DETAIL("Unexpected error!")},
	};
	const char *wallet = "{\"id\":\"7a\",\"name\":\"w\",\"balance\":123000}";

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
	{
		NodeCall   *call = asked(NODE_IDENTIFY);

		stage.node.notes.node_id[0] = '\0';
		PLAY(&stage, said(200, wallet), SAME_NODE, said(others[i].status, others[i].body));
		assert_int_equal(stage.peer.requests, 3);
		assert_true(was_asked("GET /api/v1/payments/" PROBE_HASH " "));
		assert_true(was_asked("X-Api-Key: " ADMIN_KEY "\r\n"));
		assert_false(call->answered);
		assert_non_null(call->words);
		assert_int_equal(strstr(call->words, "of another wallet") != NULL, i == 0);
		/* It stays unknown, so that the next question finds out again. */
		assert_int_equal(stage.node.notes.node_id[0], '\0');
	}
	(void) asked(NODE_IDENTIFY);
	PLAY(&stage, said(200, wallet), SAME_NODE, SEEN_BY_BOTH_KEYS);
	assert_true(stage.call.answered);
}

/* Of what was paid, and of what is there, only the wallet that pays can tell. */
static void
L23_payments_and_balance_are_asked_of_the_wallet_that_pays(void **state)
{
	const NodeOperation operations[] = {NODE_LOOKUP_PAYMENT, NODE_LIST_PAYMENTS, NODE_LIST_INVOICES};

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
	{
		(void) asked(operations[i]);
		PLAY(&stage, said(404, UNKNOWN));
		assert_true(was_asked("X-Api-Key: " ADMIN_KEY "\r\n"));
	}
	(void) asked(NODE_BALANCE);
	PLAY(&stage, SAME_NODE, said(200, "{\"name\":\"w\",\"balance\":1}"));
	assert_true(was_asked("X-Api-Key: " ADMIN_KEY "\r\n"));
	(void) asked(NODE_PAY);
	PLAY(&stage, SAME_NODE, said(200, RESERVE), said(401, DETAIL("Invalid key")), said(404, UNKNOWN));
	assert_int_equal(stage.peer.requests, 4);
	assert_true(was_asked("GET /api/v1/payments/" HASH " "));
	assert_true(was_asked("X-Api-Key: " ADMIN_KEY "\r\n"));
}

static void
L11_an_invoice_that_cannot_be_read_tells_nothing(void **state)
{
	NodeCall   *call = asked(NODE_IDENTIFY);

	stage.node.notes.node_id[0] = '\0';
	PLAY(&stage, said(200, "{\"id\":\"7a\",\"balance\":0}"), said(201, "{\"bolt11\":\"lnbcrt1nonsense\"}"));
	assert_false(call->answered);
	assert_int_equal(stage.node.notes.node_id[0], '\0');
	call = asked(NODE_IDENTIFY);
	PLAY(&stage, said(200, "{\"id\":\"7a\",\"balance\":0}"), {NULL, NULL, PEER_RESETS});
	assert_false(call->answered);
}

/* What was made before says nothing of who makes the next one. */
static void
L11_who_makes_its_invoices_is_asked_before_each_payment_and_each_balance(void **state)
{
	const NodeOperation operations[] = {NODE_PAY, NODE_BALANCE};

	for (int i = 0; i < 2; i++)
	{
		NodeCall   *call = asked(operations[i]);

		/* Nobody knows: nothing is asked for, and no other node is met by that. */
		PLAY(&stage, said(500, DETAIL("Unexpected error!")));
		assert_int_equal(stage.peer.requests, 1);
		assert_int_equal(operations[i] == NODE_PAY ? call->submit == SUBMIT_NOT_SENT : !call->answered, true);
		assert_string_equal(stage.node.notes.node_id, VECTOR_PAYEE);
		assert_non_null(strstr(stage.peer.last, "not to be paid"));

		/* The last valid vector is another payee's. */
		call = asked(operations[i]);
		PLAY(&stage, probe(15), said(200, RESERVE), said(201, OUT("success")));
		assert_int_equal(stage.peer.requests, 1);
		assert_int_equal(operations[i] == NODE_PAY ? call->submit == SUBMIT_NOT_SENT : !call->answered, true);
		assert_non_null(strstr(call->words, "another node"));

		/* So that the next question who it is finds that one. */
		call = asked(NODE_IDENTIFY);
		PLAY(&stage, said(200, "{\"id\":\"7a\",\"balance\":0}"), probe(15), SEEN_BY_BOTH_KEYS);
		assert_true(call->answered);
		assert_string_not_equal(call->identity.node_id, VECTOR_PAYEE);
		strcpy(stage.node.notes.node_id, VECTOR_PAYEE);
		strcpy(stage.node.notes.network, "testnet");
	}
}

static void
L23_a_refusal_that_a_record_contradicts_is_none(void **state)
{
	NodeCall   *call = asked(NODE_PAY);

	PLAY(&stage, SAME_NODE, said(200, RESERVE), said(401, DETAIL("who are you")), said(200, UNPAID("failed", OUT("failed"))));
	assert_int_equal(call->submit, SUBMIT_AMBIGUOUS);
	assert_int_equal(call->failure, NODE_FAILURE_NONE);
}

static void
L43_one_list_holds_both_kinds(void **state)
{
	NodeCall   *call = asked(NODE_LIST_PAYMENTS);
	const char *page = "{\"data\":[" OUT("success") "," IN("success") "," ROW(OTHER, "-5", "0", "failed") ",{}],\"total\":4}";

	call->cursor = 200;
	PLAY(&stage, said(200, page));
	assert_true(call->answered);
	assert_int_equal(call->listed_count, 2);
	assert_int_equal(call->payments[0].state, PAYMENT_SUCCEEDED);
	assert_int_equal(call->payments[0].amount.msat, 123000);
	assert_int_equal(call->payments[0].fee.msat, 1500);
	assert_int_equal(call->payments[1].state, PAYMENT_FAILED);
	assert_int_equal(call->next_cursor, 204);
	assert_false(call->has_more);
	assert_true(was_asked("offset=200"));
	call = asked(NODE_LIST_INVOICES);
	PLAY(&stage, said(200, page));
	assert_int_equal(call->listed_count, 1);
	assert_int_equal(call->invoices[0].state, INVOICE_SETTLED);
	assert_int_equal(call->invoices[0].received.msat, 123000);
	call = asked(NODE_LIST_INVOICES);
	PLAY(&stage, said(200, "{\"data\":{}}"));
	assert_false(call->answered);
	call = asked(NODE_BALANCE);
	PLAY(&stage, SAME_NODE, said(200, "{\"name\":\"w\",\"balance\":123456}"));
	assert_true(call->answered);
	assert_int_equal(call->balance.local.msat, 123456);
}

static void
L58_keys_are_checked_and_never_repeated(void **state)
{
	static const char *const bad[] = {"", "short", ADMIN_KEY " " INVOICE_KEY, ADMIN_KEY "\n" INVOICE_KEY "\nx", "{\"adminkey\":\"" ADMIN_KEY "\"}"};
	static const char *const good[] = {ADMIN_KEY, ADMIN_KEY "\n", ADMIN_KEY "\r\n" INVOICE_KEY "\r\n"};
	NodeConnection connection = {.node = "lnbits", .url = "http://127.0.0.1:1"};
	HttpNode	node;
	NodeCall   *call;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		http_node_init(&node, &lnbits_dialect);
		assert_non_null(http_node_connect(&node, &connection, (const uint8_t *) bad[i], strlen(bad[i])));
		http_node_end(&node);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		http_node_init(&node, &lnbits_dialect);
		assert_null(http_node_connect(&node, &connection, (const uint8_t *) good[i], strlen(good[i])));
		assert_string_equal(node.secrets[0], "X-Api-Key: " ADMIN_KEY);
		assert_string_equal(node.secrets[1], i == 2 ? "X-Api-Key: " INVOICE_KEY : "X-Api-Key: " ADMIN_KEY);
		http_node_end(&node);
	}
	call = asked(NODE_LOOKUP_PAYMENT);
	PLAY(&stage, said(401, DETAIL("Invalid key " INVOICE_KEY)));
	assert_non_null(strstr(call->words, "left out"));
}

/* A reload may come between two requests of one call: the second would go to another node. */
static void
L11_no_step_follows_on_another_connection(void **state)
{
	NodeCall   *call = asked(NODE_PAY);

	stage.loses_its_settings = true;
	PLAY(&stage, SAME_NODE, said(200, RESERVE), said(201, OUT("success")), said(200, PAID(OUT("success"))));
	assert_int_equal(call->submit, SUBMIT_NOT_SENT);
	assert_int_equal(stage.peer.requests, 1);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(L11_no_step_follows_on_another_connection),
		TEST(L11_who_makes_its_invoices_is_asked_before_each_payment_and_each_balance),
		TEST(L23_a_refusal_that_a_record_contradicts_is_none),
		TEST(a_payment_is_what_the_look_up_says),
		TEST(L1_a_payment_is_asked_for_once_with_the_admin_key),
		TEST(L10_nothing_is_sent_where_it_sets_aside_more_than_was_reserved),
		TEST(L17_nothing_is_sent_once_its_time_is_over),
		TEST(L52_nothing_is_sent_where_the_reserve_is_not_told),
		TEST(L14_a_request_without_an_amount_or_with_an_address_in_it_is_refused),
		TEST(L6_no_fraction_of_a_satoshi_is_paid),
		TEST(a_look_up_is_believed_only_as_a_whole),
		TEST(L24_a_time_counts_only_with_its_zone),
		TEST(L2_a_success_without_a_preimage_says_so),
		TEST(L33_a_deposit_is_paid_only_where_money_came_in),
		TEST(L6_invoices_are_of_whole_satoshi),
		TEST(what_it_cannot_do_is_not_asked),
		TEST(L11_an_invoice_tells_whose_node_it_is),
		TEST(L11_both_keys_are_of_one_wallet),
		TEST(L23_payments_and_balance_are_asked_of_the_wallet_that_pays),
		TEST(L11_an_invoice_that_cannot_be_read_tells_nothing),
		TEST(L43_one_list_holds_both_kinds),
		TEST(L58_keys_are_checked_and_never_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
