#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: an unmodified program on a described machine: it sees the tree, drives what a model
# stands for, and is refused what the host's driver has a hand on.
. "$(dirname "$0")/../compat/lib.sh"

need qemu-io qemu-utils
need jq jq
scratch
limit=60
truncate -s 16M "$work/disk1" "$work/disk2" "$work/disk3"
cat >"$work/machine.yaml" <<END
iommus:
  - reserved: [0xfffff00000-0xffffffffff]
root-buses:
  - bus: 00
    devices:
      - type: root-port
        at: 01.0
        acs: on
        below:
          - type: switch
            below:
              - type: downstream
                at: 00.0
                acs: on
                below:
                  - class: 010802
                    model: nvme,drive=$work/disk1
              - type: downstream
                at: 01.0
                acs: on
                below:
                  - functions:
                      - class: 010802
                        model: nvme,drive=$work/disk2
                      - class: 040300
                        driver: snd_hda_intel
END

# on OPTION...: a shell on the machine runs what stdin says.
on()
{
	timeout 60 "$ioas" run --machine "$work/machine.yaml" "$@" -- sh -eu
}

note "the tree is in /sys, and its first disk works"
on --report "$work/report" <<'END' >"$work/out" 2>&1 || { cat "$work/out"; fail "the program ended badly"; }
test "$(readlink -f /sys/bus/pci/devices/0000:03:00.0)" = \
	/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0 ||
	readlink -f /sys/bus/pci/devices/0000:03:00.0
test "$(cat /sys/bus/pci/devices/0000:02:01.0/secondary_bus_number)" = 4
test "$(basename "$(readlink /sys/bus/pci/devices/0000:04:00.1/driver)")" = snd_hda_intel
test "$(readlink /sys/bus/pci/devices/0000:04:00.0/iommu_group)" = \
	"$(readlink /sys/bus/pci/devices/0000:04:00.1/iommu_group)"
printf '%s\n' '0x00000000fee00000 0x00000000feefffff msi' '0x000000fffff00000 0x000000ffffffffff reserved' |
	cmp - /sys/bus/pci/devices/0000:03:00.0/iommu_group/reserved_regions
qemu-io -f raw -c 'write -P 0x5a 0 64k' -c 'read -P 0x5a 0 64k' nvme://0000:03:00.0/1
END
jq -e '.devices[] | select(.name == "0000:03:00.0") | .tlps > 0' "$work/report" >/dev/null ||
	fail "the report does not know the disk: $(head -c 400 "$work/report")"
[ "$(od -An -tx1 -N1 "$work/disk1" | tr -d ' ')" = 5a ] || fail "the disk was not written"

note "the other one's group has a driver of the host"
on --report "$work/report" <<'END' >"$work/out" 2>&1 && fail "a disk whose neighbour is the host's was given out"
qemu-io -f raw -c 'read 0 4k' nvme://0000:04:00.0/1
END
grep -q 'group .* not viable' "$work/out" || { cat "$work/out"; fail "qemu-io did not say so"; }

note "a device is put on the machine by --device, where it has room"
sed -i '/snd_hda_intel/d' "$work/machine.yaml"
on --device "nvme,drive=$work/disk3" <<'END' >"$work/out" 2>&1 || { cat "$work/out"; fail "--device"; }
qemu-io -f raw -c 'write -P 0x33 0 4k' nvme://0000:04:00.1/1
END
[ "$(od -An -tx1 -N1 "$work/disk3" | tr -d ' ')" = 33 ] || fail "the third disk was not written"
"$ioas" run --machine "$work/machine.yaml" --device "nvme,drive=$work/disk3,addr=0000:02:00.0" -- true \
	2>"$work/err" && fail "a model took a port's place"
grep -q 'downstream port' "$work/err" || fail "no reason: $(cat "$work/err")"
echo PASS
