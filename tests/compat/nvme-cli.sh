#!/bin/bash
# SPDX-License-Identifier: MIT
# Debian's nvme-cli asks the drive for everything, through Debian's kernel in stock QEMU.
. "$(dirname "$0")/lib.sh"
. "$here/guest/kernel.sh"

need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need cpio cpio
scratch
guest_kernel
guest_nvme_cli

# ok COMMAND..., no COMMAND...: how nvme-cli ended.
ok()
{
	said "^guest: ok $*\$"
}

no()
{
	said "^guest: no $*\$"
}

# answer COMMAND PATTERN: the first such command printed a line like this.
answer()
{
	awk -v command="=== $1" '$0 == command { on++; next } /^===/ { if (on) exit } on' \
		"$last_log" >"$work/answer"
	grep -q -E -e "$2" "$work/answer" || fail "nvme $1: no \"$2\" in: $(cat "$work/answer")"
}

truncate -s 96M "$work/drive"
drive 1 "$work/drive" ,serial=COMPAT7
device=(-device "vfio-pci,host=$(bdf 1)")
if [ "$target" != ioas ]; then
	device=(-drive "if=none,id=d,format=raw,file=$work/drive,discard=unmap"
		-device nvme,drive=d,serial=COMPAT7)
fi
guest_initramfs "$work/initramfs.cpio" "$here/guest/init-nvme-cli" "$cli"
run qemu-system-x86_64 -machine q35 -cpu max -accel tcg -m 384M -display none -nodefaults \
	-no-reboot "${device[@]}" -monitor none -serial stdio -kernel "$kernel/vmlinuz" \
	-initrd "$work/initramfs.cpio" -append "console=ttyS0 quiet panic=-1"
tr -d '\r' <"$last_log" >"$work/said"
last_log=$work/said
said '^guest: done'
! grep '^guest: trouble' "$last_log" || fail "the guest's driver had trouble"

ctrl=/dev/nvme0
ns=/dev/nvme0n1
if [ "$target" = ioas ]; then
	answer "id-ctrl $ctrl" '^vid +: 0x1234$'
	answer "id-ctrl $ctrl" '^mn +: uiommufd NVMe drive *$'
	answer "id-ctrl $ctrl" '^mdts +: 9$'
	answer "ns-descs $ns" '^uuid +: [0-9a-f]{8}-'
	answer "get-feature $ctrl -f 7" 'Current value: ?0x0*3f003f'
fi
answer "id-ctrl $ctrl" '^sn +: COMPAT7 *$'
answer "id-ctrl $ctrl" '^ver +: 0x10400$'
answer "id-ns $ns" '^nsze +: 0x30000$'
answer "id-ns $ns" '^lbaf +0 : ms:0 +lbads:9 .*in use'
answer "list-ns $ctrl" '0x1$'
answer "smart-log $ctrl" '^critical_warning[[:space:]]+: 0$'
answer "fw-log $ctrl" '^afi +: 0x1$'
for id in 1 2 4 6 7 8 9 0xa 0xb; do
	ok "get-feature $ctrl -f $id"
	ok "get-feature $ctrl -f $id -s 1"
	ok "get-feature $ctrl -f $id -s 3"
done
ok "get-feature $ns -f 5"
no "get-feature $ctrl -f 0x7f"
ok "set-feature $ctrl -f 4 -v 350"
for what in write write-zeroes fua dsm reset; do
	ok "data $what"
done
ok "write $ns -s 8 -c 15 -z 8192 -d /tmp/one"
ok "write $ns -s 8 -c 15 -z 8192 -d /tmp/two -f"
ok "compare $ns -s 8 -c 15 -z 8192 -d /tmp/one"
no "compare $ns -s 8 -c 15 -z 8192 -d /tmp/two"
answer "compare $ns -s 8 -c 15 -z 8192 -d /tmp/two" '[Cc]ompare.*0x4?285'
ok "flush $ns -n 1"
ok "write-zeroes $ns -s 8 -c 15"
ok "dsm $ns -d -s 8 -b 16"
no "write $ns -s 0xffffffff -c 15 -z 8192 -d /tmp/two"
answer "write $ns -s 0xffffffff -c 15 -z 8192 -d /tmp/two" '0x4?080'
no "admin-passthru $ctrl -o 0x7f"
answer "admin-passthru $ctrl -o 0x7f" '0x4?001'
ok "reset $ctrl"
ok "error-log $ctrl -e 3"
answer "error-log $ctrl -e 3" '^error_count'
sed -n 's/^guest: \(ok\|no\|done\)/    \1/p' "$last_log"
echo "PASS"
