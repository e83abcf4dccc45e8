/*
 * simulator_node.c
 *		The simulated node behind the port.
 *
 * Each call is one transaction of the node's own, committed before its answer
 * is given and never that of the outcome: so the crash windows of a real node
 * are there.  The answer comes at once, or, where a script keeps the node
 * silent, not at all: then the call waits for its deadline, or for another
 * script, which wakes the worker.
 *
 * It passes for the kind of node that spark.simulator_mode names.
 */
#include "postgres/server.h"

#include "lightning/simulator_node.h"

#include "lightning/bolt11.h"
#include "lightning/bytes32.h"
#include "lightning/invoice_crypto.h"
#include "lightning/public_key.h"
#include "lightning/simulator_condition.h"
#include "lightning/simulator_invoices.h"
#include "lightning/simulator_kind.h"
#include "lightning/simulator_lists.h"
#include "postgres/environment.h"
#include "postgres/installed.h"
#include "postgres/transaction.h"

/* How often waiting calls look whether another script has come, at most. */
#define LOOK_INTERVAL (MICROSECONDS_PER_SECOND / 4)

/* A call that was started and is not done. */
typedef struct Waiting
{
	struct Waiting *next;
	NodeCall   *call;
	int32_t		attempt;		/* PAY: the one it began */
} Waiting;

typedef struct SimulatorNode
{
	LightningNode node;
	Waiting    *waiting;
	Instant		looked_at;		/* when the waiting ones last looked */
	bool		wants_look;
	bool		is_asked;		/* a call was started here: from now on identification settles what it can do */
} SimulatorNode;

static int	simulator_mode;

#define MODE_ENTRY(symbol, word) {word, NODE_KIND_##symbol, false},
static const struct config_enum_entry modes[] = {
	NODE_KINDS(MODE_ENTRY)
	{NULL, 0, false}
};

