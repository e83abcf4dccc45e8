#!/usr/bin/perl
# run_docs.pl [--write] ROOT DOCUMENT...
#		Runs the blocks of documents against a server and compares what comes
#		back with what stands there. Prints TAP, a test a block.
#
# In a document,
#	```sql					goes to psql, one session a document
#	```sql await			the same, again until the text below it comes (60 s)
#	```sql example			is not run
#	```sh run, sh run await	the same with a shell; with localhost:3000 in it, skipped without PostgREST
#	```ini postgrest.conf	starts PostgREST by these lines; skipped without it
# and a ```text block directly behind is what must come back. Without one, the
# block must only run without an error. Ids, times, tokens, invoices and the
# like may differ, and so may the blanks by which psql aligns columns.
#
# With --write, each text that differs is replaced by what came; but not where a
# block waits for it.
#
# Environment: PGHOST and PGUSER reach the server, in whose database `app` the
# documents work; SPARK_PORT is a free port and POSTGREST the program, or both
# are empty. The places that a reader has to choose (the folder of the secret,
# the host of the database, the port) are replaced by those of this run.
use strict;
use warnings;
use IPC::Open3;
use IO::Select;
use Time::HiRes qw(time sleep);

my $write = @ARGV && $ARGV[0] eq '--write' ? shift @ARGV : undef;
my ($root, @documents) = @ARGV;
my $host = $ENV{PGHOST} // die "run_docs.pl: PGHOST is not set\n";
my $port = $ENV{SPARK_PORT} // '';
my $postgrest = $ENV{POSTGREST} // '';
my $patience = $write ? 15 : 60;	# s
my ($count, $failed) = (0, 0);

sub slurp
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "run_docs.pl: $file: $!\n";
	local $/;
	return <$in>;
}

sub ok
{
	my ($good, $name, @why) = @_;
	$count++;
	$failed++ unless $good;
	print(($good ? 'ok' : 'not ok') . " $count - $name\n");
	print map { "# $_\n" } map { split /\n/ } $good ? () : @why;
}

sub skipped
{
	$count++;
	print "ok $count - $_[0] # SKIP PostgREST is not here\n";
}

# ---- a program that is fed blocks, psql or a shell

sub program
{
	my ($end, @command) = @_;
	my $pid = open3(my $in, my $out, undef, @command);
	$in->autoflush(1);
	return { pid => $pid, in => $in, out => $out, end => $end, number => 0 };
}

# What the program says to that input; dies when it does not come to an end.
sub feed
{
	my ($self, $input) = @_;
	my $mark = 'end-of-block-' . ++$self->{number};
	my $select = IO::Select->new($self->{out});
	my $text = '';
	my $deadline = time + $patience;
	print { $self->{in} } $input, "\n", sprintf($self->{end}, $mark), "\n";
	while ($text !~ /\Q$mark\E\n/)
	{
		die "no end of the block within $patience s, only: $text\n" if time > $deadline;
		next unless $select->can_read(1);
		sysread($self->{out}, $text, 65536, length $text) or die "the program ended: $text\n";
	}
	$text =~ s/\Q$mark\E\n//;
	return $text;
}

sub finish
{
	my ($self) = @_;
	close($self->{in});
	waitpid($self->{pid}, 0);
}

# ---- what may differ

# A reader's places become those of this run.
sub placed
{
	my ($text) = @_;
	$text =~ s{/var/lib/postgresql/}{$host/}g;
	$text =~ s{/var/log/postgresql/postgresql-15-main\.log}{$host/log}g;
	$text =~ s{^sudo -u postgres }{}gm;
	$text =~ s{\@localhost/app}{\@/app?host=$host}g;
	$text =~ s{^server-port = 3000$}{server-port = $port}m;
	$text =~ s{localhost:3000}{127.0.0.1:$port}g;
	return $text;
}

sub masked
{
	my ($text) = @_;
	$text =~ s/127\.0\.0\.1:$port/localhost:3000/g if $port ne '';
	$text =~ s/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/ID/g;
	$text =~ s/\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d(?::\d\d)?|Z)?/TIME/g;
	$text =~ s/\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/TIME/g;
	$text =~ s/\beyJ[\w-]+\.[\w-]+\.[\w-]+/TOKEN/g;
	$text =~ s/\blnbcrt[0-9a-z]+/INVOICE/g;
	$text =~ s/\b[0-9a-f]{64}\b/HASH/g;
	$text =~ s/\bpid \d+|(?<=launcher )\d+|(?<=dispatcher )\d+|(?<=lightning )\d+/PID/g;
	$text =~ s/\b\d+ (?:kB|MB)\b/SIZE/g;
	$text =~ s{\bpostgrest/[\d.]+\S*}{postgrest}gi;
	$text =~ s/\r//g;
	$text =~ s/-{2,}/--/g;
	$text =~ s/[ \t]+/ /g;
	$text =~ s/^ | $//gm;
	return $text =~ s/^\s+|\s+$//gr;
}

