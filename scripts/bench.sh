#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench: scripts/bench.sh BUILD [--json|--page|--build] [PROGRAM]...
#
# One table of all that bench/ measures, row by row as it comes, and at its end which goals are met.
# With --json a line of JSON a row. With --page all of it goes to docs/performance.json, and from
# there to the tables and the plot of docs/performance.md. A program that fails fails it all.
#
# --build only builds, all that a benchmark needs.
#
# BUILD is set up if it is not there, without the checks of the order of locks that debug builds have.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
shift
how=table
case ${1:-} in
--json | --page | --build) how=${1#--} && shift ;;
--*)
	echo "usage: scripts/bench.sh BUILD [--json|--page|--build] [PROGRAM]..." >&2
	exit 2
	;;
esac
[ -f "$build/build.ninja" ] || meson setup "$build" -Dlock-order=disabled >&2
ninja -C "$build" bench-programs >&2
all='translate peers dirty door maps memory pt routes nvme doorbell trace'
page=docs/performance

rows() {
	local name
	for name in ${*:-$all}; do
		case $name in
		door) "$build/ioas" run --device tlpgun -- "$build/bench/bench-door" --json ;;
		doorbell)
			"$build/ioas" run --device nvme,drive=null,size=1M -- "$build/bench/bench-doorbell" --json
			;;
		*) "$build/bench/bench-$name" --json ;;
		esac || {
			echo "bench-$name failed" >&2
			return 1
		}
	done
}

case $how in
build) ;;
json) rows "$@" ;;
table) rows "$@" | python3 scripts/bench-table.py ;;
page)
	rows | tee "$page.json.new" | python3 scripts/bench-table.py
	mv "$page.json.new" "$page.json"
	python3 scripts/bench-table.py --page "$page.md" --svg "$page.svg" <"$page.json"
	;;
esac
