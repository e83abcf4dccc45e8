/*
 * worker_node.c
 *		How the worker "spark lightning" stands with the node.
 *
 * The first node that answers is written into the books, and is the known node
 * from then on: NodeStanding.node, while it is the one that answers.  Where
 * another one does, nothing is paid; it is asked about payments only, and of what
 * it says only the proof of one counts.  The log says so once, and health for as
 * long as it lasts.  Identity is asked again every few seconds, and after each
 * answer that is worth nothing without it.
 */
#include "postgres/server.h"

#include "bitcoin/worker_node.h"

#include "bitcoin/postgres.h"
#include "bitcoin/schedule.h"
#include "bitcoin/settings.h"
#include "bitcoin/worker_rights.h"

#include "lightning/bytes32.h"
#include "lightning/public_key.h"

#include "postgres/environment.h"
#include "postgres/errors.h"

#define IDENTIFY_SECONDS 10		/* between two questions who the node is */
#define HINT_SECONDS 2			/* between two questions for hints */
#define HINT_SOONEST INT64_C(100000)	/* microseconds; when woken in between */
#define STORE_SECONDS 30		/* how old last_answer_at may be in the table */

typedef struct Standing
{
	Call		identify;
	Call		hints;
	Instant		next_identify;
	bool		wants_identity;	/* at once */
	IdentityQuestions questions;	/* the last one begun is the one under way, if any is */
	int64_t		silences;		/* questions for its identity without answer, in a row */
	Instant		hinted_at;		/* when hints were last asked for */
	bool		wants_hints;	/* was woken too soon after that */
	bool		is_known;		/* the recorded node is the one that answers */
	bool		is_ready;
	bool		is_another;		/* not the recorded one answers */
	bool		forgets;		/* it drops payments sooner than they can be open */
	int64_t		connections;	/* how often it was met anew */
	TimestampTz settings_since; /* the reload after which it was asked who it is */
	bool		has_moved;		/* the books have been given another node since */
	KnownNode	known;			/* texts in TopMemoryContext */
	const char *problem;		/* why no node is used, or what is wrong with it; static or kept(), or NULL */
	Instant		last_answer_at;
	int64_t		cursor;
	bool		is_cursor_loaded;
	NodeState	stored;			/* as last written */
	Instant		stored_at;
	bool		is_stored;
} Standing;

static NodeFinder find_node;
static Standing standing;
static const char *said_problem = "";	/* what the log said last */

/*
 * The last problems with the node's own words in them: more than are held at one
 * time, by standing.problem, said_problem and whoever has just asked.
 */
#define PROBLEMS 8
#define MOST_PROBLEM 640
static char problems[PROBLEMS][MOST_PROBLEM];
static int	newest_problem;

#define MOST_STORED 2048
static char stored_error[MOST_STORED];	/* last_error as last written */

void
bitcoin_set_nodes(NodeFinder find)
{
	find_node = find;
}

LightningNode *
worker_node(void)
{
	return find_node == NULL ? NULL : find_node(bitcoin_wanted_node());
}

NodeCapabilities
bitcoin_node_capabilities(void)
{
	LightningNode *node = worker_node();

	if (node != NULL)
		return node->capabilities;
	return (NodeCapabilities) {.pays_amountless = true, .is_exact = true, .can_cancel_invoice = true};
}

/* ------------------------------------------------------------------- calls */

void
call_prepare(Call *call)
{
	call->context = AllocSetContextCreate(TopMemoryContext, "spark lightning call", ALLOCSET_SMALL_SIZES);
	memset(&call->task, 0, sizeof(call->task));
	call->task.call.arena = context_arena(call->context);
	call->is_used = false;
	call->node = NULL;
	call->put_off_until = INSTANT_NONE;
}

void
call_start(Call *call)
{
	NodeCall   *asked = &call->task.call;
	Instant		now = server_time();

	call->is_used = true;
	asked->deadline = instant_plus_seconds(now, bitcoin_terms().call_timeout);
	if (worker_node() == NULL ||
		(!instant_is_none(asked->write_before) && !instant_before(now, asked->write_before)))
	{
		/* No byte has left, nor will one. */
		node_call_give_up(asked);
		asked->submit = SUBMIT_NOT_SENT;
		asked->done = true;
		return;
	}
	call->node = worker_node();
	call->node->start(call->node, asked);
}

void
call_end(Call *call)
{
	if (call->node != NULL)
		call->node->release(call->node, &call->task.call);
	call->node = NULL;
	call->is_used = false;
	if (call->context != NULL)
		MemoryContextDelete(call->context);
	call->context = NULL;
}

/* ----------------------------------------------------------------- problems */