# ---- documents

# The blocks that are run: [info, input, expected or undef, line, start and length of expected]
sub blocks
{
	my ($text) = @_;
	my @blocks;
	while ($text =~ /^```(sql(?: await)?|sh run(?: await)?|ini postgrest\.conf)\n(.*?)^```\n(?:\s*?^```text\n(.*?)^```\n)?/gms)
	{
		my ($info, $input, $expected) = ($1, $2, $3);
		my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
		push @blocks, [ $info, $input, $expected, $line, $-[3], defined $expected ? length $expected : 0 ];
	}
	return @blocks;
}

my $postgrest_pid;

# PostgREST by these lines: ready, or why not.
sub start_postgrest
{
	my ($lines) = @_;
	open(my $out, '>', "$host/postgrest.conf") or die "run_docs.pl: $host/postgrest.conf: $!\n";
	print $out placed($lines);
	close($out);
	$postgrest_pid = fork() // die "run_docs.pl: no process: $!\n";
	if ($postgrest_pid == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>', "$host/postgrest.log");
		open(STDERR, '>&', \*STDOUT);
		exec($postgrest, "$host/postgrest.conf") or exit 127;
	}
	open(my $pid, '>', "$host/postgrest.process.pid");
	print $pid "$postgrest_pid\n";
	close($pid);
	my $deadline = time + $patience;
	while (time < $deadline)
	{
		my $status = `curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:$port/rpc/version`;
		return '' if $status eq '200';
		sleep 0.1;
	}
	return "PostgREST is not ready within $patience s:\n" . slurp("$host/postgrest.log");
}

# What came, judged: true where it fits.
sub fits
{
	my ($expected, $came) = @_;
	return $came !~ /^(?:ERROR|FATAL|PANIC|psql|bash|sh|curl): /m unless defined $expected;
	return masked($expected) eq masked($came);
}

sub run_block
{
	my ($programs, $info, $input, $expected) = @_;
	my $deadline = time + $patience;
	my $kind = $info =~ /^sql/ ? 'psql' : 'shell';
	$programs->{$kind} //= $kind eq 'psql'
	  ? program('\echo %s', 'psql', '--no-psqlrc', '--pset=pager=off', '--dbname=' . ($ENV{SPARK_DATABASE} // 'postgres'))
	  : program('echo %s', 'bash', '--noprofile', '--norc');
	while (1)
	{
		my $came = feed($programs->{$kind}, placed($input));
		$came =~ s/127\.0\.0\.1:$port/localhost:3000/g if $port ne '';
		return $came if $info !~ /await/ || fits($expected, $came) || time > $deadline;
		sleep 0.2;
	}
}

for my $document (@documents)
{
	my $text = slurp("$root/$document");
	my %programs;
	my @changes;
	for my $block (blocks($text))
	{
		my ($info, $input, $expected, $line, $start, $length) = @$block;
		my $name = "$document:$line: " . (split /\n/, $input)[0];
		if ($postgrest eq '' && ($info =~ /^ini/ || $input =~ /localhost:3000/))
		{
			skipped($name);
			next;
		}
		if ($info =~ /^ini/)
		{
			my $why = start_postgrest($input);
			ok($why eq '', $name, $why);
			next;
		}
		my $came = eval { run_block(\%programs, $info, $input, $expected) };
		if (!defined $came)
		{
			ok(0, $name, $@);
			last;
		}
		my $good = fits($expected, $came);
		if (!$good && $write && defined $expected && $info !~ /await/)
		{
			push @changes, [ $start, $length, $came ];
			$good = 1;
		}
		ok($good, $name, defined $expected ? "expected:\n$expected" : 'expected: no error', "came:\n$came");
		$ENV{SPARK_DATABASE} = 'app';
	}
	finish($_) for values %programs;
	next unless @changes;
	for my $change (reverse @changes)
	{
		my ($start, $length, $came) = @$change;
		$came =~ s/[ \t]+$//gm;
		$came =~ s/\n*\z/\n/;
		substr($text, $start, $length) = $came;
	}
	open(my $out, '>', "$root/$document") or die "run_docs.pl: $root/$document: $!\n";
	print $out $text;
	close($out);
}
if (defined $postgrest_pid)
{
	kill 'INT', $postgrest_pid;
	waitpid($postgrest_pid, 0);
	unlink "$host/postgrest.process.pid";
}
print "1..$count\n";
exit($failed ? 1 : 0);
