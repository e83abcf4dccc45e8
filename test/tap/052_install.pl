# 052_install.pl
#		spark.install(): repeated, by two at once, a context alone, by whom, in the
#		wrong place; the extension without preload; what two versions make of each
#		other.  The tables are ordinary ones that depend on nothing.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Spark;

my $spark = Spark->start(database => 'shop', install => 0, worker => 0, conf => "max_prepared_transactions = 5\n");
my $node = $spark->node;

# Everything that the catalog says of the data schemas.
my $catalog = <<'END';
SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
	SELECT format('%s %s %s %s %s %s', c.oid::regclass, c.relkind, c.relpersistence, c.relrowsecurity, c.relacl, pg_get_userbyid(c.relowner)) AS line
		FROM pg_class c WHERE c.relnamespace::regnamespace::text ~ '^spark_(common|auth|accounting|crowdfunding|bitcoin|dashboard)$'
	UNION ALL SELECT format('%s %s %s %s %s', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull)
		FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
		WHERE c.relnamespace::regnamespace::text ~ '^spark_(common|auth|accounting|crowdfunding|bitcoin|dashboard)$' AND NOT attisdropped
	UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
		WHERE connamespace::regnamespace::text ~ '^spark_(common|auth|accounting|crowdfunding|bitcoin|dashboard)$'
	UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname ~ '^spark_(common|auth|accounting|crowdfunding|bitcoin|dashboard)$'
	UNION ALL SELECT nspname || coalesce(nspacl::text, '') FROM pg_namespace WHERE nspname ~ '^spark_(common|auth|accounting|crowdfunding|bitcoin|dashboard)$') t
END

sub refuses
{
	my ($sql, $code, $name, $pattern) = @_;
	my ($sqlstate, $text) = $spark->try_sql($sql);
	is($sqlstate, $code, $name);
	like($text, $pattern, 'and says why') if $pattern;
	return;
}

# ---- before: the code is there, the books are not
is(($spark->try_as(undef, 'SELECT * FROM spark.campaigns()'))[0], '42501', 'nobody may call anything before it is granted');
refuses("SELECT spark.register('early', '$Spark::password')", 'SP009', 'a command before spark.install()');
refuses('SELECT * FROM spark.campaigns()', 'SP009', 'a query before it');
refuses("SELECT spark_bus.emit('a.b', gen_random_uuid(), '{}')", 'SP009', 'a message before it');
refuses("SELECT spark.grant_api('anon', 'member')", 'SP009', 'grants before it');
is($spark->sql("SELECT count(*) FROM spark_ops.health()"), '18', 'health answers before it');

