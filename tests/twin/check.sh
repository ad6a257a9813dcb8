#!/bin/bash
# SPDX-License-Identifier: MIT
# make check-twin: each program of tests/uapi on a real Linux kernel and under `ioas run`, line by
# line. A line that differs, and is not in known-differences, fails.
#
#   tests/twin/check.sh BUILD [PROGRAM...]
#
# The real kernel is built by oracle.sh once (about 7 minutes, a few hundred MB in the user's cache)
# and boots in seconds. Its legacy container is configured out, so vfio_type1 is not compared.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
build=$(cd "${1:?usage: check.sh BUILD [PROGRAM...]}" && pwd)
shift
programs=("$@")
# These need IOMMU_TEST_CMD, which 6.12 serves only where there is no real IOMMU.
testcmd=(account fault_queue hwpt_dirty page_tables testcmd testcmd_access)
[ $# -gt 0 ] || programs=(command_sizes destroy ioas_copy ioas_map ioas_ranges ioas_unmap option
	vfio_cdev vfio_compat vfio_device "${testcmd[@]}")
is_testcmd() { [[ " ${testcmd[*]} " == *" $1 "* ]]; }

"$here/oracle.sh" deps
"$here/oracle.sh" build

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in "${programs[@]}"; do
	gcc -std=gnu17 -D_GNU_SOURCE -O1 -static -I"$top/include" -o "$work/$name" "$top/tests/uapi/$name.c"
done
gcc -std=gnu17 -D_GNU_SOURCE -O1 -static -I"$top/include" -o "$work/nvme-identify" "$top/examples/nvme-identify.c"

# One boot for all, and one without an IOMMU. The guest's only VFIO device is QEMU's NVMe controller.
cat >"$work/all.sh" <<'EOF'
for name in "$@"; do ./$name >$name.kernel 2>&1; done
bdf=$(basename $(ls -d /sys/bus/pci/drivers/vfio-pci/0000:*))
./nvme-identify $bdf >nvme-identify.kernel 2>&1 || echo "exit status $?" >>nvme-identify.kernel
EOF
first=() second=()
for name in "${programs[@]}"; do
	if is_testcmd "$name"; then second+=("$name"); else first+=("$name"); fi
done
ORACLE_BIND=1b36:0010 "$here/oracle.sh" run "$work" sh all.sh "${first[@]}" >/dev/null
[ ${#second[@]} = 0 ] || ORACLE_IOMMU=none ORACLE_BIND=- "$here/oracle.sh" run "$work" \
	sh -c 'for name; do ./$name >$name.kernel 2>&1; done' sh "${second[@]}" >/dev/null

failed=0 held=0
for name in "${programs[@]}"; do
	machine=(--device nvme,drive=null,size=64M)
	! is_testcmd "$name" || machine=(--selftest-abi --set abi=6.12 --set memlock=on)
	"$build/ioas" run "${machine[@]}" -- "$build/tests/uapi/uapi_$name" >"$work/$name.ours" 2>&1 || true
	differ=$(diff "$work/$name.kernel" "$work/$name.ours" | grep '^[<>]' |
		grep -vFf <(sed "/^#/d; /^\$/d; s/^/ /" "$here/known-differences") || true)
	if [ -n "$differ" ]; then
		printf 'FAIL %s (< kernel, > ours)\n%s\n' "$name" "$differ"
		failed=$((failed + 1))
	else
		echo "ok   $name: $(grep -c '^ok' "$work/$name.kernel" || true) lines on both"
		held=$((held + 1))
	fi
done
if grep -q '^model QEMU NVMe' "$work/nvme-identify.kernel"; then
	echo "ok   examples/nvme-identify on a real kernel: $(head -n 1 "$work/nvme-identify.kernel")"
	held=$((held + 1))
else
	echo "FAIL examples/nvme-identify on a real kernel"
	cat "$work/nvme-identify.kernel"
	failed=$((failed + 1))
fi
echo "$held passed, $failed failed"
[ "$failed" = 0 ]
