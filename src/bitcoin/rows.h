/*
 * rows.h
 *		The columns of deposits and withdrawals, in the order in which every
 *		statement of this context reads them.
 */
#ifndef SPARK_BITCOIN_ROWS_H
#define SPARK_BITCOIN_ROWS_H

#include "postgres/aggregates.h"

#define DEPOSIT_COLUMNS \
	"invoice_id, version, account_id, idempotency_key, amount_msat, expiry_seconds, created_at," \
	" state, reason, payment_hash, payment_request, expires_at, node_account_id, received_msat," \
	" preimage, settled_at, paid_by, held, late, next_look_at, asked_at, wanted_at, look_count, alarm," \
	" receive_fee_msat, node_words"

#define WITHDRAWAL_COLUMNS \
	"invoice_id, version, account_id, node_account_id, payment_hash, payment_request, amount_msat," \
	" amount_given, max_fee_msat, asked_max_fee_msat, expires_at, created_at, deposit_id, payee_id," \
	" tried_before, earlier_reference, state, reason, fee_msat, preimage, settled_at, failed_at, late," \
	" attempt_no, backend, node_id, submitted_at, submit_deadline, give_up_seconds, acknowledged_at," \
	" node_reference, node_words, next_look_at, asked_at, look_count, alarm, checked_at, not_found_at," \
	" paid_beside, in_doubt"

/* The current row, from column 3 on. */
extern Aggregate *read_deposit(const Rows *rows, Arena *arena);
extern Aggregate *read_withdrawal(const Rows *rows, Arena *arena);

#endif
