/*
 * test_lnd.c
 *		What is asked of LND, and what its replies are taken for: as it says them,
 *		and as a node that lies or breaks would.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lightning/bytes32.h"
#include "lightning/lnd.h"
#include "lightning/lnd_replies.h"

#include "fault_peer.h"

#define HASH "a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0"
#define HASH64 "oaKjpKWmp6ipqqusra6vsLGys7S1tre4ubq7vL2+v8A="
#define OTHER "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
#define OTHER64 "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define PREIMAGE "5c13000000000000000000000000000000000000000000000000000000000835"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define NODE_ID "02ca00000000000000000000000000000000000000000000000000000000000001"

#define PAYMENT_OF(hash, status, preimage, more) \
	"{\"result\":{\"payment_hash\":\"" hash "\",\"value_msat\":\"50000\",\"status\":\"" status "\",\"fee_msat\":\"1001\"," \
	"\"payment_preimage\":\"" preimage "\",\"payment_index\":\"7\",\"creation_time_ns\":\"1700000000000000000\"" more "}}"
#define PAYMENT(status, preimage, more) PAYMENT_OF(HASH, status, preimage, more)
#define ERROR(code, message) "{\"error\":{\"code\":" code ",\"message\":\"" message "\",\"details\":[]}}"
#define UNARY_ERROR(code, message) "{\"code\":" code ",\"message\":\"" message "\",\"details\":[]}"
#define NOT_INITIATED ERROR("5", "payment isn't initiated")

static BumpArena memory;
static NodeCall call;

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

static void
fresh(NodeOperation operation)
{
	call = (NodeCall) {.operation = operation, .arena = &memory.arena, .max_fee = AMOUNT_MSAT(5000)};
	assert_true(bytes32_parse(HASH, &call.payment_hash));
	node_call_give_up(&call);
	call.done = false;
}

static HttpReply
said(int status, const char *body)
{
	return (HttpReply) {.transport = HTTP_REPLIED, .status = status, .body = body, .length = strlen(body), .words = ""};
}

static HttpReply
broken(HttpTransport transport)
{
	return (HttpReply) {.transport = transport, .problem = HTTP_CUT, .status = 200, .body = "{\"result\"", .length = 9, .words = "cut"};
}

static SubmitAnswer
paid(int status, const char *body, LndNext *next)
{
	HttpReply	reply = said(status, body);
	NodeFailure failure = NODE_FAILURE_NONE;

	fresh(NODE_PAY);
	*next = lnd_hear_paid(&call, &reply, &failure);
	return call.submit;
}

static PaymentAnswer
looked_up(int status, const char *body)
{
	HttpReply	reply = said(status, body);

	fresh(NODE_LOOKUP_PAYMENT);
	lnd_hear_payment(&call, &reply);
	return call.verdict;
}

/* ----------------------------------------------------------------- payments */

static void
a_payment_is_what_its_own_line_says(void **state)
{
	LndNext		next;

	assert_int_equal(paid(200, PAYMENT("IN_FLIGHT", ZEROS, ""), &next), SUBMIT_ACKED);
	assert_int_equal(paid(200, PAYMENT("INITIATED", ZEROS, ""), &next), SUBMIT_ACKED);
	assert_int_equal(paid(200, PAYMENT("SUCCEEDED", PREIMAGE, ""), &next), SUBMIT_SETTLED);
	assert_true(call.payment.has_preimage);
	assert_string_equal(bytes32_hex(&memory.arena, call.payment.preimage), PREIMAGE);
	assert_int_equal(call.payment.amount.msat, 50000);
	assert_int_equal(call.payment.fee.msat, 1001);
	assert_string_equal(call.payment.reference, "7");
	assert_true(call.payment.created_at.microseconds == INT64_C(1700000000000000));
	assert_int_equal(paid(200, PAYMENT("FAILED", ZEROS, ",\"failure_reason\":\"FAILURE_REASON_NO_ROUTE\""), &next), SUBMIT_REJECTED);
	assert_int_equal(call.failure, NODE_FAILURE_NO_ROUTE);
	assert_int_equal(next, LND_DONE);
}

