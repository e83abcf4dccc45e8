/*
 * bolt11.h
 *		Lightning invoices (BOLT 11): read, checked, written.
 *
 * Pure C, arena only, no static state; cryptography comes through
 * Bolt11Crypto.  The input is hostile: it is bounded first, every number is
 * checked before it is used, and no refusal repeats any of it.
 *
 * What a decoded invoice says has been signed by `payee`, and nothing more: a
 * key that was recovered from the signature proves nothing about whose it is.
 * The description is hostile text that happens to be UTF-8.
 */
#ifndef SPARK_LIGHTNING_BOLT11_H
#define SPARK_LIGHTNING_BOLT11_H

#include "common/amount.h"
#include "common/arena.h"
#include "common/clock.h"
#include "common/result.h"
#include "lightning/bolt11_crypto.h"

/* Longer requests are refused unread; the "lightning:" before one is not counted. */
#define BOLT11_MAX_LENGTH 7089

#define BOLT11_DEFAULT_EXPIRY INT64_C(3600)
#define BOLT11_DEFAULT_MIN_FINAL_CLTV INT64_C(18)

/* The longest field in units of five bits, and the longest text that fits one in bytes. */
#define BOLT11_MAX_UNITS 1023
#define BOLT11_MAX_DESCRIPTION 639

/* X(symbol, prefix behind "ln", name as in NodeIdentity.network) */
#define BOLT11_NETWORKS(X) \
	X(MAINNET, "bc", "bitcoin") \
	X(TESTNET, "tb", "testnet") \
	X(SIGNET, "tbs", "signet") \
	X(REGTEST, "bcrt", "regtest")

typedef enum Bolt11Network
{
#define BOLT11_NETWORK_ENUM(symbol, prefix, name) BOLT11_##symbol,
	BOLT11_NETWORKS(BOLT11_NETWORK_ENUM)
#undef BOLT11_NETWORK_ENUM
	BOLT11_NETWORK_COUNT
} Bolt11Network;

/* The fields that are understood, by their letter. */
typedef enum Bolt11Type
{
	BOLT11_PAYMENT_HASH = 1,	/* p */
	BOLT11_ROUTE = 3,			/* r */
	BOLT11_FEATURES = 5,		/* 9 */
	BOLT11_EXPIRY = 6,			/* x */
	BOLT11_FALLBACK = 9,		/* f */
	BOLT11_DESCRIPTION = 13,	/* d */
	BOLT11_PAYMENT_SECRET = 16, /* s */
	BOLT11_PAYEE = 19,			/* n */
	BOLT11_DESCRIPTION_HASH = 23,	/* h */
	BOLT11_MIN_FINAL_CLTV = 24, /* c */
	BOLT11_METADATA = 27		/* m */
} Bolt11Type;

/* A field as it is written: units of five bits, one a byte. */
typedef struct Bolt11Field
{
	uint8_t		type;			/* 0 to 31; a Bolt11Type, or one that is not understood */
	uint16_t	count;			/* of units, 0 to 1023 */
	const uint8_t *units;		/* each 0 to 31 */
} Bolt11Field;

/* What is signed: everything an invoice says, and the order in which it does. */
typedef struct Bolt11Draft
{
	Bolt11Network network;
	bool		has_amount;		/* false: the payer chooses */
	Amount		amount;
	int64_t		timestamp;		/* seconds since 1970, below 2^35 */
	const Bolt11Field *fields;	/* in the order in which they are written */
	size_t		field_count;
} Bolt11Draft;

/* An invoice that was read and whose signature is good.  Lives in the arena. */
typedef struct Bolt11
{
	Bolt11Network network;
	bool		has_amount;
	Amount		amount;			/* zero where it names none */
	int64_t		timestamp;		/* seconds since 1970; may lie in the future */
	int64_t		expiry_seconds;
	Instant		expires_at;		/* timestamp + expiry; never "no time" */
	Bytes32		payment_hash;
	Bytes32		payment_secret;
	const char *description;	/* NULL where has_description_hash; else UTF-8 */
	bool		has_description_hash;
	Bytes32		description_hash;
	PublicKey	payee;
	bool		payee_is_named;	/* by a field, instead of recovered from the signature */
	int64_t		min_final_cltv;
	const uint8_t *features;	/* big-endian: bit 0 is the lowest of the last byte */
	size_t		features_length;
	const uint8_t *metadata;	/* NULL where there is none */
	size_t		metadata_length;
	const Bolt11Field *fields;	/* all of them, understood or not, in their order */
	size_t		field_count;
	Signature	signature;
} Bolt11;

/*
 * Reads a payment request, with or without "lightning:" before it.
 * PAYMENT_REQUEST_MALFORMED with a detail that says what is wrong.
 */
extern Result bolt11_decode(const char *text, const Bolt11Crypto *crypto, Arena *arena,
							Bolt11 **invoice) MUST_CHECK;

/* What was signed there: signed again with the same key, it is the same invoice. */
extern Bolt11Draft bolt11_draft(const Bolt11 *invoice);

/*
 * Signs a draft: lower case, its fields in their order, the amount with the
 * largest multiplier.  What was written is read again before it is answered;
 * INVALID_ARGUMENT where a reader would refuse it.
 */
extern Result bolt11_encode(const Bolt11Draft *draft, const Bytes32 *secret, const Bolt11Crypto *crypto,
							Arena *arena, const char **text) MUST_CHECK;

/* The usual invoice: what a recent node makes of these. */
typedef struct Bolt11Plain
{
	Bolt11Network network;
	bool		has_amount;
	Amount		amount;
	int64_t		timestamp;		/* seconds since 1970 */
	int64_t		expiry_seconds;
	int64_t		min_final_cltv;
	Bytes32		payment_hash;
	Bytes32		payment_secret;
	const char *description;	/* at most BOLT11_MAX_DESCRIPTION bytes; "" is fine */
} Bolt11Plain;

/* Makes and signs it, with payment_secret and var_onion required.  Refuses as bolt11_encode. */
extern Result bolt11_make(const Bolt11Plain *plain, const Bytes32 *secret, const Bolt11Crypto *crypto,
						  Arena *arena, const char **text) MUST_CHECK;

/*
 * Fields of a draft.  What does not fit a field becomes one of too many units,
 * which bolt11_encode refuses.
 */

/* Bytes, with zero bits behind them up to a whole unit. */
extern Bolt11Field bolt11_bytes_field(Arena *arena, Bolt11Type type, const uint8_t *bytes, size_t length);

/* A number, big-endian, with as few units as it takes: none for zero or less. */
extern Bolt11Field bolt11_number_field(Arena *arena, Bolt11Type type, int64_t number);

/* The feature bits of that list, with as few units as it takes; bits up to 5114. */
extern Bolt11Field bolt11_features_field(Arena *arena, const uint16_t *bits, size_t count);

/* True where that feature bit is set. */
extern bool bolt11_has_feature(const Bolt11 *invoice, size_t bit);

/* True where the invoice describes itself by this text, or by its hash. */
extern bool bolt11_is_described_by(const Bolt11 *invoice, const char *text, const Bolt11Crypto *crypto);

/* "bitcoin", "testnet", "signet", "regtest": as NodeIdentity.network says it. */
extern const char *bolt11_network_name(Bolt11Network network);

/* The network of that name; "mainnet" is bitcoin too; false where it is none. */
extern bool bolt11_network_by_name(const char *name, Bolt11Network *network) MUST_CHECK;

#endif
