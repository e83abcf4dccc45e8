/*
 * node_tell.h
 *		Telling other contexts what became of a deposit or a withdrawal.
 *
 * Whoever changes one compares its state with that before and tells of each
 * change once.  Pure.
 */
#ifndef SPARK_BITCOIN_NODE_TELL_H
#define SPARK_BITCOIN_NODE_TELL_H

#include "bitcoin/ports.h"

/* Each change of state, once. */
extern void tell_deposit(UnitOfWork *work, const Deposit *deposit, DepositState before);

/* Each end, once; what lies between is nobody else's affair. */
extern void tell_withdrawal(UnitOfWork *work, const Withdrawal *withdrawal, WithdrawalState before);

/* An alarm that was not there before. */
extern void raise_new_alarm(const Bitcoin *context, Uuid invoice_id, const char *before, const char *now);

#endif