void
simulator_define_settings(void)
{
	DefineCustomEnumVariable("spark.simulator_mode", "Names the kind of node that the simulated one passes for.",
							 "Kinds differ in what they refuse and in what their words are worth.",
							 &simulator_mode, NODE_KIND_LND, modes, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static SimulatorNode simulated;

/* What one transaction is about. */
typedef struct NodeAct
{
	NodeCall   *call;
	Arena	   *arena;			/* of the transaction; the answer's texts are the call's */
	Instant		now;
	NodeKind	kind;
	int32_t		attempt;		/* PAY: 0 at the first time, else the attempt that waits */
} NodeAct;

/* ---------------------------------------------------------------- payments */

/* What the payment request asks for; a refusal where the node would not even try. */
static SimulatorOrder
read_order(const NodeAct *act)
{
	const NodeCall *call = act->call;
	SimulatorOrder order = {
		.kind = act->kind,
		.payment_hash = call->payment_hash,
		.amount = call->amount,
		.max_fee = call->max_fee,
		.memo = "",
		.refusal = NODE_FAILURE_BAD_INVOICE,
	};
	const SimulatorScripts no_scripts = {.count = 0};
	SimulatorInvoice *asked;
	SimulatorKey outside;
	Bolt11	   *invoice;

	if (failed(bolt11_decode(call->payment_request, invoice_crypto(), act->arena, &invoice)) ||
		invoice->network != SIMULATOR_NETWORK || !bytes32_equal(invoice->payment_hash, call->payment_hash))
		return order;
	order.expires_at = invoice->expires_at;
	if (invoice->description != NULL)
		order.memo = invoice->description;
	order.names_amount = invoice->has_amount;
	if (invoice->has_amount)
		order.amount = invoice->amount;
	if (!amount_is_payable(order.amount))
		return order;
	/* The outside wallet is all that can be reached from here. */
	order.refusal = NODE_FAILURE_NO_ROUTE;
	asked = simulator_find_invoice(order.payment_hash, &no_scripts, LOCK_NOTHING, act->arena);
	if (asked != NULL && asked->owner == OWNER_OUTSIDE && simulator_find_key(OWNER_OUTSIDE, &outside) &&
		public_key_equal(invoice->payee, outside.public_key))
	{
		order.preimage = asked->invoice.preimage;
		order.refusal = NODE_FAILURE_NONE;
	}
	return order;
}

/* What ended since somebody last looked is kept from now on. */
static SimulatorPayments
payments_up_to_now(const NodeAct *act, Bytes32 payment_hash, const SimulatorScripts *scripts)
{
	SimulatorPayments payments = simulator_load_payments(payment_hash, scripts, false, act->now, act->arena);

	for (size_t i = 0; i < payments.count; i++)
		if (payments.attempts[i].changed)
			simulator_store_payment(&payments.attempts[i]);
	return payments;
}

static void
act_pay(NodeAct *act)
{
	SimulatorOrder order = read_order(act);
	SimulatorScripts scripts = simulator_load_scripts(order.payment_hash, false, act->arena);
	SimulatorPayments payments = payments_up_to_now(act, order.payment_hash, &scripts);
	SimulatedPayment changed;

	simulator_count_calls(&scripts, false);
	if (simulator_pay(&order, payments.attempts, payments.count, scripts.scripts, scripts.count, act->now,
					  act->call, &changed))
		simulator_store_payment(&changed);
	act->attempt = changed.attempt;
}

static void
act_look_at_pay(NodeAct *act)
{
	SimulatorScripts scripts = simulator_load_scripts(act->call->payment_hash, false, act->arena);
	SimulatorPayments payments = payments_up_to_now(act, act->call->payment_hash, &scripts);

	for (size_t i = 0; i < payments.count; i++)
		if (payments.attempts[i].attempt == act->attempt)
			simulator_reply_to_pay(&payments.attempts[i], act->kind, act->call);
}

static void
act_look_up_payment(NodeAct *act)
{
	SimulatorScripts scripts = simulator_load_scripts(act->call->payment_hash, false, act->arena);
	SimulatorPayments payments = payments_up_to_now(act, act->call->payment_hash, &scripts);

	simulator_look_up_payment(payments.attempts, payments.count, act->now, act->call);
}

/* Of what is under way, that which a script or the time has moved since somebody last looked. */
static void
tell_moved_payments(NodeAct *act)
{
	NodeCall   *call = act->call;
	Bytes32    *under_way;
	Bytes32    *moved;
	size_t		moved_count = 0;
	size_t		count = simulator_under_way(false, act->arena, &under_way);

	moved = ARENA_ARRAY(call->arena, Bytes32, count);
	for (size_t i = 0; i < count; i++)
	{
		SimulatorScripts scripts = simulator_load_scripts(under_way[i], false, act->arena);
		SimulatorPayments payments = payments_up_to_now(act, under_way[i], &scripts);

		for (size_t j = 0; j < payments.count; j++)
			if (payments.attempts[j].changed)
			{
				moved[moved_count++] = under_way[i];
				break;
			}
	}
	call->moved = moved;
	call->moved_count = moved_count;
}

/* ---------------------------------------------------------------- invoices */

/*
 * The node's own invoice of that hash, up to now.  One that a script lets be
 * paid is settled, unless the outside world holds its row: then it is not paid
 * yet.
 */
static SimulatorInvoice *
invoice_up_to_now(const NodeAct *act, Bytes32 payment_hash)
{
	SimulatorScripts scripts = simulator_load_scripts(payment_hash, false, act->arena);
	SimulatorInvoice *seen = simulator_find_invoice(payment_hash, &scripts, LOCK_NOTHING, act->arena);
	SimulatedInvoice unpaid;
	SimulatorInvoice *locked;

	if (seen == NULL || seen->owner != OWNER_NODE)
		return NULL;
	unpaid = seen->invoice;
	if (!simulator_follow_invoice(&seen->invoice, scripts.scripts, scripts.count, act->now))
		return seen;
	locked = simulator_find_invoice(payment_hash, &scripts, LOCK_OR_SKIP, act->arena);
	if (locked == NULL)
	{
		seen->invoice = unpaid;
		return seen;
	}
	if (simulator_follow_invoice(&locked->invoice, scripts.scripts, scripts.count, act->now))
		simulator_store_invoice(&locked->invoice);
	return locked;
}

/* The node shows something else than the invoice that it has just made, where a script says so. */
static const char *
as_scripted(const NodeAct *act, const char *memo, const char *made)
{
	const NodeCall *call = act->call;
	SimulatorScripts scripts = simulator_load_scripts((Bytes32) {{0}}, false, act->arena);
	const SimulatorScript *chosen = NULL;

	simulator_count_calls(&scripts, true);
	for (size_t i = 0; i < scripts.count; i++)
	{
		const SimulatorScript *script = &scripts.scripts[i];

		/* The invoice is among those that were counted. */
		if (script->outcome == OUTCOME_MAKE && (script->call == 0 || script->call == script->fitted_before) &&
			simulator_script_is_for(script, (Bytes32) {{0}}, call->amount, memo) && simulator_script_beats(script, chosen))
			chosen = script;
	}
	return chosen == NULL ? made : simulator_forge_invoice(made, chosen->wrong, call->arena);
}

static void
act_create_invoice(NodeAct *act)
{
	NodeCall   *call = act->call;
	const char *memo = call->memo == NULL ? "" : call->memo;
	bool		has_key = simulator_kind_has_create_key(act->kind);

	call->done = true;
	if (!node_capabilities[act->kind].is_exact && call->amount.msat % MSAT_PER_SAT != 0)
	{
		call->words = "invoices are of whole satoshi only";
		return;
	}
	call->created = has_key ? simulator_find_created(call->key, call->arena) : NULL;
	call->answered = call->created != NULL;
	if (call->answered)
		return;
	call->answered = !failed(simulator_make_invoice(OWNER_NODE, has_key ? call->key : UUID_NIL, call->amount, memo,
													call->seconds, act->now, call->arena, &call->created));
	if (call->answered)
		call->created = as_scripted(act, memo, call->created);
}

static void
act_look_up_invoice(NodeAct *act)
{
	SimulatorInvoice *found = invoice_up_to_now(act, act->call->payment_hash);

	simulator_look_up_invoice(found == NULL ? NULL : &found->invoice, act->now, act->call);
}

static void
act_cancel_invoice(NodeAct *act)
{
	NodeCall   *call = act->call;
	SimulatorScripts scripts = simulator_load_scripts(call->payment_hash, false, act->arena);
	SimulatorInvoice *seen = simulator_find_invoice(call->payment_hash, &scripts, LOCK_NOTHING, act->arena);
	SimulatorInvoice *locked;
	bool		settled;

	if (!node_capabilities[act->kind].can_cancel_invoice)
	{
		call->words = "it cancels no invoices";
		call->done = true;
		return;
	}
	if (seen == NULL || seen->owner != OWNER_NODE)
	{
		(void) simulator_cancel_invoice(NULL, act->now, call);
		return;
	}
	locked = simulator_find_invoice(call->payment_hash, &scripts, LOCK_OR_SKIP, act->arena);
	if (locked == NULL)
	{
		/* The outside wallet is about to pay it: no answer yet. */
		call->done = true;
		return;
	}
	settled = simulator_follow_invoice(&locked->invoice, scripts.scripts, scripts.count, act->now);
	if (simulator_cancel_invoice(&locked->invoice, act->now, call) || settled)
		simulator_store_invoice(&locked->invoice);
}

static void
act_settled_since(NodeAct *act)
{
	NodeCall   *call = act->call;
	Bytes32    *receivable;
	Bytes32    *settled;
	size_t		count = simulator_receivable(false, act->arena, &receivable);

	call->answered = true;
	call->done = true;
	call->next_cursor = call->cursor;
	/* It pushes only what it settles while somebody listens. */
	if (act->kind == NODE_KIND_LNBITS)
		return;
	for (size_t i = 0; i < count; i++)
		(void) invoice_up_to_now(act, receivable[i]);
	call->settled_count = simulator_events_since(call->cursor, act->now, call->arena, &settled, &call->next_cursor);
	call->settled = settled;
	tell_moved_payments(act);
}

static void
act_identify(NodeAct *act)
{
	NodeCall   *call = act->call;
	SimulatorKey key = simulator_need_key(OWNER_NODE, invoice_crypto(), act->now);

	simulated.node.capabilities = node_capabilities[act->kind];
	call->identity = (NodeIdentity) {
		.network = bolt11_network_name(SIMULATOR_NETWORK),
		.node_id = public_key_hex(call->arena, key.public_key),
		.ready = true,
		.version = "simulator",
	};
	call->answered = true;
	call->done = true;
}

/* ------------------------------------------------------------ one transaction */

static void
act_by_operation(NodeAct *act)
{
	NodeCall   *call = act->call;

	switch (call->operation)
	{
		case NODE_IDENTIFY:
			act_identify(act);
			break;
		case NODE_CREATE_INVOICE:
			act_create_invoice(act);
			break;
		case NODE_LOOKUP_INVOICE:
			act_look_up_invoice(act);
			break;
		case NODE_CANCEL_INVOICE:
			act_cancel_invoice(act);
			break;
		case NODE_SETTLED_SINCE:
			act_settled_since(act);
			break;
		case NODE_PAY:
			if (act->attempt == 0)
				act_pay(act);
			else
				act_look_at_pay(act);
			break;
		case NODE_LOOKUP_PAYMENT:
			act_look_up_payment(act);
			break;
		case NODE_BALANCE:
			simulator_tell_balance(call, act->now, act->arena);
			break;
		case NODE_LIST_PAYMENTS:
			simulator_tell_payments(call, act->now, act->arena);
			break;
		case NODE_LIST_INVOICES:
			simulator_tell_invoices(call, act->now, act->arena);
			break;
	}
}

static void
act_in_transaction(void *argument)
{
	NodeAct    *act = argument;
	NodeCall   *call = act->call;
	bool		begins = act->attempt == 0;
	SimulatorScript condition;

	act->arena = context_arena(CurrentMemoryContext);
	if (!tables_are_current("bitcoin"))
	{
		/* Nobody is there to hear it, unless it was heard before. */
		if (begins)
			call->submit = SUBMIT_NOT_SENT;
		call->done = true;
		return;
	}
	condition = simulator_find_condition(act->now, act->arena);
	if (simulator_condition_answers(&condition, call, begins))
		return;
	act_by_operation(act);
	simulator_condition_colours(&condition, call);
}

/* Gives the attempt that a pay call began.  Raises nothing: what went wrong is no answer. */
static int32_t
run(NodeCall *call, int32_t attempt)
{
	NodeAct		act = {.call = call, .now = server_time(), .kind = (NodeKind) simulator_mode, .attempt = attempt};
	ErrorData  *error;

	simulator_give_up(call);
	call->done = false;
	error = try_in_transaction(act_in_transaction, &act);
	if (error != NULL)
	{
		ereport(LOG,
				(errmsg("the simulated node could not act: %s", error->message)));
		FreeErrorData(error);
		simulator_give_up(call);
	}
	return act.attempt;
}

/* -------------------------------------------------------------------- port */

static void
node_start(LightningNode *self, NodeCall *call)
{
	SimulatorNode *node = (SimulatorNode *) self;
	int32_t		attempt;
	Waiting    *waiting;

	node->is_asked = true;
	attempt = run(call, 0);
	if (call->done)
		return;
	waiting = MemoryContextAlloc(TopMemoryContext, sizeof(Waiting));
	*waiting = (Waiting) {.next = node->waiting, .call = call, .attempt = attempt};
	node->waiting = waiting;
}

static bool
is_past(const NodeCall *call, Instant moment)
{
	return !instant_is_none(call->deadline) && !instant_before(moment, call->deadline);
}

static void
node_progress(LightningNode *self)
{
	SimulatorNode *node = (SimulatorNode *) self;
	Instant		moment = server_time();
	bool		look = moment.microseconds - node->looked_at.microseconds >= LOOK_INTERVAL;
	Waiting   **link = &node->waiting;

	if (look)
		node->looked_at = moment;
	node->wants_look = node->waiting != NULL && !look;
	while (*link != NULL)
	{
		Waiting    *waiting = *link;

		if (is_past(waiting->call, moment))
			simulator_give_up(waiting->call);
		else if (look)
			(void) run(waiting->call, waiting->attempt);
		if (waiting->call->done)
		{
			*link = waiting->next;
			pfree(waiting);
		}
		else
			link = &waiting->next;
	}
}

static Instant
node_next(LightningNode *self)
{
	SimulatorNode *node = (SimulatorNode *) self;
	Instant		next = INSTANT_NONE;

	for (Waiting *waiting = node->waiting; waiting != NULL; waiting = waiting->next)
		if (!instant_is_none(waiting->call->deadline) &&
			(instant_is_none(next) || instant_before(waiting->call->deadline, next)))
			next = waiting->call->deadline;
	if (node->wants_look && node->waiting != NULL)
	{
		Instant		look = {node->looked_at.microseconds + LOOK_INTERVAL};

		if (instant_is_none(next) || instant_before(look, next))
			next = look;
	}
	return next;
}

static int
node_descriptor(LightningNode *self)
{
	(void) self;
	return -1;
}

static void
node_release(LightningNode *self, NodeCall *call)
{
	SimulatorNode *node = (SimulatorNode *) self;

	for (Waiting **link = &node->waiting; *link != NULL; link = &(*link)->next)
		if ((*link)->call == call)
		{
			Waiting    *waiting = *link;

			*link = waiting->next;
			pfree(waiting);
			return;
		}
}

static SimulatorNode simulated = {
	.node = {
		.name = "simulator",
		.start = node_start,
		.progress = node_progress,
		.next = node_next,
		.descriptor = node_descriptor,
		.release = node_release,
	},
};

LightningNode *
simulator_node(void)
{
	if (!simulated.is_asked)
		simulated.node.capabilities = node_capabilities[simulator_mode];
	return &simulated.node;
}
