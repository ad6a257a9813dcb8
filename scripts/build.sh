#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds into the named folder: scripts/build.sh FOLDER [MESON-OPTION]...
set -eu
cd "$(dirname "$0")/.."
build=$1
shift
[ -f "$build/build.ninja" ] || meson setup "$build" "$@"
ninja -C "$build"
