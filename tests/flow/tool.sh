#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: the tool's own behaviour: exit statuses, refusals in one line, signals, the report.
set -u
ioas=$(realpath "${IOAS:-build/ioas}")
[ -x "$ioas" ] || { echo "SKIP: $ioas is not built"; exit 77; }
command -v jq >/dev/null || { echo "SKIP: jq is not installed (Debian package jq)"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-tool-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export XDG_RUNTIME_DIR=$work/run
mkdir run
truncate -s 1M disk.img disk2.img
failed=0

bad() {
	echo "FAIL: $*"
	failed=1
}

# expect STATUS ioas-arguments...: stdout to `out`, stderr to `err`.
expect() {
	local want=$1 status=0
	shift
	"$ioas" "$@" >out 2>err || status=$?
	[ "$status" = "$want" ] || bad "status $status, not $want: ioas $* $(cat err)"
	[ -z "$(ls -A run)" ] || bad "left in the run folder's place: ioas $*"
}

# refused PATTERN ioas-arguments...: exit 2 and one line on stderr that says PATTERN.
refused() {
	local pattern=$1
	shift
	expect 2 "$@"
	[ "$(wc -l <err)" = 1 ] || bad "not one line: ioas $*: $(cat err)"
	grep -q "^ioas: .*$pattern" err || bad "no \"$pattern\" for: ioas $*: $(cat err)"
	[ ! -s out ] || bad "output on stdout: ioas $*"
}

disk=(--device nvme,drive=disk.img)

# It teaches.
expect 0 --version
grep -qx 'ioas [0-9.]*' out || bad 'version'
expect 0 help run
grep -q '^  nvme ' out && grep -q 'drive=' out || bad 'help run does not list models and keys'
expect 0 run --help
expect 0 help ls
expect 2
grep -q usage err || bad 'nothing is no usage'

# What it does not understand is one clear line, and nothing is started.
refused 'no command "fly"' fly
refused 'no command "fly"' help fly
refused 'no program' run
refused 'no option "--fly"' run --fly -- touch started
refused 'wants a value' run --device
refused 'no device model "toaster"' run --device toaster -- touch started
refused 'slices' run --device nvme,drive=disk.img,slices=2 -- touch started
refused 'drive' run --device nvme -- touch started
refused 'absent.img' run --device nvme,drive=absent.img -- touch started
refused '0000:05:00.0' run --device "nvme,drive=disk.img,addr=0000:05:00.0" --device nvme,drive=disk2.img,addr=0000:05:00.0 \
	-- touch started
refused 'addr' run --device "nvme,drive=disk.img,addr=nowhere" -- touch started
refused 'flavour' run --set flavour=mild "${disk[@]}" -- touch started
refused 'aw' run --set aw=7 "${disk[@]}" -- touch started
refused 'KEY=VALUE' run --set aw "${disk[@]}" -- touch started
refused 'absent/report' run --report absent/report "${disk[@]}" -- touch started
[ ! -e started ] || bad 'a program was started although the machine could not be made'

# The program's exit status is the tool's.
expect 0 run "${disk[@]}" -- true
expect 7 run "${disk[@]}" -- sh -c 'exit 7'
expect 137 run "${disk[@]}" -- sh -c 'kill -KILL $$'
expect 127 run "${disk[@]}" -- ./no-such-program
expect 126 run "${disk[@]}" -- "$work/disk.img"
expect 0 run -- true

# Waits up to 10 s for a word in `out`.
heard() {
	for _ in $(seq 500); do
		grep -qs "$1" out && return
		sleep 0.02
	done
	bad "never heard \"$1\""
}

# What is sent to the tool reaches the program, once.
cat >trapper <<'END'
trap 'echo term; exit 5' TERM
trap 'echo usr1' USR1
echo ready
while :; do sleep 0.05; done
END
"$ioas" run "${disk[@]}" -- sh trapper >out 2>err &
tool=$!
heard ready
kill -USR1 $tool
heard usr1
kill -TERM $tool
wait $tool
[ $? = 5 ] || bad 'TERM did not reach the program'
[ "$(grep -c term out)" = 1 ] || bad 'TERM reached the program more than once'

# Once the program has ended its children are waited for, until a signal comes; not one that is
# ignored where the tool was started, as nohup has it.
cat >parent <<'END'
(
	# Only who was waited for is gone.
	while kill -0 $$ 2>/dev/null; do sleep 0.02; done
	echo orphan
	read -r line <go
	echo "$line"
) &
END
for name in HUP TERM; do
	mkfifo go
	(trap '' HUP && exec "$ioas" run "${disk[@]}" -- sh parent) >out 2>err &
	tool=$!
	heard orphan
	kill -$name $tool
	if [ $name = HUP ]; then
		sleep 0.2
		kill -0 $tool || bad 'a SIGHUP that is ignored ended the wait for children'
		echo 'go on' >go
		wait $tool || bad "status $? after a SIGHUP that is ignored"
	else
		wait $tool
		grep -q 'go on' out && bad 'SIGTERM does not end the wait for children'
		echo 'go on' >go
	fi
	heard 'go on'
	rm go
done

# The program's world: its folder, and what was preloaded before.
expect 0 run "${disk[@]}" -- sh -c 'cat "$IOAS_RUN_DIR/machine"; stat -c %a "$IOAS_RUN_DIR"'
grep -qx "device nvme,drive=$work/disk.img" out || bad "file name not absolute: $(cat out)"
grep -qx 700 out || bad 'the run folder is open to others'
# (A tool built with ASan would like its runtime first in its own list.)
ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 LD_PRELOAD=libc.so.6 expect 0 run "${disk[@]}" -- sh -c 'echo "$LD_PRELOAD"'
grep -q 'libioas-preload.so:libc.so.6$' out || bad "LD_PRELOAD: $(cat out)"
mkdir 'a,b'
cp disk.img 'a,b/c d.img'
expect 0 run --device 'nvme,drive=a,,b/c d.img' -- true

# What the kernel's selftests need is there only when asked for, and needs no device.
for ask in --selftest-abi '--set selftest=on'; do
	# shellcheck disable=SC2086
	expect 0 run $ask -- sh -c 'cat "$IOAS_RUN_DIR/machine"; ls "$IOAS_RUN_DIR/selftest" && : <>/dev/iommu'
	grep -qx 'set selftest on' out || bad "machine of $ask: $(cat out)"
done
expect 1 run --set abi=6.12 -- sh -c 'cat "$IOAS_RUN_DIR/machine"; test -e "$IOAS_RUN_DIR/selftest"'
grep -qx 'set abi 6.12' out || bad "machine of --set abi: $(cat out)"
refused 'neither 7.3 nor 6.12' run --set abi=5.4 -- touch started

# A program that the door cannot get into is run, and that is said.
if [ -x /bin/busybox ]; then
	expect 0 run "${disk[@]}" -- /bin/busybox true
	if ldd /bin/busybox >/dev/null 2>&1; then want=0; else want=1; fi
	[ "$(grep -c 'statically linked' err)" = $want ] || bad "busybox: $(cat err)"
fi

# ls: the same device in three ways of asking.
expect 0 ls "${disk[@]}"
grep -q '^0000:01:00.0 ' out || bad "ls: $(cat out)"
expect 0 ls --json "${disk[@]}"
jq -e '.devices | length == 1 and .[0].name == "0000:01:00.0" and (.[0].nodes | length == 2)' out \
	>/dev/null || bad "ls --json: $(cat out)"
cp out described
expect 0 run "${disk[@]}" -- "$ioas" ls --json
cmp -s out described || bad 'ls inside a run differs from ls --device'

# The report is JSON, also for a program that was killed.
for end in 'exit 3' 'kill -KILL $$'; do
	"$ioas" run --report r.json "${disk[@]}" --device nvme,drive=disk2.img -- sh -c "$end" 2>err
	jq -e '(.devices | length == 2) and .devices[1].name == "0000:02:00.0"
		and (.devices | all(.model == "nvme" and .tlps == 0 and .faults.count == 0
			and (.faults.records | length == 0)))
		and (.program[0] == "sh") and (.ioctls | type == "array")
		and (.exit_status == 3 and .signal == null or .exit_status == 137 and .signal == 9)' \
		r.json >/dev/null || bad "report of \"$end\": $(cat r.json)"
done

[ "$failed" = 0 ] && echo 'the tool behaves'
exit "$failed"
