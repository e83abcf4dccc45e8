/*
 * result.h
 *		What a decision of the domain comes back as.
 *
 * A Result is OK or a refusal: one code of the public error table and, where
 * more can be said than the table's own words, a detail.  Rules never raise;
 * they return.  Only the entry points of the server turn a Result into an
 * error (postgres/errors.c), and only a handler turns it into an event.
 *
 * RESULT_CODES is the one table of all errors of spark.  Enum, SQLSTATE, name,
 * HTTP status, message and hint all come from it, and so does the reference
 * page in docs/.  The digits of a SQLSTATE are no HTTP status.
 */
#ifndef SPARK_COMMON_RESULT_H
#define SPARK_COMMON_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * X(code, sqlstate, name, http status, message, hint)
 *
 * name:	what a `reason` column shows.
 * message:	PostgreSQL's style: lower case, no period, no value of a user.
 * hint:	full sentences; says what the caller does next.
 */
#define RESULT_CODES(X) \
	X(INVALID_ARGUMENT, "SP001", "invalid_argument", 400, \
	  "invalid argument", \
	  "Correct the argument and call again.") \
	X(NOT_FOUND, "SP002", "not_found", 404, \
	  "not found", \
	  "Check the id. What belongs to another account is not found either.") \
	X(NOT_SIGNED_IN, "SP003", "not_signed_in", 401, \
	  "not signed in", \
	  "Call spark.login() and send its access_token: SET spark.token = '...' in SQL, or the header Authorization: Bearer over HTTP.") \
	X(NOT_ALLOWED, "SP004", "not_allowed", 403, \
	  "not allowed", \
	  "This account may not do that.") \
	X(IDEMPOTENCY_MISMATCH, "SP005", "idempotency_mismatch", 422, \
	  "the same key was used with other content", \
	  "Repeat the first call unchanged, or use a new key for a new request.") \
	X(IDEMPOTENCY_KEY_MISSING, "SP006", "idempotency_key_missing", 400, \
	  "idempotency key is missing", \
	  "Call again with a key of your own making, for example a new UUID; repeat the call with the same key.") \
	X(TOO_MANY_REQUESTS, "SP007", "too_many_requests", 429, \
	  "too many requests", \
	  "Wait a while, then try again.") \
	X(BACK_PRESSURE, "SP008", "back_pressure", 503, \
	  "too many messages are waiting", \
	  "Try again later; operators see the cause in spark_ops.health().") \
	X(NOT_INSTALLED, "SP009", "not_installed", 503, \
	  "spark is not completely installed in this database", \
	  "The operator runs SELECT * FROM spark.install(); and finds what else is missing by SELECT * FROM spark_ops.health();") \
	X(REFUSED_NOW, "SP010", "refused_now", 409, \
	  "refused in this state", \
	  "Look at the state first, then decide.") \
	X(WRONG_PASSWORD, "SP101", "wrong_password", 401, \
	  "wrong username or password", \
	  "Check both and try again.") \
	X(USERNAME_TAKEN, "SP102", "username_taken", 409, \
	  "username is taken", \
	  "Choose another username.") \
	X(INSUFFICIENT_FUNDS, "SP200", "insufficient_funds", 402, \
	  "insufficient funds", \
	  "Deposit first, then ask again with a new key.") \
	X(ACCOUNT_UNKNOWN, "SP201", "account_unknown", 404, \
	  "account is unknown to the ledger", \
	  "Sign up, or deposit first, then ask again with a new key.") \
	X(ACCOUNT_CLOSED, "SP202", "account_closed", 409, \
	  "account is closed", \
	  "A closed account moves no money; ask the operator.") \
	X(PENDING_RESOLVED, "SP203", "pending_resolved", 409, \
	  "the pending transfer was already posted or voided", \
	  "Nothing is left to do for this transfer.") \
	X(PENDING_EXPIRED, "SP204", "pending_expired", 410, \
	  "the pending transfer has expired", \
	  "Its amount was given back; start anew with a new key.") \
	X(LIMIT_EXCEEDED, "SP205", "limit_exceeded", 429, \
	  "the limit of this account is exceeded", \
	  "Wait until the window has passed, or ask for less.") \
	X(ACCOUNT_FROZEN, "SP206", "account_frozen", 409, \
	  "account is frozen", \
	  "Ask the operator why; nothing is lost.") \
	X(CAMPAIGN_CLOSED, "SP300", "campaign_closed", 409, \
	  "campaign is not open", \
	  "Choose a campaign whose status is open.") \
	X(OWN_CAMPAIGN, "SP301", "own_campaign", 422, \
	  "owners cannot donate to their own campaign", \
	  "Choose a campaign of somebody else.") \
	X(GOAL_REACHED, "SP302", "goal_reached", 409, \
	  "the goal is reached and the campaign takes no more", \
	  "Choose another campaign.") \
	X(FROZEN_AFTER_FIRST_PLEDGE, "SP303", "frozen_after_first_pledge", 409, \
	  "this cannot change after the first donation", \
	  "Open a new campaign instead.") \
	X(SOLD_OUT, "SP304", "sold_out", 409, \
	  "sold out", \
	  "Choose another reward.") \
	X(CAMPAIGN_FAILED, "SP305", "campaign_failed", 409, \
	  "campaign has failed", \
	  "Choose a campaign whose status is open.") \
	X(PAYMENT_REQUEST_MALFORMED, "SP400", "payment_request_malformed", 400, \
	  "payment request is malformed", \
	  "Copy the whole BOLT 11 invoice, from its first letters to its last.") \
	X(PAYMENT_REQUEST_OF_OTHER_NETWORK, "SP401", "payment_request_of_other_network", 422, \
	  "payment request belongs to another network", \
	  "Ask for an invoice of the network that this node is on.") \
	X(PAYMENT_REQUEST_EXPIRED, "SP402", "payment_request_expired", 410, \
	  "payment request has expired", \
	  "Ask the payee for a new invoice.") \
	X(AMOUNT_MISSING, "SP403", "amount_missing", 422, \
	  "the amount is missing, or given twice", \
	  "Give amount_sat if, and only if, the payment request names no amount.") \
	X(PAYMENT_REQUEST_USED, "SP404", "payment_request_used", 409, \
	  "payment request was used already", \
	  "Ask the payee for a new invoice.") \
	X(PAYMENT_REFUSED, "SP405", "payment_refused", 422, \
	  "the payment was refused by the node or on the route", \
	  "The money is back; ask the payee for a new invoice and try again.") \
	X(NODE_OFFLINE, "SP406", "node_offline", 503, \
	  "the Lightning node cannot be reached", \
	  "Try again later.") \
	X(FEE_LIMIT_TOO_LOW, "SP407", "fee_limit_too_low", 422, \
	  "the fee limit is too low", \
	  "Raise max_fee_sat, or leave it out.") \
	X(OWN_INVOICE, "SP408", "own_invoice", 422, \
	  "this invoice is your own", \
	  "Ask another account, or an outside wallet, for an invoice.") \
	X(INTERNAL, "SP900", "internal", 500, \
	  "a rule that must always hold was broken; nothing was changed", \
	  "Report this with the server's log.")

