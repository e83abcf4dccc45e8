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
	[EVENTS_ONCE] = "once", [EVENTS_TWICE] = "twice", [EVENTS_MISSED] = "missed", [EVENTS_REORDERED] = "reordered"};

/* ---------------------------------------------------------------- options */

typedef enum Option
{
	OPTION_AFTER_S,
	OPTION_FEE_MSAT,
	OPTION_OVER_MSAT,
	OPTION_KEPT_MSAT,
	OPTION_REASON,
	OPTION_THEN,
	OPTION_AT,
	OPTION_LOOKUP,
	OPTION_TIMES,
	OPTION_AS,
	OPTION_KIND,
	OPTION_FAULT,
	OPTION_RECEIVED_MSAT,
	OPTION_EVENTS,
	OPTION_AMOUNT_MSAT,
	OPTION_MEMO,
	OPTION_CALL
} Option;

#define OF(outcome) (1u << OUTCOME_##outcome)
/* Where the payment ends as `then` says, or as the outcome itself does. */
#define OF_THEN (OF(LOST_REPLY) | OF(UNKNOWN) | OF(NOT_SENT) | OF(BAD_REPLY))
#define OF_ENDING (OF(SUCCEED) | OF(FAIL) | OF_THEN | OF(FLIP))
#define OF_ALL ((1u << OUTCOME_COUNT) - 1)

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
	{"after_s", OPTION_AFTER_S, OF_ENDING | OF(RECEIVE), NUMBER(0, MAX_AFTER_S)},
	{"fee_msat", OPTION_FEE_MSAT, OF_ENDING | OF(BAD_PREIMAGE), NUMBER(0, MAX_MSAT)},
	{"over_msat", OPTION_OVER_MSAT, OF(SUCCEED), NUMBER(1, MAX_MSAT)},
	{"kept_msat", OPTION_KEPT_MSAT, OF(RECEIVE), NUMBER(0, MAX_MSAT)},
	{"reason", OPTION_REASON, OF_ENDING, WORDS(failure_words)},
	{"then", OPTION_THEN, OF_THEN, WORDS(then_words)},
	{"at", OPTION_AT, OF(LOST_REPLY), WORDS(at_words)},
	{"lookup", OPTION_LOOKUP, OF(UNKNOWN), WORDS(lookup_words)},
	{"times", OPTION_TIMES, OF(NOT_SENT), NUMBER(1, MAX_COUNT)},
	{"as", OPTION_AS, OF(STUCK), WORDS(as_words)},
	{"kind", OPTION_KIND, OF(BAD_PREIMAGE), WORDS(kind_words)},
	{"fault", OPTION_FAULT, OF(BAD_REPLY), WORDS(fault_words)},
	{"received_msat", OPTION_RECEIVED_MSAT, OF(RECEIVE), NUMBER(1, MAX_MSAT)},
	{"events", OPTION_EVENTS, OF(RECEIVE), WORDS(events_words)},
	{"amount_msat", OPTION_AMOUNT_MSAT, OF_ALL, .is_filter = true, NUMBER(1, MAX_MSAT)},
	{"memo", OPTION_MEMO, OF_ALL, .is_filter = true, .is_text = true, .most = BOLT11_MAX_DESCRIPTION},
	{"call", OPTION_CALL, OF_ALL, .is_filter = true, NUMBER(1, MAX_COUNT)},
};

