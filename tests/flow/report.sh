#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: a first driver works, its wild DMA is refused and explained, and the report says so.
set -u
ioas=$(realpath "${IOAS:-build/ioas}")
identify=$(realpath "${IDENTIFY:-build/examples/nvme-identify}")
[ -x "$ioas" ] || { echo "SKIP: $ioas is not built"; exit 77; }
command -v jq >/dev/null || { echo "SKIP: jq is not installed (Debian package jq)"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-report-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
truncate -s 1M disk.img
failed=0

# run STATUS program...: under the tool, with a report.
run() {
	local want=$1 status=0
	shift
	"$ioas" run --report r.json --device nvme,drive=disk.img -- "$@" >out 2>err || status=$?
	if [ "$status" != "$want" ]; then
		echo "FAIL: status $status, not $want: $*"
		cat out err
		failed=1
	fi
}

# holds WHAT FILTER: a jq filter is true of the report.
holds() {
	jq -e "$2" r.json >/dev/null && return
	echo "FAIL: $1"
	cat r.json err
	failed=1
}

run 0 "$identify" 0000:01:00.0
grep -q '^model [^ ]' out || { echo 'FAIL: no model'; cat out; failed=1; }
holds 'a 64-byte command was read, 4096 bytes and a 16-byte completion written' \
	'.devices[0] | .dma_read_bytes == 64 and .dma_written_bytes == 4112'
holds 'TLPs and translations were counted' '.devices[0] | .tlps >= 3 and .translations >= .tlps'
holds 'nothing was refused' '.devices[0].faults | .count == 0 and .records == [] and .dropped == 0'
holds 'one map, which worked' \
	'[.ioctls[] | select(.name == "IOMMU_IOAS_MAP")] == [{name: "IOMMU_IOAS_MAP", errno: 0, error: "OK", count: 1}]'
holds 'no call was refused' '.refusals == {count: 0, reasons: [], dropped: 0}'
[ ! -s err ] || { echo 'FAIL: something on stderr'; cat err; failed=1; }

# A group opens once; the reason stands in the report, each one once.
run 0 sh -c 'exec 3<>/dev/vfio/1; command exec 4<>/dev/vfio/1 || command exec 4<>/dev/vfio/1 || true'
holds 'two refusals of one kind' '.refusals.count == 2 and .refusals.dropped == 0
	and (.refusals.reasons | length == 1) and (.refusals.reasons[0]
	| .error == "EBUSY" and .count == 2 and (.reason | test("^/dev/vfio/1: .")))'

run 3 "$identify" 0000:01:00.0 0xdead0000
holds 'one refused write, with what was looked up' '.devices[0].faults | .count == 1 and .dropped == 0
	and (.records | length == 1) and (.records[0] | .access == "write" and .iova == "0xdead0000"
	and .requester == "01:00.0" and .pasid == null and .reason == "not mapped"
	and .ioas_id > 0 and (.walk | length >= 1) and (.nearest | .read and .write)
	and (.text | test("0xdead0000")))'
grep -q '^ioas: .*dead0000' err || { echo 'FAIL: not a word about it on stderr'; cat err; failed=1; }

# A program that asks for what is refused, and one that is killed: both are told of.
run 137 sh -c "$identify 0000:01:00.0; $identify 0000:01:00.0 0xbad000; kill -KILL \$\$"
holds 'two programs of one run add up' '.devices[0] | .dma_read_bytes == 128 and .faults.count == 1'
holds 'how it ended' '.signal == 9 and .exit_status == 137'

[ "$failed" = 0 ] && echo 'the report says what happened'
exit "$failed"
