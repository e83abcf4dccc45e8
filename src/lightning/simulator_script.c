/*
 * simulator_script.c
 *		Reading the words of a script: one table of options says all of it.
 */
#include "lightning/simulator_script.h"

#include "common/json.h"
#include "common/names.h"
#include "lightning/bolt11.h"
#include "lightning/bytes32.h"

#include <string.h>

/* Ten years: long past whatever a payment lives, and far from overflow. */
#define MAX_AFTER_S INT64_C(315360000)
#define MAX_COUNT INT64_C(1000000000)
#define MAX_SKEW_S INT64_C(86400)
#define MAX_SHOWN 64			/* bytes of an unknown name that an error repeats */
#define MAX_MSAT (MAX_SAT * MSAT_PER_SAT)

static const char *const outcome_words[] = {
#define SIMULATOR_OUTCOME_WORD(symbol, word) [OUTCOME_##symbol] = word,
	SIMULATOR_OUTCOMES(SIMULATOR_OUTCOME_WORD)
#undef SIMULATOR_OUTCOME_WORD
};

static const char *const failure_words[] = {
	[NODE_FAILURE_NONE] = "none",
	[NODE_FAILURE_NO_ROUTE] = "no_route",
	[NODE_FAILURE_FEE_LIMIT] = "fee_limit",
	[NODE_FAILURE_EXPIRED] = "expired",
	[NODE_FAILURE_REFUSED_BY_PAYEE] = "refused_by_payee",
	[NODE_FAILURE_NO_FUNDS] = "no_funds",
	[NODE_FAILURE_BAD_INVOICE] = "bad_invoice",
	[NODE_FAILURE_GAVE_UP] = "gave_up",
	[NODE_FAILURE_CANCELED] = "canceled",
	[NODE_FAILURE_OTHER] = "other",
};

static const char *const then_words[] = {"succeed", "fail"};
static const char *const at_words[] = {
	[LOST_AT_ACK] = "ack", [LOST_AT_READ] = "read", [LOST_AT_COMMIT] = "commit"};
static const char *const lookup_words[] = {
	[LOOKUP_SAYS_UNAVAILABLE] = "unavailable",
	[LOOKUP_SAYS_NOT_FOUND] = "not_found",
	[LOOKUP_SAYS_PENDING] = "pending"};
static const char *const as_words[] = {
	[STUCK_NO_HTLC] = "no_htlc", [STUCK_INITIATED] = "initiated", [STUCK_PART] = "part"};
static const char *const kind_words[] = {
	[PREIMAGE_WRONG] = "wrong", [PREIMAGE_ZERO] = "zero", [PREIMAGE_MISSING] = "missing"};
static const char *const fault_words[] = {
	[FAULT_EMPTY] = "empty",
	[FAULT_RESET] = "reset",
	[FAULT_HTTP_401] = "http_401",
	[FAULT_HTTP_408] = "http_408",
	[FAULT_HTTP_500] = "http_500",
	[FAULT_HTTP_502] = "http_502",
	[FAULT_HTTP_503] = "http_503",
	[FAULT_REDIRECT] = "redirect",
	[FAULT_GARBAGE] = "garbage",
	[FAULT_CUT] = "cut",
	[FAULT_DOUBLED_KEYS] = "doubled_keys",
	[FAULT_WRONG_TYPES] = "wrong_types",
	[FAULT_HUGE] = "huge",
	[FAULT_ENDLESS] = "endless",
	[FAULT_SLOW] = "slow",
	[FAULT_SILENT] = "silent",
	[FAULT_LATE] = "late"};
static const char *const events_words[] = {
	[EVENTS_ONCE] = "once",
	[EVENTS_TWICE] = "twice",
	[EVENTS_MISSED] = "missed",
	[EVENTS_REORDERED] = "reordered",
	[EVENTS_GAP] = "gap",
	[EVENTS_INDEX_0] = "index_0"};
static const char *const reply_words[] = {"lost", "ack"};
static const char *const cancelled_words[] = {"unpaid", "paid"};
static const char *const wrong_words[] = {
	[WRONG_HASH] = "hash",
	[WRONG_AMOUNT] = "amount",
	[WRONG_PAYEE] = "payee",
	[WRONG_NETWORK] = "network",
	[WRONG_JUNK] = "junk"};
static const char *const condition_words[] = {
	[CONDITION_WELL] = "well",
	[CONDITION_DOWN] = "down",
	[CONDITION_LOCKED] = "locked",
	[CONDITION_SYNCING] = "syncing",
	[CONDITION_ANOTHER] = "another",
	[CONDITION_PRUNED] = "pruned"};

