#!/usr/bin/perl
# reference.pl [--write] ROOT < CATALOG
#		Makes docs/reference/ of the comments in a database (CATALOG is what
#		tools/reference.sql prints) and of the definitions in src/. With --write
#		it writes the pages; else it compares them with those that are there and
#		judges the comments, as TAP.
use strict;
use warnings;
use utf8;
use JSON::PP;

binmode(STDOUT, ':utf8');
my $write = @ARGV && $ARGV[0] eq '--write' ? shift @ARGV : undef;
my ($root) = @ARGV;
my $input = do { local $/; <STDIN> };
my $catalog = JSON::PP->new->utf8->decode($input =~ s/^[^{]*//r);
my $made = "<!-- Made by ./dev docs from the comments in the sources; do not edit. -->\n\n";
my %page;

sub slurp
{
	my ($file) = @_;
	open(my $in, '<:utf8', $file) or return '';
	local $/;
	return <$in>;
}

# A cell of a table: no line, no bar of its own.
sub cell
{
	my ($text) = @_;
	$text //= '';
	$text =~ s/\s+/ /g;
	$text =~ s/\|/\\|/g;
	return $text;
}

sub row { return '| ' . join(' | ', map { cell($_) } @_) . " |\n" }

sub table
{
	my ($head, @rows) = @_;
	return row(@$head) . '|' . '---|' x @$head . "\n" . join('', map { row(@$_) } @rows) . "\n";
}

# A comment's first line is its sentence; the others are told line by line.
sub told
{
	my ($comment) = @_;
	# A line that begins with blanks goes on with the one before.
	my ($first, @rest) = split /\n/, ($comment // '') =~ s/\n +/ /gr;
	my $text = "$first\n\n";
	for (grep { $_ ne '' } @rest)
	{
		s/</&lt;/g;
		s/^(Errors|Returns|Over HTTP|Emits)\b(:?)/**$1**$2/;
		s/^([a-z]\w*)((?:, [a-z]\w*)*):/`$1`$2:/;
		s/^(`\w+`(?:, [a-z`]\w*`?)*), ([a-z]\w*):/$1, `$2`:/;
		$text .= "- $_\n";
	}
	return $text . (@rest ? "\n" : '');
}

my %schema_says = (
	spark => 'The public API: what SQL clients and PostgREST call. `spark.grant_api()` grants it.',
	spark_bus => 'For authors of further contexts. `spark_bus.grant_author()` grants it.',
	spark_ops => 'For operators. `spark_ops.grant_operator()` grants it.',
	spark_simulator => 'The outside world of the simulated node, for demos and tests. Granted to nobody.',
);

sub functions_page
{
	my $text = "# Functions\n\n" . $made
	  . "A *command* changes something, a *query* only reads and runs in a read-only transaction too. No function is granted to PUBLIC.\n"
	  . "Amounts named `*_sat` are whole satoshi, `*_msat` millisatoshi. What the codes mean: [errors](errors.md).\n\n";
	for my $schema (sort keys %schema_says)
	{
		$text .= "## Schema $schema\n\n$schema_says{$schema}\n\n";
		for my $function (grep { $_->{schema} eq $schema } @{ $catalog->{functions} })
		{
			$text .= "### $schema.$function->{name}\n\n";
			my $call = "$schema.$function->{name}($function->{arguments})\n\treturns $function->{result}";
			$text .= "```\n$call\n```\n\n*$function->{kind}* · " . told($function->{comment});
		}
		for my $type (grep { $_->{schema} eq $schema } @{ $catalog->{types} })
		{
			$text .= "### Type $schema.$type->{name}\n\n" . told($type->{comment});
			$text .= table([ 'column', 'type' ], map { [ "`$_->{name}`", $_->{type} ] } @{ $type->{columns} });
		}
	}
	return $text;
}

my %when_says = (
	postmaster => 'the operator: postgresql.conf, ALTER SYSTEM; counts after a restart',
	sighup => 'the operator: postgresql.conf, ALTER SYSTEM; counts after a reload',
	superuser => 'a superuser: also by session, role or database',
	user => 'anybody, in his session',
);

sub settings_page
{
	my $text = "# Settings\n\n" . $made
	  . "All are known once the library is loaded: with spark in `shared_preload_libraries`, from the start.\n\n";
	my @rows;
	for my $setting (@{ $catalog->{settings} })
	{
		my $range = $setting->{enumvals} ? join(', ', @{ $setting->{enumvals} })
		  : defined $setting->{min_val} ? "$setting->{min_val} to $setting->{max_val}" : 'text';
		my $unit = $setting->{unit} ? " $setting->{unit}" : '';
		push @rows, [ "`$setting->{name}`", $setting->{boot_val} eq '' ? 'empty' : "$setting->{boot_val}$unit", $range,
			$when_says{ $setting->{context} } // $setting->{context},
			join(' ', grep { defined && $_ ne '' } @$setting{qw(short_desc extra_desc)}) ];
	}
	# The one that pg_settings does not show, as it is a secret of each session.
	push @rows, [ '`spark.token`', 'empty', 'text', $when_says{user},
		'Sets the access token of spark.login() by which this session is signed in. Neither SHOW ALL nor pg_settings tells it.' ];
	return $text . table([ 'setting', 'default', 'range', 'who sets it', 'what it does' ], sort { $a->[0] cmp $b->[0] } @rows);
}

sub errors_page
{
	my $header = slurp("$root/src/common/result.h");
	my @rows;
	while ($header =~ /X\((\w+), "(SP\d+)", "(\w+)", (\d+), \\\n\s*"([^"]*)", \\\n\s*"([^"]*)"\)/g)
	{
		push @rows, [ "`$2`", "`$3`", $4, $5, $6 ];
	}
	return "# Errors\n\n" . $made
	  . "Over SQL the code is the SQLSTATE, with this message and hint; values of users stand in the detail alone. Over PostgREST the same code stands\n"
	  . "in the JSON body, with the status of column HTTP. The name is what column `reason` of a donation or an invoice shows. The digits of a code are no HTTP status.\n\n"
	  . table([ 'code', 'name', 'HTTP', 'message', 'hint' ], @rows);
}

# Who in src/ handles a message, by the tables of subscriptions.
sub handled_by
{
	my ($message) = @_;
	my @contexts;
	for my $file (sort glob("$root/src/*/handlers.c"))
	{
		my ($context) = $file =~ m{/(\w+)/handlers\.c$};
		push @contexts, $context if slurp($file) =~ /&${message}_type\b/;
	}
	return @contexts ? join(', ', @contexts) : 'nobody yet';
}

my %json_says = (Uuid => 'uuid', Amount => 'integer, msat', Text => 'text', Integer => 'integer', Flag => 'true or false',
	Instant => 'integer, microseconds since 1970 UTC');

my @unexplained;				# messages without a sentence

sub messages_page
{
	my $text = "# Messages\n\n" . $made
	  . "What the contexts tell and ask each other. A command is for one context; an event is for whoever subscribes (`spark_bus.subscribe()`).\n"
	  . "The payload is a flat JSON object; an optional field is left out where it has the zero of its type. Key is what `aggregate_id` is an id of:\n"
	  . "messages of one key are handled in their order, and wait while one of them fails, unless it says *order-free*.\n\n";
	my %order_says = ('key block' => 'ordered', 'key skip' => 'ordered until it is dead', 'none block' => 'order-free', 'none skip' => 'order-free',
		'lane block' => 'stops its lane', 'lane skip' => 'stops its lane until it is dead');
	for my $file (sort glob("$root/src/*/messages.def"))
	{
		my ($context) = $file =~ m{/(\w+)/messages\.def$};
		my $definitions = slurp($file);
		$text .= "## $context\n\n";
		while ($definitions =~ m{(?:/\*(?:(?!\*/).)*\*/\s*)*?(?:/\*((?:(?!\*/).)*)\*/\n)?^MESSAGE(?:_ORDERED)?\((\w+), "([\w.]+)", (\w+), (\d+), "(\w+)",(?: (NONE|LANE|KEY), (SKIP|BLOCK),)?(.*?)\)[ \t]*(?:/\*[^\n]*?\*/)?[ \t]*$(?=\s*(?:^$|\z|^/\*|^MESSAGE))}gms)
		{
			my ($why, $name, $type, $kind, $version, $key, $order, $dead, $fields) = ($1, $2, $3, lc $4, $5, $6, lc($7 // 'key'), lc($8 // 'block'), $9);
			$why = '' if !defined $why || $why =~ /messages\.def/;
			$why =~ s/\s*\n\s*\*?\s*/ /g;
			$why =~ s/^\s+|\s+$//g;
			push @unexplained, "$type has no comment before it" if $why eq '';
			my @rows;
			while ($fields =~ m{(FIELD|OPTIONAL)\((\w+), (\w+)\)\)?[ \t]*(?:/\*\s*(.*?)\s*\*/)?}g)
			{
				push @rows, [ "`$3`", $json_says{$2}, $1 eq 'FIELD' ? 'always' : 'optional', $4 ];
			}
			$text .= "### $type\n\n" . ($why ne '' ? "$why\n\n" : '')
			  . "*$kind*, version $version, key: $key, $order_says{$order . ' ' . $dead}; handled by: " . handled_by($name) . "\n\n"
			  . table([ 'field', 'type', '', '' ], @rows);
		}
	}
	return $text;
}

sub tables_page
{
	my $text = "# Tables\n\n" . $made
	  . "`spark.install()` makes them, one schema a context. They belong to no extension: a dump holds them, and DROP EXTENSION leaves them. Row security\n"
	  . "is on without a policy, so nobody but their owner reads them; use the functions. Foreign keys, joins and triggers across contexts there are none.\n\n";
	my $schema = '';
	for my $table (@{ $catalog->{tables} })
	{
		$text .= "## Schema $table->{schema}\n\n" if $schema ne $table->{schema};
		$schema = $table->{schema};
		$text .= "### $schema.$table->{name}\n\n" . ($table->{comment} ? "$table->{comment}\n\n" : '');
		$text .= table([ 'column', 'type', '', '' ],
			map { [ "`$_->{name}`", $_->{type}, $_->{required} ? 'not null' : '', $_->{comment} ] } @{ $table->{columns} });
		my @more = (@{ $table->{constraints} // [] }, map { "INDEX $_" } @{ $table->{indexes} // [] });
		$text .= join('', map { '- `' . cell($_) . "`\n" } @more) . "\n" if @more;
	}
	return $text;
}

# ---- judging the comments

my $count = 0;

sub ok
{
	my ($good, $name, @why) = @_;
	$count++;
	print(($good ? 'ok' : 'not ok') . " $count - $name\n");
	print "# $_\n" for $good ? () : @why;
}

sub judge_comments
{
	my %code = map { $_ => 1 } slurp("$root/src/common/result.h") =~ /"(SP\d{3})"/g;
	for my $function (@{ $catalog->{functions} })
	{
		my ($first, @rest) = split /\n/, $function->{comment} // '';
		my $rest = join("\n", @rest);
		my @why;
		push @why, 'the first line is no sentence of at most 80 characters' unless defined $first && length($first) <= 80 && $first =~ /^[A-Z].*\.$/;
		push @why, 'the second line is not empty' if @rest && $rest[0] ne '';
		push @why, "a line is longer than 105 characters: $_" for grep { length($_) > 105 } @rest;
		push @why, 'it does not tell its errors (Errors: .. or No errors.)' unless $rest =~ /^Errors: |^No errors\.$/m;
		push @why, 'it does not tell what comes back (Returns ..)' unless $rest =~ /^Returns /m;
		for my $argument (@{ $function->{argument_names} // [] })
		{
			push @why, "it does not tell what $argument is" unless $rest =~ /^\Q$argument\E(?:, \w+)*: |^(?:\w+, )+\Q$argument\E(?:, \w+)*: /m;
		}
		push @why, "there is no error $_" for grep { !$code{$_} } $rest =~ /\b(SP\d{3})\b/g;
		ok(!@why, "comment of $function->{schema}.$function->{name}", @why);
	}
	for my $type (@{ $catalog->{types} })
	{
		my ($first) = split /\n/, $type->{comment} // '';
		ok(defined $first && length($first) <= 80 && $first =~ /^[A-Z].*\.$/, "comment of type $type->{schema}.$type->{name}");
	}
}

%page = ('functions.md' => functions_page(), 'settings.md' => settings_page(), 'errors.md' => errors_page(),
	'messages.md' => messages_page(), 'tables.md' => tables_page());
if ($write)
{
	mkdir $_ for grep { !-d } "$root/docs", "$root/docs/reference";
	for my $name (sort keys %page)
	{
		open(my $out, '>:utf8', "$root/docs/reference/$name") or die "reference.pl: $name: $!\n";
		print $out $page{$name} =~ s/\n+\z/\n/r;
		close($out);
	}
	exit 0;
}
judge_comments();
ok(!@unexplained, 'each message says what it tells', @unexplained);
for my $name (sort keys %page)
{
	ok(slurp("$root/docs/reference/$name") eq $page{$name} =~ s/\n+\z/\n/r, "docs/reference/$name is what the code says",
		'it is stale: run ./dev docs and commit what changed');
}
ok($page{'errors.md'} =~ /`SP900`/ && $page{'messages.md'} =~ /### crowdfunding\.donation_created/, 'the reference is read from the sources');
print "1..$count\n";
