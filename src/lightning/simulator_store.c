/*
 * simulator_store.c
 *		The tables of the simulated node over SPI.
 */
#include "postgres/server.h"

#include "lightning/simulator_store.h"

#include "lightning/bytes32.h"
#include "lightning/public_key.h"
#include "postgres/environment.h"
#include "postgres/statement.h"

#define MAX_EVENTS "1000"

static const char *const owner_names[] = {[OWNER_NODE] = "node", [OWNER_OUTSIDE] = "outside"};

/* -------------------------------------------------------- hashes and texts */

static Parameter
param_bytes32(Bytes32 value)
{
	return param_text(bytes32_hex(context_arena(CurrentMemoryContext), value));
}

static Bytes32
row_bytes32(const Rows *rows, int column, Arena *arena)
{
	Bytes32		value = {{0}};

	(void) !bytes32_parse(row_text(rows, column, arena), &value);
	return value;
}

/* The first column of every row. */
static size_t
read_hashes(Statement *statement, const Parameter *parameters, int count, Arena *arena, Bytes32 **hashes)
{
	Rows		rows = rows_open(statement, parameters, count);
	size_t		found = 0;

	*hashes = ARENA_ARRAY(arena, Bytes32, rows.count);
	while (rows_next(&rows))
		(*hashes)[found++] = row_bytes32(&rows, 1, arena);
	rows_close(&rows);
	return found;
}

/* -------------------------------------------------------------------- keys */

bool
simulator_find_key(SimulatorOwner owner, SimulatorKey *key)
{
	static Statement statement = {
		.sql = "SELECT secret_key, public_key FROM spark_bitcoin.simulator_keys WHERE name = $1"
	};
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Rows		rows = rows_open(&statement, PARAMETERS(param_text(owner_names[owner])));
	bool		found = false;

	if (rows_next(&rows))
	{
		key->secret = row_bytes32(&rows, 1, arena);
		found = public_key_parse(row_text(&rows, 2, arena), &key->public_key);
	}
	rows_close(&rows);
	return found;
}

