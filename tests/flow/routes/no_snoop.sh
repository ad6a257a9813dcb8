#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: what VFIO_DMA_CC_IOMMU promises holds: behind an IOMMU that enforces coherency every
# request snoops, whatever it asks for; behind another one it is let, and counted.
. "$(dirname "$0")/../../compat/lib.sh"

need jq jq
scratch
unset IOAS_RUN_SET
for kind in soft vtd amd smmuv3 riscv; do
	timeout 60 "$ioas" run --device tlpgun --set "iommu=$kind" --report "$work/report" -- \
		"$NO_SNOOP" >"$work/out" 2>&1 || fail "$kind: status $?: $(cat "$work/out")"
	cc=$(sed -n 's/^cc //p' "$work/out")
	counted=$(jq -c '.devices[0] | [.snooped_bytes, .unsnooped_bytes]' "$work/report")
	case $kind:$cc:$counted in
	soft:1:'[24,0]' | vtd:1:'[24,0]' | amd:1:'[24,0]') ;;
	smmuv3:0:'[0,24]' | riscv:0:'[0,24]') ;;
	*) fail "$kind: VFIO_DMA_CC_IOMMU is $cc, and bytes snooped and not: $counted" ;;
	esac
done
echo PASS
