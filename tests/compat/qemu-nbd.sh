#!/bin/bash
# SPDX-License-Identifier: MIT
# Stock qemu-nbd becomes a daemon and serves the NVMe drive to other programs.
. "$(dirname "$0")/lib.sh"

need qemu-nbd qemu-utils
need qemu-img qemu-utils
scratch
limit=60
size=$((16 * 1024 * 1024))
machine_file "$work/source" "$size"

# A fork copies the locks of AddressSanitizer's allocator as they are: held, now and then, by a thread
# of QEMU's that the child does not have, which then waits for ever. Under it the server stays in
# front; the programs of tests/flow that fork have no threads of their own.
daemon=--fork
! ldd "$ioas" | grep libasan >/dev/null || daemon=

serve()
{
	local dir=$work/$1

	note "a server${daemon:+, a daemon,} serves the drive"
	mkdir "$dir"
	truncate -s "$size" "$dir/drive"
	own "$dir" "$dir/drive"
	drive 1 "$dir/drive"
	# A daemon must outlive the shell that started it, and end when it is told to.
	run sh -c '
		set -e
		qemu-nbd $3 --persistent --pid-file "$1/pid" -k "$1/socket" -f raw "$2"
		echo "serving"
	' sh "$dir" "$(url 1)" "$daemon" &
	for ((i = 0; i < 200; i++)); do
		[ ! -S "$dir/socket" ] || [ ! -s "$dir/pid" ] || break
		sleep 0.05
	done
	qemu-img convert -n -f raw -O raw "$work/source" "nbd+unix:///?socket=$dir/socket" ||
		fail "convert to the served drive"
	qemu-img compare -f raw -F raw "$work/source" "nbd+unix:///?socket=$dir/socket" \
		>/dev/null || fail "compare with the served drive"
	kill "$(cat "$dir/pid")"
	wait $! || fail "qemu-nbd did not end well"
	same "$work/source" "$dir/drive"
}

serve mine
as_ordinary_user serve theirs
echo "PASS"