SimulatorKey
simulator_need_key(SimulatorOwner owner, const Bolt11Crypto *crypto, Instant now)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.simulator_keys (name, secret_key, public_key, created_at)"
		" VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
	};
	SimulatorKey key;

	if (simulator_find_key(owner, &key))
		return key;
	/* Nearly every 32 bytes are a key. */
	do
	{
		if (!pg_strong_random(key.secret.bytes, sizeof(key.secret.bytes)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a key for the simulated node")));
	} while (!crypto->public_key(&key.secret, &key.public_key));
	statement_run(&statement,
				  PARAMETERS(param_text(owner_names[owner]), param_bytes32(key.secret),
							 param_text(public_key_hex(context_arena(CurrentMemoryContext), key.public_key)),
							 param_instant(now)));
	/* Another session may have been first. */
	if (!simulator_find_key(owner, &key))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the simulated node's key was made by another transaction")));
	return key;
}

/* ----------------------------------------------------------------- scripts */

#define SCRIPTS_OF_HASH \
	"SELECT script_id, payment_hash, outcome, options, made_at" \
	"  FROM spark_bitcoin.simulator_scripts WHERE payment_hash IN ($1, '*') ORDER BY made_at, script_id"

SimulatorScripts
simulator_load_scripts(Bytes32 payment_hash, bool query, Arena *arena)
{
	static Statement in_command = {.sql = SCRIPTS_OF_HASH};
	static Statement in_query = {.sql = SCRIPTS_OF_HASH, .read_only = true};
	Rows		rows = rows_open(query ? &in_query : &in_command, PARAMETERS(param_bytes32(payment_hash)));
	SimulatorScripts loaded = {.scripts = ARENA_ARRAY(arena, SimulatorScript, rows.count)};

	while (rows_next(&rows))
	{
		SimulatorScript *script = &loaded.scripts[loaded.count];

		/* One of words that this version does not know says nothing. */
		if (failed(simulator_script_read(row_text(&rows, 2, arena), row_text(&rows, 3, arena),
										 row_text(&rows, 4, arena), arena, script)))
			continue;
		script->id = row_uuid(&rows, 1);
		script->made_at = row_instant(&rows, 5);
		loaded.count++;
	}
	rows_close(&rows);
	return loaded;
}

SimulatorScript
simulator_find_condition(Instant now, Arena *arena)
{
	static Statement statement = {
		.sql = "SELECT options, made_at FROM spark_bitcoin.simulator_scripts"
		" WHERE payment_hash = '*' AND outcome = 'node' ORDER BY made_at DESC, script_id DESC LIMIT 1"
	};
	const SimulatorScript well = {.condition = CONDITION_WELL};
	Rows		rows = rows_open(&statement, NO_PARAMETERS);
	SimulatorScript script = well;

	if (rows_next(&rows))
	{
		Instant		made_at = row_instant(&rows, 2);

		if (failed(simulator_script_read("*", "node", row_text(&rows, 1, arena), arena, &script)) ||
			(script.after_s > 0 && has_come(instant_plus_seconds(made_at, script.after_s), now)))
			script = well;
	}
	rows_close(&rows);
	return script;
}

static int64
count_fitting(Statement *statement, const SimulatorScript *script)
{
	Rows		rows = rows_open(statement, PARAMETERS(param_instant(script->made_at),
													   param_bigint_or_null(script->amount.msat, !script->has_amount),
													   param_text(script->memo)));
	int64		count = rows_next(&rows) ? row_bigint(&rows, 1) : 0;

	rows_close(&rows);
	return count;
}

void
simulator_count_calls(SimulatorScripts *scripts, bool of_invoices)
{
	static Statement payments = {
		.sql = "SELECT count(*) FROM spark_bitcoin.simulator_payments WHERE called_at >= $1"
		" AND ($2 IS NULL OR amount_msat = $2) AND ($3 IS NULL OR memo = $3)"
	};
	static Statement invoices = {
		.sql = "SELECT count(*) FROM spark_bitcoin.simulator_invoices WHERE created_at >= $1 AND owner = 'node'"
		" AND ($2 IS NULL OR amount_msat = $2) AND ($3 IS NULL OR memo = $3)"
	};

	for (size_t i = 0; i < scripts->count; i++)
	{
		SimulatorScript *script = &scripts->scripts[i];

		if (script->call != 0 && (script->outcome == OUTCOME_RECEIVE || script->outcome == OUTCOME_MAKE) == of_invoices)
			script->fitted_before = count_fitting(of_invoices ? &invoices : &payments, script);
	}
}

void
simulator_add_script(Uuid id, const char *payment_hash, const char *outcome, const char *options, Instant now)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.simulator_scripts (script_id, payment_hash, outcome, options, made_at)"
		" VALUES ($1, $2, $3, $4, $5)"
	};

	statement_run(&statement,
				  PARAMETERS(param_uuid(id), param_text(payment_hash), param_text(outcome), param_jsonb(options),
							 param_instant(now)));
}

static const SimulatorScript *
script_of(const SimulatorScripts *scripts, Uuid id)
{
	for (size_t i = 0; i < scripts->count; i++)
		if (uuid_equal(scripts->scripts[i].id, id))
			return &scripts->scripts[i];
	return NULL;
}

static Parameter
param_script(const SimulatorScript *script)
{
	return param_uuid_or_null(script == NULL ? UUID_NIL : script->id);
}

/* ---------------------------------------------------------------- payments */

#define PAYMENTS_OF_HASH \
	"SELECT p.attempt, p.amount_msat, p.max_fee_msat, p.memo, p.called_at, p.refusals, p.created_at, p.script_id," \
	" p.bound_at, p.closed, p.succeeded, p.ended_at, p.fee_msat, p.failure, i.preimage" \
	"  FROM spark_bitcoin.simulator_payments p LEFT JOIN spark_bitcoin.simulator_invoices i" \
	"    ON i.payment_hash = p.payment_hash AND i.owner = 'outside'" \
	" WHERE p.payment_hash = $1 ORDER BY p.attempt"

