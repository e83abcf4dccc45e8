#!/bin/sh
# embed_tables.sh FILE..
#		Writes build/tables.c to standard output: the files
#		sql/tables/<context>/<version>*.sql as C strings, one row a context and
#		version (src/postgres/tables.h).
set -eu

bad() { echo "embed_tables.sh: $1" >&2; exit 1; }

# context, version, file; in the order of the rows
listing=$(for file in "$@"; do
	case $file in
		sql/tables/*/[1-9]*.sql) ;;
		*) bad "$file: the name must be sql/tables/<context>/<version>[-part].sql" ;;
	esac
	context=$(basename "$(dirname "$file")")
	version=$(basename "$file" .sql | sed 's/[^0-9].*//')
	printf '%s %s %s\n' "$context" "$version" "$file"
done | LC_ALL=C sort -k1,1 -k2,2n -k3,3)

echo '/* Written by tools/embed_tables.sh from sql/tables; do not edit. */'
echo '#include "postgres/tables.h"'
echo
echo 'const EmbeddedTables embedded_tables[] = {'
# An array needs an element; the count below tells that it means nothing.
[ -n "$listing" ] || echo '	{"", 0, ""},'
printf '%s\n' "$listing" | awk '
	NF == 0 { next }
	{
		key = $1 SUBSEP $2
		if (key != last)
		{
			expected = ($1 == context) ? version + 1 : 1
			if ($2 + 0 != expected)
			{
				printf "embed_tables.sh: context %s: version %d is missing, or named twice with other zeros; add sql/tables/%s/%d.sql\n",
					$1, expected, $1, expected > "/dev/stderr"
				failed = 1
				exit 1
			}
			if (last != "")
				print "\t},"
			printf "\t{\"%s\", %d,\n", $1, $2
			last = key
			context = $1
			version = $2 + 0
		}
		while ((getline line < $3) > 0)
		{
			gsub(/\\/, "\\\\", line)
			gsub(/"/, "\\\"", line)
			gsub(/\t/, "\\t", line)
			gsub(/\?/, "\\?", line)
			print "\t\t\"" line "\\n\""
		}
		close($3)
	}
	END { if (!failed && last != "") print "\t}," }'
echo '};'
echo
echo "const int embedded_table_count = $(printf '%s\n' "$listing" | awk 'NF {print $1, $2}' | sort -u | wc -l);"
