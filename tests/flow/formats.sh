#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: over page tables of every format a driver works, its wild DMA is refused after a look
# at as many levels as the format has, and a format that there is not, or not of that width, ends
# the run before it starts.
set -u
ioas=$(realpath "${IOAS:-build/ioas}")
identify=$(realpath "${IDENTIFY:-build/examples/nvme-identify}")
[ -x "$ioas" ] || { echo "SKIP: $ioas is not built"; exit 77; }
command -v jq >/dev/null || { echo "SKIP: jq is not installed (Debian package jq)"; exit 77; }
unset IOAS_RUN_SET
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-formats-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
truncate -s 1M disk.img
failed=0

bad() {
	echo "FAIL: $*"
	failed=1
}

# run STATUS arguments...: `ioas run` with a report.
run() {
	local want=$1 status=0
	shift
	"$ioas" run --report r.json --device nvme,drive=disk.img "$@" >out 2>err || status=$?
	[ "$status" = "$want" ] || bad "status $status, not $want: $* $(cat out err)"
}

# holds WHAT FILTER: a jq filter is true of the report.
holds() {
	jq -e "$2" r.json >/dev/null || bad "$format: $1: $(cat r.json)"
}

# The top level of each, at the width it has by itself.
while read -r format levels; do
	run 0 --set "pt=$format" -- "$identify" 0000:01:00.0
	holds 'it worked' '.devices[0] | .tlps >= 3 and .faults.count == 0'
	run 3 --set "pt=$format" -- "$identify" 0000:01:00.0 0xdead0000
	holds 'a refused write' '.devices[0].faults | .count == 1 and (.records[0] | .reason == "not mapped"
		and .walk[0].level == '"$levels"' and (.nearest | .read and .write))'
	run 3 --set "pt=$format" -- "$identify" 0000:01:00.0 0x4000000000000000
	holds 'beyond the width' '.devices[0].faults.records[0] | .walk == []'
done <<-END
	amdv1 4
	vtd-ss 4
	x86-64 4
	x86-64-5l 5
	arm-lpae-s1-4k 4
	arm-lpae-s2-4k 4
	riscv-sv39 3
	riscv-sv48 4
	riscv-sv57 5
	riscv-sv39x4 3
	riscv-sv48x4 4
	riscv-sv57x4 5
END

# Pages larger than the processor's: mappings have to be multiples of them, which the driver's are not.
for format in arm-lpae-s1-16k arm-lpae-s1-64k arm-lpae-s2-16k arm-lpae-s2-64k; do
	run 1 --set "pt=$format" -- "$identify" 0000:01:00.0
	holds 'refused, and why' '.refusals.reasons | any(.error == "EINVAL" and (.reason | test("multiple|aligned")))'
done

format='by width'
run 0 --set aw=39 --set pt=riscv-sv39 -- "$identify" 0000:01:00.0
run 2 --set aw=40 --set pt=riscv-sv39 -- true
grep -q 'riscv-sv39 have no 40 bits' err || bad "no reason: $(cat err)"
run 2 --set pt=vtd -- true
grep -q 'no page-table format "vtd"' err || bad "no reason: $(cat err)"
run 2 --set pt= -- true
IOAS_RUN_SET='aw=39 pt=riscv-sv39' run 0 -- "$identify" 0000:01:00.0
IOAS_RUN_SET='aw=39 pt=none' run 2 -- true
exit $failed