SimulatorPayments
simulator_load_payments(Bytes32 payment_hash, const SimulatorScripts *scripts, bool query, Instant now, Arena *arena)
{
	static Statement in_command = {.sql = PAYMENTS_OF_HASH};
	static Statement in_query = {.sql = PAYMENTS_OF_HASH, .read_only = true};
	Rows		rows = rows_open(query ? &in_query : &in_command, PARAMETERS(param_bytes32(payment_hash)));
	SimulatorPayments loaded = {.attempts = ARENA_ARRAY(arena, SimulatedPayment, rows.count)};

	while (rows_next(&rows))
	{
		SimulatedPayment *payment = &loaded.attempts[loaded.count++];

		payment->payment_hash = payment_hash;
		payment->attempt = row_int(&rows, 1);
		payment->amount = row_amount(&rows, 2);
		payment->max_fee = row_amount(&rows, 3);
		payment->memo = row_text(&rows, 4, arena);
		payment->called_at = row_instant(&rows, 5);
		payment->refusals = row_bigint(&rows, 6);
		payment->created_at = row_instant(&rows, 7);
		payment->script = script_of(scripts, row_uuid(&rows, 8));
		payment->bound_at = row_instant(&rows, 9);
		payment->closed = row_bool(&rows, 10);
		payment->end.kind = !payment->closed ? END_NONE : row_bool(&rows, 11) ? END_SUCCESS : END_FAILURE;
		payment->end.at = row_instant(&rows, 12);
		payment->end.fee = row_amount(&rows, 13);
		payment->end.failure = node_failure_of_word(row_text(&rows, 14, arena));
		payment->preimage = row_bytes32(&rows, 15, arena);
	}
	rows_close(&rows);
	simulator_follow_payments(loaded.attempts, loaded.count, scripts->scripts, scripts->count, now);
	return loaded;
}

void
simulator_store_payment(const SimulatedPayment *payment)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.simulator_payments AS p (payment_hash, attempt, amount_msat, max_fee_msat,"
		" memo, called_at, refusals, created_at, script_id, bound_at, closed, succeeded, ended_at, fee_msat, failure)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
		" ON CONFLICT (payment_hash, attempt) DO UPDATE SET amount_msat = $3, max_fee_msat = $4, memo = $5,"
		" called_at = $6, refusals = $7, created_at = $8, script_id = $9, bound_at = $10, closed = $11,"
		" succeeded = $12, ended_at = $13, fee_msat = $14, failure = $15"
	};
	const SimulatedEnd *end = &payment->end;
	const Parameter parameters[] = {
		param_bytes32(payment->payment_hash),
		param_int(payment->attempt),
		param_amount(payment->amount),
		param_amount(payment->max_fee),
		param_text(payment->memo),
		param_instant(payment->called_at),
		param_bigint(payment->refusals),
		param_instant(payment->created_at),
		param_script(payment->script),
		param_instant(payment->bound_at),
		param_bool(payment->closed),
		param_bool(payment->closed && end->kind == END_SUCCESS),
		param_instant(payment->closed ? end->at : INSTANT_NONE),
		param_amount(payment->closed ? end->fee : AMOUNT_ZERO),
		param_text(node_failure_word(payment->closed ? end->failure : NODE_FAILURE_NONE)),
	};

	statement_run(&statement, parameters, lengthof(parameters));
}

#define HASHES_UNDER_WAY "SELECT DISTINCT payment_hash FROM spark_bitcoin.simulator_payments WHERE NOT closed"

size_t
simulator_under_way(bool query, Arena *arena, Bytes32 **hashes)
{
	static Statement in_command = {.sql = HASHES_UNDER_WAY};
	static Statement in_query = {.sql = HASHES_UNDER_WAY, .read_only = true};

	return read_hashes(query ? &in_query : &in_command, NO_PARAMETERS, arena, hashes);
}

/* ---------------------------------------------------------------- invoices */

#define INVOICE_OF_HASH \
	"SELECT preimage, amount_msat, memo, created_at, expires_at, canceled_at, settled_at, received_msat, script_id," \
	" bound_at, owner = 'node', payment_request, kept_msat" \
	"  FROM spark_bitcoin.simulator_invoices WHERE payment_hash = $1"

static Statement *
invoice_statement(SimulatorLock lock)
{
	static Statement plain = {.sql = INVOICE_OF_HASH};
	static Statement in_query = {.sql = INVOICE_OF_HASH, .read_only = true};
	static Statement or_wait = {.sql = INVOICE_OF_HASH " FOR UPDATE"};
	static Statement or_skip = {.sql = INVOICE_OF_HASH " FOR UPDATE SKIP LOCKED"};

	switch (lock)
	{
		case LOCK_NOTHING:
			return &plain;
		case LOCK_IN_QUERY:
			return &in_query;
		case LOCK_OR_WAIT:
			return &or_wait;
		case LOCK_OR_SKIP:
			return &or_skip;
	}
	pg_unreachable();
}

