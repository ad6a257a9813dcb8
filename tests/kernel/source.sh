#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel's own iommufd selftests, built from Debian's linux-source package.
#
# The package is downloaded and taken apart in the user's cache, never installed. What is built is
# kept there, a folder a package version. A tree that tests/twin/oracle.sh has unpacked is used as
# it is. Sourced by selftests.sh, which defines skip, note and fail.

kernel_package=linux-source-6.12

# Only what headers_install and the selftests read: a tenth of the tree.
kernel_parts=(Makefile Kbuild include scripts arch/x86 tools/include
	tools/testing/selftests/iommu tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h drivers/iommu/iommufd)

kernel_needs()
{
	command -v "$1" >/dev/null || skip "$1 is not installed (Debian package $2)"
}

# kernel_unpack DEB FOLDER
kernel_unpack()
{
	local part members=()

	for part in "${kernel_parts[@]}"; do
		members+=("$kernel_package/$part")
	done
	mkdir -p "$2"
	dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$kernel_package.tar.xz" |
		tar -xJ --strip-components=1 -C "$2" "${members[@]}"
}

# Sets `deb` to the package, downloaded if need be; empty when only an older build is here.
kernel_deb()
{
	local shared=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/kernel-oracle
	local version

	deb=$(ls "${ORACLE_DIR:-$shared}/$kernel_package"_*.deb 2>/dev/null | tail -n 1) || deb=
	[ -z "$deb" ] || return 0
	version=$(apt-cache policy "$kernel_package" 2>/dev/null | sed -n 's/^ *Candidate: //p')
	if [ -z "$version" ] || [ "$version" = '(none)' ]; then
		return 0
	fi
	deb=$cache/${kernel_package}_${version}_all.deb
	[ ! -d "$cache/$kernel_package-$version" ] || return 0
	note "downloading $kernel_package $version"
	(cd "$work" && apt-get download "$kernel_package") >"$work/apt" 2>&1 ||
		skip "cannot download $kernel_package: $(tail -n 1 "$work/apt")"
	mv "$work/$kernel_package"_*.deb "$deb"
}

# kernel_fetch: sets `kernel` to a folder with tree/ and uapi/, or skips the test.
kernel_fetch()
{
	local cache=${UIOMMUFD_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uiommufd}
	local deb version tmp source

	mkdir -p "$cache" 2>/dev/null || skip "cannot make the cache folder $cache"
	kernel_deb
	if [ -z "$deb" ]; then
		# No package lists here: what was built earlier will do.
		kernel=$(ls -d "$cache/$kernel_package"-*/ 2>/dev/null | tail -n 1) || kernel=
		[ -n "$kernel" ] || skip "apt-cache knows no $kernel_package (apt-get update?)"
		return 0
	fi
	version=${deb##*/"${kernel_package}"_}
	kernel=$cache/$kernel_package-${version%_all.deb}
	[ ! -d "$kernel/uapi" ] || return 0

	tmp=$(mktemp -d "$cache/new.XXXXXX")
	source=${deb%/*}/$kernel_package
	if [ -f "$source/Makefile" ]; then
		ln -s "$source" "$tmp/tree"
	else
		note "unpacking $kernel_package ${version%_all.deb}"
		kernel_unpack "$deb" "$tmp/tree"
	fi
	make -s -C "$tmp/tree" O="$tmp/headers" ARCH=x86_64 INSTALL_HDR_PATH="$tmp/uapi" \
		headers_install >"$work/headers" 2>&1 ||
		{ rm -rf "$tmp"; tail -n 20 "$work/headers"; fail "headers_install of $kernel_package"; }
	rm -rf "$tmp/headers"
	case $deb in "$cache"/*) rm -f "$deb" ;; esac
	chmod 755 "$tmp"
	# Another run may have been quicker.
	mv -T "$tmp" "$kernel" 2>/dev/null || rm -rf "$tmp"
}

# The selftests of 6.12's stable releases are newer than their headers. Names that these lack get
# the value that later headers give them; names that are there must not be defined again.
kernel_cflags()
{
	local uapi=$kernel/uapi/include/linux/iommufd.h
	local test=$kernel/tree/drivers/iommu/iommufd/iommufd_test.h

	missing()
	{
		grep -qw "$2" "$1" || echo "-D$2=$3"
	}
	missing "$uapi" in_data_type out_data_type
	missing "$uapi" IOMMU_HW_INFO_FLAG_INPUT_TYPE 1
	missing "$uapi" IOMMU_HW_INFO_TYPE_DEFAULT 0
	missing "$test" MOCK_FLAGS_DEVICE_PASID 4
	missing "$test" MOCK_PASID_WIDTH 20
}

# kernel_program NAME: builds it into $kernel if it is not there.
kernel_program()
{
	local tests=$kernel/tree/tools/testing/selftests/iommu tmp

	[ ! -x "$kernel/$1" ] || return 0
	tmp=$(mktemp "$kernel/new.XXXXXX")
	# shellcheck disable=SC2046
	gcc -O2 -w -D_GNU_SOURCE= $(kernel_cflags) -isystem "$kernel/uapi/include" \
		-o "$tmp" "$tests/$1.c" >"$work/gcc" 2>&1 ||
		{ rm -f "$tmp"; cat "$work/gcc"; fail "$1 does not build"; }
	chmod 755 "$tmp"
	mv -f "$tmp" "$kernel/$1"
}
