/* SPDX-License-Identifier: MIT */
/*
 * Description: --check-invalidation and a guest's table of PASIDs on AMD: an entry that changes
 * without a command that names its PASID is found, and no other; leaves by their PASID, too.
 */
#include "guest.h"

#define VA 0x7f0000000000ul
#define V  1ull

static struct gun gun;
static struct guest guest;
static uint32_t hwpt;

static void command(uint64_t first, uint64_t second)
{
	struct ioas_amd_command entry = {{first, second}};
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = hwpt,
					    .data_uptr = (uintptr_t)&entry,
					    .data_type = IOAS_HWPT_INVALIDATE_DATA_AMD,
					    .entry_len = sizeof(entry),
					    .entry_num = 1};

	if (call(guest.fd, IOMMU_HWPT_INVALIDATE, &cmd))
		give_up("IOMMU_HWPT_INVALIDATE");
}

/* Pages of a PASID: all; or one, perhaps with the tables that lead to it. */
static void all_of(uint32_t pasid)
{
	command(3ull << 60 | pasid, 0x7ffffffffffff000 | 7);
}

static void page_of(uint32_t pasid, uint64_t va, bool tables)
{
	command(3ull << 60 | pasid, va | 4 | (tables ? 2 : 0));
}

static unsigned touch(uint32_t pasid)
{
	return gun_write(&gun, TAGGED(pasid), VA, 1);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	uint64_t gcr3, root[2], page[2];
	volatile uint64_t *table, *leaf;
	struct iommu_hwpt_amd_guest data;

	gun = gun_ready("0000:01:00.0", fd);
	guest = guest_new(fd, gun.id, 0);
	gcr3 = guest_page(&guest);
	table = guest_at(&guest, gcr3);
	for (unsigned i = 0; i < 2; i++) {
		root[i] = guest_page(&guest);
		page[i] = guest_page(&guest);
		guest_map(&guest, root[i], VA, page[i], PT_ALL);
	}
	leaf = guest_entry(&guest, root[0], 4, VA, 1);
	data = (struct iommu_hwpt_amd_guest){
		.dte = {V | 1ull << 55 | (gcr3 >> 12 & 7) << 58,
			(gcr3 >> 15 & 0xffff) << 16 | gcr3 >> 31 << 43}};
	hwpt = (uint32_t)guest_nested(&guest, gun.id, guest.parent, 0, IOMMU_HWPT_DATA_AMD_GUEST,
				      &data, sizeof(data));
	check("attached", gun_attach(&gun, hwpt), 0);
	check("no PASID yet", touch(5), IOAS_FAULT_NO_PASID);
	table[5] = root[0] | V;
	table[6] = root[1] | V;
	check("a new one needs no command", touch(5), 0);
	check("nor does another", touch(6), 0);
	table[5] = root[1] | V;
	check("another table for it", touch(5), IOAS_PASSED_STALE);
	check("  is found", recorded(&gun, "\"stale_level\":0"), 1);
	check("  by name", recorded(&gun, "\"pasid\":5"), 1);
	all_of(5);
	touch(5);
	table[5] = root[0] | V;
	all_of(6);
	check("another PASID's command", touch(5), IOAS_PASSED_STALE);
	all_of(5);
	touch(5);
	table[5] = root[1] | V;
	all_of(5);
	check("its own", touch(5), 0);
	table[5] = 0;
	check("none any more", touch(5), IOAS_FAULT_NO_PASID);
	check("  is on record",
	      strstr(traced("may have passed", "\"stale_now\":\"0x0\""), "\"stale_level\":0") !=
		      NULL,
	      1);
	table[5] = root[0] | V;
	check("there again: what its pages were is not invalidated", touch(5), IOAS_PASSED_STALE);
	all_of(5);
	check("now it is", touch(5), 0);
	*leaf = page[1] | PT_ALL;
	page_of(6, VA, true);
	check("a leaf, with another PASID's command", touch(5), IOAS_PASSED_STALE);
	*leaf = page[0] | PT_ALL;
	page_of(5, VA + PAGE, true);
	check("with another page's", touch(5), IOAS_PASSED_STALE);
	*leaf = page[1] | PT_ALL;
	page_of(5, VA, false);
	check("with its own", touch(5), 0);
	*leaf = page[0] | PT_ALL;
	command(8ull << 60, 0);
	check("with all", touch(5), 0);
	return check_done();
}
