/*
 * decoder.c
 *		Reading payment requests, and SHA-256, by the code of lightning/.
 *
 * A payment request is kept in one spelling: lower case, nothing before it.  So
 * two spellings of one invoice are one content.
 */
#include "postgres/server.h"

#include "bitcoin/decoder.h"

#include "lightning/bolt11.h"
#include "lightning/bytes32.h"
#include "lightning/invoice_crypto.h"
#include "lightning/public_key.h"

#define SCHEME "lightning:"

/* The end of the year 9999: some invoices say that they never expire. */
#define LATEST_EXPIRY ((Instant) {INT64_C(253402300799) * MICROSECONDS_PER_SECOND})

/* The one spelling of a request that was read already: ASCII, and of one case. */
static const char *
spelled(const char *text, Arena *arena)
{
	char	   *copy;

	if (pg_strncasecmp(text, SCHEME, strlen(SCHEME)) == 0)
		text += strlen(SCHEME);
	copy = arena_text_of(arena, text, strlen(text));
	for (char *letter = copy; *letter != '\0'; letter++)
		*letter = pg_ascii_tolower((unsigned char) *letter);
	return copy;
}

static Result
decode(const InvoiceDecoder *self, Arena *arena, const char *payment_request, DecodedInvoice *invoice)
{
	Bolt11	   *read;

	(void) self;
	TRY(bolt11_decode(payment_request, invoice_crypto(), arena, &read));
	*invoice = (DecodedInvoice) {
		.payment_request = spelled(payment_request, arena),
		.payment_hash = bytes32_hex(arena, read->payment_hash),
		.network = bolt11_network_name(read->network),
		.payee = public_key_hex(arena, read->payee),
		.has_amount = read->has_amount,
		.amount = read->amount,
		.expires_at = instant_before(LATEST_EXPIRY, read->expires_at) ? LATEST_EXPIRY : read->expires_at,
		.description = read->description,
	};
	return OK;
}

static Bytes32
sha256(const Digest *self, const uint8_t *bytes, size_t length)
{
	(void) self;
	return invoice_crypto()->sha256(bytes, length);
}

const InvoiceDecoder bolt11_decoder = {decode};
const Digest bolt11_digest = {sha256};