# ---- arguments
refuses("SELECT * FROM spark.install('{}')", 'SP001', 'no context');
refuses("SELECT * FROM spark.install('{auth,nonsense}')", 'SP001', 'an unknown one');
refuses("SELECT * FROM spark.install(ARRAY['auth', NULL])", 'SP001', 'one that is NULL');
is($spark->sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'spark_common'"), '0', 'nothing was made by that');

# ---- whose schema it is
$spark->sql('CREATE ROLE mallory LOGIN; GRANT CREATE ON DATABASE shop TO mallory; CREATE SCHEMA spark_accounting AUTHORIZATION mallory');
refuses('SELECT * FROM spark.install()', '42P06', 'X56 a schema that somebody has made before is not taken over');
$spark->sql('DROP SCHEMA spark_accounting');

# ---- by whom
is(($node->psql('shop', 'SELECT * FROM spark.install()', connstr => $node->connstr('shop') . ' user=mallory'))[0] != 0, 1, 'a plain user may not install');
$spark->sql('CREATE ROLE dba LOGIN; GRANT USAGE ON SCHEMA spark TO dba; GRANT EXECUTE ON FUNCTION spark.install(text[]) TO dba');
is($node->safe_psql('shop', 'SELECT count(*) FROM spark.install(\'{accounting}\')', connstr => $node->connstr('shop') . ' user=dba'), '2',
	'who was granted it may, a context alone');
is($spark->sql("SELECT DISTINCT pg_get_userbyid(relowner) = (SELECT pg_get_userbyid(extowner) FROM pg_extension WHERE extname = 'spark')"
	. " FROM pg_class WHERE relnamespace = 'spark_accounting'::regnamespace"), 't', 'the tables belong to the owner of the extension');
isnt(($node->psql('shop', 'SELECT * FROM spark_accounting.accounts', connstr => $node->connstr('shop') . ' user=dba'))[0], 0, 'not to who called');

# ---- a context alone
is($spark->sql('SELECT context, action FROM spark.install(\'{accounting}\')'), "common|unchanged\naccounting|unchanged", 'again it changes nothing');
refuses("SELECT spark.register('alone', '$Spark::password')", 'SP009', 'what is not installed says so');
is($spark->sql('SELECT string_agg(consumer, $$,$$) FROM spark_ops.bus_status()'), 'accounting', 'only what is installed listens');
is($spark->sql('SELECT count(*) FROM spark_ops.health()'), '18', 'health answers');
is($spark->sql("SELECT string_agg(check_name, ',') FROM spark_ops.health() WHERE NOT ok AND check_name <> 'worker'"), '', 'and misses no other context');
is($spark->sql('SELECT count(*), bool_and(ok) FROM spark_ops.verify()'), '14|t', 'every invariant is judged');
is($spark->sql("SELECT string_agg(invariant, ',') FROM spark_ops.verify() WHERE detail LIKE '%not compared: context % is not installed%'"), 'I10,I12,I13,I14', 'but for what only two contexts know');
$spark->sql('UPDATE spark_common.installed SET version = 99');
is($spark->sql("SELECT ok, detail LIKE '%not current: accounting, common; run SELECT%' FROM spark_ops.health() WHERE check_name = 'versions'"), 'f|t', 'health names the tables of another version');
$spark->sql('UPDATE spark_common.installed SET version = 1');
$spark->sql("SELECT spark_bus.emit('accounting.deposit', '00000000-0000-7000-8000-000000000001', '{}')");
is($spark->sql('SELECT spark_bus.dispatch()'), '1', 'its messages are handled');
$spark->serve('shop');
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher' AND datname = 'shop'", 'a worker serves it');
$spark->wait_for('SELECT count(*) = 1 AND min(dead) = 0 OR min(dead) = 1 FROM spark_ops.bus_status()');
$spark->sql("SELECT spark_ops.drop_dead_letter(message_id, consumer, 'test') FROM spark_ops.dead_letters()");
$spark->serve();

# ---- X54: repeated, at once, rolled back
$spark->sql('BEGIN; SELECT count(*) FROM spark.install(); ROLLBACK');
is($spark->sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'spark_auth'"), '0', 'X54 rolled back it leaves nothing');
my $one = $node->background_psql('shop', on_error_stop => 0);
$one->query_safe('BEGIN; SELECT count(*) FROM spark.install()');
my $two = $node->background_psql('shop', on_error_stop => 0);
$two->query_until(qr/begun/, "\\echo begun\nSELECT string_agg(DISTINCT action, ',') FROM spark.install();\n");
my $three = $node->background_psql('shop', on_error_stop => 0);
$three->query_until(qr/begun/, "\\echo begun\nBEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT string_agg(DISTINCT action, ',') FROM spark.install();\n");
$spark->wait_for("SELECT count(*) = 2 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%spark.install%'", 'X54 a second installer waits for the first, and a third');
$one->query_safe('COMMIT');
like($two->query_safe('SELECT 1'), qr/unchanged/, 'X54 the second finds everything made');
like($three->query('\echo error :LAST_ERROR_SQLSTATE'), qr/error 40001/, 'X54 one whose snapshot is older is told that he can call again');
$_->quit for $one, $two, $three;
is($spark->sql('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT DISTINCT action FROM spark.install(); COMMIT'), 'unchanged', 'X54 and he may');
my $made = $spark->sql($catalog);
$node->pgbench('--client=4 --transactions=5 --no-vacuum shop', 0, [qr/processed: 20/], [qr/^$/], 'X54 many at once', { 'install.sql' => 'SELECT count(*) FROM spark.install();' });
is($spark->sql($catalog), $made, 'X54 the catalog is what it was');
is($spark->sql('SELECT count(*), count(DISTINCT context) FROM spark_common.installed WHERE version = 1 AND code_version = spark.version() AND installed_at <= now()'),
	'6|6', 'X54 each version is recorded once, with the time');
is($spark->sql('SELECT count(*) FROM spark_common.cursor_log WHERE gen > 1'), $spark->sql('SELECT count(*) FROM spark_common.cursor_log WHERE consumer = $$accounting$$ AND gen > 1'),
	'no cursor was moved');
isnt(($spark->try_sql("BEGIN; SELECT count(*) FROM spark.install(); PREPARE TRANSACTION 'install'"))[0], 'XX000', 'PREPARE after it breaks nothing');
$spark->try_sql("ROLLBACK PREPARED 'install'");

# ---- X53, X69: ordinary tables
is($spark->sql("SELECT count(*) FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass"
	. " JOIN pg_class c ON d.objid = c.oid AND d.classid = 'pg_class'::regclass WHERE e.extname = 'spark' AND c.relkind <> 'c'"), '0', 'X53 no table belongs to the extension');
is($spark->sql("SELECT count(*) FROM pg_class WHERE relpersistence <> 'p' AND relnamespace::regnamespace::text LIKE 'spark%'"), '0', 'X69 nothing is unlogged');

# ---- X52: not in the script of another extension
SKIP:
{
	my $found = slurp_file($ENV{SPARK_CONF} // '/dev/null');
	my ($root) = $found =~ /^extension_destdir = '(.*)'/m;
	skip('X52 needs a server that looks for extensions in a folder of ours', 2) if !defined $root;
	my $share = $node->config_data('--sharedir') . '/extension';
	my $folder = $node->basedir . '/extensions';
	system('mkdir', '-p', "$folder$share") == 0 or die 'no folder for an extension';
	symlink($_, "$folder$share/" . (split(m{/}, $_))[-1]) for glob("$root$share/*");
	append_to_file("$folder$share/shell.control", "default_version = '1'\n");
	append_to_file("$folder$share/shell--1.sql", "SELECT * FROM spark.install();\n");
	$spark->set('extension_destdir', "'$folder'");
	refuses('CREATE EXTENSION shell', 'SP010', 'X52 spark.install() refuses to run in a script', qr/after CREATE EXTENSION/);
	$spark->sql('ALTER SYSTEM RESET extension_destdir');
	$node->reload;
}

# ---- X40: tables of a newer code
$spark->sql('UPDATE spark_common.installed SET version = 2 WHERE context = $$auth$$');
refuses('SELECT * FROM spark.install()', 'SP009', 'X40 tables of a newer version are left alone', qr/newer code/);
refuses("SELECT spark.register('later', '$Spark::password')", 'SP009', 'X40 and not written to');
$spark->sql('UPDATE spark_common.installed SET version = 1 WHERE context = $$auth$$');
is($spark->sql("SELECT (spark.register('now', '$Spark::password')).username"), 'now', 'X40 until they fit');
refuses('ALTER EXTENSION spark UPDATE TO "9.9"', '22023', 'X40 there is no way to an unknown version');
is(($spark->try_sql('ALTER EXTENSION spark UPDATE'))[0], '', 'X40 an update to the present version is nothing');
refuses('ALTER EXTENSION spark SET SCHEMA public', '0A000', 'the extension stays in its schemas');
is($spark->sql("SELECT count(*) FROM pg_depend WHERE refobjid = to_regnamespace('public') AND deptype = 'n' AND objid = (SELECT oid FROM pg_extension WHERE extname = 'spark')"),
	'0', 'and schema public may be dropped without it');

# ---- what stands in the way of DROP EXTENSION, and what does not
$spark->sql('CREATE VIEW public.caller AS SELECT spark.whoami() AS me');
refuses('DROP EXTENSION spark', '2BP01', 'X42 refused while a view uses it');
$spark->sql('DROP VIEW public.caller');
$made = $spark->sql($catalog);
$spark->sql('DROP EXTENSION spark');
is($spark->sql($catalog), $made, 'X42 X53 the tables are untouched');
is($spark->sql("SELECT count(*) FROM spark_auth.accounts WHERE username = 'now'"), '1', 'with their rows');
$spark->sql("CREATE EXTENSION spark; SELECT spark.grant_api('anon', 'member')");
is($spark->sql('SELECT DISTINCT action FROM spark.install()'), 'unchanged', 'X54 created again it takes them up');
is($spark->sql($catalog), $made, 'as they were');
my $token = $spark->log_in('now');
is($spark->as($token, 'SELECT username FROM spark.account()'), 'now', 'and goes on');
is(($spark->try_sql('DROP SCHEMA spark'))[0], '2BP01', 'a schema of code is not dropped alone');

# ---- X38: without preload
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
my $alice = $spark->sign_up('alice');
my $bob = $spark->sign_up('bob');
is($spark->as($alice, 'SELECT username FROM spark.account()'), 'alice', 'X38 without preload commands and queries work');
my $campaign = $spark->as($alice, "SELECT campaign_id FROM spark.create_campaign('A well', 'Water', 10)");
my $donation = $spark->as($bob, "SELECT donation_id FROM spark.donate('$campaign', 5, 'one')");
$spark->as($bob, 'SELECT * FROM spark.deposit(10)');
$spark->dispatch;
is($spark->as($bob, "SELECT status, reason FROM spark.donation('$donation')"), 'rejected|insufficient_funds', 'X38 X13 an operator drains the log by hand');
is($spark->sql("SELECT string_agg(check_name, ',' ORDER BY check_name) FROM spark_ops.health() WHERE NOT ok AND check_name IN ('preload', 'worker', 'throttle', 'node')"),
	'node,preload,throttle,worker', 'X38 X70 health says what is missing');
like($spark->sql("SELECT detail FROM spark_ops.health() WHERE check_name = 'preload'"), qr/shared_preload_libraries/, 'and what to do');
is($spark->broken_invariants, '', 'the books verify');

# ---- X11: no slot left
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'spark'\nmax_worker_processes = 3\n");
$node->restart;
$spark->serve('shop');
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark dispatcher'", 'X11 with few slots what can run runs');
$spark->wait_for("SELECT pg_read_file('" . $node->logfile . "') ~ 'no free worker slot for a spark lightning'", 'X11 the log says what is short');
$spark->wait_for("SELECT NOT ok AND detail ~ 'max_worker_processes' FROM spark_ops.health() WHERE check_name = 'worker'", 'X11 so does health');
is($spark->as($alice, "SELECT count(*) FROM spark.create_campaign('Another', '', 10)"), '1', 'commands work');
$spark->wait_until_drained('and are handled');
my $log = slurp_file($node->logfile);
is(() = $log =~ /LOG:  no free worker slot/g, 1, 'X11 it is said once');
$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$node->restart;
$spark->wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'spark lightning'", 'X11 with enough all run');
$spark->wait_for("SELECT bool_and(ok) FROM spark_ops.health() WHERE check_name IN ('preload', 'worker', 'node', 'versions')", 'and health is content');

$spark->stop;
done_testing();
