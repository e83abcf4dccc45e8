-- The extension is code alone; install() makes the books, and may be repeated.
-- The first of all: the other files find extension and books in place.
\set SHOW_CONTEXT never
CREATE EXTENSION spark;

-- X53: no table came with it
SELECT count(*) FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
WHERE c.relkind IN ('r', 'p', 'S');

-- without books a call says what the operator does
SELECT * FROM spark.campaigns();

-- unknown or no contexts
SELECT * FROM spark.install('{}');
SELECT * FROM spark.install('{auth,nonsense}');

-- one context alone, then all, then again
SELECT * FROM spark.install('{auth}');
SELECT * FROM spark.install();
SELECT DISTINCT version > 0 AS has_version, action FROM spark.install();

-- X52: not from the script of another extension is for TAP; here: dropped and created again, the rows stay
SELECT spark.register('install_alice', 'correct horse battery staple') IS NOT NULL AS registered;
DROP EXTENSION spark;
SELECT count(*) FROM spark_auth.accounts WHERE username = 'install_alice';
CREATE EXTENSION spark;
SELECT DISTINCT action FROM spark.install();
SELECT spark.register('install_alice', 'correct horse battery staple');
