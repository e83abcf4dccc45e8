/*
 * handlers.h
 *		What accounting does when it is asked or told something.
 *
 * Other contexts ask by commands; each answer is an event under the key of what
 * it answers.  A refusal is an answer too: it is committed, told, and remembered
 * under the name of the transfer, so that the same request never succeeds
 * unseen later.  A command that comes twice moves nothing the second time: a
 * request is answered again with the first answer, all else is silent.
 *
 * What has happened at the node is booked, never refused.  A message that
 * contradicts the books (one payment hash with two amounts, a payment that
 * failed after it had succeeded) is not handled at all and becomes a dead letter.
 */
#ifndef SPARK_ACCOUNTING_HANDLERS_H
#define SPARK_ACCOUNTING_HANDLERS_H

#include "accounting/ports.h"

#include "common/bus.h"

/* What it listens to; the context of a consumer is an Accounting. */
extern const Subscription accounting_subscriptions[8];

#define ACCOUNTING_CONSUMER(accounting_) CONSUMER("accounting", (accounting_), accounting_subscriptions)

#endif
