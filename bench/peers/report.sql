-- What each system costs, and spark's ratios beside their goals.

CREATE TEMP TABLE figure AS
	SELECT what, against AS system, unit, percentile_cont(0.5) WITHIN GROUP (ORDER BY figure) AS figure, min(place) AS place
	FROM bench.result WHERE bench = 'peers' GROUP BY what, against, unit;

SELECT what, system,
	max(bench.rounded(figure)) FILTER (WHERE unit = '/s') AS "messages/s",
	max(bench.rounded(figure)) FILTER (WHERE unit = 'CPU') AS "CPU us a message",
	max(bench.rounded(figure)) FILTER (WHERE unit = 'WAL') AS "WAL bytes a message",
	max(bench.rounded(figure)) FILTER (WHERE unit = 'ms') AS ms,
	max(bench.rounded(figure)) FILTER (WHERE unit = 'MB') AS "MB",
	max(figure) FILTER (WHERE unit = 'bytes') AS bytes
FROM figure GROUP BY what, system ORDER BY what, min(place);

-- One ratio a round, of two figures of that round; the median, and the spread.
CREATE FUNCTION pg_temp.ratio(upper_what text, upper_system text, lower_what text, lower_system text, of_unit text,
	OUT middle float8, OUT low float8, OUT high float8)
LANGUAGE sql AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY u.figure / l.figure), min(u.figure / l.figure), max(u.figure / l.figure)
	FROM bench.result u JOIN bench.result l USING (bench, round, unit)
	WHERE bench = 'peers' AND unit = of_unit AND u.what = upper_what AND u.against = upper_system
		AND l.what = lower_what AND l.against = lower_system
$$;

SELECT goal.words AS "spark against others", bench.rounded(r.middle) AS ratio, bench.spread(r.low, r.high) AS spread,
	CASE WHEN at_least THEN 'at least ' ELSE 'at most ' END || bound AS goal,
	CASE WHEN r.middle IS NULL THEN 'not measured'
		WHEN at_least = (r.middle >= bound) OR r.middle = bound THEN 'met' ELSE 'missed' END AS " "
FROM (VALUES
	('(a) enqueue in a transaction: CPU, against INSERT of the same columns',
		'a enqueue in a transaction', 'spark', 'a enqueue in a transaction', 'bare', 'CPU', false, 1.10),
	('(a) the same: transactions a second',
		'a enqueue in a transaction', 'spark', 'a enqueue in a transaction', 'bare', '/s', true, 0.95),
	('(b) no-op dispatch: rate, against PgQ''s loop in the server',
		'b dispatch, no-op', 'spark', 'b dispatch, no-op', 'PgQ', '/s', true, 3),
	('(b) the same: CPU of PgQ, against spark',
		'b dispatch, no-op', 'PgQ', 'b dispatch, no-op', 'spark', 'CPU', true, 3),
	('(c) one UPDATE once: rate, against graphile-worker with an inbox',
		'c UPDATE once', 'spark', 'c UPDATE once', 'graphile-worker', '/s', true, 25),
	('(c) the same: CPU of graphile-worker, against spark',
		'c UPDATE once', 'graphile-worker', 'c UPDATE once', 'spark', 'CPU', true, 25),
	('(c) one UPDATE once: rate, against pg-boss in a transaction',
		'c UPDATE once', 'spark', 'c UPDATE once', 'pg-boss', '/s', true, 30),
	('(c) one UPDATE once: rate, against PgQ''s loop',
		'c UPDATE once', 'spark', 'c UPDATE once', 'PgQ', '/s', true, 1.5),
	('(c) the same: CPU of PgQ, against spark',
		'c UPDATE once', 'PgQ', 'c UPDATE once', 'spark', 'CPU', true, 1.5),
	('(d) emit to handler, p50: against graphile-worker',
		'd emit to handler, p50', 'spark', 'd emit to handler, p50', 'graphile-worker', 'ms', false, 0.333),
	('(d) emit to handler, p99: against graphile-worker',
		'd emit to handler, p99', 'spark', 'd emit to handler, p99', 'graphile-worker', 'ms', false, 0.333),
	('(d) the part behind the COMMIT, p50: against graphile-worker',
		'd of it behind the COMMIT, p50', 'spark', 'd of it behind the COMMIT, p50', 'graphile-worker', 'ms', false, 0.333),
	('(e) B9 snapshot held: CPU, last sixth against first',
		'e snapshot held, last sixth', 'spark', 'e snapshot held, first sixth', 'spark', 'CPU', false, 1.2),
	('(e) B10 backlog of 1,000,000 (quick: 50,000): rate, against that without',
		'e backlog: long', 'spark', 'e backlog: none', 'spark', '/s', true, 0.9),
	('(e) B10 the same: CPU, against that without',
		'e backlog: long', 'spark', 'e backlog: none', 'spark', 'CPU', false, 1.2),
	('(e) B10 the same: memory of the worker, against a backlog of 20,000',
		'e backlog: long', 'spark', 'e backlog: none', 'spark', 'MB', false, 1.2),
	('(f) writer held in another database: p50, against none',
		'f writer held elsewhere, p50', 'spark', 'f no writer elsewhere, p50', 'spark', 'ms', false, 1.2),
	('(f) the same: p99',
		'f writer held elsewhere, p99', 'spark', 'f no writer elsewhere, p99', 'spark', 'ms', false, 1.2),
	('(g) B13 a day, 1,200,000 messages (quick: 60,000): the log, at its end against its half',
		'g day, whole: log', 'spark', 'g day, half: log', 'spark', 'bytes', false, 1.2),
	('(g) B13 the same: the ledger of cursors',
		'g day, whole: ledger', 'spark', 'g day, half: ledger', 'spark', 'bytes', false, 1.2),
	('(g) B13 the same: retries and dead letters',
		'g day, whole: retry', 'spark', 'g day, half: retry', 'spark', 'bytes', false, 1.2),
	('(g) B13 the same: pg_class',
		'g day, whole: pg_class', 'spark', 'g day, half: pg_class', 'spark', 'bytes', false, 1.2),
	('WAL end to end, against INSERT of the same columns with a uuid key',
		'end to end, no-op', 'spark', 'end to end, no-op', 'bare INSERT', 'WAL', false, 1.15)
) AS goal(words, upper_what, upper_system, lower_what, lower_system, unit, at_least, bound),
	pg_temp.ratio(upper_what, upper_system, lower_what, lower_system, unit) r;
