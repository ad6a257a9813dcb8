#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: in a control group that limits memory: what stays below works; a program that has more
# mapped for DMA is ended by the kernel, as it would be without us, and it alone: the tool tells of it,
# leaves nothing behind, and the next program works. Where no group can be made (that takes root),
# there is nothing to see.
. "$(dirname "$0")/../compat/lib.sh"

need jq jq
scratch
export TMPDIR=$work/tmp
mkdir "$TMPDIR"

# A group below one of the roots: those of the first version have one for memory alone.
group=
for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
	mkdir "$root/ioas-test.$$" 2>"$work/log" || continue
	group=$root/ioas-test.$$
	# Those of the second version have what their parent hands down.
	[ ! -w "$root/cgroup.subtree_control" ] || echo +memory >"$root/cgroup.subtree_control" || true
	for file in memory.limit_in_bytes memory.max; do
		[ ! -e "$group/$file" ] || break 2
	done
	rmdir "$group"
	group=
done
[ -n "$group" ] || skip "no control group for memory can be made here"

end() {
	rm -rf "$work"
	# Whoever was in it may be on his way out yet.
	for _ in $(seq 50); do
		rmdir "$group" 2>/dev/null && break
		sleep 0.1
	done
}
trap end EXIT
echo 100663296 >"$group/$file"
[ ! -e "$group/memory.swap.max" ] || echo 0 >"$group/memory.swap.max"

# within REPORT MIB: the program in the group; its status.
within() {
	local status=0
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		exec timeout "$limit" "$ioas" run --report "$1" --device tlpgun -- "$CGROUP" "$2"
	) >"$work/log" 2>&1 || status=$?
	echo "$status"
}

alone() {
	[ -z "$(ls -A "$TMPDIR")" ] || fail "something is left in TMPDIR: $(ls -A "$TMPDIR")"
}

[ "$(within "$work/1" 16)" = 0 ] || fail "16 MiB of 96 cannot be mapped"
alone
status=$(within "$work/2" 512)
[ "$status" = 137 ] || fail "512 MiB of 96: status $status instead of 137"
jq -e '.devices[0].name' "$work/2" >"$work/log" || fail "no report of a program that was killed"
alone
[ "$(within "$work/3" 16)" = 0 ] || fail "16 MiB of 96 cannot be mapped after that"
echo PASS
