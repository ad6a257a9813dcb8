#!/bin/bash
# SPDX-License-Identifier: MIT
# The whole flow suite over page tables of other formats: scripts/check-formats.sh BUILD [FORMAT...]
# Formats with pages larger than the processor's are not among them, as programs map 4 KiB, nor those
# of 39 and 41 bits, as some map their memory at its own address (aw=38 fails likewise).
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
shift
[ $# -gt 0 ] || set -- vtd-ss x86-64 x86-64-5l arm-lpae-s1-4k arm-lpae-s2-4k riscv-sv48 riscv-sv57 \
	riscv-sv48x4 riscv-sv57x4
failed=0
for format in "$@"; do
	if out=$(IOAS_RUN_SET="pt=$format" meson test -C "$build" --no-rebuild --suite flow --print-errorlogs 2>&1); then
		echo "ok    flow over $format: $(sed -n 's/^Ok: *//p' <<<"$out") tests"
	else
		tail -n 60 <<<"$out"
		echo "FAIL  flow over $format"
		failed=1
	fi
done
exit $failed
