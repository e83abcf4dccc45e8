#!/usr/bin/perl
# check_docs.pl ROOT
#		Checks that what the documents say of the code is so: links lead to
#		files, functions exist in the SQL files and in the sources, settings in
#		the sources, quoted C stands in its file. Prints TAP.
#
# C is quoted as ```c src/<file>: its lines must stand in that file one after
# the other; where a line of the quote is `...`, some may lie between.
use strict;
use warnings;
use JSON::PP;

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
my $sources = join('', map { slurp($_) } glob('src/*.c src/*/*.c src/*/*.h src/*/*/*.c src/*/*/*.h'));
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

# ---- quoted C

# Where in the file the lines of the quote stop being found; undef: all are there.
sub lost_line
{
	my ($quote, $file) = @_;
	my @lines = map { s/^\s+|\s+$//gr } split /\n/, slurp($file);
	my @wanted = map { s/^\s+|\s+$//gr } split /\n/, $quote;
	my $furthest = 0;
	for my $begin (0 .. $#lines)
	{
		my ($at, $gap, $i) = ($begin, 0, 0);
		while ($i < @wanted)
		{
			if ($wanted[$i] eq '...') { $gap = 1; $i++; next }
			$at++ while $gap && $at < @lines && $lines[$at] ne $wanted[$i];
			last if $at >= @lines || $lines[$at] ne $wanted[$i];
			$gap = 0;
			$at++;
			$i++;
		}
		return undef if $i == @wanted;
		$furthest = $i if $i > $furthest;
	}
	return $wanted[$furthest];
}

for my $document (grep { !/^bench/ } @documents)
{
	my $text = slurp($document);
	while ($text =~ /^```c[ \t]*(\S*)\n(.*?)^```$/gms)
	{
		my ($file, $quote) = ($1, $2);
		my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
		my $lost = -f $file ? lost_line($quote, $file) : 'the file itself';
		ok(!defined $lost, "$document:$line: quotes $file", 'not found there: ' . ($lost // ''));
	}
}

# ---- functions of the sources and files that a document names

for my $document (grep { m{^docs/(?!reference/)} } @documents)
{
	my $text = slurp($document) =~ s/```.*?```//gsr;
	my (%seen, @broken);
	while ($text =~ /`(\w+)\(\)`/g)
	{
		push @broken, "there is no $1()" if !$seen{$1}++ && "$sources$sql" !~ /\b\Q$1\E\b/;
	}
	while ($text =~ m{`((?:src|sql|test|tools|docs)/[\w/.-]+)`}g)
	{
		push @broken, "there is no file $1" if !$seen{$1}++ && !-e $1;
	}
	ok(!@broken, "$document names what is there", @broken);
}

# ---- what the operator's page must tell

if (-f 'docs/operating.md')
{
	my $page = slurp('docs/operating.md');
	my @codes = slurp('src/common/result.h') =~ /"(SP\d{3})"/g;
	my @checks = "$sources" =~ /(?:\bput\(answer, |add_health_probe\()"(\w+)"/g;
	my ($node_checks) = $sources =~ /checks\[\] = \{([^}]*)\}/;
	push @checks, ($node_checks // '') =~ /"(\w+)"/g;
	my %seen;
	my @missing = grep { !$seen{$_}++ && $page !~ /`\Q$_\E`/ } @codes, @checks;
	ok(!@missing, 'docs/operating.md says what to do at each code and each row of health', map { "it does not tell of $_" } @missing);
	ok(@codes > 30 && @checks > 10, 'codes and rows of health are found in the sources');
}

# ---- what it must tell of the node that lies, or cannot be believed

{
	my $page = -f 'docs/alarms.md' ? slurp('docs/alarms.md') : '';
	my $rules = join('', map { slurp($_) } glob('src/bitcoin/deposit.c src/bitcoin/withdrawal*.c src/bitcoin/node_work.c'));
	# A string that is one sentence of what is wrong: assigned, returned or told.
	my @alarms = $rules =~ /"((?:the node|an?|another node) [a-z][^"%]+)"/g;
	my @missing = grep { index($page, "| $_ |") < 0 } @alarms;
	ok(!@missing, 'docs/alarms.md says what to do at each alarm', map { "it does not tell of: $_" } @missing);
	ok(@alarms > 20, 'alarms are found in the sources');
}

# ---- META.json, by the specification 1.0.0 of PGXN

{
	my $meta = eval { JSON::PP->new->decode(slurp('META.json')) };
	my ($version) = slurp('spark.control') =~ /^default_version = '(.*)'/m;
	my @why;
	push @why, 'it is no JSON' unless $meta;
	$meta //= {};
	push @why, "it has no $_" for grep { !$meta->{$_} } qw(name version abstract maintainer license provides meta-spec);
	push @why, "its version is not that of spark.control, $version" if ($meta->{version} // '') ne $version;
	push @why, 'its meta-spec is not 1.0.0' if ($meta->{'meta-spec'}{version} // '') ne '1.0.0';
	my %known = map { $_ => 1 } qw(name version abstract maintainer license provides meta-spec description generated_by
	  no_index prereqs release_status resources tags);
	push @why, "the specification knows no $_" for grep { !$known{$_} } keys %$meta;
	push @why, 'its release_status is unknown' if ($meta->{release_status} // 'stable') !~ /^(?:stable|testing|unstable)$/;
	for my $extension (values %{ $meta->{provides} // {} })
	{
		push @why, 'what it provides has no such file' unless -f ($extension->{file} // '') && -f ($extension->{docfile} // 'README.md');
		push @why, 'what it provides is of another version' if ($extension->{version} // '') ne $version;
	}
	ok(!@why, 'META.json', @why);
	ok(slurp('CHANGELOG.md') =~ /^## \Q$version\E\b/m, "CHANGELOG.md tells of $version");
}

ok(scalar(@documents), 'there are documents', 'add README.md');
print "1..$count\n";
