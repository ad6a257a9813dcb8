/* SPDX-License-Identifier: MIT */
/*
 * The IOMMU that machines have when they say nothing else: page tables in whatever format the
 * instance is set to, all there is, and nothing else of a vendor's.
 */
#include <stdio.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "kind/unit.h"

/* x86's interrupt addresses: Intel SDM volume 3, 11.11. */
#define MSI_FIRST 0xfee00000u
#define MSI_LAST  0xfeefffffu

/* It tracks writes and snoops, whether or not the description says so. */
static int formats(struct kind_unit *unit, struct ioas_why *why)
{
	unit->table.format = unit->iommu->pt_format;
	unit->pasid_table.format = unit->iommu->pt_format;
	unit->spec.dirty = true;
	unit->spec.coherency = true;
	return 0;
}

static void sysfs_name(const struct kind_unit *unit, char name[KIND_NAME_LEN])
{
	snprintf(name, KIND_NAME_LEN, "ioas%u", unit->number);
}

static const struct kind_ops ops = {
	.name = "software IOMMU",
	.hw_info = kind_unit_hw_info,
	.paging = kind_unit_paging,
	.attach = kind_unit_attach,
};

const struct kind_type kind_soft = {
	.name = "soft",
	.ops = &ops,
	.info_type = IOMMU_HW_INFO_TYPE_NONE,
	.coherency = true,
	.pasid_0_apart = true,
	.pasid_0_same = true,
	.msi_window = true,
	.pasid_dirty = true,
	.msi_nr = 1,
	.reserved_nr = 1,
	.reserved = {{MSI_FIRST, MSI_LAST}},
	.formats = formats,
	.sysfs_name = sysfs_name,
};
