#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: whatever the moment of a SIGKILL, what was flushed is in the file; with volatile=on,
# where a drive may lose what was not, some of that is lost, so that the test could tell. That it
# does tell is shown by a load that takes writes for flushed which it never flushed.
set -u
ioas=$(realpath "${IOAS:-build/ioas}")
killed=$(realpath "${KILLED:-build/tests/flow/killed}")
work=$(mktemp -d "${TMPDIR:-/tmp}/ioas-killed-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
times=${SOAK_TIMES:-1}
seed=${SOAK_SEED:-0}

# rounds NR LOAD OPTIONS [strict]: prints how many sectors lost something, all in all, and of how many
# writes; 1 when one was lost that must not be.
rounds() {
	local lost=0 answer
	rm -f journal disk.img
	truncate -s 1M disk.img
	for nth in $(seq "$1"); do
		"$ioas" run --device "nvme,drive=disk.img$3" -- "$killed" "$2" journal $((seed + nth)) 2>err
		if [ $? != 137 ]; then
			echo "FAIL: seed $((seed + nth)): the load ended by itself: $(cat err)" >&2
			exit 1
		fi
		if ! answer=$("$killed" check journal disk.img ${4:+"$4"}); then
			echo "seed $((seed + nth)), drive=disk.img$3:" >&2
			echo "$answer" | tail -n 10 >&2
			return 1
		fi
		answer=${answer##*lost }
		lost=$((lost + ${answer% of *}))
	done
	echo "$lost ${answer##* of }"
}

fail() {
	cat found 2>/dev/null
	echo "FAIL: $1"
	exit 1
}

kills=0 writes=0
read -r lost nr < <(rounds $((15 * times)) load '' strict 2>found) && [ "$lost" = 0 ] ||
	fail 'a completed write is gone, or a sector torn'
kills=$((kills + 15 * times)) writes=$((writes + nr))
read -r lost nr < <(rounds $((10 * times)) load ,volatile=on 2>found) || fail 'a flushed write is gone, or a sector torn'
[ "$lost" != 0 ] || fail 'volatile=on lost nothing, so that flush was not tested'
kills=$((kills + 10 * times)) writes=$((writes + nr))
read -r _ < <(rounds 8 unflushed ,volatile=on 2>found) && fail 'a flush that was left out went unnoticed'
grep -q 'but issued' found || fail 'what was not flushed is not what is missing'
echo "nothing that was flushed is gone, $lost sectors of the volatile cache are"
echo "tried: $kills kills, $writes operations"
