/*
 * test_snapshot.c
 *		The batch rule against a model: random writers on a few keys, a reader who
 *		opens window after window.  The rule must lose nothing, deliver nothing
 *		twice and keep the order of each key; each broken twin must be caught.
 *
 * The model: a transaction gets its id, then locks one key until it ends (later
 * ones wait), draws a number, writes a row with the key's next version.  A
 * snapshot's xmax is the last ended id + 1.
 */
#include "in_memory.h"

#include "common/snapshot.h"

#include <stdlib.h>
#include <string.h>

#define WRITERS 5
#define KEYS 3
#define STEPS 400
#define MAX_ROWS 2000
#define MAX_XIDS 2000

typedef enum Rule
{
	THE_RULE,
	TWIN_LAST_NUMBER,			/* seq > last */
	TWIN_XIP_ONLY,				/* stragglers are those listed, nobody beyond xmax */
	TWIN_XMIN_CUTOFF,			/* xid < xmin, ordered by (xid, seq) */
	TWIN_CACHED_SEQUENCE		/* each writer draws from numbers of its own */
} Rule;

typedef struct Row
{
	uint64_t	xid;
	int64_t		seq;
	int			key;
	int			version;
	bool		visible;		/* its transaction has committed */
	int			delivered;
} Row;

typedef struct Writer
{
	uint64_t	xid;			/* 0: no transaction */
	int			key;			/* -1: none locked */
	int			row;
	int64_t		cached;
	int			cached_left;
} Writer;

typedef struct Model
{
	World		world;
	unsigned	seed;
	Rule		rule;
	Row			rows[MAX_ROWS];
	int			row_count;
	uint64_t	next_xid;
	uint64_t	last_ended;
	bool		ended[MAX_XIDS];
	int64_t		next_seq;
	int			versions[KEYS];	/* committed */
	int			last_seen[KEYS];
	int			owner[KEYS];	/* writer, or -1 */
	Writer		writers[WRITERS];
	LogSnapshot s1;
	uint64_t	n1;
	int64_t		q1;
	uint64_t	cutoff;
	bool		broken;			/* lost, doubled or out of order */
} Model;

static int
chance(Model *model, int of)
{
	model->seed = model->seed * 1103515245u + 12345u;
	return (int) (model->seed >> 16) % of;
}

static LogSnapshot
take_snapshot(Model *model)
{
	uint64_t   *running = ARENA_ARRAY(model->world.arena, uint64_t, MAX_XIDS);
	LogSnapshot snapshot = {.xmax = model->last_ended + 1, .running = running};

	snapshot.xmin = snapshot.xmax;
	for (uint64_t xid = 1; xid < snapshot.xmax; xid++)
		if (!model->ended[xid])
		{
			running[snapshot.running_count++] = xid;
			if (xid < snapshot.xmin)
				snapshot.xmin = xid;
		}
	return snapshot;
}

static int64_t
draw(Model *model, Writer *writer)
{
	if (model->rule != TWIN_CACHED_SEQUENCE)
		return model->next_seq++;
	if (writer->cached_left == 0)
	{
		writer->cached = model->next_seq;
		writer->cached_left = 8;
		model->next_seq += 8;
	}
	writer->cached_left--;
	return writer->cached++;
}

static void
end(Model *model, Writer *writer, int number, bool commit)
{
	model->ended[writer->xid] = true;
	if (writer->xid > model->last_ended)
		model->last_ended = writer->xid;
	if (writer->key >= 0)
	{
		model->owner[writer->key] = -1;
		if (commit && writer->row >= 0)
		{
			model->rows[writer->row].visible = true;
			model->versions[writer->key]++;
		}
	}
	(void) number;
	*writer = (Writer) {.key = -1, .row = -1, .cached = writer->cached, .cached_left = writer->cached_left};
}

static void
step_writer(Model *model, int number)
{
	Writer	   *writer = &model->writers[number];

	if (writer->xid == 0)
		writer->xid = model->next_xid++;
	else if (writer->key < 0)
	{
		int			key = chance(model, KEYS);

		if (model->owner[key] >= 0)
			return;
		model->owner[key] = number;
		writer->key = key;
	}
	else if (writer->row < 0)
	{
		writer->row = model->row_count++;
		model->rows[writer->row] = (Row) {.xid = writer->xid, .seq = draw(model, writer), .key = writer->key,
		.version = model->versions[writer->key] + 1};
	}
	else
		end(model, writer, number, chance(model, 5) != 0);
}

static bool
in_window(Model *model, const Row *row, const LogSnapshot *s2, const uint64_t *stragglers, size_t count, int64_t q2)
{
	if (model->rule == TWIN_LAST_NUMBER)
		return row->seq > model->q1 && snapshot_sees(s2, row->xid);
	if (model->rule == TWIN_XMIN_CUTOFF)
		return row->xid >= model->cutoff && row->xid < s2->xmin;
	if (row->seq > model->q1)
		return row->seq <= q2 && snapshot_sees(s2, row->xid);
	for (size_t i = 0; i < count; i++)
		if (stragglers[i] == row->xid)
			return true;
	return false;
}

