#!/bin/bash
# SPDX-License-Identifier: MIT
# Several programs on one machine: one device belongs to one program at a time, two devices to two,
# and a killed program leaves its device free.
. "$(dirname "$0")/../compat/lib.sh"

need qemu-io qemu-utils
scratch
limit=60
for n in 1 2; do
	truncate -s 16M "$work/drive$n"
	drive $n "$work/drive$n"
done
mkfifo "$work/in"

# The steps run inside one `ioas run`, as the shell of somebody who works there would.
cat >"$work/steps" <<'END'
set -eu
work=$1 one=nvme://0000:01:00.0/1 two=nvme://0000:02:00.0/1

wait_line()
{
	local i=0
	until grep -q "$1" "$work/first"; do
		i=$((i + 1))
		[ $i -lt 200 ] || { echo "no $1 from the first program"; cat "$work/first"; exit 1; }
		sleep 0.05
	done
}

hold()
{
	qemu-io -f raw $one <"$work/in" >"$work/first" 2>&1 &
	first=$!
	exec 8>"$work/in"
	echo 'write -P 1 0 64k' >&8
	wait_line 'wrote 65536'
}

hold
# The same device: busy.
if qemu-io -f raw -c 'read 0 4096' $one >"$work/second" 2>&1; then
	echo "a second program got the device"
	exit 1
fi
grep -q -i busy "$work/second" || { echo "not refused as busy:"; cat "$work/second"; exit 1; }
# The other device: free, and nothing of the first is disturbed.
qemu-io -f raw -c 'write -P 2 0 1M' -c 'read -P 2 0 1M' $two
echo 'read -P 1 0 64k' >&8
wait_line 'read 65536'
# Closed: free again.
echo quit >&8
exec 8>&-
wait $first
qemu-io -f raw -c 'read -P 1 0 64k' $one
# Killed: free again.
hold
kill -9 $first
exec 8>&-
wait $first || true
qemu-io -f raw -c 'read -P 1 0 64k' -c 'write -P 3 0 64k' $one
# Two programs, two devices, at once.
qemu-io -f raw -c 'write -P 4 0 16M' -c 'read -P 4 0 16M' $one >"$work/a" 2>&1 &
a=$!
qemu-io -f raw -c 'write -P 5 0 16M' -c 'read -P 5 0 16M' $two
wait $a
echo all steps done
END
run bash "$work/steps" "$work"
said 'all steps done'
! grep -q -e 'verification failed' -e 'failed:' "$work/log" "$work/a" || fail "qemu-io failed"
for n in 1 2; do
	[ "$(head -c 16M "$work/drive$n" | tr -d "\\00$((n + 3))" | wc -c)" = 0 ] ||
		fail "drive $n holds something else"
done
echo "PASS"