/* value is the number, or the place among the words. */
static void
take_option(SimulatorScript *script, Option option, int64_t value, const char *text)
{
	switch (option)
	{
		case OPTION_AFTER_S:
			script->after_s = value;
			break;
		case OPTION_FEE_MSAT:
			script->has_fee = true;
			script->fee = AMOUNT_MSAT(value);
			break;
		case OPTION_OVER_MSAT:
			script->over = AMOUNT_MSAT(value);
			break;
		case OPTION_KEPT_MSAT:
			script->kept = AMOUNT_MSAT(value);
			break;
		case OPTION_REASON:
			script->reason = (NodeFailure) value;
			break;
		case OPTION_THEN:
			script->then_fails = value == 1;
			break;
		case OPTION_AT:
			script->at = (LostAt) value;
			break;
		case OPTION_LOOKUP:
			script->lookup = (LookupSays) value;
			break;
		case OPTION_TIMES:
			script->times = value;
			break;
		case OPTION_AS:
			script->as = (StuckAs) value;
			break;
		case OPTION_KIND:
			script->kind = (PreimageKind) value;
			break;
		case OPTION_FAULT:
			script->fault = (ReplyFault) value;
			break;
		case OPTION_RECEIVED_MSAT:
			script->has_received = true;
			script->received = AMOUNT_MSAT(value);
			break;
		case OPTION_EVENTS:
			script->events = (SettleEvents) value;
			break;
		case OPTION_AMOUNT_MSAT:
			script->has_amount = true;
			script->amount = AMOUNT_MSAT(value);
			break;
		case OPTION_MEMO:
			script->memo = text;
			break;
		case OPTION_CALL:
			script->call = value;
			break;
	}
}

static const OptionRule *
rule_of(const char *name, SimulatorOutcome outcome)
{
	for (size_t i = 0; i < COUNT_OF(option_rules); i++)
		if (strcmp(option_rules[i].name, name) == 0 && (option_rules[i].outcomes & (1u << outcome)) != 0)
			return &option_rules[i];
	return NULL;
}

static Result
read_option(const JsonValue *member, Arena *arena, SimulatorScript *script)
{
	const OptionRule *rule = rule_of(member->name, script->outcome);
	int64_t		value = 0;

	if (rule == NULL)
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Outcome \"%s\" has no option \"%s\".", outcome_words[script->outcome],
										 strlen(member->name) <= MAX_SHOWN ? member->name : ".."));
	if (rule->is_filter && !script->for_any)
		return FAIL_BECAUSE(INVALID_ARGUMENT,
							arena_printf(arena, "Option \"%s\" goes with the payment hash * only.", rule->name));
	if (rule->is_text || rule->words != NULL)
	{
		size_t		place = 0;

		if (member->kind != JSON_TEXT ||
			(rule->words != NULL && (!name_place(rule->words, rule->count, member->text, &place) ||
									 (rule->option == OPTION_REASON && place == NODE_FAILURE_NONE))))
			return FAIL_BECAUSE(INVALID_ARGUMENT,
								arena_printf(arena, "Option \"%s\" does not know this value.", rule->name));
		if (rule->is_text && strlen(member->text) > (size_t) rule->most)
			return FAIL_BECAUSE(INVALID_ARGUMENT,
								arena_printf(arena, "Option \"%s\" must not be longer than %lld bytes.",
											 rule->name, (long long) rule->most));
		value = (int64_t) place;
	}
	else
	{
		if (member->kind != JSON_INTEGER || member->integer < rule->least || member->integer > rule->most)
			return FAIL_BECAUSE(INVALID_ARGUMENT,
								arena_printf(arena, "Option \"%s\" must be a whole number from %lld to %lld.",
											 rule->name, (long long) rule->least, (long long) rule->most));
		value = member->integer;
	}
	take_option(script, rule->option, value, member->text);
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

	object = options == NULL ? NULL : json_parse(arena, options, strlen(options));
	if (object == NULL || object->kind != JSON_OBJECT)
		return FAIL_BECAUSE(INVALID_ARGUMENT, "The options must be a flat JSON object.");
	for (const JsonValue *member = object->first; member != NULL; member = member->next)
		TRY(read_option(member, arena, script));
	return OK;
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
simulator_script_is_for(const SimulatorScript *script, Bytes32 payment_hash, Amount amount, const char *memo)
{
	if (!script->for_any)
		return bytes32_equal(script->payment_hash, payment_hash);
	if (script->has_amount && !amount_equal(script->amount, amount))
		return false;
	return script->memo == NULL || (memo != NULL && strcmp(script->memo, memo) == 0);
}
