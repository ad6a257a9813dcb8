#!/bin/sh
# SPDX-License-Identifier: MIT
# In the guest: what the kernel shows of its PCI tree, to FOLDER/tree, and of its groups, to
# FOLDER/groups. The tree has nothing of the groups in it: it is what they are computed from.
#
#   sh capture.sh FOLDER
#
# tree, as unpack.pl reads it:
#   iommu NAME [cap=HEX ecap=HEX]
#   function /devices/PATH config=BYTES [link] [driver=NAME] [iommu=NAME] [physfn=ADDRESS]
#   OFFSET BYTES        32 bytes of its config space in hexadecimal; what is left out is zero
# groups: NUMBER ADDRESS...
set -eu
out=${1:?usage: capture.sh FOLDER}
pci=/sys/bus/pci/devices

# Every virtual function that there can be. They come with their physical function's driver.
for total in "$pci"/*/sriov_totalvfs; do
	[ -e "$total" ] || continue
	cat "$total" >"${total%/*}/sriov_numvfs" ||
		echo "no virtual functions of $(basename "${total%/*}")" >&2
done

# Some IOMMU drivers look at a device only when it gets a driver. Whether it keeps that is all the same.
for device in "$pci"/*; do
	[ ! -e "$device/iommu" ] && [ ! -e "$device/driver" ] || continue
	echo vfio-pci >"$device/driver_override"
	echo "${device##*/}" >/sys/bus/pci/drivers_probe || true
done

last() { basename "$(readlink "$1")"; }

{
	echo "# Linux $(uname -r)"
	for iommu in $(for link in "$pci"/*/iommu; do [ ! -L "$link" ] || last "$link"; done | sort -u); do
		line="iommu $iommu"
		for register in cap ecap; do
			file=/sys/class/iommu/$iommu/intel-iommu/$register
			[ ! -e "$file" ] || line="$line $register=$(cat "$file")"
		done
		echo "$line"
	done
	for device in "$pci"/*; do
		path=$(readlink -f "$device")
		line="function ${path#/sys} config=$(stat -c %s "$device/config")"
		[ ! -e "$device/max_link_width" ] || line="$line link"
		[ ! -e "$device/driver" ] || line="$line driver=$(last "$device/driver")"
		[ ! -L "$device/iommu" ] || line="$line iommu=$(last "$device/iommu")"
		[ ! -e "$device/physfn" ] || line="$line physfn=$(last "$device/physfn")"
		echo "$line"
		hexdump -v -e '"%03_ax " 32/1 "%02x" "\n"' "$device/config" | grep -v ' 0*$' || true
	done
} >"$out/tree"

for group in $(ls /sys/kernel/iommu_groups | sort -n); do
	echo "$group" $(ls "/sys/kernel/iommu_groups/$group/devices")
done >"$out/groups"
