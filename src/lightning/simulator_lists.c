/*
 * simulator_lists.c
 *		What the simulated node tells of all that it has done.
 *
 * A page is what was made in so many moments or more, in their order; its cursor
 * is the last of them, in microseconds.  Rows are only added.
 */
#include "postgres/server.h"

#include "lightning/simulator_lists.h"

#include "lightning/bytes32.h"
#include "postgres/statement.h"

#define PAGE 100

/* What may leave for payments that go on, and what has left for those that have ended unseen. */
typedef struct Unseen
{
	Amount		going_on;
	int64		left_msat;
} Unseen;

static void
add_unseen(Unseen *unseen, const SimulatedPayment *payment)
{
	if (instant_is_none(payment->created_at))
		return;
	if (!payment->closed)
		unseen->going_on.msat += payment->amount.msat + payment->max_fee.msat;
	else if (payment->changed && payment->end.kind == END_SUCCESS)
		unseen->left_msat += payment->amount.msat + payment->end.fee.msat;
}

static Unseen
sum_unseen(Instant now, Arena *arena)
{
	Unseen		unseen = {.left_msat = 0};
	Bytes32    *hashes;
	size_t		count = simulator_under_way(false, arena, &hashes);

	for (size_t i = 0; i < count; i++)
	{
		SimulatorScripts scripts = simulator_load_scripts(hashes[i], false, arena);
		SimulatorPayments payments = simulator_load_payments(hashes[i], &scripts, false, now, arena);

		for (size_t j = 0; j < payments.count; j++)
			add_unseen(&unseen, &payments.attempts[j]);
	}
	return unseen;
}

void
simulator_tell_balance(NodeCall *call, Instant now, Arena *arena)
{
	static Statement statement = {
		.sql = "/* audit */ SELECT (SELECT coalesce(sum(received_msat - kept_msat), 0) FROM spark_bitcoin.simulator_invoices"
		"   WHERE owner = 'node' AND settled_at IS NOT NULL)::bigint,"
		" (SELECT coalesce(sum(amount_msat + fee_msat), 0) FROM spark_bitcoin.simulator_payments"
		"   WHERE succeeded)::bigint"
	};
	Unseen		unseen = sum_unseen(now, arena);
	Rows		rows = rows_open(&statement, NO_PARAMETERS);

	call->answered = rows_next(&rows);
	if (call->answered)
	{
		call->balance.in_flight = unseen.going_on;
		call->balance.local.msat = row_bigint(&rows, 1) - row_bigint(&rows, 2) - unseen.left_msat - unseen.going_on.msat;
	}
	rows_close(&rows);
	call->done = true;
}

typedef struct Line
{
	Bytes32		payment_hash;
	int32		attempt;
} Line;

static size_t
read_page(Statement *statement, NodeCall *call, Arena *arena, Line **lines)
{
	/* The first page begins with that very moment. */
	Instant		after = {call->cursor > 0 ? call->cursor : Max(call->since.microseconds - 1, 1)};
	Rows		rows = rows_open(statement, PARAMETERS(param_instant(after), param_int(PAGE)));
	size_t		count = 0;

	*lines = ARENA_ARRAY(arena, Line, rows.count + 1);
	call->next_cursor = after.microseconds;
	call->has_more = rows.count >= PAGE;
	while (rows_next(&rows))
	{
		(void) !bytes32_parse(row_text(&rows, 1, arena), &(*lines)[count].payment_hash);
		(*lines)[count++].attempt = row_int(&rows, 2);
		call->next_cursor = row_instant(&rows, 3).microseconds;
	}
	rows_close(&rows);
	call->answered = true;
	call->done = true;
	return count;
}

/* False where a look-up would not find it. */
static bool
tell_attempt(const SimulatedPayment *attempt, Instant now, Arena *arena, ListedPayment *listed)
{
	NodeCall	look = {.operation = NODE_LOOKUP_PAYMENT, .arena = arena, .verdict = PAYMENT_PENDING};

	simulator_look_up_payment(attempt, 1, now, &look);
	if (look.verdict == PAYMENT_NOT_FOUND)
		return false;
	*listed = (ListedPayment) {
		.payment_hash = attempt->payment_hash,
		.state = look.verdict == PAYMENT_UNAVAILABLE ? PAYMENT_PENDING : look.verdict,
		.amount = attempt->amount,
		.fee = look.payment.fee,
		.created_at = attempt->created_at,
	};
	return true;
}

void
simulator_tell_payments(NodeCall *call, Instant now, Arena *arena)
{
	static Statement statement = {
		.sql = "SELECT payment_hash, attempt, called_at FROM spark_bitcoin.simulator_payments"
		" WHERE called_at > $1 ORDER BY called_at FETCH FIRST $2 ROWS WITH TIES"
	};
	Line	   *lines;
	size_t		count = read_page(&statement, call, arena, &lines);
	ListedPayment *listed = ARENA_ARRAY(call->arena, ListedPayment, Max(count, 1));

	for (size_t i = 0; i < count; i++)
	{
		SimulatorScripts scripts = simulator_load_scripts(lines[i].payment_hash, false, arena);
		SimulatorPayments payments = simulator_load_payments(lines[i].payment_hash, &scripts, false, now, arena);

		for (size_t j = 0; j < payments.count; j++)
			if (payments.attempts[j].attempt == lines[i].attempt &&
				tell_attempt(&payments.attempts[j], now, arena, &listed[call->listed_count]))
				call->listed_count++;
	}
	call->payments = listed;
}

void
simulator_tell_invoices(NodeCall *call, Instant now, Arena *arena)
{
	static Statement statement = {
		.sql = "SELECT payment_hash, 0, created_at FROM spark_bitcoin.simulator_invoices"
		" WHERE owner = 'node' AND created_at > $1 ORDER BY created_at FETCH FIRST $2 ROWS WITH TIES"
	};
	Line	   *lines;
	size_t		count = read_page(&statement, call, arena, &lines);
	ListedInvoice *listed = ARENA_ARRAY(call->arena, ListedInvoice, Max(count, 1));

	for (size_t i = 0; i < count; i++)
	{
		SimulatorScripts scripts = simulator_load_scripts(lines[i].payment_hash, false, arena);
		SimulatorInvoice *found = simulator_find_invoice(lines[i].payment_hash, &scripts, LOCK_NOTHING, arena);
		NodeCall	look = {.operation = NODE_LOOKUP_INVOICE, .arena = arena, .invoice = INVOICE_OPEN};

		if (found == NULL)
			continue;
		(void) simulator_follow_invoice(&found->invoice, scripts.scripts, scripts.count, now);
		simulator_look_up_invoice(&found->invoice, now, &look);
		listed[call->listed_count++] = (ListedInvoice) {
			.payment_hash = lines[i].payment_hash,
			.state = look.invoice,
			.amount = found->invoice.amount,
			.received = look.received,
			.created_at = found->invoice.created_at,
		};
	}
	call->invoices = listed;
}
