# 060_bad_input.pl
#		Every function of spark at every input that is not good: a clear error with
#		a hint, and no row of any table written.  The table below has a row for each
#		function and each argument; one that is missing fails the test.
#
#		Each call is made as whoever may make it, on its own and in each kind of
#		transaction; then by nobody, by a role without rights, twice, and undone.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

# ---- the values that are not good, by kind of argument
#
# [expression, SQLSTATE]; 'server': the server refuses it before spark is called.
my $null = 'NULL';
my $unknown_id = "'01900000-0000-7000-8000-000000000000'";
my $megabyte = "repeat('x', 1000000)";

sub refused { my ($code, @values) = @_; return map { [$_, $code] } @values; }

sub ids
{
	my ($unknown, @more) = @_;
	return (refused($unknown, $unknown_id, @more), refused('server', "''", "'abc'", "'0'", '-1', 'gen_random_uuid()::text', "$megabyte\::uuid"));
}
sub nil_ids { return ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"); }
sub required_id { my ($unknown, @more) = @_; return (refused('SP001', $null), ids($unknown, nil_ids(), @more)); }
sub whole_numbers { return refused('server', "''", "'abc'", "'NaN'", "'Infinity'", "'1.5'", '1.5', "'1e3'", 'true', "repeat('9', 1000000)::bigint"); }
sub counts
{
	my ($least, $most) = @_;
	return (refused('SP001', $least - 1, -1, -2147483648, ($most < 2147483647 ? ($most + 1, 2147483647) : ())),
		refused('server', '2147483648', "'2147483648'"), whole_numbers());
}
sub bigints { return (refused('SP001', @_, '-1', '9223372036854775807', '(-9223372036854775808)'), refused('server', "'9223372036854775808'", "'-9223372036854775809'"), whole_numbers()); }
sub satoshi { return (bigints('0', '2100000000000001', '9223372036854775')); }
sub no_text { return refused('server', 'chr(0)', "E'a\\x00b'", "E'a\\u0000b'", "E'\\xff'", "E'\\xc3\\x28'", "convert_from('\\xff', 'UTF8')", "E'\\ud800'", '1', "'\\x00'::bytea"); }
sub texts { my ($code, @values) = @_; return (refused('SP001', $null), refused($code, @values), no_text()); }
sub required_key { return (refused('SP006', $null, "''"), refused('SP001', "repeat('x', 256)", $megabyte), no_text()); }
sub hashes { my ($unknown) = @_; return (texts('SP001', "''", "'abc'", "repeat('a', 63)", "repeat('a', 65)", "repeat('g', 64)", "repeat(' ', 64)", "E'\\x01' || repeat('a', 63)", $megabyte), refused($unknown, "repeat('0', 64)")); }
sub requests { return texts('SP400', "''", "'abc'", "'lnbc'", "'lnbcrt1'", "E'\\x01'", "repeat('1', 64)", $megabyte, "'lnbcrt' || $megabyte"); }
sub objects { return (refused('SP001', $null, "'null'", "'[]'", "'1'", "'\"text\"'", "'true'", @_), refused('server', "''", "'abc'", "'{'", "'NaN'", "'{\"a\": \"\\u0000\"}'", '1')); }
sub roles { return (refused('SP001', $null, '0::oid::regrole', '4294967295::oid::regrole'), refused('server', "''", "'nobody_of_this_name'", "'abc def'", "E'\\x01'", $megabyte)); }
# The consumer and the reason of what an operator does to more than one message.
sub repair_of_many
{
	my ($consumer, @more) = @_;
	return (consumer => [ $consumer // "'failing'", texts('SP002', "''", "'nonsense'", "E'\\x01'", $megabyte), @more ],
		reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ]);
}
sub failed_key { return ($unknown_id, refused('SP001', $null), refused('SP002', nil_ids()), grep { $_->[1] eq 'server' } ids('')); }
sub flags { return refused('server', "''", "'abc'", '2.5', "'NaN'"); }
# Small as they are kept, but too long or too deep as text.
my $endless = "jsonb_build_object('a', (SELECT jsonb_agg('1e131071'::jsonb) FROM generate_series(1, 20000)))";
my $deep = "('{\"a\": ' || repeat('[', 2000) || repeat(']', 2000) || '}')::jsonb";
sub payloads { return objects("jsonb_build_object('a', repeat('x', 1100000))", $endless, $deep); }
sub moments { return refused('server', "''", "'abc'", "'NaN'", "'10000000-01-01'", '0'); }
sub pages { return (limit_ => [ '50', counts(1, 500) ], after => [ $null, ids('SP002', nil_ids(), @_) ]); }

# ---- people and things
my $spark = Spark->start(conf => "log_min_messages = error\nlog_min_error_statement = panic\nlog_statement = none\nspark.login_attempts = 1000000");
my %token = map { $_ => $spark->sign_up($_) } qw(alice bob carol);
$spark->sql(q{
	CREATE ROLE author; SELECT spark_bus.grant_author('author');
	CREATE ROLE operator; SELECT spark_ops.grant_operator('operator');
	CREATE ROLE stranger; GRANT USAGE ON SCHEMA spark, spark_bus, spark_ops, spark_simulator TO stranger;
	CREATE FUNCTION public.handle(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
	CREATE FUNCTION public.fail(message spark_bus.message) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
	CREATE FUNCTION public.misfit(message text) RETURNS void LANGUAGE sql AS 'SELECT';
	CREATE FUNCTION public.written(OUT relation text, OUT digest text) RETURNS SETOF record LANGUAGE plpgsql AS $$
	BEGIN
		FOR relation IN SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
			WHERE relkind = 'r' AND nspname ~ '^spark_' AND nspname NOT IN ('spark_bus', 'spark_ops', 'spark_simulator') ORDER BY 1
		LOOP
			EXECUTE format('SELECT count(*) || '' '' || md5(coalesce(string_agg(t.xmin::text || t::text, E''\n'' ORDER BY t.ctid), '''')) FROM %s t', relation) INTO digest;
			RETURN NEXT;
		END LOOP;
	END $$;
});
$spark->fund($token{$_}, 10_000) for qw(alice carol);
my $mine = made('alice', "campaign_id FROM spark.create_campaign('Mine', 'Of the caller', 100)");
my $bobs = made('bob', "campaign_id FROM spark.create_campaign('Bob''s', 'Of another', 100)");
my $donation = made('alice', "donation_id FROM spark.donate($bobs, 10, 'a key')");
my $carols_donation = made('carol', "donation_id FROM spark.donate($bobs, 20, 'a key')");
my $deposit = made('alice', "invoice_id FROM spark.deposit(30, 'a key')");
my $carols_deposit = made('carol', "invoice_id FROM spark.deposit(40, 'a key')");
$spark->wait_for("SELECT payment_request IS NOT NULL FROM spark.invoice($_->[1])", undef, $token{$_->[0]}) for [ 'alice', $deposit ], [ 'carol', $carols_deposit ];
my $hash = made('alice', "payment_hash FROM spark.invoice($deposit)");
my $carols_hash = made('carol', "payment_hash FROM spark.invoice($carols_deposit)");
my $own_request = made('alice', "payment_request FROM spark.invoice($deposit)");
my ($outside, $carols_outside, $open, $soon) = map { "'" . $spark->sql("SELECT spark_simulator.make_invoice($_)") . "'" } "50", "60", "NULL", "70, 'soon', 20";
made('carol', "invoice_id FROM spark.withdraw($carols_outside)");
my $carols_transfer = made('carol', "transfer_id FROM spark.statement(1)");
$spark->sql("SET ROLE author; SELECT spark_bus.subscribe('failing', 'test.fails', 'public.fail', 1)");
my $letter = "'" . $spark->sql("SET ROLE author; SELECT spark_bus.emit('test.fails', $unknown_id, '{}')") . "'";
$spark->wait_for("SELECT count(*) = 1 FROM spark_ops.dead_letters()");
$spark->sql("SET ROLE author; SELECT spark_bus.subscribe('halted', 'test.heard', 'public.handle'); RESET ROLE; SELECT spark_ops.pause_consumer('halted', 'a test')");
$spark->sql("INSERT INTO spark_common.detached VALUES ('failing', now(), now())");
$spark->wait_for("SELECT status = 'paid' FROM spark.invoices(1)", undef, $token{carol});

# A withdrawal that has failed long ago, and the proof that it was paid after all.
my $refused = "'" . $spark->sql("SELECT spark_simulator.make_invoice(55)") . "'";
$spark->sql(q{SELECT spark_simulator.script('*', 'fail', '{"amount_msat": 55000}')});
my $decided = made('alice', "invoice_id FROM spark.withdraw($refused)");
$spark->wait_for("SELECT status = 'failed' FROM spark.invoice($decided)", undef, $token{alice});
$spark->sql("UPDATE spark_bitcoin.withdrawals SET failed_at = failed_at - interval '20 days', next_look_at = NULL WHERE invoice_id = $decided");
my $proof = "'" . $spark->sql("SELECT preimage FROM spark_bitcoin.simulator_invoices WHERE payment_request = $refused") . "'";

# An account that pays nothing.
my $frozen = "'" . $spark->as($spark->sign_up('dora'), 'SELECT spark.whoami()') . "'";
my $not_frozen = made('alice', 'spark.whoami()');
$spark->wait_for("SELECT count(*) = 1 FROM spark_accounting.accounts WHERE account_id = $frozen");
$spark->sql("UPDATE spark_accounting.accounts SET version = version + 1, frozen_at = now(), frozen_reason = 'a test' WHERE account_id = $frozen");

sub made
{
	my ($person, $call) = @_;
	return "'" . $spark->as($token{$person}, "SELECT $call") . "'";
}

# ---- the table
#
# function => { by: who may call it; protected: nobody gets SP003; writes: it is
# refused in a transaction that is READ ONLY (undef: either); good: what even a
# good call gets here; twice: what the same
# call again in one transaction gets; arguments, each [a good value, bad ones] }
my %table = (
	'spark.install' => { by => 'postgres', writes => undef, contexts => [ $null,
		refused('SP001', "'{}'", "'{nonsense}'", "'{NULL}'", "'{auth,nonsense}'", "'{\"\"}'", "ARRAY[$megabyte]", "E'{\\x01}'"),
		refused('server', "''", "'auth'", "'{auth'", '1') ] },
	'spark.grant_api' => { by => 'postgres', writes => 1, anonymous => [ "'anon'", roles() ], member => [ "'member'", roles() ] },
	'spark.version' => { by => 'alice' },

	'spark.register' => { by => 'alice', writes => 1, twice => 'SP102',
		username => [ "'newcomer'", texts('SP001', "''", "'  '", "repeat('x', 65)", "E'a\\x01b'", "E'a\\nb'", "U&'a\\200Bb'", "U&'a\\202Eb'", $megabyte), refused('SP102', "'bob'", "' BOB '") ],
		password => [ "'correct horse battery staple'", texts('SP001', "''", "'short'", "repeat('x', 1025)", $megabyte) ] },
	'spark.login' => { by => 'alice', writes => 1,
		username => [ "'bob'", texts('SP101', "''", "'nobody at all'", "E'\\x01'", $megabyte) ],
		password => [ "'correct horse battery staple'", texts('SP101', "''", "'wrong'", "E'\\x01'", $megabyte) ] },
	'spark.whoami' => { by => 'alice' },
	'spark.account' => { by => 'alice', protected => 1 },

	'spark.create_campaign' => { by => 'alice', protected => 1, writes => 1,
		title => [ "'A title'", texts('SP001', "''", "'  '", "U&'\\3000'", "repeat('x', 201)", $megabyte) ],
		description => [ "'A description'", texts('SP001', $megabyte) ],
		goal_sat => [ 1, refused('SP001', $null), satoshi() ],
		campaign_id => [ $null, refused('SP001', "'00000000-0000-0000-0000-000000000000'"), refused('SP005', $mine, $bobs), (grep { $_->[1] eq 'server' } ids('')) ] },
	'spark.campaign' => { by => 'alice', campaign_id => [ $bobs, required_id('SP002') ] },
	'spark.campaigns' => { by => 'alice', pages($donation) },
	'spark.donate' => { by => 'alice', protected => 1, writes => 1,
		campaign_id => [ $bobs, required_id('SP002'), refused('SP301', $mine) ],
		amount_sat => [ 1, refused('SP001', $null), satoshi() ],
		idempotency_key => [ "'another key'", required_key(), refused('SP005', "'a key'") ] },
	'spark.donation' => { by => 'alice', protected => 1, donation_id => [ $donation, required_id('SP002', $carols_donation, $bobs) ] },
	'spark.donations' => { by => 'alice', protected => 1, campaign_id => [ $bobs, required_id('SP002', $donation) ], pages($carols_donation) },

	'spark.deposit' => { by => 'alice', protected => 1, writes => 1,
		amount_sat => [ 1, refused('SP001', $null), satoshi() ],
		idempotency_key => [ "'another key'", refused('SP001', "repeat('x', 256)", $megabyte), refused('SP005', "'a key'"), no_text() ] },
	'spark.verify_deposit' => { by => 'alice', protected => 1, writes => 1, payment_hash => [ $hash, hashes('SP002'), refused('SP002', $carols_hash) ] },
	'spark.withdraw' => { by => 'alice', protected => 1, writes => 1,
		payment_request => [ $outside, requests(), refused('SP408', $own_request), refused('SP404', $carols_outside), refused('SP402', $soon), refused('SP403', $open),
			refused('SP401', "'lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql'") ],
		amount_sat => [ $null, satoshi(), refused('SP403', 50, 51) ],
		max_fee_sat => [ $null, (grep { $_->[0] ne '9223372036854775807' } bigints()) ] },
	'spark.invoice' => { by => 'alice', protected => 1, invoice_id => [ $deposit, required_id('SP002', $carols_deposit) ] },
	'spark.invoices' => { by => 'alice', protected => 1, pages($carols_deposit) },

	'spark.decode_invoice' => { by => 'alice', payment_request => [ $outside, requests() ] },

	'spark.balance' => { by => 'alice', protected => 1 },
	'spark.statement' => { by => 'alice', protected => 1, pages($carols_transfer, $deposit) },
	'spark.dashboard' => { by => 'alice', protected => 1 },

	'spark_bus.emit' => { by => 'author', writes => 1,
		type => [ "'test.happened'", texts('SP001', "''", "'.'", "'.happened'", "repeat('x', 256)", $megabyte), refused('SP004', "'auth.signed_up'", "'accounting.deposit'", "'bitcoin.nonsense'", "'auth.nonsense'", "'auth'") ],
		aggregate_id => [ $unknown_id, refused('SP001', $null), grep { $_->[1] eq 'server' } ids('') ],
		payload => [ "'{}'", payloads() ],
		aggregate_type => [ $null, refused('SP001', "''", "repeat('x', 256)", $megabyte), no_text() ],
		deliver_at => [ $null, refused('SP001', "'infinity'"), moments() ] },
	'spark_bus.cancel' => { by => 'author', writes => undef, message_id => [ $unknown_id, refused('SP001', $null), grep { $_->[1] eq 'server' } ids('') ] },
	'spark_bus.subscribe' => { by => 'author', writes => 1,
		consumer => [ "'listener'", texts('SP001', "''", "repeat('x', 64)", $megabyte), refused('SP010', "'accounting'", "'dashboard'") ],
		message_type => [ "'test.happened'", texts('SP001', "''", "repeat('x', 256)", $megabyte, "'accounting.nonsense'", "'auth.nonsense'", "'dashboard'"), refused('SP010', "'accounting.deposit'") ],
		handler => [ "'public.handle'", refused('SP001', $null, "'now'", "'public.misfit'", '0::oid::regproc', '4294967295::oid::regproc'), refused('server', "''", "'public.nonsense'", "'a b'", $megabyte) ],
		max_attempts => [ 12, refused('SP001', $null), counts(1, 2147483647) ],
		kind => [ "'event'", texts('SP001', "''", "'nonsense'", "'EVENT'", $megabyte) ],
		ordering => [ "'none'", texts('SP001', "''", "'nonsense'", "'KEY'", $megabyte) ],
		when_dead => [ "'skip'", texts('SP001', "''", "'nonsense'", "'drop'", $megabyte) ] },
	'spark_bus.unsubscribe' => { by => 'author', writes => 1, twice => 'SP002', isolation => '25001',
		consumer => [ "'failing'", texts('SP001', "''", "repeat('x', 64)", $megabyte), refused('SP002', "'nonsense'", "E'\\x01'"), refused('SP010', "'accounting'") ],
		message_type => [ "'test.fails'", texts('SP001', "''", "repeat('x', 256)", $megabyte), refused('SP002', "'test.nonsense'") ],
		discard => [ 'true', flags(), refused('SP010', 'false', $null) ], reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_bus.dispatch' => { by => 'author', writes => 1, isolation => '25001', max_messages => [ 1, refused('SP001', $null), counts(1, 2147483647) ] },
	'spark_bus.grant_author' => { by => 'postgres', writes => 1, author => [ "'author'", roles() ] },

	'spark_ops.bus_status' => { by => 'operator' },
	'spark_ops.dead_letters' => { by => 'operator', limit_ => [ 100, counts(1, 10000) ],
		of_consumer => [ "'failing'", refused('SP002', "''", "'nonsense'", $megabyte), no_text() ], after => [ $null, ids('SP002', nil_ids()) ] },
	'spark_ops.blocked_keys' => { by => 'operator', limit_ => [ 100, counts(1, 10000) ] },
	'spark_ops.operations' => { by => 'operator', limit_ => [ 100, counts(1, 10000) ] },
	'spark_ops.retry_key' => { by => 'operator', writes => 1, twice => 'SP002', repair_of_many(), aggregate_id => [ failed_key() ] },
	'spark_ops.retry_all' => { by => 'operator', writes => 1, repair_of_many(), limit_ => [ 100, counts(1, 10000) ] },
	'spark_ops.unblock_key' => { by => 'operator', writes => 1, twice => 'SP002', repair_of_many(), aggregate_id => [ failed_key() ] },
	'spark_ops.pause_consumer' => { by => 'operator', writes => 1, twice => 'SP010', repair_of_many() },
	'spark_ops.resume_consumer' => { by => 'operator', writes => 1, twice => 'SP010', repair_of_many("'halted'", refused('SP010', "'failing'")) },
	'spark_ops.replay' => { by => 'operator', writes => 1, isolation => '25001', repair_of_many("'halted'", refused('SP010', "'failing'", "'dashboard'")),
		since => [ "'2020-01-01'", refused('SP001', $null, "'infinity'", "'-infinity'"), moments() ],
		message_id => [ $null, refused('SP001', $letter), grep { $_->[1] eq 'server' } ids('') ] },
	'spark_ops.retry_dead_letter' => { by => 'operator', writes => 1, twice => 'SP002', message_id => [ $letter, required_id('SP002') ], consumer => [ "'failing'", texts('SP002', "''", "'nonsense'", "'accounting'", "E'\\x01'", $megabyte) ],
		reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.drop_dead_letter' => { by => 'operator', writes => 1, twice => 'SP002', message_id => [ $letter, required_id('SP002') ], consumer => [ "'failing'", texts('SP002', "''", "'nonsense'", "'accounting'", "E'\\x01'", $megabyte) ],
		reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.mend_dead_letter' => { by => 'operator', writes => 1, twice => 'SP002', message_id => [ $letter, required_id('SP002') ], consumer => [ "'failing'", texts('SP002', "''", "'nonsense'", "'accounting'", "E'\\x01'", $megabyte) ],
		payload => [ "'{}'", payloads() ], reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.trial_balance' => { by => 'operator' },
	'spark_ops.verify' => { by => 'operator' },
	'spark_ops.verify_accounting' => { by => 'operator' },
	'spark_ops.verify_between' => { by => 'operator' },
	'spark_ops.health' => { by => 'operator' },
	'spark_ops.metrics' => { by => 'operator' },
	'spark_ops.node_health' => { by => 'operator' },
	'spark_ops.pause_outside' => { by => 'operator', writes => 1, reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.resume_outside' => { by => 'operator', writes => undef, reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.reconcile' => { by => 'operator' },
	'spark_ops.decide_payment' => { by => 'operator', writes => 1, twice => 'SP010',
		invoice_id => [ $decided, required_id('SP002', $deposit) ],
		verdict => [ "'paid'", texts('SP001', "''", "'nonsense'", "'PAID'", $megabyte), refused('SP010', "'failed'") ],
		evidence => [ "'seen at the payee'", texts('SP001', "''", "'  '", $megabyte) ],
		reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ],
		preimage => [ $proof, hashes('SP001') ],
		fee_msat => [ $null, refused('SP001', '-1', '9223372036854775807', '(-9223372036854775808)'), refused('server', "'9223372036854775808'"), whole_numbers() ],
		node_record => [ $null, refused('SP001', "''", "'  '", $megabyte), no_text() ] },
	'spark_ops.open_payments' => { by => 'operator', limit_ => [ 100, counts(1, 10000) ] },
	'spark_ops.frozen_accounts' => { by => 'operator', limit_ => [ 100, counts(1, 10000) ] },
	'spark_ops.unfreeze_account' => { by => 'operator', writes => 1, twice => 'SP010',
		account_id => [ $frozen, required_id('SP002', $deposit), refused('SP010', $not_frozen) ],
		reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.open_breaker' => { by => 'operator', writes => 1, reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.close_breaker' => { by => 'operator', writes => 1, reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.change_node' => { by => 'operator', writes => 1, good => 'SP010',
		node_id => [ "'02' || repeat('ab', 32)", texts('SP001', "''", "'abc'", "repeat('a', 65)", "'04' || repeat('ab', 32)", "repeat('g', 66)", $megabyte) ],
		reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.resync' => { by => 'operator', writes => 1, twice => 'SP010', isolation => '25001', consumer => [ "'failing'", texts('SP002', "''", "'nonsense'", $megabyte) ],
		reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.set_lanes' => { by => 'operator', writes => undef, isolation => '25001', lanes => [ 1, refused('SP001', $null, 3, 63), counts(1, 64) ], reason => [ "'a reason'", texts('SP001', "''", "'  '", $megabyte) ] },
	'spark_ops.lanes' => { by => 'operator' },
	'spark_ops.rotate' => { by => 'operator', writes => 1, isolation => '25001' },
	'spark_ops.grant_operator' => { by => 'postgres', writes => 1, operator => [ "'operator'", roles() ] },

	'spark_simulator.pay' => { by => 'postgres', writes => 1, twice => 'SP404',
		payment_request => [ $own_request, requests(), refused('SP002', $outside) ],
		received_msat => [ $null, bigints('0', '1', '29999', '60001') ],
		late => [ 'false', flags() ] },
	'spark_simulator.make_invoice' => { by => 'postgres', writes => 1,
		amount_sat => [ 1, satoshi() ], memo => [ "''", refused('SP001', "repeat('x', 640)", $megabyte), no_text() ],
		expiry_seconds => [ 3600, counts(1, 315360000) ] },
	'spark_simulator.script' => { by => 'postgres', writes => 1,
		payment_hash => [ "'*'", (grep { $_->[0] !~ /^repeat\('0'/ } hashes('')) ],
		outcome => [ "'succeed'", texts('SP001', "''", "'nonsense'", "'SUCCEED'", "E'\\x01'", $megabyte) ],
		options => [ "'{}'", (grep { $_->[0] ne $null } objects("'{\"nonsense\": 1}'", "'{\"after_s\": -1}'", "'{\"after_s\": 1.5}'", "'{\"after_s\": 1e400}'", "'{\"after_s\": 99999999999999999999}'", "'{\"after_s\": \"1\"}'", "'{\"after_s\": null}'", "'{\"fee_msat\": -1}'", "jsonb_build_object($megabyte, 1)", "jsonb_build_object('memo', $megabyte)")) ] },
	'spark_simulator.payments' => { by => 'postgres', limit_ => [ 1000, counts(1, 1000000) ] },
);

my %attributes = map { $_ => 1 } qw(by protected writes twice isolation good);

sub arguments_of { my ($function) = @_; return sort grep { !$attributes{$_} } keys %{ $table{$function} }; }

# ---- no function and no argument is forgotten
my %catalog = map { my ($name, $arguments) = split /\|/; $name => $arguments // '' } split /\n/, $spark->sql(q{
	SELECT n.nspname || '.' || proname, array_to_string(ARRAY(SELECT a FROM unnest(proargnames[1:pronargs]) a ORDER BY a COLLATE "C"), ' ')
	FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname IN ('spark', 'spark_bus', 'spark_ops', 'spark_simulator')});
is_deeply({ map { $_ => join(' ', arguments_of($_)) } keys %table }, \%catalog, 'each function and each argument has its bad values');

# ---- calling

# A call with one argument replaced.
sub call
{
	my ($function, $replaced, $value) = @_;
	return "SELECT * FROM $function(" . join(', ', map { "$_ => " . (defined $replaced && $replaced eq $_ ? $value : $table{$function}{$_}[0]) } arguments_of($function)) . ');';
}

# Whose call it is: commands of psql that come before.
sub as_whom
{
	my ($who) = @_;
	my $token = $token{$who} // '';
	my $role = exists $token{$who} || $who eq 'nobody' ? 'client' : $who;
	return "SET ROLE $role; SET spark.token = '$token';";
}

# Runs calls [words, who, sql] in one session, each on its own; for each a hash
# of what the error says, code '' where there was none.
sub run_calls
{
	my (@calls) = @_;
	my ($script, $whom, @said) = ("\\set QUIET on\n\\o /dev/null\n", '');

	for my $number (0 .. $#calls)
	{
		my ($words, $who, $sql) = @{ $calls[$number] };
		$script .= 'RESET ROLE; ' . as_whom($who) . "\n" if $who ne $whom;
		$script .= "\\warn \@call $number\n$sql\n";
		$whom = $who;
	}
	my ($status, $out, $err) = $spark->node->psql('postgres', $script, on_error_stop => 0, extra_params => ['--set=VERBOSITY=verbose']);
	my @answers = split /^\@call \d+\n/m, ($err // '') . "\n", -1;
	shift @answers;
	die "psql ended with status $status after " . scalar(@answers) . " answers\n" . substr($err, -2000) unless @answers == @calls;
	for my $answer (@answers)
	{
		my ($code, $message) = $answer =~ /(?:ERROR|FATAL|PANIC):  ([0-9A-Z]{5}): (.*)/;
		my ($detail) = $answer =~ /^DETAIL:  (.+)/m;
		my ($hint) = $answer =~ /^HINT:  (.+)/m;
		push @said, { code => $code // '', message => $message // '', detail => $detail // '', hint => $hint // '' };
	}
	return @said;
}

# What is wrong with an answer; '' where nothing is.
sub wrong
{
	my ($said, @expected) = @_;
	my $code = $said->{code};

	return "got '$code' (" . substr("$said->{message} | $said->{detail}", 0, 300) . "), expected '@expected'" unless grep { $_ eq 'server' ? $code =~ /^(?:22|42|54)/ && $code ne '42501' : $code eq $_ } @expected;
	return '' unless $code =~ /^SP/;
	return 'it repeats too much of what was given' if length("$said->{message}$said->{detail}") > 700;
	return "the message is no message: $said->{message}" unless $said->{message} =~ /^[a-z].*[^.]$/;
	return 'the hint does not say in which state' if $code eq 'SP010' && $said->{hint} =~ /Look at the state/;
	return 'the hint does not say what to do' unless $said->{hint} =~ /^[A-Z].*[.;]$/;
	return 'the detail does not say what is wrong' if $code =~ /^SP00[16]/ && $said->{detail} !~ /^[A-Z].*[.]$/;
	return '';
}

my %idle;		# what the running worker writes by itself

# Makes the calls [function, words, who, sql, expected codes]: one test a function, and one that nothing was written.
sub expect
{
	my ($name, @calls) = @_;
	my $before = $spark->sql('SELECT * FROM public.written()');
	my @said = run_calls(map { [ @$_[1 .. 3] ] } @calls);
	my %complaints;

	for my $number (0 .. $#calls)
	{
		my ($function, $words, undef, undef, @expected) = @{ $calls[$number] };
		my $wrong = wrong($said[$number], @expected);
		$complaints{$function} //= [];
		push @{ $complaints{$function} }, "$words: $wrong" if $wrong;
	}
	for my $function (sort keys %complaints)
	{
		ok(!@{ $complaints{$function} }, "$name: $function") or diag(join("\n", @{ $complaints{$function} }));
	}
	my %before = map { split /\|/ } split /\n/, $before;
	my %after = map { split /\|/ } split /\n/, $spark->sql('SELECT * FROM public.written()');
	is(join(' ', grep { !$idle{$_} && ($before{$_} // '') ne ($after{$_} // '') } sort keys %after), '', "$name: no row of any table was written");
	return;
}

# Every bad value of every function, between two pieces of SQL; also: codes that are fine as well, by function.
sub bad_calls
{
	my (%how) = @_;
	my @calls;

	for my $function (sort keys %table)
	{
		for my $argument (arguments_of($function))
		{
			my (undef, @bad) = @{ $table{$function}{$argument} };
			for (@bad)
			{
				my ($value, $code) = @$_;
				next if $how{before} && $value =~ /\b1[01]00000\b/;		# a megabyte once is enough
				push @calls, [ $function, "$argument => " . substr($value, 0, 60), $how{who} // $table{$function}{by},
					join(' ', $how{before} // '', call($function, $argument, $value), $how{after} // ''),
					$how{code} ? $how{code}->($function, $code) : $code ];
			}
		}
	}
	return @calls;
}

# Of a function that is refused here whatever it is called with.
sub gets
{
	my ($function, @codes) = @_;
	return map { $_ eq '' ? $table{$function}{good} // '' : $_ } @codes;
}

sub good_calls
{
	my (%how) = @_;
	return map { [ $_, 'a good call', $how{who} // $table{$_}{by}, join(' ', $how{before} // '', $how{twice} ? call($_) : (), call($_), $how{after} // ''), gets($_, $how{code}->($_)) ] } sort keys %table;
}

# ---- with the worker down, so that nobody else writes
$spark->wait_for("SELECT bool_and(lag_messages = 0 AND parked = 0) FROM spark_ops.bus_status()");
$spark->node->append_conf('postgresql.conf', "spark.databases = ''");
$spark->node->restart;
# The request that is soon over has less than 30 s left.
expect('alone', bad_calls());
expect('READ ONLY', bad_calls(before => 'BEGIN READ ONLY;', after => 'ROLLBACK;',
	code => sub { my ($function, $code) = @_; my $row = $table{$function}; return ($code, exists $row->{writes} ? '25006' : ()); }));
for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	expect($level, bad_calls(before => "BEGIN ISOLATION LEVEL $level;", after => 'COMMIT;',
		code => sub { my ($function, $code) = @_; return ($code, $table{$function}{isolation} // ()); }));
}
expect('in a savepoint that is rolled back', bad_calls(before => 'BEGIN; SAVEPOINT s;', after => 'ROLLBACK TO SAVEPOINT s; COMMIT;'));
expect('by nobody', grep { $table{$_->[0]}{protected} } bad_calls(who => 'nobody', code => sub { return $_[1] eq 'server' ? 'server' : 'SP003'; }));
expect('by a role without rights', bad_calls(who => 'stranger', code => sub { return $_[1] eq 'server' ? ('server', '42501') : '42501'; }));

# ---- good calls, where they must not be, or that are taken back
expect('a good call of nobody', grep { $table{$_->[0]}{protected} } good_calls(who => 'nobody', code => sub { return 'SP003'; }));
expect('a good call of a role without rights', good_calls(who => 'stranger', code => sub { return '42501'; }));
expect('a good call in READ ONLY', good_calls(before => 'BEGIN READ ONLY;', after => 'ROLLBACK;',
	code => sub { my $row = $table{$_[0]}; return !exists $row->{writes} ? '' : defined $row->{writes} ? '25006' : ('', '25006'); }));
expect('a good call that is rolled back', good_calls(before => 'BEGIN;', after => 'ROLLBACK;', code => sub { return ''; }));
for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	expect("a good call in $level that is rolled back", good_calls(before => "BEGIN ISOLATION LEVEL $level;", after => 'ROLLBACK;', code => sub { return $table{$_[0]}{isolation} // ''; }));
}
expect('a good call in a savepoint that is rolled back', good_calls(before => 'BEGIN; SAVEPOINT s;', after => 'ROLLBACK TO SAVEPOINT s; COMMIT;', code => sub { return ''; }));
expect('a good call twice, rolled back', good_calls(twice => 1, before => 'BEGIN;', after => 'ROLLBACK;', code => sub { return $table{$_[0]}{twice} // ''; }));

# ---- with the worker running
$spark->node->append_conf('postgresql.conf', "spark.databases = 'postgres'");
$spark->node->restart;
$spark->wait_for("SELECT bool_and(ok) FROM spark_ops.health() WHERE check_name IN ('worker', 'node')", 'the worker is back');
# It asks the node about the open deposit; another one would show in the log, too.
%idle = map { $_ => 1 } qw(spark_bitcoin.node_state spark_bitcoin.audit spark_bitcoin.deposits spark_common.cursor_log spark_common.lane_segment);
expect('beside the worker', bad_calls());

# ---- what must be seen is seen
my $nothing = $spark->sql('SELECT * FROM public.written()');
$spark->as($token{alice}, 'SELECT * FROM spark.deposit(1)');
isnt($spark->sql('SELECT * FROM public.written()'), $nothing, 'a row that is written is noticed');

# ---- without a secret nobody can sign in, and nobody hears why
$spark->node->append_conf('postgresql.conf', "spark.jwt_secret_file = '/nowhere/at all'");
$spark->node->reload;
$spark->wait_for("SELECT current_setting('spark.jwt_secret_file') LIKE '/nowhere%'");
my ($said) = run_calls([ 'login', 'nobody', "SELECT * FROM spark.login('bob', 'correct horse battery staple');" ]);
is($said->{code}, 'SP009', 'without a secret nobody can sign in');
is($said->{detail}, 'Signing in is not set up.', 'whoever tries hears no more than that');
like($said->{hint}, qr/operator.*spark_ops\.health\(\)/, 'and that the operator looks at health');
unlike(join(' ', values %$said), qr/file|secret|nowhere/, 'nothing of the secret');
is($spark->sql("SELECT ok, detail LIKE '%spark.jwt_secret_file%' FROM spark_ops.health() WHERE check_name = 'throttle'"), 'f|t', 'health tells the operator');

is($spark->broken_invariants, '', 'every invariant holds');
is($spark->sql('SELECT pg_catalog.count(*) FROM spark_ops.dead_letters()'), '1', 'no message died but the one that had to');
$spark->stop;
done_testing();
