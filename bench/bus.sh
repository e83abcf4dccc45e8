# bus.sh
#		The dispatcher: messages a second, and the time from COMMIT to the
#		handler, with a handler that does nothing and with spark's own contexts;
#		then the bus beside other queues (peers.sh), with its goals.

. "$bench/peers.sh"

bench_bus() {
	bus_alone
	bench_peers
}

report_bus() {
	report bus
	report_peers
}

bus_alone() {
	local round
	bench_database bus ''
	psql_quiet --dbname=bus --output=/dev/null --file="$bench/bus.sql" || die 'the handlers cannot be made'
	bus_await_consumer
	for round in $(seq "$rounds"); do
		progress "bus: round $round of $rounds, a handler that does nothing"
		bus_nothing "$round" "$(quick_or 5000 20000)"
		progress "bus: round $round of $rounds, spark's own contexts"
		bus_contexts "$round" "$(quick_or 1000 5000)"
		progress "bus: round $round of $rounds, latency"
		bus_latency "$round" "$(quick_or 100 400)"
	done
	wait_drained bus
	[ "$(sql bus 'SELECT coalesce(sum(parked + dead), 0) FROM spark_ops.bus_status()')" = 0 ] || die 'messages failed'
}

# The consumer's worker starts by itself, a moment after it was subscribed.
bus_await_consumer() {
	local _
	for _ in $(seq 300); do
		[ "$(sql bus "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spark consumer'")" = 0 ] || return 0
		sleep 0.1
	done
	die 'the worker of the consumer does not start'
}

# bus_heard KEY: sets $begin and $end, the clocks of its COMMIT and its handler.
bus_heard() {
	local _ row
	for _ in $(seq 1200); do
		row=$(sql bus "SELECT extract(epoch FROM s.at), extract(epoch FROM h.at) FROM bench.sent s JOIN bench.heard h USING (key) WHERE key = '$1'")
		[ -z "$row" ] || { begin=${row%|*} end=${row#*|}; return 0; }
		sleep 0.1
	done
	die 'a message does not arrive'
}

bus_nothing() {
	local key begin end
	key=$(sql bus 'SELECT gen_random_uuid()')
	sql bus "CALL bench.emit_many($2, '$key')" > /dev/null
	bus_heard "$key"
	record bus 'handler does nothing' 0 "$1" spark "$(quotient "$2" "$begin" "$end")" messages/s
	sql bus "CALL plain.send_many($2)" > /dev/null
	begin=$(clock bus)
	sql bus 'CALL plain.work_off(1000)' > /dev/null
	end=$(clock bus)
	record bus 'handler does nothing' 0 "$1" 'SKIP LOCKED, 1,000 a commit' "$(quotient "$2" "$begin" "$end")" messages/s
}

bus_handled() {
	sql bus "SELECT sum(handled) FROM spark_ops.bus_status() WHERE consumer <> 'bench'"
}

# A backlog of donations: each asks the ledger, which answers; campaign and read
# models follow.
bus_contexts() {
	local begin end before messages
	wait_drained bus
	before=$(bus_handled)
	backlog bus 'bench.donate(bench.donor(), 1 + i % 100)' "$2"
	wait_drained bus
	messages=$(($(bus_handled) - before))
	record bus "backlog of donations, messages" 0 "$1" spark "$(quotient "$messages" "$begin" "$drained_at")" messages/s
	record bus "backlog of donations" 0 "$1" spark "$(quotient "$2" "$begin" "$drained_at")" donations/s
	sql bus "SELECT count(plain.donate(bench.donor(), 1 + i % 100)) FROM generate_series(1, $2) i" > /dev/null
	begin=$(clock bus)
	sql bus 'CALL plain.settle_in_batches(1000)' > /dev/null
	end=$(clock bus)
	record bus "backlog of donations" 0 "$1" 'same rows, 1,000 a commit' "$(quotient "$2" "$begin" "$end")" donations/s
}

# bus_percentiles WHAT ROUND AGAINST HEARD: of the times between sent and heard.
bus_percentiles() {
	local p row
	row=$(sql bus "SELECT array_to_string(percentile_cont('{0.5,0.95,0.99}'::float8[]) WITHIN GROUP
		(ORDER BY extract(epoch FROM h.at - s.at) * 1000), ' ') FROM bench.sent s JOIN $4 h USING (key)")
	for p in p50 p95 p99; do
		record bus "$1, $p" 0 "$2" "$3" "${row%% *}" ms
		row=${row#* }
	done
}

bus_forget() { sql bus 'TRUNCATE bench.sent, bench.heard'; }

bus_latency() {
	local donations='(SELECT donation_id AS key, decided_at AS at FROM spark_crowdfunding.donations WHERE decided_at IS NOT NULL)'
	local transfers='(SELECT donation_id AS key, t.created_at AS at FROM spark_crowdfunding.donations d
		JOIN spark_accounting.transfers t ON debit_account_id = donor_id AND t.idempotency_key = d.idempotency_key)'
	wait_drained bus
	bus_forget
	sql bus "CALL bench.emit_slowly($2, 0.005)" > /dev/null
	wait_drained bus
	bus_percentiles 'COMMIT to handler' "$1" spark bench.heard
	bus_forget
	bus_plain_latency "$2"
	bus_percentiles 'COMMIT to handler' "$1" 'LISTEN, SKIP LOCKED' bench.heard
	bus_forget
	sql bus "CALL bench.donate_slowly($2, 0.005)" > /dev/null
	wait_drained bus
	bus_percentiles 'donation to its transfer' "$1" spark "$transfers"
	bus_percentiles 'donation to confirmed' "$1" spark "$donations"
	bus_forget
}

# The plain queue's worker is a client of its own, beside the one that sends.
bus_plain_latency() {
	listener_start bus
	sql bus "CALL plain.send_slowly($1, 0.005)" > /dev/null
	listener_stop "$1"
}
