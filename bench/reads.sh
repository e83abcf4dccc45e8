# reads.sh
#		balance() and dashboard(), reads a second, against the same query in plain
#		SQL without sign-in, by a function that the client calls alike.

bench_reads() {
	local round clients call
	[ "$(psql_quiet --no-align --tuples-only --command="SELECT count(*) FROM pg_database WHERE datname = 'quiet'")" = 1 ] ||
		bench_database quiet ''
	psql_quiet --dbname=quiet --output=/dev/null --file="$bench/reads.sql" || die 'the reads cannot be made'
	for round in $(seq "$rounds"); do
		for clients in 1 4 8; do
			progress "reads: round $round of $rounds, $clients clients"
			for call in balance dashboard; do
				load quiet "$clients" "$(quick_or 1 3)" "SELECT bench.$call(bench.donor())"
				record reads "$call()" "$clients" "$round" spark "$rate" reads/s
				load quiet "$clients" "$(quick_or 1 3)" "SELECT plain.$call(bench.donor())"
				record reads "$call()" "$clients" "$round" 'same query, plain SQL' "$rate" reads/s
			done
		done
	done
}
