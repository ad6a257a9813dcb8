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
#
# In fork_present the parent sleeps until its child has written to an eventfd. The child is refused,
# and ends before it has written: only the test's own alarm, after 30 seconds, wakes the parent. So
# each of its variants is a run of its own, and all of them sleep beside the others.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ioas=${IOAS:-build/ioas}
limit=300 # seconds one program may take
sleeper=fork_present
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
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
kernel_fetch

# CAP_SYS_RESOURCE is bit 24 of the effective set; in a user namespace of their own all have it.
effective=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
user=no as_root=()
if [ $((0x$effective >> 24 & 1)) = 0 ]; then
	user=yes
	! unshare -r true 2>/dev/null || { user=no as_root=(unshare -r); }
fi

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
	timeout -k 5 "$limit" "${as_root[@]}" "$ioas" run --selftest-abi --set "abi=$abi" -- \
		"$kernel/$program" "$@" 2>&1 </dev/null || status=$?
	[ "$status" -lt 124 ] || echo "# ended with status $status (signal or time-out)"
}

# names PROGRAM: the full names of all its tests, from the three columns of its list: beside each
# other stand a fixture's variants, if it has any, and its tests.
names()
{
	# The list is no success, says its status.
	{ "$kernel/$1" -l 2>&1 || true; } | awk '
		function flush(i, j) {
			for (i = 1; i <= (variants ? variants : 1); i++)
				for (j = 1; j <= tests; j++)
					print fixture "." (variants ? variant[i] "." : "") test[j]
			variants = tests = 0
		}
		/^# FIXTURE/ { next }
		/^---/ { flush(); next }
		{
			start = 22
			if (/^[^ ]/) {
				fixture = $1
				if (length(fixture) > 20)
					start = length(fixture) + 2
			}
			name = substr($0, start, 25)
			gsub(/ /, "", name)
			if (name != "")
				variant[++variants] = name
			if (substr($0, start + 26) != "")
				test[++tests] = substr($0, start + 26)
		}
		END { flush() }'
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
	local abi=$1 program=$2 tap=$3 result name expect listed seen=0 p=0 f=0 x=0

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
	listed=$(names "$program" | wc -l)
	if [ "$seen" != "$listed" ] || [ "$seen" = 0 ]; then
		echo "FAIL  $program: $seen results of $listed tests"
		tail -n 20 "$tap"
		f=$((f + 1))
	fi
	passed=$((passed + p)) failed=$((failed + f)) known=$((known + x))
	table+=$(printf '%-18s %-8s %6d %6d %6d' "$program" "$abi" "$p" "$f" "$x")$'\n'
}

table=
taps=${KERNEL_TAP:-$work}
for program in iommufd iommufd_fail_nth; do
	kernel_program "$program"
done
note "$kernel_package ${kernel##*"$kernel_package-"}"
for abi in 7.3 6.12; do
	while read -r name; do
		under "$abi" iommufd -r "$name" >"$work/$abi-$name" &
	done < <(names iommufd | grep "\.$sleeper\$")
done
for abi in 7.3 6.12; do
	for program in iommufd iommufd_fail_nth; do
		note "$program, abi=$abi"
		under "$abi" "$program" -T "$sleeper" >"$taps/$program-$abi.tap"
	done
done
wait
for abi in 7.3 6.12; do
	cat "$work/$abi-"*".$sleeper" >>"$taps/iommufd-$abi.tap"
	for program in iommufd iommufd_fail_nth; do
		# What failed is shown with what it said before.
		grep -E -B 4 '^not ok ' "$taps/$program-$abi.tap" || true
		judge "$abi" "$program" "$taps/$program-$abi.tap"
	done
done
echo
printf '%-18s %-8s %6s %6s %6s\n%s' program abi passed failed known "$table"
echo "kernel selftests: $passed passed, $failed failed, $known known to fail"
[ "$failed" = 0 ]
