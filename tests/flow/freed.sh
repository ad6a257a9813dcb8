#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory that is mapped for DMA outlives the program's free and realloc, as in the kernel.
. "$(dirname "$0")/../compat/lib.sh"

! ldd "${IOAS:-build/ioas}" | grep libasan >/dev/null || skip "it looks at what it has freed"
scratch
truncate -s 1M "$work/drive"
drive 1 "$work/drive"
limit=30
run "$FREED"
said PASS
! grep -q '^ioas: ' "$work/log" || fail "a transaction was refused"
echo "PASS"
