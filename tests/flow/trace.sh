#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: a trace says what a run did, line by line, whoever wrote it and however it ended; and
# `ioas trace` prints it.
set -u
ioas=$(realpath "${IOAS:-build/ioas}")
identify=$(realpath "${IDENTIFY:-build/examples/nvme-identify}")
daemonise=$(realpath "${DAEMONISE:-build/tests/flow/daemonise}")
[ -x "$ioas" ] || { echo "SKIP: $ioas is not built"; exit 77; }
command -v jq >/dev/null || { echo "SKIP: jq is not installed (Debian package jq)"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-trace-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
truncate -s 1M disk.img disk2.img
device=(--device nvme,drive=disk.img)
failed=0

bad() {
	echo "FAIL: $*"
	failed=1
}

# run STATUS arguments...: `ioas run` with a trace and a report.
run() {
	local want=$1 status=0
	shift
	"$ioas" run --trace t.json --report r.json "${device[@]}" "$@" >out 2>err || status=$?
	[ "$status" = "$want" ] || bad "status $status, not $want: $* $(cat out err)"
	whole
}

# Each line is one JSON object with what all lines have, and no number is drawn twice.
whole() {
	[ -z "$(tail -c 1 t.json)" ] || bad "the last line is not whole"
	jq -eRn 'all(inputs; fromjson | type == "object")' t.json >/dev/null || bad "not a line an object"
	holds 'common keys' 'all(.[]; (.seq | type == "number") and (.t >= 0)
		and (.time | test("^20[0-9-]{8}T[0-9:]{8}[.][0-9]{9}Z$"))
		and .pid > 0 and .tid > 0 and (.event | type == "string"))'
	holds 'seq' '[.[].seq] | length == (unique | length)'
}

# holds WHAT FILTER: a jq filter is true of the list of all lines.
holds() {
	jq -se "$2" t.json >/dev/null && return
	bad "$1: $2"
	head -c 4000 t.json
	echo
}

# The report and the trace have counted the same calls.
agree() {
	holds 'no number is missing' '([.[].seq] | sort) == [range(length)]'
	jq -s -c '[.[] | select(.event == "ioctl")] | group_by([.name, .errno // 0])
		| map({name: .[0].name, errno: (.[0].errno // 0), count: length})' t.json >traced
	jq -c '[.ioctls[] | {name, errno, count}] | sort_by([.name, .errno])' r.json >counted
	cmp -s traced counted || { bad "trace and report differ"; cat traced counted; }
	[ "$(jq -s '[.[] | select(.event == "fault")] | length' t.json)" = \
		"$(jq '[.devices[].faults.count] | add' r.json)" ] || bad 'faults differ from the report'
}

# A driver that works: what it asked for is there, in and out.
run 0 -- "$identify" 0000:01:00.0
agree
holds 'begin and end' '.[0].event == "run" and .[0].program[1] == "0000:01:00.0"
	and .[0].machine[-1:] == ["nvme,drive='"$work"'/disk.img"] and .[-1].event == "end" and .[-1].status == 0'
holds 'the process' '.[0].pid as $tool | any(.[]; .event == "start" and .parent == $tool
	and (.program | endswith("nvme-identify"))) and any(.[]; .event == "exit" and .status == 0)'
holds 'a map with its fields by name' 'any(.[]; .name == "IOMMU_IOAS_MAP" and .path == "/dev/iommu"
	and .in.flags == ["WRITEABLE", "READABLE"] and .in.length == 12288
	and (.in.user_va | startswith("0x")) and (.out.iova | startswith("0x")) and .result == 0)'
holds 'an attach, and the route it made' '(map(.event == "route" and .cause == "attach") | index(true)) as $i
	| .[$i].device == "0000:01:00.0" and .[$i].from == null and .[$i].pasid == null
	and .[$i].to.hwpt_id == .[$i + 1].out.pt_id and .[$i + 1].name == "VFIO_DEVICE_ATTACH_IOMMUFD_PT"'
holds 'bus mastering' 'any(.[]; .cause == "bus-master-on")'
holds 'nothing was refused' 'all(.[]; has("error") | not)'

# A wild DMA: the fault with its levels. And a refused call with the reason the report has.
run 3 -- "$identify" 0000:01:00.0 0xdead0000
agree
holds 'the fault' '[.[] | select(.event == "fault")] | length == 1 and (.[0]
	| .device == "0000:01:00.0" and .iova == "0xdead0000" and .access == "write"
	and .reason == "not mapped" and (.walk | length >= 1 and all(.[]; .level and .kind))
	and .nearest.read and .passed == false)'
