/* SPDX-License-Identifier: MIT */
/*
 * Arm SMMUv3 (Arm IHI 0070, issue F). Page tables are stage 1's, found through context descriptors,
 * one for each SubstreamID; the smallest of the page sizes is the granule.
 *
 * Where a stream has SubstreamIDs, its requests without one use context descriptor 0 (STE.S1DSS
 * 0b10), and then a request with SubstreamID 0 is refused (3.9, 5.2): so PASID 0 is not to be had,
 * nor is it no PASID.
 *
 * Interrupts are writes like any other: they are translated, to where the page table leads. Linux
 * keeps a range of addresses for that which nothing else is mapped at. Our devices' interrupts do
 * not go through memory, so what a device writes there itself finds nothing mapped.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <ioas/uapi/iommufd.h>
#include "kind/smmuv3.h"
#include "kind/unit.h"
#include "util/why.h"

/* Linux's choice, MSI_IOVA_BASE: no register says it. */
#define SW_MSI_FIRST 0x8000000u
#define SW_MSI_LAST  0x80fffffu

#define REGISTERS     0x9050000ull /* where the first unit's registers are */
#define REGISTERS_LEN 0x20000u	   /* 6.1: two pages of 64 KiB */
#define STREAM_BITS   32
#define REVISION      3	 /* AIDR: SMMUv3.3 */
#define VA_BITS	      48 /* more need IDR5.VAX */
#define WIDE_VA_BITS  52

static int formats(struct kind_unit *unit, struct ioas_why *why)
{
	static const enum pt_format of[] = {PT_ARM_LPAE_S1_4K, PT_ARM_LPAE_S1_16K,
					    PT_ARM_LPAE_S1_64K};
	uint64_t sizes = unit->spec.page_sizes;

	static const enum pt_format nests_on[] = {PT_ARM_LPAE_S2_4K, PT_ARM_LPAE_S2_16K,
						  PT_ARM_LPAE_S2_64K};
	unsigned granule = 0;

	for (unsigned i = 0; sizes && i < sizeof(of) / sizeof(of[0]); i++)
		if (pt_format_page_lg2(of[i]) == (unsigned)__builtin_ctzll(sizes))
			granule = i;
	unit->table.format = of[granule];
	unit->pasid_table.format = of[granule];
	unit->nest_table.format = nests_on[granule];
	return 0;
}

struct smmuv3_facts smmuv3_facts(const struct kind_unit *unit)
{
	return (struct smmuv3_facts){
		.format = unit->table.format,
		.oas = pt_format_pa_bits(unit->table.format),
		.va_bits = unit->table.aw > VA_BITS ? WIDE_VA_BITS : VA_BITS,
		.ssid_lg2 = unit->spec.pasid_lg2,
		.httu = unit->spec.dirty,
	};
}

/* 6.3.1 */
static uint32_t idr0(const struct kind_unit *unit)
{
	const struct ioas_topology_iommu *spec = &unit->spec;

	return (uint32_t)(kind_bit(0, spec->nested) |		  /* S2P */
			  kind_bit(1, true) |			  /* S1P */
			  kind_field(3, 2, 2) |			  /* TTF: AArch64 */
			  kind_bit(4, true) |			  /* COHACC */
			  kind_field(7, 6, spec->dirty ? 2 : 0) | /* HTTU: access flag and dirty */
			  kind_bit(9, spec->nested) |		  /* Hyp: must be, with both */
			  kind_bit(10, spec->ats) |		  /* ATS */
			  kind_bit(11, spec->ats && spec->nested) | /* NS1ATS: no half of it */
			  kind_bit(12, true) |			    /* ASID16 */
			  kind_bit(13, true) |			    /* MSI */
			  kind_bit(16, spec->pri) |		    /* PRI */
			  kind_bit(18, spec->nested) |		    /* VMID16 */
			  kind_bit(19, spec->pasid_lg2) |	    /* CD2L */
			  kind_field(22, 21, 2) |		    /* TTENDIAN: little */
			  kind_field(25, 24, 1) |		    /* STALL_MODEL: none */
			  kind_bit(26, true) |			    /* TERM_MODEL: faults abort */
			  kind_field(28, 27, 1));		    /* ST_LEVEL: two */
}

