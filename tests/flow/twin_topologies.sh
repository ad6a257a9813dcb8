#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: of the PCI trees that a real Linux was seen with, its groups and ours are the same; ours
# are computed, not read; and where they differ, the comparison says so.
set -u
ioas=$(realpath "${IOAS:-build/ioas}")
[ -x "$ioas" ] || { echo "SKIP: $ioas is not built"; exit 77; }
command -v jq >/dev/null || { echo "SKIP: jq is not installed (Debian package jq)"; exit 77; }
build=$(dirname "$ioas")
twin=$(realpath "$(dirname "$0")/../twin")
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-twin-XXXXXX")
trap 'rm -rf "$work"' EXIT
failed=0

bad() {
	echo "FAIL: $*"
	failed=1
}

# compare STATUS FOLDER: what it says to `out`.
compare() {
	local status=0
	"$twin/topology.sh" compare "$build" "$2" >"$work/out" 2>&1 || status=$?
	[ "$status" = "$1" ] || bad "status $status, not $1, of $2: $(cat "$work/out")"
}

says() {
	for text in "$@"; do
		grep -qF -- "$text" "$work/out" || bad "\"$text\" is not said: $(cat "$work/out")"
	done
}

# The same groups, of at least twelve trees no two of which are alike.
nr=0
for folder in "$twin"/topologies/*/; do
	name=$(basename "$folder")
	compare 0 "$folder"
	[ "$(tail -n 1 "$work/out")" = 'groups: identical' ] || bad "$name: $(cat "$work/out")"
	[ -s "$folder/qemu" ] || bad "$name: by what QEMU arguments?"
	! grep -q group "$folder/tree" || bad "$name: there are groups in its tree"
	nr=$((nr + 1))
done
[ "$nr" -ge 12 ] || bad "only $nr topologies are kept"
alike=$(sha256sum "$twin"/topologies/*/tree | sort | uniq -w 64 -D)
[ -z "$alike" ] || bad "alike: $alike"

