/*
 * simulator_kind.c
 *		Which kind of node the simulated one passes for.
 */
#include "lightning/simulator_kind.h"

/* What a node without a highest fee sets aside of its own accord. */
#define LNBITS_LEAST_RESERVE INT64_C(2000)
#define LNBITS_SHARE INT64_C(100)	/* one part of so many */
#define PHOENIXD_FEE INT64_C(4000)
#define PHOENIXD_SHARE INT64_C(250)

/* Rounded up; no overflow, as an amount is of all bitcoin at most. */
static int64_t
share_of(Amount amount, int64_t parts)
{
	return (amount.msat + parts - 1) / parts;
}

static int64_t
own_reserve(NodeKind kind, Amount amount)
{
	switch (kind)
	{
		case NODE_KIND_LND:
		case NODE_KIND_CLN:
		case NODE_KIND_ECLAIR:
		case NODE_KIND_COUNT:
			break;
		case NODE_KIND_LNBITS:
			return larger_of(LNBITS_LEAST_RESERVE, share_of(amount, LNBITS_SHARE));
		case NODE_KIND_PHOENIXD:
			return PHOENIXD_FEE + share_of(amount, PHOENIXD_SHARE);
	}
	return 0;
}

NodeFailure
simulator_kind_refusal(NodeKind kind, const SimulatorOrder *order)
{
	if (!order->names_amount && !node_capabilities[kind].pays_amountless)
		return NODE_FAILURE_BAD_INVOICE;
	return own_reserve(kind, order->amount) > order->max_fee.msat ? NODE_FAILURE_FEE_LIMIT : NODE_FAILURE_NONE;
}

Amount
simulator_kind_fee_cap(NodeKind kind, Amount max_fee)
{
	/* eclair takes whole satoshi. */
	return kind == NODE_KIND_ECLAIR ? AMOUNT_MSAT(max_fee.msat - max_fee.msat % MSAT_PER_SAT) : max_fee;
}

bool
simulator_kind_pays_again(NodeKind kind)
{
	return kind == NODE_KIND_ECLAIR;
}

bool
simulator_kind_has_create_key(NodeKind kind)
{
	return kind != NODE_KIND_LNBITS;
}

bool
simulator_kind_only_acknowledges(NodeKind kind)
{
	return kind == NODE_KIND_ECLAIR;
}

bool
simulator_kind_rejects(NodeKind kind, NodeFailure failure)
{
	switch (kind)
	{
		case NODE_KIND_LND:
		case NODE_KIND_ECLAIR:
		case NODE_KIND_PHOENIXD:
			return true;
		case NODE_KIND_CLN:
			return failure == NODE_FAILURE_REFUSED_BY_PAYEE || failure == NODE_FAILURE_NO_ROUTE ||
				failure == NODE_FAILURE_FEE_LIMIT || failure == NODE_FAILURE_EXPIRED || failure == NODE_FAILURE_BAD_INVOICE;
		case NODE_KIND_LNBITS:
			return failure == NODE_FAILURE_NO_FUNDS || failure == NODE_FAILURE_FEE_LIMIT ||
				failure == NODE_FAILURE_EXPIRED || failure == NODE_FAILURE_BAD_INVOICE;
		case NODE_KIND_COUNT:
			break;
	}
	return false;
}

bool
simulator_kind_rejects_too_early(NodeKind kind)
{
	return node_capabilities[kind].failure_rule == FAILURE_IS_FINAL;
}
