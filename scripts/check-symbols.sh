#!/bin/sh
# SPDX-License-Identifier: MIT
# The shared library shows what its map lists, no more and no less: check-symbols.sh LIBRARY MAP
set -eu
shown=$(nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
listed=$(grep -oE '\bioas_[a-z0-9_]+' "$2" | sort -u)
[ "$shown" = "$listed" ] && exit 0
echo "shown by $1, or listed by $2, but not both:"
printf '%s\n' "$shown" "$listed" | sort | uniq -u
exit 1