# As `lspci -xxxx` prints them, they are the same machines: but it does not tell what is behind an
# IOMMU, which all is where that is Intel's.
as_lspci() {
	perl -e 'for (@ARGV) {
		open my $in, "<:raw", "$_/config" or die "$_: $!";
		my $config = do { local $/; <$in> };
		print m{([^/]+)$}, " Something\n";
		printf "%02x: %s\n", $_, join " ", unpack "(H2)*", substr $config, $_, 16
			for map { $_ * 16 } 0 .. length($config) / 16 - 1;
	}' "$1"/sys/bus/pci/devices/*
}
for folder in "$twin"/topologies/*/; do
	! grep -q '^iommu ' "$folder/qemu" || continue
	rm -rf "$work/root"
	"$twin/unpack.pl" "$folder/tree" "$work/root"
	as_lspci "$work/root" >"$work/dump"
	ours=$("$ioas" topology --from "lspci:$work/dump" --to json | jq -c '[.groups[].members] | sort')
	kernel=$(jq -cRs 'split("\n") | map(split(" ")[1:] | select(length > 0)) | sort' "$folder/groups")
	[ "$ours" = "$kernel" ] || bad "$(basename "$folder") from a dump: $ours, not $kernel"
done
rm -rf "$work/root"

# fresh NAME: a copy of a kept topology, to change.
fresh() {
	rm -rf "$work/case"
	cp -r "$twin/topologies/$1" "$work/case"
	chmod -R u+w "$work/case"
}

# Groups are computed from config spaces: links to groups, true or false, change nothing.
ours() { "$ioas" topology --from "sysfs:$work/root" --to json 2>"$work/err" | jq -c '.groups'; }
"$twin/unpack.pl" "$twin/topologies/mix/tree" "$work/root" || bad 'mix is not unpacked'
devices=$work/root/sys/bus/pci/devices
without=$(ours)
[ ! -s "$work/err" ] || bad "said without groups: $(cat "$work/err")"
while read -r group members; do
	for member in $members; do
		ln -s "../../kernel/iommu_groups/$group" "$devices/$member/iommu_group"
	done
done <"$twin/topologies/mix/groups"
[ "$(ours)" = "$without" ] || bad 'the groups are others with true links to them'
[ ! -s "$work/err" ] || bad "said with true groups: $(cat "$work/err")"
group=0
for device in "$devices"/*; do
	ln -sfn "../../kernel/iommu_groups/$group" "$device/iommu_group"
	group=$((group + 1))
done
[ "$(ours)" = "$without" ] || bad 'the groups are others with a group of its own for each function'
grep -q 'the kernel has .* in other groups' "$work/err" || bad "nothing said of false groups: $(cat "$work/err")"
for device in "$devices"/*; do
	ln -sfn ../../kernel/iommu_groups/0 "$device/iommu_group"
done
[ "$(ours)" = "$without" ] || bad 'the groups are others with one group for all'

# An ACS bit less, and two ports of one device are no longer apart.
fresh root-ports-multifunction
compare 0 "$work/case"
port=$(grep -n '^function .*0000:00:10.1 ' "$work/case/tree" | cut -d : -f 1)
# Extended capability 0x0d at 0x148 of QEMU's root port: its control register is at 0x14e.
sed -i "$((port + 1)),\$ { /^140 0000000000000000\(0d000100....\)1d00/ { s//140 0000000000000000\11900/; :rest; n; b rest } }" "$work/case/tree"
cmp -s "$work/case/tree" "$twin/topologies/root-ports-multifunction/tree" && bad 'no bit was cleared'
compare 1 "$work/case"
says 'we have together what the kernel has apart: 0000:' '0000:00:10.1' 'groups: different'

# The kernel's groups otherwise.
fresh switch
together=$(grep -m 1 ' .* ' "$work/case/groups")
sed -i "s/^$together\$/$(cut -d ' ' -f 1-2 <<<"$together")\n99 $(cut -d ' ' -f 3- <<<"$together")/" "$work/case/groups"
compare 1 "$work/case"
says 'we have together what the kernel has apart' 'groups: different'
fresh switch
sed -i 's/^1 /0 /' "$work/case/groups"
compare 1 "$work/case"
says 'the kernel has together what we have apart: 0000:00:00.0 | 0000:00:01.0' 'groups: different'
fresh switch
sed -i '1d' "$work/case/groups"
compare 1 "$work/case"
says 'only we have in a group: 0000:00:00.0' 'groups: different'
fresh switch
echo '99 0000:7f:00.0' >>"$work/case/groups"
compare 1 "$work/case"
says 'only the kernel has in a group: 0000:7f:00.0' 'groups: different'
fresh switch
: >"$work/case/groups"
compare 1 "$work/case"
says 'groups: none at all'

# Other numbers are no difference.
fresh switch
sed -i 's/^/1/' "$work/case/groups"
compare 0 "$work/case"
says 'some with other numbers' 'groups: identical'

# A damaged capture is refused, with its line.
damaged() {
	local status=0
	fresh switch
	sed -i "$2" "$work/case/tree"
	rm -rf "$work/root"
	"$twin/unpack.pl" "$work/case/tree" "$work/root" >"$work/out" 2>&1 || status=$?
	[ "$status" != 0 ] || bad "unpacked: $2"
	says "$1"
}
damaged 'tree:3: not a line' '3s/.*/something/'
damaged '"speed" is unknown' '3s/$/ speed=2/'
damaged 'beyond the end' '/^080/s/^080/ff0/'
damaged 'is there twice' '$a function /devices/pci0000:00/0000:00:00.0 config=256'
damaged 'no length of config space' '3s/ config=[0-9]*//'

[ "$failed" = 0 ] && echo "groups of $nr topologies are the kernel's"
exit "$failed"
