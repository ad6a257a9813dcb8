/* SPDX-License-Identifier: MIT */
/*
 * AMD I/O virtualization (48882, revision 3.10). Requests without a PASID go to host page tables
 * (v1); those with one to guest page tables (v2, x86-64's format), which is all that a GCR3 table
 * leads to (2.2.6). A page table that was made for PASIDs is a v2 one, whoever is attached.
 *
 * With both in one device table entry and no nesting, requests without a PASID are as those with
 * PASID 0 (GIOV, 2.2.2.1): so PASID 0 is no PASID of its own.
 *
 * Programs nest guest page tables, and the table of PASIDs that leads to them, on host page tables
 * (amd_nested.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <ioas/uapi/iommufd.h>
#include "kind/amd.h"
#include "kind/unit.h"

/* 2.1.2: special address ranges. Interrupts, and what belonged to HyperTransport. */
#define MSI_FIRST 0xfee00000u
#define MSI_LAST  0xfeefffffu
#define HT_FIRST  0xfd00000000ull
#define HT_LAST	  0xffffffffffull

#define GCR3_LEVEL_LG2 9  /* PASID bits that one level of the GCR3 table takes */
#define FOUR_LEVELS    48 /* the widest address that four levels translate */

static int formats(struct kind_unit *unit, struct ioas_why *why)
{
	unit->table.format = PT_AMDV1;
	unit->pasid_table.format = unit->table.aw > FOUR_LEVELS ? PT_X86_64_5L : PT_X86_64;
	return 0;
}

/* 3.4.6, MMIO offset 0030h. Levels of host and guest tables are told from four up. */
static uint64_t features(const struct kind_unit *unit)
{
	const struct ioas_topology_iommu *spec = &unit->spec;
	bool pasids = spec->pasid_lg2, five = unit->table.aw > FOUR_LEVELS;
	bool guest = pasids || spec->nested;
	unsigned gcr3 = pasids ? (spec->pasid_lg2 - 1u) / GCR3_LEVEL_LG2 : 0;

	return kind_bit(1, spec->pri) |				       /* PPRSup */
	       kind_bit(3, guest) | kind_bit(4, guest) |	       /* NXSup, GTSup */
	       kind_bit(6, true) |				       /* IASup */
	       kind_field(11, 10, five) |			       /* HATS */
	       kind_field(13, 12, guest && five) |		       /* GATS */
	       kind_field(15, 14, gcr3) |			       /* GLXSup */
	       kind_field(36, 32, pasids ? spec->pasid_lg2 - 1u : 0) | /* PASmax */
	       kind_bit(37, guest) |				       /* USSup */
	       kind_bit(48, guest) |				       /* GIoSup */
	       kind_bit(49, spec->dirty) |			       /* HASup */
	       kind_bit(50, pasids && spec->pri) |		       /* EPHSup */
	       kind_bit(52, spec->dirty);			       /* HDSup */
}

/* 3.2.1, capability header: an IOMMU, revision 1, with extended features. */
static uint32_t header(const struct kind_unit *unit)
{
	return (uint32_t)(kind_field(7, 0, 0x0f) | kind_field(18, 16, 3) | kind_field(23, 19, 1) |
			  kind_bit(24, unit->spec.ats) | /* IotlbSup */
			  kind_bit(27, true));		 /* EFRSup */
}

/* The second features register has nothing that is here. */
static void info(const struct kind_unit *unit, struct kind_hw_info *out)
{
	const struct iommu_hw_info_amd data = {.efr = features(unit)};

	out->len = sizeof(data);
	memcpy(out->data, &data, sizeof(data));
}

static void sysfs_name(const struct kind_unit *unit, char name[KIND_NAME_LEN])
{
	snprintf(name, KIND_NAME_LEN, "ivhd%u", unit->number);
}

static bool attribute(const struct kind_unit *unit, unsigned index, struct kind_attribute *out)
{
	switch (index) {
	case 0:
		snprintf(out->name, sizeof(out->name), "amd-iommu/cap");
		snprintf(out->text, sizeof(out->text), "%x", header(unit));
		return true;
	case 1:
		snprintf(out->name, sizeof(out->name), "amd-iommu/features");
		snprintf(out->text, sizeof(out->text), "%" PRIx64 ":0", features(unit));
		return true;
	}
	return false;
}

static const struct kind_ops ops = {
	.name = "AMD IOMMU",
	.hw_info = kind_unit_hw_info,
	.paging = kind_unit_paging,
	.nested = amd_nested,
	.nested_free = amd_nested_free,
	.nested_invalidate = amd_nested_invalidate,
	.attach = amd_attach,
};

const struct kind_type kind_amd = {
	.name = "amd",
	.ops = &ops,
	.info_type = IOMMU_HW_INFO_TYPE_AMD,
	.coherency = true,
	.pasid_0_same = true,
	.msi_window = true,
	.nests = true,
	.msi_nr = 1,
	.reserved_nr = 2,
	.reserved = {{MSI_FIRST, MSI_LAST}, {HT_FIRST, HT_LAST}},
	.formats = formats,
	.info = info,
	.sysfs_name = sysfs_name,
	.attribute = attribute,
};
