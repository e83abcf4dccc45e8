/*
 * simulator_store.h
 *		What the simulated node and the outside wallet remember: the tables
 *		spark_bitcoin.simulator_*.
 *
 * Each function runs in the transaction it is called in: the node's own for
 * what the node does, the caller's for what the outside world does.  Nothing
 * that the node does waits for a transaction of the outside world: a row that
 * one of those holds is skipped, and the call gets no answer.
 */
#ifndef SPARK_LIGHTNING_SIMULATOR_STORE_H
#define SPARK_LIGHTNING_SIMULATOR_STORE_H

#include "postgres/server.h"

#include "lightning/bolt11_crypto.h"
#include "lightning/simulator.h"

/* The two nodes of this little world. */
typedef enum SimulatorOwner
{
	OWNER_NODE,
	OWNER_OUTSIDE
} SimulatorOwner;

typedef struct SimulatorKey
{
	Bytes32		secret;
	PublicKey	public_key;
} SimulatorKey;

/* False where it was never used: nobody can have an invoice of it. */
extern bool simulator_find_key(SimulatorOwner owner, SimulatorKey *key);

/* Makes it at first use. */
extern SimulatorKey simulator_need_key(SimulatorOwner owner, const Bolt11Crypto *crypto, Instant now);

typedef struct SimulatorScripts
{
	SimulatorScript *scripts;	/* in the order of their making */
	size_t		count;
} SimulatorScripts;

/*
 * Every script that may be for that hash.  query: in a function that only
 * reads.  How many payments (or invoices) came before is counted for
 * `call` where counted is set.
 */
extern SimulatorScripts simulator_load_scripts(Bytes32 payment_hash, bool query, Arena *arena);
extern void simulator_count_calls(SimulatorScripts *scripts, bool of_invoices);

/* How the whole node is: the last script that says so, and holds. */
extern SimulatorScript simulator_find_condition(Instant now, Arena *arena);

/* Stores a script whose words were checked; options: JSON text. */
extern void simulator_add_script(Uuid id, const char *payment_hash, const char *outcome, const char *options,
								 Instant now);

typedef struct SimulatorPayments
{
	SimulatedPayment *attempts; /* at one hash, in their order */
	size_t		count;
} SimulatorPayments;

/* Followed up to now. */
extern SimulatorPayments simulator_load_payments(Bytes32 payment_hash, const SimulatorScripts *scripts, bool query,
												 Instant now, Arena *arena);
extern void simulator_store_payment(const SimulatedPayment *payment);

/* A stored invoice with what the rules need not know. */
typedef struct SimulatorInvoice
{
	SimulatedInvoice invoice;
	SimulatorOwner owner;
	const char *payment_request;
} SimulatorInvoice;

typedef enum SimulatorLock
{
	LOCK_NOTHING,
	LOCK_IN_QUERY,				/* nothing too, in a function that only reads */
	LOCK_OR_WAIT,
	LOCK_OR_SKIP				/* a row that is held counts as absent */
} SimulatorLock;

/* NULL where there is none.  Its script is found among the scripts. */
extern SimulatorInvoice *simulator_find_invoice(Bytes32 payment_hash, const SimulatorScripts *scripts,
												SimulatorLock lock, Arena *arena);

/* The payment request made with that key; NULL: none yet. */
extern const char *simulator_find_created(Uuid key, Arena *arena);

/* key nil: none. */
extern void simulator_add_invoice(const SimulatorInvoice *invoice, Uuid key);

/* Cancelled or settled. */
extern void simulator_store_invoice(const SimulatedInvoice *invoice);

/* Hashes of unpaid invoices that some script may let be paid. */
extern size_t simulator_receivable(bool query, Arena *arena, Bytes32 **hashes);

/* Announces the settled invoices whose hint has come; then the hints behind cursor, oldest first. */
extern size_t simulator_events_since(int64_t cursor, Instant now, Arena *arena, Bytes32 **hashes, int64_t *next);

/* One payment that was executed, for the witness. */
typedef struct ExecutedPayment
{
	Bytes32		payment_hash;
	bool		incoming;
	Amount		amount;
	Amount		fee;
	Instant		settled_at;
} ExecutedPayment;

/* The last `limit` of those that the tables say are executed, newest first. */
extern size_t simulator_executed(int64_t limit, Arena *arena, ExecutedPayment **executed);

/* Hashes of payments that are under way as far as the tables know. */
extern size_t simulator_under_way(bool query, Arena *arena, Bytes32 **hashes);

#endif
