/*
 * simulator_invoices.c
 *		Making invoices of the simulated node and of the outside wallet.
 */
#include "postgres/server.h"

#include "lightning/simulator_invoices.h"

#include "lightning/bolt11.h"
#include "lightning/invoice_crypto.h"

static Bytes32
random_bytes32(void)
{
	Bytes32		random;

	if (!pg_strong_random(random.bytes, sizeof(random.bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes for an invoice")));
	return random;
}

Result
simulator_make_invoice(SimulatorOwner owner, Uuid key, Amount amount, const char *memo, int64_t expiry_seconds,
					   Instant now, Arena *arena, const char **payment_request)
{
	const Bolt11Crypto *crypto = invoice_crypto();
	SimulatorKey signer = simulator_need_key(owner, crypto, now);
	Bytes32		preimage = random_bytes32();
	int64_t		timestamp = now.microseconds / MICROSECONDS_PER_SECOND;
	SimulatorInvoice made = {
		.invoice = {
			.payment_hash = crypto->sha256(preimage.bytes, sizeof(preimage.bytes)),
			.preimage = preimage,
			.amount = amount,
			.memo = memo,
			.created_at = now,
			.expires_at = {(timestamp + expiry_seconds) * MICROSECONDS_PER_SECOND},
			.bound_at = now,
		},
		.owner = owner,
	};
	Bolt11Plain plain = {
		.network = SIMULATOR_NETWORK,
		.has_amount = amount.msat > 0,
		.amount = amount,
		.timestamp = timestamp,
		.expiry_seconds = expiry_seconds,
		.min_final_cltv = BOLT11_DEFAULT_MIN_FINAL_CLTV,
		.payment_hash = made.invoice.payment_hash,
		.payment_secret = random_bytes32(),
		.description = memo,
	};

	TRY(bolt11_make(&plain, &signer.secret, crypto, arena, &made.payment_request));
	if (owner == OWNER_NODE)
	{
		SimulatorScripts scripts = simulator_load_scripts(made.invoice.payment_hash, false, arena);

		simulator_count_calls(&scripts, true);
		simulator_bind_invoice(&made.invoice, scripts.scripts, scripts.count);
	}
	simulator_add_invoice(&made, key);
	*payment_request = made.payment_request;
	return OK;
}

const char *
simulator_forge_invoice(const char *payment_request, MadeWrong wrong, Arena *arena)
{
	const Bolt11Crypto *crypto = invoice_crypto();
	SimulatorKey signer;
	const char *forged;
	Bolt11	   *good;
	Bolt11Plain plain;

	if (wrong == WRONG_JUNK || failed(bolt11_decode(payment_request, crypto, arena, &good)))
		return "lnbcrt1junk";
	signer = simulator_need_key(wrong == WRONG_PAYEE ? OWNER_OUTSIDE : OWNER_NODE, crypto,
								(Instant) {good->timestamp * MICROSECONDS_PER_SECOND});
	plain = (Bolt11Plain) {
		.network = wrong == WRONG_NETWORK ? BOLT11_TESTNET : good->network,
		.has_amount = true,
		.amount = wrong == WRONG_AMOUNT ? AMOUNT_MSAT(good->amount.msat + MSAT_PER_SAT) : good->amount,
		.timestamp = good->timestamp,
		.expiry_seconds = good->expiry_seconds,
		.min_final_cltv = BOLT11_DEFAULT_MIN_FINAL_CLTV,
		.payment_hash = wrong == WRONG_HASH ? random_bytes32() : good->payment_hash,
		.payment_secret = random_bytes32(),
		.description = good->description,
	};
	return failed(bolt11_make(&plain, &signer.secret, crypto, arena, &forged)) ? "lnbcrt1junk" : forged;
}
