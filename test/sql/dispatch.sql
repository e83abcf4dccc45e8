-- Dispatching in a session, in batches of any size.
\set SHOW_CONTEXT never
SELECT 'SELECT spark_bus.dispatch(10000) >= 0 AS tidied' FROM generate_series(1, 6) \gexec

CREATE TABLE public.dispatched (number int);
CREATE FUNCTION public.note_dispatched(message spark_bus.message) RETURNS void LANGUAGE sql
	AS $$ INSERT INTO public.dispatched VALUES ((message.payload ->> 'number')::int) $$;
SELECT spark_bus.subscribe('dispatched', 'dispatch.numbered', 'public.note_dispatched');
CREATE FUNCTION public.emit_numbers(first_ int, last_ int) RETURNS void LANGUAGE sql AS $$
	SELECT spark_bus.emit('dispatch.numbered', gen_random_uuid(), jsonb_build_object('number', number))
	FROM generate_series(first_, last_) AS number $$;

-- a batch that is just full ends its window: what comes later is read
SELECT public.emit_numbers(1, 1);
SELECT spark_bus.dispatch(1);
SELECT public.emit_numbers(2, 2);
SELECT spark_bus.dispatch(1);
SELECT spark_bus.dispatch(1000);
SELECT public.emit_numbers(3, 5);
SELECT spark_bus.dispatch(3);
SELECT public.emit_numbers(6, 9);
SELECT spark_bus.dispatch(3);
SELECT spark_bus.dispatch(3);
SELECT spark_bus.dispatch(3);

-- 0 means that nothing was ready
SELECT spark_bus.dispatch();
SELECT count(*), count(DISTINCT number), min(number), max(number) FROM public.dispatched;

-- what was rolled back is not read, and what was read and rolled back is read again
BEGIN;
SELECT public.emit_numbers(10, 10);
ROLLBACK;
SELECT public.emit_numbers(11, 12);
BEGIN;
SELECT spark_bus.dispatch();
ROLLBACK;
SELECT spark_bus.dispatch(1);
BEGIN;
SAVEPOINT here;
SELECT spark_bus.dispatch();
ROLLBACK TO SAVEPOINT here;
SELECT spark_bus.dispatch(1);
COMMIT;
SELECT spark_bus.dispatch();
SELECT number FROM public.dispatched WHERE number > 9 ORDER BY number;

SELECT spark_bus.unsubscribe('dispatched', 'dispatch.numbered');
DROP TABLE public.dispatched;
DROP FUNCTION public.note_dispatched, public.emit_numbers;
