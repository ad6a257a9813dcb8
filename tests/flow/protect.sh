#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory that is mapped for DMA is the device's though the program forbids it itself by mprotect.
. "$(dirname "$0")/../compat/lib.sh"

scratch
for option in "" ,volatile=on; do
	truncate -s 1M "$work/drive"
	drive 1 "$work/drive" "$option"
	limit=30
	run "$PROTECT"
	said PASS
done
echo "PASS"
