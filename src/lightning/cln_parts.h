/*
 * cln_parts.h
 *		What the readers of Core Lightning's replies have in common.
 */
#ifndef SPARK_LIGHTNING_CLN_PARTS_H
#define SPARK_LIGHTNING_CLN_PARTS_H

#include "lightning/cln_replies.h"
#include "lightning/node_replies.h"

/* From here on an error of xpay that gives a reason is its last word. */
#define CLN_FIRST_FINAL_VERSION 2606

/* The error of any method about what it was asked with. */
#define CLN_INVALID_PARAMETERS (-32602)

/* A reply taken apart: its result, or the node's own error, or neither. */
typedef struct ClnAnswered
{
	json_t	   *body;			/* to be given back */
	const json_t *result;
	bool		is_error;
	int64_t		code;
} ClnAnswered;

/* What it is set to that matters, and whether our rune allows what is asked: warnings, for operators. */
extern void cln_hear_configs(const HttpNode *self, NodeCall *call, const json_t *result);

/* ---- payments */

extern void cln_hear_payment(NodeCall *call, const json_t *result);

/* The reply of xpay; true: what it means is seen in listpays only. */
extern bool cln_hear_paid(NodeTalk *talk, const HttpReply *reply, const ClnAnswered *answered);

/* What listpays says of a payment that xpay answered with an error. */
extern void cln_hear_refused(const HttpNode *self, NodeTalk *talk, const HttpReply *reply, const ClnAnswered *answered);

/* An entry of listpays. */
extern PaymentAnswer cln_entry_state(const json_t *entry);
extern bool cln_read_entry(NodeCall *call, const json_t *entry, PaymentAnswer state, NodePayment *payment);

/* ---- invoices, the balance, pages */

extern InvoiceAnswer cln_invoice_state(const json_t *invoice);
extern void cln_hear_balance(NodeCall *call, const json_t *result);
extern void cln_hear_payments(HttpNode *self, NodeCall *call, const json_t *result);
extern void cln_hear_invoices(NodeCall *call, const json_t *result);

#endif
