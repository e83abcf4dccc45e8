/*
 * node_kinds.c
 *		What is to be known of each kind of node.
 */
#include "lightning/node_kinds.h"

const NodeCapabilities node_capabilities[NODE_KIND_COUNT] = {
	[NODE_KIND_LND] = {
		.is_exact = true,
		.pays_amountless = true,
		.can_cancel_invoice = true,
		.refuses_second_payment = true,
		.tells_balance = true,
		.lists_payments = true,
		.lists_invoices = true,
		.failure_rule = FAILURE_IS_FINAL,
		.not_found_rule = NOT_FOUND_AFTER_DELAY,
	},
	[NODE_KIND_CLN] = {
		.is_exact = true,
		.pays_amountless = true,
		.can_cancel_invoice = true,
		.refuses_second_payment = true,
		.tells_balance = true,
		.lists_payments = true,
		.lists_invoices = true,
		.failure_rule = FAILURE_AFTER_EXPIRY,
		.not_found_rule = NOT_FOUND_AFTER_EXPIRY,
	},
	[NODE_KIND_LNBITS] = {
		.tells_balance = true,
		.balance_is_net = true,
		.lists_payments = true,
		.lists_invoices = true,
		.failure_rule = FAILURE_IS_WEAK,
		.not_found_rule = NOT_FOUND_TWICE,
	},
	[NODE_KIND_ECLAIR] = {
		.is_exact = true,
		.pays_amountless = true,
		.can_cancel_invoice = true,
		.tells_balance = true,
		.lists_payments = true,
		.lists_invoices = true,
		.failure_rule = FAILURE_IS_FINAL,
		.not_found_rule = NOT_FOUND_TWICE,
	},
	[NODE_KIND_PHOENIXD] = {
		.refuses_second_payment = true,
		.tells_balance = true,
		.lists_payments = true,
		.lists_invoices = true,
		.failure_rule = FAILURE_IS_FINAL,
		.not_found_rule = NOT_FOUND_AFTER_DELAY,
	},
};
