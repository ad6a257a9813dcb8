/* SPDX-License-Identifier: MIT */
/*
 * Description: a guest's first-stage tables on VT-d: a device's requests go through both stages,
 * with a table for each PASID; what the guest changes holds once it is invalidated, and what the
 * host unmaps from then on; each stage's faults are told apart. Tables that lead nowhere, to
 * themselves or out of the guest are faults.
 */
#include "guest.h"

#define VA 0x7f0000000000ul

static struct gun gun;
static struct guest guest;

static void both_stages(uint32_t hwpt, uint64_t root)
{
	uint64_t page = guest_page(&guest);
	volatile uint64_t *data = guest_at(&guest, page), *entry;

	entry = guest_entry(&guest, root, 4, VA, 1);
	check("nothing there", gun_write(&gun, UNTAGGED, VA, 1), IOAS_FAULT_NOT_MAPPED);
	check("  says stage 1", recorded(&gun, "\"stage\":1"), 1);
	check("  and the table", recorded(&gun, "\"kind\":\"empty\""), 1);
	*entry = page | PT_ALL;
	check("there without an invalidation", gun_write(&gun, UNTAGGED, VA + 8, 7), 0);
	check("  it landed", (long)data[1], 7);
	check("  accessed and dirty", (long)(*entry & (PT_A | PT_D)), PT_A | PT_D);
	check("a read", (long)gun_read(&gun, UNTAGGED, VA + 8), 7);
	check("where stage 1 has nothing", gun_write(&gun, UNTAGGED, RAM, 1),
	      IOAS_FAULT_NOT_MAPPED);
	*entry = page | PT_P | PT_U;
	check("invalidated", guest_invalidate_vtd(&guest, hwpt, VA, 1), 0);
	check("a write to what is read-only", gun_write(&gun, UNTAGGED, VA, 1),
	      IOAS_FAULT_NO_WRITE);
	*entry = page | PT_P | PT_W;
	check("invalidated", guest_invalidate_vtd(&guest, hwpt, 0, UINT64_MAX), 0);
	check("a user's to the kernel's", gun_write(&gun, UNTAGGED, VA, 1), IOAS_FAULT_PRIVILEGE);
	*entry = (RAM - PAGE) | PT_ALL;
	check("a leaf out of the guest", gun_write(&gun, UNTAGGED, VA + 16, 1),
	      IOAS_FAULT_NOT_MAPPED);
	check("  says stage 2", recorded(&gun, "\"stage\":2,\"during\":\"data\""), 1);
	check("  and the GPA", recorded(&gun, "\"gpa\":\"0x3ffff010\""), 1);
	*entry = 0;
	check("invalidated", guest_invalidate_vtd(&guest, hwpt, VA, 1), 0);
}

static void what_is_remembered_ends(uint32_t hwpt, uint64_t root)
{
	uint64_t one = guest_page(&guest), two = guest_page(&guest);
	volatile uint64_t *entry = guest_entry(&guest, root, 4, VA, 1);

	*(volatile uint64_t *)guest_at(&guest, one) = 1;
	*(volatile uint64_t *)guest_at(&guest, two) = 2;
	for (unsigned i = 0; i < 64; i++) {
		*entry = (i & 1 ? two : one) | PT_ALL;
		guest_invalidate_vtd(&guest, hwpt, VA, 1);
		if (gun_read(&gun, UNTAGGED, VA) != 1 + (i & 1))
			check("the new page after an invalidation", i, -1);
	}
	*entry = 0;
	check("unmapped by the guest", guest_invalidate_vtd(&guest, hwpt, VA, 1), 0);
	check("  is not there", gun_write(&gun, UNTAGGED, VA, 1), IOAS_FAULT_NOT_MAPPED);
}

