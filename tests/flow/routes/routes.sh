#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: routes.sh [OPTION...] -- PROGRAM [ARGUMENT...]: a program that drives guns, under
# `ioas run`; then, whether the report and the trace tell the same of what was on record.
. "$(dirname "$0")/../../compat/lib.sh"

need jq jq
# IOMMUs of vendors' kinds bring their page tables' format: none can be set (make check-formats).
case $* in *kinds.yaml* | *iommu=*) unset IOAS_RUN_SET ;; esac
scratch
export ROUTES_TRACE=$work/trace
timeout 100 "$ioas" run --trace "$work/trace" --report "$work/report" "$@" || fail "status $?: $*"

jq -se '.[0].event == "run" and any(.[0].machine[]; startswith("tlpgun"))' "$work/trace" >"$work/log" ||
	fail "the trace's first line does not have the machine's devices"
# All that both have of a record.
fields='.requester, .stream_id, .pasid, .other, .access, .tlp_flags, .at, .iova, .tlp_iova, .tlp_bytes,
	.passed, .reason, .vendor_code, .vendor_text, .ioas_id, .hwpt_id, .stale_level, .stale_gpa, .stale_old,
	.stale_now, .taken_by, .taken, .stage, .during, .gpa, .stage1, .walk, .nearest'
jq -c "select(.event == \"fault\") | [.device, .fault, $fields]" "$work/trace" | sort >"$work/a"
jq -c ".devices[] | .name as \$d | .faults.records[] | [\$d, .seq, $fields]" "$work/report" |
	sort >"$work/b"
[ -s "$work/a" ] || fail "nothing is on record"
if [ "$(jq '[.devices[].faults.dropped] | add' "$work/report")" = 0 ]; then
	same "$work/a" "$work/b"
fi
echo PASS
