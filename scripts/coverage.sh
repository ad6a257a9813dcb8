#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts/coverage.sh BUILD: runs the unit tests, tests/uapi and the flow tests on a build that counts,
# and prints how many lines of src/ and models/ were run, by folder. A line of a header counts once,
# wherever it was compiled. What never ran is in BUILD/uncovered, with its text; and what did, but never
# in both directions, in BUILD/branches. Ends with 1 below 90 %.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
build=$1
goal=90

[ -f "$build/build.ninja" ] ||
	meson setup "$build" -Db_coverage=true -Doptimization=1 -Dc_args=-fprofile-update=atomic >"$build.log" 2>&1
ninja -C "$build" >"$build.log" 2>&1 || {
	tail -n 20 "$build.log"
	exit 1
}
rm -f "$build.log"
find "$build" -name '*.gcda' -delete
meson test -C "$build" --no-rebuild -t 5 --suite unit --suite uapi --suite flow >"$build/tests.log" 2>&1 ||
	grep -E '^ *[0-9]+/[0-9]+ .*(FAIL|TIMEOUT)' "$build/tests.log"

# FILE LINE COUNT, of every object that is in something that was run.
find "$build/src" "$build/models" -name '*.gcda' | while read -r data; do
	(cd "$build" && gcov -b --json-format --stdout "../$data" 2>/dev/null)
done | jq -r '.files[] | .file as $file | .lines[]
	| "\($file) \(.line_number) \(.count) \([.branches[].count] | map(tostring) | join(" "))"' |
	sed 's|^\.\./||' | grep -E '^(src|models)/' >"$build/lines"

awk '{ key = $1 " " $2; if (!(key in most) || $3 > most[key]) most[key] = $3 }
	END { for (key in most) print key, most[key] }' "$build/lines" | sort -k 1,1 -k 2,2n >"$build/counts"
awk '$3 == 0 { print $1, $2 }' "$build/counts" | while read -r file line; do
	printf '%s:%s:%s\n' "$file" "$line" "$(sed -n "${line}p" "$file")"
done >"$build/uncovered"
# Of a line that ran, the ways out of it that nobody took: FILE:LINE: n of m: text. An inline function
# has its ways wherever it was compiled, in the same order.
awk '{
		for (i = 4; i <= NF; i++)
			if (!(($1, $2, i) in most) || $i > most[$1, $2, i])
				most[$1, $2, i] = $i
		if (NF > ways[$1, $2])
			ways[$1, $2] = NF
		if ($3 > ran[$1, $2])
			ran[$1, $2] = $3
	}
	END {
		for (key in ran) {
			never = 0
			for (i = 4; i <= ways[key]; i++)
				never += !most[key, i]
			split(key, at, SUBSEP)
			if (ran[key])
				print at[1], at[2], never, ways[key] < 4 ? 0 : ways[key] - 3
		}
	}' "$build/lines" | sort -k 1,1 -k 2,2n >"$build/ways"
awk '$3' "$build/ways" | while read -r file line never ways; do
	printf '%s:%s: %s of %s never:%s\n' "$file" "$line" "$never" "$ways" "$(sed -n "${line}p" "$file")"
done >"$build/branches"
awk -v goal="$goal" -v ways="$build/ways" '
	{
		folder = $1
		sub(/\/[^\/]*$/, "", folder)
		all[folder]++; run[folder] += $3 > 0
		total++; hit += $3 > 0
	}
	END {
		while ((getline line < ways) > 0) {
			split(line, way, " ")
			never += way[3]; every += way[4]
		}
		for (folder in all)
			printf "%6.1f %%  %5d of %5d lines  %s\n", 100 * run[folder] / all[folder], run[folder], all[folder], folder | "sort -k 7"
		close("sort -k 7")
		printf "coverage: %.1f %% of %d lines of src/ and models/\n", 100 * hit / total, total
		printf "branches: %.1f %% of %d ways out of lines that ran\n", 100 * (every - never) / every, every
		exit 100 * hit / total < goal
	}' "$build/counts"
