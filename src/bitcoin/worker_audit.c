/*
 * worker_audit.c
 *		The worker compares the books with its node.
 *
 * What the lists say is older than what the books say when they are compared,
 * so each hash that differs is looked up once more before it is told.  And after
 * the last of them the node is asked once more who it is.
 */
#include "postgres/server.h"

#include "bitcoin/worker_audit.h"

#include "bitcoin/audit_verdict.h"
#include "bitcoin/node_tell.h"
#include "bitcoin/postgres_audit.h"
#include "bitcoin/schedule.h"
#include "bitcoin/worker_node.h"

#include "lightning/bytes32.h"

#include "postgres/environment.h"
#include "postgres/errors.h"
#include "postgres/transaction.h"
#include "postgres/workers/wishes.h"

#define MOST_RETRY_SECONDS 60	/* after one that could not be finished; at first .. */
#define FIRST_RETRY 2			/* .. 4 seconds, then 8, 16, ..: each looks everything up */
#define MOST_LOOK_SECONDS 300	/* that it waits for look-ups */
#define STEP_MICROSECONDS (MICROSECONDS_PER_SECOND / 10)	/* between two looks whether they are done */
#define DOUBT_SECONDS 3			/* until the balance is asked for again */
#define CHUNK 500				/* hashes asked for at once */
#define SKEW_SECONDS 60			/* between the node's times and ours */

typedef enum AuditStep
{
	AUDIT_NONE,
	AUDIT_LOOKS,				/* everything open is being looked up */
	AUDIT_BALANCE,
	AUDIT_PAYMENTS,
	AUDIT_INVOICES,
	AUDIT_COMPARISON,
	AUDIT_SECOND_LOOKS,			/* what differs is being looked up */
	AUDIT_SECOND_COMPARISON,
	AUDIT_DOUBT,				/* the node lacks money: what has come late is being booked */
	AUDIT_SECOND_BALANCE
} AuditStep;

static struct
{
	AuditStep	step;
	bool		is_wanted;
	int			failures;		/* the last ones in a row: the next comes when it is due, whoever awaits it */
	Instant		due_at;			/* of the next one by itself; none: at once */
	Instant		began_at;
	Instant		looked_from;
	Instant		looks_since;	/* when waiting for them began */
	Instant		doubt_until;
	Instant		all_asked_at;	/* when each of them had been asked; none: not yet */
	Instant		read_from;
	int64		named_by;		/* the question that tells who gave the last list, or the balance */
	int64		wish;			/* the last of those that it fulfils */
	Call		call;
	MemoryContext context;		/* of all below */
	ListedPayment *payments;
	size_t		payment_count;
	size_t		payment_room;
	ListedInvoice *invoices;
	size_t		invoice_count;
	size_t		invoice_room;
	const char *untold;			/* why lists are lacking, so that the balance alone is judged; NULL: none does */
	AuditFigures figures;
	FoundDifference *found;
	size_t		found_count;
	size_t		found_room;
} audit;

/* ------------------------------------------------------------------- memory */

static void
forget(void)
{
	call_end(&audit.call);
	if (audit.context != NULL)
		MemoryContextDelete(audit.context);
	audit.context = NULL;
	audit.payments = NULL;
	audit.invoices = NULL;
	audit.found = NULL;
	audit.payment_count = audit.payment_room = 0;
	audit.invoice_count = audit.invoice_room = 0;
	audit.found_count = audit.found_room = 0;
	audit.figures.has_balance = false;
	audit.untold = NULL;
	audit.step = AUDIT_NONE;
}

/* Room for so many more; gives the array, moved where it was too small. */
static void *
grow(void *array, size_t *room, size_t count, size_t more, size_t size)
{
	size_t		wanted = Max(2 * *room, count + more + 64);

	if (count + more <= *room)
		return array;
	*room = wanted;
	if (array == NULL)
		return MemoryContextAllocHuge(audit.context, wanted * size);
	return repalloc_huge(array, wanted * size);
}

void
audit_begin(void)
{
	forget();
	memset(&audit, 0, sizeof(audit));
}

void
audit_want(Instant looked_from)
{
	/* One that is under way has read before that. */
	forget();
	audit.is_wanted = true;
	audit.looked_from = looked_from;
}

/* ---------------------------------------------------------------- comparing */

