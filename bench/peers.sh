# peers.sh
#		The bus against other queues on the same server, in turn: a bare table with
#		SKIP LOCKED, PgQ, graphile-worker, pg-boss. What cannot be had is left out.
#
# CPU is the processor time of the server's processes and of the client, a
# message; WAL what the server wrote. bench/README.md says what each figure is.

peers_folder=$bench/peers

# Debian's package of PgQ, unpacked into the folder of this server.
peers_install_pgq() {
	local kept=$project/build/peers
	mkdir -p "$kept"
	have apt-get && have dpkg-deb || return 1
	[ -n "$(ls "$kept"/postgresql-*-pgq3_*.deb 2> /dev/null)" ] ||
		(cd "$kept" && apt-get -qq download "postgresql-$(pg_major)-pgq3") >> "$logs/bench-peers.log" 2>&1 || return 1
	dpkg-deb -x "$(ls "$kept"/postgresql-*-pgq3_*.deb | tail -n 1)" "$folder/root" >> "$logs/bench-peers.log" 2>&1
}

# Node of 22.18 or later: that of the system, or the one that came from npm.
peers_find_node() {
	local found
	for found in "$(command -v node)" "$peers_folder"/node_modules/node-linux-*/bin/node; do
		[ -x "$found" ] && "$found" -e 'const [a, b] = process.versions.node.split(".").map(Number);
			process.exit(a > 22 || (a === 22 && b >= 18) ? 0 : 1)' 2> /dev/null && node=$found && return 0
	done
	return 1
}

peers_install_npm() {
	have npm || return 1
	if [ ! -e "$peers_folder/node_modules/.package-lock.json" ] ||
		[ "$peers_folder/package-lock.json" -nt "$peers_folder/node_modules/.package-lock.json" ]; then
		npm ci --prefix "$peers_folder" --ignore-scripts --no-audit --no-fund >> "$logs/bench-peers.log" 2>&1 || return 1
	fi
	peers_find_node
}

# peers_ask WORDS: a command to the process of Node; sets $answer.
peers_ask() {
	printf '%s\n' "$*" >&"${peers_node[1]}"
	peers_answer "$*"
}

peers_answer() {
	local state=
	answer=
	read -r -t 600 -u "${peers_node[0]}" state answer
	[ "$state" = ok ] || die "$1: ${answer:-no answer}: see $logs/bench-peers.log"
}

peers_start_node() {
	local copy=$folder/peers
	# The server's user may not be allowed to look into this folder.
	mkdir "$copy" && cp -r "$peers_folder/peers.js" "$peers_folder/package.json" "$peers_folder/node_modules" "$copy" && cp "$node" "$copy/node" || return 1
	EXTRA=(PGDATABASE=peers)
	coproc peers_node { as_server sh -c 'echo $$ > t/node.process.pid; exec peers/node peers/peers.js' 2>> "$logs/bench-peers.log"; }
	EXTRA=()
	peers_ask setup
	peers_run "$peers_folder/node.sql"
}

peers_run() { psql_quiet --dbname=peers --output=/dev/null --file="$1" >> "$logs/bench-peers.log" 2>&1 || die "$1 fails: see $logs/bench-peers.log"; }

peers_setup() {
	: > "$logs/bench-peers.log"
	progress 'peers: what is compared is installed'
	psql_quiet --command='CREATE DATABASE peers' --command='CREATE DATABASE elsewhere'
	psql_quiet --command='ALTER SYSTEM SET autovacuum = off' --command='SELECT pg_reload_conf()' --output=/dev/null
	peers_run "$bench/peers.sql"
	systems='spark bare'
	if peers_install_pgq && psql_quiet --dbname=peers --output=/dev/null --file="$peers_folder/pgq.sql" >> "$logs/bench-peers.log" 2>&1; then
		systems="$systems PgQ"
	else
		say "PgQ is left out: the package postgresql-$(pg_major)-pgq3 cannot be had (build/log/bench-peers.log)"
	fi
	if peers_install_npm && peers_start_node; then
		systems="$systems graphile-worker pg-boss"
	else
		say 'graphile-worker and pg-boss are left out: npm, or a Node of 22.18, cannot be had (build/log/bench-peers.log)'
	fi
	say "compared: $systems"
	peers_await_consumer
	for system in $systems; do
		peers_drain "$system" nothing 200
		peers_drain "$system" book 200
	done
}

