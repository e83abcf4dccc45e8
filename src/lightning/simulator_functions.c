/*
 * simulator_functions.c
 *		The outside world, for demos and tests: schema spark_simulator.
 *
 * What is done here happens in the caller's transaction, and the worker looks
 * once it has committed.  Of the node's rows, only an invoice that is being
 * paid is locked.
 */
#include "postgres/server.h"

#include "lightning/bolt11.h"
#include "lightning/bytes32.h"
#include "lightning/invoice_crypto.h"
#include "lightning/public_key.h"
#include "lightning/simulator_invoices.h"
#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/command.h"
#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/workers/wakeup.h"

#include "utils/jsonb.h"

#define DEFAULT_EXPIRY 3600
#define MAX_EXPIRY (10 * 365 * 24 * 3600)
#define DEFAULT_LIMIT 1000
#define MAX_LIMIT 1000000

PG_FUNCTION_INFO_V1(spark_simulator_pay);
PG_FUNCTION_INFO_V1(spark_simulator_make_invoice);
PG_FUNCTION_INFO_V1(spark_simulator_script);
PG_FUNCTION_INFO_V1(spark_simulator_payments);

/* There is no outside world to play where a real node is. */
static void
simulator_required(void)
{
	const char *node = GetConfigOption("spark.lightning_node", true, false);

	if (node != NULL && strcmp(node, "simulator") != 0)
		refuse_now("Call it where spark.lightning_node is simulator.",
				   "The setting spark.lightning_node names another node than simulator.");
	installed_required("bitcoin");
}

/* Of an optional argument: from 1 to most, or the fallback. */
static int64
arg_count(FunctionCallInfo fcinfo, int number, const char *name, int64 most, int64 fallback)
{
	int64		count = PG_ARGISNULL(number) ? fallback : PG_GETARG_INT32(number);

	if (count < 1 || count > most)
		refuse(RESULT_INVALID_ARGUMENT, "Argument %s must be from 1 to " INT64_FORMAT ".", name, most);
	return count;
}

/* The invoice that the request is, its row locked; NOT_FOUND for one that the node did not make. */
static SimulatorInvoice *
own_invoice(const char *payment_request, SimulatorScripts *scripts, Arena *arena)
{
	SimulatorInvoice *found;
	SimulatorKey key;
	Bolt11	   *invoice;

	check(bolt11_decode(payment_request, invoice_crypto(), arena, &invoice));
	*scripts = simulator_load_scripts(invoice->payment_hash, false, arena);
	found = simulator_find_invoice(invoice->payment_hash, scripts, LOCK_OR_WAIT, arena);
	if (found == NULL || found->owner != OWNER_NODE || !simulator_find_key(OWNER_NODE, &key) ||
		!public_key_equal(invoice->payee, key.public_key))
		refuse(RESULT_NOT_FOUND, "The simulated node has made no such invoice.");
	return found;
}

Datum
spark_simulator_pay(PG_FUNCTION_ARGS)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	bool		late = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	Amount		received = AMOUNT_ZERO;
	const char *payment_request;
	SimulatorScripts scripts;
	SimulatorInvoice *found;
	Instant		now;

	simulator_required();
	payment_request = arg_text(fcinfo, 0, "payment_request");
	if (!PG_ARGISNULL(1))
	{
		received = AMOUNT_MSAT(PG_GETARG_INT64(1));
		if (!amount_is_payable(received))
			refuse(RESULT_INVALID_ARGUMENT, "Argument received_msat must be from 1 to all bitcoin there is.");
	}
	found = own_invoice(payment_request, &scripts, arena);
	now = server_time();
	(void) simulator_follow_invoice(&found->invoice, scripts.scripts, scripts.count, now);
	check(simulator_wallet_pays(&found->invoice, received, late, now));
	simulator_store_invoice(&found->invoice);
	wake_lightning_at_commit();
	PG_RETURN_TEXT_P(cstring_to_text(bytes32_hex(arena, found->invoice.preimage)));
}

Datum
spark_simulator_make_invoice(PG_FUNCTION_ARGS)
{
	const char *memo = arg_text_or_null(fcinfo, 1);
	const char *payment_request;
	Amount		amount;
	int64		expiry_seconds;

	simulator_required();
	amount = arg_sat_or_zero(fcinfo, 0, "amount_sat");
	expiry_seconds = arg_count(fcinfo, 2, "expiry_seconds", MAX_EXPIRY, DEFAULT_EXPIRY);
	check(simulator_make_invoice(OWNER_OUTSIDE, UUID_NIL, amount, memo == NULL ? "" : memo, expiry_seconds,
								 server_time(), context_arena(CurrentMemoryContext), &payment_request));
	PG_RETURN_TEXT_P(cstring_to_text(payment_request));
}

