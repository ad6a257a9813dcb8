#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts/mutate-file.sh FILE TEST...: which changes of a file do these tests not notice?
#
#   scripts/mutate-file.sh src/mem/hosts.c mem_hosts_test mem_balance_test
#
# Makes every mutation of the file (scripts/mutate.awk), one after the other, in a copy of the tree in
# build-mutate/file/, builds these tests and runs them: a second or two each, where scripts/mutate.sh
# runs all tests. Prints those that pass, then how many there were. Not every one is a gap: some change
# nothing but speed, others another test sees. MUTATE_EACH=5 makes only so many of each operator, chosen
# by MUTATE_SEED, as scripts/mutate.sh would: more files in less time.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
if [ $# -lt 2 ] || [ ! -f "$1" ]; then
	echo "usage: scripts/mutate-file.sh FILE TEST...   (tests by name, as meson test --list has them)" >&2
	exit 2
fi
file=$1
shift
root=$PWD/build-mutate/file
tree=$root/tree
leak_library=$(gcc -print-file-name=liblsan.so)
[ -e "$leak_library" ] || leak_library=

mkdir -p "$tree"
git ls-files -co --exclude-standard | while read -r name; do
	[ -e "$name" ] || continue
	cmp -s "$name" "$tree/$name" || { mkdir -p "$(dirname "$tree/$name")" && cp "$name" "$tree/$name"; }
done
cd "$tree" || exit 1
if [ ! -f build/build.ninja ]; then
	CFLAGS='-fsanitize=bounds -fno-sanitize-recover=bounds' LDFLAGS=-fsanitize=bounds meson setup build -Ddebug=false \
		-Doptimization=2 -Dlock-order=enabled -Db_lundef=false >"$root/setup.log" || exit 1
fi
targets=()
for name in "$@"; do
	target=$(ninja -C build -t targets all | grep -oE "^tests/[^ ]*/$name: " | head -n 1)
	[ -n "$target" ] || {
		echo "mutate-file: there is no test program $name" >&2
		exit 2
	}
	targets+=("${target%: }")
done
ninja -C build "${targets[@]}" >"$root/build.log" 2>&1 || {
	tail -n 20 "$root/build.log"
	exit 1
}

# The object, by which a change that changes no code is told; a header has none.
case $file in
src/*.c) object=src/libengine.a.p/$(tr / _ <<<"${file#src/}").o ;;
models/*.c) object=models/libnvme.a.p/$(tr / _ <<<"${file#models/}").o ;;
*) object= ;;
esac
[ -z "$object" ] || cp "build/$object" "$root/object"
cp "$file" "$root/original"
trap 'cp "$root/original" "$file"' EXIT

# change LINE OPERATOR NEW
change() {
	if [ "$2" = unlock-early ]; then
		awk -v at="$1" 'NR == at - 1 { held = $0; next } { print } NR == at { print held }' "$root/original" >"$file"
	else
		NEW=$3 awk -v at="$1" 'NR == at { print ENVIRON["NEW"]; next } { print }' "$root/original" >"$file"
	fi
}

# Does any of the tests fail? What is no longer given back is looked for where that was changed.
noticed() {
	local target preload=
	[ "$1" != leave-a-pin ] || preload=$leak_library
	for target in "${targets[@]}"; do
		(ulimit -t 20 && LD_PRELOAD=$preload exec timeout -s KILL 30 "build/$target") >/dev/null 2>&1 </dev/null || return 0
	done
	return 1
}

caught=0 passed=0
while IFS=' ' read -r _ _ at operator new; do
	change "$at" "$operator" "$new"
	if [ -n "$object" ]; then
		ninja -C build "$object" >/dev/null 2>&1 || continue
		! cmp -s "build/$object" "$root/object" || continue
	fi
	ninja -C build "${targets[@]}" >/dev/null 2>&1 || continue
	if noticed "$operator"; then
		caught=$((caught + 1))
	else
		passed=$((passed + 1))
		printf '%s:%s %s\n  -%s\n  +%s\n' "$file" "$at" "$operator" "$(sed -n "${at}p" "$root/original")" "$new"
	fi
done < <(awk -v all=1 -v each_operator="${MUTATE_EACH:-0}" -v seed="${MUTATE_SEED:-1}" -f scripts/mutate.awk "$file") 2>/dev/null
echo "$file: $caught caught, $passed not, by: $*"