static void
L5_what_broke_on_the_way_is_ambiguous(void **state)
{
	static const struct
	{
		int			status;
		const char *body;
	} bad[] = {
		{200, ""}, {200, "garbage"}, {200, "[]"}, {200, "{}"}, {200, "{\"result\":{}}"},
		{200, ERROR("5", "payment isn't initiated")}, {307, PAYMENT("SUCCEEDED", PREIMAGE, "")}, {408, ""},
		{500, ""}, {502, "<html>bad gateway</html>"}, {503, ERROR("14", "unavailable")}, {504, ERROR("4", "deadline")},
		{409, ERROR("6", "invoice is already paid")}, {500, "{\"error\":\"Too many requests\"}"}, {500, ERROR("\"2\"", "x")},
		{200, PAYMENT("STRANGE", ZEROS, "")}, {200, PAYMENT("SUCCEEDED", PREIMAGE, ",\"fee_msat\":\"1\"")},
		{200, "{\"result\":{\"payment_hash\":\"" HASH "\",\"status\":\"SUCCEEDED\",\"payment_preimage\":\"" PREIMAGE "\",\"value_msat\":\"1e3\",\"fee_msat\":\"0\"}}"},
		{404, "not found"}, {404, NOT_INITIATED "x"}, {201, PAYMENT("IN_FLIGHT", ZEROS, "")},
	};
	LndNext		next;
	NodeFailure failure;
	HttpReply	reply;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		if (paid(bad[i].status, bad[i].body, &next) != SUBMIT_AMBIGUOUS || next != LND_DONE)
			fail_msg("%d %s", bad[i].status, bad[i].body);
	}
	fresh(NODE_PAY);
	reply = broken(HTTP_NO_REPLY);
	assert_int_equal(lnd_hear_paid(&call, &reply, &failure), LND_DONE);
	assert_int_equal(call.submit, SUBMIT_AMBIGUOUS);
	fresh(NODE_PAY);
	reply = broken(HTTP_NOT_SENT);
	assert_int_equal(lnd_hear_paid(&call, &reply, &failure), LND_DONE);
	assert_int_equal(call.submit, SUBMIT_NOT_SENT);
}

static void
a_node_that_lies_about_the_payment_is_not_believed(void **state)
{
	LndNext		next;

	assert_int_equal(paid(200, PAYMENT_OF(OTHER, "SUCCEEDED", PREIMAGE, ""), &next), SUBMIT_AMBIGUOUS);
	assert_int_equal(paid(200, PAYMENT_OF(OTHER, "FAILED", ZEROS, ""), &next), SUBMIT_AMBIGUOUS);
	assert_int_equal(paid(200, PAYMENT("SUCCEEDED\xff", PREIMAGE, ""), &next), SUBMIT_AMBIGUOUS);
	assert_int_equal(looked_up(200, PAYMENT_OF(OTHER, "FAILED", ZEROS, "")), PAYMENT_UNAVAILABLE);
	/* A short preimage is none; whether a whole one fits is for the caller to see, as is a fee below zero. */
	assert_int_equal(paid(200, PAYMENT("SUCCEEDED", "5c13", ""), &next), SUBMIT_SETTLED);
	assert_false(call.payment.has_preimage);
	assert_int_equal(looked_up(200, "{\"result\":{\"payment_hash\":\"" HASH "\",\"status\":\"SUCCEEDED\",\"payment_preimage\":\""
							   PREIMAGE "\",\"value_msat\":\"50000\",\"fee_msat\":\"-7\"}}"), PAYMENT_SUCCEEDED);
	assert_int_equal(call.payment.fee.msat, -7);
}

