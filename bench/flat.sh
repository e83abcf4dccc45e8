# flat.sh
#		Whether the cost stays the same as the books grow: a campaign's donation
#		number 100 against number 100,000, and a ledger of few rows against one of
#		1,000,000. Two databases side by side, asked in turn.

bench_flat() {
	flat_donations "$(quick_or 10000 100000)"
	flat_ledger "$(quick_or 100000 1000000)"
}

# Milliseconds between two clocks.
flat_span() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", (b - a) * 1000 }'; }

# flat_backlog DATABASE CALL ROWS: all asked for at one moment, handled: sets $span.
flat_backlog() {
	local begin
	backlog "$@"
	wait_drained "$1"
	span=$(flat_span "$begin" "$drained_at")
}

# ---- donations

# flat_probe DATABASE CAMPAIGN WHAT ROUND AGAINST
flat_probe() {
	local span
	record flat "$3, acknowledged" 0 "$4" "$5" "$(sql "$1" "CALL bench.time_donations(200, $2, NULL)")" ms
	wait_drained "$1"
	flat_backlog "$1" "bench.donate(bench.donor(), $2)" 1000
	record flat "$3, backlog of 1,000 handled" 0 "$4" "$5" "$span" ms
}

flat_fill() {
	local n
	for n in $(seq 5000 5000 "$1"); do
		progress "flat: filling a campaign, $n of $1"
		sql old 'SELECT count(bench.donate(bench.donor(), 1)) FROM generate_series(1, 5000)' > /dev/null
		wait_drained old
	done
	sql old 'VACUUM ANALYZE'
}

flat_donations() {
	local round database
	for database in young old; do
		bench_database "$database" ''
		psql_quiet --dbname="$database" --file="$bench/flat.sql" || die 'flat: the probe cannot be made'
	done
	flat_fill "$1"
	for round in $(seq "$((rounds * 2 + 1))"); do
		progress "flat: donations number 100 and $1, round $round"
		# A young campaign each time, with its first hundred.
		sql young "SELECT count(bench.donate(bench.donor(), $round)) FROM generate_series(1, 100)" > /dev/null
		wait_drained young
		flat_probe young "$round" "donation number $1" "$round" 'number 100'
		flat_probe old 1 "donation number $1" "$round" spark
	done
}

# ---- the ledger

flat_ledger() {
	local round span
	bench_database ledger_young '{accounting}'
	bench_database ledger_old '{accounting}'
	progress "flat: filling a ledger with $1 rows"
	# Rows of other transfers between the same people.
	sql ledger_old "INSERT INTO spark_accounting.transfers (transfer_id, debit_account_id, credit_account_id, amount_msat,
		sequence, created_at, form, purpose, kind, idempotency_key, seal)
		SELECT gen_random_uuid(), payer.account_id, payee.account_id, 1000, i, now() - i * interval '1 second', 'direct',
			'donation', 'donation', 'filled ' || i, sha256('filled')
		FROM generate_series(1, $1) i
		JOIN bench.people payer ON payer.n = 101 + i % (SELECT count(*) - 100 FROM bench.people)
		JOIN bench.people payee ON payee.n = 1 + i % 100"
	sql ledger_old 'VACUUM ANALYZE'
	for round in $(seq "$((rounds * 2 + 1))"); do
		progress "flat: ledgers of few and of $1 rows, round $round"
		flat_backlog ledger_young 'bench.transfer(bench.donor(), 1 + i % 100)' 2000
		record flat "ledger of $1 rows, backlog of 2,000" 0 "$round" 'few rows' "$span" ms
		flat_backlog ledger_old 'bench.transfer(bench.donor(), 1 + i % 100)' 2000
		record flat "ledger of $1 rows, backlog of 2,000" 0 "$round" spark "$span" ms
	done
}
