#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: the example of docs/ats.md is what the program says.
. "$(dirname "$0")/../../compat/lib.sh"

scratch
root=$(cd "$here/../.." && pwd)
program=$(realpath "$PAGES_ON_DEMAND")
sed -n '/^    \$ ioas run .*pages-on-demand/,/^[^ ]/p' "$root/docs/ats.md" |
	sed -e '/^    \$/d' -e '/^[^ ]/d' -e '/^$/d' -e 's/^    //' >"$work/told"
[ -s "$work/told" ] || fail "the page has no example"
timeout 60 "$ioas" run --device tlpgun,ats=on,pri=32 -- "$program" 0000:01:00.0 >"$work/said" 2>&1 ||
	fail "status $?"
diff "$work/told" "$work/said" || fail "the page and the program differ"
echo PASS
