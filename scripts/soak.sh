#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts/soak.sh BUILD MINUTES: the tests of the suite "soak" in their long form (tests/soak.h), round
# after round from other seeds, until the time is over. With 10 minutes or more it goes on until
# programs have been killed 500 times. Ends with what was tried and how many tests passed; what
# failed is in BUILD/soak.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
build=$1 minutes=$2
end=$((SECONDS + minutes * 60))
logs=$build/soak
kills=0 passed=0 failed=0
[ "$minutes" -lt 10 ] || kills=500

rm -rf "$logs" && mkdir -p "$logs"
round=0
# Long enough for threads to meet, short enough for the time to be kept.
export SOAK_TIMES=$((minutes < 5 ? 1 : 4))

# round NAME...: these tests once more
run_round() {
	export SOAK_SEED=$((round * 1000003 + $(date +%s) % 1000))
	rm -f "$build/meson-logs/testlog.json"
	meson test -C "$build" --no-rebuild -t 20 "$@" >"$logs/$round.log" 2>&1
	cp "$build/meson-logs/testlog.json" "$logs/$round.json" || exit 1
	passed=$((passed + $(jq -s 'map(select(.result == "OK")) | length' "$logs/$round.json")))
	failed=$((failed + $(jq -s 'map(select(.result | IN("OK", "SKIP") | not)) | length' "$logs/$round.json")))
	jq -rs --arg seed "$SOAK_SEED" '.[] | select(.result | IN("OK", "SKIP") | not)
		| "FAIL  \(.name) (\(.result)), SOAK_SEED=\($seed)"' "$logs/$round.json"
	round=$((round + 1))
}

killed() {
	scripts/tried.sh "$logs"/*.json | sed 's/.* \([0-9]*\) kills.*/\1/'
}

while [ "$SECONDS" -lt "$end" ]; do
	run_round --suite soak
done
while [ "$(killed)" -lt "$kills" ] && [ "$failed" = 0 ]; do
	run_round killed
done
scripts/tried.sh "$logs"/*.json
echo "soak: $round rounds; $passed passed, $failed failed"
[ "$failed" = 0 ]
