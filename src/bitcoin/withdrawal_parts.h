/*
 * withdrawal_parts.h
 *		What the files of a withdrawal's rules share; nobody else includes it.
 */
#ifndef SPARK_BITCOIN_WITHDRAWAL_PARTS_H
#define SPARK_BITCOIN_WITHDRAWAL_PARTS_H

#include "bitcoin/withdrawal.h"

#define MOST_BACKOFF_SECONDS 60

/* Sent, and not ended: the reserve hangs on what the node says. */
extern bool withdrawal_is_open_at_node(const Withdrawal *withdrawal);

extern bool withdrawal_has_expired(const Withdrawal *withdrawal, Instant now);

/*
 * After an answer that decides nothing: when to look again.  What is being
 * submitted is left to its submitter.
 */
extern void withdrawal_look_again(Withdrawal *withdrawal, Instant now);

/* The end with the reserve given back, in no doubt; whoever calls has looked at the state. */
extern void withdrawal_fail(Withdrawal *withdrawal, const char *reason, Instant now);

/*
 * An earlier withdrawal of the hash may have asked for another amount.  Where the
 * node does not say which it has paid, that can be told only of a request that
 * names its own.
 */
extern bool withdrawal_is_paid_for_another(const Withdrawal *withdrawal, const ProvenPayment *payment);

/* It was paid, and that is proven. */
extern void withdrawal_take_payment(Withdrawal *withdrawal, const ProvenPayment *payment, Instant now);

#endif
