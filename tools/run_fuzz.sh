#!/bin/bash
# run_fuzz.sh SECONDS EXECUTABLE..
#		Runs each libFuzzer target fuzz_<name> for that long on its corpus (seeds
#		in test/fuzz/corpus/<name>/, finds in build/fuzz/corpus/fuzz_<name>). What
#		breaks a target is kept in build/fuzz/ and named. Last line: N passed,
#		N failed.
set -u

seconds=$1
shift
passed=0
failed=0

for executable in "$@"; do
	name=${executable##*/}
	corpus=build/fuzz/corpus/$name
	seeds=test/fuzz/corpus/${name#fuzz_}
	mkdir -p "$corpus"
	[ -d "$seeds" ] || seeds=
	if "$executable" -max_total_time="$seconds" -timeout=10 -max_len=4096 \
		-artifact_prefix="build/fuzz/$name-" "$corpus" $seeds > "build/fuzz/$name.log" 2>&1; then
		passed=$((passed + 1))
		echo "$name: $(grep -o 'Done .*' "build/fuzz/$name.log")"
	else
		failed=$((failed + 1))
		echo "$name: failed, see build/fuzz/$name.log; run again: $executable build/fuzz/$name-crash-..."
	fi
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
