# measure.sh
#		What the benches share: databases, load, waiting, and where figures go.

heading() { printf '\n== %s ==\n' "$*"; }

# progress WORDS: a line that the next one overwrites, on a terminal.
progress() {
	if [ -t 2 ]; then
		printf '\r\033[K%s' "$*" >&2
	else
		printf '%s\n' "$*" >&2
	fi
}

describe_machine() {
	say "$(date -u +%F), $(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2> /dev/null | head -n 1), $("$pg_config" --version), load $(cut -d' ' -f1 /proc/loadavg 2> /dev/null)"
	say "rounds: $rounds${quick:+, quick}; durable: fsync and synchronous_commit on"
}

# quick_or A B: A in a quick run, else B.
quick_or() { if [ -n "$quick" ]; then say "$1"; else say "$2"; fi; }

# sql DATABASE STATEMENT: its answer, unaligned.
sql() { psql_quiet --no-align --tuples-only --dbname="$1" --command="$2" || die "the server's log is $folder/log"; }

# record BENCH WHAT CLIENTS ROUND AGAINST FIGURE UNIT
record() {
	psql_quiet --set=bench="$1" --set=what="$2" --set=clients="$3" --set=round="$4" --set=against="$5" \
		--set=figure="$6" --set=unit="$7" <<- 'END' || die 'a figure could not be kept'
		INSERT INTO bench.result VALUES (:'bench', :'what', :clients, :round, :'against', :figure, :'unit');
	END
}

report() {
	[ ! -t 2 ] || printf '\r\033[K' >&2
	psql_quiet --pset=footer=off --command="SELECT * FROM bench.report('$1')"
}

# bench_database NAME CONTEXTS: extension, books, people, money, and the plain twin.
bench_database() {
	progress "$1: people, campaigns, money"
	psql_quiet --command="CREATE DATABASE $1" || die "no database $1"
	psql_quiet --dbname="$1" --output=/dev/null --set=contexts="$2" --set=donors="$(quick_or 100 1000)" \
		--set=secret="$(cat "$folder/jwt-secret")" --file="$bench/people.sql" >> "$logs/bench-setup.log" 2>&1 ||
		die "database $1 cannot be filled: see $logs/bench-setup.log"
	psql_quiet --dbname="$1" --output=/dev/null --file="$bench/plain.sql" >> "$logs/bench-setup.log" 2>&1 ||
		die "the plain twin of database $1 cannot be made: see $logs/bench-setup.log"
	psql_quiet --dbname="$1" --command='VACUUM ANALYZE' --command='CHECKPOINT'
}

# load DATABASE CLIENTS SECONDS STATEMENT: sets $rate, transactions a second, and $count.
load() {
	local script=$folder/t/load.sql out=$folder/t/load.out
	printf '%s;\n' "$4" > "$script"
	as_server pgbench --no-vacuum --protocol=prepared --client="$2" --jobs="$(($2 < 2 ? 1 : 2))" --time="$3" \
		--file="$script" "$1" > "$out" 2>&1 || { cat "$out" >&2; die "pgbench failed: $4"; }
	rate=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$out")
	count=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$out")
	[ -n "$rate" ] || die "pgbench says nothing: $4"
}

# clock DATABASE: seconds, by the server.
clock() { sql "$1" "SELECT extract(epoch FROM clock_timestamp())"; }

# wait_drained DATABASE: until every consumer has handled everything; sets
# $drained_at to the time of the last batch.
wait_drained() {
	sql "$1" 'CALL bench.wait_drained()' > /dev/null
	drained_at=$(sql "$1" 'SELECT extract(epoch FROM max(at)) FROM spark_common.cursor_log')
}

# backlog DATABASE CALL ROWS: makes that call for each of the rows in one
# transaction; sets $begin to the time just before its COMMIT. The worker may be
# done before a further question for the time is answered.
backlog() {
	begin=$(sql "$1" "SELECT count($2), extract(epoch FROM clock_timestamp()) FROM generate_series(1, $3) i")
	begin=${begin#*|}
}

# quotient N FROM TO: N a second between two clocks.
quotient() { awk -v n="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%.3f\n", n / (b - a > 0.001 ? b - a : 0.001) }'; }

# listener_start DATABASE: the worker of plain.queue, a client; ready on return.
listener_start() {
	local _
	[ -x "$folder/t/listener" ] ||
		cc -O2 -I"$("$pg_config" --includedir)" -o "$folder/t/listener" "$bench/listener.c" -L"$("$pg_config" --libdir)" -lpq ||
		die 'bench/listener.c does not compile: libpq-dev is needed'
	listener_database=$1
	{ as_server sh -c "echo \$\$ > t/listener.process.pid; exec t/listener dbname=$1 > t/listener.out 2>&1"; } 2> /dev/null &
	disown
	for _ in $(seq 100); do
		! grep -qs ready "$folder/t/listener.out" || break
		sleep 0.1
	done
}

# listener_stop N: as soon as so many are heard.
listener_stop() {
	local _ pid
	for _ in $(seq 100); do
		[ "$(sql "$listener_database" 'SELECT count(*) FROM bench.heard')" -lt "$1" ] || break
		sleep 0.1
	done
	pid=$(cat "$folder/t/listener.process.pid")
	kill "$pid"
	rm -f "$folder/t/listener.process.pid" "$folder/t/listener.out"
}
