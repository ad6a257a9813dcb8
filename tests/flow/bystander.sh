#!/bin/bash
# SPDX-License-Identifier: MIT
# A program that touches none of our paths is as without the door: what it prints, its status, its
# descriptors, threads, signals, children.
. "$(dirname "$0")/../compat/lib.sh"

! ldd "${IOAS:-build/ioas}" | grep -q libasan || skip "a sanitizer's runtime is no bystander"
scratch
truncate -s 1M "$work/drive"
drive 1 "$work/drive"
limit=30
cd "$work"

# same PROGRAM ARGS...: plain and under the door.
alike()
{
	local plain=0 door=0

	command_of "$@"
	# What `ioas run` itself is started with is what the program gets: so timeout, which changes
	# dispositions of signals, is in front of both.
	timeout -k 5 "$limit" "$@" >plain.out 2>plain.err </dev/null || plain=$?
	"${argv[@]}" >door.out 2>door.err </dev/null || door=$?
	[ "$plain" = "$door" ] || fail "status $plain, and $door under the door: $*"
	diff plain.out door.out || fail "other output: $*"
	diff plain.err door.err || fail "other errors: $*"
}

# Programs that are not installed are no test.
maybe()
{
	if command -v "$1" >/dev/null; then
		alike "$@"
	else
		note "SKIP part: no $1"
	fi
}

alike true
alike sh -c 'exit 7'
alike bash -c 'for i in 3 1 2; do echo $i; done | sort; echo to stderr >&2; exit 3'
alike bash -c 'coproc cat; echo word >&${COPROC[1]}; read -u ${COPROC[0]} x; echo $x'
alike bash -c 'kill -SEGV $BASHPID; echo not reached'
# Descriptors, dispositions, threads; and those of a grandchild.
alike bash -c 'cd /proc/self/fd; echo *'
alike bash -c 'exec 5</dev/null 77</dev/null; sh -c "cd /proc/self/fd; echo *"'
alike grep -E '^(Sig...|Shd...|Threads|NoNewPrivs|Seccomp):' /proc/self/status
alike bash -c 'trap "" HUP SEGV; grep -E "^Sig(Ign|Cgt|Blk):" /proc/self/status'
alike bash -c 'ulimit -n 64; ulimit -n; grep files /proc/self/limits'
# Trees beside ours, links, folders, big files.
alike find /sys/class/net /sys/block /dev -maxdepth 1
alike stat -c '%n %t %T %F' /dev/null /dev/zero /dev
alike readlink -f /proc/self/fd/0 /proc/self/exe /sys/class/net/lo
alike sh -c 'cd /dev && pwd && ls -d null && cd / && pwd'
alike sh -c 'ls /nowhere; cat /sys/nowhere /dev/nowhere'
alike tar -C /etc -cf - passwd group --mtime=@0 --sort=name
alike dd if=/dev/zero bs=4k count=10 status=none
alike sort --parallel=2 /etc/passwd
alike timeout 0.1 sleep 5
maybe perl -e 'pipe R, W; if (!fork) { print W "child\n"; exit 4 } wait; print scalar(<R>), $? >> 8, "\n"'
maybe python3 -c '
import multiprocessing, os, signal, subprocess, threading
print(subprocess.run(["echo", "hi"], capture_output=True, close_fds=True).stdout)
with multiprocessing.Pool(2) as pool:
    print(pool.map(abs, [-1, 2]))
thread = threading.Thread(target=print, args=(5,))
thread.start()
thread.join()
print(sorted(os.listdir("/proc/self/fd")), signal.getsignal(signal.SIGSEGV))
'
maybe python3 -c 'import ctypes; ctypes.string_at(0)'
maybe openssl dgst -sha256 /etc/passwd

# An ignored signal stays one. (timeout, which the others run under, would set it.)
for name in CHLD HUP INT USR1 TTOU; do
	(trap '' $name && "$ioas" run -- grep -E '^Sig(Ign|Blk|Cgt):' /proc/self/status) >door.out
	(trap '' $name && grep -E '^Sig(Ign|Blk|Cgt):' /proc/self/status) >plain.out
	diff plain.out door.out || fail "an ignored SIG$name is not ignored in the program"
done
echo "PASS"