/* Loops, roots and tables beyond what there is. */
static void hostile_tables(uint32_t device)
{
	uint64_t root = guest_page(&guest), page = guest_page(&guest);
	volatile uint64_t *top = guest_at(&guest, root);
	long hwpt = guest_vtd(&guest, device, 0, root, 0), far;

	check("a table that leads to itself", hwpt > 0, 1);
	check("attached", gun_attach(&gun, (uint32_t)hwpt), 0);
	top[511] = root | PT_ALL;
	check("is read through itself",
	      (long)gun_read(&gun, UNTAGGED, 0xfffffffffffff000 + 511 * 8),
	      (long)(root | PT_ALL | PT_A));
	top[1] = root | PT_ALL | PT_PS;
	check("reserved at the top", gun_write(&gun, UNTAGGED, 1ul << 39, 1), IOAS_FAULT_RESERVED);
	check("no canonical address", gun_write(&gun, UNTAGGED, 1ul << 47, 1), IOAS_FAULT_WIDTH);
	top[2] = (RAM + RAM_LEN) | PT_ALL;
	check("a table beyond the guest", gun_write(&gun, UNTAGGED, 2ul << 39, 1),
	      IOAS_FAULT_NOT_MAPPED);
	check("  says so", recorded(&gun, "\"stage\":2,\"during\":\"table\""), 1);
	top[3] = 1ull << 51 | PT_ALL;
	check("or beyond the width", gun_write(&gun, UNTAGGED, 3ul << 39, 1), IOAS_FAULT_WIDTH);
	/* Writes of a device may change the tables it is translated by. */
	guest_map(&guest, root, VA, root, PT_ALL);
	check("a table is written to", gun_write(&gun, UNTAGGED, VA + 8 * 4, page | PT_ALL), 0);
	check("  and is as written", (long)top[4], (long)(page | PT_ALL));
	far = guest_vtd(&guest, device, 0, 1ull << 50, 0);
	check("a root beyond everything", far > 0, 1);
	check("attached", gun_attach(&gun, (uint32_t)far), 0);
	check("is stage 2's fault", gun_write(&gun, UNTAGGED, VA, 1), IOAS_FAULT_WIDTH);
	check("  for a table", recorded(&gun, "\"stage\":2,\"during\":\"table\""), 1);
	check("detached", gun_detach(&gun), 0);
	check("destroyed", destroy(guest.fd, (uint32_t)far), 0);
	check("destroyed", destroy(guest.fd, (uint32_t)hwpt), 0);
}

