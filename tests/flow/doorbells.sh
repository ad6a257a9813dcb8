#!/bin/bash
# SPDX-License-Identifier: MIT
# Doorbells in quick succession, by turns with all that ends their being watched.
. "$(dirname "$0")/../compat/lib.sh"

limit=60
for drive in null ram; do
	"$IOAS" run --device "nvme,drive=$drive,size=1M" -- timeout "$limit" "$DOORBELLS" ||
		fail "doorbells on drive=$drive"
done
echo "PASS"