static void
keep(const char *payment_hash, Difference difference)
{
	FoundDifference *found;

	if (difference.kind == DIFFERENCE_NONE)
		return;
	audit.found = grow(audit.found, &audit.found_room, audit.found_count, 1, sizeof(FoundDifference));
	found = &audit.found[audit.found_count++];
	found->payment_hash = MemoryContextStrdup(audit.context, payment_hash);
	found->difference = difference;
	if (difference.books != NULL)
		found->difference.books = MemoryContextStrdup(audit.context, difference.books);
	if (difference.node != NULL)
		found->difference.node = MemoryContextStrdup(audit.context, difference.node);
}

/* The second payment of a hash is the late one of a withdrawal that had failed. */
static void
book_second_payment(const char *payment_hash, const PaymentAtNode *node, const PaymentInBooks *books)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	UnitOfWork *work = unit_of_work_new(arena, server_ports(), NULL);
	ProvenPayment payment = {.preimage = NULL};
	Withdrawal *withdrawal = NULL;
	WithdrawalState before;

	if (payment_beside(node, books, &payment.amount))
		withdrawal = failed_withdrawal_of(work, payment_hash, payment.amount, &payment.preimage);
	if (withdrawal == NULL)
		return;
	if (!amount_subtract(node->fees, books->fees, &payment.fee))
		payment.fee = AMOUNT_ZERO;
	before = withdrawal->state;
	withdrawal_paid_twice(withdrawal, &payment, clock_now(work));
	tell_withdrawal(work, withdrawal, before);
	raise_new_alarm(&bitcoin, withdrawal->aggregate.id, NULL, withdrawal->alarm);
	check(unit_of_work_complete(work));
}

static Instant
listed_from(void)
{
	return instant_is_none(audit.read_from) ? INSTANT_NONE : instant_plus_seconds(audit.read_from, SKEW_SECONDS);
}

static void
compare_payments(const PaymentAtNode *nodes, const char *const *hashes, size_t count, bool is_last)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	PaymentInBooks *books = ARENA_ARRAY(arena, PaymentInBooks, count);
	bool	   *is_there = ARENA_ARRAY(arena, bool, count);

	books_of_payments(hashes, count, listed_from(), audit.began_at, books, is_there);
	for (size_t i = 0; i < count; i++)
	{
		Difference	difference = compare_payment(nodes != NULL ? &nodes[i] : NULL, is_there[i] ? &books[i] : NULL, arena);

		keep(hashes[i], difference);
		if (is_last && difference.kind == DIFFERENCE_PAID_TWICE && books[i].failed > 0 && books[i].open == 0)
			book_second_payment(hashes[i], &nodes[i], &books[i]);
	}
}

static void
compare_invoices(const ListedInvoice *nodes, const char *const *hashes, size_t count)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	InvoiceInBooks *books = ARENA_ARRAY(arena, InvoiceInBooks, count);
	bool	   *is_there = ARENA_ARRAY(arena, bool, count);

	books_of_invoices(hashes, count, books, is_there);
	for (size_t i = 0; i < count; i++)
		keep(hashes[i], compare_invoice(nodes != NULL ? &nodes[i] : NULL, is_there[i] ? &books[i] : NULL, arena));
}

/* What the books have settled in that time, or know to be under way, has to be on the lists. */
static void
compare_missing(const char *const *payments, size_t payment_count, const char *const *invoices, size_t invoice_count)
{
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Instant		from = listed_from();
	const NodeCapabilities *capabilities = &worker_node()->capabilities;
	const char **missing;
	size_t		count;

	if (capabilities->lists_payments)
	{
		count = payments_without(from, audit.began_at, payments, payment_count, arena, &missing);
		for (size_t i = 0; i < count; i += CHUNK)
			compare_payments(NULL, missing + i, Min(CHUNK, count - i), false);
	}
	if (capabilities->lists_invoices)
	{
		count = settled_invoices_without(from, audit.began_at, invoices, invoice_count, arena, &missing);
		for (size_t i = 0; i < count; i += CHUNK)
			compare_invoices(NULL, missing + i, Min(CHUNK, count - i));
	}
}

static void
act_compare(void *argument)
{
	bool		is_last = *(bool *) argument;
	Arena	   *arena = context_arena(CurrentMemoryContext);
	PaymentAtNode *sums;
	size_t		sum_count = payments_by_hash(audit.payments, audit.payment_count, arena, &sums);
	const char **payments = ARENA_ARRAY(arena, const char *, sum_count + 1);
	const char **invoices = ARENA_ARRAY(arena, const char *, audit.invoice_count + 1);

	audit.found_count = 0;
	for (size_t i = 0; i < sum_count; i++)
		payments[i] = bytes32_hex(arena, sums[i].payment_hash);
	for (size_t i = 0; i < audit.invoice_count; i++)
		invoices[i] = bytes32_hex(arena, audit.invoices[i].payment_hash);
	for (size_t i = 0; i < sum_count; i += CHUNK)
		compare_payments(&sums[i], payments + i, Min(CHUNK, sum_count - i), is_last);
	for (size_t i = 0; i < audit.invoice_count; i += CHUNK)
		compare_invoices(&audit.invoices[i], invoices + i, Min(CHUNK, audit.invoice_count - i));
	compare_missing(payments, sum_count, invoices, audit.invoice_count);
}

