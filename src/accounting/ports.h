/*
 * ports.h
 *		What accounting needs from outside.
 *
 * Wired to SPI by postgres.c, to memory by the unit tests.
 */
#ifndef SPARK_ACCOUNTING_PORTS_H
#define SPARK_ACCOUNTING_PORTS_H

#include "accounting/account.h"
#include "accounting/outflow.h"
#include "accounting/transfer.h"

#include "common/unit_of_work.h"

typedef struct TransferRepository TransferRepository;

/*
 * Rows are only ever inserted.  A Transfer with a refusal is the memory of a
 * rejected request; it is kept apart from the transfers.
 *
 * The finders lock nothing: who decides on what they find holds the lock of the
 * debit account.  *found is NULL where there is none.
 */
struct TransferRepository
{
	Repository	repository;

	/* What was decided under that name: a transfer, or a refusal. */
	Result		(*find) (const TransferRepository *self, Arena *arena, Uuid debit_account_id,
						 TransferPurpose purpose, const char *key, Transfer **found);

	/* The post or void that ended that pending transfer. */
	Result		(*find_end) (const TransferRepository *self, Arena *arena, Uuid pending_id, Transfer **found);
};

/* A cryptographic digest (SHA-256), for the seals of the rows. */
typedef struct SealDigest SealDigest;

struct SealDigest
{
	void		(*digest) (const SealDigest *self, const void *data, size_t length, uint8_t digest[SEAL_LENGTH]);
};

/* How much may be withdrawn in any 24 hours; zero: no limit. */
typedef struct WithdrawalLimits
{
	Amount		of_account;
	Amount		of_all;
} WithdrawalLimits;

typedef struct Accounting
{
	const Repository *accounts;
	const Repository *outflows;
	const TransferRepository *transfers;
	const SealDigest *digest;
	WithdrawalLimits (*limits) (void);
} Accounting;

#endif
