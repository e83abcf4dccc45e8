# Campaign/Deck.pm
#		The faults of a world as cards: dealt at random, but the one that came up
#		least before any other, so that none is forgotten in a run that is long enough.
#
#		my $deck = Campaign::Deck->new('empty', 'reset');
#		my $name = $deck->deal;
#		$deck->recount(empty => 3);				# what was really played of what was dealt
package Campaign::Deck;

use strict;
use warnings;

use List::Util qw(min);

sub new
{
	my ($class, @names) = @_;
	return bless { count => { map { $_ => 0 } @names } }, $class;
}

sub names { return sort keys %{ $_[0]{count} }; }

sub deal
{
	my ($self) = @_;
	my $count = $self->{count};
	my $least = min(values %$count);
	my @cards = grep { $count->{$_} == $least } $self->names;
	my $card = $cards[ int(rand(@cards)) ];

	$count->{$card}++;
	return $card;
}

sub recount
{
	my ($self, %played) = @_;
	$self->{count}{$_} = $played{$_} // 0 for $self->names;
	return;
}

1;
