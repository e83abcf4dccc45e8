-- A database with spark, its people, their campaigns and their money. All of
-- it comes in by spark's own calls and messages. Variables: contexts (empty:
-- all), donors, secret (of the tokens).
\set ON_ERROR_STOP 1

CREATE EXTENSION spark;
SELECT * FROM spark.install(nullif(:'contexts', '')::text[]);
CREATE SCHEMA bench;

CREATE FUNCTION bench.base64url(bytes bytea) RETURNS text LANGUAGE sql AS $$
	SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_')
$$;

-- HMAC (RFC 2104) over SHA-256, so that no further extension is needed.
CREATE FUNCTION bench.hmac(message bytea, secret bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	inner_pad bytea := decode(repeat('36', 64), 'hex');
	outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
	IF length(secret) > 64 THEN
		secret := sha256(secret);
	END IF;
	FOR i IN 0 .. length(secret) - 1 LOOP
		inner_pad := set_byte(inner_pad, i, get_byte(secret, i) # 54);
		outer_pad := set_byte(outer_pad, i, get_byte(secret, i) # 92);
	END LOOP;
	RETURN sha256(outer_pad || sha256(inner_pad || message));
END $$;

CREATE FUNCTION bench.token(account_id uuid, secret text) RETURNS text LANGUAGE sql AS $$
	SELECT signed || '.' || bench.base64url(bench.hmac(convert_to(signed, 'UTF8'), convert_to(secret, 'UTF8')))
	FROM (SELECT bench.base64url('{"alg":"HS256","typ":"JWT"}') || '.' || bench.base64url(convert_to(
		json_build_object('sub', account_id, 'iat', extract(epoch FROM now())::bigint,
			'exp', extract(epoch FROM now())::bigint + 86400)::text, 'UTF8')) AS signed) head
$$;

CREATE TABLE bench.people (n int PRIMARY KEY, account_id uuid NOT NULL, token text NOT NULL, is_owner boolean NOT NULL);
INSERT INTO bench.people
	SELECT n, id, bench.token(id, :'secret'), n <= 100
	FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 100 + :donors) n) person;
CREATE TABLE bench.campaigns (n int PRIMARY KEY, campaign_id uuid NOT NULL, owner_id uuid NOT NULL);
ANALYZE bench.people;

CREATE FUNCTION bench.sign_in(person int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	who bench.people;
BEGIN
	SELECT * INTO who FROM bench.people WHERE n = person;
	PERFORM set_config('spark.token', who.token, true);
	RETURN who.account_id;
END $$;

-- Until nothing is left to do; each look is a transaction of its own.
CREATE PROCEDURE bench.wait_drained() LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz := clock_timestamp();
BEGIN
	LOOP
		IF NOT EXISTS (SELECT FROM spark_ops.bus_status() WHERE lag_messages > 0) THEN
			RETURN;
		END IF;
		IF clock_timestamp() - since > '10 min' THEN
			RAISE 'the bus does not drain: %', (SELECT string_agg(b::text, ' ') FROM spark_ops.bus_status() b);
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;

SELECT count(spark_bus.emit('auth.signed_up', account_id,
	jsonb_build_object('account_id', account_id, 'username', 'person ' || n))) FROM bench.people;
SELECT count(spark_bus.emit('accounting.deposit', d.id, jsonb_build_object(
		'account_id', account_id, 'idempotency_key', encode(sha256(uuid_send(d.id)), 'hex'),
		'amount_msat', 1000000000000000, 'node_account_id', 'b0000000-0000-4000-8000-000000000001', 'invoice_id', d.id)))
	FROM (SELECT *, gen_random_uuid() AS id FROM bench.people WHERE NOT is_owner) d;
SELECT spark_bus.dispatch(100000);

SELECT 'crowdfunding' = ANY (array_agg(context)) AS has_campaigns FROM spark_common.installed \gset
\if :has_campaigns
DO $$
DECLARE
	owner uuid;
BEGIN
	FOR i IN 1 .. 100 LOOP
		owner := bench.sign_in(i);
		INSERT INTO bench.campaigns
			SELECT i, campaign_id, owner FROM spark.create_campaign('campaign ' || i, 'of the bench', 2100000000000000);
	END LOOP;
END $$;
SELECT spark_bus.dispatch(100000);

-- One donation as one call from the client: signs in, donates.
CREATE FUNCTION bench.donate(donor int, campaign int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	chosen uuid;
	donation uuid;
BEGIN
	PERFORM bench.sign_in(donor);
	SELECT campaign_id INTO chosen FROM bench.campaigns WHERE n = campaign;
	SELECT donation_id INTO donation FROM spark.donate(chosen, 1, gen_random_uuid()::text);
	RETURN donation;
END $$;
\endif
