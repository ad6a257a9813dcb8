#!/bin/bash
# SPDX-License-Identifier: MIT
# make check-twin: each program of tests/uapi on a real Linux kernel and under `ioas run`, line by
# line. A line that differs fails, but for those that docs/compat.md lists, each with its reason; and
# so does one that is listed and does not differ.
#
#   tests/twin/check.sh BUILD [PROGRAM...]
#
# The real kernels are built by oracle.sh once (about 5 minutes and a few hundred MB in the user's
# cache for each of two) and boot in seconds. A program that includes testcmd's declarations runs
# where there is no IOMMU, since 6.12 serves IOMMU_TEST_CMD only there; one about the legacy container
# on the kernel that has it. "Also run with: ARGUMENT" in a program makes another run; "Compared on: FILE" is the
# machine here, below tests/uapi, that is to be like QEMU's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$(cd "${1:?usage: check.sh BUILD [PROGRAM...]}" && pwd)
shift
names=("$@")
if [ $# = 0 ]; then
	for source in "$top"/tests/uapi/*.c; do names+=("$(basename "$source" .c)"); done
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
static() { gcc -std=gnu17 -D_GNU_SOURCE -O1 -static -I"$top/include" -I"$top" -o "$work/$1" "$2"; }
needs() { gcc -std=gnu17 -D_GNU_SOURCE -I"$top/include" -MM "$1" | grep -q "$2"; }

# A run is "NAME" or "NAME ARGUMENT"; in files it is NAME.ARGUMENT.
declare -A guest
runs=()
for name in "${names[@]}"; do
	source=$top/tests/uapi/$name.c
	static "$name" "$source"
	where=iommu
	! needs "$source" iommufd_test.h || where=testcmd
	! grep -q '"/dev/vfio/vfio"' "$source" || where=container
	for argument in "" $(sed -n 's|^/\* Also run with: \(.*\) \*/$|\1|p' "$source"); do
		run=$name${argument:+ $argument}
		runs+=("$run")
		guest[$run]=$where
	done
done
# Drivers of a device that does DMA, which say by themselves what held.
drivers=(pins protect)
static nvme-identify "$top/examples/nvme-identify.c"
for name in "${drivers[@]}"; do static "$name" "$top/tests/flow/$name.c"; done

# ------------------------------------------------------------------- the kernel
cat >"$work/all.sh" <<'EOF_GUEST'
for run; do
	timeout 60 ./$run >"$(echo $run | tr ' ' .).kernel" 2>&1
	echo "exit status $?" >>"$(echo $run | tr ' ' .).kernel"
done
bdf=$(basename "$(ls -d /sys/bus/pci/drivers/vfio-pci/0000:* 2>/dev/null)")
[ -z "$bdf" ] || [ -e nvme-identify.kernel ] || {
	./nvme-identify $bdf >nvme-identify.kernel 2>&1
	for name in $DRIVERS; do timeout 60 ./$name >$name.kernel 2>&1; done
}
true
EOF_GUEST

# The runs of one kind of guest, in one boot. The only VFIO device is QEMU's NVMe controller.
boot() {
	local mine=() run
	for run in "${runs[@]}"; do
		[ "${guest[$run]}" != "$1" ] || mine+=("$run")
	done
	[ ${#mine[@]} = 0 ] || "$here/oracle.sh" run "$work" env DRIVERS="${drivers[*]}" sh all.sh "${mine[@]}" >/dev/null
}

"$here/oracle.sh" deps
"$here/oracle.sh" build
# Our IOMMU has an address width of 48 bits.
ORACLE_IOMMU_OPTS=aw-bits=48 ORACLE_BIND=1b36:0010 boot iommu
ORACLE_IOMMU=none ORACLE_BIND=- boot testcmd
if [[ " ${guest[*]} " == *" container "* ]]; then
	ORACLE_FLAVOR=container "$here/oracle.sh" build
	ORACLE_FLAVOR=container ORACLE_IOMMU_OPTS=aw-bits=48 ORACLE_BIND=1b36:0010 boot container
fi

# ------------------------------------------------------------------------- ours
# In the guest all is run as root; here, where that is not so, in a user namespace that pretends.
as_root=()
if ! grep -q '^CapEff:.*1ffffffffff$' /proc/self/status && unshare -r true 2>/dev/null; then
	as_root=(unshare -r)
fi
for run in "${runs[@]}"; do
	machine=(--device nvme,drive=null,size=64M)
	name=$(sed -n 's|^/\* Compared on: \(.*\) \*/$|\1|p' "$top/tests/uapi/${run%% *}.c")
	[ -z "$name" ] || machine=(--set abi=6.12 --machine "$top/tests/uapi/$name")
	[ "${guest[$run]}" != testcmd ] || machine=(--selftest-abi --set abi=6.12 --set memlock=on)
	# shellcheck disable=SC2206
	words=($run)
	{
		status=0
		timeout 60 "${as_root[@]}" "$build/ioas" run "${machine[@]}" -- \
			"$build/tests/uapi/uapi_${words[0]}" "${words[@]:1}" 2>&1 || status=$?
		echo "exit status $status"
	} >"$work/${run// /.}.ours"
done

# ------------------------------------------------------------------ what differs
# Rows of the table in docs/compat.md: | `program` | `line of the kernel` | `line here` | reason |,
# where either line may be missing.
listed() {
	awk -F ' *[|] *' -v run="$1" -v side="$2" '
		/^## / { on = /check-twin/ }
		on && $2 == "`" run "`" && $5 != "" {
			line = side == "<" ? $3 : $4
			if (line ~ /^`.*`$/)
				print side " " substr(line, 2, length(line) - 2)
		}' "$top/docs/compat.md"
}

# A file's lines without the summary, which counts them; complains of one that does not add up.
lines() {
	awk -v file="${1##*.}" '
		/^ok / { held++ }
		/^FAIL / { failed++ }
		/^SKIP: / { skipped = 1 }
		/^[0-9]+ held, [0-9]+ did not$/ { said = $1 == held + 0 && $3 == failed + 0; next }
		/^exit status / {
			want = skipped ? 77 : failed ? 1 : 0
			if ($3 != want || !(said || skipped))
				print "the run on the side of \"" file "\" ended early: " $0
			next
		}
		{ print }' "$1"
}

failed=0 held=0
verdict() { # NAME PROBLEMS OK-TEXT
	if [ -n "$2" ]; then
		printf 'FAIL %s (< kernel, > here)\n%s\n' "$1" "$2"
		failed=$((failed + 1))
	else
		echo "ok   $1: $3"
		held=$((held + 1))
	fi
}

for run in "${runs[@]}"; do
	base=$work/${run// /.}
	for side in kernel ours; do lines "$base.$side" >"$base.$side.lines"; done
	if [ "$(grep -c '^SKIP: ' "$base.kernel.lines" || true)" = 1 ]; then
		# Nothing to compare with. Its reason has to be listed, as a difference has.
		grep '^SKIP: ' "$base.kernel.lines" | sed 's/^/< /' >"$base.differ"
		text="not there"
	else
		diff "$base.kernel.lines" "$base.ours.lines" | grep '^[<>]' >"$base.differ" || true
		# What fails alike is no proof of anything.
		comm -12 <(sort "$base.kernel.lines") <(sort "$base.ours.lines") |
			{ grep '^FAIL\|ended early' || true; } | sed 's/^/< /' >>"$base.differ"
		text="$(grep -c '^ok' "$base.kernel.lines" || true) lines on both"
	fi
	{ listed "$run" '<'; listed "$run" '>'; } | sort >"$base.listed"
	sort -o "$base.differ" "$base.differ"
	problems=$(comm -23 "$base.differ" "$base.listed"
		comm -13 "$base.differ" "$base.listed" | sed 's/^/listed, but does not differ: /')
	known=$(wc -l <"$base.listed")
	[ "$known" = 0 ] || text+=", $known listed in docs/compat.md"
	verdict "$run" "$problems" "$text"
done
if [ $# = 0 ]; then
	for name in "${drivers[@]}"; do
		problems=$(tail -n 1 "$work/$name.kernel" | grep -q '^PASS$' || cat "$work/$name.kernel")
		verdict "tests/flow/$name" "$problems" "holds on the kernel, too"
	done
	problems=$(grep -q '^model QEMU NVMe' "$work/nvme-identify.kernel" || cat "$work/nvme-identify.kernel")
	verdict examples/nvme-identify "$problems" "$(head -n 1 "$work/nvme-identify.kernel")"
fi
echo "$held passed, $failed failed"
[ "$failed" = 0 ]
