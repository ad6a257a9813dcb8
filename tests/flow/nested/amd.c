/* SPDX-License-Identifier: MIT */
/*
 * Description: a guest's device table entry on AMD: its GCR3 table, in guest memory, has a page
 * table for each PASID of the device, so that one attach routes all of them, and the guest adds and
 * removes PASIDs without a call of the host's. Requests without a PASID are as the entry says.
 */
#include "guest.h"

#define VA   0x7f0000000000ul
#define V    1ull
#define GIOV (1ull << 54)
#define GV   (1ull << 55)

static struct gun gun;
static struct guest guest;

/* One whose GCR3 table is there, with so many levels, one less. */
static long entry_new(uint64_t gcr3, uint64_t flags, uint64_t glx)
{
	struct iommu_hwpt_amd_guest data = {
		.dte = {V | flags | glx << 56 | (gcr3 >> 12 & 7) << 58,
			(gcr3 >> 15 & 0xffff) << 16 | gcr3 >> 31 << 43}};

	return guest_nested(&guest, gun.id, guest.parent, 0, IOMMU_HWPT_DATA_AMD_GUEST, &data,
			    sizeof(data));
}

static long invalidate(uint32_t hwpt, uint64_t first, uint64_t second)
{
	struct ioas_amd_command command = {{first, second}};
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = hwpt,
					    .data_uptr = (uintptr_t)&command,
					    .data_type = IOAS_HWPT_INVALIDATE_DATA_AMD,
					    .entry_len = sizeof(command),
					    .entry_num = 1};

	return call(guest.fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

static long invalidate_pasid(uint32_t hwpt, uint32_t pasid)
{
	return invalidate(hwpt, 3ull << 60 | pasid, 0x7ffffffffffff000 | 7);
}

/* The entry of a PASID; what is missing above it is made. */
static volatile uint64_t *gcr3_at(uint64_t table, unsigned levels, uint32_t pasid)
{
	for (unsigned level = levels - 1;; level--) {
		volatile uint64_t *entry =
			(volatile uint64_t *)guest_at(&guest, table) + (pasid >> 9 * level & 511);

		if (!level)
			return entry;
		if (!*entry)
			*entry = guest_page(&guest) | V;
		table = *entry & ~0xfffull;
	}
}

/* A page table that leads VA to a fresh page, whose GPA it returns. */
static uint64_t address_space(uint64_t *root)
{
	uint64_t page = guest_page(&guest);

	*root = guest_page(&guest);
	guest_map(&guest, *root, VA, page, PT_ALL);
	return page;
}

static void pasids_of_the_guest(unsigned levels)
{
	static const uint32_t pasids[] = {0, 1, 511, 512, 0x3ffff, 0x40000, 0xfffff};
	uint64_t table = guest_page(&guest), root[7], page[7];
	long hwpt = entry_new(table, GV | GIOV, levels - 1);

	check("a guest's entry", hwpt > 0, 1);
	check("attached", gun_attach(&gun, (uint32_t)hwpt), 0);
	for (unsigned i = 0; i < 7; i++) {
		bool there = !(pasids[i] >> 9 * levels);

		check("a PASID before", gun_write(&gun, TAGGED(pasids[i]), VA, 1),
		      IOAS_FAULT_NO_PASID);
		check("  says stage 1", recorded(&gun, "\"stage\":1"), 1);
		page[i] = address_space(&root[i]);
		if (there)
			*gcr3_at(table, levels, pasids[i]) = root[i] | V;
		check("and after", gun_write(&gun, TAGGED(pasids[i]), VA, 100 + i),
		      there ? 0 : IOAS_FAULT_NO_PASID);
		check("  landed", *(volatile long *)guest_at(&guest, page[i]), there ? 100 + i : 0);
	}
	check("none is as PASID 0", (long)gun_read(&gun, UNTAGGED, VA), 100);
	/* Another table for a PASID, and then none. */
	*gcr3_at(table, levels, 1) = root[2] | V;
	check("invalidated", invalidate_pasid((uint32_t)hwpt, 1), 0);
	check("it has another's table", (long)gun_read(&gun, TAGGED(1), VA), 102);
	*gcr3_at(table, levels, 1) = root[2] | V | 1ull << 60;
	check("invalidated", invalidate((uint32_t)hwpt, 8ull << 60, 0), 0);
	check("reserved bits", gun_write(&gun, TAGGED(1), VA, 1), IOAS_FAULT_BAD_STRUCTURE);
	*gcr3_at(table, levels, 1) = 0;
	check("invalidated", invalidate_pasid((uint32_t)hwpt, 1), 0);
	check("it has none", gun_write(&gun, TAGGED(1), VA, 1), IOAS_FAULT_NO_PASID);
	check("  which is what was read", recorded(&gun, "\"kind\":\"structure\""), 1);
	/* A table beyond the guest is stage 2's fault, and says what for. */
	*gcr3_at(table, levels, 1) = (RAM + RAM_LEN) | V;
	check("a page table beyond", gun_write(&gun, TAGGED(1), VA, 1), IOAS_FAULT_NOT_MAPPED);
	check("  says so", recorded(&gun, "\"stage\":2,\"during\":\"table\""), 1);
	check("detached", gun_detach(&gun), 0);
	check("  with all PASIDs", gun_write(&gun, TAGGED(511), VA, 1), IOAS_FAULT_NO_ROUTE);
	check("destroyed", destroy(guest.fd, (uint32_t)hwpt), 0);
}

static void without_a_pasid(void)
{
	uint64_t table = guest_page(&guest), root, page = address_space(&root);
	long plain = entry_new(table, GV, 0), off = entry_new(table, 0, 0), far;

	*gcr3_at(table, 1, 0) = root | V;
	check("attached", gun_attach(&gun, (uint32_t)plain), 0);
	check("no GIOV: its addresses are the guest's", gun_write(&gun, UNTAGGED, page + 8, 9), 0);
	check("  landed", ((volatile long *)guest_at(&guest, page))[1], 9);
	check("  and no others", gun_write(&gun, UNTAGGED, VA, 9), IOAS_FAULT_NOT_MAPPED);
	check("PASID 0 is one", (long)gun_read(&gun, TAGGED(0), VA + 8), 9);
	check("no guest translation", gun_attach(&gun, (uint32_t)off), 0);
	check("  with a PASID neither", (long)gun_read(&gun, TAGGED(3), page + 8), 9);
	far = entry_new(RAM - PAGE, GV, 0);
	check("a GCR3 table beyond", gun_attach(&gun, (uint32_t)far), 0);
	check("  is a fault", gun_write(&gun, TAGGED(3), VA, 1), IOAS_FAULT_NOT_MAPPED);
	check("  of stage 2", recorded(&gun, "\"stage\":2,\"during\":\"structure\""), 1);
	check("detached", gun_detach(&gun), 0);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");

	gun = gun_ready("0000:01:00.0", fd);
	guest = guest_new(fd, gun.id, 0);
	for (unsigned levels = 1; levels <= 3; levels++)
		pasids_of_the_guest(levels);
	without_a_pasid();
	return check_done();
}
