/*
 * test_cln.c
 *		What is asked of Core Lightning, and what its replies are taken for, over
 *		clnrest and over its socket: replies as v26.06.6 gave them, and those of a
 *		node that breaks or lies.
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

#include "lightning/bytes32.h"
#include "lightning/cln.h"

#include "node_stage.h"

#define RUNE "KUhZzNlECC7pYsz3QVbF1TqjIUYi3oyESTI7n60hLMs9MA=="
#define HASH "c5ef000000000000000000000000000000000000000000000000000000000001"
#define OTHER "4acd000000000000000000000000000000000000000000000000000000000002"
#define PREIMAGE "5c1300000000000000000000000000000000000000000000000000000000835b"
#define NODE_ID "02ca00000000000000000000000000000000000000000000000000000000000001"
#define REQUEST "lnbcrt1234560n1p"

#define XPAY_OK "{\"payment_preimage\":\"" PREIMAGE "\",\"amount_msat\":123456,\"amount_sent_msat\":123457,\"failed_parts\":0,\"successful_parts\":1}"
#define XPAY_PENDING "{\"code\":-3,\"message\":\"Unexpected injectpaymentonion error 200: {\\\"code\\\":200,\\\"message\\\":\\\"Payment with groupid=5424957811886902310 still in progress\\\"}\"}"
#define ERROR(code, message) "{\"code\":" code ",\"message\":\"" message "\"}"
#define ENTRY(hash, status, more) "{\"destination\":\"02ca\",\"payment_hash\":\"" hash "\",\"status\":\"" status "\"" more "}"
#define COMPLETE ENTRY(HASH, "complete", ",\"created_at\":1795170700,\"completed_at\":1795170774,\"preimage\":\"" PREIMAGE "\",\"amount_msat\":123456,\"amount_sent_msat\":123466,\"created_index\":5")
#define PENDING ENTRY(HASH, "pending", ",\"created_at\":1795170775,\"amount_msat\":123456,\"amount_sent_msat\":123456,\"created_index\":4")
#define FAILED(at) ENTRY(HASH, "failed", ",\"created_at\":" at ",\"amount_sent_msat\":0,\"created_index\":3")
#define PAYS(entries) "{\"pays\":[" entries "]}"
#define NO_PAYS PAYS("")
#define PAID_INVOICE "{\"label\":\"a180321\",\"payment_hash\":\"" HASH "\",\"amount_msat\":123456,\"status\":\"paid\",\"pay_index\":7,\"amount_received_msat\":123456,\"paid_at\":1795170774,\"payment_preimage\":\"" PREIMAGE "\",\"description\":\"hello\",\"expires_at\":1795171374,\"created_index\":1,\"bolt11\":\"lnbcrt1paid\"}"
#define INVOICE(status) "{\"label\":\"x\",\"payment_hash\":\"" HASH "\",\"amount_msat\":123456,\"status\":\"" status "\",\"description\":\"d\",\"expires_at\":1795171374,\"created_index\":2,\"bolt11\":\"lnbcrt1open\"}"
#define INVOICES(entries) "{\"invoices\":[" entries "]}"
#define INFO(version, more) "{\"id\":\"" NODE_ID "\",\"num_active_channels\":1,\"num_inactive_channels\":0,\"version\":\"" version "\",\"network\":\"regtest\",\"blockheight\":110" more "}"
#define CONFIGS "{\"configs\":{\"autoclean-succeededpays-age\":{\"value_int\":864000,\"source\":\"cmdline\"},\"autoclean-failedpays-age\":{\"value_int\":3600,\"source\":\"x\"},\"xpay-slow-mode\":{\"value_bool\":true,\"source\":\"x\"}}}"

static NodeStage stage;

static int
begin_rest(void **state)
{
	stage_begin(&stage, &cln_dialect, RUNE "\n", false);
	stage.node.notes.version = 2606;
	*state = NULL;
	return 0;
}

static int
begin_socket(void **state)
{
	stage_begin(&stage, &cln_dialect, "", true);
	stage.node.notes.version = 2606;
	*state = NULL;
	return 0;
}

static int
end(void **state)
{
	stage_end(&stage);
	return 0;
}

/* A result (201) or an error of the node (500), in the form of the transport. */
static PeerAct
said(int status, const char *body)
{
	if (!stage.by_socket)
		return stage_reply(&stage, status, body);
	return (PeerAct) {
		.words = arena_printf(stage.arena, "{\"jsonrpc\":\"2.0\",\"id\":\"spark\",\"%s\":%s}\n\n",
							  status == 500 ? "error" : "result", body),
	};
}

