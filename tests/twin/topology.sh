#!/bin/bash
# SPDX-License-Identifier: MIT
# make twin-topology: the groups that a real Linux kernel makes of a PCI tree, and ours of the same
# tree, as sets of addresses.
#
#   topology.sh check BUILD [NAME...]      boots each kept topology (all, without a name) again
#   QEMU='-device ...' topology.sh check BUILD       boots that one; nothing is kept
#   QEMU='-device ...' topology.sh keep BUILD NAME   ... and is kept as topologies/NAME
#   topology.sh random BUILD FIRST LAST    boots trees that random.pl makes of these numbers
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

arguments() {
	sed '/^#/d; /^iommu /d' "$1/qemu" | tr '\n' ' '
}

iommu_kind() {
	local kind
	kind=$(sed -n 's/^iommu //p' "$1/qemu")
	echo "${kind:-intel}"
}

# again FOLDER: boots a kept topology, compares, and holds what the kernel says now against what it
# said when it was kept.
again() {
	mkdir -p "$work/now"
	ORACLE_IOMMU=$(iommu_kind "$1") capture "$work/now" "$(arguments "$1")" || return 1
	if ! cmp -s "$1/groups" "$work/now/groups"; then
		diff "$1/groups" "$work/now/groups" | sed -n 's/^</  when it was kept:/p; s/^>/  now:/p'
		echo "  the kernel has other groups than when this was kept"
	fi
	compare "$work/now"
}

prepare() {
	"$here/oracle.sh" deps
	"$here/oracle.sh" build
}

# each FUNCTION THING...: calls it with each; ends with how many held.
each() {
	local function=$1 held=0 failed=0 thing
	shift
	for thing; do
		if "$function" "$thing"; then held=$((held + 1)); else failed=$((failed + 1)); fi
	done
	echo "$held passed, $failed failed"
	[ "$failed" = 0 ]
}

check_kept() {
	echo "== $1: $(sed -n '1s/^# *//p' "$kept/$1/qemu")"
	again "$kept/$1"
}

check_random() {
	echo "== random $1"
	capture "$work" "$("$here/random.pl" "$1")" && compare "$work"
}

# What was typed: the tree is shown, too.
check_typed() {
	case $1 in
	-*) ;;
	*) echo "QEMU= what arguments? They begin with -, as in -device pcie-root-port,id=a" >&2; exit 2 ;;
	esac
	capture "$work" "$1" || return 1
	"$here/unpack.pl" "$work/tree" "$work/shown"
	"$ioas" topology --ascii --from "sysfs:$work/shown" | sed '/^$/,$d'
	compare "$work"
}

keep() {
	mkdir -p "$kept/$1"
	[ -s "$kept/$1/qemu" ] || {
		echo "# ${ABOUT:-$1}"
		[ "${ORACLE_IOMMU:-intel}" = intel ] || echo "iommu $ORACLE_IOMMU"
		sed 's/ \+\(-[a-z]\)/\n\1/g' <<<"${QEMU:?QEMU= what arguments?}"
	} >"$kept/$1/qemu"
	ORACLE_IOMMU=$(iommu_kind "$kept/$1") capture "$kept/$1" "$(arguments "$kept/$1")"
	compare "$kept/$1"
}

case $what in
compare) compare "${1:?compare what folder?}" ;;
check)
	prepare
	if [ -n "${QEMU:-}" ]; then
		check_typed "$QEMU"
	else
		[ $# -gt 0 ] || set -- $(ls "$kept")
		for name; do
			[ -d "$kept/$name" ] || { echo "no topology $name in $kept" >&2; exit 2; }
		done
		each check_kept "$@"
	fi
	;;
random)
	[ $# = 2 ] || usage
	prepare
	each check_random $(seq "$1" "$2")
	;;
keep)
	[ $# = 1 ] || usage
	prepare
	keep "$1"
	;;
*) usage ;;
esac
