-- A user's consumer, and a queue of the same kind in plain SQL.
\set ON_ERROR_STOP 1

CREATE UNLOGGED TABLE bench.sent (key uuid, at timestamptz);
CREATE TABLE bench.heard (key uuid, at timestamptz);

CREATE FUNCTION bench.nothing(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION bench.hear(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS
	'BEGIN INSERT INTO bench.heard VALUES (message.aggregate_id, clock_timestamp()); END';
SELECT spark_bus.subscribe('bench', 'bench.nothing', 'bench.nothing');
SELECT spark_bus.subscribe('bench', 'bench.heard', 'bench.hear');

CREATE PROCEDURE bench.emit_many(total int, last_key uuid) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. total LOOP
		PERFORM spark_bus.emit('bench.nothing', gen_random_uuid(), '{"number": 1, "text": "some words of a payload"}');
	END LOOP;
	PERFORM spark_bus.emit('bench.heard', last_key, '{}');
	INSERT INTO bench.sent VALUES (last_key, clock_timestamp());
END $$;

-- One message a transaction, one at a time; the clock is read just before COMMIT.
CREATE PROCEDURE bench.emit_slowly(total int, pause float8) LANGUAGE plpgsql AS $$
DECLARE
	key uuid;
BEGIN
	FOR i IN 1 .. total LOOP
		key := gen_random_uuid();
		PERFORM spark_bus.emit('bench.heard', key, '{"number": 1, "text": "some words of a payload"}');
		INSERT INTO bench.sent VALUES (key, clock_timestamp());
		COMMIT;
		PERFORM pg_sleep(pause);
	END LOOP;
END $$;

-- ---- the plain queue: taken with SKIP LOCKED and deleted, woken by NOTIFY

CREATE TABLE plain.queue (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	key uuid NOT NULL,
	type text NOT NULL,
	payload jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION plain.nothing(message plain.queue) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION plain.hear(message plain.queue) RETURNS void LANGUAGE plpgsql AS
	'BEGIN INSERT INTO bench.heard VALUES (message.key, clock_timestamp()); END';

CREATE FUNCTION plain.take(most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	message plain.queue;
	taken int := 0;
BEGIN
	FOR message IN
		WITH next AS (SELECT id FROM plain.queue ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED)
		DELETE FROM plain.queue q USING next WHERE q.id = next.id RETURNING q.*
	LOOP
		IF message.type = 'nothing' THEN
			PERFORM plain.nothing(message);
		ELSE
			PERFORM plain.hear(message);
		END IF;
		taken := taken + 1;
	END LOOP;
	RETURN taken;
END $$;

CREATE PROCEDURE plain.work_off(batch int) LANGUAGE plpgsql AS $$
DECLARE
	taken int;
BEGIN
	LOOP
		taken := plain.take(batch);
		EXIT WHEN taken = 0;
		COMMIT;
	END LOOP;
END $$;

CREATE PROCEDURE plain.send_many(total int) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO plain.queue (key, type, payload)
		SELECT gen_random_uuid(), 'nothing', '{"number": 1, "text": "some words of a payload"}' FROM generate_series(1, total);
END $$;

CREATE PROCEDURE plain.send_slowly(total int, pause float8) LANGUAGE plpgsql AS $$
DECLARE
	key uuid;
BEGIN
	FOR i IN 1 .. total LOOP
		key := gen_random_uuid();
		INSERT INTO plain.queue (key, type, payload) VALUES (key, 'heard', '{"number": 1, "text": "some words of a payload"}');
		NOTIFY queue;
		INSERT INTO bench.sent VALUES (key, clock_timestamp());
		COMMIT;
		PERFORM pg_sleep(pause);
	END LOOP;
END $$;

-- ---- spark's own contexts: a donation each time

CREATE PROCEDURE bench.donate_slowly(total int, pause float8) LANGUAGE plpgsql AS $$
DECLARE
	donation uuid;
BEGIN
	FOR i IN 1 .. total LOOP
		donation := bench.donate(bench.donor(), 1 + i % 100);
		INSERT INTO bench.sent VALUES (donation, clock_timestamp());
		COMMIT;
		PERFORM pg_sleep(pause);
	END LOOP;
END $$;
