/*
 * simulator_invoices.h
 *		Making invoices of the simulated node and of the outside wallet.
 */
#ifndef SPARK_LIGHTNING_SIMULATOR_INVOICES_H
#define SPARK_LIGHTNING_SIMULATOR_INVOICES_H

#include "postgres/server.h"

#include "lightning/simulator_store.h"

#define SIMULATOR_NETWORK BOLT11_REGTEST

/*
 * Makes an invoice with a preimage of its own, signs it, stores it with that
 * key (nil: none) and gives its payment request.  amount zero: it names none.
 * INVALID_ARGUMENT where no invoice can say that.
 */
extern Result simulator_make_invoice(SimulatorOwner owner, Uuid key, Amount amount, const char *memo,
									 int64_t expiry_seconds, Instant now, Arena *arena,
									 const char **payment_request) MUST_CHECK;

/* What the node shows in place of a good invoice of its own. */
extern const char *simulator_forge_invoice(const char *payment_request, MadeWrong wrong, Arena *arena);

#endif