/* ---------------------------------------------------------------- options */

typedef enum Option
{
	/* numbers */
	OPTION_AFTER_S,
	OPTION_WITHIN_S,
	OPTION_SEED,
	OPTION_FEE_MSAT,
	OPTION_OVER_MSAT,
	OPTION_TOLD_FEE_MSAT,
	OPTION_KEPT_MSAT,
	OPTION_TIMES,
	OPTION_RECEIVED_MSAT,
	OPTION_HELD_S,
	OPTION_SKEW_S,
	/* words */
	OPTION_REASON,
	OPTION_THEN,
	OPTION_AT,
	OPTION_LOOKUP,
	OPTION_REPLY,
	OPTION_STUCK_AS,
	OPTION_NODE_AS,
	OPTION_KIND,
	OPTION_FAULT,
	OPTION_EVENTS,
	OPTION_CANCELLED,
	OPTION_WRONG,
	/* filters */
	OPTION_AMOUNT_MSAT,
	OPTION_MEMO,
	OPTION_CALL
} Option;

#define OF(outcome) (1u << OUTCOME_##outcome)
/* Where the payment ends as `then` says, or as the outcome itself does. */
#define OF_THEN (OF(LOST_REPLY) | OF(UNKNOWN) | OF(NOT_SENT) | OF(BAD_REPLY) | OF(STALE))
#define OF_ENDING (OF(SUCCEED) | OF(FAIL) | OF_THEN | OF(FLIP))
#define OF_ALL ((1u << OUTCOME_COUNT) - 1)
#define OF_FILTERED (OF_ALL & ~OF(NODE))

#define NUMBER(least_, most_) .least = (least_), .most = (most_)
#define WORDS(words_) .words = (words_), .count = COUNT_OF(words_)

typedef struct OptionRule
{
	const char *name;
	Option		option;
	unsigned	outcomes;		/* which of them know it */
	bool		is_filter;		/* only with the hash `*` */
	bool		is_text;
	const char *const *words;	/* one of these; NULL: a number, or text */
	size_t		count;
	int64_t		least;
	int64_t		most;
} OptionRule;

static const OptionRule option_rules[] = {
	{"after_s", OPTION_AFTER_S, OF_ENDING | OF(RECEIVE) | OF(NODE), NUMBER(0, MAX_AFTER_S)},
	{"within_s", OPTION_WITHIN_S, OF_ENDING | OF(RECEIVE), NUMBER(0, MAX_AFTER_S)},
	{"seed", OPTION_SEED, OF_ENDING | OF(RECEIVE), NUMBER(0, MAX_COUNT)},
	{"fee_msat", OPTION_FEE_MSAT, OF_ENDING | OF(BAD_PREIMAGE), NUMBER(0, MAX_MSAT)},
	{"over_msat", OPTION_OVER_MSAT, OF(SUCCEED), NUMBER(1, MAX_MSAT)},
	{"told_fee_msat", OPTION_TOLD_FEE_MSAT, OF(SUCCEED), NUMBER(-MAX_MSAT, MAX_MSAT)},
	{"kept_msat", OPTION_KEPT_MSAT, OF(RECEIVE), NUMBER(0, MAX_MSAT)},
	{"times", OPTION_TIMES, OF(NOT_SENT), NUMBER(1, MAX_COUNT)},
	{"received_msat", OPTION_RECEIVED_MSAT, OF(RECEIVE), NUMBER(1, MAX_MSAT)},
	{"held_s", OPTION_HELD_S, OF(RECEIVE), NUMBER(0, MAX_AFTER_S)},
	{"skew_s", OPTION_SKEW_S, OF(NODE), NUMBER(-MAX_SKEW_S, MAX_SKEW_S)},
	{"reason", OPTION_REASON, OF_ENDING, WORDS(failure_words)},
	{"then", OPTION_THEN, OF_THEN | OF(RECEIVE), WORDS(then_words)},
	{"at", OPTION_AT, OF(LOST_REPLY), WORDS(at_words)},
	{"lookup", OPTION_LOOKUP, OF(UNKNOWN), WORDS(lookup_words)},
	{"reply", OPTION_REPLY, OF(UNKNOWN), WORDS(reply_words)},
	{"as", OPTION_STUCK_AS, OF(STUCK), WORDS(as_words)},
	{"as", OPTION_NODE_AS, OF(NODE), WORDS(condition_words)},
	{"kind", OPTION_KIND, OF(BAD_PREIMAGE), WORDS(kind_words)},
	{"fault", OPTION_FAULT, OF(BAD_REPLY), WORDS(fault_words)},
	{"events", OPTION_EVENTS, OF(RECEIVE), WORDS(events_words)},
	{"cancelled", OPTION_CANCELLED, OF(RECEIVE), WORDS(cancelled_words)},
	{"wrong", OPTION_WRONG, OF(MAKE), WORDS(wrong_words)},
	{"amount_msat", OPTION_AMOUNT_MSAT, OF_FILTERED, .is_filter = true, NUMBER(1, MAX_MSAT)},
	{"memo", OPTION_MEMO, OF_FILTERED, .is_filter = true, .is_text = true, .most = BOLT11_MAX_DESCRIPTION},
	{"call", OPTION_CALL, OF_FILTERED, .is_filter = true, NUMBER(1, MAX_COUNT)},
};

