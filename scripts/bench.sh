#!/bin/sh
# SPDX-License-Identifier: MIT
# make bench: every benchmark there is. They print ratios measured in one run.
set -eu
cd "$(dirname "$0")/.."
meson test -C "$1" --benchmark --no-rebuild --verbose
