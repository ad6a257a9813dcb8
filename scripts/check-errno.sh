#!/bin/bash
# SPDX-License-Identifier: MIT
# Holds docs/errno.md against what the programs of tests/uapi really got.
#
#   scripts/check-errno.sh BUILD          both ways; exit 1 if a pair of ioctl and errno is amiss
#   scripts/check-errno.sh BUILD --list   which program shows which pair
#   scripts/check-errno.sh BUILD --fill   writes the page's last column anew: a test for each row
#
# Each program runs with --report, which counts results by ioctl and errno. Every pair on the page
# must have come about in one of them, or stand in tests/uapi/shown-elsewhere with the test that
# shows it; every pair that came about must be on the page. What the page says of every ioctl holds
# for each, so that command_sizes, unknown numbers and EFAULT are not asked in the reverse; nor is
# IOMMU_TEST_CMD, which is for tests. Rows of no ioctl in particular, "(any, ...)", are for readers.
#
# It compares pairs, not reasons: two causes of one errno are two rows, and one pair.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: check-errno.sh BUILD [--list|--fill]}
mode=${2-}
page=docs/errno.md elsewhere=tests/uapi/shown-elsewhere
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

complain() {
	echo "$*"
	bad=$((bad + 1))
}

# Runs the tests as meson does, each with a report: "IOCTL ERRNO PROGRAM" of every refusal.
meson introspect "$build" --tests | jq -r '.[] | select(.suite | any(endswith("uapi")))
	| [.name] + .cmd | join(" ")' |
	while read -r name tool run rest; do
		[ "$run" = run ] || continue
		rm -f "$work/report"
		# shellcheck disable=SC2086
		(cd "$build" && "$tool" run --report "$work/report" $rest) >/dev/null 2>&1 </dev/null || true
		[ -s "$work/report" ] || { echo "no report: $name" >>"$work/broken"; continue; }
		jq -r --arg name "$name" '.ioctls[] | select(.errno != 0)
			| "\(.name) \(.error) \($name)"' "$work/report"
	done | sort -u >"$work/shown"
[ ! -s "$work/broken" ] || complain "$(cat "$work/broken")"
if [ "$mode" = --list ]; then
	column -t "$work/shown"
	exit "$bad"
fi

