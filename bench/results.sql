-- Where the figures of one run are kept, and how they are told.

CREATE SCHEMA bench;

-- against: 'spark', or what it is compared with.
CREATE TABLE bench.result (
	bench text,
	what text,
	clients int,
	round int,
	against text,
	figure float8,
	unit text,
	place serial
);

CREATE FUNCTION bench.rounded(figure float8) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN figure IS NULL THEN '' WHEN figure >= 100 THEN round(figure)::text
		ELSE trim_scale(round(figure::numeric, CASE WHEN figure >= 10 THEN 1 ELSE 2 END))::text END
$$;

CREATE FUNCTION bench.spread(low float8, high float8) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN low < high THEN bench.rounded(low) || '..' || bench.rounded(high) END
$$;

-- A row a figure: medians, and the ratio round by round. For a time less is
-- better, so its ratio is turned: above 1 is always good for spark.
CREATE FUNCTION bench.report(of_bench text) RETURNS TABLE (
	"what is measured" text, clients int, unit text, spark text, spread text, baseline text, "baseline's" text,
	"ratio" text, "ratio's spread" text)
LANGUAGE sql AS $$
	WITH own AS (SELECT * FROM bench.result WHERE bench = of_bench AND against = 'spark'),
	other AS (SELECT * FROM bench.result WHERE bench = of_bench AND against <> 'spark'),
	pair AS (
		SELECT own.what, own.clients, own.unit, own.figure AS spark, other.against, other.figure AS other, own.place,
			CASE WHEN own.unit LIKE '%/s' THEN own.figure / nullif(other.figure, 0)
				ELSE other.figure / nullif(own.figure, 0) END AS ratio
		FROM own LEFT JOIN other USING (what, clients, round))
	SELECT what, nullif(clients, 0), unit,
		bench.rounded(percentile_cont(0.5) WITHIN GROUP (ORDER BY spark)),
		bench.spread(min(spark), max(spark)),
		against,
		bench.rounded(percentile_cont(0.5) WITHIN GROUP (ORDER BY other)),
		bench.rounded(percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio)),
		bench.spread(min(ratio), max(ratio))
	FROM pair GROUP BY what, clients, unit, against ORDER BY min(place)
$$;
