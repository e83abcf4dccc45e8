# Beside.pm
#		Tests that run beside each other, each in a process of its own, and are told
#		as if they had run here, one after the other.
#
#		Beside::run(3, least => 10, tests => [ [ 'a world' => sub { ok(..) } ], .. ]);
package Beside;

use strict;
use warnings;

use IO::Handle;
use PostgreSQL::Test::Utils;
use Test::More;

# One of them in a process of its own, which writes down what it finds.
sub begin_one
{
	my ($name, $code) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/tap';
	my $pid = fork() // die $!;

	return { file => $file, pid => $pid, name => $name } if $pid;
	open(my $tap, '>', $file) or die $!;
	$tap->autoflush;
	Test::More->builder->reset;
	Test::More->builder->$_($tap) for qw(output failure_output todo_output);
	$code->();
	done_testing();
	exit(0);
}

# Its findings as if they were made here.
sub report
{
	my ($one, $least) = @_;
	my $count = 0;

	for (split(/\n/, -e $one->{file} ? slurp_file($one->{file}) : ''))
	{
		if (/^(not )?ok \d+ - (.*)/)
		{
			ok(!$1, "$one->{name}: $2");
			$count++;
		}
		note("$one->{name}: $1") if /^# (.+)/;
	}
	ok($count > $least && $one->{status} == 0, "$one->{name}: ran to its end");
	return;
}

# run(how many at once, %options): tests ([name, code] each), least (which each has more of)
sub run
{
	my ($at_once, %options) = @_;
	my @tests = @{ $options{tests} };
	my %running;

	while (@tests || %running)
	{
		while (@tests && keys %running < $at_once)
		{
			my $one = begin_one(@{ shift @tests });
			$running{ $one->{pid} } = $one;
		}
		my $done = waitpid(-1, 0);
		next if !$running{$done};
		$running{$done}{status} = $?;
		report(delete $running{$done}, $options{least});
	}
	return;
}

1;