Datum
spark_simulator_script(PG_FUNCTION_ARGS)
{
	IdSource   *ids = server_ports()->ids;
	const char *payment_hash;
	const char *outcome;
	const char *options = "{}";
	SimulatorScript script;

	simulator_required();
	payment_hash = arg_text(fcinfo, 0, "payment_hash");
	if (strcmp(payment_hash, "*") != 0)
		payment_hash = arg_hash(fcinfo, 0, "payment_hash");
	outcome = arg_text(fcinfo, 1, "outcome");
	if (!PG_ARGISNULL(2))
	{
		Jsonb	   *given = PG_GETARG_JSONB_P(2);

		options = JsonbToCString(NULL, &given->root, VARSIZE(given));
	}
	check(simulator_script_read(payment_hash, outcome, options, context_arena(CurrentMemoryContext), &script));
	simulator_add_script(ids->next(ids), payment_hash, outcome, options, server_time());
	wake_lightning_at_commit();
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------- witness */

typedef struct Witness
{
	Arena	   *arena;
	Instant		now;
	ExecutedPayment *executed;
	size_t		count;
	size_t		capacity;
} Witness;

static void
testify(Witness *witness, ExecutedPayment executed)
{
	if (witness->count == witness->capacity)
	{
		ExecutedPayment *larger;

		witness->capacity = 2 * witness->capacity + 16;
		larger = ARENA_ARRAY(witness->arena, ExecutedPayment, witness->capacity);
		if (witness->count > 0)
			memcpy(larger, witness->executed, witness->count * sizeof(ExecutedPayment));
		witness->executed = larger;
	}
	witness->executed[witness->count++] = executed;
}

/* Payments that have ended without the node having looked since. */
static void
add_unseen_payments(Witness *witness)
{
	Bytes32    *hashes;
	size_t		count = simulator_under_way(true, witness->arena, &hashes);

	for (size_t i = 0; i < count; i++)
	{
		SimulatorScripts scripts = simulator_load_scripts(hashes[i], true, witness->arena);
		SimulatorPayments payments = simulator_load_payments(hashes[i], &scripts, true, witness->now, witness->arena);

		for (size_t j = 0; j < payments.count; j++)
		{
			const SimulatedPayment *payment = &payments.attempts[j];

			if (payment->changed && payment->closed && payment->end.kind == END_SUCCESS)
				testify(witness, (ExecutedPayment) {
					.payment_hash = payment->payment_hash,
					.amount = payment->amount,
					.fee = payment->end.fee,
					.settled_at = payment->end.at,
				});
		}
	}
}

/* Invoices that a script has let be paid, likewise. */
static void
add_unseen_receipts(Witness *witness)
{
	Bytes32    *hashes;
	size_t		count = simulator_receivable(true, witness->arena, &hashes);

	for (size_t i = 0; i < count; i++)
	{
		SimulatorScripts scripts = simulator_load_scripts(hashes[i], true, witness->arena);
		SimulatorInvoice *found = simulator_find_invoice(hashes[i], &scripts, LOCK_IN_QUERY, witness->arena);

		if (found != NULL &&
			simulator_follow_invoice(&found->invoice, scripts.scripts, scripts.count, witness->now) &&
			!instant_is_none(found->invoice.settled_at))
			testify(witness, (ExecutedPayment) {
				.payment_hash = hashes[i],
				.incoming = true,
				.amount = found->invoice.received,
				.settled_at = found->invoice.settled_at,
			});
	}
}

static int
newest_first(const void *a, const void *b)
{
	const ExecutedPayment *one = a;
	const ExecutedPayment *other = b;

	if (one->settled_at.microseconds != other->settled_at.microseconds)
		return instant_before(one->settled_at, other->settled_at) ? 1 : -1;
	return memcmp(&one->payment_hash, &other->payment_hash, sizeof(Bytes32));
}

Datum
spark_simulator_payments(PG_FUNCTION_ARGS)
{
	Witness		witness = {.arena = context_arena(CurrentMemoryContext), .now = server_time()};
	Answer		answer;
	int64		limit;

	simulator_required();
	limit = arg_count(fcinfo, 0, "limit_", MAX_LIMIT, DEFAULT_LIMIT);
	witness.count = witness.capacity = simulator_executed(limit, witness.arena, &witness.executed);
	add_unseen_payments(&witness);
	add_unseen_receipts(&witness);
	qsort(witness.executed, witness.count, sizeof(ExecutedPayment), newest_first);

	answer = answers_begin(fcinfo);
	for (size_t i = 0; i < witness.count && (int64) i < limit; i++)
	{
		const ExecutedPayment *executed = &witness.executed[i];

		answer_text(&answer, bytes32_hex(witness.arena, executed->payment_hash));
		answer_text(&answer, executed->incoming ? "in" : "out");
		answer_amount(&answer, executed->amount);
		answer_amount(&answer, executed->fee);
		answer_instant(&answer, executed->settled_at);
		answer_put(&answer);
	}
	return (Datum) 0;
}
