/*
 * test_cln_configs.c
 *		What an operator is told of a Core Lightning node that works: by its
 *		configuration, and by what the rune says of itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node_stage.h"

#include "lightning/cln.h"
#include "lightning/cln_rune.h"
#include "lightning/bytes32.h"

#include <string.h>

/* 32 bytes, and behind them the text that stands above each. */
/* =7&method=getinfo|method=listconfigs|method=listpeerchannels|method=invoice|method=listinvoices|method=waitanyinvoice|method=xpay|method=listpays|method=delinvoice */
#define DOCUMENTED "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh89NyZtZXRob2Q9Z2V0aW5mb3xtZXRob2Q9bGlzdGNvbmZpZ3N8bWV0aG9kPWxpc3RwZWVyY2hhbm5lbHN8bWV0aG9kPWludm9pY2V8bWV0aG9kPWxpc3RpbnZvaWNlc3xtZXRob2Q9d2FpdGFueWludm9pY2V8bWV0aG9kPXhwYXl8bWV0aG9kPWxpc3RwYXlzfG1ldGhvZD1kZWxpbnZvaWNl"
/* =7&method=getinfo|method=listconfigs|method=listpeerchannels|method=invoice|method=listinvoices|method=waitanyinvoice|method=delinvoice */
#define RECEIVES "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh89NyZtZXRob2Q9Z2V0aW5mb3xtZXRob2Q9bGlzdGNvbmZpZ3N8bWV0aG9kPWxpc3RwZWVyY2hhbm5lbHN8bWV0aG9kPWludm9pY2V8bWV0aG9kPWxpc3RpbnZvaWNlc3xtZXRob2Q9d2FpdGFueWludm9pY2V8bWV0aG9kPWRlbGludm9pY2U="
/* =3&method^list|method^get|method=summary&method/listdatastore */
#define READS "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh89MyZtZXRob2RebGlzdHxtZXRob2ReZ2V0fG1ldGhvZD1zdW1tYXJ5Jm1ldGhvZC9saXN0ZGF0YXN0b3Jl"

#define NODE_ID "02ca7d8ba7a83b8ab1c9d8fa9d4bd9c9d1b6a7e1a9e6a2f1b2e4dca2d2c8a5f1b3"
#define INFO "{\"id\":\"" NODE_ID "\",\"num_active_channels\":1,\"num_inactive_channels\":0,\"version\":\"v26.06.6\",\"network\":\"regtest\",\"blockheight\":110}"
#define NUMBER(name, value) "\"" name "\":{\"value_int\":" value ",\"source\":\"cmdline\"}"
#define SLOW "\"xpay-slow-mode\":{\"value_bool\":true,\"source\":\"cmdline\"}"
#define QUICK "\"xpay-slow-mode\":{\"value_bool\":false,\"source\":\"default\"}"
#define FORBIDDEN "{\"code\":1502,\"message\":\"Not permitted: method is not equal to getinfo\"}"
#define NO_PAYS "{\"pays\":[]}"
#define ZEROS "0000000000000000"
#define PAYS_IN(status) "{\"pays\":[{\"payment_hash\":\"" ZEROS ZEROS ZEROS ZEROS "\",\"status\":\"" status "\",\"created_at\":1795170775,\"created_index\":4}]}"
#define CONFIGS(entries) "{\"configs\":{" entries "}}"

static NodeStage stage;

static const NodeIdentity *
identity_by(const char *rune, const char *configs)
{
	NodeCall   *call;

	stage_begin(&stage, &cln_dialect, rune, false);
	call = stage_call(&stage, NODE_IDENTIFY, 30);
	PLAY(&stage, stage_reply(&stage, 201, INFO), stage_reply(&stage, 201, configs));
	assert_true(call->answered);
	assert_true(call->identity.ready);
	return &call->identity;
}

static void
warns(const char *rune, const char *configs, const char *words)
{
	const NodeIdentity *identity = identity_by(rune, configs);

	if (words == NULL ? identity->warning != NULL : identity->warning == NULL || strstr(identity->warning, words) == NULL)
		fail_msg("%s: %s", configs, identity->warning == NULL ? "no warning" : identity->warning);
	stage_end(&stage);
}

static void
L45_a_node_that_forgets_paid_invoices_is_named(void **state)
{
	warns(DOCUMENTED, CONFIGS(SLOW), NULL);
	warns(DOCUMENTED, CONFIGS(SLOW "," NUMBER("autoclean-paidinvoices-age", "0")), NULL);
	warns(DOCUMENTED, CONFIGS(SLOW "," NUMBER("autoclean-paidinvoices-age", "1209600")), NULL);
	warns(DOCUMENTED, CONFIGS(SLOW "," NUMBER("autoclean-paidinvoices-age", "1209599")), "forgets paid invoices after 1209599 s");
	warns(DOCUMENTED, CONFIGS(SLOW "," NUMBER("autoclean-paidinvoices-age", "-1")), NULL);
	/* Of payments the age is told as before: nothing is paid by it. */
	assert_int_equal(identity_by(DOCUMENTED, CONFIGS(SLOW "," NUMBER("autoclean-paidinvoices-age", "60")
													 "," NUMBER("autoclean-failedpays-age", "3600")))->keeps_seconds, 3600);
	stage_end(&stage);
}

static void
L22_a_node_that_answers_before_all_parts_have_ended_is_named(void **state)
{
	warns(DOCUMENTED, CONFIGS(QUICK), "xpay-slow-mode=true");
	warns(DOCUMENTED, CONFIGS(""), "xpay-slow-mode=true");
	warns(DOCUMENTED, CONFIGS("\"xpay-slow-mode\":{\"value_bool\":\"true\"}"), "xpay-slow-mode=true");
	warns(DOCUMENTED, CONFIGS(QUICK "," NUMBER("autoclean-paidinvoices-age", "60")), "; the node calls a payment made");
}