static void
a_refusal_counts_only_if_the_payment_is_unknown_afterwards(void **state)
{
	LndNext		next;
	HttpReply	reply;

	assert_int_equal(paid(500, ERROR("2", "invoice expired. Valid until 2026"), &next), SUBMIT_AMBIGUOUS);
	assert_int_equal(next, LND_TRACK);
	reply = said(404, NOT_INITIATED);
	lnd_hear_refused(&call, &reply, NODE_FAILURE_EXPIRED);
	assert_int_equal(call.submit, SUBMIT_REJECTED);
	assert_int_equal(call.failure, NODE_FAILURE_EXPIRED);
	assert_non_null(strstr(call.words, "invoice expired"));

	static const struct
	{
		int			status;
		const char *body;
		SubmitAnswer answer;
	} tracked[] = {
		{200, PAYMENT("IN_FLIGHT", ZEROS, ""), SUBMIT_ACKED}, {200, PAYMENT("SUCCEEDED", PREIMAGE, ""), SUBMIT_SETTLED},
		{200, PAYMENT("FAILED", ZEROS, ""), SUBMIT_AMBIGUOUS}, {404, "page not found", SUBMIT_AMBIGUOUS},
		{404, ERROR("5", "no such endpoint"), SUBMIT_AMBIGUOUS}, {500, ERROR("5", "payment isn't initiated"), SUBMIT_AMBIGUOUS},
		{500, ERROR("2", "starting up"), SUBMIT_AMBIGUOUS}, {200, NOT_INITIATED, SUBMIT_AMBIGUOUS},
	};

	for (size_t i = 0; i < sizeof(tracked) / sizeof(tracked[0]); i++)
	{
		(void) paid(500, ERROR("2", "invalid bech32 string length 6"), &next);
		reply = said(tracked[i].status, tracked[i].body);
		lnd_hear_refused(&call, &reply, NODE_FAILURE_BAD_INVOICE);
		assert_int_equal(call.submit, tracked[i].answer);
	}
	(void) paid(500, ERROR("2", "x"), &next);
	reply = broken(HTTP_NOT_SENT);
	lnd_hear_refused(&call, &reply, NODE_FAILURE_OTHER);
	assert_int_equal(call.submit, SUBMIT_AMBIGUOUS);
}

static void
L58_what_the_macaroon_may_not_do_is_told_from_what_did_not_work(void **state)
{
	HttpReply	reply = said(500, ERROR("2", "permission denied"));
	Bytes32		hash = {{0}};

	node_call_give_up(&call);
	lnd_hear_invoice(&call, &reply);
	assert_int_equal(call.invoice, INVOICE_UNAVAILABLE);
	assert_int_equal(call.failure, NODE_FAILURE_NOT_ALLOWED);
	node_call_give_up(&call);
	assert_int_equal(lnd_hear_created(&call, &reply, &hash), LND_DONE);
	assert_int_equal(call.failure, NODE_FAILURE_NOT_ALLOWED);
	node_call_give_up(&call);
	reply = said(500, ERROR("2", "the RPC server is in the process of starting up"));
	lnd_hear_invoice(&call, &reply);
	assert_int_equal(call.failure, NODE_FAILURE_NONE);
}

/* A macaroon may track and not send: that is no word about the payment. */
static void
L20_what_the_macaroon_may_not_pay_was_not_begun(void **state)
{
	static const char *const refusals[] = {ERROR("2", "permission denied"), ERROR("7", "not for you")};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
	{
		HttpReply	reply = said(500, refusals[i]);
		NodeFailure failure;
		LndNext		next;

		(void) paid(500, refusals[i], &next);
		assert_int_equal(next, LND_TRACK);
		assert_int_equal(lnd_hear_paid(&call, &reply, &failure), LND_TRACK);
		assert_int_equal(failure, NODE_FAILURE_NOT_ALLOWED);
		reply = said(404, NOT_INITIATED);
		lnd_hear_refused(&call, &reply, failure);
		assert_int_equal(call.submit, SUBMIT_NOT_ALLOWED);
		assert_non_null(call.words);
		/* and where it may not track either, nobody knows */
		(void) paid(500, refusals[i], &next);
		reply = said(500, refusals[i]);
		lnd_hear_refused(&call, &reply, failure);
		assert_int_equal(call.submit, SUBMIT_AMBIGUOUS);
	}
}

