#!/bin/bash
# run_unit.sh EXECUTABLE..
#		Runs cmocka executables; prints a line for each and, of a failed one,
#		all it said. Last line: N passed, N failed.
set -u

export CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}
passed=0
failed=0

for executable in "$@"; do
	output=$("$executable" 2>&1)
	status=$?
	good=$(grep -c '^ok ' <<< "$output")
	bad=$(grep -c '^not ok ' <<< "$output")
	# A crash, a sanitizer's report or no test at all counts as one failure.
	if [ "$bad" = 0 ] && { [ $status != 0 ] || [ "$good" = 0 ]; }; then
		bad=1
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
	if [ "$bad" != 0 ]; then
		echo "${executable##*/}: $good passed, $bad failed (exit status $status)"
		grep -v '^ok ' <<< "$output" | sed 's/^/    /'
	else
		echo "${executable##*/}: $good passed"
	fi
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
