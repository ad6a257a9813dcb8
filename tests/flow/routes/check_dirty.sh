#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: check_dirty.sh PROGRAM: `ioas run --check-dirty` says at its end how many dirty bitmaps it
# compared with what the device wrote, and that nothing was missing; the report says the same.
. "$(dirname "$0")/../../compat/lib.sh"

need jq jq
scratch
timeout 100 "$ioas" run --check-dirty --report "$work/report" --device tlpgun,addr=0000:01:00.0 -- \
	"$@" 2>"$work/err" || fail "status $?: $(cat "$work/err")"
line='ioas: check-dirty: 4 dirty bitmaps, 10 pages that had been written, none missing'
[ "$(tail -n 1 "$work/err")" = "$line" ] || fail "the last line is not: $line; $(cat "$work/err")"
jq -e '.check_dirty == {bitmaps: 4, pages: 10, missing: 0, unseen: 0}' "$work/report" >/dev/null ||
	fail "the report: $(jq .check_dirty "$work/report")"
# Without it nothing is said.
timeout 100 "$ioas" run --report "$work/report" --device tlpgun,addr=0000:01:00.0 -- "$@" 2>"$work/err" ||
	fail "status $?: $(cat "$work/err")"
[ ! -s "$work/err" ] || fail "without --check-dirty: $(cat "$work/err")"
jq -e '.check_dirty == null' "$work/report" >/dev/null || fail "the report, without it"
echo PASS