SimulatorInvoice *
simulator_find_invoice(Bytes32 payment_hash, const SimulatorScripts *scripts, SimulatorLock lock, Arena *arena)
{
	Rows		rows = rows_open(invoice_statement(lock), PARAMETERS(param_bytes32(payment_hash)));
	SimulatorInvoice *found = NULL;

	if (rows_next(&rows))
	{
		found = ARENA_NEW(arena, SimulatorInvoice);
		found->invoice = (SimulatedInvoice) {
			.payment_hash = payment_hash,
			.preimage = row_bytes32(&rows, 1, arena),
			.amount = row_amount(&rows, 2),
			.memo = row_text(&rows, 3, arena),
			.created_at = row_instant(&rows, 4),
			.expires_at = row_instant(&rows, 5),
			.canceled_at = row_instant(&rows, 6),
			.settled_at = row_instant(&rows, 7),
			.received = row_amount(&rows, 8),
			.script = script_of(scripts, row_uuid(&rows, 9)),
			.bound_at = row_instant(&rows, 10),
			.kept = row_amount(&rows, 13),
		};
		found->owner = row_bool(&rows, 11) ? OWNER_NODE : OWNER_OUTSIDE;
		found->payment_request = row_text(&rows, 12, arena);
	}
	rows_close(&rows);
	return found;
}

const char *
simulator_find_created(Uuid key, Arena *arena)
{
	static Statement statement = {
		.sql = "SELECT payment_request FROM spark_bitcoin.simulator_invoices WHERE invoice_key = $1"
	};
	Rows		rows = rows_open(&statement, PARAMETERS(param_uuid(key)));
	const char *payment_request = rows_next(&rows) ? row_text(&rows, 1, arena) : NULL;

	rows_close(&rows);
	return payment_request;
}

void
simulator_add_invoice(const SimulatorInvoice *added, Uuid key)
{
	static Statement statement = {
		.sql = "INSERT INTO spark_bitcoin.simulator_invoices (payment_hash, owner, invoice_key, preimage,"
		" payment_request, amount_msat, memo, created_at, expires_at, script_id, bound_at,"
		" kept_msat) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)"
	};
	const SimulatedInvoice *invoice = &added->invoice;
	const Parameter parameters[] = {
		param_bytes32(invoice->payment_hash),
		param_text(owner_names[added->owner]),
		param_uuid_or_null(key),
		param_bytes32(invoice->preimage),
		param_text(added->payment_request),
		param_amount(invoice->amount),
		param_text(invoice->memo),
		param_instant(invoice->created_at),
		param_instant(invoice->expires_at),
		param_script(invoice->script),
		param_instant(invoice->bound_at),
	};

	statement_run(&statement, parameters, lengthof(parameters));
}

/* How often it is told; negative: behind a gap in the numbers. */
static int
event_count(SettleEvents events)
{
	switch (events)
	{
		case EVENTS_ONCE:
		case EVENTS_REORDERED:
			return 1;
		case EVENTS_TWICE:
			return 2;
		case EVENTS_GAP:
			return -1;
		case EVENTS_MISSED:
		case EVENTS_INDEX_0:
			break;
	}
	return 0;
}

void
simulator_store_invoice(const SimulatedInvoice *invoice)
{
	static Statement statement = {
		.sql = "UPDATE spark_bitcoin.simulator_invoices SET canceled_at = $2, settled_at = $3, received_msat = $4,"
		" event_at = $5, event_count = $6, script_id = $7, bound_at = $8, kept_msat = $9 WHERE payment_hash = $1"
	};
	bool		settled = !instant_is_none(invoice->settled_at);
	const Parameter parameters[] = {
		param_bytes32(invoice->payment_hash),
		param_instant(invoice->canceled_at),
		param_instant(invoice->settled_at),
		param_bigint_or_null(invoice->received.msat, !settled),
		param_instant(simulator_event_at(invoice)),
		param_int(settled ? event_count(invoice->events) : 0),
		param_script(invoice->script),
		param_instant(invoice->bound_at),
		param_amount(invoice->kept),
	};

	statement_run(&statement, parameters, lengthof(parameters));
}

