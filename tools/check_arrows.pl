#!/usr/bin/perl
# check_arrows.pl [--list pure|library|server] [ROOT]
#		Checks that the rooms of src/ know each other only as the design says:
#
#		common <- context (pure) <- its adapters <- postgres/, lightning/ <- spark.c
#
# Every file has a kind, by place and name, and by what it includes first:
#	common	src/common/
#	pure	rules, handlers, ports, messages of a context; codecs and the
#			simulator's core in lightning/: C11, common/ and libc only
#	library	an adapter of libsodium, libsecp256k1, libcurl, jansson or OpenSSL, or
#			what stands on lightning/http.h, which is one; no server
#	server	postgres*.{c,h}, functions*.{c,h}, and what includes "postgres/..."
#			first: the only files that may know the server
#
# With --list it prints the .c files of one kind (common counts as pure) and
# checks nothing; the Makefile builds the unit tests from these lists.
# Objects of pure files are read from build/unit/src; `make arrows` makes them.
# Prints a line a violation and exits 1, or one line that says all is well.
use strict;
use warnings;

my $list = @ARGV && $ARGV[0] eq '--list' ? (splice(@ARGV, 0, 2))[1] : undef;
chdir($ARGV[0]) if @ARGV;
die "check_arrows.pl: no folder src here: run it in the root of the project, or name that as argument\n"
  unless -d 'src';

# What code without a server, a clock or I/O may include and call of libc.
my %pure_headers = map { $_ => 1 }
  qw(assert.h ctype.h inttypes.h limits.h stdalign.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h);
my $pure_calls = qr/^(?:mem(?:cpy|move|set|cmp|chr)|str(?:len|nlen|cmp|ncmp|chr|rchr|str|cspn|spn|pbrk)
	|v?snprintf|stpcpy|strto(?:l|ll|ul|ull|imax|umax)|qsort|bsearch|isalpha|isalnum|isdigit|isxdigit|isspace
	|tolower|toupper|__ctype_\w+_loc|__isoc\w+|__assert_fail|abort
	|__(?:mem|v?snprintf|str)\w*_chk|__stack_chk_fail|__asan_\w+|__ubsan_\w+|__(?:u?div|u?mod|mul)ti3|_GLOBAL_OFFSET_TABLE_)$/x;
my $libraries = qr{^(?:sodium|secp256k1\w*|curl/\w+|jansson|openssl/\w+)(?:\.h)?$};
# Whoever talks to a node stands on libcurl, one file further.
my $on_libraries = qr{^lightning/(?:http|http_reader|http_node|node_json)\.h$};
# The one place that takes memory from libc: the arena that tests hand in.
my %may_also_call = ('build/unit/src/common/arena.o' => qr{^(?:calloc|free)$});
my ($longest_file, $longest_function) = (700, 60);

# ---- reading

