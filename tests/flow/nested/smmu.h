/* SPDX-License-Identifier: MIT */
/*
 * A guest's driver of an SMMUv3, for flow tests: a table of context descriptors in two levels, the
 * tables they lead to, commands, events. What a guest's kernel would write to the stream table and
 * to its queues the program, as its VMM, gives to the host.
 */
#ifndef TESTS_FLOW_NESTED_SMMU_H
#define TESTS_FLOW_NESTED_SMMU_H

#include <poll.h>
#include "guest.h"

#define STREAM 0x1234u

/* 5.4: V, A, R, AA64, IPS 48 bits; TTB0 with 48 bits of 4 KiB pages; TTB1 likewise. */
#define CD_BASE                                                                         \
	(1ull << 31 | 1ull << 46 | 1ull << 45 | 1ull << 41 | 5ull << 32 | 16ull << 16 | \
	 2ull << 22 | 16)
#define CD_EPD1 (1ull << 30)
#define CD_TBI0 (1ull << 38)
#define CD_HD	(1ull << 42)
#define CD_HA	(1ull << 43)
#define CD_R	(1ull << 45)

#define PTE_TABLE 3ull
#define PTE_USER  (1ull << 6)
#define PTE_RO	  (1ull << 7)
#define PTE_AF	  (1ull << 10)
#define PTE_NG	  (1ull << 11)
#define PTE_DBM	  (1ull << 51)
#define PTE_PAGE  (3ull | PTE_USER | PTE_AF | PTE_NG)

enum smmu_event {
	C_BAD_STE = 0x04,
	F_STREAM_DISABLED = 0x06,
	C_BAD_SUBSTREAMID = 0x08,
	C_BAD_CD = 0x0a,
	F_TRANSLATION = 0x10,
	F_ADDR_SIZE = 0x11,
	F_ACCESS = 0x12,
	F_PERMISSION = 0x13,
};

struct smmu {
	struct guest guest;
	uint32_t device, viommu, vdevice, queue;
	int events;    /* the queue's descriptor */
	uint64_t l1;   /* of the context descriptors, in GPAs: a page, 512 leaves of 64 */
	uint32_t hwpt; /* the newest */
};

static inline struct smmu smmu_new(int fd, uint32_t device, uint32_t depth)
{
	struct smmu smmu = {.guest = guest_new(fd, device, 0), .device = device};
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu),
					    .type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
					    .dev_id = device,
					    .hwpt_id = smmu.guest.parent};
	struct iommu_veventq_alloc queue = {.size = sizeof(queue),
					    .type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
					    .veventq_depth = depth};
	struct iommu_vdevice_alloc vdevice = {
		.size = sizeof(vdevice), .dev_id = device, .virt_id = STREAM};

	check("a share of the SMMUv3", call(fd, IOMMU_VIOMMU_ALLOC, &viommu), 0);
	smmu.viommu = queue.viommu_id = vdevice.viommu_id = viommu.out_viommu_id;
	check("its queue of events", call(fd, IOMMU_VEVENTQ_ALLOC, &queue), 0);
	smmu.events = (int)queue.out_veventq_fd;
	smmu.queue = queue.out_veventq_id;
	check("its device", call(fd, IOMMU_VDEVICE_ALLOC, &vdevice), 0);
	smmu.vdevice = vdevice.out_vdevice_id;
	smmu.l1 = guest_page(&smmu.guest);
	return smmu;
}

/* Attaches a page table with that stream table entry, in place of the one before. */
static inline long smmu_ste(struct smmu *smmu, const struct gun *gun, uint64_t word0,
			    uint64_t word1)
{
	struct iommu_hwpt_arm_smmuv3 data = {.ste = {word0, word1}};
	long id = guest_nested(&smmu->guest, smmu->device, smmu->viommu, 0,
			       IOMMU_HWPT_DATA_ARM_SMMUV3, &data, sizeof(data)),
	     rc;

	if (id < 0)
		return id;
	rc = gun_attach(gun, (uint32_t)id);
	if (!rc && smmu->hwpt)
		rc = destroy(smmu->guest.fd, smmu->hwpt);
	smmu->hwpt = (uint32_t)id;
	return rc;
}

/* The same with the driver's own table: 2^15 SubstreamIDs in leaves of 4 KiB. */
static inline long smmu_tables(struct smmu *smmu, const struct gun *gun, unsigned dss)
{
	return smmu_ste(smmu, gun, 1 | 5 << 1 | 1 << 4 | smmu->l1 | 15ull << 59, dss);
}

