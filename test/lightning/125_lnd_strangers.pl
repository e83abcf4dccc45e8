# 125_lnd_strangers.pl
#		A node that is locked, that does not know us, that we do not know, or that is
#		another one: nothing is sent to it, money waits, and all goes on by itself as
#		soon as it is the right one again.
use strict;
use warnings;

use Hub;
use Nodes;
use PostgreSQL::Test::Utils;
use Test::More;

my $nodes = Nodes->start;
my $hub = Hub->start($nodes);
my $spark = $hub->spark;
my $alice = $hub->person('alice', 1_000_000);
my $spent = 0;

sub balance_is
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($hub->balance($alice), (1_000_000_000 - $spent) . '|0', $name);
}

# A paid withdrawal takes what it has cost.
sub spend
{
	my ($id, $hash, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$spent += $hub->is_paid_once($alice, $id, $hash, $name);
	return;
}

# ---- the wallet is locked
$nodes->quit('first');
$nodes->run('first', locked => 1);
$nodes->until('its wallet is locked', sub { $nodes->lncli('first', 'state')->{state} eq 'LOCKED' });
$hub->comes_to_stand(0, 'a node whose wallet is locked is not used');
my ($request, $hash) = $hub->outside('third', 500);
my ($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'pending', 'reserved', 'a withdrawal waits');
$nodes->quit('first');
$nodes->run('first');
$nodes->wait_active('first');
spend($id, $hash, 'until the wallet is open');

# ---- the macaroon is another's, none, and one that others can read
my $right = $hub->macaroon('first');
my $secret = "$nodes->{folder}/first.macaroon";
for (['another\'s', slurp_file($nodes->macaroon('third')), 'verification failed'], ['empty', '', 'holds no macaroon'], ['cut', substr($right, 0, 50), ''])
{
	my ($what, $content, $words) = @$_;
	$hub->kept_secret('first.macaroon', $content);
	$spark->node->reload;
	$hub->comes_to_stand(0, "L4 with a macaroon that is $what nothing is done", "%$words%");
}
$hub->kept_secret('first.macaroon', $right);
$spark->node->reload;
$hub->comes_to_stand(1, 'with its own it goes on');
chmod(0644, $secret);
$spark->node->reload;
$hub->comes_to_stand(0, 'L58 one that others can read is not used');
chmod(0600, $secret);
$spark->node->reload;
$hub->comes_to_stand(1, 'until they cannot');

# ---- the macaroon may not pay, nor ask about payments
my $fewer = $nodes->lncli('first', 'bakemacaroon', grep { !/Payment/ } @Hub::rights)->{said};
$hub->kept_secret('first.macaroon', pack('H*', $fewer));
$spark->node->reload;
($request, $hash) = $hub->outside('third', 550);
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'pending', 'unknown', 'L5 without the right to pay, and to see that nothing was paid, it stays reserved');
$hub->kept_secret('first.macaroon', $right);
$spark->node->reload;
$hub->look_now($id);
spend($id, $hash, 'L29 with it, the node does not know the payment, and makes it');

# ---- the macaroon may ask about payments, and make none
my $tracks = $nodes->lncli('first', 'bakemacaroon', grep { !/SendPayment/ } @Hub::rights)->{said};
$hub->kept_secret('first.macaroon', pack('H*', $tracks));
$spark->node->reload;
($request, $hash) = $hub->outside('third', 575);
($id) = $hub->withdraw($alice, $request);
$hub->comes_to_stand(0, 'L20 without the right to pay withdrawals wait, and health says why', '%does not let this credential pay%permission denied%');
is($spark->as($alice, "SELECT status FROM spark.invoice('$id')"), 'pending', 'none has failed');
is($hub->payments_at('first', $hash), '', 'and none was begun');
$hub->kept_secret('first.macaroon', $right);
$spark->node->reload;
spend($id, $hash, 'L20 with it they are paid');

# ---- the macaroon may neither make invoices nor look them up
my $pays = $nodes->lncli('first', 'bakemacaroon', grep { !/AddInvoice|LookupInvoice/ } @Hub::rights)->{said};
my ($looked_up) = $hub->deposit($alice, 590);
$hub->kept_secret('first.macaroon', pack('H*', $pays));
$spark->node->reload;
$spark->as($alice, 'SELECT spark.deposit(591)');
$hub->comes_to_stand(0, 'without the right to make and see invoices health says why', '%make invoices%permission denied%look invoices up%permission denied%');
$hub->kept_secret('first.macaroon', $right);
$spark->node->reload;
$hub->deposit($alice, 592);
$hub->comes_to_stand(1, 'with it all is well');

# ---- the certificate is another's, and then a new one
my $certificate = $nodes->certificate('first');
$spark->set('spark.lightning_ca_file', "'" . $nodes->certificate('third') . "'");
$hub->comes_to_stand(0, 'L55 a node whose certificate is not the one named is not spoken to');
($request, $hash) = $hub->outside('third', 600);
($id) = $hub->withdraw($alice, $request);
$hub->comes($alice, $id, 'pending', 'reserved', 'L52 nothing is sent to it');
$spark->set('spark.lightning_ca_file', "'$certificate'");
spend($id, $hash, 'with the right one it is paid');
$nodes->quit('first');
unlink($certificate, $certificate =~ s/cert$/key/r);
$nodes->run('first');
$nodes->wait_active('first');
($request, $hash) = $hub->outside('third', 700);
($id) = $hub->withdraw($alice, $request);
spend($id, $hash, 'L55 a certificate that was made anew is read anew');

# ---- another node answers
my @settings = map { /^(\S+) = (.*)$/ } split(/\n/, $hub->settings('second'));
my @mine = map { /^(\S+) = (.*)$/ } split(/\n/, $hub->settings('first'));
set_all(@settings);
# At once, before it has said who it is.
($request, $hash) = $hub->outside('third', 800);
($id) = $hub->withdraw($alice, $request);
$hub->comes_to_stand(0, 'L11 another node is not taken for ours', 'another node%');
$hub->comes($alice, $id, 'pending', 'reserved', 'and pays nothing');
is($hub->payments_at('second', $hash), '', 'nothing at all');
set_all(@mine);
spend($id, $hash, 'the one of the books pays');

# ---- another network
$spark->set('spark.lightning_network', "'testnet'");
$hub->comes_to_stand(0, 'a node on another network than we want is not used');
$spark->set('spark.lightning_network', "'regtest'");
$hub->comes_to_stand(1, 'until it is the one');

sub set_all
{
	my (%values) = @_;
	$spark->sql("ALTER SYSTEM SET $_ = $values{$_}") for keys %values;
	$spark->node->reload;
	return;
}

balance_is('after all this, all is charged that was paid');
$hub->finish;
done_testing();