static void
a_rune_that_may_not_pay_is_named(void **state)
{
	warns(RECEIVES, CONFIGS(SLOW), "the rune does not allow xpay, listpays");
	warns(READS, CONFIGS(SLOW), "the rune does not allow invoice, waitanyinvoice, xpay, delinvoice");
	warns(READS, "{}", "; the node does not show its configuration");
}

/* The text behind the 32 bytes, as a rune of the page that describes them. */
static bool
allows(const char *restrictions, const char *method)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t		bytes[256] = {0};
	size_t		count = 32 + strlen(restrictions);
	char		rune[400];
	size_t		length = 0;

	memcpy(bytes + 32, restrictions, strlen(restrictions));
	for (size_t bit = 0; bit < count * 8; bit += 6)
	{
		unsigned int two = (unsigned int) bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

		rune[length++] = digits[two >> (10 - bit % 8) & 63];
	}
	rune[length] = '\0';
	return cln_rune_allows(rune, method);
}

static void
each_condition_of_a_rune_is_read(void **state)
{
	static const struct { const char *restrictions; bool xpay; } cases[] = {
		{"=1", true}, {"=1-2", true}, {"method=xpay", true}, {"method=pay", false}, {"method=xpay2", false},
		{"method/xpay", false}, {"method/pay", true}, {"method^x", true}, {"method^pay", false},
		{"method$pay", true}, {"method$xpay ", false}, {"method~pa", true}, {"method~PA", false},
		{"method{y", true}, {"method{x", false}, {"method}x", true}, {"method}y", false},
		{"method<9", false}, {"method>1", false}, {"method!", false}, {"method#a note", true},
		{"method=invoice|method=xpay", true}, {"method=invoice&method=xpay", false},
		{"method^list|method=invoice&rate=60", false}, {"rate=60&pnameamount_msat<100", true},
		{"method=listpays|pnum=1", true}, {"id=02ab&method=xpay", true}, {"time<1&method=pay", false},
		{"method=x\\pay", true}, {"method=pay\\|method=xpay", false}, {"method", true}, {"methods=pay", true}, {"", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (allows(cases[i].restrictions, "xpay") != cases[i].xpay)
			fail_msg("%s", cases[i].restrictions);
	/* What is no rune is the node's to refuse. */
	assert_true(cln_rune_allows("", "xpay"));
	assert_true(cln_rune_allows("not a rune at all", "xpay"));
	assert_true(cln_rune_allows("AAAA", "xpay"));
}

/* The node looks at the rune before it begins anything: the payment waits for a better one, if listpays has nothing against it. */
static void
a_payment_that_the_rune_does_not_allow_is_not_begun(void **state)
{
	static const struct { int status; const char *body; int look_status; const char *look; SubmitAnswer submit; } cases[] = {
		{401, "{\"code\":1501,\"message\":\"Not permitted: Not derived from master\"}", 201, NO_PAYS, SUBMIT_NOT_ALLOWED},
		{401, FORBIDDEN, 201, NO_PAYS, SUBMIT_NOT_ALLOWED}, {401, FORBIDDEN, 401, FORBIDDEN, SUBMIT_NOT_ALLOWED},
		{403, "{\"code\":1501,\"message\":\"Not authorized: Missing rune\"}", 201, NO_PAYS, SUBMIT_NOT_ALLOWED},
		{401, "{\"code\":1503,\"message\":\"Not authorized: Blacklisted rune\"}", 201, NO_PAYS, SUBMIT_NOT_ALLOWED},
		{401, FORBIDDEN, 201, PAYS_IN("pending"), SUBMIT_ACKED}, {401, FORBIDDEN, 201, PAYS_IN("failed"), SUBMIT_AMBIGUOUS},
		{401, FORBIDDEN, 500, "{\"code\":-1,\"message\":\"no\"}", SUBMIT_AMBIGUOUS}, {401, FORBIDDEN, 502, "<html></html>", SUBMIT_AMBIGUOUS},
		{401, "{\"code\":203,\"message\":\"no\"}", 201, NO_PAYS, SUBMIT_AMBIGUOUS}, {401, "<html></html>", 201, NO_PAYS, SUBMIT_AMBIGUOUS},
		{403, "{\"message\":\"Forbidden\"}", 201, NO_PAYS, SUBMIT_AMBIGUOUS}, {403, "{\"code\":1502}", 201, NO_PAYS, SUBMIT_AMBIGUOUS},
		{500, FORBIDDEN, 201, NO_PAYS, SUBMIT_AMBIGUOUS},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NodeCall   *call;

		stage_begin(&stage, &cln_dialect, DOCUMENTED, false);
		stage.node.notes.version = 2606;
		call = stage_call(&stage, NODE_PAY, 30);
		call->payment_request = "lnbcrt1";
		call->seconds = 60;
		PLAY(&stage, stage_reply(&stage, cases[i].status, cases[i].body), stage_reply(&stage, cases[i].look_status, cases[i].look));
		if (call->submit != cases[i].submit)
			fail_msg("%d %s, then %s: %d", cases[i].status, cases[i].body, cases[i].look, (int) call->submit);
		assert_non_null(call->words);
		stage_end(&stage);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L45_a_node_that_forgets_paid_invoices_is_named),
		cmocka_unit_test(L22_a_node_that_answers_before_all_parts_have_ended_is_named),
		cmocka_unit_test(a_rune_that_may_not_pay_is_named),
		cmocka_unit_test(each_condition_of_a_rune_is_read),
		cmocka_unit_test(a_payment_that_the_rune_does_not_allow_is_not_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
