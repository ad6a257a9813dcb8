#!/bin/bash
# SPDX-License-Identifier: MIT
# The calls of DPDK and SPDK, in their order, behind an IOMMU of no vendor's and behind VT-d.
. "$(dirname "$0")/../compat/lib.sh"

scratch
truncate -s 1M "$work/drive"
drive 1 "$work/drive"
limit=30
run "$POLLED"
said 'all steps done'
[ "$(grep -c 'ioas: fault' "$work/log")" = 1 ] || fail "not one fault"
IOAS_RUN_SET=iommu=vtd run "$POLLED"
said 'all steps done'
echo "PASS"
