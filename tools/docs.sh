# docs.sh
#		The documents, held against the code: ./dev docs makes what is generated
#		anew, the suite docs of ./dev test checks.
#
# The server is set up by what README.md says and nothing else, but for the
# places that a reader has to choose (tools/run_docs.pl).

. "$project/tools/postgrest.sh"

# The lines of the first block of README.md with that info string.
readme_block() {
	sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$project/README.md" | sed '1d; /^```$/,$d' |
		sed "s#/var/lib/postgresql/#$folder/#g; s#^sudo -u postgres ##"
}

# A server in a folder within $folder, whose extension it shares.
docs_server() {
	local outer=$folder secret
	folder=$outer/docs
	mkdir -p "$folder/t" "$folder/source/docs"
	ln -s "$outer/root" "$folder/root"
	cp "$project"/*.md "$folder/source/"
	cp "$project/tools/run_docs.pl" "$project/tools/reference.sql" "$folder/source/"
	[ ! -d "$project/docs" ] || cp -r "$project/docs" "$folder/source/"
	give_to_server "$folder"
	secret=$(readme_block 'sh secret')
	as_server bash -c "$secret" || return 1
	readme_block 'ini postgresql.conf' | cluster_create && server_start
}

# The documents that hold something to run: README.md first, it makes the database.
docs_to_run() {
	echo README.md
	(cd "$project" && grep -lE '^```(sql|sh run)( await)?$' docs/*.md docs/*/*.md 2> /dev/null)
}

# docs_run [--write]: TAP on standard output.
docs_run() {
	local port='' binary='' status
	if [ -f "$postgrest_binary" ] && have curl; then
		port=$(free_ports 1)
		binary=$folder/postgrest
		cp "$postgrest_binary" "$binary"
		chmod 755 "$binary"
	fi
	EXTRA=("SPARK_PORT=$port" "POSTGREST=$binary")
	# shellcheck disable=SC2046
	as_server perl "$folder/source/run_docs.pl" "$@" "$folder/source" $(docs_to_run)
	status=$?
	EXTRA=()
	return $status
}

docs_catalog() {
	psql_quiet --dbname=app --file="$folder/source/reference.sql" > "$folder/t/catalog.json"
}

# ./dev docs: outputs in the documents and the reference, made anew.
docs_write() {
	local document
	setup || die 'something is missing (see above)'
	make_folder spark-docs
	docs_folder=$folder
	trap 'remove_folder "$docs_folder"' EXIT
	logged build build && logged install install_into_folder && docs_server || die 'the server for the documents could not be made'
	docs_run --write > "$logs/docs.log" || warn "dev: some blocks did not run: see $logs/docs.log"
	for document in $(docs_to_run); do
		cmp -s "$folder/source/$document" "$project/$document" || { cat "$folder/source/$document" > "$project/$document"; say "wrote $document"; }
	done
	docs_catalog && "$project/tools/reference.pl" --write "$project" < "$folder/t/catalog.json" && say 'wrote docs/reference/'
}