my %includes;					# file -> [[line, name, quoted], ...]
my %text;
for my $file (sort glob('src/*.c src/*.h src/*/*.c src/*/*.h src/*/*.def src/*/*/*.c src/*/*/*.h'))
{
	open(my $in, '<', $file) or die "check_arrows.pl: $file: $!\n";
	local $/;
	$text{$file} = <$in>;
	close($in);
	my $line = 0;
	$includes{$file} = [];
	for (split /\n/, $text{$file})
	{
		$line++;
		push @{ $includes{$file} }, [ $line, $2 // $3, ($1 // '') eq '"' ]
		  if /^\s*#\s*include\b\s*(?:(["<])([^">]+)[">]|(\S.*))/;
	}
}

sub room
{
	my ($file) = @_;
	return $file =~ m{^src/([^/]+)/} ? $1 : 'root';
}

my %contexts = map { $_ => 1 } grep { !/^(?:root|common|postgres|lightning)$/ } map { room($_) } keys %text;

# Never an adapter, whatever it includes.
sub pure_by_name
{
	my ($file) = @_;
	return $file =~ m{/(?:handlers|ports|messages)\w*\.(?:c|h|def)$}
	  || $file =~ m{^src/lightning/(?:bolt11\w*|bech32|bytes32|lightning_node|node_kinds)\.[ch]$};
}

sub kind
{
	my ($file) = @_;
	my $room = room($file);
	my @names = map { $_->[1] } @{ $includes{$file} };
	return 'root' if $room eq 'root';
	return 'common' if $room eq 'common';
	return 'server' if $room eq 'postgres';
	return 'pure' if pure_by_name($file);
	return 'server' if $file =~ m{/(?:postgres|functions)\w*\.[ch]$};
	return 'server' if @names && $names[0] =~ m{^postgres/};
	return 'library' if grep { $_ =~ $libraries || $_ =~ $on_libraries } @names;
	return 'pure';
}
my %kind = map { $_ => kind($_) } keys %text;

if (defined $list)
{
	print "$_\n" for grep {
		/\.c$/ && ($kind{$_} eq $list || ($list eq 'pure' && $kind{$_} eq 'common'))
	} sort keys %text;
	exit 0;
}

# ---- judging

my @violations;

sub violation
{
	my ($file, $line, $words) = @_;
	push @violations, "$file:$line: $words";
}

# One include of one file; false where it is fine, else what to do.
sub wrong_include
{
	my ($file, $name, $quoted) = @_;
	my $kind = $kind{$file};
	my $room = room($file);
	my $ours = exists $text{"src/$name"};
	my ($target) = $name =~ m{^([^/]+)/};

	return 'a name with a dot for a folder hides whose file it is; name it "<room>/<file>", from src/'
	  if $name =~ m{(?:^|/)\.\.?/};
	return 'an include through a macro hides what it is; name the file'
	  if $name !~ /\.(?:h|c|def)$/ || $name =~ /[\s()]/;
	return 'only src/postgres/server.h may include postgres.h; include "postgres/server.h"'
	  if $name eq 'postgres.h' && $file ne 'src/postgres/server.h';
	return 'libcurl and jansson belong to adapters in src/lightning; put a port between'
	  if $name =~ m{^(?:curl/|jansson|openssl/)} && ($room ne 'lightning' || $kind !~ /^(?:library|server)$/);
	return 'libcurl is known by src/lightning/http*.[ch] alone; start an exchange of lightning/http.h'
	  if $name =~ m{^(?:curl/|openssl/)} && $file !~ m{^src/lightning/http\w*\.[ch]$};
	return 'libsodium and libsecp256k1 belong to adapters in src/auth and src/lightning; put a port between'
	  if $name =~ m{^(?:sodium|secp256k1)} && ($room !~ /^(?:auth|lightning)$/ || $kind !~ /^(?:library|server)$/);
	return 'our own headers are included as "<room>/<file>", from src/'
	  if ($quoted && !$ours && $name !~ m{/} && $kind ne 'server' && $kind ne 'root') || ($ours && !$quoted);

	return pure_target($file, $name) if $kind eq 'pure' || $kind eq 'common' || $kind eq 'library';
	return '' if !$ours || $kind eq 'root';

	# server: an adapter of a context, of lightning, or src/postgres itself
	return '' if $target eq 'common' || $target eq 'postgres' || $target eq $room;
	return 'src/postgres knows no context and no node; let spark.c hand in what it needs' if $room eq 'postgres';
	return '' if $target eq 'lightning' && ($room eq 'bitcoin' || $name eq 'lightning/lightning_node.h');
	return foreign($name);
}

sub pure_target
{
	my ($file, $name) = @_;
	my $room = room($file);
	my ($target) = $name =~ m{^([^/]+)/};

	if (!exists $text{"src/$name"})
	{
		return '' if $pure_headers{$name};
		return '' if $kind{$file} eq 'library' && $name !~ /^(?:postgres|libpq|utils|executor|storage|catalog|access)/;
		return "pure code includes common/ and a few headers of libc, no <$name>; put a port between,"
		  . ' or begin the file with "postgres/server.h" if it is an adapter';
	}
	return '' if $target eq 'common';
	return 'src/common stands on nothing but itself; move what it needs there' if $room eq 'common';
	return 'pure code knows no server; put a port between, or include "postgres/server.h" first if it is an adapter'
	  if $target eq 'postgres' || ($kind{"src/$name"} eq 'server');
	return '' if $target eq $room;
	return '' if $room eq 'bitcoin' && $target eq 'lightning' && $kind{"src/$name"} eq 'pure';
	return '' if $name eq 'lightning/lightning_node.h';
	return 'a node knows no context; let the context call it through lightning_node.h' if $room eq 'lightning';
	return foreign($name);
}

sub foreign
{
	my ($name) = @_;
	my ($target) = $name =~ m{^([^/]+)/};
	return '' if $contexts{$target} && $name =~ m{/messages\.(?:h|def)$};
	return "of another context only messages.h may be included; talk to $target by a message"
	  if $contexts{$target};
	return "this room does not know $target/; put a port between";
}

# A room is one folder, but for the server's, which is large and has folders of
# files: what lay deeper would be seen by nobody here.
sub check_rooms
{
	violation($_, 1, 'lies in a folder of a room; a room has files only')
	  for sort grep { !m{^src/postgres/\w+/\w+\.[ch]$} } glob('src/*/*/* src/*/*/*/*');
}

sub check_includes
{
	for my $file (sort keys %text)
	{
		for my $include (@{ $includes{$file} })
		{
			my ($line, $name, $quoted) = @$include;
			my $words = wrong_include($file, $name, $quoted);
			violation($file, $line, "includes $name: $words") if $words;
		}
	}
}

# Code without comments and literals, lines kept.
sub bare
{
	my ($code) = @_;
	$code =~ s{(/\*.*?\*/)|("(?:\\.|[^"\\\n])*")|('(?:\\.|[^'\\\n])+')}
		{ my $lines = ($1 // $2 // $3) =~ tr/\n//; (defined $2 ? '""' : '') . "\n" x $lines }gse;
	return $code;
}

# What lies between the parenthesis at that offset and the one that closes it.
sub parenthesised
{
	my ($code, $offset) = @_;
	my $depth = 0;
	for my $position ($offset .. length($code) - 1)
	{
		my $letter = substr($code, $position, 1);
		$depth++ if $letter eq '(';
		$depth-- if $letter eq ')';
		return substr($code, $offset, $position - $offset + 1) if $depth == 0;
	}
	return substr($code, $offset);
}

sub check_errors
{
	for my $file (sort grep { /\.[ch]$/ } keys %text)
	{
		my $code = bare($text{$file});
		while ($code =~ /\b(ereport|elog)\s*(\()\s*(?:ERROR|FATAL|PANIC)\b/g)
		{
			my ($call, $offset) = ($1, $-[2]);
			my $line = 1 + (substr($code, 0, $offset) =~ tr/\n//);
			violation($file, $line, 'elog has no error code; use refuse() or ereport with errcode()')
			  if $call eq 'elog';
			violation($file, $line, 'ereport without errcode(): clients would see XX000; add one')
			  if $call eq 'ereport' && parenthesised($code, $offset) !~ /\berrcode(?:_for_\w+)?\s*\(/;
		}
	}
}

# Who is calling is asked before any argument is looked at: in the first line of
# a function's body and nowhere else, so that no order of evaluation matters.
sub check_callers
{
	for my $file (sort grep { /\.c$/ && $_ ne 'src/postgres/command.c' } keys %text)
	{
		my @lines = split /\n/, bare($text{$file});
		for my $number (grep { $lines[$_] =~ /\bcaller_required\s*\(/ } 0 .. $#lines)
		{
			violation($file, $number + 1, 'asks who is calling elsewhere than in the first line of a function:'
				. ' nobody would hear of other faults first; begin with Uuid caller = caller_required("")')
			  unless $number && $lines[$number - 1] =~ /^\{\s*$/
			  && $lines[$number] =~ /^\t(?:const )?Uuid\s+caller = caller_required\(""\);$/;
		}
	}
}

sub check_sizes
{
	for my $file (sort keys %text, glob('sql/[0-9]*.sql sql/tables/*/*.sql test/*/*.c test/*/*.h test/*/*.pl test/*/*.sql test/http/*.mjs tools/* dev Makefile'))
	{
		next unless -f $file;
		my $content = $text{$file} // do { open(my $in, '<', $file) or next; local $/; <$in> };
		my $lines = $content =~ tr/\n//;
		violation($file, $lines, "has $lines lines, over $longest_file; split it by what its parts are for")
		  if $lines > $longest_file;
		check_functions($file, $content) if $file =~ m{^src/.*\.c$};
	}
}

# By the style of the project a body begins and ends in the first column.
sub check_functions
{
	my ($file, $content) = @_;
	my ($line, $begin) = (0, 0);
	for (split /\n/, $content)
	{
		$line++;
		$begin = $line if /^\{/;
		next unless /^\}\s*$/ && $begin;
		violation($file, $begin, 'a function of ' . ($line - $begin + 1) . " lines, over $longest_function; name its steps")
		  if $line - $begin + 1 > $longest_function;
		$begin = 0;
	}
}

sub may_call
{
	my ($object, $name) = @_;
	my $also = $may_also_call{$object};
	return $name =~ $pure_calls || ($also && $name =~ $also);
}

# Pure objects call only each other and a few functions of libc, and keep
# nothing between two calls.
sub check_objects
{
	my @objects = map { s{^src/(.*)\.c$}{build/unit/src/$1.o}r }
	  grep { /\.c$/ && $kind{$_} =~ /^(?:pure|common)$/ } sort keys %text;
	my (%defined, %undefined);

	for my $object (@objects)
	{
		if (!-f $object)
		{
			violation($object, 1, 'is missing; run `make arrows`, which builds it');
			next;
		}
		for (split /\n/, `nm -f sysv '$object'`)
		{
			my ($name, undef, $class, undef, undef, undef, $section) = map { s/^\s+|\s+$//gr } split /\|/;
			next unless defined $section && $name ne '' && $name !~ /^(?:__odr_asan|\.L|asan|__asan|__ubsan)/;
			$defined{$name} = 1 if $class =~ /^[A-TV-Z]$/;
			$undefined{$object}{$name} = 1 if $class =~ /^[Uwv]$/;
			violation($object, 1, "keeps $name between calls (section $section); hand it in, or make it const")
			  if $section =~ /^\.(?:data|bss|tdata|tbss)(?!\.rel\.ro)/ || $section =~ /COM/;
		}
	}
	for my $object (sort keys %undefined)
	{
		for my $name (sort grep { !$defined{$_} && !may_call($object, $_) } keys %{ $undefined{$object} })
		{
			violation($object, 1, "calls $name(), which is neither pure code nor a pure function of libc;"
				. ' put a port between (the list of pure functions stands in tools/check_arrows.pl)');
		}
	}
	return scalar @objects;
}

check_rooms();
check_includes();
check_errors();
check_callers();
check_sizes();
my $objects = check_objects();

print "$_\n" for @violations;
if (@violations)
{
	printf "arrows: %d violations\n", scalar @violations;
	exit 1;
}
printf "arrows: ok, %d files, %d pure objects\n", scalar keys %text, $objects;
