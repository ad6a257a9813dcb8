/* SPDX-License-Identifier: MIT */
/*
 * Intel VT-d (Virtualization Technology for Directed I/O, D51397, revision 4.1). Page tables are
 * second-stage ones, for PASIDs, too (11.4.2 SSTS): in a PASID table entry they are as good as
 * first-stage ones, and no guest is needed to have them.
 *
 * Requests without a PASID are looked up in the PASID table as well, at the entry that RID_PASID
 * names, which without ECAP.RPS is 0 (9.5): so PASID 0 is no PASID of its own.
 *
 * Programs nest first-stage tables of theirs on those (vtd_nested.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <ioas/uapi/iommufd.h>
#include "kind/unit.h"
#include "kind/vtd.h"

#define MSI_FIRST 0xfee00000u /* 3.14: interrupt requests are never translated */
#define MSI_LAST  0xfeefffffu

#define REGISTERS     0xfed90000ull /* where the first unit's registers are, a page each */
#define REGISTERS_LEN 0x1000u
#define VERSION	      0x40u  /* 11.4.1: 4.0 */
#define FAULT_REGS    0x200u /* offset of the fault recording registers */
#define IOTLB_REGS    0x280u /* and of the IOTLB's */
#define OFFSET_UNIT   16u
#define DOMAINS_LG2   16
#define PAGE_LG2      12
#define LEVEL_LG2     9

static int formats(struct kind_unit *unit, struct ioas_why *why)
{
	unit->table.format = PT_VTD_SS;
	unit->pasid_table.format = PT_VTD_SS;
	return 0;
}

/* Accessed and dirty bits belong to scalable mode, as PASIDs and nesting do. */
bool vtd_scalable(const struct kind_unit *unit)
{
	return unit->spec.pasid_lg2 || unit->spec.dirty || unit->spec.nested;
}

/* 11.4.2. Each bit of SAGAW is a number of levels, from 2: those up to what the width needs. */
static uint64_t capability(const struct kind_unit *unit)
{
	unsigned levels = (unit->table.aw - PAGE_LG2 + LEVEL_LG2 - 1) / LEVEL_LG2;
	uint64_t sagaw = (1u << (levels - 1)) - 2; /* 3 levels: bit 1 */

	return kind_field(2, 0, (DOMAINS_LG2 - 4) / 2) |			    /* ND */
	       kind_field(12, 8, sagaw) | kind_field(21, 16, unit->table.aw - 1u) | /* MGAW */
	       kind_bit(22, true) |						    /* ZLR */
	       kind_field(33, 24, FAULT_REGS / OFFSET_UNIT) |			    /* FRO */
	       kind_bit(34, unit->page_sizes >> 21 & 1) |      /* SSLPS: 2 MiB */
	       kind_bit(35, unit->page_sizes >> 30 & 1) |      /* 1 GiB */
	       kind_bit(39, true) |			       /* PSI */
	       kind_field(53, 48, unit->table.aw - PAGE_LG2) | /* MAMV */
	       kind_bit(54, true) | kind_bit(55, true) |       /* DWD, DRD */
	       kind_bit(56, unit->spec.nested) |	       /* FS1GP */
	       kind_bit(60, unit->spec.nested);		       /* FS5LP */
}

/* 11.4.3. */
static uint64_t extended(const struct kind_unit *unit)
{
	const struct ioas_topology_iommu *spec = &unit->spec;
	bool pasids = spec->pasid_lg2;

	return kind_bit(0, true) | kind_bit(1, true) |		       /* C, QI */
	       kind_bit(2, spec->ats) | kind_bit(3, true) |	       /* DT, IR */
	       kind_bit(7, spec->coherency) |			       /* SC */
	       kind_field(17, 8, IOTLB_REGS / OFFSET_UNIT) |	       /* IRO */
	       kind_bit(26, spec->nested) |			       /* NEST */
	       kind_bit(29, spec->pri) |			       /* PRS */
	       kind_bit(30, pasids) |				       /* ERS */
	       kind_bit(31, pasids || spec->nested) |		       /* SRS */
	       kind_bit(34, spec->nested) |			       /* EAFS */
	       kind_field(39, 35, pasids ? spec->pasid_lg2 - 1u : 0) | /* PSS */
	       kind_bit(40, pasids) |				       /* PASID */
	       kind_bit(43, vtd_scalable(unit)) |		       /* SMTS */
	       kind_bit(45, spec->dirty) |			       /* SSADS */
	       kind_bit(46, vtd_scalable(unit)) |		       /* SSTS */
	       kind_bit(47, spec->nested) |			       /* FSTS */
	       kind_bit(48, vtd_scalable(unit));		       /* SMPWCS */
}

static void info(const struct kind_unit *unit, struct kind_hw_info *out)
{
	const struct iommu_hw_info_vtd data = {
		.cap_reg = capability(unit),
		.ecap_reg = extended(unit),
	};

	out->len = sizeof(data);
	memcpy(out->data, &data, sizeof(data));
}

static void sysfs_name(const struct kind_unit *unit, char name[KIND_NAME_LEN])
{
	snprintf(name, KIND_NAME_LEN, "dmar%u", unit->number);
}

static bool attribute(const struct kind_unit *unit, unsigned index, struct kind_attribute *out)
{
	static const char *const names[] = {"address",	    "cap",  "domains_supported",
					    "domains_used", "ecap", "version"};
	const uint64_t values[] = {
		REGISTERS + (uint64_t)unit->number * REGISTERS_LEN,
		capability(unit),
		1u << DOMAINS_LG2,
		0,
		extended(unit),
		0,
	};

	if (index >= sizeof(names) / sizeof(names[0]))
		return false;
	snprintf(out->name, sizeof(out->name), "intel-iommu/%s", names[index]);
	if (index == 5)
		snprintf(out->text, sizeof(out->text), "%u:%u", VERSION >> 4, VERSION & 15);
	else if (index == 2 || index == 3)
		snprintf(out->text, sizeof(out->text), "%" PRIu64, values[index]);
	else
		snprintf(out->text, sizeof(out->text), "%" PRIx64, values[index]);
	return true;
}

static const struct kind_ops ops = {
	.name = "VT-d IOMMU",
	.hw_info = kind_unit_hw_info,
	.paging = kind_unit_paging,
	.nested = vtd_nested,
	.nested_free = vtd_nested_free,
	.nested_invalidate = vtd_nested_invalidate,
	.attach = kind_unit_attach,
};

const struct kind_type kind_vtd = {
	.name = "vtd",
	.ops = &ops,
	.info_type = IOMMU_HW_INFO_TYPE_INTEL_VTD,
	.coherency = true,
	.pasid_0_same = true,
	.msi_window = true,
	.pasid_dirty = true,
	.nests = true,
	.msi_nr = 1,
	.reserved_nr = 1,
	.reserved = {{MSI_FIRST, MSI_LAST}},
	.formats = formats,
	.info = info,
	.sysfs_name = sysfs_name,
	.attribute = attribute,
};
