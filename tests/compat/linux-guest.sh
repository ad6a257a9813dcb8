#!/bin/bash
# SPDX-License-Identifier: MIT
# Debian's Linux kernel in stock QEMU drives the NVMe drive, which is passed through by vfio-pci:
# its own driver, MSI-X, several queues. The host then looks into the drive file.
. "$(dirname "$0")/lib.sh"
. "$here/guest/kernel.sh"

need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need cpio cpio
scratch
guest_kernel

len=$((64 * 1024 * 1024))

# interrupts CPUS CHIP NAME: interrupts of these (patterns) have counted something.
interrupts()
{
	tr -d '\r' <"$work/log" | awk -v chip="$2" -v name="$3" -v cpus="$1" '
		/^guest: irq / && $0 ~ chip && $NF ~ name {
			for (i = 4; i < 4 + cpus; i++)
				sum += $i
		}
		END { exit !(sum > 0) }'
}

# guest MACHINE CPUS [KERNEL-ARGUMENT]
guest()
{
	local device

	note "Linux guest on $1, $2 CPUs${3:+, $3}"
	rm -f "$work/drive"
	truncate -s 96M "$work/drive"
	own "$work/drive"
	drive 1 "$work/drive"
	if [ "$target" = ioas ]; then
		device=(-device "vfio-pci,host=$(bdf 1)")
	else
		device=(-drive "if=none,id=d,format=raw,file=$work/drive" -device nvme,drive=d,serial=1)
	fi
	run qemu-system-x86_64 -machine "$1" -cpu max -accel tcg -m 384M -smp "$2" -display none \
		-nodefaults -no-reboot "${device[@]}" -monitor none -serial stdio \
		-kernel "$kernel/vmlinuz" -initrd "$work/initramfs.cpio" \
		-append "console=ttyS0 quiet panic=-1 pattern=$sum ${3:-}"
	tr -d '\r' <"$work/log" | sed -n 's/^guest: /    /p'
	said '^guest: done'
	said "^guest: read back the same $len bytes"
	! grep -q '^guest: trouble' "$work/log" || fail "the guest's driver had trouble"
	said "^guest: size 196608 queues $2 "
	if [ "${3:-}" = pci=nomsi ]; then
		interrupts "$2" IO-APIC 'nvme0q[0-9]$' || fail "no INTx interrupts"
	else
		interrupts "$2" PCI-MSI 'nvme0q0$' || fail "no MSI-X interrupts for the admin queue"
		interrupts "$2" PCI-MSI 'nvme0q[1-9]$' || fail "no MSI-X interrupts for I/O queues"
	fi
	head -c "$len" "$work/drive" >"$work/written"
	same "$work/pattern" "$work/written"
	rm "$work/written"
}

limit=120 # a busy machine with sanitizers; 8 s else
busybox sh "$here/guest/pattern" "$work/pattern"
[ "$(stat -c %s "$work/pattern")" = "$len" ] || fail "the pattern has another length"
sum=$(md5sum <"$work/pattern" | cut -d' ' -f1)
guest_initramfs "$work/initramfs.cpio" "$here/guest/init"
guest q35 1
guest pc 2
guest q35 1 pci=nomsi
echo "PASS"