run 0 -- sh -c 'exec 3<>/dev/vfio/1; command exec 4<>/dev/vfio/1 || true'
holds 'a refused open' '[.[] | select(.error)] | length == 1 and .[0].event == "open"
	and .[0].error == "EBUSY" and .[0].errno == 16'
reason=$(jq -r '.refusals.reasons[0].reason' r.json)
[ "/dev/vfio/1: $(jq -rs '[.[] | select(.error)][0].reason' t.json)" = "$reason" ] ||
	bad "not the report's reason: $reason"

# A stock program, when it is there.
if command -v qemu-img >/dev/null; then
	run 0 -- qemu-img info nvme://0000:01:00.0/1
	agree
	holds 'type1' 'any(.[]; .name == "VFIO_IOMMU_MAP_DMA" and .in.size > 0 and .in.iova)
		and any(.[]; .name == "VFIO_SET_IOMMU" and .in.type == "TYPE1_IOMMU")
		and any(.[]; .name == "VFIO_GROUP_GET_DEVICE_FD" and .in.name == "0000:01:00.0")
		and any(.[]; .name == "VFIO_DEVICE_SET_IRQS" and (.in.eventfds | length) == 1)
		and any(.[]; .cause == "detach" and .to == null)'
fi

# Two programs at once, many times over, one of them killed in the middle: still whole lines.
cat >busy.sh <<'END'
busy() { while :; do "$1" "$2" >/dev/null 2>&1 || true; done; }
busy "$1" 0000:02:00.0 &
other=$!
for i in $(seq 8); do
	"$1" 0000:01:00.0 >/dev/null &
	one=$!
	sleep 0.0$((i * 2 % 10))
	kill -KILL $one 2>/dev/null
	wait $one 2>/dev/null
done
kill -KILL $other
wait $other 2>/dev/null
exit 0
END
device+=(--device nvme,drive=disk2.img)
run 0 -- bash busy.sh "$identify"
holds 'both wrote' '([.[] | select(.name == "IOMMU_IOAS_ALLOC") | .pid] | unique | length) > 2
	and ([.[] | select(.event == "reset") | .device] | unique | length) == 2'
device=("${device[@]:0:2}")

# A forked child says so, is refused with the reason while its parent has the device, and takes over.
if [ -x "$daemonise" ]; then
	run 0 -- "$daemonise" "$work/told"
	holds 'fork, refusal, takeover' '[.[] | select(.event == "fork")] as $fork | ($fork | length) == 1
		and any(.[]; .event == "refusal" and .pid == $fork[0].pid and .error == "EBUSY" and .reason)
		and any(.[]; .event == "takeover" and .pid == $fork[0].pid)
		and any(.[]; .event == "ioctl" and .pid == $fork[0].pid and .result == 0)'
fi
run 137 -- sh -c 'kill -KILL $$'
holds 'a killed program' '.[-1].event == "end" and .[-1].signal == 9 and all(.[]; .event != "exit")'

# Where the file is: relative, a pipe, not to be written.
mkdir sub
(cd sub && "$ioas" run --trace ../t.json --device nvme,drive=../disk.img -- sh -c "cd / && $identify 0000:01:00.0") >out 2>err ||
	bad "relative: $(cat err)"
whole
holds 'relative' 'any(.[]; .name == "IOMMU_IOAS_MAP")'
rm t.json
mkfifo t.json
cat t.json >piped &
"$ioas" run --trace t.json "${device[@]}" -- "$identify" 0000:01:00.0 >out 2>err || bad "pipe: $(cat err)"
wait $!
rm t.json
mv piped t.json
whole
holds 'a pipe' 'any(.[]; .name == "IOMMU_IOAS_MAP") and .[-1].event == "end"'
"$ioas" run --trace absent/t "${device[@]}" -- touch started >out 2>err
[ $? = 2 ] && grep -q '^ioas: --trace absent/t: ' err && [ ! -e started ] || bad "absent folder: $(cat err)"
# A reader that goes away ends the trace, not the program.
mkfifo gone
head -n 3 gone >/dev/null &
"$ioas" run --trace gone "${device[@]}" -- sh -c "sleep 0.2; $identify 0000:01:00.0 && echo fine" >out 2>err
status=$?
[ $status = 0 ] && grep -q fine out || bad "no reader: status $status, $(cat out err)"