static void
L4_unknown_is_only_what_lnd_itself_calls_so(void **state)
{
	assert_int_equal(looked_up(404, NOT_INITIATED), PAYMENT_NOT_FOUND);
	assert_int_equal(looked_up(404, UNARY_ERROR("5", "payment isn't initiated")), PAYMENT_NOT_FOUND);
	assert_int_equal(looked_up(404, "{}"), PAYMENT_UNAVAILABLE);
	assert_int_equal(looked_up(404, "404 page not found"), PAYMENT_UNAVAILABLE);
	assert_int_equal(looked_up(404, UNARY_ERROR("5", "Not Found")), PAYMENT_UNAVAILABLE);
	assert_int_equal(looked_up(404, ERROR("2", "payment isn't initiated")), PAYMENT_UNAVAILABLE);
	assert_int_equal(looked_up(500, NOT_INITIATED), PAYMENT_UNAVAILABLE);
	assert_int_equal(looked_up(200, NOT_INITIATED), PAYMENT_UNAVAILABLE);
	assert_int_equal(looked_up(500, ERROR("2", "the RPC server is in the process of starting up")), PAYMENT_UNAVAILABLE);
	assert_non_null(strstr(call.words, "starting up"));
	assert_int_equal(looked_up(200, PAYMENT("FAILED", ZEROS, ",\"failure_reason\":\"FAILURE_REASON_INCORRECT_PAYMENT_DETAILS\"")),
					 PAYMENT_FAILED);
	assert_int_equal(call.failure, NODE_FAILURE_REFUSED_BY_PAYEE);
	assert_int_equal(looked_up(200, PAYMENT("IN_FLIGHT", ZEROS, ",\"failure_reason\":\"FAILURE_REASON_TIMEOUT\"")), PAYMENT_PENDING);
}

/* ----------------------------------------------------------------- invoices */

static InvoiceAnswer
invoice(int status, const char *body)
{
	HttpReply	reply = said(status, body);

	fresh(NODE_LOOKUP_INVOICE);
	lnd_hear_invoice(&call, &reply);
	return call.invoice;
}

#define INVOICE(hash, state, more) "{\"r_hash\":\"" hash "\",\"state\":\"" state "\"" more "}"

static void
an_invoice_is_what_lnd_says_of_that_very_one(void **state)
{
	assert_int_equal(invoice(200, INVOICE(HASH64, "OPEN", "")), INVOICE_OPEN);
	assert_int_equal(invoice(200, INVOICE(HASH64, "ACCEPTED", "")), INVOICE_HELD);
	assert_int_equal(invoice(200, INVOICE(HASH64, "CANCELED", "")), INVOICE_CANCELED);
	assert_int_equal(invoice(200, INVOICE(HASH64, "SETTLED", ",\"amt_paid_msat\":\"250000\",\"r_preimage\":\"" OTHER64 "\"")), INVOICE_SETTLED);
	assert_int_equal(call.received.msat, 250000);
	assert_string_equal(bytes32_hex(&memory.arena, call.preimage), OTHER);
	assert_int_equal(invoice(200, INVOICE(HASH64, "SETTLED", ",\"amt_paid_msat\":\"250000\"")), INVOICE_UNAVAILABLE);
	assert_int_equal(invoice(200, INVOICE(HASH64, "SETTLED", ",\"amt_paid_msat\":\"2.5\",\"r_preimage\":\"" OTHER64 "\"")), INVOICE_UNAVAILABLE);
	assert_int_equal(invoice(200, INVOICE(OTHER64, "SETTLED", ",\"amt_paid_msat\":\"250000\",\"r_preimage\":\"" OTHER64 "\"")), INVOICE_UNAVAILABLE);
	assert_int_equal(invoice(200, INVOICE(HASH64, "PAID", "")), INVOICE_UNAVAILABLE);
	assert_int_equal(invoice(404, UNARY_ERROR("5", "unable to locate invoice")), INVOICE_NOT_FOUND);
	assert_int_equal(invoice(404, UNARY_ERROR("5", "Not Found")), INVOICE_UNAVAILABLE);
	assert_int_equal(invoice(404, "404 page not found"), INVOICE_UNAVAILABLE);
	assert_int_equal(invoice(500, UNARY_ERROR("2", "wallet locked")), INVOICE_UNAVAILABLE);
}

static void
L30_an_invoice_is_ours_or_was_made_before(void **state)
{
	Bytes32		hash;
	HttpReply	reply = said(200, "{\"r_hash\":\"" HASH64 "\",\"payment_request\":\"lnbcrt1\",\"add_index\":\"5\"}");

	assert_true(bytes32_parse(HASH, &hash));
	fresh(NODE_CREATE_INVOICE);
	assert_int_equal(lnd_hear_created(&call, &reply, &hash), LND_DONE);
	assert_true(call.answered);
	assert_string_equal(call.created, "lnbcrt1");
	reply = said(200, "{\"r_hash\":\"" OTHER64 "\",\"payment_request\":\"lnbcrt1\"}");
	fresh(NODE_CREATE_INVOICE);
	assert_int_equal(lnd_hear_created(&call, &reply, &hash), LND_DONE);
	assert_false(call.answered);
	reply = said(500, UNARY_ERROR("2", "invoice with payment hash already exists"));
	fresh(NODE_CREATE_INVOICE);
	assert_int_equal(lnd_hear_created(&call, &reply, &hash), LND_LOOK_UP);
	reply = said(200, INVOICE(HASH64, "OPEN", ",\"payment_request\":\"lnbcrt1\""));
	lnd_hear_created_before(&call, &reply, &hash);
	assert_true(call.answered);
	assert_null(call.words);
}

