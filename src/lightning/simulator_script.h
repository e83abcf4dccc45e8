/*
 * simulator_script.h
 *		What a tester wants to become of a payment: an outcome and its options.
 *
 * A script is for one payment hash, or, with the hash `*`, for every payment
 * that fits its filters.  Scripts are only ever added; of two that are for the
 * same payment, one for its very hash beats one for `*`, and among equals the
 * later one does.
 * Pure C: no server, no library.
 */
#ifndef SPARK_LIGHTNING_SIMULATOR_SCRIPT_H
#define SPARK_LIGHTNING_SIMULATOR_SCRIPT_H

#include "common/arena.h"
#include "common/result.h"
#include "lightning/lightning_node.h"

/* X(symbol, word) */
#define SIMULATOR_OUTCOMES(X) \
	X(SUCCEED, "succeed") \
	X(FAIL, "fail") \
	X(LOST_REPLY, "lost_reply") \
	X(NEVER_ANSWER, "never_answer") \
	X(UNKNOWN, "unknown") \
	X(NOT_SENT, "not_sent") \
	X(STUCK, "stuck") \
	X(FLIP, "flip") \
	X(BAD_PREIMAGE, "bad_preimage") \
	X(BAD_REPLY, "bad_reply") \
	X(STALE, "stale") \
	X(RECEIVE, "receive") \
	X(MAKE, "make") \
	X(NODE, "node")

typedef enum SimulatorOutcome
{
#define SIMULATOR_OUTCOME_ENUM(symbol, word) OUTCOME_##symbol,
	SIMULATOR_OUTCOMES(SIMULATOR_OUTCOME_ENUM)
#undef SIMULATOR_OUTCOME_ENUM
	OUTCOME_COUNT
} SimulatorOutcome;

/* Where the node was when the line broke.  At `read` its record comes a second later. */
typedef enum LostAt
{
	LOST_AT_ACK,
	LOST_AT_READ,
	LOST_AT_COMMIT
} LostAt;

typedef enum LookupSays
{
	LOOKUP_SAYS_UNAVAILABLE,
	LOOKUP_SAYS_NOT_FOUND,
	LOOKUP_SAYS_PENDING
} LookupSays;

typedef enum StuckAs
{
	STUCK_NO_HTLC,
	STUCK_INITIATED,
	STUCK_PART
} StuckAs;

typedef enum PreimageKind
{
	PREIMAGE_WRONG,
	PREIMAGE_ZERO,
	PREIMAGE_MISSING
} PreimageKind;

/* What became of the bytes of a reply; behind each, the node has the payment. */
typedef enum ReplyFault
{
	FAULT_EMPTY,
	FAULT_RESET,
	FAULT_HTTP_401,
	FAULT_HTTP_408,
	FAULT_HTTP_500,
	FAULT_HTTP_502,
	FAULT_HTTP_503,
	FAULT_REDIRECT,
	FAULT_GARBAGE,
	FAULT_CUT,
	FAULT_DOUBLED_KEYS,
	FAULT_WRONG_TYPES,
	FAULT_HUGE,
	FAULT_ENDLESS,				/* from here on nothing comes before the deadline */
	FAULT_SLOW,
	FAULT_SILENT,
	FAULT_LATE
} ReplyFault;

/* How the hint that an invoice was paid arrives. */
typedef enum SettleEvents
{
	EVENTS_ONCE,
	EVENTS_TWICE,
	EVENTS_MISSED,
	EVENTS_REORDERED,			/* behind those of later payments */
	EVENTS_GAP,					/* its number is not the next one */
	EVENTS_INDEX_0				/* with a number that is behind no cursor: nobody hears it */
} SettleEvents;

/* What is wrong with the invoice that the node shows; it has made a good one. */
typedef enum MadeWrong
{
	WRONG_HASH,
	WRONG_AMOUNT,
	WRONG_PAYEE,
	WRONG_NETWORK,
	WRONG_JUNK					/* no payment request at all */
} MadeWrong;

