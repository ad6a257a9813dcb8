#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: runs a program with a drive of no paint: crowd.sh PROGRAM [ARG]..., where DEVICE
# becomes its description.
set -u
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-crowd-XXXXXX")
trap 'rm -rf "$work"' EXIT
head -c 1M /dev/zero | tr '\0' '\321' >"$work/disk.img"
args=()
for arg; do
	args+=("${arg/#DEVICE/nvme,drive=$work/disk.img}")
done
timeout -k 1 100 "${args[@]}" 2>"$work/err" && exit
status=$?
tail -n 20 "$work/err"
echo "FAIL: status $status"
exit 1
