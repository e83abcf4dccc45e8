/*
 * test_common.c
 *		What every context stands on: amounts, ids, JSON, messages, units of work,
 *		the contract of the bus.
 */
#include "in_memory.h"

#include "accounting/messages.h"
#include "auth/messages.h"
#include "bitcoin/messages.h"
#include "common/json.h"
#include "crowdfunding/messages.h"

#include <string.h>

/* ------------------------------------------------------------------ amount */

static void
D18_sums_beyond_int64_are_refused_not_wrapped(void **state)
{
	Amount		sum = {7};

	(void) state;
	assert_false(amount_add(AMOUNT_MSAT(INT64_MAX), AMOUNT_MSAT(1), &sum));
	assert_false(amount_subtract(AMOUNT_MSAT(INT64_MIN), AMOUNT_MSAT(1), &sum));
	assert_int_equal(sum.msat, 7);
	assert_true(amount_add(AMOUNT_MSAT(INT64_MAX - 1), AMOUNT_MSAT(1), &sum));
	assert_true(sum.msat == INT64_MAX);
}

static void
S9_all_bitcoin_is_an_amount_and_one_satoshi_more_is_none(void **state)
{
	Amount		amount;

	(void) state;
	assert_true(amount_from_sat(MAX_SAT, &amount));
	assert_true(amount.msat == MAX_SAT * 1000);
	assert_false(amount_from_sat(MAX_SAT + 1, &amount));
	assert_false(amount_from_sat(INT64_MAX, &amount));
}

static void
S23_zero_and_less_are_no_satoshi(void **state)
{
	Amount		amount;

	(void) state;
	assert_false(amount_from_sat(0, &amount));
	assert_false(amount_from_sat(-1, &amount));
	assert_false(amount_from_sat(INT64_MIN, &amount));
	assert_false(amount_is_payable(AMOUNT_ZERO));
}

static void
a_share_is_rounded_up_and_bounded(void **state)
{
	Amount		share;

	(void) state;
	assert_true(amount_share(AMOUNT_MSAT(1001), 10000, 1000000, &share));
	assert_int_equal(share.msat, 11);
	assert_false(amount_share(AMOUNT_MSAT(INT64_MAX), 3, 1, &share));
	assert_false(amount_share(AMOUNT_MSAT(-1), 1, 1, &share));
	assert_false(amount_share(AMOUNT_MSAT(1), 1, 0, &share));
}

/* ---------------------------------------------------------------- messages */

static void
S51_every_message_lies_in_memory_as_its_table_says(void **state)
{
	const MessageType *const *const lists[] = {
		auth_messages, accounting_messages, crowdfunding_messages, bitcoin_messages};

	(void) state;
	for (size_t list = 0; list < 4; list++)
		for (const MessageType *const *type = lists[list]; *type != NULL; type++)
			assert_true(message_layout_is_right(*type));
}

static void
S51_what_is_encoded_reads_back_the_same(void **state)
{
	World		world;
	Message		message;
	const accounting_request_transfer *transfer;

	(void) state;
	world_init(&world);
	message = MESSAGE_OF(&world, accounting_request_transfer, id_of(1), .idempotency_key = "k\"\\\n\xc3\xa9",
						 .from_account_id = id_of(2), .to_account_id = id_of(3),
						 .amount_msat = AMOUNT_MSAT(INT64_MAX), .purpose = "donation", .pending = true);
	transfer = message.payload;
	assert_string_equal(transfer->idempotency_key, "k\"\\\n\xc3\xa9");
	assert_true(uuid_equal(transfer->to_account_id, id_of(3)));
	assert_true(transfer->amount_msat.msat == INT64_MAX);
	assert_true(transfer->pending);
	assert_true(uuid_is_nil(transfer->campaign_id));
	world_destroy(&world);
}

