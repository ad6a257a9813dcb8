/* SPDX-License-Identifier: MIT */
/*
 * RISC-V IOMMU (RISC-V IOMMU Architecture Specification 1.0). Page tables are first-stage ones, in
 * the mode whose width is enough, for process IDs, too.
 *
 * Where a device has a process directory, its requests without a process ID are as those with
 * process 0 (DC.tc.DPE, 2.1.3.1), or are not translated by a first stage at all: so PASID 0 is no
 * PASID of its own.
 *
 * Interrupts are writes like any other (without MSI page tables, which no nesting needs here), so
 * no range is kept for them. ABI and Linux have no data of GET_HW_INFO for this kind.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <ioas/uapi/iommufd.h>
#include "kind/riscv.h"
#include "util/why.h"

#define REGISTERS     0x3010000ull /* where the first unit's registers are, a page each */
#define REGISTERS_LEN 0x1000u
#define VERSION	      0x10u /* 1.0 */

static const struct {
	unsigned bits;
	enum pt_format format;
	unsigned capability; /* bit of the capabilities register */
} modes[] = {{39, PT_RISCV_SV39, 9}, {48, PT_RISCV_SV48, 10}, {57, PT_RISCV_SV57, 11}};

#define MODES_NR (sizeof(modes) / sizeof(modes[0]))

/* Process directories have one, two or three levels (2.3). */
static const struct {
	unsigned bits, capability;
} processes[] = {{8, 38}, {17, 39}, {20, 40}};

#define PROCESSES_NR (sizeof(processes) / sizeof(processes[0]))

static int check_processes(const struct kind_unit *unit, struct ioas_why *why)
{
	for (unsigned i = 0; i < PROCESSES_NR; i++)
		if (processes[i].bits == unit->spec.pasid_lg2)
			return 0;
	return unit->spec.pasid_lg2
		       ? why_set(why, -EINVAL,
				 "a RISC-V IOMMU has PASIDs of 8, 17 or 20 bits, not of %u",
				 unit->spec.pasid_lg2)
		       : 0;
}

static int formats(struct kind_unit *unit, struct ioas_why *why)
{
	unsigned i = 0;

	while (i < MODES_NR - 1 && modes[i].bits < unit->table.aw)
		i++;
	unit->table.format = modes[i].format;
	unit->pasid_table.format = modes[i].format;
	return check_processes(unit, why);
}

/* 5.3. A mode brings the narrower ones along; so does a directory with more levels. */
uint64_t kind_riscv_capabilities(const struct kind_unit *unit)
{
	const struct ioas_topology_iommu *spec = &unit->spec;
	uint64_t value = kind_field(7, 0, VERSION) | kind_bit(24, spec->dirty) | /* AMO_HWAD */
			 kind_bit(25, spec->ats || spec->pri) | /* ATS and page requests */
			 kind_field(37, 32, pt_format_pa_bits(unit->table.format)); /* PAS */

	for (unsigned i = 0; i < MODES_NR; i++)
		value |= kind_bit(modes[i].capability, modes[i].format <= unit->table.format);
	for (unsigned i = 0; i < PROCESSES_NR; i++)
		value |= kind_bit(processes[i].capability, processes[i].bits <= spec->pasid_lg2);
	return value;
}

static void sysfs_name(const struct kind_unit *unit, char name[KIND_NAME_LEN])
{
	snprintf(name, KIND_NAME_LEN, "riscv-iommu@%" PRIx64 ".iommu",
		 (uint64_t)(REGISTERS + (uint64_t)unit->number * REGISTERS_LEN));
}

static const struct kind_ops ops = {
	.name = "RISC-V IOMMU",
	.hw_info = kind_unit_hw_info,
	.paging = kind_unit_paging,
	.attach = kind_unit_attach,
};

const struct kind_type kind_riscv = {
	.name = "riscv",
	.ops = &ops,
	.info_type = IOMMU_HW_INFO_TYPE_NONE,
	.pasid_0_same = true,
	.pasid_dirty = true,
	.formats = formats,
	.sysfs_name = sysfs_name,
};
