#!/bin/bash
# SPDX-License-Identifier: MIT
# A program gives up the right to pin memory without a limit, and gets it back.
. "$(dirname "$0")/../compat/lib.sh"

scratch
truncate -s 1M "$work/drive"
drive 1 "$work/drive"
extra=(--set memlock=on)
limit=30
status=0
try "$PRIVILEGES" || status=$?
[ "$status" -ne 77 ] || skip "$(sed -n 's/^SKIP: //p' "$last_log")"
[ "$status" -eq 0 ] || fail "status $status"
said PASS
echo "PASS"