static CancelAnswer
cancelled(int status, const char *body)
{
	HttpReply	reply = said(status, body);

	fresh(NODE_CANCEL_INVOICE);
	lnd_hear_cancelled(&call, &reply);
	return call.cancel;
}

static void
L37_cancelled_is_an_empty_object_and_nothing_else(void **state)
{
	assert_int_equal(cancelled(200, "{}"), CANCEL_CANCELED);
	assert_int_equal(cancelled(200, "{\"a\":1}"), CANCEL_UNAVAILABLE);
	assert_int_equal(cancelled(200, ""), CANCEL_UNAVAILABLE);
	assert_int_equal(cancelled(500, UNARY_ERROR("2", "invoice already settled")), CANCEL_ALREADY_SETTLED);
	assert_int_equal(cancelled(404, UNARY_ERROR("5", "unable to locate invoice")), CANCEL_NOT_FOUND);
	assert_int_equal(cancelled(500, UNARY_ERROR("2", "x")), CANCEL_UNAVAILABLE);
	assert_int_equal(cancelled(302, "{}"), CANCEL_UNAVAILABLE);
}

static void
a_hint_moves_the_cursor_forward_only(void **state)
{
	HttpReply	reply = said(200, "{\"result\":" INVOICE(OTHER64, "SETTLED", ",\"settle_index\":\"9\"") "}");

	fresh(NODE_SETTLED_SINCE);
	call.cursor = 4;
	lnd_hear_settled(&call, &reply);
	assert_true(call.answered);
	assert_int_equal(call.settled_count, 1);
	assert_string_equal(bytes32_hex(&memory.arena, call.settled[0]), OTHER);
	assert_int_equal(call.next_cursor, 9);
	fresh(NODE_SETTLED_SINCE);
	call.cursor = 20;
	call.next_cursor = 20;
	lnd_hear_settled(&call, &reply);
	assert_int_equal(call.next_cursor, 20);
	reply = said(200, "{\"result\":" INVOICE(OTHER64, "OPEN", ",\"settle_index\":\"0\"") "}");
	fresh(NODE_SETTLED_SINCE);
	lnd_hear_settled(&call, &reply);
	assert_int_equal(call.settled_count, 0);
	assert_true(lnd_is_settled("{\"state\": \"SETTLED\"}", 0));
	assert_false(lnd_is_settled("{\"state\":\"OPEN\"}", 0));
}

/* ------------------------------------------------------------ node and lists */

#define INFO(network, synced, active, inactive, version) \
	"{\"identity_pubkey\":\"" NODE_ID "\",\"chains\":[{\"chain\":\"bitcoin\",\"network\":\"" network "\"}],\"synced_to_chain\":" synced "," \
	"\"num_active_channels\":" active ",\"num_inactive_channels\":" inactive ",\"version\":\"" version "\"}"

static void
identify(int status, const char *body)
{
	HttpReply	reply = said(status, body);

	fresh(NODE_IDENTIFY);
	lnd_hear_identity(&call, &reply);
}

