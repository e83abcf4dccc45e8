/*
 * functions.c
 *		What a Lightning invoice says, for whoever asks.
 *
 * Nothing is read but the argument: no table, no node, no clock.  So anybody
 * may call it, and an invoice of any network and any age is shown.
 */
#include "postgres/server.h"

#include "lightning/bolt11.h"
#include "lightning/bytes32.h"
#include "lightning/invoice_crypto.h"
#include "lightning/public_key.h"
#include "postgres/answers.h"
#include "postgres/arguments.h"
#include "postgres/environment.h"
#include "postgres/errors.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"

PG_FUNCTION_INFO_V1(spark_lightning_decode_invoice);

/* The end of the year 9999: some invoices say that they never expire. */
#define LATEST_SECOND INT64CONST(253402300799)

/* A time since 1970, which may be 0 seconds. */
static void
answer_second(Answer *answer, int64 second)
{
	Instant		instant = {Min(second, LATEST_SECOND) * MICROSECONDS_PER_SECOND};

	answer_bigint(answer, timestamp_from_instant(instant));
}

/* UTF-8 in the encoding of the database, which may lack some of its letters. */
static const char *
in_server_encoding(const char *text)
{
	size_t		length = strlen(text);
	size_t		room = length * MAX_CONVERSION_GROWTH + 1;
	Oid			conversion;
	char	   *converted;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return text;
	conversion = FindDefaultConversionProc(PG_UTF8, GetDatabaseEncoding());
	converted = palloc0(room);
	if (!OidIsValid(conversion) ||
		pg_do_encoding_conversion_buf(conversion, PG_UTF8, GetDatabaseEncoding(),
									  (unsigned char *) unconstify(char *, text), (int) length,
									  (unsigned char *) converted, (int) room, true) != (int) length)
		refuse(RESULT_INVALID_ARGUMENT, "The encoding of this database cannot write the description of the invoice.");
	return converted;
}

static void
answer_features(Answer *answer, const Bolt11 *invoice)
{
	size_t		count = 0;
	int32	   *bits = palloc(invoice->features_length * 8 * sizeof(int32) + 1);

	for (size_t bit = 0; bit < invoice->features_length * 8; bit++)
		if (bolt11_has_feature(invoice, bit))
			bits[count++] = (int32) bit;
	answer_ints(answer, bits, count);
}

static int32
count_of_fields(const Bolt11 *invoice, Bolt11Type type)
{
	int32		count = 0;

	for (size_t i = 0; i < invoice->field_count; i++)
		if (invoice->fields[i].type == type)
			count++;
	return count;
}

static Datum
decoded_datum(FunctionCallInfo fcinfo, const Bolt11 *invoice, Arena *arena)
{
	Answer		answer = answer_begin(fcinfo);

	answer_text(&answer, bolt11_network_name(invoice->network));
	if (invoice->has_amount)
		answer_amount(&answer, invoice->amount);
	else
		answer_null(&answer);
	answer_text(&answer, bytes32_hex(arena, invoice->payment_hash));
	answer_text(&answer, public_key_hex(arena, invoice->payee));
	answer_text(&answer, invoice->description == NULL ? NULL : in_server_encoding(invoice->description));
	answer_text(&answer, invoice->has_description_hash ? bytes32_hex(arena, invoice->description_hash) : NULL);
	answer_second(&answer, invoice->timestamp);
	answer_second(&answer, invoice->timestamp + invoice->expiry_seconds);
	answer_bigint(&answer, invoice->min_final_cltv);
	answer_int(&answer, count_of_fields(invoice, BOLT11_ROUTE));
	answer_int(&answer, count_of_fields(invoice, BOLT11_FALLBACK));
	answer_features(&answer, invoice);
	return answer_row(&answer);
}

Datum
spark_lightning_decode_invoice(PG_FUNCTION_ARGS)
{
	const char *payment_request = arg_text(fcinfo, 0, "payment_request");
	Arena	   *arena = context_arena(CurrentMemoryContext);
	Bolt11	   *invoice;

	check(bolt11_decode(payment_request, invoice_crypto(), arena, &invoice));
	PG_RETURN_DATUM(decoded_datum(fcinfo, invoice, arena));
}
