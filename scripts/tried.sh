#!/bin/sh
# SPDX-License-Identifier: MIT
# scripts/tried.sh LOG...: what tests tried, by meson's testlog.json files: the sums of the numbers in
# lines that begin with "tried:" or "fuzz-" (tests/soak.h).
set -eu
jq -rs '
	def sum(what): [.[] | scan("([0-9]+) \(what)") | .[0] | tonumber] | add // 0;
	[.[] | (.stdout // "") | split("\n")[] | select(test("^(tried:|fuzz-)"))]
	| "tried: \(sum("operations")) operations, \(sum("TLPs")) TLPs, \(sum("faults")) faults, "
	  + "\(sum("kills")) kills, \(sum("bad inputs")) bad inputs, \(sum("failures on purpose")) failures on purpose"
' "$@"
