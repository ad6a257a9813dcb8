#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing for the named steps (build, run, check, fuzz). Quick and
# silent when all are there. Without root it goes through sudo; without that it lists them.
set -eu

packages_build='gcc g++ libc6-dev meson ninja-build pkgconf libcmocka-dev liburing-dev
	libzydis-dev libcjson-dev libcyaml-dev libyaml-dev libpci-dev'
packages_run='qemu-utils jq'
packages_check='qemu-system-x86 qemu-system-arm qemu-system-misc busybox-static cpio clang-format cppcheck git ca-certificates
	util-linux make rsync xz-utils'
packages_bench='libglib2.0-dev libdpdk-dev'
packages_fuzz='clang libclang-rt-14-dev'

wanted=
for step in "$@"; do
	case $step in
	build) wanted="$wanted $packages_build" ;;
	run) wanted="$wanted $packages_run" ;;
	check) wanted="$wanted $packages_check" ;;
	bench) wanted="$wanted $packages_bench" ;; # peers that are measured beside ours
	fuzz) wanted="$wanted $packages_fuzz" ;;
	*)
		echo "usage: scripts/deps.sh [build] [run] [check] [bench] [fuzz]" >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	echo "deps: not Debian; make sure these are here: $(echo $wanted)" >&2
	exit 0
fi

missing=
for package in $wanted; do
	case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
	installed*) ;;
	*) missing="$missing $package" ;;
	esac
done

# The guest test downloads a kernel package: without package lists it can only skip.
update=
case " $* " in
*' check '*)
	cache=${UIOMMUFD_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/uiommufd}
	if ! ls "$cache"/linux-image-*/vmlinuz >/dev/null 2>&1 &&
		! apt-cache show linux-image-amd64 >/dev/null 2>&1; then
		update=yes
	fi
	;;
esac
[ -n "$missing$update" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
	as_root='sudo'
elif [ -z "$missing" ]; then
	exit 0
else
	echo "deps: these Debian packages are missing:$missing" >&2
	echo "deps: not root and no sudo: have them installed with" >&2
	echo "    apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

if [ -z "$missing" ]; then
	$as_root apt-get update -qq || echo "deps: no package lists; the guest test will skip" >&2
	exit 0
fi
echo "deps: installing$missing"
install() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
}
if ! install >/dev/null 2>&1; then
	$as_root apt-get update -qq
	install
fi