static void
take_number(SimulatorScript *script, Option option, int64_t value)
{
	if (option == OPTION_AFTER_S)
		script->after_s = value;
	else if (option == OPTION_WITHIN_S)
		script->within_s = value;
	else if (option == OPTION_SEED)
		script->seed = value;
	else if (option == OPTION_FEE_MSAT)
	{
		script->has_fee = true;
		script->fee = AMOUNT_MSAT(value);
	}
	else if (option == OPTION_OVER_MSAT)
		script->over = AMOUNT_MSAT(value);
	else if (option == OPTION_TOLD_FEE_MSAT)
	{
		script->has_told_fee = true;
		script->told_fee = AMOUNT_MSAT(value);
	}
	else if (option == OPTION_KEPT_MSAT)
		script->kept = AMOUNT_MSAT(value);
	else if (option == OPTION_TIMES)
		script->times = value;
	else if (option == OPTION_RECEIVED_MSAT)
	{
		script->has_received = true;
		script->received = AMOUNT_MSAT(value);
	}
	else if (option == OPTION_HELD_S)
		script->held_s = value;
	else if (option == OPTION_SKEW_S)
		script->skew_s = value;
}

/* place: among the words of the option. */
static void
take_word(SimulatorScript *script, Option option, size_t place)
{
	if (option == OPTION_REASON)
		script->reason = (NodeFailure) place;
	else if (option == OPTION_THEN)
		script->then_fails = place == 1;
	else if (option == OPTION_AT)
		script->at = (LostAt) place;
	else if (option == OPTION_LOOKUP)
		script->lookup = (LookupSays) place;
	else if (option == OPTION_REPLY)
		script->is_acknowledged = place == 1;
	else if (option == OPTION_STUCK_AS)
		script->as = (StuckAs) place;
	else if (option == OPTION_NODE_AS)
		script->condition = (NodeCondition) place;
	else if (option == OPTION_KIND)
		script->kind = (PreimageKind) place;
	else if (option == OPTION_FAULT)
		script->fault = (ReplyFault) place;
	else if (option == OPTION_EVENTS)
		script->events = (SettleEvents) place;
	else if (option == OPTION_CANCELLED)
		script->pays_cancelled = place == 1;
	else if (option == OPTION_WRONG)
		script->wrong = (MadeWrong) place;
}

static void
take_filter(SimulatorScript *script, Option option, const JsonValue *member)
{
	if (option == OPTION_AMOUNT_MSAT)
	{
		script->has_amount = true;
		script->amount = AMOUNT_MSAT(member->integer);
	}
	else if (option == OPTION_MEMO)
		script->memo = member->text;
	else if (option == OPTION_CALL)
		script->call = member->integer;
}

static const OptionRule *
rule_of(const char *name, SimulatorOutcome outcome)
{
	for (size_t i = 0; i < COUNT_OF(option_rules); i++)
		if (strcmp(option_rules[i].name, name) == 0 && (option_rules[i].outcomes & (1u << outcome)) != 0)
			return &option_rules[i];
	return NULL;
}

/* The member's value is one that the option knows; *place is that among its words. */
static Result
check_value(const OptionRule *rule, const JsonValue *member, Arena *arena, size_t *place)
{
	*place = 0;
	if (rule->words != NULL &&
		(member->kind != JSON_TEXT || !name_place(rule->words, rule->count, member->text, place) ||
		 (rule->option == OPTION_REASON && *place == NODE_FAILURE_NONE)))
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Option \"%s\" does not know this value.", rule->name));
	if (rule->is_text && (member->kind != JSON_TEXT || strlen(member->text) > (size_t) rule->most))
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Option \"%s\" must be a text of no more than %lld bytes.",
										 rule->name, (long long) rule->most));
	if (rule->words == NULL && !rule->is_text &&
		(member->kind != JSON_INTEGER || member->integer < rule->least || member->integer > rule->most))
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Option \"%s\" must be a whole number from %lld to %lld.",
										 rule->name, (long long) rule->least, (long long) rule->most));
	return OK;
}

