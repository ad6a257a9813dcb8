#!/bin/bash
# SPDX-License-Identifier: MIT
# Stock qemu-io: patterns at odd places, zeroes, discards, deep queues, and every kind of refusal.
. "$(dirname "$0")/lib.sh"

need qemu-io qemu-utils
scratch

fresh()
{
	rm -f "$work/drive"
	truncate -s "${1:-64M}" "$work/drive"
	own "$work/drive"
	drive 1 "$work/drive" "${2:-}"
}

# Bytes FIRST..FIRST+LEN of the drive file are all BYTE (octal, as tr has it).
holds()
{
	local first=$1 len=$2 byte=$3

	[ "$(dd if="$work/drive" bs=64K iflag=skip_bytes,count_bytes skip="$first" count="$len" \
		status=none | tr -d "$byte" | wc -c)" = 0 ] || fail "bytes at $first are not $byte"
}

patterns()
{
	note "patterns"
	fresh
	qemu_io 1 'write -P 0x11 0 64k' 'write -P 0x22 512 512' 'write -P 0x33 66560 1536' \
		'write -P 0x44 1000 24' 'write -P 0x55 33554432 8M' 'write -P 0x66 67108352 512' \
		'read -P 0x11 0 512' 'read -P 0x22 512 488' 'read -P 0x44 1000 24' \
		'read -P 0x11 1024 64512' 'read -P 0 65536 1024' 'read -P 0x33 66560 1536' \
		'read -P 0 68096 1024' 'read -P 0x55 33554432 8M' 'read -P 0x66 67108352 512'
	# A later run, and the file itself, see the same.
	qemu_io 1 'read -P 0x22 512 488' 'read -P 0x55 36M 4M' 'read -P 0x66 67108352 512'
	holds 33554432 8388608 '\125'
	holds 66560 1536 '\063'

	note "a pattern that is not there is noticed"
	try qemu-io -f raw -c 'read -P 0x77 512 488' "$(url 1)" || true
	said 'verification failed'
}

# Scattered buffers become PRP lists of every shape.
vectors()
{
	note "scattered buffers"
	fresh
	qemu_io 1 'writev -P 0x5a 4096 512 1024 512 2048 4096 8192' 'read -P 0x5a 4096 16384' \
		'readv -P 0x5a 4096 8192 4096 2048 512 1024 512' \
		'writev -P 0x5b 1M 4096 12288 65536 512 3584' 'readv -P 0x5b 1M 512 512 84992'
}

translated()
{
	note "data by translated requests"
	fresh 64M ,ats=on
	qemu_io 1 'writev -P 0x5c 4096 512 1024 512 2048 4096 8192' 'read -P 0x5c 4096 16384' \
		'write -P 0x5d 32M 8M' 'read -P 0x5d 32M 8M'
	holds 33554432 8388608 '\135'
}

zeroes()
{
	note "write zeroes and discard"
	fresh
	io_args=(-d unmap)
	qemu_io 1 'write -P 0xff 0 16M' 'write -z 4096 1M' 'write -z -u 4M 1M' 'discard 8M 4M' \
		'flush' 'read -P 0xff 0 4096' 'read -P 0 4096 1M' 'read -P 0xff 1052672 3141632' \
		'read -P 0 4M 1M' 'read -P 0 8M 4M' 'read -P 0xff 12M 4M'
	io_args=()
	holds 8388608 4194304 '\000'
	holds 12582912 4194304 '\377'
	# Discarded blocks are given back to the file system.
	[ "$(du -k "$work/drive" | cut -f1)" -lt 13312 ] || fail "discard punched no hole"
}

