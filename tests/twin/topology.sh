#!/bin/bash
# SPDX-License-Identifier: MIT
# make twin-topology: the groups that a real Linux kernel makes of a PCI tree, and ours of the same
# tree, as sets of addresses.
#
#   topology.sh check BUILD [NAME...]      boots each kept topology (all, without a name) again
#   QEMU='-device ...' topology.sh check BUILD       boots that one; nothing is kept
#   QEMU='-device ...' topology.sh keep BUILD NAME   ... and is kept as topologies/NAME
#   topology.sh compare BUILD FOLDER       what FOLDER has, without a kernel
#
# A kept topology is a folder: `qemu` (what it is, QEMU's arguments, and "iommu KIND" where that is
# not intel), `tree` and `groups` (capture.sh has their form). `tree` has no groups in it.
# ORACLE_IOMMU says which IOMMU the machine of QEMU= has.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
usage() { sed -n '/^#  /s/^# *//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
what=$1 ioas=$(realpath "$2/ioas")
shift 2
kept=$here/topologies
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Our groups of a tree, as capture.sh writes the kernel's.
our_groups() {
	rm -rf "$work/root"
	"$here/unpack.pl" "$1" "$work/root"
	"$ioas" topology --from "sysfs:$work/root" --to json >"$work/json"
	jq -r '.groups[] | "\(.number) \(.members | join(" "))"' "$work/json"
}

# differences KERNELS OURS: nothing, or which functions are together in only one of the two.
differences() {
	awk '
	FNR == 1 { side++ }
	{ for (i = 2; i <= NF; i++) { group[side, $i] = $1; seen[$i] = 1; members[side, $1] = members[side, $1] " " $i } }
	# Members of one group by the groups that the other side has them in.
	function split_up(side, other, text,    key, parts, nr, i, count, of, order, name) {
		for (key in members) {
			split(key, parts, SUBSEP)
			if (parts[1] != side)
				continue
			nr = split(members[key], name, " ")
			count = 0
			delete of
			for (i = 1; i <= nr; i++) {
				if (!((other, name[i]) in group))
					continue
				if (!(group[other, name[i]] in of))
					order[++count] = group[other, name[i]]
				of[group[other, name[i]]] = of[group[other, name[i]]] " " name[i]
			}
			if (count < 2)
				continue
			printf "%s:%s", text, of[order[1]]
			for (i = 2; i <= count; i++)
				printf " |%s", of[order[i]]
			print ""
		}
	}
	END {
		split_up(1, 2, "  the kernel has together what we have apart")
		split_up(2, 1, "  we have together what the kernel has apart")
		for (name in seen) {
			if (!((2, name) in group))
				print "  only the kernel has in a group: " name
			if (!((1, name) in group))
				print "  only we have in a group: " name
		}
	}' "$1" "$2" | sort
}

# compare FOLDER: its tree's groups against its groups.
compare() {
	local differ
	our_groups "$1/tree" >"$work/ours"
	if [ ! -s "$1/groups" ] || [ ! -s "$work/ours" ]; then
		echo "groups: none at all in $1"
		return 1
	fi
	differ=$(differences "$1/groups" "$work/ours")
	if [ -n "$differ" ]; then
		echo "$differ"
		echo "groups: different"
		return 1
	fi
	if cmp -s "$1/groups" "$work/ours"; then
		echo "$(wc -l <"$work/ours") groups, their numbers the same as well"
	else
		echo "$(wc -l <"$work/ours") groups, some with other numbers"
	fi
	echo "groups: identical"
}

# capture FOLDER ARGUMENTS: boots, and fills the folder.
capture() {
	mkdir -p "$work/host"
	cp "$here/capture.sh" "$work/host"
	rm -f "$work/host/tree" "$work/host/groups"
	ORACLE_BIND=- ORACLE_QEMU=$2 ORACLE_TIMEOUT=${ORACLE_TIMEOUT:-180} "$here/oracle.sh" run "$work/host" sh capture.sh . >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		echo "the guest did not boot, or nothing was captured: are these devices of qemu-system-x86_64?"
		return 1
	}
	mv "$work/host/tree" "$work/host/groups" "$1"
}

# again FOLDER: boots a kept topology, compares, and holds what the kernel says now against what it
# said when it was kept.
again() {
	local now=$work/now kind
	mkdir -p "$now"
	kind=$(sed -n 's/^iommu //p' "$1/qemu")
	ORACLE_IOMMU=${kind:-intel} capture "$now" "$(arguments "$1")"
	if ! cmp -s "$1/groups" "$now/groups"; then
		diff "$1/groups" "$now/groups" | sed -n 's/^[<>]/  kept < > now: &/p'
		echo "  the kernel has other groups than when this was kept"
	fi
	compare "$now"
}

arguments() {
	sed '/^#/d; /^iommu /d' "$1/qemu" | tr '\n' ' '
}

prepare() {
	"$here/oracle.sh" deps
	"$here/oracle.sh" build
}

check_kept() {
	local held=0 failed=0 name
	[ $# -gt 0 ] || set -- $(ls "$kept")
	for name; do
		[ -d "$kept/$name" ] || { echo "no topology $name in $kept" >&2; exit 2; }
		echo "== $name: $(sed -n '1s/^# *//p' "$kept/$name/qemu")"
		if again "$kept/$name"; then held=$((held + 1)); else failed=$((failed + 1)); fi
	done
	echo "$held passed, $failed failed"
	[ "$failed" = 0 ]
}

case $what in
compare) compare "${1:?compare what folder?}" ;;
check)
	prepare
	if [ -z "${QEMU:-}" ]; then
		check_kept "$@"
	else
		capture "$work" "$QEMU"
		"$ioas" topology --ascii --from "sysfs:$(our_groups "$work/tree" >/dev/null && echo "$work/root")" | sed '/^$/,$d'
		compare "$work"
	fi
	;;
keep)
	name=${1:?keep it as what?}
	prepare
	mkdir -p "$kept/$name"
	[ -s "$kept/$name/qemu" ] || {
		echo "# ${ABOUT:-$name}"
		[ "${ORACLE_IOMMU:-intel}" = intel ] || echo "iommu $ORACLE_IOMMU"
		sed 's/ \+\(-[a-z]\)/\n\1/g' <<<"${QEMU:?QEMU= what arguments?}"
	} >"$kept/$name/qemu"
	kind=$(sed -n 's/^iommu //p' "$kept/$name/qemu")
	ORACLE_IOMMU=${kind:-intel} capture "$kept/$name" "$(arguments "$kept/$name")"
	compare "$kept/$name"
	;;
*) usage ;;
esac
