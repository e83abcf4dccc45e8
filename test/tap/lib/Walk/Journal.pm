# Journal.pm
#		What one walker has asked for and what it was told: a file that outlives
#		every crash, one line a fact, fields between tabs.
#
#		asked	kind fields..		written before the command is sent
#		done	kind fields..		acknowledged, by a commit where it was in a transaction
#		undone	kind fields..		told, and then rolled back
#		maybe	kind fields..		told, and the answer to the commit never came
#		broken	words				something that must not be
#		count	what				for the statistics
package Walk::Journal;

use strict;
use warnings;

sub new
{
	my ($class, $path) = @_;
	open(my $file, '>>', $path) or die "$path: $!";
	return bless { path => $path, file => $file }, $class;
}

# One write a line, so that a reader never sees half of one.
sub note
{
	my ($self, @fields) = @_;
	my $line = join("\t", map { my $field = $_ // ''; $field =~ s/[\t\n]/ /g; $field } @fields) . "\n";
	syswrite($self->{file}, $line) == length $line or die "$self->{path}: $!";
	return;
}

# The lines behind $offset of a file, as arrays, and the new offset.
sub read_from
{
	my ($path, $offset) = @_;
	open(my $file, '<', $path) or return (0);
	seek($file, $offset, 0);
	my @lines = map { chomp; [ split(/\t/, $_, -1) ] } <$file>;
	return (tell($file), @lines);
}

1;
