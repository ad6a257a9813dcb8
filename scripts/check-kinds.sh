#!/bin/bash
# SPDX-License-Identifier: MIT
# The whole flow suite behind other kinds of IOMMU: scripts/check-kinds.sh BUILD [KIND...]
# Tests that are about what a kind has not must fail, and no others: PASID 0 apart from none (and on
# SMMUv3 as none), x86's interrupt window, a list of reserved ranges without HyperTransport's.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
shift
[ $# -gt 0 ] || set -- vtd amd smmuv3 riscv
declare -A not_of=(
	[vtd]='routes_pasid_0_and_none_apart'
	[amd]='machine_run routes_pasid_0_and_none_apart'
	[smmuv3]='machine_run routes_pasid_0_and_none_apart routes_pasid_0_and_none_same
		routes_pasid_0_and_none_same_set routes_undeclared_forms'
	[riscv]='machine_run routes_pasid_0_and_none_apart routes_undeclared_forms'
)
failed=0
for kind in "$@"; do
	out=$(IOAS_RUN_SET="iommu=$kind" meson test -C "$build" --no-rebuild --suite flow 2>&1)
	differ=$(diff <(tr -s ' \n\t' '\n' <<<"${not_of[$kind]-}" | sort) \
		<(awk '$5 == "FAIL" || $5 == "TIMEOUT" { print $4 }' <<<"$out" | sort))
	if grep -q '^Ok:' <<<"$out" && [ -z "$differ" ]; then
		echo "ok    flow behind $kind: $(sed -n 's/^Ok: *//p' <<<"$out") tests"
	else
		echo "$differ"
		echo "FAIL  flow behind $kind (< must fail, > must not)"
		failed=1
	fi
done
exit $failed
