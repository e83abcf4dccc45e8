# Nodes.pm
#		Real Lightning nodes for the tests of the suite lightning: btcd on regtest
#		and three lnd in one line, first - second - third, with channels between.
#		spark works with the first.
#
#		my $nodes = Nodes->start;						# some 10 s
#		$nodes->lncli('second', 'addinvoice', '--amt=100')->{payment_request};
#		$nodes->rest('first', GET => '/v1/getinfo');	# as spark would: {status, body, chunks}
#		$nodes->kill('first');							# SIGKILL, at once
#		$nodes->run('first'); $nodes->wait_active;		# the same node again
#		$nodes->stop;
#
# Everything lies in one folder below TESTDIR and listens on loopback, on ports
# that nobody else has.  Each process leaves a *.process.pid there, by which ./dev
# ends what a dead test left running.  Their wallets are made once a run, by the
# file that is first, and copied by all.
package Nodes;

use strict;
use warnings;

use Fcntl qw(:flock);
use File::Path qw(make_path);
use JSON::PP;
use MIME::Base64;
use Ports;
use POSIX qw(:sys_wait_h);
use PostgreSQL::Test::Utils;
use Test::More;

# Of each step; a node of a machine with much else to do takes its time.
our $patience = $ENV{PG_TEST_TIMEOUT_DEFAULT} || 300;
our @names = qw(first second third);
our $channel_sat = 10_000_000;

my $nobody = 'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn';	# an address for rewards that no test needs
my $started = 0;

# The folder of lnd, lncli, btcd and btcctl, or undef.
sub programs
{
	my $programs = $ENV{SPARK_NODES};
	return $programs && -x "$programs/lnd" ? $programs : undef;
}

# ------------------------------------------------------------------ processes