static int
by_order(const void *left, const void *right)
{
	const Row  *a = *(const Row *const *) left;
	const Row  *b = *(const Row *const *) right;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

static int
by_xid(const void *left, const void *right)
{
	const Row  *a = *(const Row *const *) left;
	const Row  *b = *(const Row *const *) right;

	return a->xid != b->xid ? (a->xid > b->xid) - (a->xid < b->xid) : by_order(left, right);
}

static void
read_window(Model *model)
{
	LogSnapshot s2 = take_snapshot(model);
	int64_t		q2 = model->next_seq - 1;
	uint64_t	n2 = model->next_xid;
	const uint64_t *stragglers;
	size_t		count = snapshot_stragglers(model->world.arena, &model->s1,
											model->rule == TWIN_XIP_ONLY ? model->s1.xmax : model->n1, &s2, &stragglers);
	Row		   *window[MAX_ROWS];
	size_t		size = 0;
	int64_t		highest = model->q1;

	for (int i = 0; i < model->row_count; i++)
		if (model->rows[i].visible && in_window(model, &model->rows[i], &s2, stragglers, count, q2))
			window[size++] = &model->rows[i];
	qsort(window, size, sizeof(Row *), model->rule == TWIN_XMIN_CUTOFF ? by_xid : by_order);
	for (size_t i = 0; i < size; i++)
	{
		window[i]->delivered++;
		if (window[i]->version != model->last_seen[window[i]->key] + 1)
			model->broken = true;
		model->last_seen[window[i]->key] = window[i]->version;
		if (window[i]->seq > highest)
			highest = window[i]->seq;
	}
	model->s1 = s2;
	model->q1 = model->rule == TWIN_LAST_NUMBER ? highest : q2;
	model->n1 = n2;
	model->cutoff = s2.xmin;
}

static bool
breaks(Rule rule, unsigned seed)
{
	static Model model;			/* large; filled anew by each run */
	bool		broken;

	memset(&model, 0, sizeof(model));
	world_init(&model.world);
	model.seed = seed;
	model.rule = rule;
	model.next_xid = 1;
	model.next_seq = 1;
	for (int i = 0; i < KEYS; i++)
		model.owner[i] = -1;
	for (int i = 0; i < WRITERS; i++)
		model.writers[i].key = model.writers[i].row = -1;
	model.s1 = take_snapshot(&model);
	model.n1 = 1;
	for (int i = 0; i < STEPS; i++)
		if (chance(&model, 8) == 0)
			read_window(&model);
		else
			step_writer(&model, chance(&model, WRITERS));
	for (int i = 0; i < WRITERS; i++)
		if (model.writers[i].xid != 0)
			end(&model, &model.writers[i], i, true);
	read_window(&model);
	broken = model.broken;
	for (int i = 0; i < model.row_count; i++)
		if (model.rows[i].delivered != (model.rows[i].visible ? 1 : 0))
			broken = true;
	world_destroy(&model.world);
	return broken;
}

static int
broken_runs(Rule rule, int runs)
{
	int			broken = 0;

	for (int i = 0; i < runs; i++)
		broken += breaks(rule, (unsigned) i + 1);
	return broken;
}

static void
B1_B2_the_rule_loses_nothing_and_keeps_the_order(void **state)
{
	(void) state;
	assert_int_equal(broken_runs(THE_RULE, 1000), 0);
}

static void
B8_every_broken_twin_is_caught(void **state)
{
	(void) state;
	assert_true(broken_runs(TWIN_LAST_NUMBER, 50) > 0);
	assert_true(broken_runs(TWIN_XIP_ONLY, 50) > 0);
	assert_true(broken_runs(TWIN_XMIN_CUTOFF, 50) > 0);
	assert_true(broken_runs(TWIN_CACHED_SEQUENCE, 50) > 0);
}

static void
B7_snapshots_are_64_bit_text_and_back(void **state)
{
	World		world;
	LogSnapshot snapshot;

	(void) state;
	world_init(&world);
	assert_true(snapshot_parse(world.arena, "4294967300:4294967310:4294967301,4294967305", &snapshot));
	assert_string_equal(snapshot_format(world.arena, &snapshot), "4294967300:4294967310:4294967301,4294967305");
	assert_false(snapshot_sees(&snapshot, UINT64_C(4294967305)));
	assert_true(snapshot_sees(&snapshot, UINT64_C(4294967306)));
	assert_false(snapshot_sees(&snapshot, UINT64_C(4294967310)));
	assert_true(snapshot_parse(world.arena, "725:727:", &snapshot));
	assert_false(snapshot_parse(world.arena, "", &snapshot));
	assert_false(snapshot_parse(world.arena, "1:2", &snapshot));
	assert_false(snapshot_parse(world.arena, "3:2:", &snapshot));
	assert_false(snapshot_parse(world.arena, "1:9:5,4", &snapshot));
	assert_false(snapshot_parse(world.arena, "1:9:5,", &snapshot));
	world_destroy(&world);
}

static void
B3_a_transaction_never_counts_its_own_messages_as_seen(void **state)
{
	World		world;
	LogSnapshot snapshot;

	(void) state;
	world_init(&world);
	assert_true(snapshot_parse(world.arena, "725:727:", &snapshot));
	snapshot = snapshot_with_running(world.arena, snapshot, 725);
	assert_string_equal(snapshot_format(world.arena, &snapshot), "725:727:725");
	assert_false(snapshot_sees(&snapshot, 725));
	assert_true(snapshot_sees(&snapshot, 726));
	world_destroy(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(B1_B2_the_rule_loses_nothing_and_keeps_the_order),
		cmocka_unit_test(B8_every_broken_twin_is_caught),
		cmocka_unit_test(B7_snapshots_are_64_bit_text_and_back),
		cmocka_unit_test(B3_a_transaction_never_counts_its_own_messages_as_seen),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