/* Hashes of what was found, so many from that one on; returns how many. */
static size_t
found_hashes(size_t from, const char **hashes)
{
	size_t		count = 0;

	while (count < CHUNK && from + count < audit.found_count)
	{
		hashes[count] = audit.found[from + count].payment_hash;
		count++;
	}
	return count;
}

static void
look_at_found_payments(Instant now)
{
	const char *hashes[CHUNK];
	size_t		count;

	for (size_t i = 0; (count = found_hashes(i, hashes)) > 0; i += CHUNK)
		make_payments_due_by_hash(hashes, count, now);
}

static void
act_look_at_found(void *argument)
{
	Instant		now = *(Instant *) argument;
	const char *hashes[CHUNK];
	size_t		count;

	/* Deposits before withdrawals: the one order of locks. */
	for (size_t i = 0; (count = found_hashes(i, hashes)) > 0; i += CHUNK)
		make_due_by_hash(hashes, count, now);
	look_at_found_payments(now);
}

static bool
is_any_found_unasked(void)
{
	const char *hashes[CHUNK];
	size_t		count;

	for (size_t i = 0; (count = found_hashes(i, hashes)) > 0; i += CHUNK)
		if (is_any_unasked_of(hashes, count, audit.looked_from))
			return true;
	return false;
}

/* ------------------------------------------------------------------ the end */

/* True where the node lacks too much, which a payment that was just found may explain. */
static void
act_doubt(void *argument)
{
	*(bool *) argument = audit_shows_lack(&audit.figures);
}

/* argument: why it was not finished, or NULL. */
static void
act_end(void *argument)
{
	Instant		now = server_time();
	AuditOutcome outcome = {.began_at = audit.began_at, .problem = argument};

	if (outcome.problem == NULL)
	{
		differences_store(audit.found, audit.found_count, audit.read_from, now);
		audit_judge(audit.found, audit.found_count, &audit.figures, &outcome, now);
	}
	else if (outcome.problem == audit.untold)
		audit_judge_balance(&audit.figures, &outcome, now);
	audit_store(&outcome, now);
}

static void
end(const char *problem, Instant now)
{
	size_t		count = audit.found_count;

	worker_transaction(act_end, (void *) problem);
	if (problem != NULL)
		ereport(LOG, (errmsg("Lightning: the books were not compared with the node: %s", problem)));
	else if (count > 0)
		ereport(WARNING,
				(errmsg("Lightning: the books and the node differ about %zu hashes", count),
				 errhint("See spark_ops.reconcile().")));
	fulfil_wishes(audit.wish);
	forget();
	audit.due_at = problem == NULL ? instant_plus_seconds(now, SECONDS_PER_DAY) :
		after_backoff(now, FIRST_RETRY + audit.failures, MOST_RETRY_SECONDS, UUID_NIL);
	audit.failures = problem == NULL ? 0 : audit.failures + 1;
}

/* --------------------------------------------------------------------- steps */

/* True where it was done.  A step that raises ends this audit; the worker goes on with all else. */
static bool
done_or_ended(void (*act) (void *argument), void *argument, Instant now)
{
	ErrorData  *error = try_in_transaction(act, argument);

	if (error == NULL)
		return true;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("Lightning: the books could not be compared with the node: %s", error->message)));
	FreeErrorData(error);
	end("an error; see the server's log", now);
	return false;
}

typedef struct Question
{
	Instant		now;
	bool		answer;
} Question;

static void
act_begin(void *argument)
{
	Question   *question = argument;

	audit.read_from = audit_reads_from();
	/* A day of them is read again each time, so what is dropped while one is read is seen by the next. */
	if (question->answer)
		make_all_due(question->now, HTLC_LIFETIME_SECONDS);
}

static void
begin_looks(AuditStep step, Instant now)
{
	audit.step = step;
	audit.looks_since = now;
	audit.all_asked_at = INSTANT_NONE;
}

static void
start(const NodeStanding *standing, Instant now)
{
	Question	question = {.now = now, .answer = !audit.is_wanted};

	audit.wish = last_wish();
	audit.began_at = now;
	audit.context = AllocSetContextCreate(TopMemoryContext, "spark audit", ALLOCSET_DEFAULT_SIZES);
	if (question.answer)
		audit.looked_from = now;
	worker_transaction(act_begin, &question);
	audit.is_wanted = false;
	audit.named_by = identity_question_after(&standing->questions);
	begin_looks(AUDIT_LOOKS, now);
}

