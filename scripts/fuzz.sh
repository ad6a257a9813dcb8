#!/bin/sh
# SPDX-License-Identifier: MIT
# scripts/fuzz.sh BUILD SECONDS [TARGET]: libFuzzer under ASan and UBSan, from the kept inputs on, so
# long for each target. New inputs are left in BUILD/corpus; what was found in BUILD/found, and is
# said at the end.
set -eu
cd "$(dirname "$0")/.."
build=$1 seconds=$2 only=${3-}

[ -f "$build/build.ninja" ] ||
	CC=clang CXX=clang++ meson setup "$build" -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Dwerror=false >/dev/null
targets=$(sed -n "s/^  \\['\\([a-z-]*\\)', \\[.*/\\1/p" tests/fuzz/meson.build)
[ -z "$only" ] || targets=$only
for target in $targets; do
	ninja -C "$build" "tests/fuzz/fuzz-$target" >"$build/fuzz.log" || {
		tail -n 40 "$build/fuzz.log"
		exit 1
	}
done

export ASAN_OPTIONS=detect_stack_use_after_return=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
found=0
for target in $targets; do
	mkdir -p "$build/corpus/$target" "$build/found"
	# Short inputs do little: begin with some long ones, of random bytes.
	if [ -z "$(ls "$build/corpus/$target")" ]; then
		for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
			head -c $((i * 250)) /dev/urandom >"$build/corpus/$target/random-$i"
		done
	fi
	kept=tests/fuzz/corpus/$target
	[ "$target" != machine ] || kept="$kept examples/machines tests/flow/routes/machines"
	log=$build/found/$target.log
	# shellcheck disable=SC2086
	if "$build/tests/fuzz/fuzz-$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
		-max_len=6000 -len_control=0 -entropic=0 -print_final_stats=1 -artifact_prefix="$build/found/$target-" \
		"$build/corpus/$target" $kept >"$log" 2>&1; then
		grep '^fuzz-' "$log"
	else
		found=1
		grep -E '^step|ERROR|runtime error|SUMMARY|Test unit written' "$log" || tail -n 20 "$log"
		echo "fuzz-$target: see $log"
	fi
done
exit $found
