#!/usr/bin/perl
# check_docs.pl ROOT
#		Checks that what the documents say of the code is so: links lead to
#		files, functions exist in the SQL files, settings in the sources.
#		Prints TAP.
use strict;
use warnings;

chdir($ARGV[0] // '.') or die "check_docs.pl: no such folder: $ARGV[0]\n";

sub slurp
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "check_docs.pl: $file: $!\n";
	local $/;
	return <$in>;
}

my $count = 0;

sub ok
{
	my ($good, $name, @why) = @_;
	$count++;
	print(($good ? 'ok' : 'not ok') . " $count - $name\n");
	print "# $_\n" for $good ? () : @why;
}

my @documents = sort grep { -f } glob('*.md docs/*.md docs/*/*.md bench/*.md test/*.md');
my $sql = join('', map { slurp($_) } glob('sql/[0-9][0-9]_*.sql'));
my $sources = join('', map { slurp($_) } glob('src/*.c src/*/*.c src/*/*.h'));
my %functions = map { lc($_) => 1 } $sql =~ /CREATE (?:OR REPLACE )?FUNCTION\s+(spark\w*\.\w+)/gi;
my %settings = map { $_ => 1 } $sources =~ /"(spark\.\w+)"/g;

# Where a document names what is planned, it says so in a folder of decisions.
for my $document (@documents)
{
	my $text = slurp($document);
	my ($folder) = $document =~ m{^(.*/)?[^/]*$};
	my @broken;
	my $bare = $text =~ s/```.*?```//gsr;
	while ($bare =~ /\]\(([^)\s#]+)(?:#[^)]*)?\)/g)
	{
		my $target = $1;
		next if $target =~ m{^[a-z]+:};
		push @broken, "the link to $target leads nowhere" unless -e ($folder // '') . $target;
	}
	if ($document !~ m{^(?:docs/decisions/|CHANGELOG)})
	{
		my %seen;
		while ($text =~ /\b(spark(?:_bus|_ops|_simulator)?\.\w+)\(/g)
		{
			my $function = $1;
			push @broken, "the function $function() does not exist" if %functions && !$functions{$function} && !$seen{$function}++;
		}
		while ($text =~ /`(spark\.\w+)`(?!\()/g)
		{
			my $setting = $1;
			push @broken, "there is no setting or function $setting"
			  if %settings && !$settings{$setting} && !$functions{$setting} && $sql !~ /\b\Q$setting\E\b/ && !$seen{$setting}++;
		}
	}
	ok(!@broken, $document, @broken);
}

ok(scalar(@documents), 'there are documents', 'add README.md');
print "1..$count\n";
