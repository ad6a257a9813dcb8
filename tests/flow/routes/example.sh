#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: the example of docs/models/tlpgun.md is what the tool and the program say.
. "$(dirname "$0")/../../compat/lib.sh"

scratch
root=$(cd "$here/../.." && pwd)
program=$(realpath "$TLP_ROUTES")
# From its command line to the next line that is not indented, without what the shell adds.
sed -n '/^    \$ ioas run .*tlp-routes/,/^[^ ]/p' "$root/docs/models/tlpgun.md" |
	sed -e '/^    \$/d' -e '/^[^ ]/d' -e '/^$/d' -e 's/^    //' >"$work/told"
[ -s "$work/told" ] || fail "the page has no example"
timeout 60 "$ioas" run --machine "$root/examples/machines/guns.yaml" --trace "$work/trace" -- \
	"$program" 0000:01:00.0 >"$work/out" 2>"$work/err" || fail "status $?"
cat "$work/out" "$work/err" >"$work/said"
diff "$work/told" "$work/said" || fail "the page and the program differ"
"$ioas" trace "$work/trace" >"$last_log"
said 'PASID 5'
echo PASS
