-- Reads as one call from the client. First some history, so that a dashboard
-- has lines to show.
\set ON_ERROR_STOP 1

SELECT count(bench.donate(bench.donor(), 1 + i % 100)) FROM generate_series(1, 5000) i;
SELECT spark_bus.dispatch(1000000);

CREATE FUNCTION bench.balance(person int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM bench.sign_in(person);
	RETURN (SELECT posted_msat FROM spark.balance());
END $$;

CREATE FUNCTION bench.dashboard(person int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM bench.sign_in(person);
	RETURN (SELECT recent FROM spark.dashboard());
END $$;

CREATE FUNCTION plain.balance(person int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	who uuid := (SELECT account_id FROM bench.people WHERE n = person);
	posted bigint;
	reserved bigint;
	incoming bigint;
	available bigint;
BEGIN
	SELECT credits_posted_msat - debits_posted_msat, debits_pending_msat, credits_pending_msat,
		credits_posted_msat - debits_posted_msat - debits_pending_msat
		INTO posted, reserved, incoming, available FROM spark_accounting.accounts WHERE account_id = who;
	RETURN posted;
END $$;

CREATE FUNCTION plain.dashboard(person int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	who uuid := (SELECT account_id FROM bench.people WHERE n = person);
	overview spark_dashboard.overviews;
	campaigns jsonb;
	recent jsonb;
BEGIN
	SELECT * INTO overview FROM spark_dashboard.overviews WHERE account_id = who;
	SELECT coalesce(jsonb_agg(to_jsonb(own) ORDER BY created_at DESC, campaign_id DESC), '[]') INTO campaigns
		FROM (SELECT * FROM spark_dashboard.campaigns WHERE owner_id = who AND title IS NOT NULL
			ORDER BY created_at DESC, campaign_id DESC LIMIT 500) own;
	SELECT coalesce(jsonb_agg(to_jsonb(line) ORDER BY created_at DESC, transfer_id DESC), '[]') INTO recent
		FROM ((SELECT transfer_id, payer_kind AS kind, state, -amount_msat AS amount_msat, payee_id AS counterparty_id,
				campaign_id, payer_invoice_id AS invoice_id, created_at, posted_at
				FROM spark_dashboard.movements WHERE payer_id = who AND payer_kind IS NOT NULL
				ORDER BY created_at DESC, transfer_id DESC LIMIT 10)
			UNION ALL (SELECT transfer_id, payee_kind, state, amount_msat, payer_id, campaign_id, payee_invoice_id, created_at, posted_at
				FROM spark_dashboard.movements WHERE payee_id = who AND payee_kind IS NOT NULL
				ORDER BY created_at DESC, transfer_id DESC LIMIT 10)
			ORDER BY created_at DESC, transfer_id DESC LIMIT 10) line;
	RETURN recent;
END $$;