/* The host's PASID table has a first-stage table of the guest's for each. */
static void tables_for_pasids(uint32_t device, uint32_t hwpt)
{
	uint64_t root[2], page[2];
	long table[2];

	check("requests without a PASID", gun_attach(&gun, hwpt), 0);
	for (unsigned i = 0; i < 2; i++) {
		root[i] = guest_page(&guest);
		page[i] = guest_page(&guest);
		guest_map(&guest, root[i], VA, page[i], PT_ALL);
		table[i] = guest_vtd(&guest, device, IOMMU_HWPT_ALLOC_PASID, root[i], 0);
		check("a table for a PASID", table[i] > 0, 1);
		check("attached", gun_attach_pasid(&gun, 5 + i, (uint32_t)table[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		check("a write with it", gun_write(&gun, TAGGED(5 + i), VA, 50 + i), 0);
		check("  landed", *(volatile long *)guest_at(&guest, page[i]), 50 + i);
	}
	check("another PASID", gun_write(&gun, TAGGED(7), VA, 1), IOAS_FAULT_NO_ROUTE);
	check("without one", gun_write(&gun, UNTAGGED, VA, 1), IOAS_FAULT_NOT_MAPPED);
	for (unsigned i = 0; i < 2; i++) {
		check("in use", destroy(guest.fd, (uint32_t)table[i]), -EBUSY);
		check("detached", gun_detach_pasid(&gun, 5 + i), 0);
		check("a write with it", gun_write(&gun, TAGGED(5 + i), VA, 1),
		      IOAS_FAULT_NO_ROUTE);
		check("destroyed", destroy(guest.fd, (uint32_t)table[i]), 0);
	}
	check("detached", gun_detach(&gun), 0);
}

static void privileged(uint32_t device)
{
	static const struct {
		const char *what;
		uint64_t flags, entry;
		unsigned priv, user;
	} all[] = {
		{"not let in", 0, PT_ALL, IOAS_FAULT_PRIVILEGE, 0},
		{"let in", IOMMU_VTD_S1_SRE, PT_P | PT_W, 0, IOAS_FAULT_PRIVILEGE},
		{"past read-only", IOMMU_VTD_S1_SRE, PT_P | PT_U, 0, IOAS_FAULT_NO_WRITE},
		{"not past read-only", IOMMU_VTD_S1_SRE | IOMMU_VTD_S1_WPE, PT_P | PT_U,
		 IOAS_FAULT_NO_WRITE, IOAS_FAULT_NO_WRITE},
		{"with the extended flag", IOMMU_VTD_S1_SRE | IOMMU_VTD_S1_EAFE, PT_ALL, 0, 0},
	};
	struct aim aim = {.ctrl = IOAS_TLPGUN_WITH_PASID | IOAS_TLPGUN_PRIV, .pasid = 9};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		uint64_t root = guest_page(&guest), page = guest_page(&guest);
		volatile uint64_t *entry = guest_entry(&guest, root, 4, VA, 1);
		long hwpt = guest_vtd(&guest, device, IOMMU_HWPT_ALLOC_PASID, root, all[i].flags);

		*entry = page | all[i].entry;
		check(all[i].what, gun_attach_pasid(&gun, 9, (uint32_t)hwpt), 0);
		check("  privileged", gun_write(&gun, aim, VA, 1), all[i].priv);
		check("  a user's", gun_write(&gun, TAGGED(9), VA, 1), all[i].user);
		if (!all[i].user)
			check("  bit 10", *entry >> 10 & 1,
			      all[i].flags & IOMMU_VTD_S1_EAFE ? 1 : 0);
		check("  detached", gun_detach_pasid(&gun, 9), 0);
	}
}

/* The host takes guest memory away: that ends both, data and tables. */
static void the_host_unmaps(uint32_t hwpt, uint64_t root)
{
	uint64_t page = guest_page(&guest), done;

	guest_map(&guest, root, VA, page, PT_ALL);
	check("attached", gun_attach(&gun, hwpt), 0);
	check("a write", gun_write(&gun, UNTAGGED, VA, 3), 0);
	check("unmapped by the host", unmap(guest.fd, guest.ioas, RAM, RAM_LEN, &done), 0);
	check("  says stage 2", gun_write(&gun, UNTAGGED, VA, 3), IOAS_FAULT_NOT_MAPPED);
	check("  for a table", recorded(&gun, "\"stage\":2,\"during\":\"table\""), 1);
	check("mapped again", map_fixed(guest.fd, guest.ioas, guest.ram, RAM, RAM_LEN), 0);
	check("a write", gun_write(&gun, UNTAGGED, VA, 4), 0);
	/* The parent by itself shows the guest as it is. */
	check("replaced by the parent", gun_attach(&gun, guest.parent), 0);
	check("  stage 1 is gone", gun_write(&gun, UNTAGGED, VA, 5), IOAS_FAULT_NOT_MAPPED);
	check("  GPAs are addresses", gun_write(&gun, UNTAGGED, page + 8, 6), 0);
	check("  it landed", ((volatile long *)guest_at(&guest, page))[1], 6);
	check("detached", gun_detach(&gun), 0);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	uint64_t root;
	long hwpt;

	gun = gun_ready("0000:01:00.0", fd);
	guest = guest_new(fd, gun.id, 0);
	root = guest_page(&guest);
	hwpt = guest_vtd(&guest, gun.id, IOMMU_HWPT_ALLOC_PASID, root, 0);
	check("a first-stage table", hwpt > 0, 1);
	check("the parent is in use", destroy(fd, guest.parent), -EBUSY);
	check("attached", gun_attach(&gun, (uint32_t)hwpt), 0);
	both_stages((uint32_t)hwpt, root);
	what_is_remembered_ends((uint32_t)hwpt, root);
	check("detached", gun_detach(&gun), 0);
	hostile_tables(gun.id);
	tables_for_pasids(gun.id, (uint32_t)hwpt);
	privileged(gun.id);
	the_host_unmaps((uint32_t)hwpt, root);
	check("destroyed", destroy(fd, (uint32_t)hwpt), 0);
	return check_done();
}