/* Scripts for one hash each lead to their invoice; only one for any looks at all that are unpaid. */
#define RECEIVABLE_INVOICES \
	"SELECT i.payment_hash FROM spark_bitcoin.simulator_invoices i" \
	" WHERE i.payment_hash IN (SELECT s.payment_hash FROM spark_bitcoin.simulator_scripts s WHERE s.outcome = 'receive')" \
	"   AND i.owner = 'node' AND i.settled_at IS NULL" \
	" UNION " \
	"SELECT i.payment_hash FROM spark_bitcoin.simulator_invoices i" \
	" WHERE EXISTS (SELECT FROM spark_bitcoin.simulator_scripts s WHERE s.payment_hash = '*' AND s.outcome = 'receive')" \
	"   AND i.owner = 'node' AND i.settled_at IS NULL AND i.canceled_at IS NULL"

size_t
simulator_receivable(bool query, Arena *arena, Bytes32 **hashes)
{
	static Statement in_command = {.sql = RECEIVABLE_INVOICES};
	static Statement in_query = {.sql = RECEIVABLE_INVOICES, .read_only = true};

	return read_hashes(query ? &in_query : &in_command, NO_PARAMETERS, arena, hashes);
}

/* ------------------------------------------------------- events, witnesses */

/* Numbers are given by the one worker that announces. */
static void
announce_events(Instant now)
{
	static Statement statement = {
		.sql = "WITH due AS ("
		"  SELECT payment_hash FROM spark_bitcoin.simulator_invoices"
		"   WHERE announced_at IS NULL AND event_at <= $1 FOR UPDATE SKIP LOCKED"
		"), announced AS ("
		"  UPDATE spark_bitcoin.simulator_invoices i SET announced_at = $1 FROM due"
		"   WHERE i.payment_hash = due.payment_hash RETURNING i.payment_hash, i.event_at, i.event_count)"
		" INSERT INTO spark_bitcoin.simulator_events (event_no, payment_hash, made_at)"
		" SELECT (SELECT coalesce(max(event_no), 0) FROM spark_bitcoin.simulator_events)"
		"        + row_number() OVER in_order + 1000 * count(*) FILTER (WHERE a.event_count < 0) OVER in_order,"
		"        a.payment_hash, $1"
		"   FROM announced a, generate_series(1, abs(a.event_count)) WINDOW in_order AS (ORDER BY a.event_at, a.payment_hash)"
	};

	statement_run(&statement, PARAMETERS(param_instant(now)));
}

size_t
simulator_events_since(int64_t cursor, Instant now, Arena *arena, Bytes32 **hashes, int64_t *next)
{
	static Statement statement = {
		.sql = "SELECT payment_hash, event_no FROM spark_bitcoin.simulator_events"
		" WHERE event_no > $1 ORDER BY event_no LIMIT " MAX_EVENTS
	};
	Rows		rows;
	size_t		count = 0;

	announce_events(now);
	*next = cursor;
	rows = rows_open(&statement, PARAMETERS(param_bigint(cursor)));
	*hashes = ARENA_ARRAY(arena, Bytes32, rows.count);
	while (rows_next(&rows))
	{
		(*hashes)[count++] = row_bytes32(&rows, 1, arena);
		*next = row_bigint(&rows, 2);
	}
	rows_close(&rows);
	return count;
}

size_t
simulator_executed(int64_t limit, Arena *arena, ExecutedPayment **executed)
{
	static Statement statement = {
		.sql = "(SELECT payment_hash, false, amount_msat, fee_msat, ended_at AS settled_at"
		"  FROM spark_bitcoin.simulator_payments WHERE succeeded ORDER BY ended_at DESC LIMIT $1)"
		" UNION ALL "
		"(SELECT payment_hash, true, received_msat, 0, settled_at"
		"  FROM spark_bitcoin.simulator_invoices WHERE settled_at IS NOT NULL ORDER BY settled_at DESC LIMIT $1)"
		" ORDER BY settled_at DESC LIMIT $1",
		.read_only = true
	};
	Rows		rows = rows_open(&statement, PARAMETERS(param_bigint(limit)));
	size_t		count = 0;

	*executed = ARENA_ARRAY(arena, ExecutedPayment, rows.count);
	while (rows_next(&rows))
		(*executed)[count++] = (ExecutedPayment) {
			.payment_hash = row_bytes32(&rows, 1, arena),
			.incoming = row_bool(&rows, 2),
			.amount = row_amount(&rows, 3),
			.fee = row_amount(&rows, 4),
			.settled_at = row_instant(&rows, 5),
		};
	rows_close(&rows);
	return count;
}
