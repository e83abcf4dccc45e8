-- What spark is compared with, all in one database: the same business table,
-- the same payload, a queue each. Every drain stops at a number of messages,
-- so that a part of a long backlog can be timed.
\set ON_ERROR_STOP 1

CREATE EXTENSION spark;
SELECT * FROM spark.install('{auth}');
CREATE SCHEMA bench;
CREATE SCHEMA bare;

CREATE TABLE bench.account (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 40);
INSERT INTO bench.account SELECT i, 0 FROM generate_series(1, 1000) i;
CREATE UNLOGGED TABLE bench.sent (key uuid, at timestamptz, committed timestamptz);
CREATE UNLOGGED TABLE bench.heard (key uuid, at timestamptz);

CREATE FUNCTION bench.payload(n bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('account', 1 + n % 1000, 'number', n, 'text', repeat('some words of a payload ', 4))
$$;

-- ---- marks: time, processor time of the server's living processes, and WAL

CREATE UNLOGGED TABLE bench.mark (name text, at timestamptz, cpu float8, wal pg_lsn);

-- In microseconds. A process that ends meanwhile is not counted: who is measured stays.
CREATE FUNCTION bench.processor_time(without int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	process int;
	spent text;
	total float8 := 0;
BEGIN
	FOR process IN SELECT pid FROM pg_stat_get_activity(NULL) WHERE pid <> without LOOP
		spent := pg_read_file('/proc/' || process || '/schedstat', 0, 100, true);
		IF spent IS NOT NULL THEN
			total := total + split_part(spent, ' ', 1)::float8 / 1000;
		END IF;
	END LOOP;
	RETURN total;
END $$;

-- Of a session that does the work itself its own time counts, too.
CREATE FUNCTION bench.mark(called text, works_itself boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO bench.mark VALUES (called, clock_timestamp(),
		bench.processor_time(CASE WHEN works_itself THEN 0 ELSE pg_backend_pid() END), pg_current_wal_insert_lsn());
END $$;

-- Between the marks: seconds, microseconds, bytes, and bytes of filling before; the marks are gone then.
CREATE FUNCTION bench.between(OUT seconds float8, OUT cpu float8, OUT wal float8, OUT filled float8) LANGUAGE plpgsql AS $$
BEGIN
	SELECT extract(epoch FROM e.at - b.at), e.cpu - b.cpu, e.wal - b.wal, b.wal - f.wal INTO seconds, cpu, wal, filled
		FROM bench.mark b, bench.mark e, bench.mark f WHERE b.name = 'begin' AND e.name = 'end' AND f.name = 'fill';
	TRUNCATE bench.mark;
END $$;

-- ---- spark

CREATE FUNCTION bench.nothing(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION bench.book(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS
	$$BEGIN UPDATE bench.account SET balance = balance + 1 WHERE id = (message.payload ->> 'account')::int; END$$;
CREATE FUNCTION bench.hear(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS
	'BEGIN INSERT INTO bench.heard VALUES (message.aggregate_id, clock_timestamp()); END';
SELECT spark_bus.subscribe('bench', 'bench.nothing', 'bench.nothing');
SELECT spark_bus.subscribe('bench', 'bench.book', 'bench.book');
SELECT spark_bus.subscribe('bench', 'bench.heard', 'bench.hear');

-- What no queue can save: a call of the handler, and its UPDATE, a loop each and nothing else.
CREATE PROCEDURE bench.nothing_alone(total int) LANGUAGE plpgsql AS $$
DECLARE
	message spark_bus.message;
BEGIN
	message.payload := bench.payload(1);
	FOR i IN 1 .. total LOOP
		PERFORM bench.nothing(message);
	END LOOP;
END $$;
CREATE PROCEDURE bench.book_alone(total int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. total LOOP
		UPDATE bench.account SET balance = balance + 1 WHERE id = 1 + i % 1000;
		IF i % 1000 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END $$;

-- In one transaction, the most that its readers have to sort out; they are paused meanwhile.
CREATE PROCEDURE bench.spark_fill(what text, total int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. total LOOP
		PERFORM spark_bus.emit('bench.' || what, gen_random_uuid(), bench.payload(i));
	END LOOP;
END $$;
-- The workers drain it; one look each 20 ms, at the place of the cursor, and
-- only behind all that was drawn at what is left of late commits.
CREATE PROCEDURE bench.spark_drain() LANGUAGE plpgsql AS $$
DECLARE
	target bigint := (SELECT last_value FROM spark_common.outbox_0_seq);
BEGIN
	WHILE target > (SELECT greatest(q1, pos) FROM spark_common.cursor_log
			WHERE consumer = 'bench' AND lane = 0 ORDER BY gen DESC LIMIT 1)
		OR EXISTS (SELECT FROM spark_ops.bus_status() WHERE lag_messages > 0) LOOP
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
	COMMIT;
	-- The end is the last batch, not the look that has found it.
	PERFORM bench.mark('end', false);
	UPDATE bench.mark SET at = (SELECT max(at) FROM spark_common.cursor_log) WHERE name = 'end';
END $$;

-- What grows with what was ever emitted, if anything does.
CREATE FUNCTION bench.sizes() RETURNS TABLE (of text, bytes bigint) LANGUAGE sql AS $$
	SELECT of, sum(pg_total_relation_size(c.oid))::bigint FROM (VALUES ('log', 'spark_common', 'outbox_[0-9]+_[0-9]+'),
		('ledger', 'spark_common', 'cursor_log'), ('retry', 'spark_common', 'retry|dead_letter'),
		('pg_class', 'pg_catalog', 'pg_class')) kind (of, schema, name), pg_class c
	WHERE c.relkind = 'r' AND c.relnamespace = schema::regnamespace AND c.relname ~ ('^(' || name || ')$') GROUP BY of
$$;

-- ---- a table, and DELETE with SKIP LOCKED, 1,000 a commit

-- The columns of spark's log with a uuid key: what an INSERT of them costs.
CREATE TABLE bare.log (LIKE spark_common.outbox_0_0, PRIMARY KEY (id));
CREATE SEQUENCE bare.log_seq;
CREATE TABLE bare.queue (LIKE spark_common.outbox_0_0, PRIMARY KEY (seq));
CREATE SEQUENCE bare.queue_seq;

CREATE PROCEDURE bare.log_fill(total int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. total LOOP
		INSERT INTO bare.log (seq, xid, id, aggregatetype, aggregateid, type, payload, schemaversion, correlationid, depth, created_at)
			VALUES (nextval('bare.log_seq'), pg_current_xact_id(), gen_random_uuid(), 'bench', gen_random_uuid(),
				'bench.nothing', bench.payload(i), 1, gen_random_uuid(), 0, clock_timestamp());
	END LOOP;
END $$;
CREATE PROCEDURE bare.fill(what text, total int) LANGUAGE sql AS $$
	INSERT INTO bare.queue (seq, xid, id, aggregatetype, aggregateid, type, payload, schemaversion, correlationid, depth, created_at)
		SELECT nextval('bare.queue_seq'), pg_current_xact_id(), gen_random_uuid(), 'bench', gen_random_uuid(),
			what, bench.payload(i), 1, gen_random_uuid(), 0, clock_timestamp() FROM generate_series(1, total) i
$$;
CREATE FUNCTION bare.nothing(message bare.queue) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION bare.book(message bare.queue) RETURNS void LANGUAGE plpgsql AS
	$$BEGIN UPDATE bench.account SET balance = balance + 1 WHERE id = (message.payload ->> 'account')::int; END$$;
CREATE FUNCTION bare.take(most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	message bare.queue;
	taken int := 0;
BEGIN
	FOR message IN
		WITH next AS (SELECT seq FROM bare.queue ORDER BY seq LIMIT most FOR UPDATE SKIP LOCKED)
		DELETE FROM bare.queue q USING next WHERE q.seq = next.seq RETURNING q.*
	LOOP
		IF message.type = 'nothing' THEN
			PERFORM bare.nothing(message);
		ELSE
			PERFORM bare.book(message);
		END IF;
		taken := taken + 1;
	END LOOP;
	RETURN taken;
END $$;
CREATE PROCEDURE bare.drain(total int) LANGUAGE plpgsql AS $$
DECLARE
	taken int;
BEGIN
	SET LOCAL enable_seqscan = off;
	WHILE total > 0 LOOP
		taken := bare.take(least(total, 1000));
		EXIT WHEN taken = 0;
		total := total - taken;
		COMMIT;
	END LOOP;
END $$;

-- ---- latency: 200 a second by the clock; the time is read just before COMMIT, and just behind it

CREATE PROCEDURE bench.send_evenly(statement text, total int) LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
	keys uuid[] := ARRAY(SELECT gen_random_uuid() FROM generate_series(1, total));
	sent timestamptz[];
	committed timestamptz[];
BEGIN
	FOR i IN 1 .. total LOOP
		PERFORM pg_sleep(extract(epoch FROM start + i * interval '5 ms' - clock_timestamp()));
		EXECUTE statement USING keys[i];
		sent[i] := clock_timestamp();
		COMMIT;
		committed[i] := clock_timestamp();
	END LOOP;
	INSERT INTO bench.sent SELECT * FROM unnest(keys, sent, committed);
END $$;

-- The plain queue of listener.c, woken by NOTIFY.
CREATE SCHEMA plain;
CREATE TABLE plain.queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key uuid NOT NULL);
CREATE FUNCTION plain.take(most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	taken int;
BEGIN
	WITH next AS (SELECT id FROM plain.queue ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED),
		gone AS (DELETE FROM plain.queue q USING next WHERE q.id = next.id RETURNING q.key)
	INSERT INTO bench.heard SELECT key, clock_timestamp() FROM gone;
	GET DIAGNOSTICS taken = ROW_COUNT;
	RETURN taken;
END $$;
CREATE FUNCTION plain.send(key uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO plain.queue (key) VALUES (key);
	NOTIFY queue;
END $$;
