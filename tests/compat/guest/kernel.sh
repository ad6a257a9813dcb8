#!/bin/bash
# SPDX-License-Identifier: MIT
# Debian's own kernel for guests: downloaded as a package, taken apart, never installed.

# modinfo without kmod: the names a module depends on.
depends_of()
{
	tr '\0' '\n' <"$1" | sed -n 's/^depends=//p' | tr ',' '\n'
}

# Copies module NAME after all it depends on, numbered in the order of loading.
take_module()
{
	local file dep

	file=$(find "$1/tree" -name "$3.ko" -o -name "$(echo "$3" | tr _ -).ko" | head -n 1)
	[ -n "$file" ] || return 0 # built in
	for dep in $(depends_of "$file"); do
		take_module "$1" "$2" "$dep"
	done
	ls "$2"/*-"${file##*/}" >/dev/null 2>&1 ||
		cp "$file" "$2/$(printf %02d "$(ls "$2" | wc -l)")-${file##*/}"
}

# Sets `kernel` to a folder with vmlinuz and modules/NN-name.ko, or skips the test.
guest_kernel()
{
	local cache package tmp

	need apt-get apt
	need dpkg-deb dpkg
	cache=${UIOMMUFD_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uiommufd}
	mkdir -p "$cache" 2>/dev/null || skip "cannot make the cache folder $cache"
	# The versioned package behind linux-image-amd64.
	package=$(apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	if [ -z "$package" ]; then
		# No package lists here: an older download will do.
		kernel=$(ls -d "$cache"/linux-image-*/ 2>/dev/null | tail -n 1)
		[ -n "$kernel" ] || skip "apt-cache knows no linux-image-amd64 (apt-get update?)"
		return
	fi
	kernel=$cache/$package
	if [ -f "$kernel/vmlinuz" ]; then
		return
	fi
	tmp=$(mktemp -d "$cache/new.XXXXXX")
	note "downloading $package"
	(cd "$tmp" && apt-get download "$package") >"$work/apt" 2>&1 || {
		rm -rf "$tmp"
		skip "cannot download $package: $(tail -n 1 "$work/apt")"
	}
	mkdir "$tmp/tree" "$tmp/modules"
	dpkg-deb --fsys-tarfile "$tmp"/*.deb | tar -C "$tmp/tree" -xf - --wildcards \
		'./boot/vmlinuz-*' './lib/modules/*/kernel/drivers/nvme/*' \
		'./lib/modules/*/kernel/lib/*' './lib/modules/*/kernel/crypto/*' \
		'./lib/modules/*/kernel/arch/x86/crypto/*' './lib/modules/*/kernel/block/*'
	cp "$tmp"/tree/boot/vmlinuz-* "$tmp/vmlinuz"
	take_module "$tmp" "$tmp/modules" crc64_rocksoft_generic
	take_module "$tmp" "$tmp/modules" nvme
	rm -rf "$tmp/tree" "$tmp"/*.deb
	chmod 755 "$tmp"
	# Another run may have been quicker.
	mv -T "$tmp" "$kernel" 2>/dev/null || rm -rf "$tmp"
}

# Sets `cli` to a folder with Debian's nvme-cli and every library it loads, or skips the test.
guest_nvme_cli()
{
	local cache tmp deb
	local packages=(nvme-cli libnvme1 libjson-c5 zlib1g libc6 libssl3 libdbus-1-3 libsystemd0
		libcap2 libgcrypt20 libgpg-error0 liblzma5 libzstd1 liblz4-1)

	cache=$(dirname "${kernel%/}")
	cli=$cache/nvme-cli
	if [ -x "$cli/bin/nvme" ]; then
		return
	fi
	tmp=$(mktemp -d "$cache/new.XXXXXX")
	note "downloading nvme-cli and its libraries"
	(cd "$tmp" && apt-get download "${packages[@]}") >"$work/apt" 2>&1 || {
		rm -rf "$tmp"
		skip "cannot download nvme-cli: $(tail -n 1 "$work/apt")"
	}
	mkdir -p "$tmp/tree" "$tmp/bin" "$tmp/lib/x86_64-linux-gnu" "$tmp/lib64"
	for deb in "$tmp"/*.deb; do
		dpkg-deb -x "$deb" "$tmp/tree"
	done
	cp "$tmp/tree/usr/sbin/nvme" "$tmp/bin/"
	cp -a "$tmp"/tree/lib/x86_64-linux-gnu/lib*.so* "$tmp"/tree/usr/lib/x86_64-linux-gnu/lib*.so* \
		"$tmp/lib/x86_64-linux-gnu/"
	cp -L "$tmp"/tree/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$tmp/lib64/"
	rm -rf "$tmp/tree" "$tmp"/*.deb
	chmod 755 "$tmp"
	mv -T "$tmp" "$cli" 2>/dev/null || rm -rf "$tmp"
}

# guest_initramfs OUT INIT [TREE]: busybox, the modules of $kernel, INIT as /init, and all of TREE.
guest_initramfs()
{
	local root=$work/initramfs

	rm -rf "$root"
	mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$kernel"/modules/* "$root/modules/"
	cp "$2" "$root/init"
	cp "$here/guest/pattern" "$here/guest/begin" "$root/"
	[ -z "${3:-}" ] || cp -a "$3/." "$root/"
	chmod 755 "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet) >"$1"
}
