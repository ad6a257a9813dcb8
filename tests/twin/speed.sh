#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench-twin: bench/ioasbench on a real Linux kernel and through the preload door, in one boot
# of the same emulator, row by row. The kernel drives QEMU's own NVMe controller behind its IOMMU, the
# door our model of one. Both run on one emulated processor, so that only the ratio means something; the
# best of five batches counts, since others use the machine, too.
#
#   tests/twin/speed.sh BUILD [OUTDIR]
#
# The kernel is built by oracle.sh once, without fault injection (ORACLE_FLAVOR=perf, about 5
# minutes). OUTDIR keeps what both printed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?usage: speed.sh BUILD [OUTDIR]}" && pwd)
out=${2:-}
export ORACLE_FLAVOR=${ORACLE_FLAVOR:-perf}
ms=${SPEED_MS:-200} # that each row is measured, five times

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/lib"
cp "$build/ioas" "$build/libioas-preload.so" "$build/bench/bench-ioasbench" "$work"
# The guest has no libraries: all that these three ask for, and who loads it.
ldd "$work/ioas" "$work/libioas-preload.so" "$work/bench-ioasbench" |
	grep -o '/[^ ]*' | grep -v ':$' | sort -u | xargs -I{} cp -L {} "$work/lib"

cat >"$work/run.sh" <<'EOF_GUEST'
set -e
loader=$(ls lib/ld-linux*)
mkdir -p /lib64 /tmp
cp lib/* /lib64/
export LD_LIBRARY_PATH=/lib64 XDG_RUNTIME_DIR=/tmp
cp ioas libioas-preload.so bench-ioasbench /tmp
cd /tmp
./bench-ioasbench -t "$1" >/host/kernel.txt
./ioas run --device nvme,drive=null,size=1G -- ./bench-ioasbench -t "$1" >/host/door.txt
EOF_GUEST
"$here/oracle.sh" build
"$here/oracle.sh" run "$work" sh run.sh "$ms"
if [ -n "$out" ]; then
	mkdir -p "$out"
	cp "$work/kernel.txt" "$work/door.txt" "$out"
fi

printf '%-40s %14s %14s %10s\n' 'ns a call, at best' 'Linux' 'the door' 'times'
awk -F '\t' '
	/^#/ || NF < 3 { next }
	NR == FNR { kernel[$1] = $3; next }
	$1 in kernel && $3 > 0 { printf "%-40s %14d %14d %10.1f\n", $1, kernel[$1], $3, kernel[$1] / $3 }
' "$work/kernel.txt" "$work/door.txt"
