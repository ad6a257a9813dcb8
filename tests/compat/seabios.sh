#!/bin/bash
# SPDX-License-Identifier: MIT
# SeaBIOS in stock QEMU boots from the NVMe drive, which is passed through by vfio-pci.
. "$(dirname "$0")/lib.sh"

need qemu-system-x86_64 qemu-system-x86
need as binutils
need ld binutils
scratch

as --32 -o "$work/boot.o" "$here/guest/boot.S"
ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$work/boot" "$work/boot.o"

machine=

boot()
{
	local device

	note "boot on $machine"
	# LBA 1..8: a text, the rest machine content.
	printf 'booted from NVMe\n\0' >"$work/sectors"
	head -c 4096 "$(command -v ld)" | tail -c +$(($(stat -c %s "$work/sectors") + 1)) \
		>>"$work/sectors"
	rm -f "$work/drive"
	truncate -s 16M "$work/drive"
	dd if="$work/boot" of="$work/drive" conv=notrunc status=none
	dd if="$work/sectors" of="$work/drive" bs=512 seek=1 conv=notrunc status=none
	own "$work/drive"
	drive 1 "$work/drive"
	if [ "$target" = ioas ]; then
		device=(-device "vfio-pci,host=$(bdf 1),bootindex=0")
	else
		device=(-drive "if=none,id=d,format=raw,file=$work/drive"
			-device nvme,drive=d,serial=1,bootindex=0)
	fi
	rm -f "$work/out/console"
	try qemu-system-x86_64 -machine "$machine" -accel tcg -m 64M -display none -nodefaults \
		-no-reboot "${device[@]}" -serial none -monitor none \
		-chardev "file,id=c,path=$work/out/console" -device isa-debugcon,chardev=c \
		-device isa-debug-exit,iobase=0x501,iosize=1 && fail "QEMU did not end by port 0x501" ||
		status=$?
	[ "$status" = 33 ] || fail "QEMU ended with $status, the guest said: $(cat "$work/out/console")"
	[ "$(cat "$work/out/console")" = "booted from NVMe" ] ||
		fail "the guest said: $(cat "$work/out/console")"
	dd if="$work/drive" of="$work/copied" bs=512 skip=64 count=8 status=none
	same "$work/sectors" "$work/copied"
}

all()
{
	rm -rf "$work/out"
	mkdir "$work/out"
	own "$work/out"
	for machine in pc q35; do
		boot
	done
}

limit=60
all
if [ "$target" = ioas ]; then
	note "registers by pread and pwrite only"
	extra=(--set mmap=off)
	boot
	extra=()
fi
as_ordinary_user all
echo "PASS"
