# 021_behaviours.pl
#		What people can rely on, each behaviour end to end: in a server with its
#		worker, from several sessions at once where sessions matter, at each
#		isolation level.  What a failing node does (S17, S33 to S35) is in
#		030_lightning.pl; costs (S28) are counted in 022_flat_cost.pl.
use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;

use Invoice;
use Spark;
use Town;

my $spark = Spark->start(conf => "spark.login_attempts = 5\nshared_preload_libraries = 'spark, pg_stat_statements'\nlog_statement = none");
my $town = Town->new($spark);
my $quiet = $spark->beside('quiet');	# where nothing is handled unless dispatched
my $no_account = '00000000-0000-7000-8000-000000000000';

$spark->sql('CREATE EXTENSION pg_stat_statements');

sub refused
{
	my ($token, $sql, $sqlstate, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(($spark->try_as($token, "SELECT * FROM spark.$sql"))[0], $sqlstate, $name);
}

# How many messages were ever stored.
sub stored
{
	return $spark->sql('SELECT count(*) FROM spark_common.outbox');
}

# ---- S1 to S6: accounts
{
	my $registered = $spark->as(undef, "SELECT account_id, username FROM spark.register(' Alice ', '$Spark::password')");
	like($registered, qr/^[0-9a-f-]{36}\|alice$/, 'S1 the name is trimmed and lower-cased');
	like($spark->as(undef, "SELECT username FROM spark.register('" . 'x' x 64 . "', '$Spark::password')"), qr/^x{64}$/, 'S1 64 characters are a name');
	refused(undef, "register('$_', '$Spark::password')", 'SP001', "S1 '$_' is none") for '', '   ', 'x' x 65;
	refused(undef, "register('short', '" . 'p' x 14 . "')", 'SP001', 'S1 a password of 14 characters is too short');
	refused(undef, "register('long', '" . 'p' x 1025 . "')", 'SP001', 'S1 one of 1,025 bytes too long');
	is($spark->sql("SELECT count(*) FROM spark_auth.accounts WHERE username IN ('short', 'long', '')"), '0', 'and nothing is kept of it');
}
for my $level (@Town::levels)
{
	my @names = map { "$_ of $level" } 'SAM', ' sam', 'Sam', 'sAm';
	my @told = $town->crowd->at_once(4, sub {
		my ($client, $number) = @_;
		$client->isolate($level);
		my ($sqlstate) = ('SP007');
		($sqlstate) = $client->call("SELECT account_id FROM spark.register('$names[$number]', '$Spark::password')") while $sqlstate eq 'SP007';
		$client->tell("got $sqlstate");
	});
	is(join(', ', sort @told), 'got , got SP102, got SP102, got SP102', "S2 $level: of four at once one gets the name");
	is($spark->sql("SELECT count(*) FROM spark_auth.accounts WHERE username = 'sam of $level'"), '1', 'one account exists');
	refused(undef, "register('SAM OF $level', '$Spark::password')", 'SP102', 'S2 nor does anybody later');
}
{
	my $clear = 'Zebra-crossing-of-a-clear-text';
	$spark->as(undef, "SELECT * FROM spark.register('$_', '$clear')") for 'secretive', 'likewise';
	$spark->as(undef, "SELECT * FROM spark.login('secretive', '$clear')");
	refused(undef, "register('SECRETIVE', '$clear')", 'SP102', 'S3 a refused sign-up');
	refused(undef, "login('nobody here', '$clear')", 'SP101', 'a refused login');
	refused(undef, "register('other', 'Zebra-cross')", 'SP001', 'and a bad password');
	$spark->wait_until_drained;
	is($spark->sql("SELECT count(DISTINCT password_hash), bool_and(password_hash LIKE '\$argon2id\$%') FROM spark_auth.accounts WHERE username IN ('secretive', 'likewise')"),
		'2|t', 'S3 a password is kept as a salted, slow hash');
	my ($dump) = run_command(['pg_dump', '--dbname', $spark->node->connstr('postgres')]);
	ok($dump =~ /secretive/, 'S3 the tables know the name');
	ok($dump !~ /Zebra/, 'and not the clear text');
	is($spark->sql("SELECT count(*) > 0, count(*) FILTER (WHERE query LIKE '%Zebra%') FROM pg_stat_statements WHERE query LIKE '%spark.register%'"), 't|0', 'nor do the statistics of statements');
	my $log = slurp_file($spark->node->logfile);
	ok($log =~ /username is taken/, 'S3 the log knows of the refusal');
	ok($log !~ /Zebra/, 'and not the clear text');
}
{
	my $token = $spark->log_in('ALICE');
	like($token, qr/^[\w-]+\.[\w-]+\.[\w-]+$/, 'S4 ALICE logs in');
	my $alice = $spark->as($token, 'SELECT spark.whoami()');
	my ($header, $claims) = map { decode_base64url($_) } (split(/\./, $token))[0, 1];
	like($header, qr/"alg":\s*"HS256"/, 'S5 the token is signed by HS256');
	like($claims, qr/"sub":\s*"$alice"/, 'S5 is the account\'s');
	like($claims, qr/"role":\s*"member"/, 'of the member role');
	is(($claims =~ /"exp":\s*(\d+)/)[0] - ($claims =~ /"iat":\s*(\d+)/)[0], 3600, 'and good for an hour');

	my $sealed = sub {
		my ($head, $body, $secret) = @_;
		my $text = join('.', map { encode_base64url($_) } $head, $body);
		return "$text." . (defined $secret ? encode_base64url(hmac_sha256($text, $secret)) : '');
	};
	my $secret = 's' x 24 . 'ecret of the tests only';
	my ($now, $hs256) = (time(), '{"alg":"HS256","typ":"JWT"}');
	my $body = sub { return sprintf('{"sub":"%s","role":"member","iat":%d,"exp":%d}', $_[0], $now - 3600, $now + $_[1]) };
	is($spark->as($sealed->($hs256, $body->($alice, 600), $secret), 'SELECT username FROM spark.account()'), 'alice', 'S5 a token is good before its exp');
	my %bad = (
		'after its exp' => $sealed->($hs256, $body->($alice, -60), $secret),
		'signed with a foreign key' => $sealed->($hs256, $body->($alice, 600), 'another secret of at least 32 bytes'),
		'with alg none' => $sealed->('{"alg":"none"}', $body->($alice, 600), undef),
		'with alg none and a signature' => $sealed->('{"alg":"none"}', $body->($alice, 600), $secret),
		'cut' => substr($token, 0, -1),
		'that is none' => 'token',
	);
	refused($bad{$_}, 'account()', 'SP003', "S5 a token $_ is refused") for sort keys %bad;
	refused($sealed->($hs256, $body->($no_account =~ s/0$/1/r, 600), $secret), 'account()', 'SP003', 'S5 so is a good one of no account');

	my @protected = ('account()', 'balance()', 'statement()', 'dashboard()', 'invoices()', "invoice('$no_account')",
		"donation('$no_account')", "donations('$no_account')", "donate('$no_account', 0, '')", "create_campaign('', '', 0)",
		'deposit(0)', "verify_deposit('')", "withdraw('')");
	for my $call (@protected)
	{
		refused(undef, $call, 'SP003', "S6 nobody calls $call");
		refused($bad{'signed with a foreign key'}, $call, 'SP003', 'nor somebody with a bad token');
	}
	is($spark->as(undef, 'SELECT spark.whoami()'), '', 'S6 nobody is nobody');
	is($spark->as(undef, "SET request.jwt.claims = '{\"sub\": \"$alice\", \"role\": \"member\"}'; SELECT spark.whoami()"), '', 'S6 what any client can set is not believed');

	$spark->as(undef, "SELECT * FROM spark.register('forgetful', '$Spark::password')");
	refused(undef, "login('forgetful', 'not the password at all')", 'SP101', "S4 failed try $_") for 1 .. 5;
	refused(undef, "login('forgetful', '$Spark::password')", 'SP007', 'S4 failed tries stay counted, rolled back as they were');
}

# ---- S7, S8, S40: before and after a sign-up is handled
{
	my $early = $quiet->sign_up('early');
	my $id = $quiet->as($early, 'SELECT spark.whoami()');
	my $campaign = $quiet->as($early, "SELECT campaign_id FROM spark.create_campaign('Early', '', 100)");
	is($quiet->as($early, 'SELECT balance_msat, available_msat, reserved_msat, campaign_count, raised_msat, donated_msat, campaigns, recent FROM spark.dashboard()'),
		'0|0|0|0|0|0|[]|[]', 'S40 before the sign-up is handled the dashboard has zeros');
	is($quiet->as($early, 'SELECT posted_msat, reserved_msat, available_sat FROM spark.balance()'), '0|0|0', 'and so has the balance');
	is($quiet->as(undef, "SELECT raised_sat, status, owner_username IS NULL FROM spark.campaign('$campaign')"), '0|open|t', 'S8 a new campaign is shown at once, its owner not yet named');
	is($quiet->as(undef, 'SELECT campaign_id FROM spark.campaigns()'), $campaign, 'also in the list');
	$quiet->sql('SELECT spark_bus.dispatch()') for 1 .. 2;
	is($quiet->as(undef, "SELECT owner_username FROM spark.campaign('$campaign')"), 'early', 'S8 the name follows');
	is($quiet->as($early, 'SELECT username, campaign_count FROM spark.dashboard()'), 'early|1', 'and the dashboard');

	my $opened = "SELECT debits_posted_msat, debits_pending_msat, credits_posted_msat, credits_pending_msat FROM spark_accounting.accounts WHERE account_id =";
	my $again = "SELECT spark_bus.emit(type, aggregateid, payload, aggregatetype) FROM spark_common.outbox WHERE type = 'auth.signed_up' AND aggregateid = '$id' LIMIT 1";
	is($quiet->sql("$opened '$id'"), '0|0|0|0', 'S7 a sign-up opens one account with nothing on it');
	$quiet->sql($again);
	$quiet->sql('SELECT spark_bus.dispatch()');
	is($quiet->sql("$opened '$id'"), '0|0|0|0', 'S7 handled twice it changes nothing');

	my ($late, $node) = map { $quiet->sql('SELECT gen_random_uuid()') } 1 .. 2;
	$quiet->sql("SELECT spark_bus.emit('accounting.deposit', '$late', jsonb_build_object('account_id', '$late', 'idempotency_key', repeat('ab', 32),"
		. " 'amount_msat', 5000, 'node_account_id', '$node', 'invoice_id', '$late'), 'deposit')");
	$quiet->sql('SELECT spark_bus.dispatch()');
	$quiet->sql("SELECT spark_bus.emit('auth.signed_up', '$late', jsonb_build_object('account_id', '$late', 'username', 'late'), 'account')");
	$quiet->sql('SELECT spark_bus.dispatch()');
	is($quiet->sql("$opened '$late'"), '0|0|5000|0', 'S7 a credit that comes before the sign-up stays');
	is($quiet->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'S7 nothing died');

	# As many as one batch takes: the next ones come all the same.
	$quiet->as($early, "SELECT campaign_id FROM spark.create_campaign('Full', '', 1)") for 1 .. 3;
	$quiet->sql("SELECT spark_bus.dispatch($_)") for 3, 3, 3;
	$quiet->as($early, "SELECT campaign_id FROM spark.create_campaign('More', '', 1)");
	$quiet->sql('SELECT spark_bus.dispatch()');
	is($quiet->as($early, 'SELECT campaign_count FROM spark.dashboard()'), '5', 'S45 a batch that is full to the brim holds nobody up');
}

# ---- S9 to S11: campaigns
my $owner = $town->person('owner');
{
	refused($owner, "create_campaign('A well', '', $_)", 'SP001', "S9 a goal of $_ is refused") for 0, -1, 2_100_000_000_000_001, 9_223_372_036_854_775_807;
	refused($owner, "create_campaign('$_', '', 1)", 'SP001', "S9 so is the title '$_'") for '', '  ';
	for my $goal (1, 2_147_483_648, 2_100_000_000_000_000)
	{
		my $campaign = $town->campaign($owner, 'A well', $goal);
		is($spark->as(undef, "SELECT goal_sat FROM spark.campaign('$campaign')"), $goal, "S9 a goal of $goal is shown as it is");
	}
	refused(undef, "campaign('$no_account')", 'SP002', 'S10 an unknown campaign is not found');
	refused(undef, 'campaign(gen_random_uuid())', 'SP002', 'S10 whatever its id');

	# Some of one moment, so that the time alone orders nothing.
	$spark->as($owner, "SELECT count(*) FROM generate_series(1, 35) AS n, LATERAL spark.create_campaign('Of one moment ' || n, '', 1)");
	$spark->sql("UPDATE spark_crowdfunding.campaigns SET created_at = (SELECT min(created_at) FROM spark_crowdfunding.campaigns WHERE title LIKE 'Of one moment %') WHERE title LIKE 'Of one moment %'");
	my @there = split(/\n/, $spark->as(undef, 'SELECT campaign_id FROM spark.campaigns(500)'));
	my @told = $town->crowd->at_once(4, sub {
		my ($client, $number) = @_;
		$client->sign_in($owner);
		if ($number > 0)
		{
			$client->call("SELECT campaign_id FROM spark.create_campaign('Meanwhile', '', 1)") for 1 .. 25;
			return;
		}
		for (my ($after, $sqlstate, $page) = ('NULL');; $after = "'" . ($page =~ /(\S+)$/)[0] . "'")
		{
			($sqlstate, $page) = $client->call("SELECT campaign_id FROM spark.campaigns(limit_ => 10, after => $after)");
			die "$sqlstate $page" if $sqlstate ne '';
			last if $page eq '';
			$client->tell($_) for split(/\n/, $page);
		}
	});
	my (%seen, @twice);
	$seen{$_}++ and push @twice, $_ for @told;
	is("@twice", '', 'S11 while others insert, no page repeats a campaign');
	is(join(' ', grep { !$seen{$_} } @there), '', 'and none of those that were there is missing');
	my $list = "'" . join("', '", @told) . "'";
	is($spark->sql("SELECT string_agg(campaign_id::text, ' ' ORDER BY created_at DESC, campaign_id DESC) FROM spark_crowdfunding.campaigns WHERE campaign_id IN ($list)"),
		"@told", 'newest first');
	refused(undef, "campaigns(after => '$no_account')", 'SP002', 'S11 an unknown place is not found');
	refused(undef, "campaigns($_)", 'SP001', "S11 nor are there pages of $_") for 0, 501;
}

# ---- S12 to S16: deposits
{
	my $saver = $town->person('saver');
	is($spark->as($saver, 'SELECT kind, status, payment_request IS NULL, amount_msat FROM spark.deposit(1000)'), 'deposit|pending|t|1000000', 'S12 a deposit is answered at once');
	my ($id, $request, $hash) = $town->deposit($saver, 1000);
	like($request, qr/^lnbcrt10u1/, 'S12 its request asks for the amount of the row');
	is(Invoice::payment_hash($request), $hash, 'under the hash of the row');
	is($spark->as($saver, "SELECT invoice_id, kind, status, state, received_msat IS NULL FROM spark.verify_deposit('$hash')"), "$id|deposit|pending|open|t", 'S13 unpaid it is verified as pending');
	is($town->messages('bitcoin.verify_invoice', $id), '1', 'and the look that was asked for is on its way');
	is($town->balance($saver), '0|0', 'nothing is credited');
	refused($owner, "verify_deposit('$hash')", 'SP002', 'S16 another account verifies nothing');
	refused(undef, "verify_deposit('$hash')", 'SP003', 'and nobody even less');

	$town->script($hash, 'receive', '{"received_msat": 1500000, "events": "twice"}');
	my @told = $town->crowd->at_once(10, sub {
		my ($client) = @_;
		$client->sign_in($saver);
		for (1 .. 10)
		{
			my ($sqlstate, $out) = $client->call("SELECT status FROM spark.verify_deposit('$hash')");
			$client->tell("$sqlstate$out");
		}
	});
	is(scalar(grep { /^(?:pending|paid)$/ } @told), 100, 'S14 verified 100 times from ten sessions');
	$town->comes($saver, invoice => $id, 'paid', 'S14 it is paid');
	is($town->balance($saver), '1500000|0', 'and credited once, with what came');
	is($spark->as($saver, "SELECT count(*), min(amount_msat) FROM spark.statement() WHERE kind = 'deposit'"), '1|1500000', 'in one line');

	for my $events ('once', 'missed')
	{
		($id, $request, $hash) = $town->deposit($saver, 10);
		$town->script($hash, 'receive', "{\"after_s\": 1, \"events\": \"$events\"}");
		my $paid_at = time() + 2;
		$spark->node->stop('immediate');
		select(undef, undef, undef, 0.1) while time() < $paid_at;	# it is paid while nobody is there
		$spark->node->start;
		$spark->wait_for("SELECT state = 'settled' FROM spark_bitcoin.deposits WHERE invoice_id = '$id'", "S15 paid while the server was down, its event $events, it is found without a call");
		$spark->wait_for("SELECT credits_posted_msat >= 1510000 FROM spark_accounting.accounts WHERE account_id = '" . $town->id($saver) . "'", 'and credited');
	}
	is($town->balance($saver), '1520000|0', 'S15 once each');
}

# ---- S18: nobody gains or loses, at any moment
my @givers = map { $town->person("giver $_", 200) } 1 .. 4;
{
	my @owners = map { $town->person("asker $_") } 1 .. 2;
	my @campaigns = map { $town->campaign($_, 'Of many') } @owners, @owners;
	my $sum = "SELECT sum(credits_posted_msat - debits_posted_msat) FROM spark_ops.trial_balance() WHERE account_class = 'user'";
	my $before = $spark->sql($sum);
	my @told = $town->crowd->at_once(9, sub {
		my ($client, $number) = @_;
		my $level = $Town::levels[$number % 3];
		$client->sign_in($givers[$number % 4]);
		$client->isolate($level);
		if ($number < 8)
		{
			my @wanted = map { "('$campaigns[$_ % 4]', 'gift $number.$_')" } 0 .. 9;
			for (@wanted)
			{
				my ($sqlstate, $out) = $client->call("SELECT donation_id FROM (VALUES $_) AS wanted (campaign, key), LATERAL spark.donate(campaign::uuid, 10, key)");
				$client->tell("$sqlstate given $out");
			}
			return;
		}
		for (my $deadline = time() + $Spark::patience; time() < $deadline;)
		{
			my (undef, $now) = $client->call($sum);
			$client->tell("sum $now");
			(undef, my $count) = $client->call('SELECT sum(donation_count) FROM unnest(ARRAY[\'' . join("'::uuid, '", @campaigns) . '\'::uuid]) AS id, LATERAL spark.campaign(id)');
			last if $count == 80;
		}
	});
	is(scalar(grep { /^ given [0-9a-f-]{36}$/ } @told), 80, 'S18 80 donations from eight sessions are taken');
	my %sums = map { /^sum (\d+)/ ? ($1 => 1) : () } @told;
	is(join(' ', keys %sums), $before, 'S18 the sum of all balances is the same at every moment');
	is(join(' ', map { $town->balance($_) } @givers), join(' ', ('0|0') x 4), 'S18 every donor gave what he gave');
	is(join(' ', map { $town->balance($_) } @owners), join(' ', ('400000|0') x 2), 'every owner got it');
	is(join(' ', map { $town->raised($_) } @campaigns), join(' ', ('240000|24') x 2, ('160000|16') x 2), 'and every total is that of its donations');
	is($spark->sql('SELECT count(*) FROM spark_crowdfunding.campaigns c WHERE (raised_msat, donation_count) <>'
			. " (SELECT coalesce(sum(amount_msat), 0), count(*) FROM spark_crowdfunding.donations d WHERE d.campaign_id = c.campaign_id AND d.status = 'confirmed')"),
		'0', 'S28 each total is the sum of its confirmed donations');
}

# ---- S19 to S27: donations
my $well = $town->campaign($owner, 'A well', 1000);
my $donor = $town->person('donor', 2000);
for my $level (@Town::levels)
{
	my $before = $town->balance($donor) =~ s/\|0$//r;
	my ($raised, $count) = split(/\|/, $town->raised($well));
	my %told = map { $_ => 1 } $town->crowd->at_once(8, sub {
		my ($client) = @_;
		$client->sign_in($donor);
		$client->isolate($level);
		$client->tell(join(' ', $client->call("SELECT donation_id FROM spark.donate('$well', 10, 'same $level')"))) for 1 .. 3;
	});
	is(scalar(keys %told), 1, "S19 $level: the same donation 24 times is one donation");
	like((keys %told)[0], qr/^ [0-9a-f-]{36}$/, 'which is taken');
	is($town->balance($donor), $before - 10_000 . '|0', 'one debit');
	is($town->raised($well), $raised + 10_000 . '|' . ($count + 1), 'counted once');

	my @told = $town->crowd->at_once(4, sub {
		my ($client, $number) = @_;
		$client->sign_in($donor);
		$client->isolate($level);
		my ($sqlstate) = $client->call("SELECT donation_id FROM spark.donate('$well', " . ($number + 1) . ", 'other $level')");
		$client->tell($sqlstate eq '' ? 1000 * ($number + 1) : $sqlstate);
	});
	my ($landed) = grep { /^\d+$/ } @told;
	is(join(' ', sort @told), "$landed SP005 SP005 SP005", "S20 $level: of four amounts with one key one lands");
	is($town->balance($donor), $before - 10_000 - $landed . '|0', 'and is debited');
	is($town->raised($well), $raised + 10_000 + $landed . '|' . ($count + 2), 'and counted');
}
{
	my $other = $town->campaign($owner, 'Another well');
	refused($donor, "donate('$other', 10, 'same read committed')", 'SP005', 'S20 the same key for another campaign is refused at once');
	is($town->raised($other), '0|0', 'which gains nothing');

	my $second = $town->person('second', 100);
	my ($one, $two) = ($town->donate($donor, $other, 5, 'of both'), $town->donate($second, $other, 5, 'of both'));
	$town->comes($donor, donation => $one, 'confirmed', 'S21 two donors may use one key');
	$town->comes($second, donation => $two, 'confirmed', 'on one campaign');
	is($town->raised($other), '10000|2', 'both are counted');

	my ($id, $request, $hash) = $town->deposit($second, 50);
	$town->comes($second, donation => $town->donate($second, $other, 1, $hash), 'confirmed', 'S22 the hash of a deposit is a key like any other');
	$spark->sql("SELECT spark_simulator.pay('$request')");
	$town->comes($second, invoice => $id, 'paid', 'S22 and the deposit is paid as any other');
	is($town->balance($second), '144000|0', 'and credited');
	($request, $hash) = $town->outside(20);
	$id = $town->withdraw($second, $request);
	$town->comes($second, donation => $town->donate($second, $other, 2, $hash), 'confirmed', 'S22 so is the hash of a withdrawal');
	$town->comes($second, invoice => $id, 'paid', 'which is paid');
	is($town->balance($second), '121000|0', 'S22 each is charged');

	for my $amount ('0', '-1', 'NULL', '2100000000000001', '9223372036854775807')
	{
		refused($donor, "donate('$other', $amount, 'amount')", 'SP001', "S23 $amount is no donation");
		refused($donor, "deposit($amount)", 'SP001', 'nor a deposit');
	}
	isnt(($spark->try_as($donor, "SELECT * FROM spark.$_"))[0], '', "S23 no fraction: $_") for "donate('$other', 1.5, 'f')", 'deposit(1.5)', "create_campaign('A', '', 1.5)", "donate('$other', '1.5', 'f')";

	my $before = stored();
	refused($owner, "donate('$other', 1, 'own')", 'SP301', 'S24 the owner donates nothing to himself');
	refused($donor, "donate('$no_account', 1, 'none')", 'SP002', 'S26 nor anybody to an unknown campaign');
	$spark->sql("UPDATE spark_crowdfunding.campaigns SET status = 'ended' WHERE campaign_id = '$other'");
	refused($donor, "donate('$other', 1, 'ended')", 'SP300', 'S26 nor to one that is not open');
	is(stored(), $before, 'S24 S26 with no message');

	my $poor = $town->person('poor', 5);
	my $raised = $town->raised($well);
	my $donation = $town->donate($poor, $well, 6, 'too much');
	$town->comes($poor, donation => $donation, 'rejected', 'S25 a donation over the balance is accepted, then rejected');
	is($spark->as($poor, "SELECT reason, decided_at IS NOT NULL FROM spark.donation('$donation')"), 'insufficient_funds|t', 'with its reason');
	is($town->balance($poor), '5000|0', 'the balance is as it was');
	is($town->raised($well), $raised, 'and the total');

	$town->comes($donor, donation => $town->donate($donor, $well, 1000, 'to the goal'), 'confirmed', 'S27 a donation reaches the goal');
	is($spark->as(undef, "SELECT goal_reached, status FROM spark.campaign('$well')"), 't|open', 'which is shown, and the campaign stays open');
	$town->comes($donor, donation => $town->donate($donor, $well, 100, 'over it'), 'confirmed', 'S27 donations count on');
	$spark->wait_until_drained;
	is($town->messages('crowdfunding.goal_reached', $well), '1', 'S27 the goal is told once');
}
$town->books_are_right('S12 to S28');

# ---- S29 to S32, S36 to S38: withdrawals
{
	my $payer = $town->person('payer', 1000);
	my ($request, $hash) = $town->outside(500);
	my $id = $town->withdraw($payer, $request);
	$town->comes($payer, invoice => $id, 'paid', 'S29 a withdrawal is paid');
	is($spark->as($payer, "SELECT state, amount_msat, fee_msat, max_fee_msat FROM spark.invoice('$id')"), 'succeeded|500000|1000|10000', 'with its fee');
	is($town->asked_and_paid($hash), '1|1', 'the node was asked once');
	is($town->balance($payer), '499000|0', 'S29 amount and fee are gone');

	($request, $hash) = $town->outside(495);
	$id = $town->withdraw($payer, $request);
	$town->comes($payer, invoice => $id, 'rejected', 'S30 what is there for the amount and not for the fee is rejected');
	is($spark->as($payer, "SELECT reason FROM spark.invoice('$id')"), 'insufficient_funds', 'for want of funds');
	is($town->asked_and_paid($hash), '0|0', 'the node saw nothing');
	is($town->balance($payer), '499000|0', 'S30 the balance is kept');
	$spark->fund($payer, 100);
	my $again = $town->withdraw($payer, $request);
	isnt($again, $id, 'S36 asked again after a top-up it is a new row');
	$town->comes($payer, invoice => $again, 'paid', 'which is paid');
	$town->comes($payer, invoice => $id, 'rejected', 'S36 the old one stays rejected');
	is($town->balance($payer), '103000|0', 'S36 one debit');
}
for my $level (@Town::levels)
{
	my $payer = $town->person("payer $level", 1000);
	my ($request, $hash) = $town->outside(300);
	my %told = map { $_ => 1 } $town->crowd->at_once(8, sub {
		my ($client) = @_;
		$client->sign_in($payer);
		$client->isolate($level);
		$client->tell(join(' ', $client->call("SELECT invoice_id FROM spark.withdraw('$request')"))) for 1 .. 2;
	});
	is(scalar(keys %told), 1, "S31 $level: the same withdrawal from eight sessions is one row");
	my ($id) = (keys %told)[0] =~ /^ ([0-9a-f-]{36})$/;
	$town->comes($payer, invoice => $id, 'paid', 'which is paid');
	is($town->asked_and_paid($hash), '1|1', 'once');
	is($town->balance($payer), '699000|0', 'from one reserve');
	is($town->withdraw($payer, $request), $id, 'S31 also when it is paid it is the same row');
	refused($payer, "withdraw('$request', max_fee_sat => 1)", 'SP005', 'S31 another fee limit is another content');
	refused($owner, "withdraw('$request')", 'SP404', 'S31 and another account comes too late');
}
{
	my $payer = $town->person('careful', 5000);
	my ($id, $request, $hash) = $town->deposit($owner, 100);
	refused($owner, "withdraw('$request')", 'SP408', 'S32 nobody pays himself');
	my $forged = Invoice::make(amount => '1u', payment_hash => $hash)->{request};
	refused($payer, "withdraw('$forged')", 'SP404', 'S32 nor a forged invoice with the hash of another');
	my $withdrawal = $town->withdraw($payer, $request);
	$town->comes($payer, invoice => $withdrawal, 'paid', 'S32 the true one is paid inside');
	$town->comes($owner, invoice => $id, 'paid', 'and is a deposit of who made it');
	is($town->asked_and_paid($hash), '0|0', 'S32 the node was not asked');
	is($town->balance($payer), '4900000|0', 'nor paid for it');

	my ($odd) = $town->outside_msat(999);
	$withdrawal = $town->withdraw($payer, $odd);
	$town->comes($payer, invoice => $withdrawal, 'paid', 'S37 999 msat are paid');
	is($town->balance($payer), '4898001|0', 'as 999 msat and the fee');
	my $open = $spark->sql('SELECT spark_simulator.make_invoice(NULL)');
	refused($payer, "withdraw('$open')", 'SP403', 'S37 a request without amount needs one');
	my ($fixed) = $town->outside(10);
	refused($payer, "withdraw('$fixed', 10)", 'SP403', 'S37 a request with one takes none');
	$withdrawal = $spark->as($payer, "SELECT invoice_id FROM spark.withdraw('$open', 50)");
	$town->comes($payer, invoice => $withdrawal, 'paid', 'S37 the amount that was given is paid');
	refused($payer, "withdraw('$open', 51)", 'SP005', 'S31 and no other');
	is($town->balance($payer), '4847001|0', 'S37 once');
	for my $network ('bc', 'tb', 'tbs')
	{
		refused($payer, "withdraw('" . Invoice::make(network => $network, amount => '1u')->{request} . "')", 'SP401', "S37 network $network is another");
	}
	refused($payer, "withdraw('" . Invoice::make(amount => '1u', made_at => time() - 7200)->{request} . "')", 'SP402', 'S37 what has expired is not paid');
	refused($payer, "withdraw('" . Invoice::make(amount => '1u', expiry => 20)->{request} . "')", 'SP402', 'nor what expires too soon');
	refused($payer, "withdraw('" . $fixed =~ s/.$/$& eq 'q' ? 'p' : 'q'/er . "')", 'SP400', 'nor what is malformed');

	my ($dear, $dear_hash) = $town->outside(2000);
	$town->script($dear_hash, 'succeed', '{"fee_msat": 12345, "after_s": 1}');
	$withdrawal = $town->withdraw($payer, $dear);
	my ($uneven, $status, $rounds) = (0, '', 0);
	for (my $deadline = time() + $Spark::patience; $status ne 'paid' && time() < $deadline; $rounds++)
	{
		$uneven++ if $spark->sql('SELECT sum(debits_posted_msat) = sum(credits_posted_msat) AND sum(debits_pending_msat) = sum(credits_pending_msat) FROM spark_ops.trial_balance()') ne 't';
		$uneven++ if $spark->broken_invariants ne '';
		$status = $spark->as($payer, "SELECT status FROM spark.invoice('$withdrawal')");
	}
	is($uneven, 0, "S38 the books are even at each of $rounds looks");
	is($spark->sql("SELECT w.max_fee_msat, p.max_fee_msat FROM spark_bitcoin.withdrawals w JOIN spark_bitcoin.simulator_payments p USING (payment_hash) WHERE invoice_id = '$withdrawal'"),
		'20000|20000', 'S38 what is reserved for the fee is what the node is told');
	is($town->balance($payer), '2834656|0', 'S38 what it took is charged, the rest is back');
	is($spark->as($payer, "SELECT kind, amount_msat FROM spark.statement() WHERE invoice_id = '$withdrawal' ORDER BY kind"), "fee|-12345\nwithdrawal|-2000000", 'S38 the fee is a line of its own');

	my ($cheap) = $town->outside(100);
	refused($payer, "withdraw('$cheap', max_fee_sat => -1)", 'SP001', 'S38 no fee below nothing');
	is($spark->as($payer, "SELECT max_fee_msat FROM spark.withdraw('$cheap', max_fee_sat => 0)"), '0', 'S38 none at all is possible');
	my ($failing, $failing_hash) = $town->outside(100);
	$town->script($failing_hash, 'fail');
	$withdrawal = $town->withdraw($payer, $failing);
	$town->comes($payer, invoice => $withdrawal, 'failed', 'S33 what the node fails for good is failed');
}
$town->books_are_right('S29 to S38');

# ---- S39: dashboards
{
	my $one = $town->person('one', 100);
	my $other = $town->person('other');
	my @campaigns = map { $town->campaign($one, $_, 50) } 'First', 'Second';
	my $others = $town->campaign($other, 'Of the other', 70);
	$town->donate($one, $others, 30, 'a gift');
	my ($request, $hash) = $town->outside(40);
	$town->script($hash, 'never_answer');
	$town->withdraw($one, $request);
	$spark->wait_for('SELECT reserved_msat = 50000 FROM spark.balance()', undef, $one);
	$spark->wait_until_drained;
	is($spark->as($one, 'SELECT username, balance_msat, reserved_msat, available_msat, campaign_count, jsonb_array_length(campaigns), raised_msat, donated_msat FROM spark.dashboard()'),
		'one|70000|50000|20000|2|2|0|30000', 'S39 the dashboard shows what is there, reserved and available');
	is($spark->as($one, "SELECT string_agg(own->>'campaign_id', ' ' ORDER BY own->>'title') FROM spark.dashboard(), jsonb_array_elements(campaigns) AS own"), "@campaigns", 'the own campaigns');
	is($spark->as($other, "SELECT balance_msat, campaign_count, raised_msat, donated_msat, campaigns->0->>'campaign_id' FROM spark.dashboard()"), "30000|1|30000|0|$others", 'S39 and never another\'s');
	is($spark->as($one, "SELECT string_agg(line->>'amount_msat', ' ' ORDER BY line->>'kind') FROM spark.dashboard(), jsonb_array_elements(recent) AS line"), '100000 -30000 -50000', 'S39 and the last lines');
	$town->script($hash, 'succeed');
	$spark->wait_for('SELECT reserved_msat = 0 FROM spark.balance()', undef, $one);
	$spark->wait_until_drained;
}

# ---- S52: statements
{
	my $reader = $town->person('reader', 1000);
	my $friend = $town->person('friend', 100);
	my ($id, $friends) = map { $town->id($_) } $reader, $friend;
	my ($own, $other) = ($town->campaign($reader, 'Own', 10), $town->campaign($friend, 'Of a friend', 10));
	$town->comes($reader, donation => $town->donate($reader, $other, 100, 'out'), 'confirmed');
	$town->comes($friend, donation => $town->donate($friend, $own, 30, 'in'), 'confirmed');
	my ($paid) = $town->outside(200);
	$town->comes($reader, invoice => $town->withdraw($reader, $paid), 'paid');
	my ($lost, $hash) = $town->outside(300);
	$town->script($hash, 'fail');
	$town->comes($reader, invoice => $town->withdraw($reader, $lost), 'failed');
	my (undef, $request) = $town->deposit($friend, 40);
	$town->comes($reader, invoice => $town->withdraw($reader, $request), 'paid');
	is($town->balance($reader), '689000|0', 'S52 after some trade');
	is($spark->as($reader, "SELECT kind, state, amount_msat, counterparty_id = '$friends', campaign_id, posted_at IS NOT NULL, invoice_id IS NOT NULL FROM spark.statement()"),
		join("\n", 'withdrawal|posted|-40000|t||t|t', 'withdrawal|voided|-310000|f||f|t', 'fee|posted|-1000|f||t|t', 'withdrawal|posted|-200000|f||t|t',
			"donation|posted|30000|t|$own|t|f", "donation|posted|-100000|t|$other|t|f", 'deposit|posted|1000000|f||t|t'),
		'S52 the statement lists all of it, newest first');
	is($spark->as($reader, "SELECT sum(amount_msat) FILTER (WHERE state = 'posted') FROM spark.statement()"), '689000', 'S52 its posted lines add up to the balance');
	is($spark->as($friend, "SELECT kind, amount_msat, counterparty_id = '$id' FROM spark.statement(1)"), 'deposit|40000|t', 'S52 the other side reads its own');
	my $first = $spark->as($reader, 'SELECT transfer_id FROM spark.statement(3) ORDER BY created_at, transfer_id LIMIT 1');
	is($spark->as($reader, "SELECT kind, amount_msat FROM spark.statement(1, '$first')"), 'withdrawal|-200000', 'S52 and goes on after any line');
}

# ---- S47: every message once more, to everybody who listens
{
	# All that the contexts keep, but for when the node was looked at and is next.
	my $row = "(to_jsonb(t) - '{next_look_at, look_count, asked_at, version}'::text[])::text";
	my $state = join(' UNION ALL ', map {
		"SELECT '$_', coalesce(md5(string_agg($row, '|' ORDER BY $row)), '') FROM $_ t"
	} split(/\n/, $spark->sql("SELECT c.oid::regclass FROM pg_class c WHERE relkind = 'r' AND relnamespace::regnamespace::text"
			. " IN ('spark_auth', 'spark_accounting', 'spark_crowdfunding', 'spark_bitcoin', 'spark_dashboard')"
			. " AND relname NOT LIKE 'simulator%' AND relname NOT IN ('looks', 'node_state') ORDER BY 1")));
	my $types = $spark->sql("SELECT count(DISTINCT type) FROM spark_common.outbox");
	cmp_ok($types, '>=', 20, "S47 $types types of messages have been handled");
	$spark->wait_until_drained;
	my %before = map { $_ => 1 } split(/\n/, $spark->sql($state));
	my $changed = sub {
		$spark->wait_until_drained;
		return join(' ', map { /(.*)\|/ } grep { !$before{$_} } split(/\n/, $spark->sql($state)));
	};
	my $repeated = 'INSERT INTO repeated SELECT spark_bus.emit(type, aggregateid, payload, aggregatetype) FROM'
		. " (SELECT * FROM spark_common.outbox WHERE id NOT IN (SELECT id FROM repeated) AND type LIKE '%s' ORDER BY seq %s) AS again";
	$spark->sql('CREATE TABLE repeated (id uuid)');
	my $died = 'SELECT string_agg(DISTINCT consumer || \' of \' || type || \': \' || error_message, \'; \') FROM spark_ops.dead_letters(1000)';

	for my $type (split(/\n/, $spark->sql('SELECT DISTINCT type FROM spark_common.outbox ORDER BY 1')))
	{
		$spark->sql(sprintf($repeated, $type, ''));
		is($changed->(), '', "S47 $type handled once more changes nothing");
	}
	$spark->sql(sprintf($repeated, '%', ''));
	is($changed->(), '', 'S47 nor do all of them in one transaction');
	is($spark->sql($died), '', 'and none of them died');
}
$town->books_are_right('S39 and S47');
is($spark->sql('SELECT count(*) FROM spark_ops.dead_letters()'), '0', 'no message died');

$spark->stop;
done_testing();