static void
L11_who_it_is_and_whether_it_is_ready(void **state)
{
	HttpReply	reply;

	identify(200, INFO("regtest", "true", "2", "1", "0.21.2-beta commit=x"));
	assert_true(call.answered);
	assert_true(call.identity.ready);
	assert_string_equal(call.identity.network, "regtest");
	assert_string_equal(call.identity.node_id, NODE_ID);
	assert_null(call.identity.warning);
	identify(200, INFO("mainnet", "true", "0", "0", "0.21.2-beta"));
	assert_string_equal(call.identity.network, "bitcoin");
	assert_true(call.identity.ready);
	identify(200, INFO("regtest", "false", "1", "0", "0.21.2-beta"));
	assert_true(call.answered);
	assert_false(call.identity.ready);
	identify(200, INFO("regtest", "true", "0", "3", "0.21.2-beta"));
	assert_false(call.identity.ready);
	identify(200, "{\"identity_pubkey\":\"" NODE_ID "\",\"chains\":[],\"synced_to_chain\":true}");
	assert_false(call.answered);
	identify(500, UNARY_ERROR("2", "verification failed: signature mismatch after caveat verification"));
	assert_false(call.answered);
	assert_non_null(strstr(call.words, "signature mismatch"));
	reply = said(200, "{\"state\":\"LOCKED\"}");
	lnd_hear_state(&call, &reply);
	assert_string_equal(call.words, "its wallet is locked");
	identify(500, UNARY_ERROR("2", "x"));
	reply = said(200, "{\"state\":\"SERVER_ACTIVE\"}");
	lnd_hear_state(&call, &reply);
	assert_string_equal(call.words, "x");
}

/* Up to 0.18.5 a node can be robbed: it works, and an operator is told. */
static void
L80_an_old_version_is_warned_of(void **state)
{
	static const struct
	{
		const char *version;
		bool		warns;
	} cases[] = {
		{"0.1.0-beta", true}, {"0.9.9-beta", true}, {"0.17.9-beta", true}, {"0.18.5-beta", true}, {"0.18.5-beta.rc1 commit=v0.18.5", true},
		{"0.18.6-beta", false}, {"0.18.10-beta", false}, {"0.19.0-beta", false}, {"0.21.2-beta commit=x", false}, {"1.0.0", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		info[400];

		snprintf(info, sizeof(info), INFO("regtest", "true", "1", "0", "%s"), cases[i].version);
		identify(200, info);
		assert_true(call.answered);
		assert_true(call.identity.ready);
		if ((call.identity.warning != NULL) != cases[i].warns)
			fail_msg("%s: %s", cases[i].version, call.identity.warning == NULL ? "no warning" : call.identity.warning);
	}
}

static void
balances_and_lists_are_read_whole_or_not(void **state)
{
	HttpReply	reply = said(200, "{\"local_balance\":{\"sat\":\"5\",\"msat\":\"5999\"},\"unsettled_remote_balance\":{\"msat\":\"7\"}}");

	fresh(NODE_BALANCE);
	lnd_hear_balance(&call, &reply);
	assert_true(call.answered);
	assert_int_equal(call.balance.local.msat, 5999);
	assert_int_equal(call.balance.in_flight.msat, 7);
	reply = said(200, "{\"balance\":\"5\"}");
	fresh(NODE_BALANCE);
	lnd_hear_balance(&call, &reply);
	assert_false(call.answered);

	reply = said(200, "{\"payments\":[{\"payment_hash\":\"" HASH "\",\"value_msat\":\"5\",\"fee_msat\":\"1\",\"status\":\"SUCCEEDED\","
				 "\"creation_time_ns\":\"1700000000000000000\"},{\"payment_hash\":\"" OTHER "\",\"value_msat\":\"6\",\"fee_msat\":\"0\","
				 "\"status\":\"INITIATED\"}],\"last_index_offset\":\"12\"}");
	fresh(NODE_LIST_PAYMENTS);
	lnd_hear_payments(&call, &reply);
	assert_true(call.answered);
	assert_int_equal(call.listed_count, 2);
	assert_int_equal(call.payments[0].state, PAYMENT_SUCCEEDED);
	assert_int_equal(call.payments[1].state, PAYMENT_PENDING);
	assert_int_equal(call.payments[0].amount.msat, 5);
	assert_int_equal(call.next_cursor, 12);
	assert_false(call.has_more);
	reply = said(200, "{\"payments\":[{\"payment_hash\":\"" HASH "\"}],\"last_index_offset\":\"12\"}");
	fresh(NODE_LIST_PAYMENTS);
	lnd_hear_payments(&call, &reply);
	assert_false(call.answered);
	assert_int_equal(call.listed_count, 0);

	reply = said(200, "{\"invoices\":[{\"r_hash\":\"" HASH64 "\",\"value_msat\":\"5\",\"amt_paid_msat\":\"6\",\"state\":\"SETTLED\","
				 "\"creation_date\":\"1700000000\"}],\"last_index_offset\":\"1\"}");
	fresh(NODE_LIST_INVOICES);
	lnd_hear_invoices(&call, &reply);
	assert_true(call.answered);
	assert_int_equal(call.listed_count, 1);
	assert_int_equal(call.invoices[0].received.msat, 6);
	assert_true(call.invoices[0].created_at.microseconds == INT64_C(1700000000000000));
	reply = said(200, "{\"invoices\":[],\"last_index_offset\":\"0\"}");
	fresh(NODE_LIST_INVOICES);
	lnd_hear_invoices(&call, &reply);
	assert_true(call.answered);
}

/* --------------------------------------------------------------- on the wire */

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define FAILED_HEAD(status) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"

static const uint8_t macaroon[48] = {0x02, 0x01, 0xaa, 0x5b, 0x3c, 0xd1, 0x77, 0x42, 0x9e};

static void
run(HttpNode *node)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	call.deadline = (Instant) {((int64_t) time.tv_sec + 30) * 1000000};
	node->node.start(&node->node, &call);
	while (!call.done)
	{
		struct pollfd wait = {.fd = node->node.descriptor(&node->node), .events = POLLIN};

		assert_int_not_equal(poll(&wait, 1, 60000), 0);
		node->node.progress(&node->node);
	}
	node->node.release(&node->node, &call);
}

