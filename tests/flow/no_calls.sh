#!/bin/bash
# SPDX-License-Identifier: MIT
# No system call on an ioctl that needs none, as an ordinary user and as who may pin without limit.
. "$(dirname "$0")/../compat/lib.sh"

scratch
truncate -s 1M "$work/drive"
drive 1 "$work/drive"
limit=50
status=0
try "$NO_CALLS" || status=$?
[ "$status" -ne 77 ] || skip "$(sed -n 's/^SKIP: //p' "$last_log")"
[ "$status" -eq 0 ] || fail "status $status"
said PASS
echo "PASS"