# "LINE IOCTL ERRNO TESTS" of every row. An error "as OTHER" stands for all of another ioctl's. Names
# are as in the counters, without the prefixes that say nothing here.
short='s/^(IOMMU_|VFIO_DEVICE_|VFIO_)//'
awk -F' *[|] *' '
	/^\| *ioctl \|/ { table = 1; next }
	!/^\|/ { table = 0 }
	table && $3 != "---" && $2 !~ /^\(/ {
		if ($2 != "")
			ioctls = $2
		n = split(ioctls, ioctl, / *, */)
		m = split($3, error, / *, */)
		gsub(/ +/, "", $5)
		for (i = 1; i <= n; i++)
			for (j = 1; j <= m; j++)
				if (error[j] ~ /^E[A-Z0-9]+$/)
					print NR, ioctl[i], error[j], $5 == "" ? "-" : $5
				else if (error[j] ~ /^as /)
					print ioctl[i], error[j] >"/dev/stderr"
	}' "$page" 2>"$work/as" >"$work/lines"
cut -d' ' -f2,3 "$work/lines" | sort -u >"$work/rows"
sed 's/ as / /' "$work/as" | sort -u | while read -r ioctl other; do
	awk -v ioctl="$ioctl" -v other="$other" '$1 == other { print ioctl, $2 }' "$work/rows"
done | sort -u - "$work/rows" >"$work/allowed"

sed -E "$short" "$work/shown" >"$work/short"
# The same with what other tests show, by the names that the page uses: without "tests/" and ".c".
# command_sizes goes through the sizes of all ioctls: what it got is no test of a row.
{
	grep -v ' command_sizes$' "$work/short"
	sed -n 's,^\([A-Z0-9_]* E[A-Z0-9]*\) tests/\(.*\)\.c$,\1 \2,p' "$elsewhere"
} >"$work/by"
if [ "$mode" = --fill ]; then
	# Of several tests the one that has the ioctl's name, else the first.
	awk '
		FILENAME == ARGV[1] { by[$1 " " $2] = by[$1 " " $2] " " $3; next }
		FILENAME == ARGV[2] { pairs[$1] = pairs[$1] ";" $2 " " $3; next }
		FNR in pairs {
			n = split(substr(pairs[FNR], 2), pair, ";")
			chosen = ""
			for (i = 1; i <= n; i++) {
				m = split(by[pair[i]], name, " ")
				split(pair[i], word, " ")
				best = m ? name[1] : ""
				covered = 0
				for (j = 1; j <= m; j++) {
					if (index("," chosen ",", "," name[j] ","))
						covered = 1
					if (name[j] == tolower(word[1]))
						best = name[j]
				}
				if (!covered && best != "")
					chosen = chosen (chosen == "" ? "" : ",") best
			}
			gsub(/,/, ", ", chosen)
			match($0, /\|[^|]*\|[^|]*\|[^|]*\|/)
			$0 = substr($0, 1, RLENGTH) " " chosen " |"
		}
		{ print }' "$work/by" "$work/lines" "$page" >"$work/page"
	cat "$work/page" >"$page"
	exit 0
fi
# A row names tests, each of which shows one of its errors; and each error has one that is named.
while read -r line ioctl error tests; do
	found=
	for name in ${tests//,/ }; do
		! grep -qx "$ioctl $error $name" "$work/by" || found=1
	done
	[ -n "$found" ] || complain "$page:$line: $ioctl $error: not shown by ${tests/-/any test (--fill names them)}"
done <"$work/lines"
awk '
	FILENAME == ARGV[1] { by[$0] = 1; next }
	{ n = split($4, name, ","); for (i = 1; i <= n; i++) {
		named[$1 " " name[i]] = 1
		if (($2 " " $3 " " name[i]) in by) used[$1 " " name[i]] = 1
	} }
	END { for (key in named) if (!(key in used) && key !~ / -$/) print key }' "$work/by" "$work/lines" |
	sort -n >"$work/idle"
while read -r line name; do
	complain "$page:$line: $name shows none of these errors"
done <"$work/idle"
# Names on the page are of an ioctl that there is.
grep -ohE '\b(IOMMU|VFIO|IOAS)_[A-Z0-9_]+' src/uapi/dispatch.c | sed -E "$short" | sort -u >"$work/names"
cut -d' ' -f1 "$work/rows" | sort -u | comm -23 - "$work/names" >"$work/strange"
[ ! -s "$work/strange" ] || complain "$page: no such ioctl:" $(cat "$work/strange")
while read -r ioctl error; do
	grep -q "^$ioctl $error " "$work/short" && continue
	where=$(awk -v i="$ioctl" -v e="$error" '$1 == i && $2 == e { print $3 }' "$elsewhere")
	if [ -z "$where" ]; then
		complain "$page: $ioctl $error: no program of tests/uapi got that"
	elif ! grep -qw -e "$error" "$where" 2>/dev/null; then
		complain "$elsewhere: $where does not show $error of $ioctl"
	fi
done <"$work/rows"
while read -r ioctl error program; do
	case $program/$ioctl in command_sizes/* | */unknown | */TEST_CMD) continue ;; esac
	grep -qx "$ioctl $error" "$work/allowed" || [ "$error" = EFAULT ] ||
		complain "$page: $ioctl answered $error to tests/uapi/$program.c"
done <"$work/short"
while read -r ioctl error _; do
	case $ioctl in '#'* | '') continue ;; esac
	grep -qx "$ioctl $error" "$work/rows" || complain "$elsewhere: $ioctl $error is not on $page"
done <"$elsewhere"

[ "$bad" = 0 ] || exit 1
echo "errno: $(wc -l <"$work/rows") pairs of ioctl and error, each with a test"
