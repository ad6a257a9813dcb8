/* SPDX-License-Identifier: MIT */
/*
 * A guest for flow tests: memory that a space shows at GPAs, and a small driver of an IOMMU in it,
 * which keeps page tables of x86's format there, as a guest's kernel would, and tells of changes.
 */
#ifndef TESTS_FLOW_NESTED_GUEST_H
#define TESTS_FLOW_NESTED_GUEST_H

#include "tests/flow/routes/gun.h"

#define RAM	0x40000000ul /* where guest memory begins, in GPAs */
#define RAM_LEN (4ul << 20)

#define PT_P   1ull
#define PT_W   2ull
#define PT_U   4ull
#define PT_A   0x20ull
#define PT_D   0x40ull
#define PT_PS  0x80ull
#define PT_ALL (PT_P | PT_W | PT_U)

struct guest {
	int fd;
	uint32_t ioas, parent;
	char *ram;
	uint64_t used; /* bytes of it that are given out */
};

static inline void *guest_at(const struct guest *guest, uint64_t gpa)
{
	if (gpa - RAM >= RAM_LEN)
		give_up("that is no guest memory");
	return guest->ram + (gpa - RAM);
}

/* The GPA of a fresh page. */
static inline uint64_t guest_page(struct guest *guest)
{
	guest->used += PAGE;
	if (guest->used > RAM_LEN)
		give_up("the guest has no memory left");
	return RAM + guest->used - PAGE;
}

/* With the page table that all is nested on. */
static inline struct guest guest_new(int fd, uint32_t device, uint32_t flags)
{
	struct guest guest = {.fd = fd, .ioas = ioas_alloc(fd), .ram = (char *)memory(RAM_LEN)};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = IOMMU_HWPT_ALLOC_NEST_PARENT | flags,
				       .dev_id = device,
				       .pt_id = guest.ioas};

	check("guest memory", map_fixed(fd, guest.ioas, guest.ram, RAM, RAM_LEN), 0);
	check("nest parent", call(fd, IOMMU_HWPT_ALLOC, &cmd), 0);
	guest.parent = cmd.out_hwpt_id;
	return guest;
}

/* The entry of `level` for iova in the tables below `root`; what is missing above it is made. */
static inline volatile uint64_t *guest_entry(struct guest *guest, uint64_t root, unsigned levels,
					     uint64_t iova, unsigned level)
{
	for (unsigned at = levels;; at--) {
		volatile uint64_t *entry = (volatile uint64_t *)guest_at(guest, root) +
					   (iova >> (12 + 9 * (at - 1)) & 511);

		if (at == level)
			return entry;
		if (!(*entry & PT_P))
			*entry = guest_page(guest) | PT_ALL;
		root = *entry & 0xffffffffff000ull;
	}
}

static inline void guest_map(struct guest *guest, uint64_t root, uint64_t iova, uint64_t gpa,
			     uint64_t bits)
{
	*guest_entry(guest, root, 4, iova, 1) = gpa | bits;
}

/* A page table of the guest's; an id, or -errno. */
static inline long guest_nested(const struct guest *guest, uint32_t device, uint32_t on,
				uint32_t flags, uint32_t type, const void *data, uint32_t len)
{
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = flags,
				       .dev_id = device,
				       .pt_id = on,
				       .data_type = type,
				       .data_len = len,
				       .data_uptr = (uintptr_t)data};
	long rc = call(guest->fd, IOMMU_HWPT_ALLOC, &cmd);

	return rc ? rc : cmd.out_hwpt_id;
}

static inline long guest_vtd(const struct guest *guest, uint32_t device, uint32_t flags,
			     uint64_t root, uint64_t s1_flags)
{
	struct iommu_hwpt_vtd_s1 data = {.flags = s1_flags, .pgtbl_addr = root, .addr_width = 48};

	return guest_nested(guest, device, guest->parent, flags, IOMMU_HWPT_DATA_VTD_S1, &data,
			    sizeof(data));
}

static inline long guest_invalidate_vtd(const struct guest *guest, uint32_t hwpt, uint64_t addr,
					uint64_t npages)
{
	struct iommu_hwpt_vtd_s1_invalidate entry = {.addr = addr, .npages = npages};
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = hwpt,
					    .data_uptr = (uintptr_t)&entry,
					    .data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
					    .entry_len = sizeof(entry),
					    .entry_num = 1};

	return call(guest->fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

#endif
