/*
 * test_refused_invoices.c
 *		Which word of a node means that it will not make an invoice, however often
 *		it is asked; all others may be other ones the next time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lightning/cln.h"
#include "lightning/lnbits.h"
#include "lightning/lnd.h"

#include "node_stage.h"

#include <stdio.h>
#include <string.h>

#define KEY "0f3bd8e1a2c44f0d9a6b6b0f4a4f6e11"
#define RUNE "KUhZzNlECC7pYsz3QVbF1TqjIUYi3oyESTI7n60hLMs9MA=="
#define MACAROON "\x02\x01\x03lnd and thirty-two bytes that are none"

#define ERROR(code, message) "{\"code\":" code ",\"message\":\"" message "\",\"details\":[]}"
#define LNBITS(detail, status) "{\"detail\":\"" detail "\",\"status\":\"" status "\"}"

static NodeCall *
asked(NodeStage *stage)
{
	NodeCall   *call = stage_call(stage, NODE_CREATE_INVOICE, 60);

	call->amount = AMOUNT_MSAT(21000);
	call->seconds = 3600;
	return call;
}

static const struct
{
	const NodeDialect *dialect;
	const char *credential;
	int			status;
	const char *said;
	NodeFailure failure;
}			refusals[] = {
	{&lnd_dialect, MACAROON, 500, ERROR("2", "invoice amount 200000 BTC is too large, max is 100000 BTC"), NODE_FAILURE_BAD_INVOICE},
	{&lnd_dialect, MACAROON, 400, ERROR("3", "proto: syntax error"), NODE_FAILURE_NONE},
	{&lnd_dialect, MACAROON, 500, ERROR("2", "the RPC server is in the process of starting up"), NODE_FAILURE_NONE},
	{&lnd_dialect, MACAROON, 500, ERROR("2", "permission denied"), NODE_FAILURE_NOT_ALLOWED},
	{&lnd_dialect, MACAROON, 413, "<html>413: the request is too large, max is 1 kB</html>", NODE_FAILURE_NONE},
	{&lnd_dialect, MACAROON, 200, ERROR("2", "too large, max is 100000 BTC"), NODE_FAILURE_NONE},
	{&cln_dialect, RUNE, 500, ERROR("-32602", "msatoshi cannot exceed 4294967295msat"), NODE_FAILURE_BAD_INVOICE},
	{&cln_dialect, RUNE, 500, ERROR("902", "None of the specified exposeprivatechannels were usable"), NODE_FAILURE_NONE},
	{&cln_dialect, RUNE, 502, ERROR("-32602", "bad gateway"), NODE_FAILURE_NONE},
	{&lnbits_dialect, KEY, 520, LNBITS("Invoice amount 21 sats is too high. Max allowed: 20 sats.", "failed"), NODE_FAILURE_BAD_INVOICE},
	{&lnbits_dialect, KEY, 520, LNBITS("Unable to connect to https://127.0.0.1:35437.", "pending"), NODE_FAILURE_NONE},
	{&lnbits_dialect, KEY, 520, "{\"detail\":\"Could not fetch wallet.\"}", NODE_FAILURE_NONE},
	{&lnbits_dialect, KEY, 520, "{\"status\":\"failed\"}", NODE_FAILURE_NONE},
	{&lnbits_dialect, KEY, 520, LNBITS("Wallet balance cannot exceed 100000 sats.", "failed"), NODE_FAILURE_NONE},
	{&lnbits_dialect, KEY, 500, LNBITS("Invoice amount 21 sats is too high. Max allowed: 20 sats.", "failed"), NODE_FAILURE_NONE},
};

static void
an_invoice_is_refused_by_the_nodes_own_word_about_it(void **state)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
	{
		NodeStage	stage;
		NodeCall   *call;

		stage_begin(&stage, refusals[i].dialect, refusals[i].credential, false);
		call = asked(&stage);
		PLAY(&stage, stage_reply(&stage, refusals[i].status, refusals[i].said));
		assert_false(call->answered);
		assert_non_null(call->words);
		if (call->failure != refusals[i].failure)
			fail_msg("%s %d %s: failure %d", refusals[i].dialect->name, refusals[i].status, refusals[i].said, (int) call->failure);
		stage_end(&stage);
	}
}

static void
what_core_lightning_says_of_a_label_refuses_nothing(void **state)
{
	NodeStage	stage;
	NodeCall   *call;

	stage_begin(&stage, &cln_dialect, RUNE, false);
	call = asked(&stage);
	PLAY(&stage, stage_reply(&stage, 500, ERROR("900", "Duplicate label 'x'")),
		 stage_reply(&stage, 500, ERROR("-32602", "label: invalid token")));
	assert_false(call->answered);
	assert_int_equal(call->failure, NODE_FAILURE_NONE);
	stage_end(&stage);
}

/* It is sent to the node alone, which may repeat what it was asked. */
static void
L41_no_preimage_comes_back_in_words(void **state)
{
	static const char before[] = "\"r_preimage\": \"";
	const char *said = ERROR("2", "no");
	NodeStage	stage;

	stage_begin(&stage, &lnd_dialect, MACAROON, false);
	for (int i = 0; i < 2; i++)
	{
		NodeCall   *call = asked(&stage);
		const char *sent;

		PLAY(&stage, stage_reply(&stage, 500, said));
		assert_false(call->answered);
		assert_non_null(strstr(call->words, i == 0 ? "no" : "left out"));
		sent = strstr(stage.peer.last, before);
		assert_non_null(sent);
		said = arena_printf(stage.arena, ERROR("2", "%.20s.. is too large, max is 1"), sent + strlen(before));
	}
	assert_int_equal(stage.call.failure, NODE_FAILURE_BAD_INVOICE);
	stage_end(&stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invoice_is_refused_by_the_nodes_own_word_about_it),
		cmocka_unit_test(what_core_lightning_says_of_a_label_refuses_nothing),
		cmocka_unit_test(L41_no_preimage_comes_back_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