static void
D22_bad_payloads_are_refused_with_a_reason(void **state)
{
	static const char *const bad[] = {
		"", "null", "[]", "\"x\"", "{", "{}", "{\"username\": \"a\"}",
		"{\"account_id\": \"x\", \"username\": \"a\"}",
		"{\"account_id\": 1, \"username\": \"a\"}",
		"{\"account_id\": \"00000000-0000-7000-8000-000000000001\", \"username\": 1}",
		"{\"account_id\": \"00000000-0000-7000-8000-000000000001\", \"username\": \"a\", \"more\": 1}",
		"{\"account_id\": \"00000000-0000-7000-8000-000000000001\", \"username\": \"a\"} x",
		"{\"account_id\": \"00000000-0000-7000-8000-000000000001\", \"username\": \"a\", \"username\": \"b\"}",
	};
	World		world;
	const void *payload;

	(void) state;
	world_init(&world);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(message_decode(&auth_signed_up_type, 1, bad[i], strlen(bad[i]), world.arena, &payload),
					   INVALID_ARGUMENT);
	world_destroy(&world);
}

/* auth.signed_up, as a later version might have it. */
typedef struct LaterSignedUp
{
	Uuid		account_id;
	Text		username;
	Text		language;
	Integer		invited;
} LaterSignedUp;

static void
S51_a_message_of_an_older_version_still_decodes(void **state)
{
	static const Field fields[] = {
		{"account_id", FIELD_KIND_Uuid, false},
		{"username", FIELD_KIND_Text, false},
		{"language", FIELD_KIND_Text, true},
		{"invited", FIELD_KIND_Integer, true},
	};
	static const MessageType later = {
		.name = "auth.signed_up", .kind = MESSAGE_EVENT, .schema_version = 2, .aggregate_type = "account",
		.size = sizeof(LaterSignedUp), .field_count = 4, .fields = fields};
	const auth_signed_up old = {.account_id = id_of(7), .username = "a"};
	World		world;
	const char *json;
	const void *payload;

	(void) state;
	world_init(&world);
	assert_true(message_layout_is_right(&later));
	json = message_encode(&auth_signed_up_type, &old, world.arena);
	assert_ok(message_decode(&later, 1, json, strlen(json), world.arena, &payload));
	assert_true(uuid_equal(((const LaterSignedUp *) payload)->account_id, id_of(7)));
	assert_string_equal(((const LaterSignedUp *) payload)->username, "a");
	assert_null(((const LaterSignedUp *) payload)->language);
	assert_true(((const LaterSignedUp *) payload)->invited == 0);
	world_destroy(&world);
}

static void
S51_a_newer_schema_version_is_refused(void **state)
{
	static const char good[] = "{\"account_id\": \"00000000-0000-7000-8000-000000000001\", \"username\": \"a\"}";
	World		world;
	const void *payload;

	(void) state;
	world_init(&world);
	assert_ok(message_decode(&auth_signed_up_type, 1, good, strlen(good), world.arena, &payload));
	assert_refused(message_decode(&auth_signed_up_type, 2, good, strlen(good), world.arena, &payload),
				   INVALID_ARGUMENT);
	assert_refused(message_decode(&auth_signed_up_type, 0, good, strlen(good), world.arena, &payload),
				   INVALID_ARGUMENT);
	world_destroy(&world);
}

static void
T25_the_json_reader_is_strict(void **state)
{
	static const char *const bad[] = {
		"01", "1.", ".5", "+1", "1e", "tru", "\"\\x\"", "\"\\u0000\"", "\"\\ud800\"", "\"\x01\"", "\"\xc0\x80\"",
		"\"\xed\xa0\x80\"", "[1,]", "{\"a\":1,}", "{a:1}", "[1 2]", "\"", "[[[[", "nul", "\"\\",
	};
	World		world;

	(void) state;
	world_init(&world);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(json_parse(world.arena, bad[i], strlen(bad[i])));
	assert_int_equal(json_parse(world.arena, "-9223372036854775808", 20)->kind, JSON_INTEGER);
	assert_true(json_parse(world.arena, "-9223372036854775808", 20)->integer == INT64_MIN);
	assert_int_equal(json_parse(world.arena, "9223372036854775808", 19)->kind, JSON_NUMBER_OTHER);
	assert_int_equal(json_parse(world.arena, "1e3", 3)->kind, JSON_NUMBER_OTHER);
	assert_string_equal(json_parse(world.arena, "\"\\ud83d\\ude80\"", 14)->text, "\xf0\x9f\x9a\x80");
	world_destroy(&world);
}

