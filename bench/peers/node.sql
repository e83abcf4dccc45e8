-- How the queues of Node are filled: as each says that SQL should do it.
\set ON_ERROR_STOP 1

CREATE PROCEDURE graphile_bench.fill(what text, total int) LANGUAGE plpgsql AS $$
BEGIN
	FOR start IN 1 .. total BY 1000 LOOP
		PERFORM count(*) FROM graphile_worker.add_jobs((
			SELECT array_agg(json_populate_record(NULL::graphile_worker.job_spec,
				json_build_object('identifier', what, 'payload', bench.payload(i))))
			FROM generate_series(start, least(start + 999, total)) i));
	END LOOP;
END $$;

CREATE SCHEMA boss_bench;
CREATE PROCEDURE boss_bench.fill(what text, total int) LANGUAGE sql AS $$
	INSERT INTO pgboss.job (name, data) SELECT what, bench.payload(i) FROM generate_series(1, total) i
$$;