deep()
{
	local commands=() i

	note "deep queue"
	fresh
	for ((i = 0; i < 96; i++)); do
		commands+=("aio_write -q -P $((i + 1)) $((i * 300))k 300k")
	done
	commands+=(aio_flush)
	for ((i = 0; i < 96; i++)); do
		commands+=("aio_read -q -P $((i + 1)) $((i * 300))k 300k")
	done
	commands+=(aio_flush)
	for ((i = 0; i < 160; i++)); do
		commands+=("aio_read -q -P $((i % 96 + 1)) $((i % 96 * 300 + i))k 512")
	done
	commands+=(aio_flush)
	qemu_io 1 "${commands[@]}"
}

# The same 600 commands on the drive and on a plain file leave the same bytes.
twin()
{
	local commands

	note "the same commands on a plain file"
	fresh 16M
	truncate -s 16M "$work/twin"
	mapfile -t commands < <(awk 'BEGIN {
		srand(7)
		for (i = 0; i < 600; i++) {
			kind = int(rand() * 8)
			first = int(rand() * 32768) * 512
			len = (1 + int(rand() * (rand() < 0.1 ? 1500 : 40))) * 512
			if (first + len > 16777216)
				len = 16777216 - first
			byte = 1 + int(rand() * 255)
			if (kind < 3)
				printf "write -q -P %d %d %d\n", byte, first, len
			else if (kind == 3)
				printf "write -q -z %d %d\n", first, len
			else if (kind == 4)
				printf "writev -q -P %d %d 512 %d\n", byte, first - (first > 8388608) * 4194304, len
			else if (kind == 5)
				printf "write -q -f -P %d %d %d\n", byte, first + 3, 7
			else if (kind == 6)
				printf "flush\n"
			else
				printf "aio_write -q -P %d %d %d\naio_flush\n", byte, first, len
		}
	}')
	qemu_io 1 "${commands[@]}"
	qemu-io -f raw "${commands[@]/#/-c}" "$work/twin" >"$work/log" 2>&1 || fail "the plain file"
	same "$work/twin" "$work/drive"
}

caches()
{
	local mode

	fresh
	for mode in none writethrough directsync; do
		note "cache mode $mode"
		io_args=(-t "$mode")
		qemu_io 1 'write -P 0x21 1M 1M' 'write -f -P 0x22 2M 4096' 'flush' \
			'read -P 0x21 1M 1M' 'read -P 0x22 2M 4096'
	done
	io_args=()
}

out_of_range()
{
	note "beyond the end"
	fresh 1M
	qemu_io_refused 1 'read 1M 512'
	qemu_io_refused 1 'write 1048064 1024'
	qemu_io 1 'read -P 0 1048064 512'
}

read_only()
{
	note "read-only drive"
	fresh 1M ,readonly=on
	chmod 444 "$work/drive"
	io_args=(-r)
	qemu_io 1 'read -P 0 0 1M'
	io_args=()
	# Opened for writing all the same: the drive refuses.
	qemu_io_refused 1 'write -P 1 0 4096'
	qemu_io 1 'read -P 0 0 1M'
	holds 0 1048576 '\000'
}

# The file is shortened behind an open drive: an error for what is gone, not a crash.
shrink()
{
	note "the drive file shrinks"
	fresh 1M
	session
	ask 'read -P 0 512k 4096' 'read 4096/4096'
	truncate -s 256k "$work/drive"
	ask 'read 512k 4096' 'read failed: Input/output error'
	ask 'read -P 0 0 4096' 'read 4096/4096'
	close_session
}

null_drive()
{
	note "null drive"
	drives=(null)
	options=(,size=1G)
	qemu_io 1 'write -P 1 0 1M' 'read 512M 1M' 'write -z 0 1M' 'flush'
	qemu_io_refused 1 'read 1G 512'
	drives=()
	options=()
}

