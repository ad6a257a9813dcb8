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

# guest_initramfs OUT INIT: busybox, the modules of $kernel, and INIT as /init.
guest_initramfs()
{
	local root=$work/initramfs

	rm -rf "$root"
	mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$kernel"/modules/* "$root/modules/"
	cp "$2" "$root/init"
	cp "$here/guest/pattern" "$root/"
	chmod 755 "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet) >"$1"
}