static void
talk_to(FaultPeer *peer, HttpNode *node, const PeerAct *acts, size_t count)
{
	NodeConnection connection = {.node = "lnd"};

	peer_begin(peer, acts, count, false);
	connection.url = peer->url;
	http_node_init(node, &lnd_dialect);
	assert_null(http_node_connect(node, &connection, macaroon, sizeof(macaroon)));
}

static void
L1_a_payment_is_one_request_with_the_cap_that_was_reserved(void **state)
{
	static const PeerAct acts[] = {
		{.words = HEAD PAYMENT("IN_FLIGHT", ZEROS, "") "\n", .later_words = PAYMENT("SUCCEEDED", PREIMAGE, "") "\n", .end = PEER_STAYS_SILENT},
		{.words = HEAD PAYMENT("IN_FLIGHT", ZEROS, "") "\n", .end = PEER_RESETS}, {.end = PEER_CLOSES}, {.end = PEER_RESETS},
	};
	static const SubmitAnswer answers[] = {SUBMIT_SETTLED, SUBMIT_ACKED, SUBMIT_AMBIGUOUS, SUBMIT_AMBIGUOUS};
	FaultPeer	peer;
	HttpNode	node;

	talk_to(&peer, &node, acts, 4);
	for (int i = 0; i < 4; i++)
	{
		fresh(NODE_PAY);
		call.payment_request = "lnbcrt500n1abc";
		call.seconds = 60;
		run(&node);
		assert_int_equal(call.submit, answers[i]);
		assert_int_equal(peer_requests(&peer), i + 1);
		assert_int_equal(peer_connections(&peer), i + 1);
		assert_non_null(strstr(peer.last, "POST /v2/router/send HTTP/1.1"));
		assert_non_null(strstr(peer.last, "Grpc-Metadata-Macaroon: 0201aa"));
		assert_non_null(strstr(peer.last, "\"fee_limit_msat\": 5000"));
		assert_non_null(strstr(peer.last, "\"payment_request\": \"lnbcrt500n1abc\""));
		assert_null(strstr(peer.last, "amt_msat"));
	}
	http_node_end(&node);
	peer_end(&peer);
}

static void
L30_the_same_key_asks_for_the_same_invoice(void **state)
{
	static const PeerAct acts[] = {{.words = FAILED_HEAD("500 Error") UNARY_ERROR("2", "no")}};
	FaultPeer	peer;
	HttpNode	node;
	char		first[sizeof(peer.last)];

	talk_to(&peer, &node, acts, 1);
	for (int i = 0; i < 3; i++)
	{
		fresh(NODE_CREATE_INVOICE);
		call.amount = AMOUNT_MSAT(250000);
		call.seconds = 3600;
		call.memo = "a \"memo\"";
		call.key.bytes[0] = i == 2;
		run(&node);
		assert_false(call.answered);
		if (i == 0)
			strcpy(first, peer.last);
		else
			assert_int_equal(strcmp(first, peer.last) == 0, i == 1);
	}
	assert_non_null(strstr(first, "\"value_msat\": 250000"));
	assert_non_null(strstr(first, "\"memo\": \"a \\\"memo\\\"\""));
	assert_non_null(strstr(first, "\"r_preimage\": \""));
	http_node_end(&node);
	peer_end(&peer);
}