# No room: RLIMIT_FSIZE makes the write fail with EFBIG, as ENOSPC would.
no_room()
{
	note "file size limit"
	fresh 64M
	command_of qemu-io -f raw -c 'write -P 1 32M 1M' -c 'write -P 2 0 1M' "$(url 1)"
	# bash counts in KiB; the signal is ignored so that write() fails instead.
	(trap '' XFSZ; ulimit -f 16384; exec "${argv[@]}") >"$work/log" 2>&1 </dev/null &&
		fail "a write beyond the limit passed"
	said 'write failed:'
	grep -q 'wrote 1048576/1048576' "$work/log" || fail "the write within the limit failed"
	holds 0 1048576 '\002'
}

# A full file system, where we may make one.
full()
{
	[ "$(id -u)" = 0 ] || { note "SKIP part: a full file system needs root"; return 0; }
	mkdir -p "$work/small"
	mount -t tmpfs -o size=2m none "$work/small" 2>/dev/null ||
		{ note "SKIP part: cannot mount a tmpfs"; return 0; }
	trap 'umount -l "$work/small" 2>/dev/null || :; rm -rf "$work"' EXIT
	note "full file system"
	truncate -s 16M "$work/small/drive"
	drive 1 "$work/small/drive"
	# qemu-io goes on after a failed command and ends with an error.
	refused qemu-io -f raw -c 'write -P 1 0 1M' -c 'write -P 2 1M 8M' -c 'read -P 1 0 1M' \
		"$(url 1)"
	said 'write failed:'
	grep -q 'read 1048576/1048576' "$work/log" || fail "the drive is dead after ENOSPC"
	umount "$work/small"
}

# An interactive qemu-io on drive 1: `ask COMMAND PATTERN` waits until it answers. By default
# qemu-io flushes after every write.
session()
{
	command_of sh -c 'echo $$ >"$0"; exec "$@"' "$work/pid" qemu-io -t writeback -f raw "$(url 1)"
	rm -f "$work/in" "$work/pid"
	mkfifo "$work/in"
	touch "$work/pid"
	own "$work/pid"
	: >"$work/log"
	"${argv[@]}" <"$work/in" >"$work/log" 2>&1 &
	session=$!
	exec 9>"$work/in"
}

ask()
{
	local i before

	before=$(grep -c -e "$2" "$work/log" || true)
	echo "$1" >&9
	for ((i = 0; i < 400; i++)); do
		if [ "$(grep -c -e "$2" "$work/log" || true)" -gt "$before" ]; then
			return
		fi
		sleep 0.05
	done
	fail "qemu-io did not answer \"$2\" to \"$1\""
}

close_session()
{
	echo quit >&9
	exec 9>&-
	wait "$session" || true
}

kill_session()
{
	kill -9 "$(cat "$work/pid")"
	exec 9>&-
	{ wait "$session" || true; } 2>/dev/null
}

# kill -9: what was flushed is in the file; and the drive can be used again.
killed()
{
	local keys=$1 unflushed=$2

	note "kill -9${keys:+, $keys}"
	fresh 64M "$keys"
	session
	ask 'write -P 0x41 0 1M' 'wrote 1048576/1048576'
	echo flush >&9
	ask 'read -P 0x41 0 4096' 'read 4096/4096'
	ask 'write -P 0x42 1M 2M' 'wrote 2097152/2097152'
	ask 'read -P 0x42 1M 2M' 'read 2097152/2097152'
	# Dies amid many writes.
	echo 'aio_write -q -P 0x43 8M 16M' >&9
	echo 'aio_write -q -P 0x43 32M 16M' >&9
	kill_session
	holds 0 1048576 '\101'
	holds 1048576 2097152 "$unflushed"
	qemu_io 1 'read -P 0x41 0 1M' 'write -P 0x44 0 1M' 'read -P 0x44 0 1M'
}

all()
{
	patterns
	vectors
	zeroes
	deep
	twin
	caches
	out_of_range
	killed '' '\102'
	no_room
}

all
full
if [ "$target" = ioas ]; then
	shrink
	read_only
	null_drive
	translated
	killed ,volatile=on '\000'
fi
as_ordinary_user all
echo "PASS"
