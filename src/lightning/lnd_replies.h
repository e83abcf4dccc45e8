/*
 * lnd_replies.h
 *		What the replies of LND's REST interface mean, without asking anything.
 *
 * Each function takes a call, filled with what a silent node is worth, and the
 * reply to one request; it writes down what is proven by it and nothing else.
 * Its words for operators are LND's own, hostile.
 *
 * LND answers nearly every error by HTTP 500 and code 2, so that neither says
 * what happened: only code 5 with the words that go with it, from LND itself,
 * says that it does not know a payment or an invoice; a proxy's 404 says nothing.
 */
#ifndef SPARK_LIGHTNING_LND_REPLIES_H
#define SPARK_LIGHTNING_LND_REPLIES_H

#include "lightning/http.h"
#include "lightning/lightning_node.h"

/* What to do after the reply to a payment. */
typedef enum LndNext
{
	LND_DONE,
	LND_TRACK,					/* it was refused: proven only if the node does not know it */
	LND_LOOK_UP					/* the invoice was made before: look it up */
} LndNext;

/* How many rows a page of a list has; one that is full may be followed by another. */
#define LND_PAYMENTS_A_PAGE 100
#define LND_INVOICES_A_PAGE 100

extern void lnd_hear_identity(NodeCall *call, const HttpReply *reply);

/* The state of its wallet, asked where it would not say who it is. */
extern void lnd_hear_state(NodeCall *call, const HttpReply *reply);

/* An invoice of that hash was to be made. */
extern LndNext lnd_hear_created(NodeCall *call, const HttpReply *reply, const Bytes32 *hash);

/* The one of that hash was looked up, since it had been made before. */
extern void lnd_hear_created_before(NodeCall *call, const HttpReply *reply, const Bytes32 *hash);

extern void lnd_hear_invoice(NodeCall *call, const HttpReply *reply);
extern void lnd_hear_cancelled(NodeCall *call, const HttpReply *reply);

/* A line of the stream of invoices. */
extern void lnd_hear_settled(NodeCall *call, const HttpReply *reply);

/* Pure, for the stream: the line is about an invoice that was paid. */
extern bool lnd_is_settled(const char *line, size_t length);

/* The payment was submitted; *failure is why it was refused, for the step after that. */
extern LndNext lnd_hear_paid(NodeCall *call, const HttpReply *reply, NodeFailure *failure);

/* Pure, for the stream: the line is no mere word that the payment is under way. */
extern bool lnd_is_final(const char *line, size_t length);

/* It was refused for that reason, and tracked afterwards. */
extern void lnd_hear_refused(NodeCall *call, const HttpReply *reply, NodeFailure failure);

extern void lnd_hear_payment(NodeCall *call, const HttpReply *reply);
extern void lnd_hear_balance(NodeCall *call, const HttpReply *reply);
extern void lnd_hear_payments(NodeCall *call, const HttpReply *reply);
extern void lnd_hear_invoices(NodeCall *call, const HttpReply *reply);

#endif
