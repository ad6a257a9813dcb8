#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: what docs/topology.md shows a program being told of share sets is what it is told.
. "$(dirname "$0")/../compat/lib.sh"

scratch
root=$(cd "$here/../.." && pwd)
# From its command line to the next line that is not indented.
sed -n '/^    \$ ioas run .*who-shares/,/^[^ ]/p' "$root/docs/topology.md" |
	sed -e '/^    \$/d' -e '/^[^ ]/d' -e '/^$/d' -e 's/^    //' >"$work/told"
[ -s "$work/told" ] || fail "the page has no example"
machine=$root/examples/machines/old-cards.yaml
timeout 60 "$ioas" run --machine "$machine" -- "$WHO_SHARES" 0000:02:01.0 >"$work/said" ||
	fail "status $?"
diff "$work/told" "$work/said" || fail "the page and the program differ"
timeout 60 "$ioas" run --machine "$machine" -- "$WHO_SHARES" 0000:02:07.0 2>"$work/err" &&
	fail "a device that is not there"
grep -q 'no VFIO device' "$work/err" || fail "no reason: $(cat "$work/err")"
echo PASS
