/*
 * ports.h
 *		What bitcoin needs from outside.
 *
 * Wired to the server by postgres.c and its neighbours, to memory by the unit
 * tests.  The Lightning node is none of these ports: only the worker talks to
 * it, with no transaction open (lightning/lightning_node.h, node_work.h).
 */
#ifndef SPARK_BITCOIN_PORTS_H
#define SPARK_BITCOIN_PORTS_H

#include "bitcoin/deposit.h"
#include "bitcoin/invoice.h"
#include "bitcoin/withdrawal.h"

#include "common/unit_of_work.h"

#include "lightning/lightning_node.h"

/* Finders answer NULL where there is none, and lock nothing unless they say so. */

typedef struct DepositRepository DepositRepository;

struct DepositRepository
{
	Repository	repository;

	/* The one for which that account used that key. */
	Result		(*find_by_key) (const DepositRepository *self, UnitOfWork *work,
								Uuid account_id, const char *idempotency_key, Deposit **found);

	/* The one with that payment hash, whoever's it is. */
	Result		(*find_by_hash) (const DepositRepository *self, UnitOfWork *work,
								 const char *payment_hash, Deposit **found);
};

typedef struct WithdrawalRepository WithdrawalRepository;

struct WithdrawalRepository
{
	Repository	repository;

	/* The live one of that hash, or else the newest that has failed; of any account. */
	Result		(*find_by_hash) (const WithdrawalRepository *self, UnitOfWork *work,
								 const char *payment_hash, Withdrawal **found);

	/* The newest of that hash and amount that was sent and has failed. */
	Result		(*find_failed) (const WithdrawalRepository *self, UnitOfWork *work,
								const char *payment_hash, Amount amount, Withdrawal **found);

	/* Whether a payment of that hash and amount is booked for one already. */
	Result		(*is_booked) (const WithdrawalRepository *self, UnitOfWork *work,
							  const char *payment_hash, Amount amount, bool *is);

	/* Whether one of that hash was sent and has failed, and is in doubt. */
	Result		(*has_doubtful) (const WithdrawalRepository *self, UnitOfWork *work,
								 const char *payment_hash, bool *has);

	/* Whether one of that hash was sent to another node than that one's, and has failed. */
	Result		(*was_left) (const WithdrawalRepository *self, UnitOfWork *work,
							 const char *payment_hash, Uuid node_account_id, bool *was);
};

/* Reads payment requests. */
typedef struct InvoiceDecoder InvoiceDecoder;

struct InvoiceDecoder
{
	/* PAYMENT_REQUEST_MALFORMED, with a detail, for what is no good one.  Texts live in the arena. */
	Result		(*decode) (const InvoiceDecoder *self, Arena *arena, const char *payment_request,
						   DecodedInvoice *invoice);
};

/* SHA-256. */
typedef struct Digest Digest;

struct Digest
{
	Bytes32		(*sha256) (const Digest *self, const uint8_t *bytes, size_t length);
};

/* The node that the books know. */
typedef struct NodeBook NodeBook;

struct NodeBook
{
	/* *known is NULL until a node was recorded. */
	Result		(*find) (const NodeBook *self, UnitOfWork *work, KnownNode **known);

	/* Records the first one, or the wallet of one without.  DUPLICATE where another session was quicker. */
	Result		(*record) (const NodeBook *self, UnitOfWork *work, const KnownNode *node);
};

/* Bounds how often users may have the node asked, without touching what they ask about. */
typedef struct LookLimiter LookLimiter;

struct LookLimiter
{
	/* *granted at most once a second for one deposit. */
	Result		(*ask) (const LookLimiter *self, UnitOfWork *work, Uuid invoice_id, Instant now,
						bool *granted);
};

/* The worker is told that there is something to do, once this transaction has committed. */
typedef struct Wakeup Wakeup;

struct Wakeup
{
	void		(*wake) (const Wakeup *self);
};

/* What an operator must see at once. */
typedef struct Alarms Alarms;

struct Alarms
{
	void		(*raise) (const Alarms *self, Uuid invoice_id, const char *what);
};

/* Settings, as they are now. */
typedef struct BitcoinTerms
{
	const char *network;		/* "bitcoin", "testnet", "signet", "regtest" */
	int64_t		invoice_expiry; /* seconds */
	int64_t		create_deadline;	/* seconds */
	int64_t		call_timeout;	/* seconds */
	int64_t		not_found_delay;	/* seconds */
	int64_t		weak_failure_delay; /* seconds */
	NodeCapabilities node;		/* what the node can do that the settings name */
	WithdrawalRules fees;
} BitcoinTerms;

typedef struct Bitcoin
{
	const DepositRepository *deposits;
	const WithdrawalRepository *withdrawals;
	const InvoiceDecoder *decoder;
	const Digest *digest;
	const NodeBook *nodes;
	const LookLimiter *limiter;
	const Wakeup *wakeup;
	const Alarms *alarms;
	BitcoinTerms (*terms) (void);
} Bitcoin;

#endif
