#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: ioas topology and ioas why: what they show of described machines, in every form, and
# what changes when ACS does.
set -u
ioas=$(realpath "${IOAS:-build/ioas}")
[ -x "$ioas" ] || { echo "SKIP: $ioas is not built"; exit 77; }
command -v jq >/dev/null || { echo "SKIP: jq is not installed (Debian package jq)"; exit 77; }
examples=$(realpath "$(dirname "$0")/../../examples/machines")
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-topology-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cp "$examples"/*.yaml .
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
}

# says TEXT...: each stands in `out`.
says() {
	for text in "$@"; do
		grep -qF -- "$text" out || bad "\"$text\" is not said: $(cat out)"
	done
}

# refused STATUS PATTERN ioas-arguments...: one line on stderr that says PATTERN.
refused() {
	local status=$1 pattern=$2
	shift 2
	expect "$status" "$@"
	[ "$(wc -l <err)" = 1 ] || bad "not one line: ioas $*: $(cat err)"
	grep -q "^ioas: .*$pattern" err || bad "no \"$pattern\" for: ioas $*: $(cat err)"
	[ ! -s out ] || bad "output on stdout: ioas $*"
}

json() {
	jq -e "$1" out >/dev/null || bad "not $1: $(head -c 2000 out)"
}

# It teaches, and does not guess.
expect 0 help topology
says 'usage: ioas topology' 'lspci -xxxx'
expect 0 topology --help
expect 0 help why
expect 0 why --help
says 'usage: ioas why BDF'
refused 2 'not tree, yaml, json, dot or svg' topology --to html
refused 2 'is it --from server.yaml' topology server.yaml
refused 2 '\--colour: unknown' topology --colour
refused 2 'without a value' topology --from
refused 2 'not BDF.acs=VALUE' topology --from server.yaml --set 00:01.0
refused 2 '"here" is no address' topology --from server.yaml --set here.acs=on
refused 2 'neither on, off, nor some of sv' topology --from server.yaml --set 00:01.0.acs=xx
refused 2 'there is no function 0000:00:09.0' topology --from server.yaml --set 00:09.0.acs=on
refused 1 'absent.yaml: No such file' topology --from absent.yaml
refused 2 'why what' why
refused 2 'one address or two' why 00:01.0 00:02.0 00:03.0
refused 2 '"nowhere" is no address' why nowhere --from server.yaml
refused 2 '"nowhere" is no address' why 00:01.0 nowhere --from server.yaml
refused 1 'no function 00:09.0' why 00:09.0 --from server.yaml

# A tree for people; plain characters where the terminal has no others.
LC_ALL=C expect 0 topology --from conventional.yaml
says '`- ' 'GROUP' '00:1c.0 root port to 01-02' '3 (3)' 'share set 4: 02:00.0 02:01.0' \
	'0000:01:00.0 (PCIe-to-PCI bridge) sends all that comes from below with one requester ID, 02:00.0'
LC_ALL=C.UTF-8 expect 0 topology --machine conventional.yaml
says '└─ '
LC_ALL=C.UTF-8 expect 0 topology --ascii --from conventional.yaml
grep -q '└' out && bad '--ascii draws lines'
[ -z "$(tr -d '\t\n -~' <out)" ] || bad 'characters beyond ASCII'

# Pictures are well-formed, and have a box for each function.
for machine in desktop server conventional; do
	expect 0 topology --from $machine.yaml --to json
	functions=$(jq '.functions | length' out)
	expect 0 topology --from $machine.yaml --to svg
	[ "$(grep -c '<rect .*rx="4"' out)" = "$functions" ] || bad "boxes of $machine"
	if command -v python3 >/dev/null; then
		python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' out || bad "XML of $machine"
	fi
	expect 0 topology --from $machine.yaml --to dot
	[ "$(grep -c 'label=.*group' out)" = "$functions" ] || bad "nodes of $machine"
	if command -v dot >/dev/null; then
		dot -Tsvg out >/dev/null || bad "dot of $machine"
	fi
done
cat >odd.yaml <<'END'
root-buses:
  - devices:
      - type: rc-endpoint
        name: "<b>&\"quoted\"\\ \x01"
END
expect 0 topology --from odd.yaml --to svg
says '&lt;b&gt;&amp;&quot;quoted&quot;\ '
expect 0 topology --from odd.yaml --to json
json '.functions[0].name == "<b>&\"quoted\"\\ \u0001"'
expect 0 topology --from odd.yaml --to dot
says '<b>&\"quoted\"\\ '

# What if: groups before and after, and who would go past the IOMMU.
expect 0 topology --from server.yaml --set 02:00.0.acs=off
says 'ACS of 0000:02:00.0: sv rr cr uf -> off' 'group 3: 0000:02:00.0 0000:03:00.0' \
	'would bypass the IOMMU' '0000:03:00.0 -> 0000:05:00.0, turned at 0000:02:00.0'
expect 0 topology --from server.yaml --set 02:00.0.acs=off --to json
json '.changes | (.groups_before | length) == 2
	and (.groups_after == [{group: 3, members: ["0000:02:00.0", "0000:03:00.0"]}])
	and (.would_bypass | map(.from + .to) | sort)
		== ["0000:03:00.00000:04:00.0", "0000:03:00.00000:05:00.0"]
	and .would_no_longer_bypass == []'
expect 0 topology --from server.yaml --set 02:01.0.acs=sv,rr,cr,uf --to json
json '(.changes.would_no_longer_bypass | all(.at == "0000:02:01.0") and length == 2) and .changes.would_bypass == []'
expect 0 topology --from server.yaml --set 02:00.0.acs=on
says 'Groups that would be others:' '  none' 'the same ways'
# Where a machine has none, it can be wished for; all three are needed to part the two disks' ports.
expect 0 topology --from desktop.yaml --set 00:1c.0.acs=on --set 00:1c.1.acs=on --to json
json '[.functions[] | select(.address == ("0000:02:00.0", "0000:03:00.0")) | .group] | unique | length == 2'
expect 0 topology --from desktop.yaml --set 00:1c.0.acs=on
says 'more than the device can do'

# Why: one function.
expect 0 why 02:00.0 --from desktop.yaml
says 'Group 2: 4 functions that cannot be isolated' 'nvme' 'in the way' 'not viable' \
	'echo 0000:03:00.0 >/sys/bus/pci/devices/0000:03:00.0/driver/unbind' \
	'requests can turn at 0000:00:1c.0 (root port) before they meet the IOMMU: it has no ACS capability' \
	'no setting changes that' 'patched to override ACS only stop looking' 'never meet the IOMMU: '
grep -q 'unbind.*1c' out && bad 'ports are not to be unbound'
expect 0 why 0000:04:00.0 --from server.yaml
says 'its ACS bits sv, rr, cr, uf are off' 'turn on ACS sv, rr, cr, uf at 0000:02:01.0' \
	'it would be alone in its group'
expect 0 why 0000:03:00.0 --from server.yaml
says 'Group 6: alone' 'Share set 6: alone' 'All its requests meet the IOMMU'
expect 0 why 02:01.0 --from conventional.yaml
says '02:00.0  put on the wire by 0000:01:00.0 (PCIe-to-PCI bridge)' 'share one address space'
expect 0 why 04:02.1 --from conventional.yaml
says 'uses the one of function 0' "put on the wire by 0000:00:1e.0 (PCI bridge): the bridge's own"
expect 0 why 04:00.0 --from server.yaml --json
json '.group.with_all_acs_on == ["0000:04:00.0"] and (.group.reasons[0] | .switchable and .at == "0000:02:01.0"
	and .acs_missing == ["sv", "rr", "cr", "uf"]) and .above[0] == "0000:02:01.0"'
expect 0 why 02:00.0 --from desktop.yaml --json
json '.group.with_all_acs_on == null
	and ([.group.members[] | select(.in_the_way).address] == ["0000:02:00.0", "0000:03:00.0"])'

# Why: two.
expect 0 why 02:00.0 03:00.0 --from desktop.yaml
says 'yes, since no requester ID is common' 'groups=strict' '0000:02:00.0 -> 0000:03:00.0: turned at 0000:00:1c.0'
expect 0 why 02:00.0 03:00.0 --from desktop.yaml --json
json '.different_spaces and (.different_spaces_in_linux | not) and .group_a == .group_b
	and .a_to_b == {bypass: true, at: "0000:00:1c.0"} and .b_to_a.at == "0000:00:1c.1"'
expect 0 why 02:00.0 02:01.0 --from conventional.yaml
says 'Different address spaces: no.' 'the same requester ID'
expect 0 why 02:00.0 02:01.0 --from conventional.yaml --json
json '(.different_spaces | not) and .share_set.reasons[0].rid == "02:00.0"'
expect 0 why 03:00.0 05:00.0 --from server.yaml
says 'yes. They are in different groups, 6 and 7.' 'up to the root and through the IOMMU'
expect 0 why 03:00.0 03:00.0 --from server.yaml
says 'no, it is one function'
sed 's/^root-buses/iommus: []\nroot-buses/' conventional.yaml >bare.yaml
expect 0 why 02:00.0 --from bare.yaml
says 'No IOMMU sees its requests'
expect 0 topology --from bare.yaml
says 'No IOMMU: nothing is translated'
expect 0 why 02:00.0 03:00.0 --from bare.yaml
says 'No IOMMU sees the requests of one of them'

[ "$failed" = 0 ] && echo 'topologies are shown and explained'
exit "$failed"