static void
say(const char *problem)
{
	if (problem != NULL && (said_problem == NULL || strcmp(problem, said_problem) != 0))
		ereport(LOG,
				(errmsg("Lightning stands still: %s", problem)));
	else if (problem == NULL && said_problem != NULL)
		ereport(LOG,
				(errmsg("Lightning works with node %s", standing.known.node_id)));
	said_problem = problem;
}

/* The same text, in memory that outlives the call; NULL stays NULL. */
static const char *
kept(const char *words)
{
	char		text[MOST_PROBLEM];

	if (words == NULL)
		return NULL;
	strlcpy(text, words, sizeof(text));
	if (strcmp(problems[newest_problem], text) != 0)
	{
		newest_problem = (newest_problem + 1) % PROBLEMS;
		strcpy(problems[newest_problem], text);
	}
	return problems[newest_problem];
}

/* A problem and what the node, or the way to it, says about it. */
static const char *
with_words(const char *problem, const NodeCall *call)
{
	const char *words = harmless_words(call->arena, call->words);

	return words == NULL ? problem : kept(arena_printf(call->arena, "%s: %s", problem, words));
}

static void
lose(const char *problem)
{
	standing.is_known = false;
	standing.is_ready = false;
	standing.is_another = false;
	standing.problem = problem;
	say(problem);
}

/* Why no node can be used with these settings; NULL: one can. */
static const char *
unusable(void)
{
	LightningNode *node = worker_node();

	if (node == NULL)
		return bitcoin_wanted_node()[0] == '\0' ?
			"spark.lightning_connection names no type of node" :
			"the node that spark.lightning_node names is not built in this version";
	if (strcmp(node->name, "simulator") == 0 && strcmp(bitcoin_terms().network, "regtest") != 0)
		return "the simulated node is on regtest only, and spark.lightning_network names another network";
	return NULL;
}

/* ----------------------------------------------------------------- identity */

typedef struct Recognition
{
	const NodeIdentity *identity;
	bool		is_known;
} Recognition;