# For people.
run 3 -- sh -c "command exec 4<>/dev/vfio/vfio; $identify 0000:01:00.0 0xbad000"
show() {
	"$ioas" trace "$@" >shown 2>err || bad "ioas trace $*: $(cat err)"
	[ -s err ] && bad "ioas trace $*: $(cat err)"
}
show t.json
[ "$(grep -c '^ *[0-9]' shown)" = "$(wc -l <t.json)" ] || bad "not a line an event: $(cat shown)"
grep -q 'ioctl   IOMMU_IOAS_MAP /dev/iommu flags=WRITEABLE|READABLE .*length=12288 .*-> iova=0x' shown || bad "no map: $(cat shown)"
grep -q 'route   0000:01:00.0 attach (RID 01:00.0, no PASID): nowhere -> IOAS 2, HWPT 3' shown || bad "no route: $(cat shown)"
grep -A 2 'fault   0000:01:00.0 (RID 01:00.0, no PASID) write of 4096 bytes at 0xbad000: not mapped' shown |
	grep -q '^ \{20,\}level [45], entry 0: 0x' || bad "no fault: $(cat shown)"
grep -q '^ \{20,\}nearest mapping: 0x.* (read, write)' shown || bad "no nearest: $(cat shown)"
show - <t.json
[ "$(wc -l <shown)" -gt 15 ] || bad "from stdin: $(cat shown)"
# (Lines that begin in the first column are events.)
show --faults t.json
[ "$(grep -c '^ *[0-9]' shown)" = 1 ] && grep -q 0xbad000 shown || bad "--faults: $(cat shown)"
show --ioctl 'iommu_ioas_*' t.json
[ "$(grep -c IOMMU_IOAS_ shown)" = "$(wc -l <shown)" ] && [ -s shown ] || bad "--ioctl: $(cat shown)"
show --device 01:00.0 t.json
grep -q VFIO_DEVICE_BIND shown && ! grep -q IOMMU_IOAS_MAP shown || bad "--device: $(cat shown)"
show --device 0000:05:00.0 t.json
[ ! -s shown ] || bad "--device of none: $(cat shown)"
pid=$(jq -s '[.[] | select(.name == "IOMMU_IOAS_MAP")][0].pid' t.json)
show --pid "$pid" t.json
grep -q IOMMU_IOAS_MAP shown && ! grep -q ' run  ' shown || bad "--pid: $(cat shown)"
show --refused t.json
[ ! -s shown ] || bad "--refused of none: $(cat shown)"
cat >>t.json <<'END'
{"seq":99,"t":1,"pid":5,"tid":6,"event":"ioctl","path":"/dev/iommu","name":"IOMMU_DESTROY","in":{"size":4,"id":1},"out":{},"error":"EINVAL","errno":22,"reason":"because\u001b[31m"}
{"seq":100,"t":2,"pid":5,"tid":5,"event":"something","new":{"a":1}}
END
show --refused t.json
grep -A 1 '5/6 .*IOMMU_DESTROY /dev/iommu size=4 id=1 = EINVAL' shown | grep -q '^ \{20,\}reason: because?\[31m$' ||
	bad "--refused: $(cat shown)"
show t.json
grep -q 'something.*"new":{"a":1}' shown || bad "an event it does not know: $(tail -n 1 shown)"

# Damage is named by line, and the rest is printed.
{
	head -n 2 t.json
	echo '{"seq":3,"event":"op{"seq":4,"event":"close"}'
	printf 'x\0y\n'
	echo '[]'
	echo
	sed -n 3,4p t.json
	head -c 30 t.json
} >damaged.json
"$ioas" trace damaged.json >shown 2>err
[ $? = 1 ] || bad 'damage has no exit status'
[ "$(grep -c '^ *[0-9]' shown)" = 4 ] || bad "damage: $(cat shown)"
for n in 3 4 5 6 9; do
	grep -q "^ioas: damaged.json:$n: " err || bad "damage in line $n is not named: $(cat err)"
done
"$ioas" trace absent.json >shown 2>err
[ $? != 0 ] && grep -q '^ioas: absent.json: ' err || bad "absent: $(cat err)"
for wrong in '' 't.json t.json' '--pid x t.json' '--fly t.json' '--device'; do
	# shellcheck disable=SC2086
	"$ioas" trace $wrong >shown 2>err
	[ $? = 2 ] && [ "$(wc -l <err)" = 1 ] || bad "ioas trace $wrong: $(cat err)"
done

# Following: from before the run until its end.
: >t.json
timeout 60 "$ioas" trace --follow t.json >followed 2>err &
follower=$!
run 0 -- "$identify" 0000:01:00.0
wait $follower || bad "follow: status $?, $(cat err)"
grep -q 'IOMMU_IOAS_MAP' followed && tail -n 1 followed | grep -q 'end  *status 0' || bad "followed: $(cat followed)"

[ "$failed" = 0 ] && echo 'the trace says what happened'
exit "$failed"