/* ------------------------------------------------------------ unit of work */

typedef struct Thing
{
	Aggregate	aggregate;
	int64_t		value;
} Thing;

static const AggregateType thing_type = {.name = "thing", .size = sizeof(Thing), .rank = 1};
static const AggregateType other_type = {.name = "other", .size = sizeof(Thing), .rank = 2};

static Thing *
find_thing(UnitOfWork *work, InMemoryRepository *things, uint64_t number)
{
	Aggregate  *found;

	assert_ok(unit_of_work_find(work, &things->repository, id_of(number), &found));
	return (Thing *) found;
}

static void
D20_what_is_loaded_and_not_changed_is_not_written(void **state)
{
	World		world;
	InMemoryRepository things;
	UnitOfWork *work;

	(void) state;
	world_init(&world);
	things = in_memory_repository(&world, &thing_type);
	in_memory_put(&things, &(Thing) {{&thing_type, id_of(1), 1}, 5}.aggregate);
	work = world_work(&world, NULL);
	assert_int_equal(find_thing(work, &things, 1)->value, 5);
	assert_ok(unit_of_work_complete(work));
	assert_int_equal(things.updates, 0);
	world_destroy(&world);
}

static void
one_id_is_one_pointer_and_one_write(void **state)
{
	World		world;
	InMemoryRepository things;
	UnitOfWork *work;

	(void) state;
	world_init(&world);
	things = in_memory_repository(&world, &thing_type);
	in_memory_put(&things, &(Thing) {{&thing_type, id_of(1), 1}, 0}.aggregate);
	work = world_work(&world, NULL);
	for (int i = 0; i < 100; i++)
		find_thing(work, &things, 1)->value++;
	assert_ok(unit_of_work_complete(work));
	assert_int_equal(things.loads, 1);
	assert_int_equal(things.updates, 1);
	assert_int_equal(((Thing *) in_memory_stored(&things, id_of(1)))->value, 100);
	world_destroy(&world);
}

static void
many_are_loaded_by_one_statement_in_the_order_of_ids(void **state)
{
	World		world;
	InMemoryRepository things;
	UnitOfWork *work;
	Uuid		ids[] = {id_of(9), id_of(2), id_of(9), id_of(5), id_of(77)};

	(void) state;
	world_init(&world);
	things = in_memory_repository(&world, &thing_type);
	for (uint64_t i = 1; i < 10; i++)
		in_memory_put(&things, &(Thing) {{&thing_type, id_of(i), 1}, 0}.aggregate);
	work = world_work(&world, NULL);
	assert_ok(unit_of_work_find_many(work, &things.repository, ids, 5));
	assert_int_equal(things.loads, 1);
	assert_non_null(find_thing(work, &things, 5));
	assert_int_equal(things.loads, 1);
	world_destroy(&world);
}