static void
forget_known(void)
{
	if (standing.known.node_id == NULL)
		return;
	pfree((void *) standing.known.backend);
	pfree((void *) standing.known.network);
	pfree((void *) standing.known.node_id);
	if (standing.known.wallet != NULL)
		pfree((void *) standing.known.wallet);
	standing.known.node_id = NULL;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
is_known_node(const KnownNode *node)
{
	const KnownNode *known = &standing.known;

	return is_same_text(known->node_id, node->node_id) && is_same_text(known->backend, node->backend) &&
		is_same_text(known->network, node->network) && is_same_text(known->wallet, node->wallet) &&
		uuid_equal(known->node_account_id, node->node_account_id);
}

/* An operator may have changed it since the last time. */
static void
keep_known(const KnownNode *node)
{
	bool		is_first = standing.known.node_id == NULL;

	if (!is_first && is_known_node(node))
		return;
	forget_known();
	if (!is_first)
		standing.cursor = 0;
	standing.known = *node;
	standing.known.backend = MemoryContextStrdup(TopMemoryContext, node->backend);
	standing.known.network = MemoryContextStrdup(TopMemoryContext, node->network);
	standing.known.node_id = MemoryContextStrdup(TopMemoryContext, node->node_id);
	standing.known.wallet = node->wallet == NULL ? NULL : MemoryContextStrdup(TopMemoryContext, node->wallet);
	/* Once a life of the worker, so that nobody takes it for real by accident. */
	if (is_first && strcmp(node->backend, "simulator") == 0)
		ereport(WARNING,
				(errmsg("the Lightning node is simulated: no real money moves"),
				 errhint("Set spark.lightning_node to a real node for anything but demos and tests.")));
}

/* Node, network, wallet, and the way it is spoken with. */
static bool
is_same_node(const KnownNode *known, const NodeIdentity *identity)
{
	return is_same_text(known->node_id, identity->node_id) && is_same_text(known->network, identity->network) &&
		is_same_text(known->wallet, identity->wallet) && strcmp(known->backend, worker_node()->name) == 0;
}

/* The node of the books; the first that answers becomes it. */
static void
recognise(void *argument)
{
	Recognition *recognition = argument;
	const NodeIdentity *identity = recognition->identity;
	UnitOfWork *work = unit_of_work_new(context_arena(CurrentMemoryContext), server_ports(), NULL);
	KnownNode  *known;

	check(bitcoin.nodes->find(bitcoin.nodes, work, &known));
	/* Of a node that an operator named, the wallet is still to be heard. */
	if (known == NULL || (known->wallet == NULL && identity->wallet != NULL))
	{
		KnownNode	first = {
			.backend = worker_node()->name,
			.network = identity->network,
			.node_id = identity->node_id,
			.node_account_id = FIRST_NODE_ACCOUNT_ID,
			.first_seen_at = clock_now(work),
			.wallet = identity->wallet,
		};

		(void) bitcoin.nodes->record(bitcoin.nodes, work, &first);
		check(bitcoin.nodes->find(bitcoin.nodes, work, &known));
		if (known == NULL)
			refuse(RESULT_INTERNAL, "The node could not be recorded.");
	}
	recognition->is_known = is_same_node(known, identity);
	if (recognition->is_known)
		keep_known(known);
}

static void
take_identity(const NodeCall *call, Instant now)
{
	Recognition recognition = {&call->identity, false};
	PublicKey	key;

	if (!call->answered)
	{
		standing.silences++;
		standing.next_identify = instant_plus_seconds(now, Min(standing.silences, IDENTIFY_SECONDS));
		lose(with_words("the node does not answer", call));
		return;
	}
	standing.silences = 0;
	standing.last_answer_at = now;
	standing.next_identify = instant_plus_seconds(now, IDENTIFY_SECONDS);
	if (call->identity.node_id == NULL || call->identity.network == NULL ||
		!public_key_parse(call->identity.node_id, &key))
	{
		lose("the node does not say who it is");
		return;
	}
	if (strcmp(call->identity.network, bitcoin_terms().network) != 0)
	{
		lose("the node is on another network than spark.lightning_network says");
		return;
	}
	worker_transaction(recognise, &recognition);
	if (!recognition.is_known)
	{
		lose("another node answers than the one that these books belong to; nothing is paid");
		standing.is_another = true;
		return;
	}
	if (!standing.is_known)
		standing.connections++;
	standing.is_known = true;
	identity_question_recognise(&standing.questions);
	standing.is_another = false;
	standing.is_ready = call->identity.ready;
	standing.forgets = call->identity.keeps_seconds > 0 && call->identity.keeps_seconds < HTLC_LIFETIME_SECONDS;
	standing.problem = !call->identity.ready ? with_words("the node is not ready", call) : standing.forgets ?
		"the node forgets payments sooner than they can be open; nothing is paid" : kept(call->identity.warning);
	if (!call->identity.ready)
		standing.next_identify = instant_plus_seconds(now, 1);
	/* A warning is for health: with it, it works. */
	say(standing.is_ready && !standing.forgets ? NULL : standing.problem);
}

static void
ask_identity(Instant now)
{
	Call	   *call = &standing.identify;

	if (call->is_used || (!standing.wants_identity && instant_before(now, standing.next_identify)))
		return;
	standing.wants_identity = false;
	identity_question_begin(&standing.questions);
	call_prepare(call);
	call->task.call.operation = NODE_IDENTIFY;
	call_start(call);
}

void
standing_want_identity(int64 question)
{
	bool		is_asked = standing.identify.is_used && identity_is_asked_by(&standing.questions, question);

	standing.wants_identity = standing.wants_identity || !is_asked;
}

bool
standing_is_known_by(int64 question)
{
	if (standing.is_known && identity_is_known_by(&standing.questions, question))
		return true;
	standing_want_identity(question);
	return false;
}

/* -------------------------------------------------------------------- hints */

static const char **
texts_of(const Bytes32 *hashes, size_t count)
{
	const char **texts = palloc(sizeof(char *) * Max(count, 1));

	for (size_t i = 0; i < count; i++)
		texts[i] = bytes32_hex(context_arena(CurrentMemoryContext), hashes[i]);
	return texts;
}

/* Deposits before withdrawals: the one order of locks. */
static void
take_hints(void *argument)
{
	const NodeCall *call = argument;

	if (call->settled_count > 0)
		make_due_by_hash(texts_of(call->settled, call->settled_count), call->settled_count, server_time());
	if (call->moved_count > 0)
		make_payments_due_by_hash(texts_of(call->moved, call->moved_count), call->moved_count, server_time());
	standing.stored.settled_cursor = call->next_cursor;
	if (standing.is_stored)
		node_state_store(&standing.stored);
}

static void
take_hint_answer(const NodeCall *call)
{
	if (!call->answered || !standing.is_known)
		return;
	if (call->settled_count > 0 || call->moved_count > 0)
	{
		worker_transaction(take_hints, (void *) call);
		/* There may be more. */
		if (call->next_cursor != standing.cursor)
			standing.hinted_at = INSTANT_NONE;
	}
	standing.cursor = call->next_cursor;
}

static void
ask_hints(Instant now)
{
	Call	   *call = &standing.hints;

	if (call->is_used || !standing.is_known || !standing.is_cursor_loaded)
		return;
	standing.wants_hints = now.microseconds < standing.hinted_at.microseconds + HINT_SOONEST;
	if (standing.wants_hints)
		return;
	call_prepare(call);
	call->task.call.operation = NODE_SETTLED_SINCE;
	call->task.call.cursor = standing.cursor;
	standing.hinted_at = now;
	call_start(call);
}

/* --------------------------------------------------------------------- turn */

void
standing_begin(void)
{
	call_end(&standing.identify);
	call_end(&standing.hints);
	forget_known();
	rights_begin();
	memset(&standing, 0, sizeof(standing));
}

/*
 * Other settings may lead to another node, and the books may belong to another:
 * until it has said who it is, it is neither paid by nor believed.
 */
static void
doubt(Instant now)
{
	call_end(&standing.identify);
	call_end(&standing.hints);
	standing.is_known = false;
	standing.is_ready = false;
	standing.is_another = false;
	rights_begin();
	standing.next_identify = now;
	standing.settings_since = PgReloadTime;
	standing.has_moved = false;
}

bool
standing_turn(Instant now)
{
	const char *problem = unusable();

	if (problem != NULL)
	{
		call_end(&standing.identify);
		call_end(&standing.hints);
		standing.next_identify = now;
		lose(problem);
		return false;
	}
	if (standing.settings_since != PgReloadTime || standing.has_moved)
		doubt(now);
	ask_identity(now);
	if (standing.identify.is_used && standing.identify.task.call.done)
	{
		take_identity(&standing.identify.task.call, now);
		call_end(&standing.identify);
	}
	if (standing.hints.is_used && standing.hints.task.call.done)
	{
		take_hint_answer(&standing.hints.task.call);
		call_end(&standing.hints);
	}
	ask_hints(now);
	return true;
}

NodeStanding
standing_now(void)
{
	return (NodeStanding) {
		.node = standing.is_known ? &standing.known : NULL,
		.questions = standing.questions,
		.is_ready = standing.is_known && standing.is_ready,
		.may_pay = standing.is_known && standing.is_ready && !standing.forgets,
		.is_another = standing.is_another,
		.forgets = standing.forgets,
		.capabilities = worker_node() != NULL ? &worker_node()->capabilities : NULL,
	};
}

void
standing_keep(NodeStanding *judged, UnitOfWork *work)
{
	KnownNode  *known = NULL;
	bool		is_kept;

	if (judged->node == NULL)
		return;
	is_kept = node_is_kept();
	if (is_kept)
		check(bitcoin.nodes->find(bitcoin.nodes, work, &known));
	if (known != NULL && is_known_node(known))
		return;
	standing.has_moved = is_kept;
	/* Another node counts its hints anew. */
	if (is_kept)
		standing.cursor = 0;
	judged->node = NULL;
	judged->is_ready = false;
	judged->may_pay = false;
}

const char *
standing_problem(void)
{
	return standing.problem;
}

int64
standing_connections(void)
{
	return standing.connections;
}

Instant
standing_next(void)
{
	Instant		next = instant_plus_seconds(server_time(), HINT_SECONDS);

	if (standing.hints.is_used && standing.hints.task.call.done)
		return server_time();
	if (standing.wants_hints)
		next = (Instant) {standing.hinted_at.microseconds + HINT_SOONEST};
	if (!standing.identify.is_used && standing.wants_identity)
		return server_time();
	if (!standing.identify.is_used && instant_before(standing.next_identify, next))
		next = standing.next_identify;
	return next;
}

static bool
is_worth_storing(const NodeState *state, Instant now)
{
	if (!standing.is_stored || !is_same_text(state->backend, standing.stored.backend) ||
		state->ready != standing.stored.ready || !is_same_text(state->last_error, standing.stored.last_error) ||
		state->settled_cursor != standing.stored.settled_cursor)
		return true;
	return state->last_answer_at.microseconds != standing.stored.last_answer_at.microseconds &&
		!instant_before(now, instant_plus_seconds(standing.stored_at, STORE_SECONDS));
}

void
standing_store(Instant now)
{
	NodeState	state = {
		.backend = bitcoin_wanted_node(),
		.ready = standing.is_known && standing.is_ready,
		.last_answer_at = standing.last_answer_at,
		.last_error = standing.problem != NULL ? standing.problem : rights_missing(),
	};
	NodeState	before;

	if (!standing.is_cursor_loaded)
	{
		(void) node_state_query(context_arena(CurrentMemoryContext), false, &before);
		standing.cursor = before.settled_cursor;
		standing.is_cursor_loaded = true;
	}
	state.settled_cursor = standing.cursor;
	/* Until the first answer, or its lack, there is nothing to say. */
	if ((!standing.is_known && standing.problem == NULL) || !is_worth_storing(&state, now))
		return;
	node_state_store(&state);
	standing.stored = state;
	/* What it was told by may say something else by the next time. */
	strlcpy(stored_error, state.last_error == NULL ? "" : state.last_error, sizeof(stored_error));
	standing.stored.last_error = state.last_error == NULL ? NULL : stored_error;
	standing.stored_at = now;
	standing.is_stored = true;
}
