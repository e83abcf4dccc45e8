-- The median time of a donation, COMMIT included, in ms.
CREATE PROCEDURE bench.time_donations(total int, campaign int, INOUT median float8) LANGUAGE plpgsql AS $$
DECLARE
	times float8[] := '{}';
	since timestamptz;
BEGIN
	FOR i IN 1 .. total LOOP
		since := clock_timestamp();
		PERFORM bench.donate(bench.donor(), campaign);
		COMMIT;
		times := times || extract(epoch FROM clock_timestamp() - since)::float8 * 1000;
	END LOOP;
	median := (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t);
END $$;