static void
what_is_not_there_is_looked_for_once(void **state)
{
	World		world;
	InMemoryRepository things;
	InMemoryRepository others;
	UnitOfWork *work;
	Uuid		ids[] = {id_of(1), id_of(2), id_of(3)};
	Aggregate  *found;
	Thing	   *thing;

	(void) state;
	world_init(&world);
	things = in_memory_repository(&world, &thing_type);
	others = in_memory_repository(&world, &other_type);
	in_memory_put(&things, &(Thing) {{&thing_type, id_of(2), 1}, 0}.aggregate);
	work = world_work(&world, NULL);
	assert_ok(unit_of_work_find_many(work, &things.repository, ids, 3));
	assert_null(find_thing(work, &things, 1));
	assert_non_null(find_thing(work, &things, 2));
	assert_ok(unit_of_work_read(work, &things.repository, id_of(3), &found));
	assert_null(found);
	assert_int_equal(things.loads, 1);

	/* An id of another type is another one. */
	assert_ok(unit_of_work_read(work, &others.repository, id_of(1), &found));
	assert_ok(unit_of_work_find(work, &others.repository, id_of(1), &found));
	assert_null(found);
	assert_int_equal(others.loads, 1);

	/* What is added, or comes from a finder, is there from then on. */
	thing = ARENA_NEW(world.arena, Thing);
	*thing = (Thing) {{&thing_type, id_of(1), 0}, 7};
	unit_of_work_add(work, &things.repository, &thing->aggregate);
	assert_ptr_equal(find_thing(work, &things, 1), thing);
	in_memory_put(&things, &(Thing) {{&thing_type, id_of(3), 1}, 8}.aggregate);
	(void) unit_of_work_track(work, &things.repository, in_memory_stored(&things, id_of(3)));
	assert_int_equal(find_thing(work, &things, 3)->value, 8);
	assert_int_equal(things.loads, 1);
	assert_ok(unit_of_work_complete(work));
	assert_int_equal(things.inserts, 1);
	world_destroy(&world);
}

static void
after_complete_a_unit_looks_again(void **state)
{
	World		world;
	InMemoryRepository things;
	UnitOfWork *work;

	(void) state;
	world_init(&world);
	things = in_memory_repository(&world, &thing_type);
	work = world_work(&world, NULL);
	assert_null(find_thing(work, &things, 1));
	assert_ok(unit_of_work_complete(work));
	in_memory_put(&things, &(Thing) {{&thing_type, id_of(1), 1}, 5}.aggregate);
	assert_int_equal(find_thing(work, &things, 1)->value, 5);
	world_destroy(&world);
}

/* Written in groups; what was said of each. */
static char written[100];

static Result
write_group(const char *verb, const Aggregate *const *aggregates, size_t count)
{
	strcat(written, verb);
	for (size_t i = 0; i < count; i++)
	{
		assert_true(i == 0 || uuid_compare(aggregates[i - 1]->id, aggregates[i]->id) < 0);
		strcat(written, aggregates[i]->type == &thing_type ? "t" : "o");
	}
	strcat(written, " ");
	return OK;
}

static Result
insert_group(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	return write_group("+", aggregates, count);
}

static Result
update_group(const Repository *self, UnitOfWork *work, const Aggregate *const *aggregates, size_t count)
{
	return write_group("=", aggregates, count);
}

static void
many_rows_of_a_kind_are_written_at_once_new_ones_first(void **state)
{
	World		world;
	InMemoryRepository things;
	InMemoryRepository others;
	UnitOfWork *work;

	(void) state;
	world_init(&world);
	things = in_memory_repository(&world, &thing_type);
	others = in_memory_repository(&world, &other_type);
	things.repository.insert_many = others.repository.insert_many = insert_group;
	things.repository.update_many = update_group;
	work = world_work(&world, NULL);
	for (uint64_t number = 8; number > 0; number--)
	{
		const InMemoryRepository *rows = number % 2 == 0 ? &things : &others;
		Thing	   *thing = ARENA_NEW(world.arena, Thing);

		*thing = (Thing) {{rows->repository.type, id_of(number), 0}, 3};
		if (number < 6)
			unit_of_work_add(work, &rows->repository, &thing->aggregate);
		else
		{
			in_memory_put((InMemoryRepository *) rows, &thing->aggregate);
			find_thing(work, (InMemoryRepository *) rows, number)->value++;
		}
	}
	written[0] = '\0';
	assert_ok(unit_of_work_complete(work));
	/* the one changed other went by itself */
	assert_string_equal(written, "+tt +ooo =tt ");
	assert_int_equal(others.updates, 1);
	assert_int_equal(things.inserts + others.inserts + things.updates, 0);
	world_destroy(&world);
}