/* 6.3.2. Queues of one entry: a guest's are its own matter, and nobody else sees ours. */
static uint32_t idr1(const struct kind_unit *unit)
{
	return (uint32_t)(kind_field(5, 0, STREAM_BITS) |	    /* SIDSIZE */
			  kind_field(10, 6, unit->spec.pasid_lg2)); /* SSIDSIZE */
}

/* 6.3.4: what an SMMUv3.3 must have, of stage 2 where there is one. */
static uint32_t idr3(const struct kind_unit *unit)
{
	bool nested = unit->spec.nested;

	return (uint32_t)(kind_bit(2, true) |	  /* HAD */
			  kind_bit(4, nested) |	  /* XNX */
			  kind_bit(8, nested) |	  /* FWB */
			  kind_bit(10, true) |	  /* RIL: range invalidation */
			  kind_field(12, 11, 2) | /* BBML: block sizes change without a break */
			  kind_bit(13, true) |	  /* E0PD */
			  kind_bit(14, nested));  /* PTWNNC */
}

/* 6.3.6. OAS 5 is 48 bits, 6 is 52. */
static uint32_t idr5(const struct kind_unit *unit)
{
	unsigned granule = pt_format_page_lg2(unit->table.format);
	struct smmuv3_facts facts = smmuv3_facts(unit);

	return (uint32_t)(kind_field(2, 0, facts.oas > 48 ? 6 : 5) | kind_bit(4, granule == 12) |
			  kind_bit(5, granule == 14) | kind_bit(6, granule == 16) |
			  kind_field(11, 10, facts.va_bits > VA_BITS)); /* VAX */
}

static void info(const struct kind_unit *unit, struct kind_hw_info *out)
{
	const struct iommu_hw_info_arm_smmuv3 data = {
		.idr = {idr0(unit), idr1(unit), 0, idr3(unit), 0, idr5(unit)},
		.aidr = REVISION,
	};

	out->len = sizeof(data);
	memcpy(out->data, &data, sizeof(data));
}

static void sysfs_name(const struct kind_unit *unit, char name[KIND_NAME_LEN])
{
	snprintf(name, KIND_NAME_LEN, "smmu3.0x%016" PRIx64,
		 (uint64_t)(REGISTERS + (uint64_t)unit->number * REGISTERS_LEN));
}

/* As Linux grants it: a table to nest on is stage 2's, which has neither of the others' there. */
static int paging(struct kind_device *dev, uint32_t flags, const struct kind_data *data,
		  bool small_pages, struct kind_paging *out, struct ioas_why *why)
{
	if (flags & IOMMU_HWPT_ALLOC_NEST_PARENT && flags != IOMMU_HWPT_ALLOC_NEST_PARENT)
		return why_set(why, -EOPNOTSUPP,
			       "a page table of the SMMUv3 to nest on tracks no dirty pages and is "
			       "not for PASIDs (flags 0x%x)",
			       flags);
	return kind_unit_paging(dev, flags, data, small_pages, out, why);
}

static const struct kind_ops ops = {
	.name = "SMMUv3",
	.hw_info = kind_unit_hw_info,
	.paging = paging,
	.nested_free = smmuv3_nested_free,
	.attach = smmuv3_attach,
	.viommu = smmuv3_viommu,
};

const struct kind_type kind_smmuv3 = {
	.name = "smmuv3",
	.ops = &ops,
	.info_type = IOMMU_HW_INFO_TYPE_ARM_SMMUV3,
	.pasid_dirty = true,
	.nests = true,
	.msi_nr = 1,
	.reserved_nr = 1,
	.reserved = {{SW_MSI_FIRST, SW_MSI_LAST}},
	.formats = formats,
	.info = info,
	.sysfs_name = sysfs_name,
};
