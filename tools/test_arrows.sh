#!/bin/bash
# test_arrows.sh
#		Proves that tools/check_arrows.pl can fail: plants one violation after
#		the other in a copy of a small house and looks for the words about it.
#		Last line: N passed, N failed.
set -u

check=$(realpath "$(dirname "$0")/check_arrows.pl")
house=$(mktemp -d)
trap 'rm -rf "$house"' EXIT
passed=0
failed=0

# A house in order: a file of each kind.
build_house() {
	rm -rf "${house:?}"/*
	mkdir -p "$house"/src/{common,auth,crowdfunding,lightning,postgres} "$house"/sql
	cd "$house" || exit 1
	echo '#include "postgres/server.h"' > src/spark.c
	echo '#include "crowdfunding/handlers.h"' >> src/spark.c
	echo '#include "postgres.h"' > src/postgres/server.h
	echo '#include "common/result.h"' > src/postgres/errors.c
	echo '#include <stdbool.h>' > src/common/result.h
	printf '#include "common/result.h"\nint result(void);\nint\nresult(void)\n{\n\treturn 1;\n}\n' > src/common/result.c
	echo '#include "common/result.h"' > src/auth/messages.h
	echo '#include "common/result.h"' > src/auth/account.h
	echo '#include "auth/messages.h"' > src/crowdfunding/handlers.h
	printf '#include "crowdfunding/handlers.h"\nint result(void);\nint handle(void);\nint\nhandle(void)\n{\n\treturn result();\n}\n' > src/crowdfunding/handlers.c
	echo '#include "common/result.h"' > src/crowdfunding/campaign.c
	echo '#include "postgres/server.h"' > src/crowdfunding/postgres.h
	printf '#include "postgres/server.h"\n#include "crowdfunding/handlers.h"\n#include "auth/messages.h"\n' > src/crowdfunding/postgres.c
	echo '#include "common/result.h"' > src/lightning/lightning_node.h
	printf '#include "lightning/lightning_node.h"\n#include <curl/curl.h>\n' > src/lightning/http.c
}

compile_house() {
	local file object
	for file in src/common/*.c src/crowdfunding/{handlers,campaign}*.c; do
		object=build/unit/$(dirname "$file")/$(basename "$file" .c).o
		mkdir -p "$(dirname "$object")"
		cc -std=c11 -Isrc -w -c -o "$object" "$file" || echo 'int nothing;' | cc -x c -c -o "$object" -
	done
}

# expect NAME WORDS: the check fails now, and says those words.
expect() {
	local output status
	compile_house 2> /dev/null
	output=$("$check" "$house")
	status=$?
	if [ $status = 1 ] && grep -q -- "$2" <<< "$output"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$1: exit status $status, expected words: $2"
		sed 's/^/    /' <<< "$output"
	fi
	build_house
}

build_house
compile_house
if output=$("$check" "$house"); then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "a house in order is refused: $output"
fi

# The more exotic plants need no file behind the include: the name is enough.
plant() {
	printf '%s\n' "$2" >> "$1"
}

plant src/postgres/errors.c '#include "postgres.h"'
expect 'postgres.h outside of server.h' 'only src/postgres/server.h may include postgres.h'
plant src/crowdfunding/handlers.c '#include "postgres/server.h"'
expect 'a handler that knows the server' 'pure code knows no server'
plant src/crowdfunding/campaign.c '#include "postgres/server.h"'
expect 'an aggregate that knows the server' 'pure code knows no server'
plant src/crowdfunding/campaign.c '#include "crowdfunding/postgres.h"'
expect 'a rule that knows its adapter' 'pure code knows no server'
plant src/crowdfunding/campaign.c '#include "utils/builtins.h"'
expect 'a rule that includes a header of the server' 'no <utils/builtins.h>'
plant src/crowdfunding/campaign.c '#include <time.h>'
expect 'a rule with a clock' 'no <time.h>'
plant src/crowdfunding/campaign.c '#include "auth/account.h"'
expect 'a rule that knows another context' 'only messages.h may be included'
plant src/crowdfunding/postgres.c '#include "auth/account.h"'
expect 'an adapter that knows another context' 'only messages.h may be included'
plant src/crowdfunding/postgres.c '#include <curl/curl.h>'
expect 'libcurl outside of lightning' 'belong to adapters in src/lightning'
plant src/lightning/lnd.c '#include <curl/curl.h>'
expect 'libcurl outside of its files' 'known by src/lightning/http'
plant src/crowdfunding/postgres.c '#include <sodium.h>'
expect 'libsodium outside of auth' 'belong to adapters in src/auth'
plant src/crowdfunding/campaign.c '#include "lightning/http.c"'
expect 'a context that knows a node' 'does not know lightning'
plant src/lightning/http.c '#include "auth/messages.h"'
expect 'a node that knows a context' 'a node knows no context'
plant src/common/result.c '#include "auth/messages.h"'
expect 'common that knows a context' 'stands on nothing but itself'
plant src/common/result.c '#include "postgres/server.h"'
expect 'common that knows the server' 'stands on nothing but itself'
plant src/postgres/errors.c '#include "crowdfunding/handlers.h"'
expect 'the server room that knows a context' 'src/postgres knows no context'
plant src/crowdfunding/campaign.c '#include "handlers.h"'
expect 'an include without its room' 'included as "<room>/<file>"'
plant src/crowdfunding/postgres.c '#include "../auth/account.h"'
expect 'another context by a way around' 'hides whose file it is'
plant src/crowdfunding/postgres.c '#include "crowdfunding/./../auth/account.h"'
expect 'another context by a longer way around' 'hides whose file it is'
plant src/crowdfunding/postgres.c '#include ACCOUNT_HEADER'
expect 'an include through a macro' 'through a macro'
mkdir src/crowdfunding/inner
echo '#include "auth/account.h"' > src/crowdfunding/inner/rules.h
expect 'a folder in a room' 'a room has files only'
sed -i '1i #include "postgres/server.h"' src/crowdfunding/campaign.c
echo 'int campaign(void); int also(void); int also(void) { return campaign(); }' >> src/crowdfunding/handlers.c
expect 'an aggregate that calls itself an adapter' 'calls campaign()'
plant src/crowdfunding/campaign.c 'long time(long *); long now(void) { return time(0); }'
expect 'a call of the clock' 'calls time()'
plant src/crowdfunding/campaign.c 'void SPI_finish(void); void leave(void) { SPI_finish(); }'
expect 'a call of the server' 'calls SPI_finish()'
plant src/crowdfunding/campaign.c 'static int calls; int count(void) { return ++calls; }'
expect 'a static' 'keeps calls between calls'
plant src/postgres/errors.c 'void f(void) { ereport(ERROR, (errmsg("errcode(0)"))); }'
expect 'an error without code' 'ereport without errcode'
plant src/postgres/errors.c 'void f(void) { elog(ERROR, "no"); }'
expect 'elog' 'elog has no error code'
plant src/crowdfunding/postgres.c 'Donate command = {.donor_id = caller_required("crowdfunding"), .amount = arg_sat(0)};'
expect 'a caller asked for among the arguments' 'asks who is calling elsewhere'
printf '{\n\tint first = arg();\n\tUuid caller = caller_required("crowdfunding");\n}\n' >> src/crowdfunding/postgres.c
expect 'a caller asked for second' 'asks who is calling elsewhere'
{ printf 'int\nlong_one(void)\n{\n'; yes '	;' | head -70; printf '}\n'; } >> src/crowdfunding/campaign.c
expect 'a long function' 'a function of 72 lines'
yes 'SELECT 1;' | head -701 > sql/20_long.sql
expect 'a long file' 'over 700'
cp src/crowdfunding/campaign.c src/crowdfunding/added.c
rm -rf build/unit/src/crowdfunding
mkdir -p build/unit/src/crowdfunding
compile_house() { :; }
expect 'an object that was not built' 'is missing; run `make arrows`'

echo "$passed passed, $failed failed"
[ $failed = 0 ]
