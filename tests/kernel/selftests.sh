#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel's own iommufd selftests, unmodified, under `ioas run --selftest-abi`.
#
#   tests/kernel/selftests.sh        environment: IOAS, the tool (default: build/ioas)
#                                    KERNEL_TAP, a folder that receives the TAP of each run
#
# They come from Debian's linux-source-6.12, with which one of its assertions about Linux 7.3's
# behaviour conflicts: they run with the default, and with `--set abi=6.12`. Each result is held
# against expected-failures; its tests must fail, and say why. Exit status 0 as expected, 1 not,
# 77 nothing was run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ioas=${IOAS:-build/ioas}
limit=400 # seconds one program may take; fork_present waits 30 for its child, four times
passed=0 failed=0 known=0

skip()
{
	echo "SKIP: $*"
	exit 77
}

note()
{
	echo "--- $*"
}

fail()
{
	echo "FAIL: $*" >&2
	exit 1
}

. "$here/source.sh"

kernel_needs gcc gcc
kernel_needs make make
kernel_needs rsync rsync
kernel_needs xz xz-utils
kernel_needs apt-get apt
kernel_needs dpkg-deb dpkg
[ -x "$ioas" ] || fail "$ioas is not built"
ioas=$(realpath "$ioas")
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
kernel_fetch

# CAP_SYS_RESOURCE is bit 24 of the effective set.
effective=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
user=no
[ $((0x$effective >> 24 & 1)) = 1 ] || user=yes

# expectation ABI PROGRAM TEST: prints "REGEX ~ REASON" if that test is to fail.
expectation()
{
	local when program test regex reason rest

	while read -r when program rest; do
		IFS='~' read -r test regex reason <<<"$rest"
		test=${test%% *}
		case $when in
		always) ;;
		abi=*) [ "$when" = "abi=$1" ] || continue ;;
		user) [ "$user" = yes ] || continue ;;
		*) continue ;;
		esac
		# shellcheck disable=SC2254
		[ "$program" != "$2" ] || case $3 in
		$test)
			echo "$regex~$reason"
			return
			;;
		esac
	done <"$here/expected-failures"
}

# under ABI PROGRAM [ARGUMENT...]: both of its outputs to stdout; its status is no news.
under()
{
	local abi=$1 program=$2 status=0

	shift 2
	timeout -k 5 "$limit" "$ioas" run --selftest-abi --set "abi=$abi" -- \
		"$kernel/$program" "$@" 2>&1 </dev/null || status=$?
	[ "$status" -lt 124 ] || echo "# ended with status $status (signal or time-out)"
}

# says TAP TEST REGEX: what that test printed between its start and its result says so.
says()
{
	local pattern

	pattern=$(echo $3)
	[ -n "$pattern" ] || return 0
	awk -v name="$2" '/^# +RUN / { own = $3 == name } own' "$1" | grep -qE -e "$pattern"
}

# judge ABI PROGRAM TAP: adds to the counts, and says what is not a plain pass.
judge()
{
	local abi=$1 program=$2 tap=$3 result name expect planned seen=0 p=0 f=0 x=0

	while read -r result name; do
		seen=$((seen + 1))
		expect=$(expectation "$abi" "$program" "$name")
		case $result in
		pass)
			if [ -z "$expect" ]; then
				p=$((p + 1))
			else
				echo "FAIL  $name passed, though expected-failures lists it"
				f=$((f + 1))
			fi
			;;
		skip)
			# Nothing of what these need is absent here.
			echo "FAIL  $name skipped: $(grep -m 1 -F " $name # SKIP" "$tap" | sed 's/.*# SKIP *//')"
			f=$((f + 1))
			;;
		fail)
			if [ -z "$expect" ]; then
				echo "FAIL  $name"
				f=$((f + 1))
			elif says "$tap" "$name" "${expect%%~*}"; then
				echo "known $name:${expect#*~}"
				x=$((x + 1))
			else
				echo "FAIL  $name: expected to fail, but not without saying ${expect%%~*}"
				f=$((f + 1))
			fi
			;;
		esac
	done < <(sed -nE 's/^ok [0-9]+ ([^ ]+) # SKIP.*/skip \1/p; t
		s/^ok [0-9]+ ([^ ]+).*/pass \1/p; t
		s/^not ok [0-9]+ ([^ ]+).*/fail \1/p' "$tap")
	planned=$(sed -n 's/^1\.\.//p' "$tap" | head -n 1)
	if [ "$seen" != "${planned:-some}" ]; then
		echo "FAIL  $program: $seen results of ${planned:-?} planned"
		tail -n 20 "$tap"
		f=$((f + 1))
	fi
	passed=$((passed + p)) failed=$((failed + f)) known=$((known + x))
	table+=$(printf '%-18s %-8s %6d %6d %6d' "$program" "$abi" "$p" "$f" "$x")$'\n'
}

table=
for program in iommufd iommufd_fail_nth; do
	kernel_program "$program"
done
note "$kernel_package ${kernel##*"$kernel_package-"}"
for abi in 7.3 6.12; do
	for program in iommufd iommufd_fail_nth; do
		note "$program, abi=$abi"
		tap=${KERNEL_TAP:-$work}/$program-$abi.tap
		under "$abi" "$program" >"$tap"
		# What failed is shown with what it said before.
		grep -E -B 4 '^not ok ' "$tap" || true
		judge "$abi" "$program" "$tap"
	done
done
echo
printf '%-18s %-8s %6s %6s %6s\n%s' program abi passed failed known "$table"
echo "kernel selftests: $passed passed, $failed failed, $known known to fail"
[ "$failed" = 0 ]