static Result
read_option(const JsonValue *member, Arena *arena, SimulatorScript *script)
{
	const OptionRule *rule = rule_of(member->name, script->outcome);
	size_t		place;

	if (rule == NULL)
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Outcome \"%s\" has no option \"%s\".", outcome_words[script->outcome],
										 strlen(member->name) <= MAX_SHOWN ? member->name : ".."));
	if (rule->is_filter && !script->for_any)
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Option \"%s\" goes with the payment hash * only.", rule->name));
	TRY(check_value(rule, member, arena, &place));
	if (rule->is_filter)
		take_filter(script, rule->option, member);
	else if (rule->words != NULL)
		take_word(script, rule->option, place);
	else
		take_number(script, rule->option, member->integer);
	return OK;
}

Result
simulator_script_read(const char *payment_hash, const char *outcome, const char *options,
					  Arena *arena, SimulatorScript *script)
{
	size_t		place;
	const JsonValue *object;

	*script = (SimulatorScript) {
		.for_any = payment_hash != NULL && strcmp(payment_hash, "*") == 0,
		.reason = NODE_FAILURE_NO_ROUTE,
		.times = 1,
	};
	if (!script->for_any && !bytes32_parse(payment_hash, &script->payment_hash))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The payment hash must be 64 hex digits, or * for any.");
	if (outcome == NULL || !name_place(outcome_words, OUTCOME_COUNT, outcome, &place))
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The outcome is none that the simulated node knows.");
	script->outcome = (SimulatorOutcome) place;
	if ((script->outcome == OUTCOME_MAKE || script->outcome == OUTCOME_NODE) && !script->for_any)
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Outcome \"%s\" goes with the payment hash * only.", outcome));

	object = options == NULL ? NULL : json_parse(arena, options, strlen(options));
	if (object == NULL || object->kind != JSON_OBJECT)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The options must be a flat JSON object.");
	for (const JsonValue *member = object->first; member != NULL; member = member->next)
		TRY(read_option(member, arena, script));
	return OK;
}

/* ------------------------------------------------------------------ drawing */

/* The same seed and hash give the same number, others one that is not akin to it. */
static uint64_t
draw(int64_t seed, Bytes32 payment_hash)
{
	uint64_t	number = (uint64_t) seed;

	for (size_t i = 0; i < sizeof(payment_hash.bytes); i++)
	{
		number = (number ^ payment_hash.bytes[i]) * UINT64_C(0xbf58476d1ce4e5b9);
		number ^= number >> 29;
	}
	return number ^ number >> 32;
}

int64_t
simulator_script_delay(const SimulatorScript *script, Bytes32 payment_hash)
{
	return script->after_s + (int64_t) (draw(script->seed, payment_hash) % (uint64_t) (script->within_s + 1));
}

/* ---------------------------------------------------------------- fitting */

DEFINE_NAME_OF(node_failure_word, NodeFailure, failure_words)

NodeFailure
node_failure_of_word(const char *word)
{
	size_t		place;

	return name_place(failure_words, COUNT_OF(failure_words), word, &place) ? (NodeFailure) place : NODE_FAILURE_OTHER;
}

bool
simulator_script_is_later(const SimulatorScript *a, const SimulatorScript *b)
{
	if (a->made_at.microseconds != b->made_at.microseconds)
		return instant_before(b->made_at, a->made_at);
	return uuid_compare(a->id, b->id) > 0;
}

bool
simulator_script_beats(const SimulatorScript *script, const SimulatorScript *holding)
{
	if (holding == NULL)
		return true;
	if (script->for_any != holding->for_any)
		return holding->for_any;
	return simulator_script_is_later(script, holding);
}

bool
simulator_script_is_next(const SimulatorScript *script)
{
	return script->call == 0 || script->call == script->fitted_before + 1;
}

bool
simulator_script_is_for(const SimulatorScript *script, Bytes32 payment_hash, Amount amount, const char *memo)
{
	if (!script->for_any)
		return bytes32_equal(script->payment_hash, payment_hash);
	if (script->has_amount && !amount_equal(script->amount, amount))
		return false;
	return script->memo == NULL || (memo != NULL && strcmp(script->memo, memo) == 0);
}