static void
act_is_unasked(void *argument)
{
	Question   *question = argument;

	question->answer = audit.step == AUDIT_LOOKS ? is_anything_unasked_since(audit.looked_from) :
		is_any_found_unasked();
	if (!question->answer)
		return;
	/* The answer to a question from before may have put one off that was due. */
	if (audit.step == AUDIT_LOOKS)
		make_unasked_due(audit.looked_from, question->now);
	else
		look_at_found_payments(question->now);
}

/* One that hangs counts as asked; what is never asked at all holds it up for a while. */
static bool
looks_are_done(Instant oldest_look, Instant now)
{
	Question	question = {.now = now};

	if (!instant_before(now, instant_plus_seconds(audit.looks_since, MOST_LOOK_SECONDS)))
		return true;
	if (instant_is_none(audit.all_asked_at))
	{
		worker_transaction(act_is_unasked, &question);
		if (question.answer)
			return false;
		/* What this very turn has asked is among them, and asked after it began. */
		audit.all_asked_at = server_time();
	}
	return instant_is_none(oldest_look) || instant_before(audit.all_asked_at, oldest_look);
}

static void
ask(NodeOperation operation, int64 cursor)
{
	call_prepare(&audit.call);
	audit.call.task.call.operation = operation;
	audit.call.task.call.cursor = cursor;
	audit.call.task.call.since = audit.read_from;
	call_start(&audit.call);
}

static void
take_page(const NodeCall *call)
{
	size_t		count = call->listed_count;

	if (audit.step == AUDIT_PAYMENTS && count > 0)
	{
		audit.payments = grow(audit.payments, &audit.payment_room, audit.payment_count, count, sizeof(ListedPayment));
		memcpy(audit.payments + audit.payment_count, call->payments, count * sizeof(ListedPayment));
		audit.payment_count += count;
	}
	else if (audit.step == AUDIT_INVOICES && count > 0)
	{
		audit.invoices = grow(audit.invoices, &audit.invoice_room, audit.invoice_count, count, sizeof(ListedInvoice));
		memcpy(audit.invoices + audit.invoice_count, call->invoices, count * sizeof(ListedInvoice));
		audit.invoice_count += count;
	}
	else if (audit.step == AUDIT_BALANCE || audit.step == AUDIT_SECOND_BALANCE)
	{
		audit.figures.has_balance = true;
		audit.figures.balance = call->balance;
	}
}

/* What is credited from now on may be newer than the balance. */
static void
act_read_received(void *argument)
{
	Amount		owed;
	Amount		reserved;

	(void) argument;
	if (!ledger_figures(&owed, &reserved, &audit.figures.received_before))
		audit.figures.received_before = AMOUNT_ZERO;
}

/* To the next question that this node can answer. */
static void
go_on(AuditStep step)
{
	const NodeCapabilities *capabilities = &worker_node()->capabilities;

	if (step == AUDIT_BALANCE && !capabilities->tells_balance)
		step = AUDIT_PAYMENTS;
	if (step == AUDIT_PAYMENTS && !capabilities->lists_payments)
		step = AUDIT_INVOICES;
	if (step == AUDIT_INVOICES && !capabilities->lists_invoices)
		step = AUDIT_COMPARISON;
	audit.step = step;
	if (step == AUDIT_BALANCE || step == AUDIT_SECOND_BALANCE)
	{
		worker_transaction(act_read_received, NULL);
		ask(NODE_BALANCE, 0);
	}
	else if (step == AUDIT_PAYMENTS)
		ask(NODE_LIST_PAYMENTS, 0);
	else if (step == AUDIT_INVOICES)
		ask(NODE_LIST_INVOICES, 0);
}

static const char *
what_was_not_told(const NodeCall *call)
{
	const char *words = harmless_words(call->arena, call->words);
	const char *what = call->operation == NODE_LIST_PAYMENTS ? "payments" :
		call->operation == NODE_LIST_INVOICES ? "invoices" : "balance";

	return arena_printf(call->arena, "the node did not tell its %s%s%s", what, words == NULL ? "" : ": ", words == NULL ? "" : words);
}

/* What it has against what is owed stops withdrawals, whether or not it tells what it has done. */
static void
do_without_lists(const char *problem)
{
	audit.untold = MemoryContextStrdup(audit.context, problem);
	call_end(&audit.call);
	audit.step = AUDIT_COMPARISON;
}

