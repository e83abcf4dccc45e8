-- The outside world of the simulated node. No hash, id or time is printed.
\set SHOW_CONTEXT never

-- an outside wallet's invoice: regtest, with an amount or without one
SELECT spark_simulator.make_invoice(1000) LIKE 'lnbcrt10u1%' AS names_an_amount;
SELECT spark_simulator.make_invoice(NULL) LIKE 'lnbcrt1%' AS names_none;
SELECT spark_simulator.make_invoice(1, 'coffee') <> spark_simulator.make_invoice(1, 'coffee') AS each_is_another;
SELECT spark_simulator.make_invoice(2100000000000000) IS NOT NULL AS all_bitcoin;
SELECT spark_simulator.make_invoice(0);
SELECT spark_simulator.make_invoice(1, repeat('x', 640));
SELECT spark_simulator.make_invoice(1, '', 0);

-- L67: what it makes cannot be taken for money of another network
SELECT count(*) AS of_other_networks FROM spark_bitcoin.simulator_invoices WHERE payment_request NOT LIKE 'lnbcrt%';

-- paying what the node did not make
\set VERBOSITY sqlstate
SELECT spark_simulator.pay(NULL);
SELECT spark_simulator.pay('lnbcrt1nonsense');
SELECT spark_simulator.pay(spark_simulator.make_invoice(1));
SELECT spark_simulator.pay(spark_simulator.make_invoice(1), 0);
SELECT spark_simulator.pay(spark_simulator.make_invoice(1), -1);
\set VERBOSITY default

-- each outcome with all its options
SELECT spark_simulator.script(hash, outcome, options::jsonb) FROM (SELECT repeat('ab', 32) AS hash) h, (VALUES
	('succeed', '{}'), ('succeed', '{"after_s": 1, "fee_msat": 5}'), ('fail', '{"after_s": 1, "reason": "gave_up"}'),
	('lost_reply', '{"at": "read", "then": "fail", "after_s": 1}'), ('never_answer', '{}'),
	('unknown', '{"lookup": "not_found", "then": "succeed", "after_s": 1}'), ('not_sent', '{"times": 3, "then": "fail"}'),
	('stuck', '{"as": "part"}'), ('flip', '{"after_s": 1}'), ('bad_preimage', '{"kind": "zero"}'),
	('bad_reply', '{"fault": "http_500", "then": "fail"}'),
	('receive', '{"received_msat": 1, "after_s": 1, "events": "reordered"}')) s (outcome, options);
SELECT spark_simulator.script(repeat('AB', 32), 'succeed', NULL);
SELECT count(*) FROM spark_bitcoin.simulator_scripts WHERE payment_hash = repeat('ab', 32);

-- and words that none knows
SELECT spark_simulator.script(NULL, 'succeed');
SELECT spark_simulator.script('abc', 'succeed');
SELECT spark_simulator.script(repeat('ab', 32), NULL);
SELECT spark_simulator.script(repeat('ab', 32), 'explode');
SELECT spark_simulator.script(repeat('ab', 32), 'succeed', '[]');
SELECT spark_simulator.script(repeat('ab', 32), 'succeed', '{"colour": "red"}');
SELECT spark_simulator.script(repeat('ab', 32), 'fail', '{"reason": "weather"}');
SELECT spark_simulator.script(repeat('ab', 32), 'fail', '{"after_s": "1"}');
SELECT spark_simulator.script(repeat('ab', 32), 'fail', '{"after_s": {"n": 1}}');
SELECT spark_simulator.script(repeat('ab', 32), 'fail', '{"call": 1}');
SELECT spark_simulator.script('*', 'receive', '{"amount_msat": 1, "memo": "regress", "call": 1}');

-- the witness
SELECT count(*) FROM spark_simulator.payments();
SELECT count(*) FROM spark_simulator.payments(NULL);
SELECT count(*) FROM spark_simulator.payments(0);

-- nobody but the owner, on the functions or below them
SELECT p.proname, a.grantee = p.proowner AS is_owner
FROM pg_proc p, aclexplode(p.proacl) a
WHERE p.pronamespace = 'spark_simulator'::regnamespace ORDER BY 1, 2;
SELECT count(*) AS granted_to_nobody, bool_and(c.relrowsecurity) AS secured
FROM pg_class c WHERE c.relnamespace = 'spark_bitcoin'::regnamespace AND c.relkind = 'r' AND c.relname LIKE 'simulator%'
AND (c.relacl IS NULL OR NOT EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner));
