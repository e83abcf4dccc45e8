--
-- What the reference is made of, as one JSON object: functions, types, settings
-- and tables of spark, with their comments. Read by tools/reference.pl.
--
\pset format unaligned
\pset tuples_only on
-- Settings are known to a session from the moment the library is there.
SELECT set_config('search_path', 'pg_catalog', false) IS NULL AND spark.version() IS NULL AS ready \gset
SELECT json_build_object(
	'functions', (
		SELECT json_agg(f ORDER BY f.schema, f.name) FROM (
			SELECT n.nspname AS schema, p.proname AS name,
				pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
				p.proargnames[1:p.pronargs] AS argument_names,
				CASE p.provolatile WHEN 'v' THEN 'command' ELSE 'query' END AS kind,
				obj_description(p.oid, 'pg_proc') AS comment
			FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
			WHERE n.nspname IN ('spark', 'spark_bus', 'spark_ops', 'spark_simulator')) AS f),
	'types', (
		SELECT json_agg(t ORDER BY t.schema, t.name) FROM (
			SELECT n.nspname AS schema, c.relname AS name, obj_description(c.reltype, 'pg_type') AS comment,
				(SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
				FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind = 'c' AND n.nspname IN ('spark', 'spark_bus', 'spark_ops', 'spark_simulator')) AS t),
	'settings', (
		SELECT json_agg(s ORDER BY s.name) FROM (
			SELECT name, boot_val, unit, min_val, max_val, enumvals, vartype, context, short_desc, extra_desc
			FROM pg_settings WHERE name LIKE 'spark.%') AS s),
	'tables', (
		SELECT json_agg(t ORDER BY t.schema, t.name) FROM (
			SELECT n.nspname AS schema, c.relname AS name, obj_description(c.oid, 'pg_class') AS comment,
				c.relkind AS kind,
				(SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
						'required', a.attnotnull, 'comment', col_description(c.oid, a.attnum)) ORDER BY a.attnum)
				FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
				(SELECT json_agg(pg_get_constraintdef(k.oid) ORDER BY k.contype DESC, k.conname)
				FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'c')) AS constraints,
				(SELECT json_agg(substring(pg_get_indexdef(i.indexrelid) FROM ' USING (.*)$') ORDER BY i.indexrelid::regclass::text)
				FROM pg_index i WHERE i.indrelid = c.oid
					AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)) AS indexes
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname LIKE 'spark\_%') AS t));
