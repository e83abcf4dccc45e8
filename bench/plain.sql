-- The twin of spark in plain SQL: tables of the same columns, checks and
-- indexes, and functions that write the same rows with plain INSERT and
-- UPDATE. No bus, no second chance, no seal that anybody verifies: what a
-- program without spark would do in one transaction.
\set ON_ERROR_STOP 1

CREATE SCHEMA plain;

-- LIKE leaves the storage parameters behind.
CREATE FUNCTION bench.twin(original regclass, twin text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	parameters text;
BEGIN
	EXECUTE format('CREATE TABLE plain.%I (LIKE %s INCLUDING ALL)', twin, original);
	SELECT array_to_string(reloptions, ', ') INTO parameters FROM pg_class WHERE oid = original;
	IF parameters IS NOT NULL THEN
		EXECUTE format('ALTER TABLE plain.%I SET (%s)', twin, parameters);
	END IF;
	EXECUTE format('INSERT INTO plain.%I SELECT * FROM %s', twin, original);
END $$;

SELECT bench.twin('spark_common.outbox_0_0', 'outbox');
CREATE SEQUENCE plain.outbox_seq;
SELECT setval('plain.outbox_seq', 1 + (SELECT max(seq) FROM plain.outbox));

-- One message, as one plain INSERT; PL/pgSQL keeps its plan.
CREATE FUNCTION plain.message(key uuid, kind text, type text, payload jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	made uuid := gen_random_uuid();
BEGIN
	INSERT INTO plain.outbox (seq, xid, id, aggregatetype, aggregateid, type, payload, schemaversion, correlationid, depth, created_at)
		VALUES (nextval('plain.outbox_seq'), pg_current_xact_id(), made, kind, key, type, payload, 1, made, 0::int2, clock_timestamp());
END $$;

-- ---- the ledger

SELECT bench.twin('spark_accounting.accounts', 'accounts');
SELECT bench.twin('spark_accounting.transfers', 'transfers');

-- A transfer and its answer: two accounts, a row with its seal, a message.
CREATE FUNCTION plain.move(payer uuid, payee uuid, amount bigint, key text, campaign uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	made uuid := gen_random_uuid();
	at timestamptz := clock_timestamp();
	debit plain.accounts;
	sealed bytea;
BEGIN
	SELECT * INTO debit FROM plain.accounts WHERE account_id = payer FOR NO KEY UPDATE;
	IF EXISTS (SELECT FROM plain.transfers WHERE debit_account_id = payer AND purpose = 'donation' AND idempotency_key = key) THEN
		RETURN NULL;
	END IF;
	IF debit.credits_posted_msat - debit.debits_posted_msat - debit.debits_pending_msat < amount THEN
		RAISE 'insufficient funds';
	END IF;
	sealed := sha256(debit.seal || convert_to(concat_ws('|', made, payer, payee, amount, key, at, campaign), 'UTF8'));
	UPDATE plain.accounts SET version = version + 1, debits_posted_msat = debits_posted_msat + amount,
		sequence = sequence + 1, seal = sealed WHERE account_id = payer;
	UPDATE plain.accounts SET version = version + 1, credits_posted_msat = credits_posted_msat + amount WHERE account_id = payee;
	INSERT INTO plain.transfers (transfer_id, debit_account_id, credit_account_id, amount_msat, sequence, created_at, form,
		purpose, kind, idempotency_key, seal, campaign_id)
		VALUES (made, payer, payee, amount, debit.sequence + 1, at, 'direct', 'donation', 'donation', key, sealed, campaign);
	PERFORM plain.message(made, 'transfer', 'accounting.transfer_succeeded',
		jsonb_build_object('idempotency_key', key, 'from_account_id', payer, 'to_account_id', payee, 'amount_msat', amount,
			'purpose', 'donation', 'pending', false, 'campaign_id', campaign, 'transfer_id', made,
			'created_at', extract(epoch FROM at), 'posted_at', extract(epoch FROM at)));
	RETURN made;
END $$;

CREATE FUNCTION plain.ask(payer uuid, payee uuid, amount bigint, key text, campaign uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM plain.message(gen_random_uuid(), 'transfer', 'accounting.request_transfer',
		jsonb_build_object('idempotency_key', key, 'from_account_id', payer, 'to_account_id', payee, 'amount_msat', amount,
			'purpose', 'donation', 'campaign_id', campaign));
END $$;

CREATE FUNCTION plain.transfer(payer int, payee int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	from_id uuid;
	to_id uuid;
	key text := gen_random_uuid();
BEGIN
	SELECT account_id INTO from_id FROM bench.people WHERE n = payer;
	SELECT account_id INTO to_id FROM bench.people WHERE n = payee;
	PERFORM plain.ask(from_id, to_id, 1000, key, NULL);
	RETURN plain.move(from_id, to_id, 1000, key, NULL);
END $$;

-- The same through spark: the client asks, the ledger's worker does.
CREATE FUNCTION bench.transfer(payer int, payee int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	from_id uuid;
	to_id uuid;
BEGIN
	SELECT account_id INTO from_id FROM bench.people WHERE n = payer;
	SELECT account_id INTO to_id FROM bench.people WHERE n = payee;
	RETURN spark_bus.emit('accounting.request_transfer', gen_random_uuid(), jsonb_build_object(
		'idempotency_key', gen_random_uuid(), 'from_account_id', from_id, 'to_account_id', to_id,
		'amount_msat', 1000, 'purpose', 'donation'));
END $$;

-- Somebody who is no owner.
SELECT format('CREATE FUNCTION bench.donor() RETURNS int LANGUAGE sql AS $$ SELECT 101 + floor(random() * %s)::int $$',
	(SELECT count(*) - 100 FROM bench.people)) \gexec

-- What a queue's worker would do: transfers in batches, a commit a batch.
CREATE PROCEDURE plain.transfers_in_batches(total int, batch int, hot boolean) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. total LOOP
		PERFORM plain.transfer(bench.donor(), CASE WHEN hot THEN 1 ELSE 1 + i % 100 END);
		IF i % batch = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END $$;

SELECT to_regclass('spark_crowdfunding.donations') IS NOT NULL AS has_campaigns \gset
\if :has_campaigns

-- ---- crowdfunding and the dashboard

SELECT bench.twin('spark_crowdfunding.campaigns', 'campaigns');
SELECT bench.twin('spark_crowdfunding.donations', 'donations');
SELECT bench.twin('spark_dashboard.overviews', 'overviews');
SELECT bench.twin('spark_dashboard.campaigns', 'own_campaigns');
SELECT bench.twin('spark_dashboard.movements', 'movements');
SELECT bench.twin('spark_dashboard.counted_donations', 'counted_donations');

-- What spark.donate() writes: the donation and two messages.
CREATE FUNCTION plain.donate(donor int, campaign int) RETURNS plain.donations LANGUAGE plpgsql AS $$
DECLARE
	made plain.donations;
	key text := gen_random_uuid();
	known uuid;
BEGIN
	SELECT account_id INTO made.donor_id FROM bench.people WHERE n = donor;
	SELECT c.campaign_id, c.owner_id INTO made.campaign_id, made.owner_id
		FROM bench.campaigns b JOIN plain.campaigns c ON c.campaign_id = b.campaign_id WHERE n = campaign AND status = 'open';
	SELECT donation_id INTO known FROM plain.donations d WHERE d.donor_id = made.donor_id AND idempotency_key = key;
	made.donation_id := gen_random_uuid();
	INSERT INTO plain.donations VALUES (made.donation_id, 1, made.campaign_id, made.donor_id, made.owner_id, key, 1000,
		'pending', NULL, clock_timestamp(), NULL) RETURNING * INTO made;
	PERFORM plain.ask(made.donor_id, made.owner_id, 1000, key, made.campaign_id);
	PERFORM plain.message(made.donation_id, 'donation', 'crowdfunding.donation_created',
		jsonb_build_object('campaign_id', made.campaign_id, 'donation_id', made.donation_id, 'account_id', made.donor_id,
			'owner_id', made.owner_id, 'amount_msat', 1000));
	RETURN made;
END $$;

-- What becomes of it: the transfer, the campaign's total, both read models.
CREATE FUNCTION plain.settle(made plain.donations) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	moved uuid := plain.move(made.donor_id, made.owner_id, made.amount_msat, made.idempotency_key, made.campaign_id);
	at timestamptz := clock_timestamp();
BEGIN
	UPDATE plain.campaigns SET version = version + 1, raised_msat = raised_msat + made.amount_msat,
		donation_count = donation_count + 1 WHERE campaign_id = made.campaign_id;
	UPDATE plain.donations SET version = version + 1, status = 'confirmed', decided_at = at WHERE donation_id = made.donation_id;
	PERFORM plain.message(made.donation_id, 'donation', 'crowdfunding.donation_confirmed',
		jsonb_build_object('campaign_id', made.campaign_id, 'donation_id', made.donation_id, 'account_id', made.donor_id,
			'owner_id', made.owner_id, 'amount_msat', made.amount_msat));
	UPDATE plain.overviews SET version = version + 1, posted_msat = posted_msat - made.amount_msat,
		donated_msat = donated_msat + made.amount_msat WHERE account_id = made.donor_id;
	UPDATE plain.overviews SET version = version + 1, posted_msat = posted_msat + made.amount_msat,
		raised_msat = raised_msat + made.amount_msat WHERE account_id = made.owner_id;
	UPDATE plain.own_campaigns SET version = version + 1, raised_msat = raised_msat + made.amount_msat,
		donation_count = donation_count + 1 WHERE campaign_id = made.campaign_id;
	INSERT INTO plain.movements VALUES (moved, 1, 'posted', made.amount_msat, made.donor_id, 'donation', NULL,
		made.owner_id, 'donation', NULL, made.campaign_id, at, at);
	INSERT INTO plain.counted_donations VALUES (made.donation_id, made.campaign_id, made.amount_msat);
END $$;

CREATE FUNCTION plain.donate_and_settle(donor int, campaign int) RETURNS void LANGUAGE plpgsql AS
	'BEGIN PERFORM plain.settle(plain.donate(donor, campaign)); END';

CREATE PROCEDURE plain.settle_in_batches(batch int) LANGUAGE plpgsql AS $$
DECLARE
	pending uuid[] := ARRAY(SELECT donation_id FROM plain.donations WHERE status = 'pending' ORDER BY created_at);
BEGIN
	FOR i IN 1 .. coalesce(array_length(pending, 1), 0) LOOP
		PERFORM plain.settle(d) FROM plain.donations d WHERE donation_id = pending[i];
		IF i % batch = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END $$;
\endif
