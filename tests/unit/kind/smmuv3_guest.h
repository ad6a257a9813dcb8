/* SPDX-License-Identifier: MIT */
/*
 * A guest of an SMMUv3: memory that stage 2 shows from address 0, in which it keeps context
 * descriptors and tables, and a stage 1 made of its stream table entry. For tests.
 */
#ifndef TESTS_UNIT_KIND_SMMUV3_GUEST_H
#define TESTS_UNIT_KIND_SMMUV3_GUEST_H

#include "tests/unit/tlp/rig.h"
#include "kind/smmuv3.h"

#define GUEST_LEN (4ul << 20)

/* Word 0 of a good context descriptor: V, A, R, AA64, IPS 48 bits, both halves 48 bits, 4 KiB. */
#define CD_GOOD                                                                              \
	(1ull << 31 | 1ull << 46 | 1ull << 45 | 1ull << 41 | 5ull << 32 | 16 | 16ull << 16 | \
	 2ull << 22)
#define CD_R	(1ull << 45)
#define CD_EPD0 (1ull << 14)
#define CD_EPD1 (1ull << 30)

/* Of an entry for stage 1. */
static inline uint64_t ste0(uint64_t context, unsigned fmt, unsigned cdmax)
{
	return 1 | 5ull << 1 | (uint64_t)fmt << 4 | context | (uint64_t)cdmax << 59;
}

#define PTE_TABLE 3ull
#define PTE_PAGE  (3ull | 1ull << 6 | 1ull << 10) /* readable and writable by all, accessed */

static const struct smmuv3_facts facts_4k = {
	.format = PT_ARM_LPAE_S1_4K, .oas = 48, .va_bits = 48, .ssid_lg2 = 20, .httu = true};

struct guest {
	struct rig rig;
	char *memory;
	struct mem_window *window;
	struct smmuv3_stage1 s1;
};

static inline uint64_t *guest_at(struct guest *guest, pa_t gpa)
{
	assert_true(gpa < GUEST_LEN);
	return (uint64_t *)(guest->memory + gpa);
}

static inline void guest_start(struct guest *guest)
{
	memset(guest, 0, sizeof(*guest));
	rig_start(&guest->rig, &(struct ioas_iommu_config){.memory_told = true});
	guest->memory = rig_pages(GUEST_LEN / PAGE);
	guest->window =
		rig_map(&guest->rig, 0, guest->memory, GUEST_LEN, IOAS_PROT_READ | IOAS_PROT_WRITE);
	stage1_init(&guest->s1.stage1, &smmuv3_stage1_ops, guest->rig.pt, 12);
	guest->s1.facts = facts_4k;
}

static inline void guest_stop(struct guest *guest)
{
	rig_unmap(&guest->rig, 0, guest->window);
	rig_stop(&guest->rig);
	munmap(guest->memory, GUEST_LEN);
}

/* A read of one form at an address: the reason, what was found, and the record of it. */
static inline enum ioas_fault_reason guest_look(struct guest *guest, const pasid_t *pasid,
						iova_t iova, uint32_t access,
						struct nested_found *found, struct ioas_fault *note)
{
	struct nested_request request = {
		.iova = iova,
		.access = access,
		.has_pasid = pasid != NULL,
		.pasid = pasid ? *pasid : 0,
	};

	memset(note, 0, sizeof(*note));
	note->addr = iova;
	note->tlp = (struct ioas_tlp){
		.addr = iova,
		.len = 8,
		.op = access & PT_ACCESS_WRITE ? IOAS_TLP_WRITE : IOAS_TLP_READ,
		.flags = (pasid ? IOAS_TLP_PASID : 0u) |
			 (access & PT_ACCESS_EXEC ? IOAS_TLP_EXEC : 0u) |
			 (access & PT_ACCESS_PRIV ? IOAS_TLP_PRIV : 0u),
		.pasid = request.pasid,
	};
	note->reason =
		(uint16_t)nested_walk(guest->rig.iommu, &guest->s1.stage1, &request, found, note);
	return note->reason;
}

#endif