typedef enum ResultCode
{
	RESULT_OK = 0,
#define RESULT_ENUM(code, sqlstate, name, http, message, hint) RESULT_##code,
	RESULT_CODES(RESULT_ENUM)
#undef RESULT_ENUM
	/*
	 * Not an error of the public table: an insert met a row of the same key
	 * that another session committed first.  The command runs again and then
	 * finds that row (postgres/command.h).
	 */
	RESULT_DUPLICATE,
	RESULT_CODE_COUNT
} ResultCode;

/*
 * detail: NULL, or full sentences that may name ids, limits and arguments;
 * static text or text of the unit of work's arena.
 */
typedef struct Result
{
	ResultCode	code;
	const char *detail;
	int64_t		retry_seconds;	/* when it is known how long to wait before trying again; else 0 */
} Result;

#if defined(__GNUC__)
#define MUST_CHECK __attribute__((warn_unused_result))
#else
#define MUST_CHECK
#endif

#define OK ((Result) {RESULT_OK, NULL, 0})
#define FAIL(code_) ((Result) {RESULT_##code_, NULL, 0})
#define FAIL_BECAUSE(code_, detail_) ((Result) {RESULT_##code_, (detail_), 0})
#define FAIL_FOR_NOW(code_, seconds_, detail_) ((Result) {RESULT_##code_, (detail_), (seconds_)})

/* Leaves the calling function with the first Result that is not OK. */
#define TRY(expression) \
	do { \
		Result		try_result_ = (expression); \
		if (try_result_.code != RESULT_OK) \
			return try_result_; \
	} while (0)

static inline bool
failed(Result result)
{
	return result.code != RESULT_OK;
}

typedef struct ResultText
{
	const char *sqlstate;		/* five characters */
	const char *name;			/* what a reason column shows */
	int			http_status;
	const char *message;
	const char *hint;
} ResultText;

/* The row of a code; of RESULT_OK and RESULT_DUPLICATE: "00000" and SP900. */
extern const ResultText *result_text(ResultCode code);

/* The code whose name it is; false where there is none. */
extern bool result_by_name(const char *name, ResultCode *code);

#endif
