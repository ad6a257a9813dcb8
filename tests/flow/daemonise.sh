#!/bin/bash
# SPDX-License-Identifier: MIT
# A child takes a device over when its parent has exited; until then it gets EBUSY.
. "$(dirname "$0")/../compat/lib.sh"

scratch
truncate -s 1M "$work/drive"
drive 1 "$work/drive"
limit=30
run "$DAEMONISE" "$work/told"
cat >"$work/expected" <<END
open: Success
parent: Success
child early: Device or resource busy
parent again: Success
child: Success
child identify: Success
child reset: Success
END
diff "$work/expected" "$work/told" || fail "not what the program should have seen"
echo "PASS"
