# 062_encoding.pl
#		Databases of other encodings than UTF8: what is UTF-8 there is taken, what
#		is not is refused at once; no event is left that nobody can read.
use strict;
use warnings;

use Test::More;

use Spark;

my $spark = Spark->start(worker => 0);
my $coffee = 'lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh';
my $nonsense = 'lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpquwpc4curk03c9wlrswe78q4eyqc7d8d0xqzpu9qrsgqhtjpauu9ur7fw2thcl4y9vfvh4m9wlfyz2gem29g5ghe2aak2pm3ps8fdhtceqsaagty2vph7utlgj48u0ged6a337aewvraedendscp573dxr';

# What a person of that database gets for a call made in UTF-8: its value, or the code of its error.
sub said
{
	my ($place, $token, $call) = @_;
	my ($status, $out, $err) = $spark->node->psql($place->{database},
		"SET client_encoding = '$place->{client}'; SET spark.token = '$token'; SELECT $call",
		extra_params => ['--set=VERBOSITY=verbose']);
	return $status == 0 ? $out : $err =~ /ERROR:  (\w+):/ ? $1 : $err;
}

for my $place ({ database => 'latin', encoding => 'LATIN1', client => 'UTF8', accent => 'SP001', nonsense => 'SP001' },
	{ database => 'bytes', encoding => 'SQL_ASCII', client => 'SQL_ASCII', accent => "T\xc3\xaftle",
		nonsense => "\xe3\x83\x8a\xe3\x83\xb3\xe3\x82\xbb\xe3\x83\xb3\xe3\x82\xb9 1\xe6\x9d\xaf" })
{
	my $name = $place->{encoding};

	$spark->sql("CREATE DATABASE $place->{database} ENCODING $name LOCALE 'C' TEMPLATE template0");
	my $there = Spark->around($spark->node, $place->{database});
	$there->sql('CREATE EXTENSION spark');
	$there->sql("SELECT * FROM spark.install(); SELECT spark.grant_api('anon', 'member')");
	my $token = $there->sign_up('alice');

	is(said($place, $token, "title FROM spark.create_campaign('T\xc3\xaftle', '', 1)"), $place->{accent}, "$name: a title in UTF-8");
	is(said($place, $token, "title FROM spark.create_campaign('Title', E'd\\351', 1)"), 'SP001', "$name: a description that is no UTF-8");
	is(said($place, $token, "idempotency_key FROM spark.deposit(1, E'cl\\351')"), 'SP001', "$name: a key that is no UTF-8");
	is(said($place, $token, "idempotency_key FROM spark.deposit(1, 'key')"), 'key', "$name: a key of plain letters");
	# L73: two examples of BOLT 11, described in ASCII and in Japanese.
	is(said($place, $token, "description FROM spark.decode_invoice('$coffee')"), '1 cup coffee', "$name: an invoice in plain letters");
	is(said($place, $token, "description FROM spark.decode_invoice('$nonsense')"), $place->{nonsense}, "$name: an invoice in others");
	is(said($place, $token, "title FROM spark.create_campaign('Title', '', 1)"), 'Title', "$name: a title of plain letters");
	$there->dispatch;
	is($there->sql('SELECT pg_catalog.sum(lag_messages + parked + dead) FROM spark_ops.bus_status()'), '0', "$name: every event was read");
	is($there->broken_invariants, '', "$name: every invariant holds");
}

$spark->stop;
done_testing();
