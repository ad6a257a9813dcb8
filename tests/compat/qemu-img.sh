#!/bin/bash
# SPDX-License-Identifier: MIT
# Stock qemu-img: a real file goes onto an NVMe drive, is compared, and comes back.
. "$(dirname "$0")/lib.sh"

need qemu-img qemu-utils
scratch

size=$((32 * 1024 * 1024 + 512 * 1024))

# There and back with one cache mode.
round_trip()
{
	local mode=$1

	rm -f "$work/drive" "$work/back"
	truncate -s "$size" "$work/drive"
	own "$work/drive"
	drive 1 "$work/drive"
	note "convert -t $mode"
	run qemu-img convert -n -f raw -O raw -t "$mode" "$work/source" "$(url 1)"
	same "$work/source" "$work/drive"
	run qemu-img compare -f raw -F raw "$work/source" "$(url 1)"
	said identical
	run qemu-img convert -f raw -O raw -T "$mode" "$(url 1)" "$work/out/back"
	same "$work/source" "$work/out/back"
	rm "$work/out/back"
}

# Both drives in one program, and a compare that must see a difference of one byte.
two_drives()
{
	rm -f "$work/drive" "$work/other"
	cp "$work/source" "$work/drive"
	truncate -s "$size" "$work/other"
	own "$work/drive" "$work/other"
	drive 1 "$work/drive"
	drive 2 "$work/other"
	note "drive to drive"
	run qemu-img convert -n -f raw -O raw "$(url 1)" "$(url 2)"
	same "$work/source" "$work/other"
	run qemu-img compare -f raw -F raw "$(url 1)" "$(url 2)"
	said identical
	printf x | dd of="$work/other" bs=1 seek=$((size - 5000)) conv=notrunc status=none
	refused qemu-img compare -f raw -F raw "$(url 1)" "$(url 2)"
	said "mismatch"
	drives=()
	options=()
}

info()
{
	truncate -s "$size" "$work/drive"
	own "$work/drive"
	drive 1 "$work/drive"
	note "info"
	run qemu-img info -f raw "$(url 1)"
	said "virtual size: 32.5 MiB"
	if [ "$target" = ioas ]; then
		# The format probe reads the first sector.
		run qemu-img info "$(url 1)"
		# No such namespace, no such device: an error, not a crash.
		refused qemu-img info "nvme://$(bdf 1)/2"
		refused qemu-img info "nvme://$(bdf 9)/1"
	fi
}

# A qcow2 image on the drive: metadata updates, then a check by qemu-img.
qcow2()
{
	local image=driver=qcow2,file.driver=nvme,file.device=$(bdf 1),file.namespace=1

	rm -f "$work/drive"
	truncate -s 48M "$work/drive"
	own "$work/drive"
	drive 1 "$work/drive"
	[ "$target" = ioas ] ||
		image=driver=qcow2,file.driver=file,file.filename=$work/drive
	note "qcow2 on the drive"
	qemu-img create -q -f qcow2 "$work/empty.qcow2" 32M
	run qemu-img convert -n -f raw -O raw "$work/empty.qcow2" "$(url 1)"
	run qemu-img convert -n -f raw "$work/source32" --target-image-opts "$image"
	run qemu-img check --image-opts "$image"
	said "No errors"
	run qemu-img compare --image-opts driver=raw,file.driver=file,file.filename="$work/source32" \
		"$image"
	said identical
}

all()
{
	rm -rf "$work/out" "$work/drive" "$work/other"
	mkdir "$work/out"
	own "$work/out"
	info
	for mode in writeback none; do
		round_trip "$mode"
	done
	two_drives
}

machine_file "$work/source" "$size"
head -c 32M "$work/source" >"$work/source32"
all
for mode in writethrough directsync unsafe; do
	round_trip "$mode"
done
qcow2
as_ordinary_user all
echo "PASS"