static NodeCall *
asked(NodeOperation operation)
{
	NodeCall   *call = stage_call(&stage, operation, 30);

	assert_true(bytes32_parse(HASH, &call->payment_hash));
	call->max_fee = AMOUNT_MSAT(5000);
	call->seconds = 60;
	call->payment_request = REQUEST;
	call->memo = "a \"memo\"";
	call->key = (Uuid) {{0x01, 0x90, 1, 2, 3, 4, 0x70, 5, 0x80, 6, 7, 8, 9, 10, 11, 12}};
	return call;
}

/* The last request had these words in it, whatever blanks are between them. */
static bool
was_asked(const char *words)
{
	char		text[sizeof(stage.peer.last)];
	size_t		length = 0;

	for (const char *c = stage.peer.last; *c != '\0'; c++)
		if (*c != ' ' || c[-1] != ':' || strstr(words, ": ") != NULL)
			text[length++] = *c;
	text[length] = '\0';
	return strstr(text, words) != NULL;
}

/* ----------------------------------------------------------------- payments */

static void
a_payment_that_xpay_made_is_settled(void **state)
{
	NodeCall   *call = asked(NODE_PAY);

	PLAY(&stage, said(201, XPAY_OK));
	assert_int_equal(call->submit, SUBMIT_SETTLED);
	assert_true(call->payment.has_preimage);
	assert_string_equal(bytes32_hex(stage.arena, call->payment.preimage), PREIMAGE);
	assert_int_equal(call->payment.amount.msat, 123456);
	assert_int_equal(call->payment.fee.msat, 1);
	assert_int_equal(stage.peer.requests, 1);
	assert_true(was_asked("\"invstring\":\"" REQUEST "\""));
	assert_true(was_asked("\"maxfee\":5000"));
	assert_true(was_asked("\"retry_for\":60"));
	assert_false(was_asked("amount_msat"));
	assert_true(was_asked(stage.by_socket ? "\"method\":\"xpay\"" : "POST /v1/xpay HTTP/1.1\r\n"));
	assert_int_equal(was_asked("Rune: " RUNE "\r\n"), !stage.by_socket);

	call = asked(NODE_PAY);
	call->amount = AMOUNT_MSAT(777);
	PLAY(&stage, said(201, XPAY_OK));
	assert_true(was_asked("\"amount_msat\":777"));
}

/* What breaks between us is never a verdict, and is sent once. */
static void
L5_what_broke_on_the_way_is_ambiguous(void **state)
{
	const PeerAct bad[] = {
		{NULL, NULL, PEER_CLOSES}, {NULL, NULL, PEER_RESETS}, said(201, "garbage"), said(201, "[]"), said(201, "{}"),
		said(201, ""), said(201, "{\"payment_preimage\":\"5c13\",\"amount_msat\":1,\"amount_sent_msat\":1}"),
		said(201, "{\"payment_preimage\":\"" PREIMAGE "\",\"amount_msat\":1}"),
		said(201, "{\"payment_preimage\":\"" PREIMAGE "\",\"amount_msat\":1.5,\"amount_sent_msat\":2}"),
		said(201, "{\"payment_preimage\":\"" PREIMAGE "\",\"amount_msat\":\"5abc\",\"amount_sent_msat\":2}"),
		said(201, "{\"payment_preimage\":\"" PREIMAGE "\",\"amount_msat\":1,\"amount_msat\":1,\"amount_sent_msat\":2}"),
		said(201, "{\"payment_preimage\":\"" PREIMAGE "\",\"amount_msat\":9223372036854775807,\"amount_sent_msat\":-9223372036854775807}"),
		said(500, "{\"code\":\"203\"}"), said(500, "{\"code\":203}"), said(500, "{\"message\":\"no code\"}"), said(500, "{}"),
		{"{\"jsonrpc\":\"2.0\",\"id\":\"other\",\"result\":" XPAY_OK "}\n\n", NULL, PEER_CLOSES},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"spark\",\"result\":", NULL, PEER_CLOSES},
		{"HTTP/1.1 201 Created\r\nContent-Length: 200\r\n\r\n" XPAY_OK, NULL, PEER_CLOSES},
		{"HTTP/1.1 201 Created\r\nContent-Length: 200\r\n\r\n{\"payment", NULL, PEER_RESETS},
		{"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 13\r\n\r\n<html></html>", NULL, PEER_CLOSES},
		{"HTTP/1.1 500 No\r\nContent-Length: 13\r\n\r\n<html></html>", NULL, PEER_CLOSES},
		{"HTTP/1.1 307 Go\r\nLocation: /v1/xpay\r\nContent-Length: 0\r\n\r\n", NULL, PEER_CLOSES},
		{"HTTP/1.1 401 No\r\nContent-Length: 39\r\n\r\n{\"code\":1401,\"message\":\"Not permitted\"}\n", NULL, PEER_CLOSES},
		{"HTTP/1.1 404 No\r\nContent-Length: 43\r\n\r\n{\"code\":-32601,\"message\":\"Unknown command\"}\n", NULL, PEER_CLOSES},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		NodeCall   *call = asked(NODE_PAY);

		stage_play(&stage, &bad[i], 1);
		if (call->submit != SUBMIT_AMBIGUOUS || stage.peer.requests != 1)
			fail_msg("act %zu: answer %d after %d requests", i, (int) call->submit, stage.peer.requests);
		assert_non_null(call->words);
	}
}

