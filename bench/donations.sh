# donations.sh
#		Donations a second: acknowledged to the donor, and handled to the end,
#		against the same rows written by plain SQL in one transaction.

bench_donations() {
	local round clients seconds
	seconds=$(quick_or 1 3)
	bench_database quiet ''
	bench_database worked ''
	for round in $(seq "$rounds"); do
		for clients in 1 4 8; do
			progress "donations: round $round of $rounds, $clients clients"
			donations_acknowledged "$round" "$clients" "$seconds"
			donations_handled "$round" "$clients" "$seconds"
		done
	done
}

# Without a worker beside it: what the donor waits for.
donations_acknowledged() {
	load quiet "$2" "$3" 'SELECT bench.donate(bench.donor(), 1 + floor(random() * 100)::int)'
	record donations 'donation acknowledged' "$2" "$1" spark "$rate" donations/s
	load quiet "$2" "$3" 'SELECT plain.donate(bench.donor(), 1 + floor(random() * 100)::int)'
	record donations 'donation acknowledged' "$2" "$1" 'same rows, plain SQL' "$rate" donations/s
}

# From the first call to the last read model, with the worker beside the clients.
donations_handled() {
	local begin
	wait_drained worked
	begin=$(clock worked)
	load worked "$2" "$3" 'SELECT bench.donate(bench.donor(), 1 + floor(random() * 100)::int)'
	wait_drained worked
	record donations 'donation handled to the end' "$2" "$1" spark "$(quotient "$count" "$begin" "$drained_at")" donations/s
	load worked "$2" "$3" 'SELECT plain.donate_and_settle(bench.donor(), 1 + floor(random() * 100)::int)'
	record donations 'donation handled to the end' "$2" "$1" 'same rows, plain SQL' "$rate" donations/s
}
