#!/bin/sh
# SPDX-License-Identifier: MIT
# The rules of CONTRIBUTING.md that a script can check. Prints each breach; exit 1 if there is one.
set -u
cd "$(dirname "$0")/.."
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

sources() {
	git ls-files -co --exclude-standard "$@" | sort -u
}

# breach RULE: every line on stdin is one.
breach() {
	sed "s|^|$1: |" >>"$breaches"
}

# Comments and strings are no code: blanks them out, keeping line numbers.
code() {
	perl -0777 -pe 's{/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"}{my $m = $&; $m =~ s/[^\n]//g; $m}gse' "$1"
}

# grep_code PATTERN FILE...: like grep -nE over code only.
grep_code() {
	pattern=$1
	shift
	for file in "$@"; do
		code "$file" | grep -nE "$pattern" | sed "s|^|$file:|"
	done
}

all_c=$(sources '*.c' '*.h' '*.cc')
src=$(sources 'src/*.c' 'src/*.h')
engine=$(sources 'src/*.c' 'src/*.h' 'models/*.c' 'models/*.h')

# Every source file opens with its licence, scripts after their interpreter.
for file in $all_c; do
	head -n 1 "$file" | grep -q 'SPDX-License-Identifier: MIT' || echo "$file"
done | breach 'first line is not the SPDX line'
for file in $(sources '*.sh' '.ci/run'); do
	sed -n 2p "$file" | grep -q 'SPDX-License-Identifier: MIT' || echo "$file"
done | breach 'second line is not the SPDX line'

# Files stay short: 500 lines is the aim, 1000 the end.
for file in $all_c; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 1000 ] || echo "$file has $lines lines"
done | breach 'longer than 1000 lines'

# The library returns -errno: it never prints, never ends the program.
grep_code '\b(printf|fprintf|puts|fputs|perror|exit|_exit|abort|assert)[[:space:]]*\(' $engine |
	breach 'src/ and models/ never print or exit'
grep_code '\berrno[[:space:]]*=[^=]' $engine | grep -v 'errno = saved' | breach 'src/ and models/ set errno only to restore it'

# Only usercopy.c touches caller memory, for handlers; accesses copy what is mapped and not pinned.
grep_code '(->|\.)copy_(from|to)[[:space:]]*\(' $src | grep -v '^src/uapi/usercopy\.[ch]:' |
	grep -v '^src/space/access_rw\.c:' |
	breach 'only src/uapi/usercopy.c (and src/space/access_rw.c) copies from and to callers'

# Only translate.c walks tables on behalf of a device.
grep_code '\bpt_walk[[:space:]]*\(' $src |
	grep -v -e '^src/tlp/translate\.c:' -e '^src/pt/' | breach 'only src/tlp/translate.c calls pt_walk'

# Structs are structs.
grep_code 'typedef[[:space:]]+(struct|union|enum)\b' $src $(sources 'include/*.h') |
	breach 'no typedef of a struct, union or enum'

# Every public function, or the group it stands in, is documented in its header.
for file in $(sources 'include/ioas/*.h'); do
	perl -00 -ne 'print "$ARGV: $1\n" if !m{/\*} && /^\w[^=\n]*\b(ioas_\w+)\(/m' "$file"
done | breach 'public, but not documented'

# Every public function is in the version script, and the reverse.
functions=$(mktemp) listed=$(mktemp) inlined=$(mktemp)
for file in $(sources 'include/ioas/*.h'); do
	code "$file"
done | grep -oE '\bioas_[a-z0-9_]+[[:space:]]*\(' | tr -d '( \t' | sort -u >"$functions"
echo ioas_models >>"$functions"
# What is whole in a header needs no symbol.
grep -hoE '^static inline .*\bioas_[a-z0-9_]+\(' $(sources 'include/ioas/*.h') |
	grep -oE '\bioas_[a-z0-9_]+\($' | tr -d '(' | sort -u >"$inlined"
sort -o "$functions" "$functions"
comm -23 "$functions" "$inlined" >"$listed" && cp "$listed" "$functions"
grep -oE '\bioas_[a-z0-9_]+' libioas.map | sort -u >"$listed"
comm -23 "$functions" "$listed" | breach 'public, but not in libioas.map'
comm -13 "$functions" "$listed" | breach 'in libioas.map, but in no public header'
rm -f "$functions" "$listed" "$inlined"

# Nothing is left for later in silence.
grep -nE '\b(TODO|FIXME|XXX)\b' $all_c $(sources 'meson.build' '*/meson.build') |
	breach 'no TODO in the tree'

# Relative links of the documents lead somewhere.
for file in $(sources '*.md'); do
	grep -oE '\]\([^)#:]+\)' "$file" | sed 's/^](//; s/)$//' | while read -r target; do
		[ -e "$(dirname "$file")/$target" ] || echo "$file -> $target"
	done
done | breach 'dead link'

if [ -s "$breaches" ]; then
	cat "$breaches"
	exit 1
fi
echo "style: $(echo $all_c | wc -w) files hold the rules"