/* In whole, a part of it, in capitals, in base64 of its bytes. */
static void
L58_what_repeats_a_part_of_the_macaroon_is_left_out(void **state)
{
	static const char *const said[] = {
		"0201aa5b3cd177429e00000000", "01aa5b3c", "B3CD17742", "AgGqWzzRd0Ke", "aa:5b:3c:d1",
	};

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
	{
		char		words[400];
		PeerAct		act = {.words = words};
		FaultPeer	peer;
		HttpNode	node;

		snprintf(words, sizeof(words), FAILED_HEAD("500 Error") UNARY_ERROR("2", "your macaroon %s is bad"), said[i]);
		talk_to(&peer, &node, &act, 1);
		fresh(NODE_IDENTIFY);
		run(&node);
		assert_false(call.answered);
		assert_non_null(call.words);
		assert_non_null(strstr(call.words, "left out"));
		http_node_end(&node);
		assert_null(node.secrets[0]);
		peer_end(&peer);
	}
}

static void
what_is_no_macaroon_is_refused_before_anything_is_sent(void **state)
{
	NodeConnection connection = {.node = "lnd", .url = "http://127.0.0.1:1"};
	HttpNode	node;

	http_node_init(&node, &lnd_dialect);
	assert_non_null(http_node_connect(&node, &connection, (const uint8_t *) "", 0));
	assert_non_null(http_node_connect(&node, &connection, (const uint8_t *) "0201036c6e6402f801030a10aabbccddeeff0011", 40));
	fresh(NODE_PAY);
	call.payment_request = "lnbcrt1";
	run(&node);
	assert_int_equal(call.submit, SUBMIT_NOT_SENT);
	assert_non_null(strstr(call.words, "macaroon"));
	assert_null(node.client);
	http_node_end(&node);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_payment_is_what_its_own_line_says, begin, end),
		cmocka_unit_test_setup_teardown(L5_what_broke_on_the_way_is_ambiguous, begin, end),
		cmocka_unit_test_setup_teardown(a_node_that_lies_about_the_payment_is_not_believed, begin, end),
		cmocka_unit_test_setup_teardown(a_refusal_counts_only_if_the_payment_is_unknown_afterwards, begin, end),
		cmocka_unit_test_setup_teardown(L58_what_the_macaroon_may_not_do_is_told_from_what_did_not_work, begin, end),
		cmocka_unit_test_setup_teardown(L20_what_the_macaroon_may_not_pay_was_not_begun, begin, end),
		cmocka_unit_test_setup_teardown(L4_unknown_is_only_what_lnd_itself_calls_so, begin, end),
		cmocka_unit_test_setup_teardown(an_invoice_is_what_lnd_says_of_that_very_one, begin, end),
		cmocka_unit_test_setup_teardown(L30_an_invoice_is_ours_or_was_made_before, begin, end),
		cmocka_unit_test_setup_teardown(L37_cancelled_is_an_empty_object_and_nothing_else, begin, end),
		cmocka_unit_test_setup_teardown(a_hint_moves_the_cursor_forward_only, begin, end),
		cmocka_unit_test_setup_teardown(L11_who_it_is_and_whether_it_is_ready, begin, end),
		cmocka_unit_test_setup_teardown(L80_an_old_version_is_warned_of, begin, end),
		cmocka_unit_test_setup_teardown(balances_and_lists_are_read_whole_or_not, begin, end),
		cmocka_unit_test_setup_teardown(L1_a_payment_is_one_request_with_the_cap_that_was_reserved, begin, end),
		cmocka_unit_test_setup_teardown(L30_the_same_key_asks_for_the_same_invoice, begin, end),
		cmocka_unit_test_setup_teardown(L58_what_repeats_a_part_of_the_macaroon_is_left_out, begin, end),
		cmocka_unit_test_setup_teardown(what_is_no_macaroon_is_refused_before_anything_is_sent, begin, end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