/* How the whole node is. */
typedef enum NodeCondition
{
	CONDITION_WELL,
	CONDITION_DOWN,				/* nobody listens */
	CONDITION_LOCKED,			/* it runs, and answers nothing */
	CONDITION_SYNCING,			/* it answers, and calls itself not ready */
	CONDITION_ANOTHER,			/* another node answers, which knows nothing of ours */
	CONDITION_PRUNED			/* it has forgotten the payments that have ended, and says that it does so */
} NodeCondition;

typedef struct SimulatorScript
{
	/* Which payments it is for. */
	bool		for_any;		/* the hash `*` */
	Bytes32		payment_hash;	/* unless for_any */
	bool		has_amount;		/* for_any: only payments of that amount, .. */
	Amount		amount;
	const char *memo;			/* .. with that memo; NULL: whatever memo, .. */
	int64_t		call;			/* .. only the n-th since this script was made; 0: each */

	/* Its place among the scripts. */
	Uuid		id;
	Instant		made_at;
	int64_t		fitted_before;	/* payments since made_at that fit the filters: for `call` */

	/* What becomes of them; each outcome reads what its options are. */
	SimulatorOutcome outcome;
	int64_t		after_s;
	int64_t		within_s;		/* beside that: up to so many more, as the seed draws */
	int64_t		seed;
	bool		has_fee;
	Amount		fee;
	Amount		over;			/* beside that, beyond what was allowed: the node breaks its word */
	bool		has_told_fee;
	Amount		told_fee;		/* what the node says that it took */
	NodeFailure reason;
	bool		then_fails;
	LostAt		at;
	LookupSays	lookup;
	bool		is_acknowledged;	/* the reply to the pay call is there */
	int64_t		times;
	StuckAs		as;
	PreimageKind kind;
	ReplyFault	fault;
	bool		has_received;
	Amount		received;
	Amount		kept;			/* of what was received, the node keeps that for itself */
	SettleEvents events;
	int64_t		held_s;			/* before it is settled, or released where `then` fails */
	bool		pays_cancelled; /* what was cancelled is paid all the same */
	MadeWrong	wrong;
	NodeCondition condition;
	int64_t		skew_s;			/* of the node's clock, as its records show it */
} SimulatorScript;

/*
 * Reads hash ("*" or 64 lower-case hex digits), outcome and options (the text
 * of a flat JSON object) into a script without id and time.  INVALID_ARGUMENT
 * with a detail for anything that the table of outcomes does not know.
 */
extern Result simulator_script_read(const char *payment_hash, const char *outcome, const char *options,
									Arena *arena, SimulatorScript *script) MUST_CHECK;

/* after_s, and the draw of within_s for that payment or invoice. */
extern int64_t simulator_script_delay(const SimulatorScript *script, Bytes32 payment_hash);

/* The word of a failure, as the option `reason` names it: "no_route". */
extern const char *node_failure_word(NodeFailure failure);

/* The failure of that word; OTHER where it is none. */
extern NodeFailure node_failure_of_word(const char *word);

/* True where a is later than b; of one moment, the id decides. */
extern bool simulator_script_is_later(const SimulatorScript *a, const SimulatorScript *b);

/* What holds (or NULL) is beaten by a script for the very hash, or by a later one of its own kind. */
extern bool simulator_script_beats(const SimulatorScript *script, const SimulatorScript *holding);

/* `call` counts what comes after the script: true where the next one is meant, or each. */
extern bool simulator_script_is_next(const SimulatorScript *script);

/* True where it is for a payment of that hash, amount and memo; `call` aside. */
extern bool simulator_script_is_for(const SimulatorScript *script, Bytes32 payment_hash,
									Amount amount, const char *memo);

static inline bool
has_come(Instant moment, Instant now)
{
	return !instant_before(now, moment);
}

static inline Instant
later_of(Instant a, Instant b)
{
	return instant_before(a, b) ? b : a;
}

static inline int64_t
larger_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

#endif
