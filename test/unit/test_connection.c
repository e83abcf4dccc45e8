/*
 * test_connection.c
 *		The text that says how a node is reached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lightning/connection.h"

#define THUMB "2A9E68FE5FB40A2E4AD8F4A0D3B5E2F1C0B9A8978685746352413029181706F5"

static BumpArena memory;

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

static const char *
parse(const char *text, NodeConnection *connection)
{
	return connection_parse(&memory.arena, text, connection);
}

static void
what_users_of_btcpay_write_is_read(void **state)
{
	NodeConnection connection;

	assert_null(parse("type=lnd-rest;server=https://mylnd:8080/;macaroonfilepath=/root/.lnd/admin.macaroon;certthumbprint=" THUMB ";",
					  &connection));
	assert_string_equal(connection.node, "lnd");
	assert_string_equal(connection.url, "https://mylnd:8080");
	assert_string_equal(connection.credential_file, "/root/.lnd/admin.macaroon");
	assert_string_equal(connection.thumbprint, "2a9e68fe5fb40a2e4ad8f4a0d3b5e2f1c0b9a8978685746352413029181706f5");
	assert_null(connection.ca_file);
	assert_false(connection.allows_plain);

	assert_null(parse(" Type = clightning ; server = unix://root/.lightning/lightning-rpc ", &connection));
	assert_string_equal(connection.node, "cln");
	assert_string_equal(connection.socket_path, "/root/.lightning/lightning-rpc");
	assert_null(parse("type=clightning;server=unix:///run/rpc", &connection));
	assert_string_equal(connection.socket_path, "/run/rpc");

	assert_null(parse("type=lnd-rest;server=http://lnd/path//;macaroonfilepath=/m;allowinsecure=TRUE", &connection));
	assert_string_equal(connection.url, "http://lnd/path");
	assert_true(connection.allows_plain);

	assert_null(parse("type=lnbits;server=https://demo;apikeyfilepath=/k;pinnedpublickey=sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
					  &connection));
	assert_string_equal(connection.pinned_key, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	assert_null(parse("type=cln;server=https://cln:3010;runefilepath=/r;certfilepath=/ca.pem", &connection));
	assert_string_equal(connection.ca_file, "/ca.pem");
}

static void
whose_node_it_is_stands_in_its_type(void **state)
{
	assert_string_equal(connection_node("server=https://x; TYPE = Lnd-Rest ;colour=red"), "lnd");
	assert_string_equal(connection_node("type=lnbits"), "lnbits");
	assert_null(connection_node(""));
	assert_null(connection_node("type=eclair;server=https://x"));
	assert_null(connection_node("type"));
}

static void
L58_a_secret_in_the_text_is_refused_and_not_repeated(void **state)
{
	static const char *const names[] = {"macaroon", "rune", "api-key", "apikey", "password", "MACAROON"};
	NodeConnection connection;
	char		text[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		const char *problem;

		snprintf(text, sizeof(text), "type=lnd-rest;server=https://l;%s=0201036c6e64", names[i]);
		problem = parse(text, &connection);
		assert_non_null(problem);
		assert_non_null(strstr(problem, "file"));
		assert_null(strstr(problem, "0201036c6e64"));
	}
}

static void
L55_what_others_could_read_on_the_way_is_refused_with_the_remedy(void **state)
{
	static const char *const here[] = {"127.0.0.1", "localhost", "[::1]", "127.1.2.3"};
	static const char *const elsewhere[] = {"lnd", "127.0.0.1.example", "localhost.example", "[::2]", "128.0.0.1", "10.0.0.1"};
	NodeConnection connection;
	char		text[200];

	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
	{
		snprintf(text, sizeof(text), "type=lnd-rest;server=http://%s:8080/x;macaroonfilepath=/m", here[i]);
		assert_null(parse(text, &connection));
	}
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
	{
		snprintf(text, sizeof(text), "type=lnd-rest;server=http://%s:8080/x;macaroonfilepath=/m", elsewhere[i]);
		assert_non_null(parse(text, &connection));
		assert_non_null(strstr(parse(text, &connection), "use https://"));
		strcat(text, ";allowinsecure=true");
		assert_null(parse(text, &connection));
	}
}

static void
of_a_name_that_is_unknown_the_known_ones_are_told(void **state)
{
	NodeConnection connection;

	assert_non_null(strstr(parse("type=lnd-rest;server=https://l;macaroondirectorypath=/m", &connection), "macaroonfilepath"));
}

static void
everything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"", ";;", "type", "type=", "type=lnd-rest", "type=eclair;server=https://e", "server=https://l;macaroonfilepath=/m",
		"type=lnd-rest;server=https://l", "type=lnd-rest;server=l:8080;macaroonfilepath=/m",
		"type=lnd-rest;server=https://;macaroonfilepath=/m", "type=lnd-rest;server=https:///x;macaroonfilepath=/m",
		"type=lnd-rest;server=https://u:p@l;macaroonfilepath=/m", "type=lnd-rest;server=https://l?x=1;macaroonfilepath=/m",
		"type=lnd-rest;server=https://a b;macaroonfilepath=/m", "type=lnd-rest;server=https://\xc3\xa9;macaroonfilepath=/m",
		"type=lnd-rest;server=ftp://l;macaroonfilepath=/m", "type=lnd-rest;server=unix://;macaroonfilepath=/m",
		"type=lnd-rest;server=unix://run/x;macaroonfilepath=/m", "type=lnd-rest;server=https://l;macaroonfilepath=m",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;certfilepath=tls.cert",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;certthumbprint=abcd",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;certthumbprint=" THUMB "00",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;certthumbprint=Z" THUMB,
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;certthumbprint=" THUMB ";certfilepath=/c",
		"type=lnd-rest;server=http://l;macaroonfilepath=/m;certfilepath=/c",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;pinnedpublickey=sha256//AAA",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;pinnedpublickey=/path/of/a/key",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;allowinsecure=yes",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;macaroonfilepath=/n",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;runefilepath=/n",
		"type=lnd-rest;server=https://l;macaroonfilepath=/m;colour=red", "type=clightning;server=https://c",
	};
	NodeConnection connection;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &connection) == NULL)
			fail_msg("was taken: %s", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_users_of_btcpay_write_is_read, begin, end),
		cmocka_unit_test(whose_node_it_is_stands_in_its_type),
		cmocka_unit_test_setup_teardown(L58_a_secret_in_the_text_is_refused_and_not_repeated, begin, end),
		cmocka_unit_test_setup_teardown(L55_what_others_could_read_on_the_way_is_refused_with_the_remedy, begin, end),
		cmocka_unit_test_setup_teardown(of_a_name_that_is_unknown_the_known_ones_are_told, begin, end),
		cmocka_unit_test_setup_teardown(everything_else_is_refused, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