peers_await_consumer() {
	for _ in $(seq 600); do
		[ "$(sql peers "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spark consumer'")" = 0 ] || return 0
		sleep 0.1
	done
	die 'the worker of the consumer does not start'
}

# Dead rows, and what the drains left: away, so that all begin alike.
peers_tidy() { sql peers 'VACUUM' > /dev/null; }

# ---- draining

# Statements of one session, in the form that the schema of a system asks for.
peers_schema() {
	case $1 in
		bare) say bare ;;
		PgQ) say pgq_bench ;;
		graphile-worker) say graphile_bench ;;
		pg-boss) say boss_bench ;;
	esac
}

# peers_drain SYSTEM WHAT N [BACKLOG]: sets $seconds $cpu $wal $filled, all a message
# but the first. With BACKLOG so many are there, and N of them are worked off.
peers_drain() {
	local total=${4:-$3} client=0 row schema
	schema=$(peers_schema "$1")
	case $1 in
		spark)
			psql_quiet --dbname=peers --output=/dev/null <<- END || die 'spark does not drain'
				SELECT spark_ops.pause_consumer('bench', 'the backlog is to be there first');
				SELECT bench.mark('fill', false);
				CALL bench.spark_fill('$2', $total);
				BEGIN;
				SELECT spark_ops.resume_consumer('bench', 'it is there');
				SELECT bench.mark('begin', false);
				COMMIT;
				CALL bench.spark_drain();
			END
			;;
		bare | PgQ)
			psql_quiet --dbname=peers --output=/dev/null <<- END || die "$1 does not drain"
				SELECT bench.mark('fill', true);
				CALL $schema.fill('$2', $total);
				${4:+VACUUM ANALYZE;}
				SELECT bench.mark('begin', true);
				CALL $schema.drain($3);
				SELECT bench.mark('end', true);
			END
			;;
		*)
			psql_quiet --dbname=peers --output=/dev/null <<- END || die "$1 cannot be filled"
				SELECT bench.mark('fill', true);
				CALL $schema.fill('$2', $total);
				${4:+VACUUM ANALYZE;}
			END
			peers_ask drain "$1" "$2" "$3"
			client=$answer
			;;
	esac
	row=$(sql peers 'SELECT seconds, cpu, wal, filled FROM bench.between()')
	IFS='|' read -r seconds cpu wal filled <<< "$row"
	[ -n "$filled" ] || die "$1: a mark is missing"
	# All that was filled is worked off by spark.
	[ "$1" != spark ] || set -- "$1" "$2" "$total"
	cpu=$(awk -v c="$cpu" -v d="$client" -v n="$3" 'BEGIN { printf "%.3f", (c + d) / n }')
	wal=$(awk -v w="$wal" -v n="$3" 'BEGIN { printf "%.1f", w / n }')
	filled=$(awk -v w="$filled" -v n="$total" 'BEGIN { printf "%.1f", w / n }')
	rate=$(awk -v s="$seconds" -v n="$3" 'BEGIN { printf "%.1f", n / s }')
}

peers_record() { record peers "$1" 0 "$round" "$2" "$3" "$4"; }

# peers_alone WHAT NAME: the handler without a queue.
peers_alone() {
	peers_tidy
	psql_quiet --dbname=peers --output=/dev/null <<- END
		CALL bench.$1_alone(200);
		SELECT bench.mark('fill', true);
		SELECT bench.mark('begin', true);
		CALL bench.$1_alone($messages);
		SELECT bench.mark('end', true);
	END
	peers_record "$2" 'no queue' "$(sql peers "SELECT cpu / $messages FROM bench.between()")" CPU
}

peers_drains() {
	local system before
	for system in $systems; do
		progress "peers: round $round of $rounds, $system: a handler that does nothing"
		peers_tidy
		peers_drain "$system" nothing "$messages"
		peers_record 'b dispatch, no-op' "$system" "$rate" /s
		peers_record 'b dispatch, no-op' "$system" "$cpu" CPU
		peers_record 'b dispatch, no-op' "$system" "$wal" WAL
		peers_record 'end to end, no-op' "$system" "$(awk -v a="$filled" -v b="$wal" 'BEGIN { print a + b }')" WAL
		progress "peers: round $round of $rounds, $system: an UPDATE a message, once"
		peers_tidy
		before=$(sql peers 'SELECT sum(balance) FROM bench.account')
		peers_drain "$system" book "$messages"
		peers_record 'c UPDATE once' "$system" "$rate" /s
		peers_record 'c UPDATE once' "$system" "$cpu" CPU
		peers_record 'c UPDATE once' "$system" "$wal" WAL
		[ "$(sql peers 'SELECT sum(balance) FROM bench.account')" = "$((before + messages))" ] || die "$system: not every message took effect once"
	done
	peers_alone nothing 'b dispatch, no-op'
	peers_alone book 'c UPDATE once'
	# The same columns with a uuid key, only inserted.
	psql_quiet --dbname=peers --output=/dev/null <<- END
		SELECT bench.mark('fill', true);
		CALL bare.log_fill($messages);
		SELECT bench.mark('begin', true);
		SELECT bench.mark('end', true);
	END
	peers_record 'end to end, no-op' 'bare INSERT' "$(sql peers "SELECT filled / $messages FROM bench.between()")" WAL
}