/* True where an answer has come in. */
static bool
take_answer(const NodeStanding *standing, Instant now)
{
	NodeCall   *call = &audit.call.task.call;
	bool		has_more;
	int64		cursor;
	int64		next;

	if (!audit.call.is_used || !call->done)
		return false;
	if (!call->answered)
	{
		if (audit.step == AUDIT_SECOND_BALANCE || !audit.figures.has_balance)
			end(what_was_not_told(call), now);
		else
			do_without_lists(what_was_not_told(call));
		return true;
	}
	audit.named_by = identity_question_after(&standing->questions);
	take_page(call);
	cursor = call->cursor;
	next = call->next_cursor;
	/* A list that does not move would never end. */
	has_more = call->has_more && next != cursor;
	call_end(&audit.call);
	if (has_more)
		ask(audit.step == AUDIT_PAYMENTS ? NODE_LIST_PAYMENTS : NODE_LIST_INVOICES, next);
	else if (audit.step == AUDIT_SECOND_BALANCE)
		end(audit.untold, now);
	else
		go_on(audit.step + 1);
	return true;
}

/* A lack is told only when it is still there after what was found has been booked. */
static void
end_unless_in_doubt(Instant now)
{
	bool		is_doubtful = false;

	if (!done_or_ended(act_doubt, &is_doubtful, now))
		return;
	if (!is_doubtful)
	{
		end(audit.untold, now);
		return;
	}
	audit.doubt_until = instant_plus_seconds(now, DOUBT_SECONDS);
	audit.step = AUDIT_DOUBT;
}

static void
compare(Instant now)
{
	bool		is_last = audit.step == AUDIT_SECOND_COMPARISON;

	if (audit.untold != NULL)
	{
		end_unless_in_doubt(now);
		return;
	}
	if (!done_or_ended(act_compare, &is_last, now))
		return;
	if (is_last || audit.found_count == 0)
	{
		end_unless_in_doubt(now);
		return;
	}
	if (!done_or_ended(act_look_at_found, &now, now))
		return;
	audit.looked_from = now;
	begin_looks(AUDIT_SECOND_LOOKS, now);
}

static bool
is_due(bool is_awaited, Instant now)
{
	return audit.is_wanted || (is_awaited && audit.failures == 0) || instant_is_none(audit.due_at) || !instant_before(now, audit.due_at) ||
		last_wish() > audit.wish;
}

void
audit_turn(const NodeStanding *standing, bool is_awaited, Instant oldest_look, Instant now)
{
	const char *problem = standing_problem();

	if (standing->node == NULL || !standing->is_ready)
	{
		/* Whoever waits hears why; at a start nobody knows yet. */
		if (problem != NULL && (audit.step != AUDIT_NONE || last_wish() > audit.wish))
		{
			audit.wish = last_wish();
			audit.began_at = now;
			end(problem, now);
		}
		return;
	}
	if (audit.step == AUDIT_NONE && is_due(is_awaited, now))
		start(standing, now);
	if (audit.call.is_used)
	{
		(void) take_answer(standing, now);
		return;
	}
	if ((audit.step == AUDIT_LOOKS || audit.step == AUDIT_SECOND_LOOKS) && looks_are_done(oldest_look, now))
	{
		if (audit.step == AUDIT_LOOKS)
			go_on(AUDIT_BALANCE);
		else
			audit.step = AUDIT_SECOND_COMPARISON;
	}
	if ((audit.step == AUDIT_COMPARISON || audit.step == AUDIT_SECOND_COMPARISON) &&
		standing_is_known_by(audit.named_by))
		compare(now);
	else if (audit.step == AUDIT_DOUBT && !instant_before(now, audit.doubt_until))
		go_on(AUDIT_SECOND_BALANCE);
}

Instant
audit_next(Instant now)
{
	if (audit.call.is_used && audit.call.task.call.done)
		return now;
	if (audit.step == AUDIT_LOOKS || audit.step == AUDIT_SECOND_LOOKS || audit.step == AUDIT_COMPARISON ||
		audit.step == AUDIT_SECOND_COMPARISON)
		return (Instant) {now.microseconds + STEP_MICROSECONDS};
	if (audit.step == AUDIT_DOUBT)
		return audit.doubt_until;
	if (audit.step != AUDIT_NONE)
		return audit.call.is_used ? instant_plus_seconds(now, 1) : now;
	if (instant_is_none(audit.due_at))
		return instant_plus_seconds(now, 1);
	return instant_before(audit.due_at, now) ? instant_plus_seconds(now, 1) : audit.due_at;
}