sub base_folder { return $ENV{TESTDIR} // ($PostgreSQL::Test::Utils::tmp_check); }

# Runs a program whose words go to a log; its pid stands in <name>.process.pid.
sub spawn
{
	my ($self, $name, @command) = @_;
	my $log = "$self->{folder}/$name.log";
	my $pid = fork() // die "no process: $!";
	if ($pid == 0)
	{
		# What the test still has to do is not for the child: exec or nothing.
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', $log);
		open(STDERR, '>&', \*STDOUT);
		setpgrp(0, 0);
		chdir($self->{folder});
		exec(@command) or POSIX::_exit(127);
	}
	my $file = "$self->{folder}/$name.process.pid";
	unlink($file);
	append_to_file($file, "$pid\n");
	$self->{pids}{$name} = $pid;
	return $pid;
}

# Ends it with that signal, and waits until it is gone.
sub end
{
	my ($self, $name, $signal) = @_;
	my $pid = delete $self->{pids}{$name} // return;
	my $deadline = time() + $patience;
	CORE::kill($signal, $pid);
	while (waitpid($pid, WNOHANG) == 0)
	{
		CORE::kill('KILL', $pid) if time() > $deadline;
		select(undef, undef, undef, 0.05);
	}
	unlink("$self->{folder}/$name.process.pid");
	return;
}

sub kill { my ($self, $name) = @_; return $self->end($name, 'KILL'); }
sub quit { my ($self, $name) = @_; return $self->end($name, 'INT'); }

# Polls until the code says true.  Where that takes too long, or where a process
# of ours has ended by itself, the test fails, says what it waited for and what
# the nodes said last, and dies.
sub until
{
	my ($self, $what, $code) = @_;
	my $deadline = time() + $patience;
	while (1)
	{
		my $said = eval { $code->() };
		my $error = $@;
		return $said if $said;
		my ($ended) = grep { waitpid($self->{pids}{$_}, WNOHANG) != 0 } sort keys %{ $self->{pids} };
		$self->give_up("$what: $ended has ended by itself", $error) if defined $ended;
		$self->give_up("$what: not within $patience s", $error) if time() > $deadline;
		select(undef, undef, undef, 0.1);
	}
}

sub give_up
{
	my ($self, $what, $error) = @_;
	fail($what);
	diag($error) if $error;
	for my $name (sort keys %{ $self->{pids} })
	{
		my @lines = split(/\n/, slurp_file("$self->{folder}/$name.log"));
		diag("the last words of $name:", map { "\n    " . substr($_, 0, 300) } splice(@lines, @lines > 12 ? -12 : 0));
	}
	die "$what\n";
}

# A program's output; dies where it fails.
sub output_of
{
	my ($self, @command) = @_;
	my $file = "$self->{folder}/" . $$ . '.err';
	my $pid = open(my $out, '-|') // die "no process: $!";
	if ($pid == 0)
	{
		open(STDERR, '>', $file);
		exec(@command) or POSIX::_exit(127);
	}
	my $text = do { local $/; <$out> } // '';
	close($out) or die "@command: " . slurp_file($file) . $text;
	return $text;
}

# ------------------------------------------------------------------------ btcd

sub run_btcd
{
	my ($self, @addresses) = @_;
	my ($folder, $port) = @$self{qw(folder ports)};
	$self->spawn('btcd', "$self->{programs}/btcd", "--configfile=$folder/btcd.conf", '--regtest', '--txindex', '--rpcuser=u', '--rpcpass=p',
		"--datadir=$folder/btcd", "--logdir=$folder/btcd-log", "--rpccert=$folder/rpc.cert", "--rpckey=$folder/rpc.key",
		"--rpclisten=127.0.0.1:$port->{btcd_rpc}", "--listen=127.0.0.1:$port->{btcd}", '--nobanning', '--nostalldetect',
		map { "--miningaddr=$_" } @addresses);
	$self->until('btcd answers', sub { defined $self->btcctl('getblockcount') });
	return;
}

sub btcctl
{
	my ($self, @words) = @_;
	my $folder = $self->{folder};
	return $self->output_of("$self->{programs}/btcctl", "--configfile=$folder/btcctl.conf", '--regtest', '--rpcuser=u', '--rpcpass=p',
		"--rpccert=$folder/rpc.cert", "--rpcserver=127.0.0.1:$self->{ports}{btcd_rpc}", @words);
}

sub mine { my ($self, $blocks) = @_; $self->btcctl('generate', $blocks); return; }

# ------------------------------------------------------------------------- lnd

# Starts that node; options beside or instead of the usual ones.
sub run
{
	my ($self, $name, %options) = @_;
	my ($folder, $port) = @$self{qw(folder ports)};
	my $node = $self->{nodes}{$name};
	$self->spawn($name, "$self->{programs}/lnd", ($options{locked} ? () : '--noseedbackup'), '--bitcoin.regtest', '--bitcoin.node=btcd',
		"--btcd.rpchost=127.0.0.1:$port->{btcd_rpc}", '--btcd.rpcuser=u', '--btcd.rpcpass=p', "--btcd.rpccert=$folder/rpc.cert",
		'--lnddir=' . ($options{folder} // $node->{folder}), "--rpclisten=127.0.0.1:$node->{rpc}", "--restlisten=127.0.0.1:$node->{rest}",
		"--listen=127.0.0.1:$node->{peer}", '--bitcoin.defaultchanconfs=1', '--nobootstrap', '--trickledelay=50',
		'--keep-failed-payment-attempts', '--accept-keysend', '--minbackoff=100ms', '--maxbackoff=1s', '--debuglevel=info', @{ $options{with} // [] });
	return;
}

sub lncli
{
	my ($self, $name, @words) = @_;
	my $node = $self->{nodes}{$name};
	my $said = $self->output_of("$self->{programs}/lncli", '--network=regtest', "--lnddir=$node->{folder}", "--rpcserver=127.0.0.1:$node->{rpc}", @words);
	return $said =~ /^\s*[{]/ ? decode_json($said) : { said => $said =~ s/\s+$//r };
}

sub url { my ($self, $name) = @_; return "https://127.0.0.1:$self->{nodes}{$name}{rest}"; }
sub certificate { my ($self, $name) = @_; return "$self->{nodes}{$name}{folder}/tls.cert"; }
sub macaroon { my ($self, $name) = @_; return "$self->{nodes}{$name}{folder}/data/chain/bitcoin/regtest/admin.macaroon"; }
sub public_key { my ($self, $name) = @_; return $self->{nodes}{$name}{public_key}; }

# What the node says to a GET; for what is asked again and again, as lncli takes
# ten times the processor time.
sub get
{
	my ($self, $name, $path) = @_;
	my $said = $self->rest($name, GET => $path);
	die "$name says $said->{status} to $path" if $said->{status} ne '200';
	return decode_json($said->{body});
}

# The node has its wallet open and takes calls.
sub wait_ready
{
	my ($self, @of) = @_;
	for my $name (@of)
	{
		$self->until("$name is ready", sub { $self->get($name, '/v1/state')->{state} eq 'SERVER_ACTIVE' });
		$self->until("$name is synced", sub { $self->get($name, '/v1/getinfo')->{synced_to_chain} });
	}
	return;
}

# And every channel of it can be used.
sub wait_active
{
	my ($self, @of) = @_;
	@of = @names if @of == 0;
	$self->wait_ready(@of);
	for my $name (@of)
	{
		$self->until("the channels of $name are active", sub {
			my @channels = @{ $self->get($name, '/v1/channels')->{channels} };
			return @channels == ($name eq 'second' ? 2 : 1) && !grep { !$_->{active} } @channels;
		});
	}
	return;
}

# --------------------------------------------------------------------- a start

# start(%options): name of the folder
sub start
{
	my ($class, %options) = @_;
	my $began = time();

	$started++;
	my $self = $class->place($options{name} // "nodes$$-$started");
	$self->run_btcd($self->take_wallets);
	# Blocks whose rewards belong to the first two nodes, and the nodes after: one that
	# sees hundreds of them come takes long.  Segwit is active from block 432 on, a reward
	# can be spent after 100.
	$self->mine(560);
	$self->run($_) for @names;
	$self->wait_ready(@names);
	$self->{nodes}{$_}{public_key} = $self->get($_, '/v1/getinfo')->{identity_pubkey} for @names;
	$self->open_channels;
	note('nodes with channels after ' . (time() - $began) . ' s');
	return $self;
}

# A folder and ports for them; nothing runs yet.
sub place
{
	my ($class, $name) = @_;
	my $self = bless { programs => programs(), pids => {}, owner => $$, folder => base_folder() . "/$name" }, $class;
	my @ports = Ports::free(2 + 3 * @names);

	make_path($self->{folder});
	append_to_file("$self->{folder}/$_", '') for qw(btcd.conf btcctl.conf);
	$self->{ports} = { btcd_rpc => shift(@ports), btcd => shift(@ports) };
	$self->{nodes}{$_} = { folder => "$self->{folder}/$_", rpc => shift(@ports), rest => shift(@ports), peer => shift(@ports) } for @names;
	return $self;
}

# Copies of the wallets, which are made where there are none yet: the addresses of the
# first two.  Who comes meanwhile waits.
sub take_wallets
{
	my ($self) = @_;
	my $kept = base_folder() . '/wallets';
	open(my $lock, '>', "$kept.lock") or die "no lock: $!";
	flock($lock, LOCK_EX) or die "no lock: $!";
	ref($self)->place("wallets$$")->found_wallets($kept) if !-d $kept;
	close($lock);
	system_or_bail('cp', '-R', (map { "$kept/$_" } @names), $self->{folder});
	return split(/\n/, slurp_file("$kept/addresses"));
}

# A node without blocks never gets ready, and its wallet wants to see them all: so
# the wallets come first, on a chain of one block that btcd forgets when it ends.
sub found_wallets
{
	my ($self, $kept) = @_;
	$self->run_btcd($nobody);
	$self->mine(1);
	$self->run($_) for @names;
	$self->wait_ready(@names);
	append_to_file("$self->{folder}/addresses", $self->lncli($_, 'newaddress', 'p2wkh')->{address} . "\n") for qw(first second);
	$self->quit($_) for @names, 'btcd';
	rename($self->{folder}, $kept) or die "no wallets: $!";
	return;
}

sub open_channels
{
	my ($self) = @_;
	for (['first', 'second'], ['second', 'third'])
	{
		my ($from, $to) = @$_;
		my $key = $self->public_key($to);
		$self->lncli($from, 'connect', "$key\@127.0.0.1:$self->{nodes}{$to}{peer}");
		$self->until("a channel from $from to $to", sub {
			$self->lncli($from, 'openchannel', "--node_key=$key", "--local_amt=$channel_sat", '--push_amt=' . $channel_sat * 0.4);
		});
	}
	$self->mine(6);
	$self->wait_active;
	$self->until("$_ knows of both channels", sub { $self->knows_all_channels($_) }) for @names;
	return;
}

sub knows_all_channels
{
	my ($self, $name) = @_;
	my @edges = @{ $self->get($name, '/v1/graph')->{edges} };
	return @edges == 2 && !grep { !$_->{node1_policy} || !$_->{node2_policy} } @edges;
}

sub stop
{
	my ($self) = @_;
	return if $self->{owner} != $$;
	my $status = $?;
	# Nothing of theirs is needed any more, and an lnd that has lost btcd takes half a minute to end.
	CORE::kill('KILL', $_) for values %{ $self->{pids} };
	$self->kill($_) for keys %{ $self->{pids} };
	$? = $status;
	return;
}

sub DESTROY { my ($self) = @_; $self->stop; return; }

# ------------------------------------------------------------------------ REST

# The bytes of a file as hex digits.
sub hex_of { my ($file) = @_; return unpack('H*', slurp_file($file)); }

sub base64 { my ($bytes) = @_; return encode_base64($bytes, ''); }

# One call as spark makes it: {status, headers, body}.  status 0: no answer.
sub rest
{
	my ($self, $name, $method, $path, $body, %options) = @_;
	my $node = $self->{nodes}{$name};
	my $macaroon = $options{macaroon} // hex_of($self->macaroon($name));
	my @command = ('curl', '--silent', '--no-buffer', '--include', '--http1.1', '--max-time', $options{seconds} // 20, '--cacert', $self->certificate($name),
		'--request', $method, ($macaroon eq '' ? () : ('--header', "Grpc-Metadata-Macaroon: $macaroon")),
		(defined $body ? ('--header', 'Content-Type: application/json', '--data-binary', ref($body) ? encode_json($body) : $body) : ()),
		$self->url($name) . $path);
	open(my $out, '-|', @command) or die "curl does not start: $!";
	my $text = do { local $/; <$out> } // '';
	close($out);
	my ($head, $rest) = split(/\r\n\r\n/, $text, 2);
	my ($status) = ($head // '') =~ m{^HTTP/1\.1 ([0-9]{3})};
	return { status => $status // 0, head => $head // '', body => $rest // '', curl => $? >> 8 };
}

1;
