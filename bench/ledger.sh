# ledger.sh
#		Transfers a second in the ledger alone: asked by clients, done by its
#		worker, against the same rows written by plain SQL; onto accounts spread
#		and onto one hot account.

bench_ledger() {
	local round clients hot seconds
	seconds=$(quick_or 1 3)
	bench_database ledger '{accounting}'
	for round in $(seq "$rounds"); do
		for clients in 1 4 8; do
			progress "ledger: round $round of $rounds, $clients clients"
			ledger_live "$round" "$clients" "$seconds"
		done
		for hot in false true; do
			progress "ledger: round $round of $rounds, batches"
			ledger_batches "$round" "$hot" "$(quick_or 2000 10000)"
		done
	done
}

# Clients ask, a transaction a transfer, while the worker does.
ledger_live() {
	local begin
	wait_drained ledger
	begin=$(clock ledger)
	load ledger "$2" "$3" 'SELECT bench.transfer(bench.donor(), 1 + floor(random() * 100)::int)'
	wait_drained ledger
	record ledger 'transfer asked and done' "$2" "$1" spark "$(quotient "$count" "$begin" "$drained_at")" transfers/s
	load ledger "$2" "$3" 'SELECT plain.transfer(bench.donor(), 1 + floor(random() * 100)::int)'
	record ledger 'transfer asked and done' "$2" "$1" 'same rows, plain SQL' "$rate" transfers/s
}

# All are asked at one moment: how fast does the ledger work off? The plain twin
# commits each 1,000, as the worker does.
ledger_batches() {
	local begin end what payee
	what='backlog, payees spread'
	payee='1 + i % 100'
	[ "$2" = false ] || what='backlog, one payee' payee=1
	wait_drained ledger
	backlog ledger "bench.transfer(bench.donor(), $payee)" "$3"
	wait_drained ledger
	record ledger "$what" 0 "$1" spark "$(quotient "$3" "$begin" "$drained_at")" transfers/s
	begin=$(clock ledger)
	sql ledger "CALL plain.transfers_in_batches($3, 1000, $2)" > /dev/null
	end=$(clock ledger)
	record ledger "$what" 0 "$1" 'same rows, batches of 1,000' "$(quotient "$3" "$begin" "$end")" transfers/s
}
