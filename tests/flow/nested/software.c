/* SPDX-License-Identifier: MIT */
/*
 * Description: IOASes nested in software: a device that is attached to one reaches what its parent
 * maps at the time, with the permissions of both; what the parent unmaps is blocked when the call
 * returns, and is back when it is mapped again; while another device, on the parent, sees the same
 * memory under the parent's addresses. Also what a page table for a vendor's stage 1 makes of it.
 */
#include "guest.h"

#define VA 0x7000000000ul

static struct gun gun;

static uint32_t nest_alloc(int fd, uint32_t parent)
{
	struct ioas_nest_alloc cmd = {.size = sizeof(cmd), .ioas_id = parent};

	check("IOAS_NEST_ALLOC", call(fd, IOAS_NEST_ALLOC, &cmd), 0);
	return cmd.out_ioas_id;
}

static long nest_map(int fd, uint32_t ioas, uint64_t iova, uint64_t parent, uint32_t flags)
{
	struct ioas_nest_map cmd = {.size = sizeof(cmd),
				    .flags = flags,
				    .ioas_id = ioas,
				    .parent_iova = parent,
				    .length = 2 * PAGE,
				    .iova = iova};

	return call(fd, IOAS_NEST_MAP, &cmd);
}

int main(void)
{
	uint32_t ro = IOMMU_IOAS_MAP_READABLE, rw = ro | IOMMU_IOAS_MAP_WRITEABLE;
	int fd = open_or_skip("/dev/iommu");
	volatile uint64_t *ram = (void *)memory(2 * PAGE), *other = (void *)memory(2 * PAGE);
	uint32_t parent, child, grandchild;

	gun = gun_ready("0000:01:00.0", fd);
	parent = ioas_alloc(fd);
	child = nest_alloc(fd, parent);
	grandchild = nest_alloc(fd, child);
	check("attached", gun_attach(&gun, child), 0);
	check("a PASID, deeper", gun_attach_pasid(&gun, 3, gun_table(&gun, fd, grandchild)),
	      -EINVAL);
	check("detached", gun_detach(&gun), 0);
	check("with PASIDs", gun_attach(&gun, gun_table(&gun, fd, child)), 0);
	check("a PASID, deeper", gun_attach_pasid(&gun, 3, gun_table(&gun, fd, grandchild)), 0);
	check("a map to nothing", nest_map(fd, child, VA, RAM, rw), 0);
	check("a map to that, to read", nest_map(fd, grandchild, 2 * VA, VA, ro), 0);
	check("blocked", gun_write(&gun, UNTAGGED, VA, 1), IOAS_FAULT_NOT_MAPPED);
	for (unsigned i = 0; i < 200; i++) {
		volatile uint64_t *now = i & 1 ? other : ram;
		uint64_t value = 1000 + i;

		if (map_fixed(fd, parent, (void *)now, RAM, 2 * PAGE))
			check("the parent maps", i, -1);
		if (gun_write(&gun, UNTAGGED, VA + PAGE, value) || now[PAGE / 8] != value)
			check("through the child", i, -1);
		if (gun_read(&gun, TAGGED(3), 2 * VA + PAGE) != value)
			check("through the child's child", i, -1);
		if (gun_write(&gun, TAGGED(3), 2 * VA, 1) != IOAS_FAULT_NO_WRITE)
			check("which may only read", i, -1);
		if (unmap(fd, parent, RAM, 2 * PAGE, NULL))
			check("the parent unmaps", i, -1);
		if (gun_write(&gun, UNTAGGED, VA + PAGE, 1) != IOAS_FAULT_NOT_MAPPED ||
		    gun_write(&gun, TAGGED(3), 2 * VA, 1) != IOAS_FAULT_NOT_MAPPED)
			check("blocked again", i, -1);
	}
	check("the child unmaps", unmap(fd, child, VA, 2 * PAGE, NULL), 0);
	check("the parent maps", map_fixed(fd, parent, (void *)ram, RAM, 2 * PAGE), 0);
	check("nothing leads there", gun_write(&gun, UNTAGGED, VA, 1), IOAS_FAULT_NOT_MAPPED);
	check("the child maps", nest_map(fd, child, VA, RAM, rw), 0);
	check("what was there before", gun_write(&gun, UNTAGGED, VA, 5), 0);
	check("  for its child, too", (long)gun_read(&gun, TAGGED(3), 2 * VA), 5);
	/* The file ends with all of it in place. */
	return check_done();
}
