/*
 * handlers.h
 *		What bitcoin does when it is asked or told something.
 *
 * A deposit: asked for, made at the node by the worker, seen there as paid,
 * credited by the ledger.  A withdrawal: asked for, reserved by the ledger, paid
 * through the node by the worker, booked by the ledger.  A withdrawal of an
 * invoice that another account of this spark has issued: reserved from payer to
 * issuer, the invoice cancelled at the node, booked.
 */
#ifndef SPARK_BITCOIN_HANDLERS_H
#define SPARK_BITCOIN_HANDLERS_H

#include "bitcoin/ports.h"

#include "common/bus.h"

/* Asks for an invoice.  Repeated with the same key, *deposit is the stored one, whose version is not 0. */
extern Result bitcoin_deposit(const Bitcoin *context, UnitOfWork *work,
							  const AskDeposit *command, Deposit **deposit) MUST_CHECK;

/* The account's own deposit of that hash; asks for a look at the node where that is of use. */
extern Result bitcoin_verify_deposit(const Bitcoin *context, UnitOfWork *work, Uuid account_id,
									 const char *payment_hash, Deposit **deposit) MUST_CHECK;

/* Asks to pay a request.  Repeated while it is live, *withdrawal is the stored one, whose version is not 0. */
extern Result bitcoin_withdraw(const Bitcoin *context, UnitOfWork *work,
							   const AskWithdrawal *command, Withdrawal **withdrawal) MUST_CHECK;

/* What it listens to; the context of a consumer is a Bitcoin. */
extern const Subscription bitcoin_subscriptions[9];

#define BITCOIN_CONSUMER(bitcoin_) CONSUMER("bitcoin", (bitcoin_), bitcoin_subscriptions)

#endif
