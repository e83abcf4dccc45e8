# common.sh
#		What ./dev and its parts share: where things are, words to the user, and
#		servers that run as an ordinary user in a folder of their own.
#
# A server lives in one folder: data/ (its cluster), root/ (the extension as
# installed for it), socket and log beside them. It never runs as root, and
# nothing is installed into the system for it.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=$project/build/log
pg_config=${PG_CONFIG:-pg_config}

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() { warn "dev: $*"; exit 1; }
fail() { warn "dev: $*"; return 1; }

have() { command -v "$1" > /dev/null 2>&1; }

pg_bindir() { "$pg_config" --bindir; }
pg_major() { "$pg_config" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'; }

# Runs a step with its words kept in build/log/<name>.log, shown only by path.
logged() {
	local name=$1
	shift
	mkdir -p "$logs"
	if ! "$@" > "$logs/$name.log" 2>&1; then
		tail -n 15 "$logs/$name.log" >&2
		warn "dev: $name failed: see $logs/$name.log"
		return 1
	fi
}

# The user that servers run as: the caller, unless that is root.
server_user() {
	if [ "$(id -u)" != 0 ]; then
		id -un
	elif id postgres > /dev/null 2>&1; then
		echo postgres
	else
		die 'a server does not run as root and there is no user postgres: run ./dev setup, or call as an ordinary user'
	fi
}

# Runs a command as the server's user, with an environment of its own.
# EXTRA: words NAME=value, an array.
EXTRA=()
as_server() {
	local clean=(env -i "PATH=$(pg_bindir):/usr/local/bin:/usr/bin:/bin" "HOME=$folder" "TMPDIR=$folder/t"
		LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC PSQLRC=/dev/null PGUSER=postgres "PGHOST=$folder" PGDATABASE=postgres "${EXTRA[@]}")
	if [ "$(id -u)" = 0 ]; then
		local user
		user=$(server_user)
		(cd "$folder" && exec setpriv --reuid "$user" --regid "$(id -gn "$user")" --init-groups "${clean[@]}" "$@")
	else
		(cd "$folder" && exec "${clean[@]}" "$@")
	fi
}

give_to_server() {
	[ "$(id -u)" != 0 ] || chown -R "$(server_user):" "$@"
}

# A folder for one server or one run of tests; short, as the path of a socket
# has at most 107 bytes. Sets $folder.
make_folder() {
	folder=$(mktemp -d "/tmp/$1.XXXXXX") || die 'no temporary folder could be made: free some space in /tmp'
	chmod 755 "$folder"
	mkdir "$folder/t"
	give_to_server "$folder"
}

build() {
	make -C "$project" --no-print-directory -j"$(nproc)" PG_CONFIG="$pg_config" all
}

# Puts what was built into $folder/root, or where a server of our own looks for it.
install_into_folder() {
	local destination=$folder/root
	[ -z "${SPARK_INSTALLED:-}" ] || destination=
	make -C "$project" --no-print-directory PG_CONFIG="$pg_config" install "DESTDIR=$destination"
}

# The settings by which a server finds an extension outside of the system.
extension_settings() {
	if [ "$(pg_major)" -ge 18 ]; then
		say "extension_control_path = '$folder/root$("$pg_config" --sharedir):\$system'"
	elif "$(pg_bindir)/postgres" --describe-config | grep '^extension_destdir' > /dev/null; then
		say "extension_destdir = '$folder/root'"
	else
		fail 'this PostgreSQL finds extensions in its own folders only: use the one of Debian, or 18 and later, or make install and set SPARK_INSTALLED=1' || return 1
	fi
	say "dynamic_library_path = '$folder/root$("$pg_config" --pkglibdir):\$libdir'"
}

# A cluster in $folder/data that finds the extension. Standard input: its settings.
cluster_create() {
	as_server initdb --no-sync --auth=trust --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
		-D "$folder/data" > "$folder/t/initdb.log" 2>&1 || {
		cat "$folder/t/initdb.log" >&2
		fail 'initdb failed'
		return 1
	}
	[ -n "${SPARK_INSTALLED:-}" ] || extension_settings > "$folder/t/extension.conf" || return 1
	{
		say "listen_addresses = ''"
		say "unix_socket_directories = '$folder'"
		[ -n "${SPARK_INSTALLED:-}" ] || cat "$folder/t/extension.conf"
		cat
	} | as_server tee -a "$folder/data/postgresql.conf" > /dev/null
}

# The same with spark preloaded and a secret. Standard input: more settings.
server_create() {
	as_server sh -c 'umask 077; head -c 48 /dev/urandom | base64 -w 0 > jwt-secret'
	{
		say "shared_preload_libraries = 'spark'"
		say "spark.jwt_secret_file = '$folder/jwt-secret'"
		say 'max_worker_processes = 64'
		say 'log_line_prefix = '\''%m [%p] %b %q%u@%d '\'
		cat
	} | cluster_create
}

server_start() {
	as_server pg_ctl start --wait --silent -D "$folder/data" -l "$folder/log" > "$folder/t/start.log" 2>&1 || {
		cat "$folder/t/start.log" "$folder/log" >&2
		fail "the server does not start"
	}
}

# Stops every server whose data lies in that folder, by the pid in its own file,
# and every other process that left a *.pid there; then removes the folder.
remove_folder() {
	local gone=$1 file pid
	[ -d "$gone" ] || return 0
	for file in $(find "$gone" -maxdepth 8 \( -name postmaster.pid -o -name '*.process.pid' \) 2> /dev/null); do
		pid=$(head -n 1 "$file" 2> /dev/null) || continue
		[ -n "$pid" ] && kill -INT "$pid" 2> /dev/null || continue
		for _ in $(seq 100); do
			kill -0 "$pid" 2> /dev/null || break
			sleep 0.1
		done
		kill -QUIT "$pid" 2> /dev/null && sleep 1
	done
	rm -rf "$gone"
}

# descendants PID: itself, its children, and theirs.
descendants() {
	local child
	say "$1"
	for child in $(ps -o pid= --ppid "$1"); do
		descendants "$child"
	done
}

end_with_children() {
	local pid
	for pid in $(descendants "$1"); do
		kill "$pid" 2> /dev/null
	done
}

psql_quiet() { as_server psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"; }