# ---- enqueue

peers_statement() {
	case $1 in
		spark) say "SELECT spark_bus.emit('bench.nothing', gen_random_uuid(), bench.payload(:n))" ;;
		bare) say "INSERT INTO bare.log (seq, xid, id, aggregatetype, aggregateid, type, payload, schemaversion, correlationid, depth, created_at)
			VALUES (nextval('bare.log_seq'), pg_current_xact_id(), gen_random_uuid(), 'bench', gen_random_uuid(),
				'bench.nothing', bench.payload(:n), 1, gen_random_uuid(), 0, clock_timestamp())" ;;
		PgQ) say "SELECT pgq.insert_event('bench', 'nothing', bench.payload(:n)::text)" ;;
		graphile-worker) say "SELECT id FROM graphile_worker.add_job('nothing', bench.payload(:n)::json)" ;;
		pg-boss) say "INSERT INTO pgboss.job (name, data) VALUES ('nothing', bench.payload(:n))" ;;
	esac | tr '\n\t' '  '
	say ';'
}

# The time of children that have ended, in microseconds: pgbench's sessions are
# the only ones that end. Workers rest.
peers_ended() {
	awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.0f", ($14 + $15) * 1000000 / tick }' \
		"/proc/$(head -n 1 "$folder/data/postmaster.pid")/stat"
}

# peers_pgbench SYSTEM LENGTH: four sessions of pgbench; sets $spent (CPU of both
# sides, in microseconds), $count and $rate.
peers_pgbench() {
	local out=$folder/t/enqueue.out begin TIMEFORMAT='%U %S'
	begin=$(peers_ended)
	spent=$({ time as_server pgbench --no-vacuum --protocol=prepared --client=4 --jobs=1 "$2" \
		--file="$folder/t/enqueue.$1.sql" peers > "$out" 2>&1; } 2>&1) || { cat "$out" >&2; die "pgbench fails for $1"; }
	sleep 0.3
	rate=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$out")
	count=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$out")
	spent=$(awk -v a="$begin" -v b="$(peers_ended)" -v c="$spent" \
		'BEGIN { split(c, t, " "); printf "%.0f", b - a + (t[1] + t[2]) * 1000000 }')
}

# What sessions cost before their second transaction is taken off: nobody
# connects for one message.
peers_enqueue_slice() {
	local first first_count wal_begin wal
	peers_tidy
	peers_pgbench "$1" --transactions=1
	first=$spent first_count=$count
	wal_begin=$(sql peers 'SELECT pg_current_wal_insert_lsn()')
	peers_pgbench "$1" --time="$(quick_or 3 5)"
	wal=$(sql peers "SELECT round((pg_current_wal_insert_lsn() - '$wal_begin'::pg_lsn) / $count, 1)")
	peers_record 'a enqueue in a transaction' "$1" "$rate" /s
	peers_record 'a enqueue in a transaction' "$1" \
		"$(awk -v a="$first" -v b="$spent" -v m="$first_count" -v n="$count" 'BEGIN { printf "%.2f", (b - a) / (n - m) }')" CPU
	peers_record 'a enqueue in a transaction' "$1" "$wal" WAL
}

# In slices, each system in turn, for the load of the machine changes: each pair is a round of its own.
peers_enqueue() {
	local system slice whole=$round
	for system in $systems; do
		printf '%s\n' '\set id random(1, 1000)' '\set n random(1, 1000000)' 'BEGIN;' \
			'UPDATE bench.account SET balance = balance + 1 WHERE id = :id;' "$(peers_statement "$system")" 'COMMIT;' \
			> "$folder/t/enqueue.$system.sql"
	done
	for slice in $(seq "$(quick_or 3 5)"); do
		round=$((whole * 100 + slice))
		for system in $systems; do
			progress "peers: round $whole of $rounds, $system: enqueue in a transaction, slice $slice"
			peers_enqueue_slice "$system"
		done
	done
	round=$whole
}

