# 019_metrics.pl
#		What is seen of the bus from outside: bus_status(), the metrics in the
#		format of Prometheus, every line of them, and the trace in the server's log.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Bus;
use Spark;

my $spark = Spark->start(conf => "spark.trusted_proxies = 'author'\nspark.retry_base_delay = 50");
my $bus = Bus->new($spark);

# Reads the text as a collector does: { sample with labels => value }; each line must be of the format.
sub metrics
{
	my ($name) = @_;
	my $text = $spark->sql('SELECT spark_ops.metrics()');
	my ($family, %type, %value, %said, @wrong);
	my $label = qr/[a-z_]+="(?:[^"\\\n]|\\["\\n])*"/;

	for my $line (split /\n/, $text)
	{
		if ($line =~ /^# HELP (spark_[a-z_]+) (\S.*\.)$/)
		{
			push @wrong, "$1 comes twice" if $said{$1}++;
			$family = $1;
		}
		elsif ($line =~ /^# TYPE (spark_[a-z_]+) (gauge|counter|histogram)$/)
		{
			push @wrong, "$line: not behind its help" if $1 ne $family || $type{$1};
			$type{$1} = $2;
		}
		elsif ($line =~ /^(spark_[a-z_]+)(\{$label(?:,$label)*\})? (-?\d+(?:\.\d+)?(?:e[-+]\d+)?)$/)
		{
			my ($sample, $labels, $number) = ($1, $2 // '', $3);
			my $of = $sample =~ s/_(?:bucket|sum|count)$//r;
			$of = $sample if ($type{$of} // '') ne 'histogram';
			push @wrong, "$line: not of the family $family" if $of ne $family || !$type{$of};
			push @wrong, "$line: comes twice" if exists $value{"$sample$labels"};
			push @wrong, "$line: below 0" if $number < 0;
			push @wrong, "$line: a counter is named _total" if $type{$of} eq 'counter' && $sample !~ /_total$/;
			$value{"$sample$labels"} = $number;
		}
		else
		{
			push @wrong, "no line of the format: $line";
		}
	}
	is(join("\n", @wrong), '', $name);
	return \%value;
}

# ---- Before anything has happened
my $first = metrics('X49 each line is of the format');
my $lanes = $spark->sql('SELECT spark_ops.lanes()');
is($first->{spark_lanes}, $lanes, 'the lanes');
is($first->{'spark_health_ok{check="preload"}'}, 1, 'X50 the checks of health');
is($first->{'spark_blocked_keys{consumer="dashboard"}'}, 0, 'each consumer from the beginning');
$spark->wait_for("SELECT spark_ops.metrics() ~ '\nspark_node_ready 1\n'", 'the node');

# ---- Counted
$bus->handler('notes', "IF (m).payload->>'n' = '3' THEN PERFORM pg_sleep(0.03); END IF;");
$bus->subscribe('notes', 'shop.sold');
$bus->emit('shop.sold', 1, $_) for 1 .. 4;
$bus->comes('notes', 1, '1,2,3,4', 'four are handled');
$spark->wait_for("SELECT sum(handled) = 4 FROM spark_ops.bus_status() WHERE consumer = 'notes'", 'and counted');
my $second = metrics('each line still is');
my $sum = sub { my ($sample, $consumer) = @_; my $sum = 0; $sum += $second->{$_} for grep { /^\Q$sample\E\{.*"$consumer"/ } keys %$second; return $sum; };
is($sum->('spark_handled_messages_total', 'notes'), 4, 'handled');
cmp_ok($sum->('spark_batches_total', 'notes'), '<=', 4, 'in so many batches');
is($second->{'spark_handler_seconds_count{consumer="notes"}'}, 4, 'X49 the times of all');
is($second->{'spark_handler_seconds_bucket{consumer="notes",le="+Inf"}'}, 4, 'are in the buckets');
cmp_ok($second->{'spark_handler_seconds_sum{consumer="notes"}'}, '>=', 0.03, 'and add up');
cmp_ok($second->{'spark_handler_seconds_bucket{consumer="notes",le="0.025"}'}, '<=', 3, 'the slow one is in a bucket above');
my @buckets = map { $second->{"spark_handler_seconds_bucket{consumer=\"notes\",le=\"$_\"}"} }
  qw(1e-05 2.5e-05 0.0001 0.00025 0.001 0.0025 0.01 0.025 0.1 0.25 1 2.5 10 +Inf);
is(join(' ', @buckets), join(' ', sort { $a <=> $b } @buckets), 'X49 a histogram: buckets hold those below, too');
is($spark->sql("SELECT sum(lag_messages), bool_or(rate_per_second > 0), max(batch_size) BETWEEN 1 AND 4,"
	. " max(handler_seconds) > 0.007, max(handler_seconds_p95) > 0.025, max(paused_why) FROM spark_ops.bus_status() WHERE consumer = 'notes'"),
	'0|t|t|t|t|', 'X49 bus_status() has rate, batches and times');

# ---- What waits, failed, pauses; a name that must be quoted
$bus->author(q{SELECT spark_bus.subscribe('a "odd" \ name', 'shop.sold', 'shop.notes')});
$bus->listen('lame', 'shop.lame', 1);
$bus->breaks('lame', 7);
$bus->emit('shop.lame', 7, $_) for 1, 2;
$bus->handler('gone');
$bus->subscribe('gone', 'shop.sold');
$bus->author('ALTER FUNCTION shop.gone(spark_bus.message) RENAME TO went');
$bus->emit('shop.sold', 2, 1);
$spark->wait_for("SELECT sum(dead) = 1 AND sum(parked) = 1 FROM spark_ops.bus_status() WHERE consumer = 'lame'", 'one is dead');
$spark->wait_for("SELECT bool_and(paused_why ~ 'shop.gone.* is missing') FROM spark_ops.bus_status() WHERE consumer = 'gone'", 'B45 bus_status() says why one pauses');
$second = metrics('and each line is again');
is($sum->('spark_dead_messages', 'lame'), 1, 'the dead');
is($sum->('spark_parked_messages', 'lame'), 1, 'what is parked');
is($second->{'spark_blocked_keys{consumer="lame"}'}, 1, 'and the key');
cmp_ok($second->{'spark_failures_total{consumer="lame"}'}, '>=', 1, 'failures');
is($second->{'spark_consumer_paused{consumer="gone"}'}, 1, 'the pause');
is($sum->('spark_lag_messages', 'gone'), 1, 'X49 what waits for it');
cmp_ok($sum->('spark_lag_seconds', 'gone'), '>', 0, 'X49 and for how long');
ok(exists $second->{'spark_blocked_keys{consumer="a \"odd\" \\\\ name"}'}, 'names are quoted');
is($second->{'spark_health_ok{check="paused"}'}, 0, 'and health is not well');

# ---- Many: not counted one by one
$bus->author("SELECT count(spark_bus.emit('shop.sold', gen_random_uuid(), '{\"n\": 5}')) FROM generate_series(1, 3000)");
$second = metrics('with thousands that wait');
is($sum->('spark_lag_messages', 'gone'), 3001, 'X49 all are told');
cmp_ok($sum->('spark_lag_seconds', 'gone'), '>', 0, 'and their age');

# ---- Who may
is(($bus->try_author('SELECT spark_ops.metrics()'))[0], '42501', 'not everybody may ask');
$spark->sql("CREATE ROLE watcher LOGIN; SELECT spark_ops.grant_operator('watcher')");
is($spark->sql("SET ROLE watcher; SELECT spark_ops.metrics() ~ '^# HELP spark_info'"), 't', 'an operator may');

# ---- A trace, from a request through messages into the log
my $trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
$bus->handler('first', "PERFORM spark_bus.emit('shop.second', m.aggregate_id, m.payload);");
$bus->subscribe('first', 'shop.first');
$bus->handler('second', "RAISE LOG 'a line of the handler';");
$bus->subscribe('second', 'shop.second', 1);
$bus->breaks('second', 9);
my $offset = -s $spark->node->logfile;
$bus->author("BEGIN; SELECT set_config('request.method', 'POST', true), set_config('request.headers', '{\"traceparent\": \"$trace\"}', true);"
	. ' SELECT ' . $bus->emission('shop.first', 9, 1) . '; COMMIT');
$spark->wait_for("SELECT sum(dead) = 1 FROM spark_ops.bus_status() WHERE consumer = 'second'", 'a handler of a handler fails');
my $log = slurp_file($spark->node->logfile, $offset);
like($log, qr/LOG: +a line of the handler\n(?:.*\n){0,4}?.*spark consumer "second" handling shop\.second [-0-9a-f]{36}, traceparent \Q$trace\E/, 'S42 its lines in the log have the trace');
like($log, qr/LOG: +attempt 1 of spark consumer "second" failed: not today\n(?:.*\n){0,6}?.*handling shop\.second [-0-9a-f]{36}, traceparent \Q$trace\E/, 'and so has its error');
is($spark->sql("SELECT error_context ~ 'traceparent $trace' FROM spark_common.dead_letter WHERE consumer = 'second'"), 't', 'and the dead letter');
$spark->stop;
done_testing();
