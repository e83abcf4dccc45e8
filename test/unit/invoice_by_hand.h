/*
 * invoice_by_hand.h
 *		Invoices put together and signed by hand, good or not.
 *
 * The encoder refuses to write what a reader would refuse; these tests need
 * just that.  Raw says what is written, sealed() signs it whatever it is.
 */
#ifndef SPARK_TEST_INVOICE_BY_HAND_H
#define SPARK_TEST_INVOICE_BY_HAND_H

#include "lightning/bolt11.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define NOW INT64_C(1700000000)
#define MAX_FIELDS 16

typedef struct Fixture
{
	BumpArena	memory;
	Arena	   *arena;
	const Bolt11Crypto *crypto;
	Bytes32		secret;
	PublicKey	payee;
} Fixture;

typedef struct Raw
{
	const char *prefix;
	int64_t		timestamp;
	Bolt11Field fields[MAX_FIELDS];
	size_t		field_count;
	const uint8_t *tail;		/* units between the last field and the signature */
	size_t		tail_count;
	bool		forged;			/* use this signature instead */
	Signature	signature;
} Raw;

/* One Fixture a test, in *state. */
extern int	by_hand_set_up(void **state);
extern int	by_hand_tear_down(void **state);

/* Fields: so many units all the same; 32 bytes all the same; bytes; a description. */
extern Bolt11Field of_units(Fixture *fixture, Bolt11Type type, size_t count, uint8_t unit);
extern Bolt11Field of_hash(Fixture *fixture, Bolt11Type type, uint8_t filling);
extern Bolt11Field of_bytes(Fixture *fixture, Bolt11Type type, const void *bytes, size_t length);
extern Bolt11Field of_text(Fixture *fixture, const char *text);
extern void put(Raw *raw, Bolt11Field field);

/* Payment hash (0xaa..) and secret (0xbb..); and with a description too, the least that is good. */
extern Raw	raw_undescribed(Fixture *fixture);
extern Raw	raw_good(Fixture *fixture);

/* The good one with one field more. */
extern Raw	with(Fixture *fixture, Bolt11Field field);

/* Its text, signed. */
extern const char *sealed(Fixture *fixture, const Raw *raw);

/* Reads it: it must be good and of our key, or refused with that detail. */
extern Bolt11 *good(Fixture *fixture, const Raw *raw);
extern void bad(Fixture *fixture, const Raw *raw, const char *detail);
extern void good_with(Fixture *fixture, Bolt11Field field);
extern void bad_with(Fixture *fixture, Bolt11Field field, const char *detail);

#endif
