#!/bin/bash
# SPDX-License-Identifier: MIT
# make run: Debian's own qemu-img and qemu-io, unmodified, and a small driver use an NVMe disk that
# exists only as software. Ends with a table; exit 0 only if everything in it held.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
ioas=$(realpath "$build/ioas")
identify=$(realpath "$build/examples/nvme-identify")
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-demo-XXXXXX")
trap 'rm -rf "$work"' EXIT
url=nvme://0000:01:00.0/1
table=() failed=0

say() {
	printf '\n== %s\n' "$*"
}

# A step: its name, the exit status wanted, then a program that is run with the drive. Reports go
# to $work/N.json, what it printed to $work/out.
step() {
	local name=$1 want=$2 status=0 result=ok report="$work/${#table[@]}.json"
	shift 2
	echo "\$ ioas run --device nvme,drive=disk.img -- $*" | sed "s|$work/||g; s|$PWD/||g"
	"$ioas" run --report "$report" --device "nvme,drive=$work/disk.img" -- "$@" >"$work/out" 2>&1 ||
		status=$?
	sed "s|$work/||g; s|^|    |" "$work/out"
	if [ "$status" != "$want" ]; then
		echo "    exit status $status, not $want"
		result=FAILED
	elif grep -q 'verification failed' "$work/out"; then
		result=FAILED # qemu-io's exit status does not tell
	fi
	row "$name" "$result" "$report"
}

# One line of the table, with the numbers of a report (if there is one).
row() {
	local numbers='- - - -'
	[ "$2" = ok ] || failed=1
	[ -n "${3-}" ] && [ -s "$3" ] && numbers=$(jq -r '.devices[0] |
		"\(.dma_read_bytes + .dma_written_bytes) \(.tlps) \(.faults.count)"' "$3"
		printf '%.2fs' "$(jq .seconds "$3")")
	# shellcheck disable=SC2086
	table+=("$(printf '%-46s %-7s %12s %9s %7s %8s' "$1" "$2" $numbers)")
}

# A check on this side, without the device.
check() {
	local name=$1
	shift
	if "$@"; then row "$name" ok; else row "$name" FAILED; fi
}

say "a file of what this machine has, at least 32 MiB, and a drive for it"
tar -C / -cf - usr/lib usr/share usr/bin 2>/dev/null | head -c 40M >"$work/file"
while [ "$(stat -c %s "$work/file")" -lt $((32 << 20)) ]; do
	head -c 4M "$work/file" >>"$work/file"
	[ -s "$work/file" ] || head -c 32M /dev/urandom >"$work/file"
done
truncate -s '%1M' "$work/file"
truncate -r "$work/file" "$work/disk.img"
ls -l "$work/file" "$work/disk.img" | sed "s|$work/||"

say "the machine, as a program inside sees it"
"$ioas" ls --device "nvme,drive=$work/disk.img"

say "qemu-img writes the file through user-space VFIO onto the drive, and compares"
step 'qemu-img convert, file to drive' 0 qemu-img convert -n -f raw -O raw "$work/file" "$url"
step 'qemu-img compare, file and drive' 0 qemu-img compare -f raw -F raw "$work/file" "$url"
check 'cmp of the file and the drive on the host' cmp "$work/file" "$work/disk.img"

say "qemu-io: patterns, zeroes, discards, each read back"
step 'qemu-io pattern written and read back' 0 qemu-io -f raw \
	-c 'write -P 0xa5 1M 8M' -c 'read -P 0xa5 1M 8M' -c 'write -P 0x3c 512 1536' \
	-c 'read -P 0x3c 512 1536' -c flush "$url"
step 'qemu-io zeroes written and read back' 0 qemu-io -f raw \
	-c 'write -z 2M 1M' -c 'read -P 0 2M 1M' -c 'read -P 0xa5 1M 1M' "$url"
step 'qemu-io discards and reads back' 0 qemu-io -d unmap -f raw \
	-c 'discard 4M 2M' -c 'read -P 0 4M 2M' -c 'read -P 0xa5 6M 3M' "$url"

say "a driver of 98 lines, over iommufd: examples/nvme-identify.c"
step 'nvme-identify reads the identify data' 0 "$identify" 0000:01:00.0
check 'it printed a model name' grep -q '^model ..*[^ ]' "$work/out"

say "the same driver tells the device to write where nothing is mapped"
wild="$work/${#table[@]}.json"
step 'a wild DMA is refused' 3 "$identify" 0000:01:00.0 0xdead0000
echo "the fault record:"
jq -r '.devices[].faults.records[].text' "$wild" | sed 's/^/    /'
check 'its record names the IOVA and the reason' jq -e '[.devices[].faults.records[]
	| select(.iova == "0xdead0000" and .access == "write" and .reason == "not mapped")]
	| length == 1' "$wild" >"$work/out"

printf '\n%-46s %-7s %12s %9s %7s %8s\n' step result 'DMA bytes' TLPs faults time
printf '%s\n' "${table[@]}"
[ "$failed" = 0 ] && printf '\nAll of it held.\n' || printf '\nSomething above FAILED.\n'
exit "$failed"
