#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: whatever the moment of a SIGKILL, what was flushed is in the file; with volatile=on,
# where a drive may lose what was not, some of that is lost, so that the test could tell.
set -u
ioas=$(realpath "${IOAS:-build/ioas}")
killed=$(realpath "${KILLED:-build/tests/flow/killed}")
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-killed-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# rounds NR OPTIONS [strict]: prints how many sectors lost something, all in all
rounds() {
	local lost=0 answer
	rm -f journal disk.img
	truncate -s 1M disk.img
	for seed in $(seq "$1"); do
		"$ioas" run --device "nvme,drive=disk.img$2" -- "$killed" load journal "$seed" 2>err
		if [ $? != 137 ]; then
			echo "FAIL: seed $seed: the load ended by itself: $(cat err)" >&2
			exit 1
		fi
		if ! answer=$("$killed" check journal disk.img ${3:+"$3"}); then
			echo "FAIL: seed $seed, drive=disk.img$2:" >&2
			echo "$answer" | tail -n 10 >&2
			exit 1
		fi
		lost=$((lost + ${answer##*lost }))
	done
	echo "$lost"
}

lost=$(rounds 15 '' strict) || exit 1
[ "$lost" = 0 ] || { echo "FAIL: $lost completed sectors were lost"; exit 1; }
lost=$(rounds 10 ,volatile=on) || exit 1
[ "$lost" != 0 ] || { echo 'FAIL: volatile=on lost nothing, so that flush was not tested'; exit 1; }
echo "25 kills; nothing that was flushed is gone, $lost sectors of the volatile cache are"