static void
S41_aggregates_are_written_before_messages_and_failure_stores_none(void **state)
{
	World		world;
	InMemoryRepository things;
	UnitOfWork *work;
	Thing	   *thing;

	(void) state;
	world_init(&world);
	things = in_memory_repository(&world, &thing_type);
	in_memory_put(&things, &(Thing) {{&thing_type, id_of(1), 1}, 0}.aggregate);
	work = world_work(&world, NULL);
	thing = ARENA_NEW(world.arena, Thing);
	*thing = (Thing) {{&thing_type, id_of(1), 0}, 3};
	unit_of_work_add(work, &things.repository, &thing->aggregate);
	EMIT(work, auth_signed_up, id_of(1), .account_id = id_of(1), .username = "a");
	assert_refused(unit_of_work_complete(work), DUPLICATE);
	assert_int_equal(world.outbox.count, 0);
	world_destroy(&world);
}

static void
a_message_names_its_cause_and_the_chain(void **state)
{
	World		world;
	UnitOfWork *work;
	Message		cause;
	const Message *effect;

	(void) state;
	world_init(&world);
	cause = MESSAGE_OF(&world, auth_signed_up, id_of(1), .account_id = id_of(1), .username = "a");
	cause.depth = 4;
	work = world_work(&world, &cause);
	EMIT(work, auth_signed_up, id_of(2), .account_id = id_of(2), .username = "b");
	assert_ok(unit_of_work_complete(work));
	effect = world_emitted(&world, &auth_signed_up_type);
	assert_true(uuid_equal(effect->causation_id, cause.id));
	assert_true(uuid_equal(effect->correlation_id, cause.correlation_id));
	assert_int_equal(effect->depth, 5);
	world_destroy(&world);
}

/* --------------------------------------------------------------------- bus */

static Result
ignore(const void *context, UnitOfWork *work, const Message *message)
{
	(void) context;
	(void) work;
	(void) message;
	return OK;
}

static void
a_command_has_one_handler_and_an_event_any_number(void **state)
{
	static const Subscription event[] = {{&auth_signed_up_type, ignore, NULL}};
	static const Subscription command[] = {{&accounting_deposit_type, ignore, NULL}};
	Consumer	one = {"one", NULL, event, 1};
	Consumer	two = {"two", NULL, event, 1};
	Consumer	three = {"three", NULL, command, 1};
	Consumer	four = {"four", NULL, command, 1};

	(void) state;
	assert_true(bus_is_sound((const Consumer *[]) {&one, &two, &three}, 3));
	assert_false(bus_is_sound((const Consumer *[]) {&three, &four}, 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(D18_sums_beyond_int64_are_refused_not_wrapped),
		cmocka_unit_test(S9_all_bitcoin_is_an_amount_and_one_satoshi_more_is_none),
		cmocka_unit_test(S23_zero_and_less_are_no_satoshi),
		cmocka_unit_test(a_share_is_rounded_up_and_bounded),
		cmocka_unit_test(S51_every_message_lies_in_memory_as_its_table_says),
		cmocka_unit_test(S51_what_is_encoded_reads_back_the_same),
		cmocka_unit_test(D22_bad_payloads_are_refused_with_a_reason),
		cmocka_unit_test(S51_a_message_of_an_older_version_still_decodes),
		cmocka_unit_test(S51_a_newer_schema_version_is_refused),
		cmocka_unit_test(T25_the_json_reader_is_strict),
		cmocka_unit_test(D20_what_is_loaded_and_not_changed_is_not_written),
		cmocka_unit_test(one_id_is_one_pointer_and_one_write),
		cmocka_unit_test(many_are_loaded_by_one_statement_in_the_order_of_ids),
		cmocka_unit_test(what_is_not_there_is_looked_for_once),
		cmocka_unit_test(after_complete_a_unit_looks_again),
		cmocka_unit_test(many_rows_of_a_kind_are_written_at_once_new_ones_first),
		cmocka_unit_test(S41_aggregates_are_written_before_messages_and_failure_stores_none),
		cmocka_unit_test(a_message_names_its_cause_and_the_chain),
		cmocka_unit_test(a_command_has_one_handler_and_an_event_any_number),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("common", tests, NULL, NULL);
}