/* A SubstreamID's descriptor, 8 words. */
static inline volatile uint64_t *smmu_cd(struct smmu *smmu, uint32_t ssid)
{
	volatile uint64_t *l1 = (volatile uint64_t *)guest_at(&smmu->guest, smmu->l1) + ssid / 64;

	if (!(*l1 & 1))
		*l1 = guest_page(&smmu->guest) | 1;
	return (volatile uint64_t *)guest_at(&smmu->guest, *l1 & ~0xfffull) + ssid % 64 * 8;
}

/* As a driver does: valid last. */
static inline void smmu_put_cd(struct smmu *smmu, uint32_t ssid, uint64_t word0, uint64_t ttb0,
			       uint64_t ttb1)
{
	volatile uint64_t *cd = smmu_cd(smmu, ssid);

	cd[1] = ttb0;
	cd[2] = ttb1;
	cd[3] = 0xff;
	cd[0] = word0;
}

/* The entry of level 3 for an address (of 48 bits) below a root; tables above it are made. */
static inline volatile uint64_t *smmu_pte(struct smmu *smmu, uint64_t root, uint64_t va)
{
	for (unsigned shift = 39;; shift -= 9) {
		volatile uint64_t *entry =
			(volatile uint64_t *)guest_at(&smmu->guest, root) + (va >> shift & 511);

		if (shift == 12)
			return entry;
		if (!(*entry & 1))
			*entry = guest_page(&smmu->guest) | PTE_TABLE;
		root = *entry & 0xfffffffff000ull;
	}
}

/* A fresh page at `va` below `root`; where this program sees it. */
static inline volatile uint64_t *smmu_map(struct smmu *smmu, uint64_t root, uint64_t va)
{
	uint64_t page = guest_page(&smmu->guest);

	*smmu_pte(smmu, root, va) = page | PTE_PAGE;
	return guest_at(&smmu->guest, page);
}

static inline long smmu_command(struct smmu *smmu, uint64_t word0, uint64_t word1)
{
	struct iommu_viommu_arm_smmuv3_invalidate one = {.cmd = {word0, word1}};
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = smmu->viommu,
					    .data_uptr = (uintptr_t)&one,
					    .data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
					    .entry_len = sizeof(one),
					    .entry_num = 1};

	return call(smmu->guest.fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

/* 4.4.2 TLBI_NH_VA: one address of an ASID; 4.3.3 CFGI_CD: one descriptor. */
static inline long smmu_tlbi(struct smmu *smmu, uint64_t asid, uint64_t va)
{
	return smmu_command(smmu, 0x12 | asid << 48, va & ~0xfffull);
}

static inline long smmu_cfgi_cd(struct smmu *smmu, uint64_t ssid)
{
	return smmu_command(smmu, 0x05 | ssid << 12 | (uint64_t)STREAM << 32, 1);
}

struct smmu_record {
	struct iommufd_vevent_header header;
	struct iommu_vevent_arm_smmuv3 data;
};

/* Reads the next event: its number; 0 there is none, -1 that some were lost. */
static inline int smmu_event(struct smmu *smmu, struct smmu_record *out)
{
	ssize_t len;

	memset(out, 0, sizeof(*out));
	len = read(smmu->events, out, sizeof(*out));
	if (len == (ssize_t)sizeof(out->header))
		return out->header.flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS ? -1 : -2;
	if (len <= 0)
		return len ? -2 : 0;
	return (int)(out->data.evt[0] & 0xff);
}

/* Is the next event that one, of a SubstreamID (NULL: none) and, with an address, of a read? */
static inline bool smmu_told(struct smmu *smmu, enum smmu_event event, const uint32_t *ssid,
			     const uint64_t *va, bool write)
{
	struct smmu_record r;
	uint64_t first = event | (uint64_t)STREAM << 32, second = 0;
	int got = smmu_event(smmu, &r);

	if (ssid && event != F_STREAM_DISABLED)
		first |= (uint64_t)*ssid << 12 | (event == C_BAD_SUBSTREAMID ? 0 : 1u << 11);
	if (va)
		second = 2ull << 40 | (write ? 0 : 1ull << 35);
	if (got == (int)event && r.data.evt[0] == first && r.data.evt[1] == second &&
	    r.data.evt[2] == (va ? *va : 0) && !r.data.evt[3])
		return true;
	printf("     got event %d: %#llx %#llx %#llx %#llx\n", got,
	       (unsigned long long)r.data.evt[0], (unsigned long long)r.data.evt[1],
	       (unsigned long long)r.data.evt[2], (unsigned long long)r.data.evt[3]);
	return false;
}

static inline int smmu_untold(struct smmu *smmu)
{
	struct smmu_record r;

	return smmu_event(smmu, &r);
}

#endif
