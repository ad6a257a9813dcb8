#!/bin/sh
# SPDX-License-Identifier: MIT
# make bench: scripts/bench.sh BUILD [--json]. Programs whose rows bench/bench.h prints make one table, a
# line of JSON a row with --json; the others print their own, and only without it.
set -eu
cd "$(dirname "$0")/.."
build=$1
json=${2:-}
rows='translate dirty'

# Who uses bench_show has --json; a program that fails ends it all.
table() {
	for name in $rows; do
		"$build/bench/bench-$name" --json
	done
}

case $json in
--json)
	table
	exit
	;;
'') ;;
*)
	echo "usage: scripts/bench.sh BUILD [--json]" >&2
	exit 2
	;;
esac
table | python3 scripts/bench-table.py
# shellcheck disable=SC2086 # one word a benchmark
meson test -C "$build" --benchmark --no-rebuild --verbose \
	$(meson test -C "$build" --benchmark --list --no-rebuild 2>/dev/null | sed 's/.* //' |
		grep -vxE "$(echo $rows | tr ' ' '|')")
