-- A batch that ends exactly with its window: what comes after it is read too.
-- No id or time is printed.
CREATE TABLE public.regress_heard (place bigint GENERATED ALWAYS AS IDENTITY, number int);
CREATE FUNCTION public.regress_hear(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO public.regress_heard (number) VALUES ((message.payload ->> 'number')::int); END $$;
SELECT spark_bus.subscribe('regress_batches', 'regress.number', 'public.regress_hear');
CREATE FUNCTION pg_temp.emit(first int, last int) RETURNS bigint LANGUAGE sql AS
	$$ SELECT count(spark_bus.emit('regress.number', gen_random_uuid(), jsonb_build_object('number', n)))
	   FROM generate_series(first, last) n $$;
CREATE FUNCTION pg_temp.lag() RETURNS bigint LANGUAGE sql AS
	$$ SELECT lag_messages FROM spark_ops.bus_status() WHERE consumer = 'regress_batches' $$;

-- what other tests have left is out of the way
SELECT spark_bus.dispatch(100000) IS NOT NULL AS once, spark_bus.dispatch(100000) IS NOT NULL AS again;
SELECT spark_bus.dispatch(100000) IS NOT NULL AS and_again;

-- as many as are there, then more
SELECT pg_temp.emit(1, 1);
SELECT spark_bus.dispatch(1);
SELECT pg_temp.lag();
SELECT pg_temp.emit(2, 4);
SELECT spark_bus.dispatch(1);
SELECT pg_temp.lag();
SELECT spark_bus.dispatch(2);
SELECT pg_temp.lag();
SELECT spark_bus.dispatch(1);

-- exactly the first batch of a turn
SELECT pg_temp.emit(5, 104);
SELECT spark_bus.dispatch(100);
SELECT pg_temp.emit(105, 110);
SELECT spark_bus.dispatch();
SELECT pg_temp.lag();

-- emitted in the transaction that dispatches: with the first call after its commit
BEGIN;
SELECT pg_temp.emit(111, 113);
SELECT spark_bus.dispatch();
SELECT pg_temp.emit(114, 115);
COMMIT;
SELECT spark_bus.dispatch(3);
SELECT pg_temp.emit(116, 117);
SELECT spark_bus.dispatch();
SELECT pg_temp.lag();
SELECT count(*), bool_and(number = place) AS in_order FROM public.regress_heard;

SELECT spark_bus.unsubscribe('regress_batches', 'regress.number');
DROP FUNCTION public.regress_hear;
DROP TABLE public.regress_heard;
