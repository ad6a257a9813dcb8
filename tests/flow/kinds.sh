#!/bin/bash
# SPDX-License-Identifier: MIT
# Description: stock qemu-img copies to an NVMe drive and back behind each kind of IOMMU, whose page
# tables have that kind's form and whose sysfs that kind's name; several kinds, a drive behind each,
# are one machine; what a kind cannot be ends the run before it starts.
. "$(dirname "$0")/../compat/lib.sh"

need qemu-img qemu-utils
need jq jq
scratch
unset IOAS_RUN_SET
cd "$work" || exit 1
identify=$(realpath "${IDENTIFY:?}")
head -c 3M /dev/urandom >source

# copies URL DRIVE OPTION...: qemu-img writes the source to the drive and compares.
copies()
{
	local url=$1 drive=$2
	shift 2
	"$ioas" run "$@" -- qemu-img convert -n -f raw -O raw source "$url" >log 2>&1 || fail "convert: $*"
	cmp -n "$(stat -c %s source)" source "$drive" || fail "not what was written: $*"
	"$ioas" run "$@" -- qemu-img convert -f raw -O raw "$url" back >log 2>&1 || fail "back: $*"
	cmp source back || fail "not what was read: $*"
}

# Kind, name in sysfs, levels of its page tables.
while read -r kind name levels; do
	note "$kind"
	rm -f drive
	truncate -s 3M drive
	machine=(--set "iommu=$kind" --device nvme,drive=drive)
	copies nvme://0000:01:00.0/1 drive "${machine[@]}"
	[ "$("$ioas" run "${machine[@]}" -- ls /sys/class/iommu)" = "$name" ] || fail "$kind: sysfs"
	"$ioas" run "${machine[@]}" -- "$ioas" topology --to yaml >seen
	grep -q "kind: \"$kind\"" seen || fail "$kind: from inside it is $(sed -n 2p seen)"
	"$ioas" run --report r "${machine[@]}" -- "$identify" 0000:01:00.0 0xdead0000 >log 2>&1 && fail "$kind: no fault"
	jq -e ".devices[0].faults.records[0] | .reason == \"not mapped\" and .walk[0].level == $levels" r >log ||
		fail "$kind: another table: $(cat r)"
done <<-END
	soft ioas0 4
	vtd dmar0 4
	amd ivhd0 4
	smmuv3 smmu3.0x0000000009050000 4
	riscv riscv-iommu@3010000.iommu 4
END

note "two kinds, a drive each"
truncate -s 3M one two
sed "s|FOLDER|$work|" >machine.yaml <<-END
	iommus:
	  - kind: vtd
	  - kind: smmuv3
	    address-width: 39
	  - kind: vtd
	root-buses:
	  - devices:
	      - {type: root-port, acs: on, below: [{model: "nvme,drive=FOLDER/one"}]}
	  - iommu: 1
	    devices:
	      - {type: root-port, acs: on, below: [{model: "nvme,drive=FOLDER/two"}]}
END
copies nvme://0000:01:00.0/1 one --machine machine.yaml
copies nvme://0000:03:00.0/1 two --machine machine.yaml
"$ioas" run --machine machine.yaml -- qemu-img compare -f raw -F raw nvme://0000:01:00.0/1 nvme://0000:03:00.0/1 \
	>log 2>&1 || fail "one program with both"
"$ioas" run --machine machine.yaml -- ls /sys/class/iommu >names
printf '%s\n' dmar0 dmar1 smmu3.0x0000000009050000 | cmp - names || fail "names: $(cat names)"

# refused WORDS OPTION...: the run does not start, for that reason.
refused()
{
	local words=$1 status=0
	shift
	"$ioas" run "$@" -- true >log 2>&1 || status=$?
	[ "$status" != 0 ] || fail "status $status: $*"
	grep -q "$words" log || fail "not for that reason: $*"
}

note "what cannot be"
refused 'none of soft, vtd' --set iommu=via
refused 'no 52 bits' --set iommu=smmuv3 --set aw=52
refused 'goes with iommu=soft' --set iommu=amd --set pt=vtd-ss
while IFS='|' read -r words iommu; do
	printf 'iommus: [%s]\nroot-buses: [{devices: [{type: rc-endpoint, model: tlpgun}]}]\n' "$iommu" >bad.yaml
	refused "$words" --machine bad.yaml
done <<-END
	no IOMMUs of kind sparc|{kind: sparc}
	PASID 0 apart|{kind: vtd, capabilities: [pasid-0-apart]}
	cannot enforce|{kind: riscv, capabilities: [coherency]}
	8, 17 or 20 bits|{kind: riscv, pasid-width: 12}
	no pages of 2^16|{kind: vtd, page-sizes: [4K, 64K]}
	must be 32 to 48|{kind: amd, address-width: 57}
END
echo PASS