# The workers of spark rest while only enqueueing is measured; what the others
# have got is taken away.
peers_enqueue_alone() {
	local _
	psql_quiet --command="ALTER SYSTEM SET spark.databases = ''" --command='SELECT pg_reload_conf()' --output=/dev/null
	for _ in $(seq 600); do
		[ "$(sql postgres "SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^spark' AND datname = 'peers'")" != 0 ] || break
		sleep 0.1
	done
	peers_enqueue
	psql_quiet --command='ALTER SYSTEM RESET spark.databases' --command='SELECT pg_reload_conf()' --output=/dev/null
	peers_await_consumer
	peers_empty
	sql peers 'CALL bench.spark_drain()' > /dev/null
	sql peers 'TRUNCATE bench.mark' > /dev/null
}

peers_empty() {
	sql peers 'TRUNCATE bare.queue, bare.log'
	[[ $systems != *PgQ* ]] || {
		sql peers "SELECT pgq.force_tick('bench')" > /dev/null
		sql peers "SELECT pgq.ticker('bench')" > /dev/null
		sql peers 'CALL pgq_bench.drain(100000000)' > /dev/null
	}
	[[ $systems != *pg-boss* ]] || sql peers 'TRUNCATE graphile_worker._private_jobs; DELETE FROM pgboss.job; TRUNCATE graphile_bench.inbox'
}

# ---- latency

# peers_latency SYSTEM N: sets $p50 and $p99, in ms; 200 messages a second.
peers_latency() {
	local row statement
	sql peers 'TRUNCATE bench.sent, bench.heard' > /dev/null
	case $1 in
		spark) statement="SELECT spark_bus.emit(''bench.heard'', \$1, ''{}'')" ;;
		bare)
			listener_start peers
			statement='SELECT plain.send($1)'
			;;
		graphile-worker) statement="SELECT graphile_worker.add_job(''heard'', json_build_object(''key'', \$1))" ;;
		# Its fan-out asks for NOTIFY after the INSERT.
		pg-boss) statement="WITH new AS (INSERT INTO pgboss.job (name, data) VALUES (''heard'', jsonb_build_object(''key'', \$1)))
			SELECT pg_notify(''pgboss_'' || left(encode(sha224(''pgboss''::bytea), ''hex''), 24), ''heard'')" ;;
	esac
	[ -z "$(peers_is_node "$1")" ] || peers_ask listen "$1" "$2"
	sql peers "CALL bench.send_evenly('$statement', $2)" > /dev/null
	case $1 in
		spark) sql peers 'CALL bench.spark_drain()' > /dev/null ;;
		bare) listener_stop "$2" ;;
		*) peers_answer "listen $1" ;;
	esac
	row=$(sql peers "SELECT count(*), extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY h.at - s.at)) * 1000,
			extract(epoch FROM percentile_cont(0.99) WITHIN GROUP (ORDER BY h.at - s.at)) * 1000,
			extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY s.committed - s.at)) * 1000,
			extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY h.at - s.committed)) * 1000
		FROM bench.sent s JOIN bench.heard h USING (key)")
	IFS='|' read -r count p50 p99 commit after <<< "$row"
	[ "$count" = "$2" ] || die "$1: $count of $2 messages were heard"
	sql peers 'TRUNCATE bench.mark' > /dev/null
}

peers_is_node() { case $1 in graphile-worker | pg-boss) say yes ;; esac; }

peers_latencies() {
	local system
	for system in $systems; do
		# PgQ's is the period of its ticker.
		[ "$system" != PgQ ] || continue
		progress "peers: round $round of $rounds, $system: latency"
		peers_latency "$system" "$(quick_or 400 2000)"
		peers_record 'd emit to handler, p50' "$system" "$p50" ms
		peers_record 'd emit to handler, p99' "$system" "$p99" ms
		peers_record 'd of it the COMMIT, p50' "$system" "$commit" ms
		peers_record 'd of it behind the COMMIT, p50' "$system" "$after" ms
	done
}

# ---- what others do meanwhile