static void
L5_a_node_that_is_silent_or_says_too_much_is_ambiguous(void **state)
{
	Instant		soon = stage_call(&stage, NODE_PAY, 1)->deadline;

	asked(NODE_PAY)->deadline = soon;
	PLAY(&stage, {NULL, NULL, PEER_STAYS_SILENT});
	assert_int_equal(stage.call.submit, SUBMIT_AMBIGUOUS);
	(void) asked(NODE_PAY);
	PLAY(&stage, {stage.by_socket ? "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" :
		"HTTP/1.1 201 Created\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL, PEER_REPEATS});
	assert_int_equal(stage.call.submit, SUBMIT_AMBIGUOUS);
	assert_int_equal(stage.peer.requests, 1);
}

static void
L52_nothing_is_sent_where_nobody_listens(void **state)
{
	NodeCall   *call = asked(NODE_PAY);

	stage_play_nobody(&stage);
	assert_int_equal(call->submit, SUBMIT_NOT_SENT);
	call = asked(NODE_LOOKUP_PAYMENT);
	stage_play_nobody(&stage);
	assert_int_equal(call->verdict, PAYMENT_UNAVAILABLE);
}

/* 3.4: its last word, listpays has nothing against it, and the node is new enough. */
static void
F4_an_error_of_xpay_counts_only_with_listpays(void **state)
{
	static const struct
	{
		const char *error;
		const char *pays;
		SubmitAnswer answer;
		NodeFailure failure;
	} cases[] = {
		{ERROR("203", "Destination said it doesn't know invoice"), NO_PAYS, SUBMIT_REJECTED, NODE_FAILURE_REFUSED_BY_PAYEE},
		{ERROR("205", "Failed: We could not find a usable set of paths."), PAYS(FAILED("1795170700")), SUBMIT_REJECTED, NODE_FAILURE_NO_ROUTE},
		{ERROR("206", "too expensive"), NO_PAYS, SUBMIT_REJECTED, NODE_FAILURE_FEE_LIMIT},
		{ERROR("207", "Invoice expired 2 seconds ago"), NO_PAYS, SUBMIT_REJECTED, NODE_FAILURE_EXPIRED},
		{ERROR("-32602", "Invalid bolt11 invoice: Prefix bc is not for regtest"), NO_PAYS, SUBMIT_REJECTED, NODE_FAILURE_BAD_INVOICE},
		{ERROR("205", "no path"), PAYS(PENDING), SUBMIT_ACKED, NODE_FAILURE_NONE},
		{ERROR("203", "no"), PAYS(FAILED("1") "," COMPLETE), SUBMIT_SETTLED, NODE_FAILURE_NONE},
		{ERROR("219", "Already paid this invoice successfully"), PAYS(COMPLETE), SUBMIT_SETTLED, NODE_FAILURE_NONE},
		{ERROR("219", "Already paid this invoice successfully"), NO_PAYS, SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{XPAY_PENDING, PAYS(PENDING), SUBMIT_ACKED, NODE_FAILURE_NONE},
		{XPAY_PENDING, PAYS(FAILED("1")), SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{ERROR("210", "timed out"), PAYS(FAILED("1")), SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{ERROR("-1", "whatever"), NO_PAYS, SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{ERROR("205", "no path"), "{\"pays\":{}}", SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{ERROR("205", "no path"), PAYS(ENTRY(OTHER, "failed", "")), SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
		{ERROR("205", "no path"), PAYS(ENTRY(HASH, "strange", "")), SUBMIT_AMBIGUOUS, NODE_FAILURE_NONE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NodeCall   *call = asked(NODE_PAY);

		PLAY(&stage, said(500, cases[i].error), said(201, cases[i].pays));
		if (call->submit != cases[i].answer || call->failure != cases[i].failure)
			fail_msg("case %zu: answer %d, failure %d", i, (int) call->submit, (int) call->failure);
		assert_int_equal(stage.peer.requests, 2);
		assert_true(was_asked(HASH));
		assert_non_null(call->words);
	}
}

static void
F5_before_v26_06_no_error_of_xpay_is_a_verdict(void **state)
{
	NodeCall   *call = asked(NODE_PAY);

	stage.node.notes.version = 2512;
	PLAY(&stage, said(500, ERROR("205", "no path")), said(201, NO_PAYS));
	assert_int_equal(call->submit, SUBMIT_AMBIGUOUS);
	call = asked(NODE_PAY);
	stage.node.notes.version = 0;
	PLAY(&stage, said(500, ERROR("207", "expired")), said(201, NO_PAYS));
	assert_int_equal(call->submit, SUBMIT_AMBIGUOUS);
}

static void
a_refusal_whose_look_up_breaks_is_ambiguous(void **state)
{
	const PeerAct bad[] = {{NULL, NULL, PEER_CLOSES}, {NULL, NULL, PEER_RESETS}, said(201, "x"), said(500, ERROR("-1", "no"))};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		NodeCall   *call = asked(NODE_PAY);

		PLAY(&stage, said(500, ERROR("205", "no path")), bad[i]);
		assert_int_equal(call->submit, SUBMIT_AMBIGUOUS);
		assert_int_equal(call->failure, NODE_FAILURE_NONE);
	}
}

static void
F5_all_entries_of_a_hash_are_judged_together(void **state)
{
	static const struct
	{
		const char *pays;
		PaymentAnswer verdict;
	} cases[] = {
		{NO_PAYS, PAYMENT_NOT_FOUND},
		{PAYS(PENDING), PAYMENT_PENDING},
		{PAYS(COMPLETE), PAYMENT_SUCCEEDED},
		{PAYS(FAILED("1795170700")), PAYMENT_FAILED},
		{PAYS(PENDING "," COMPLETE), PAYMENT_SUCCEEDED},
		{PAYS(COMPLETE "," PENDING), PAYMENT_SUCCEEDED},
		{PAYS(FAILED("9") "," PENDING "," FAILED("8")), PAYMENT_PENDING},
		{PAYS(FAILED("9") "," COMPLETE "," FAILED("8")), PAYMENT_SUCCEEDED},
		{PAYS(ENTRY(OTHER, "failed", "")), PAYMENT_UNAVAILABLE},
		{PAYS(COMPLETE "," ENTRY(OTHER, "complete", "")), PAYMENT_UNAVAILABLE},
		{PAYS(ENTRY(HASH, "complete", ",\"preimage\":\"" PREIMAGE "\"")), PAYMENT_UNAVAILABLE},
		{PAYS("1"), PAYMENT_UNAVAILABLE},
		{"{}", PAYMENT_UNAVAILABLE},
		{"{\"pays\":null}", PAYMENT_UNAVAILABLE},
		{"{\"pays\":[],\"pays\":[]}", PAYMENT_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NodeCall   *call = asked(NODE_LOOKUP_PAYMENT);

		PLAY(&stage, said(201, cases[i].pays));
		if (call->verdict != cases[i].verdict)
			fail_msg("case %zu: %d", i, (int) call->verdict);
	}
}

static void
L24_a_failure_is_that_of_the_newest_attempt(void **state)
{
	NodeCall   *call = asked(NODE_LOOKUP_PAYMENT);

	PLAY(&stage, said(201, PAYS(FAILED("1795170700") "," FAILED("1795170900") "," FAILED("1795170800"))));
	assert_int_equal(call->verdict, PAYMENT_FAILED);
	assert_true(call->payment.created_at.microseconds == INT64_C(1795170900000000));
	assert_string_equal(call->payment.reference, "3");
	assert_int_equal(call->failure, NODE_FAILURE_OTHER);
	assert_int_equal(stage.node.node.capabilities.failure_rule, FAILURE_AFTER_EXPIRY);
}

static void
L2_a_success_without_a_whole_preimage_says_so(void **state)
{
	NodeCall   *call = asked(NODE_LOOKUP_PAYMENT);

	PLAY(&stage, said(201, PAYS(ENTRY(HASH, "complete", ",\"preimage\":\"5c13\",\"amount_msat\":5,\"amount_sent_msat\":3"))));
	assert_int_equal(call->verdict, PAYMENT_SUCCEEDED);
	assert_false(call->payment.has_preimage);
	assert_int_equal(call->payment.fee.msat, -2);	/* a lie that the caller must stand */
}

/* L4: the node's own answer, and no other. */
static void
L4_what_is_no_answer_is_no_not_found(void **state)
{
	const PeerAct bad[] = {
		said(500, ERROR("208", "no such payment")), {NULL, NULL, PEER_CLOSES}, {NULL, NULL, PEER_RESETS},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 11\r\n\r\n{\"pays\":[]}", NULL, PEER_CLOSES},
		{"HTTP/1.1 401 No\r\nContent-Length: 11\r\n\r\n{\"pays\":[]}", NULL, PEER_CLOSES},
		{"HTTP/1.1 301 Go\r\nLocation: /\r\nContent-Length: 11\r\n\r\n{\"pays\":[]}", NULL, PEER_CLOSES},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"spark\"}\n\n", NULL, PEER_CLOSES},
		{"{\"pays\":[]}\n\n", NULL, PEER_CLOSES},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		NodeCall   *call = asked(NODE_LOOKUP_PAYMENT);

		stage_play(&stage, &bad[i], 1);
		if (call->verdict != PAYMENT_UNAVAILABLE)
			fail_msg("act %zu: %d", i, (int) call->verdict);
		call = asked(NODE_LOOKUP_INVOICE);
		stage_play(&stage, &bad[i], 1);
		assert_int_equal(call->invoice, INVOICE_UNAVAILABLE);
	}
}

/* ----------------------------------------------------------------- invoices */

static void
L30_a_repeated_creation_finds_the_invoice_by_its_label(void **state)
{
	NodeCall   *call = asked(NODE_CREATE_INVOICE);

	call->amount = AMOUNT_MSAT(123456);
	PLAY(&stage, said(201, "{\"payment_hash\":\"" HASH "\",\"expires_at\":1795171374,\"bolt11\":\"lnbcrt1new\",\"payment_secret\":\"8306\",\"created_index\":1,\"warning_deadends\":\"x\"}"));
	assert_true(call->answered);
	assert_string_equal(call->created, "lnbcrt1new");
	assert_true(was_asked("\"label\":\"01900102-0304-7005-8006-0708090a0b0c\""));
	assert_true(was_asked("\"description\":\"a \\\"memo\\\"\""));
	assert_true(was_asked("\"expiry\":60"));
	assert_true(was_asked("\"amount_msat\":123456"));

	call = asked(NODE_CREATE_INVOICE);
	call->amount = AMOUNT_MSAT(123456);
	PLAY(&stage, said(500, ERROR("900", "Duplicate label 'x'")), said(201, INVOICES(INVOICE("unpaid"))));
	assert_true(call->answered);
	assert_string_equal(call->created, "lnbcrt1open");
	assert_true(was_asked("\"label\":\"01900102-0304-7005-8006-0708090a0b0c\""));

	call = asked(NODE_CREATE_INVOICE);
	PLAY(&stage, said(500, ERROR("900", "Duplicate label 'x'")), said(201, INVOICES("")));
	assert_false(call->answered);
	call = asked(NODE_CREATE_INVOICE);
	PLAY(&stage, said(500, ERROR("902", "None of the specified exposeprivatechannels were usable")));
	assert_false(call->answered);
}

static void
L33_an_invoice_is_what_listinvoices_says(void **state)
{
	static const struct
	{
		const char *invoices;
		InvoiceAnswer answer;
	} cases[] = {
		{INVOICES(INVOICE("unpaid")), INVOICE_OPEN}, {INVOICES(INVOICE("expired")), INVOICE_EXPIRED},
		{INVOICES(PAID_INVOICE), INVOICE_SETTLED}, {INVOICES(""), INVOICE_NOT_FOUND},
		{INVOICES(INVOICE("strange")), INVOICE_UNAVAILABLE}, {INVOICES(INVOICE("paid")), INVOICE_UNAVAILABLE},
		{INVOICES(INVOICE("unpaid") "," INVOICE("unpaid")), INVOICE_UNAVAILABLE},
		{INVOICES("{\"payment_hash\":\"" OTHER "\",\"status\":\"expired\"}"), INVOICE_UNAVAILABLE}, {"{}", INVOICE_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NodeCall   *call = asked(NODE_LOOKUP_INVOICE);

		PLAY(&stage, said(201, cases[i].invoices));
		if (call->invoice != cases[i].answer)
			fail_msg("case %zu: %d", i, (int) call->invoice);
		if (call->invoice == INVOICE_SETTLED)
		{
			assert_int_equal(call->received.msat, 123456);
			assert_string_equal(bytes32_hex(stage.arena, call->preimage), PREIMAGE);
		}
	}
}

static void
L37_an_invoice_is_cancelled_by_its_label_while_unpaid(void **state)
{
	static const struct
	{
		const char *invoices;
		int			status;
		const char *deleted;
		CancelAnswer answer;
	} cases[] = {
		{INVOICES(INVOICE("unpaid")), 201, INVOICE("unpaid"), CANCEL_CANCELED},
		{INVOICES(INVOICE("unpaid")), 500, "{\"code\":906,\"message\":\"Invoice status is paid not unpaid\",\"data\":{\"current_status\":\"paid\",\"expected_status\":\"unpaid\"}}", CANCEL_ALREADY_SETTLED},
		{INVOICES(INVOICE("unpaid")), 500, "{\"code\":906,\"message\":\"x\",\"data\":{\"current_status\":\"expired\"}}", CANCEL_CANCELED},
		{INVOICES(INVOICE("unpaid")), 500, ERROR("905", "Unknown invoice"), CANCEL_NOT_FOUND},
		{INVOICES(INVOICE("unpaid")), 500, ERROR("906", "no data"), CANCEL_UNAVAILABLE},
		{INVOICES(INVOICE("unpaid")), 201, "{}", CANCEL_UNAVAILABLE},
		{INVOICES(PAID_INVOICE), 201, "{}", CANCEL_ALREADY_SETTLED},
		{INVOICES(INVOICE("expired")), 201, "{}", CANCEL_CANCELED},
		{INVOICES(""), 201, "{}", CANCEL_NOT_FOUND},
		{"{}", 201, "{}", CANCEL_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NodeCall   *call = asked(NODE_CANCEL_INVOICE);

		PLAY(&stage, said(201, cases[i].invoices), said(cases[i].status, cases[i].deleted));
		if (call->cancel != cases[i].answer)
			fail_msg("case %zu: %d", i, (int) call->cancel);
	}
}

static void
L39_hints_come_one_a_request_until_there_are_no_more(void **state)
{
	NodeCall   *call = asked(NODE_SETTLED_SINCE);

	call->cursor = 6;
	PLAY(&stage, said(201, PAID_INVOICE),
		 said(201, "{\"payment_hash\":\"" OTHER "\",\"status\":\"paid\",\"pay_index\":9}"),
		 said(500, ERROR("904", "Timed out while waiting for invoice to be paid")));
	assert_true(call->answered);
	assert_int_equal(call->settled_count, 2);
	assert_string_equal(bytes32_hex(stage.arena, call->settled[1]), OTHER);
	assert_int_equal(call->next_cursor, 9);
	assert_true(was_asked("\"lastpay_index\":9"));

	/* An index that does not grow ends it, or it would never end. */
	call = asked(NODE_SETTLED_SINCE);
	call->cursor = 7;
	PLAY(&stage, said(201, PAID_INVOICE));
	assert_false(call->answered);
	assert_int_equal(call->next_cursor, 7);
	assert_int_equal(stage.peer.requests, 1);
	call = asked(NODE_SETTLED_SINCE);
	PLAY(&stage, {NULL, NULL, PEER_RESETS});
	assert_false(call->answered);
}

/* ----------------------------------------------------- identity and the rest */

static void
L11_it_says_who_it_is_and_whether_it_forgets(void **state)
{
	NodeCall   *call = asked(NODE_IDENTIFY);

	PLAY(&stage, said(201, INFO("v26.06.6", "")), said(201, CONFIGS));
	assert_true(call->answered);
	assert_true(call->identity.ready);
	assert_string_equal(call->identity.node_id, NODE_ID);
	assert_string_equal(call->identity.network, "regtest");
	assert_string_equal(call->identity.version, "v26.06.6");
	assert_int_equal(call->identity.keeps_seconds, 3600);
	assert_null(call->identity.warning);
	assert_int_equal(stage.node.notes.version, 2606);

	call = asked(NODE_IDENTIFY);
	PLAY(&stage, said(201, INFO("v26.06.6", ",\"warning_bitcoind_sync\":\"Bitcoind is not up-to-date\"")), said(500, ERROR("-32601", "no")));
	assert_true(call->answered);
	assert_false(call->identity.ready);
	assert_non_null(strstr(call->words, "newest blocks"));
	assert_non_null(strstr(call->identity.warning, "listconfigs"));

	call = asked(NODE_IDENTIFY);
	PLAY(&stage, said(201, INFO("v25.12", "")), said(201, "{\"configs\":{}}"));
	assert_true(call->identity.ready);
	assert_int_equal(call->identity.keeps_seconds, 0);
	assert_non_null(strstr(call->identity.warning, "v26.06"));
	call = asked(NODE_IDENTIFY);
	PLAY(&stage, said(201, INFO("v24.08.1", "")), said(201, "{\"configs\":{}}"));
	assert_true(call->answered);
	assert_false(call->identity.ready);
	call = asked(NODE_IDENTIFY);
	PLAY(&stage, said(201, "{\"id\":5}"));
	assert_false(call->answered);
	assert_int_equal(stage.peer.requests, 1);
}

static void
L44_its_balance_leaves_out_what_is_under_way(void **state)
{
	NodeCall   *call = asked(NODE_BALANCE);

	PLAY(&stage, said(201, "{\"channels\":["
		"{\"state\":\"CHANNELD_NORMAL\",\"to_us_msat\":1000,\"htlcs\":[{\"direction\":\"out\",\"amount_msat\":300},{\"direction\":\"in\",\"amount_msat\":9}]},"
		"{\"state\":\"ONCHAIN\",\"to_us_msat\":5000},{\"state\":\"CHANNELD_NORMAL\",\"to_us_msat\":20}]}"));
	assert_true(call->answered);
	assert_int_equal(call->balance.local.msat, 720);
	assert_int_equal(call->balance.in_flight.msat, 300);
	call = asked(NODE_BALANCE);
	PLAY(&stage, said(201, "{\"channels\":[{\"state\":\"CHANNELD_NORMAL\",\"to_us_msat\":9223372036854775807},{\"state\":\"CHANNELD_NORMAL\",\"to_us_msat\":1}]}"));
	assert_false(call->answered);
}

static void
L43_it_lists_what_it_paid_and_was_paid(void **state)
{
	NodeCall   *call = asked(NODE_LIST_PAYMENTS);

	call->cursor = 3;
	PLAY(&stage, said(201, PAYS(FAILED("1795170700") "," PENDING "," COMPLETE)));
	assert_true(call->answered);
	assert_int_equal(call->listed_count, 3);
	assert_int_equal(call->next_cursor, 6);
	assert_int_equal(call->payments[2].state, PAYMENT_SUCCEEDED);
	assert_int_equal(call->payments[2].fee.msat, 10);
	assert_int_equal(call->payments[1].amount.msat, 123456);
	assert_true(was_asked("\"start\":3"));
	call = asked(NODE_LIST_PAYMENTS);
	call->cursor = 5;
	PLAY(&stage, said(201, PAYS(FAILED("1795170700"))));
	assert_false(call->answered);	/* the list goes backwards */

	call = asked(NODE_LIST_INVOICES);
	PLAY(&stage, said(201, INVOICES(PAID_INVOICE "," INVOICE("unpaid"))));
	assert_true(call->answered);
	assert_int_equal(call->listed_count, 2);
	assert_int_equal(call->invoices[0].state, INVOICE_SETTLED);
	assert_int_equal(call->invoices[0].received.msat, 123456);
	assert_int_equal(call->invoices[1].state, INVOICE_OPEN);
}

#define IN_PARTS(hash, index, parts) ENTRY(hash, "complete", ",\"created_at\":1795170700,\"preimage\":\"" PREIMAGE "\",\"amount_msat\":123456,\"amount_sent_msat\":123466,\"created_index\":" index parts)

/*
 * A limit counts parts, of which a row puts several together: a short page is not
 * the last one, and what is left of a payment behind the cursor is no second payment.
 */
static void
L43_a_payment_in_parts_is_listed_once(void **state)
{
	NodeCall   *call = asked(NODE_LIST_PAYMENTS);

	PLAY(&stage, said(201, PAYS(IN_PARTS(HASH, "10", ",\"number_of_parts\":3") "," IN_PARTS(OTHER, "13", ""))));
	assert_true(call->answered);
	assert_int_equal(call->listed_count, 2);
	assert_true(call->has_more);
	assert_int_equal(call->next_cursor, 14);

	call = asked(NODE_LIST_PAYMENTS);
	PLAY(&stage, said(201, PAYS(IN_PARTS(HASH, "10", ",\"number_of_parts\":3"))));
	assert_int_equal(call->listed_count, 1);
	assert_int_equal(call->next_cursor, 11);
	call = asked(NODE_LIST_PAYMENTS);
	call->cursor = 11;
	PLAY(&stage, said(201, PAYS(IN_PARTS(HASH, "11", ",\"number_of_parts\":2"))));
	assert_true(call->answered);
	assert_int_equal(call->listed_count, 0);
	assert_true(call->has_more);
	call = asked(NODE_LIST_PAYMENTS);
	call->cursor = 12;
	PLAY(&stage, said(201, PAYS(IN_PARTS(HASH, "12", "") "," IN_PARTS(OTHER, "13", ""))));
	assert_int_equal(call->listed_count, 1);
	call = asked(NODE_LIST_PAYMENTS);
	call->cursor = 14;
	PLAY(&stage, said(201, NO_PAYS));
	assert_true(call->answered);
	assert_false(call->has_more);

	/* and the next time from the beginning */
	call = asked(NODE_LIST_PAYMENTS);
	PLAY(&stage, said(201, PAYS(IN_PARTS(HASH, "10", ",\"number_of_parts\":3"))));
	assert_int_equal(call->listed_count, 1);
}

static void
L58_a_rune_is_checked_and_never_repeated(void **state)
{
	static const char *const bad[] = {"", "short", "{\"rune\":\"" RUNE "\"}", RUNE " " RUNE, RUNE "\nx"};
	NodeConnection connection = {.node = "cln", .url = "http://127.0.0.1:1"};
	HttpNode	node;
	NodeCall   *call;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		http_node_init(&node, &cln_dialect);
		assert_non_null(http_node_connect(&node, &connection, (const uint8_t *) bad[i], strlen(bad[i])));
		http_node_end(&node);
	}
	call = asked(NODE_LOOKUP_PAYMENT);
	PLAY(&stage, stage_reply(&stage, 401, "{\"code\":1501,\"message\":\"Not permitted: " RUNE "\"}"));
	assert_non_null(strstr(call->words, "left out"));
	assert_null(strstr(call->words, "KUhZ"));
}

int
main(void)
{
#define BOTH(test) \
	{#test ": clnrest", test, begin_rest, end, NULL}, {#test ": socket", test, begin_socket, end, NULL}
	const struct CMUnitTest tests[] = {
		BOTH(a_payment_that_xpay_made_is_settled),
		BOTH(L5_what_broke_on_the_way_is_ambiguous),
		BOTH(L5_a_node_that_is_silent_or_says_too_much_is_ambiguous),
		BOTH(L52_nothing_is_sent_where_nobody_listens),
		BOTH(F4_an_error_of_xpay_counts_only_with_listpays),
		BOTH(F5_before_v26_06_no_error_of_xpay_is_a_verdict),
		BOTH(a_refusal_whose_look_up_breaks_is_ambiguous),
		BOTH(F5_all_entries_of_a_hash_are_judged_together),
		BOTH(L24_a_failure_is_that_of_the_newest_attempt),
		BOTH(L2_a_success_without_a_whole_preimage_says_so),
		BOTH(L4_what_is_no_answer_is_no_not_found),
		BOTH(L30_a_repeated_creation_finds_the_invoice_by_its_label),
		BOTH(L33_an_invoice_is_what_listinvoices_says),
		BOTH(L37_an_invoice_is_cancelled_by_its_label_while_unpaid),
		BOTH(L39_hints_come_one_a_request_until_there_are_no_more),
		BOTH(L11_it_says_who_it_is_and_whether_it_forgets),
		BOTH(L44_its_balance_leaves_out_what_is_under_way),
		BOTH(L43_it_lists_what_it_paid_and_was_paid),
		BOTH(L43_a_payment_in_parts_is_listed_once),
		{"L58_a_rune_is_checked_and_never_repeated", L58_a_rune_is_checked_and_never_repeated, begin_rest, end, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
