-- PgQ: a queue, a consumer, and its loop in the server.
\set ON_ERROR_STOP 1

CREATE EXTENSION pgq;
CREATE SCHEMA pgq_bench;
SELECT pgq.create_queue('bench');
SELECT pgq.register_consumer('bench', 'bench');

CREATE FUNCTION pgq_bench.book(of_account int) RETURNS void LANGUAGE plpgsql AS
	'BEGIN UPDATE bench.account SET balance = balance + 1 WHERE id = of_account; END';
CREATE FUNCTION pgq_bench.nothing(data text) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';

-- A tick each 500, as its ticker would do it at that rate.
CREATE PROCEDURE pgq_bench.fill(what text, total int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgq.ticker('bench');
	COMMIT;
	FOR i IN 1 .. total LOOP
		PERFORM pgq.insert_event('bench', what, bench.payload(i)::text);
		IF i % 500 = 0 OR i = total THEN
			COMMIT;
			PERFORM pgq.force_tick('bench');
			PERFORM pgq.ticker('bench');
			COMMIT;
		END IF;
	END LOOP;
END $$;

CREATE FUNCTION pgq_bench.take() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	batch bigint := pgq.next_batch('bench', 'bench');
	message record;
	taken int := 0;
BEGIN
	IF batch IS NULL THEN
		RETURN -1;
	END IF;
	FOR message IN SELECT ev_type, ev_data FROM pgq.get_batch_events(batch) LOOP
		IF message.ev_type = 'nothing' THEN
			PERFORM pgq_bench.nothing(message.ev_data);
		ELSE
			PERFORM pgq_bench.book((message.ev_data::jsonb ->> 'account')::int);
		END IF;
		taken := taken + 1;
	END LOOP;
	PERFORM pgq.finish_batch(batch);
	RETURN taken;
END $$;
CREATE PROCEDURE pgq_bench.drain(total int) LANGUAGE plpgsql AS $$
DECLARE
	taken int;
BEGIN
	WHILE total > 0 LOOP
		taken := pgq_bench.take();
		EXIT WHEN taken < 0;
		total := total - taken;
		COMMIT;
	END LOOP;
END $$;