# peers_hold NAME DATABASE STATEMENT: a session that stays in a transaction.
peers_hold() {
	EXTRA=("PGAPPNAME=$1")
	as_server psql --no-psqlrc --quiet --dbname="$2" --output=/dev/null --command="$3; SELECT pg_sleep(3600)" > /dev/null 2>&1 &
	disown
	EXTRA=()
	for _ in $(seq 100); do
		[ "$(sql postgres "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$1' AND wait_event = 'PgSleep'")" = 0 ] || return 0
		sleep 0.1
	done
	die "the session that holds $1 does not come"
}

peers_release() {
	sql postgres "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = '$1'" > /dev/null
}

# Six waves under one snapshot: the last against the first.
peers_held() {
	local wave system
	peers_tidy
	peers_hold snapshot peers 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM bench.account'
	for wave in 1 2 3 4 5 6; do
		for system in $systems; do
			progress "peers: held snapshot, wave $wave of 6, $system"
			peers_drain "$system" nothing "$(quick_or 1500 20000)"
			[ "$wave" != 1 ] || peers_record 'e snapshot held, first sixth' "$system" "$cpu" CPU
			[ "$wave" != 6 ] || peers_record 'e snapshot held, last sixth' "$system" "$cpu" CPU
		done
	done
	peers_release snapshot
}

# The memory of its own that the worker of the consumer has, in MB; it gives back none in between.
peers_worker_memory() {
	awk '/^RssAnon/ { printf "%.2f", $2 / 1024 }' \
		"/proc/$(sql peers "SELECT pid FROM pg_stat_activity WHERE backend_type = 'spark consumer'")/status"
}

peers_backlog() {
	local system most
	most=$(quick_or 50000 1000000)
	peers_drain spark nothing 20000
	peers_record 'e backlog: none' spark "$(peers_worker_memory)" MB
	for system in $systems; do
		progress "peers: $system: a backlog of $most"
		peers_empty
		peers_tidy
		peers_drain "$system" nothing "$messages"
		peers_record 'e backlog: none' "$system" "$rate" /s
		peers_record 'e backlog: none' "$system" "$cpu" CPU
		peers_drain "$system" nothing "$messages" "$most"
		peers_record 'e backlog: long' "$system" "$rate" /s
		peers_record 'e backlog: long' "$system" "$cpu" CPU
		[ "$system" != spark ] || peers_record 'e backlog: long' spark "$(peers_worker_memory)" MB
		peers_empty
	done
}

# ---- a day

# B13: as many messages as fill the log many times over, in twelve waves; the
# log goes round meanwhile. Vacuum comes after each wave, as it would each minute.
peers_day() {
	local wave row name figure
	psql_quiet --output=/dev/null --command="ALTER SYSTEM SET spark.segment_size = '$(quick_or 512kB 16MB)'" \
		--command='ALTER SYSTEM SET spark.segment_retention = 1' --command='SELECT pg_reload_conf()'
	for wave in $(seq 12); do
		progress "peers: a day, wave $wave of 12"
		peers_drain spark nothing "$(quick_or 5000 100000)"
		sql peers 'VACUUM' > /dev/null
		row=$(sql peers "SELECT string_agg(of || '=' || bytes, ' ') FROM bench.sizes()")
		for figure in $row; do
			name=${figure%=*}
			[ "$wave" != 6 ] || peers_record "g day, half: $name" spark "${figure#*=}" bytes
			[ "$wave" != 12 ] || peers_record "g day, whole: $name" spark "${figure#*=}" bytes
		done
	done
	psql_quiet --output=/dev/null --command='ALTER SYSTEM RESET spark.segment_size' \
		--command='ALTER SYSTEM RESET spark.segment_retention' --command='SELECT pg_reload_conf()'
}

peers_writer() {
	local n
	n=$(quick_or 400 2000)
	peers_latency spark "$n"
	peers_record 'f no writer elsewhere, p50' spark "$p50" ms
	peers_record 'f no writer elsewhere, p99' spark "$p99" ms
	peers_hold writer elsewhere 'CREATE TABLE IF NOT EXISTS t (i int); BEGIN; INSERT INTO t VALUES (1)'
	peers_latency spark "$n"
	peers_release writer
	peers_record 'f writer held elsewhere, p50' spark "$p50" ms
	peers_record 'f writer held elsewhere, p99' spark "$p99" ms
}

bench_peers() {
	local round systems node messages peers_node=() peers_node_PID seconds cpu wal filled rate count spent answer p50 p99 commit after
	messages=$(quick_or 20000 40000)
	peers_setup
	for round in $(seq "$rounds"); do
		peers_enqueue_alone
		peers_drains
		peers_empty
		peers_latencies
		progress "peers: round $round of $rounds, a writer held in another database"
		peers_writer
	done
	round=1
	peers_held
	peers_backlog
	peers_day
	psql_quiet --command='ALTER SYSTEM RESET autovacuum' --command='SELECT pg_reload_conf()' --output=/dev/null
}

report_peers() {
	[ ! -t 2 ] || printf '\r\033[K' >&2
	psql_quiet --pset=footer=off --pset=null=- --file="$peers_folder/report.sql"
}
