/*
 * test_node_pages.c
 *		What a node writes too much of: pages longer than was asked for, and a name
 *		of its wallet that is none.
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
#include <stdlib.h>
#include <string.h>

#define A_PAGE 100
#define KEY "0f3bd8e1a2c44f0d9a6b6b0f4a4f6e11"
#define RUNE "KUhZzNlECC7pYsz3QVbF1TqjIUYi3oyESTI7n60hLMs9MA=="
#define MACAROON "\x02\x01\x03lnd and thirty-two bytes that are none"
#define HASH "c5ef7a10203040506070809a0b0c0d0e0f1011121314151617181920212223aa"
#define HASH_64 "xe96ECAwQFBgcICaCwwNDg8QERITFBUWFxgZICEiI6o="

/* A page with so many rows; %d of a row is its number. */
static const char *
page_of(NodeStage *stage, const char *head, const char *row, const char *tail, int rows)
{
	char	   *text = arena_alloc(stage->arena, (strlen(row) + 20) * (size_t) rows + strlen(head) + strlen(tail) + 1);
	char	   *end = text + sprintf(text, "%s", head);

	for (int i = 1; i <= rows; i++)
	{
		const char *place = strstr(row, "%d");
		size_t		before = place == NULL ? strlen(row) : (size_t) (place - row);

		end += sprintf(end, "%s%.*s", i > 1 ? "," : "", (int) before, row);
		if (place != NULL)
			end += sprintf(end, "%d%s", i, place + 2);
	}
	strcpy(end, tail);
	return text;
}

static const struct
{
	const NodeDialect *dialect;
	const char *credential;
	NodeOperation operation;
	int			status;
	const char *head;
	const char *row;
	const char *tail;
}			pages[] = {
	{&lnd_dialect, MACAROON, NODE_LIST_PAYMENTS, 200, "{\"payments\":[", "{\"payment_hash\":\"" HASH
	 "\",\"status\":\"SUCCEEDED\",\"value_msat\":\"1000\",\"fee_msat\":\"0\"}", "],\"last_index_offset\":\"100\"}"},
	{&lnd_dialect, MACAROON, NODE_LIST_INVOICES, 200, "{\"invoices\":[", "{\"r_hash\":\"" HASH_64
	 "\",\"state\":\"OPEN\",\"value_msat\":\"1000\",\"amt_paid_msat\":\"0\"}", "],\"last_index_offset\":\"100\"}"},
	{&cln_dialect, RUNE, NODE_LIST_PAYMENTS, 201, "{\"pays\":[", "{\"payment_hash\":\"" HASH
	 "\",\"status\":\"failed\",\"created_index\":%d}", "]}"},
	{&cln_dialect, RUNE, NODE_LIST_INVOICES, 201, "{\"invoices\":[", "{\"payment_hash\":\"" HASH
	 "\",\"status\":\"unpaid\",\"created_index\":%d}", "]}"},
	{&lnbits_dialect, KEY, NODE_LIST_PAYMENTS, 200, "{\"data\":[", "{\"payment_hash\":\"" HASH
	 "\",\"amount\":-1000,\"fee\":0,\"status\":\"success\"}", "]}"},
	{&lnbits_dialect, KEY, NODE_LIST_INVOICES, 200, "{\"data\":[", "{\"payment_hash\":\"" HASH
	 "\",\"amount\":1000,\"fee\":0,\"status\":\"success\"}", "]}"},
};

static void
L43_a_page_that_is_longer_than_was_asked_for_is_none(void **state)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		for (int rows = A_PAGE; rows <= A_PAGE + 1; rows++)
		{
			NodeStage	stage;
			NodeCall   *call;

			stage_begin(&stage, pages[i].dialect, pages[i].credential, false);
			call = stage_call(&stage, pages[i].operation, 60);
			PLAY(&stage, stage_reply(&stage, pages[i].status, page_of(&stage, pages[i].head, pages[i].row, pages[i].tail, rows)));
			assert_int_equal(call->answered, rows == A_PAGE);
			assert_int_equal(call->listed_count, rows == A_PAGE ? A_PAGE : 0);
			stage_end(&stage);
		}
}

/* Each page leads on to another: the comparison must not gather them for ever. */
static void
L43_a_list_without_end_is_none(void **state)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
	{
		NodeStage	stage;
		NodeCall   *call;
		const char *text;

		stage_begin(&stage, pages[i].dialect, pages[i].credential, false);
		text = page_of(&stage, pages[i].head, pages[i].row, pages[i].tail, A_PAGE);
		for (int page = 0; page < 4; page++)
		{
			call = stage_call(&stage, pages[i].operation, 60);
			/* It has listed all but a page so far; then it begins anew. */
			if (page == 0)
				stage.node.notes.listed = HTTP_NODE_MOST_LISTED - A_PAGE;
			call->cursor = page < 2 ? 1 : 0;
			PLAY(&stage, stage_reply(&stage, pages[i].status, text));
			assert_int_equal(call->answered, page != 1);
			assert_int_equal(call->listed_count, page == 1 ? 0 : A_PAGE);
			assert_true(page != 1 || strstr(call->words, "longer") != NULL);
		}
		stage_end(&stage);
	}
}

static void
L11_a_wallet_is_named_by_letters_and_digits_alone(void **state)
{
	static const struct
	{
		const char *id;
		bool		is_good;
	} names[] = {
		{"7a3c-B_9", true}, {"", false}, {"a b", false}, {"a\\nb", false}, {"caf\\u00e9", false}, {"a'; --", false}, {"a\\u202eb", false},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		NodeStage	stage;
		NodeCall   *call;

		stage_begin(&stage, &lnbits_dialect, KEY, false);
		strcpy(stage.node.notes.node_id, "of one that is known");
		call = stage_call(&stage, NODE_IDENTIFY, 60);
		PLAY(&stage, stage_reply(&stage, 200, arena_printf(stage.arena, "{\"id\":\"%s\",\"balance\":1}", names[i].id)));
		assert_int_equal(call->answered, names[i].is_good);
		stage_end(&stage);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(L43_a_page_that_is_longer_than_was_asked_for_is_none),
		cmocka_unit_test(L43_a_list_without_end_is_none),
		cmocka_unit_test(L11_a_wallet_is_named_by_letters_and_digits_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
