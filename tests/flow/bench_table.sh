#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: the table of `make bench`: which goals are met, a page whose figures come from the rows and
# are held against them, and a failing benchmark that fails the run. docs/performance.md is such a page.
set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

fail() {
	echo "FAIL: $1"
	failed=1
}

table() {
	python3 scripts/bench-table.py "$@" <"$dir/rows"
}

cat >"$dir/rows" <<'EOF'
{"bench":"a","row":"fast","name":"fast one","unit":"ns","nr":3,"median":2,"p10":1.5,"p90":2.5,"min":1,"goal":3}
{"bench":"a","row":"slow","name":"slow one","unit":"us","nr":3,"median":4000,"p10":3900,"p90":5000,"min":3500,"goal":3100,"goal_ratio":1.5,"peer":"a loop","peer_median":3000,"ratio":1.33,"ratio_p10":1.2,"ratio_p90":1.6,"ratio_of_minima":1.25}
{"bench":"dirty","row":"plain","name":"plain","unit":"B","nr":1,"median":7,"p10":7,"p90":7,"min":7,"peer":"<less>","peer_median":7,"ratio":1,"ratio_p10":1,"ratio_p90":1,"ratio_of_minima":1}
EOF
out=$(table) || fail "the table fails"
grep -q '^2 of 3 goals met; missed:$' <<<"$out" || fail "the sum of goals: $out"
grep -q '^  a slow (slow one): 4,000 us, goal 3,100 us$' <<<"$out" || fail "the goal that is missed: $out"

printf '%s\n' '# Page' '<!-- bench a -->' 'old' '<!-- /bench -->' 'between' '<!-- bench goals -->' '<!-- /bench -->' >"$dir/page"
table --check "$dir/page" 2>/dev/null && fail "an old page passes"
table --page "$dir/page" --svg "$dir/svg" || fail "the page cannot be filled"
table --check "$dir/page" || fail "a page just filled does not pass"
grep -q '^| slow one | 4,000 us (3,900..5,000) | 3,100 us (missed), x 1.5 | 1.33 (1.2..1.6; 1.25) | 3,000 us: a loop |$' "$dir/page" ||
	fail "the page: $(cat "$dir/page")"
grep -q '^between$' "$dir/page" || fail "what is between the markers' parts is gone"
grep -q '&lt;less&gt;' "$dir/svg" || fail "the plot has no peers"
sed -i 's/4,000/1,000/' "$dir/page"
table --check "$dir/page" 2>/dev/null && fail "a figure typed by hand passes"

: >"$dir/rows"
table >/dev/null 2>&1 && fail "no rows are a table"
echo 'no row' >"$dir/rows"
table >/dev/null 2>&1 && fail "a line that is no row passes"

# A build whose one benchmark tells a row, and then fails or not.
mkdir -p "$dir/bin" "$dir/build/bench"
touch "$dir/build/build.ninja"
printf '#!/bin/sh\n' >"$dir/bin/ninja"
cat >"$dir/build/bench/bench-x" <<'EOF'
#!/bin/sh
echo '{"bench":"x","row":"r","name":"n","unit":"ns","nr":1,"median":1,"p10":1,"p90":1,"min":1}'
exit ${BENCH_RC:-0}
EOF
chmod +x "$dir/bin/ninja" "$dir/build/bench/bench-x"
run() {
	PATH="$dir/bin:$PATH" scripts/bench.sh "$dir/build" "$@" 2>&1
}
run x | grep -q '^0 of 0 goals met$' || fail "a run of one benchmark"
run x >/dev/null || fail "a run that went well fails"
BENCH_RC=3 run x >/dev/null && fail "a benchmark that failed does not fail the run"
BENCH_RC=3 run --json x >/dev/null && fail "nor with --json"
run --nonsense >/dev/null && fail "a wrong option passes"

python3 scripts/bench-table.py --check docs/performance.md <docs/performance.json ||
	fail "docs/performance.md and docs/performance.json differ"
exit $failed
