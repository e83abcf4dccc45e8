# Invoice.pm
#		Payment requests (BOLT 11) put together by hand, for TAP tests: of other
#		networks, of parts of a satoshi, with a hash that is another's.
#
#		my $invoice = Invoice::make(amount => '9990p', preimage => 'any text');
#		$invoice->{request}, $invoice->{payment_hash}, $invoice->{preimage}
#
# It is signed, so that what is tested is never the signature: with the secret
# that is given, else with a key that anybody knows.  The nonce is 1, which gives
# the secret away and needs no arithmetic on the curve.
package Invoice;

use strict;
use warnings;

use Digest::SHA qw(sha256 sha256_hex);
use Math::BigInt;

my @letters = split(//, 'qpzry9x8gf2tvdw0s3jn54khce6mua7l');
my $order = Math::BigInt->from_hex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141');
my $generator_x = Math::BigInt->from_hex('79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798');	# its y is even

# Bytes as units of 5 bits, the last filled with zeros.
sub _units
{
	my ($bytes) = @_;
	my $bits = unpack('B*', $bytes);
	$bits .= '0' x (-length($bits) % 5);
	return map { oct("0b$_") } $bits =~ /.{5}/g;
}

# A number as that many units.
sub _number
{
	my ($number, $count) = @_;
	return map { ($number >> (5 * $_)) & 31 } reverse 0 .. $count - 1;
}

# The same without zeros before it.
sub _shortest
{
	my ($number) = @_;
	my @units = _number($number, 6);
	shift @units while $units[0] == 0;
	return @units;
}

sub _field
{
	my ($type, @units) = @_;
	return ($type, _number(scalar(@units), 2), @units);
}

# 65 bytes: r, the lower s, and which of the points with that r it was.
sub _signature
{
	my ($digest, $secret) = @_;
	my $s = ($generator_x * Math::BigInt->from_hex($secret) + Math::BigInt->from_hex(unpack('H*', $digest))) % $order;
	my $recovery = $s * 2 > $order ? 1 : 0;
	$s = $order - $s if $recovery;
	return pack('H*', join('', map { my $hex = substr($_->as_hex, 2); '0' x (64 - length($hex)) . $hex } $generator_x, $s))
		. chr($recovery);
}

sub _checksum
{
	my ($prefix, @units) = @_;
	my @generators = (0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3);
	my $sum = 1;
	for my $unit ((map { ord($_) >> 5 } split(//, $prefix)), 0, (map { ord($_) & 31 } split(//, $prefix)), @units, (0) x 6)
	{
		my $top = $sum >> 25;
		$sum = (($sum & 0x1ffffff) << 5) ^ $unit;
		$sum ^= ($top >> $_ & 1) ? $generators[$_] : 0 for 0 .. 4;
	}
	return _number($sum ^ 1, 6);
}

# make(%options): network (bcrt), amount ('' or as in the text: 10u, 9990p),
# preimage (any text), payment_hash (instead), expiry (s), made_at (epoch),
# secret (hex).
sub make
{
	my (%options) = @_;
	my $preimage = sha256($options{preimage} // 'a preimage');
	my $hash = $options{payment_hash} // sha256_hex($preimage);
	my $prefix = 'ln' . ($options{network} // 'bcrt') . ($options{amount} // '');
	my @units = (
		_number($options{made_at} // time(), 7),
		_field(1, _units(pack('H*', $hash))),
		_field(16, _units(sha256('a secret'))),
		_field(13, _units('by hand')),
		_field(6, _shortest($options{expiry} // 3600)),
		_field(5, 16, 8, 0));		# features: a payment secret, in an onion

	my $bits = join('', map { sprintf('%05b', $_) } @units);
	$bits .= '0' x (-length($bits) % 8);
	push @units, _units(_signature(sha256($prefix . pack('B*', $bits)), $options{secret} // '1'));
	return {
		request => $prefix . '1' . join('', map { $letters[$_] } @units, _checksum($prefix, @units)),
		payment_hash => $hash,
		preimage => unpack('H*', $preimage),
	};
}

# The payment hash that stands in a request.
sub payment_hash
{
	my ($request) = @_;
	my %value = map { $letters[$_] => $_ } 0 .. $#letters;
	my @units = map { $value{$_} } split(//, $request =~ s/.*1//r);

	splice(@units, 0, 7);
	while (@units > 104 + 6)
	{
		my ($type, $high, $low) = splice(@units, 0, 3);
		my @content = splice(@units, 0, 32 * $high + $low);
		return unpack('H*', pack('B256', join('', map { sprintf('%05b', $_) } @content))) if $type == 1;
	}
	return;
}

1;
