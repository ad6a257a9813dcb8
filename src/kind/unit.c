/* SPDX-License-Identifier: MIT */
/* An IOMMU of a machine: made from its description, and what all kinds answer alike. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "kind/unit.h"
#include "obj/obj.h"
#include "route/route.h"
#include "util/alloc.h"
#include "util/why.h"

#define AW_MIN	   32
#define AW_DEFAULT 48

static const struct kind_type *const types[] = {&kind_soft, &kind_vtd, &kind_amd, &kind_smmuv3,
						&kind_riscv};

const struct kind_type *kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i]->name, name))
			return types[i];
	return NULL;
}

const struct kind_type *kind_of(const struct ioas_iommu *iommu,
				const struct ioas_topology_iommu *spec)
{
	const struct kind_type *type = spec ? kind_find(spec->kind) : &kind_soft;

	return type == &kind_soft && iommu->config.kind ? kind_find(iommu->config.kind) : type;
}

/* What an instance has by itself, and what a "soft" one offers that is replaced. */
static void set_spec(struct kind_unit *unit, const struct ioas_topology_iommu *spec)
{
	const struct kind_type *type = unit->type;
	bool replaced = !spec || (kind_find(spec->kind) == &kind_soft && type != &kind_soft);

	if (spec)
		unit->spec = *spec;
	else
		unit->spec = (struct ioas_topology_iommu){
			.pasid_lg2 = IOAS_PASID_BITS,
			.pasid_0_apart = true,
			.ats = true,
			.pri = true,
		};
	unit->spec.kind = NULL;
	unit->spec.reserved = NULL;
	unit->spec.reserved_nr = 0;
	if (!replaced)
		return;
	unit->spec.dirty = true;
	unit->spec.nested = type->nests;
	unit->spec.coherency = type->coherency;
	unit->spec.pasid_0_apart = unit->spec.pasid_0_apart && type->pasid_0_apart;
}

static int check_spec(const struct kind_unit *unit, struct ioas_why *why)
{
	const struct kind_type *type = unit->type;
	const struct ioas_iommu_config *config = &unit->iommu->config;

	if (unit->spec.pasid_0_apart && !type->pasid_0_apart)
		return why_set(why, -EINVAL,
			       "%s %u: it cannot have PASID 0 apart from requests without a PASID",
			       type->ops->name, unit->number);
	if (unit->spec.coherency && !type->coherency)
		return why_set(why, -EINVAL, "%s %u: its page tables cannot enforce coherency",
			       type->ops->name, unit->number);
	if (unit->spec.nested && !type->nests)
		return why_set(why, -EINVAL,
			       "%s %u: programs cannot have page tables of their own on its (there "
			       "is no such format in the ABI)",
			       type->ops->name, unit->number);
	if (unit->spec.aw && (unit->spec.aw < AW_MIN || unit->spec.aw > config->aw))
		return why_set(why, -EINVAL,
			       "%s %u has an address width of %u bits, which must be %u to %u here "
			       "(--set aw=)",
			       type->ops->name, unit->number, unit->spec.aw, AW_MIN, config->aw);
	if (config->pt && type != &kind_soft)
		return why_set(why, -EINVAL,
			       "%s %u: the format of its page tables is the kind's (--set pt= goes "
			       "with iommu=soft)",
			       type->ops->name, unit->number);
	return 0;
}

/* A width that was asked for has to be there; else it is the widest up to the instance's. */
static int set_width(struct kind_unit *unit, bool asked, struct ioas_why *why)
{
	unsigned aw = unit->table.aw;

	while (!asked && aw > AW_MIN && !pt_format_has_aw(unit->table.format, aw))
		aw--;
	if (!pt_format_has_aw(unit->table.format, aw))
		return why_set(why, -EINVAL, "page tables of format %s have no %u bits",
			       pt_format_name(unit->table.format), aw);
	unit->table.aw = aw;
	unit->pasid_table.aw = aw;
	unit->nest_table.aw = aw;
	return 0;
}

/* Largest leaf of a table, when the machine's largest page is 2^max. */
static unsigned leaf_of(const struct pt_config *table, unsigned max)
{
	uint64_t sizes = pt_format_page_sizes(table->format, table->aw);

	sizes &= (2ull << max) - 1;
	return 63 - (unsigned)__builtin_clzll(sizes);
}

/* The smallest page is the format's; of the others it is the largest that counts. */
static int set_pages(struct kind_unit *unit, struct ioas_why *why)
{
	uint64_t has = pt_format_page_sizes(unit->table.format, unit->table.aw);
	uint64_t want = unit->spec.page_sizes ? unit->spec.page_sizes : has;
	unsigned min = pt_format_page_lg2(unit->table.format), max;

	if (want & ~has)
		return why_set(why, -EINVAL, "%s %u: its page tables have no pages of 2^%u bytes",
			       unit->type->ops->name, unit->number,
			       (unsigned)__builtin_ctzll(want & ~has));
	if (!(want >> min & 1))
		return why_set(why, -EINVAL,
			       "%s %u: its smallest pages have 2^%u bytes, which page-sizes leaves "
			       "out",
			       unit->type->ops->name, unit->number, min);
	max = 63 - (unsigned)__builtin_clzll(want);
	unit->page_sizes = has & ((2ull << max) - 1); /* of 63: all */
	unit->table.max_leaf_lg2 = leaf_of(&unit->table, max);
	unit->pasid_table.max_leaf_lg2 = leaf_of(&unit->pasid_table, max);
	unit->nest_table.max_leaf_lg2 = leaf_of(&unit->nest_table, max);
	return 0;
}

/* What the kind has, then the machine's; each once. */
static int set_reserved(struct kind_unit *unit, const struct ioas_topology_iommu *spec)
{
	const struct kind_type *type = unit->type;
	size_t more = spec ? spec->reserved_nr : 0;

	unit->msi = type->msi_window ? type->reserved[0] : KIND_NOWHERE;
	unit->msi_nr = type->msi_nr;
	unit->reserved = alloc_zero(type->reserved_nr + more + 1, sizeof(*unit->reserved));
	if (!unit->reserved)
		return -ENOMEM;
	for (size_t i = 0; i < type->reserved_nr + more; i++) {
		struct ioas_range range = i < type->reserved_nr
						  ? type->reserved[i]
						  : spec->reserved[i - type->reserved_nr];
		size_t k = 0;

		while (k < unit->reserved_nr && memcmp(&unit->reserved[k], &range, sizeof(range)))
			k++;
		unit->reserved[k] = range;
		if (k == unit->reserved_nr)
			unit->reserved_nr++;
	}
	return 0;
}

int kind_unit_init(struct kind_unit *unit, struct ioas_iommu *iommu,
		   const struct ioas_topology_iommu *spec, unsigned number, struct ioas_why *why)
{
	const struct ioas_iommu_config *config = &iommu->config;
	unsigned aw = spec && spec->aw ? spec->aw : config->aw;
	int rc;

	*unit = (struct kind_unit){.type = kind_of(iommu, spec), .iommu = iommu, .number = number};
	if (!unit->type)
		return why_set(why, -EOPNOTSUPP,
			       "there are no IOMMUs of kind %s (there are: " KIND_NAMES ")",
			       spec ? spec->kind : config->kind);
	set_spec(unit, spec);
	unit->table.aw = aw ? aw : AW_DEFAULT;
	unit->nest_table.format = PT_FORMAT_NR;
	rc = check_spec(unit, why);
	if (!rc)
		rc = unit->type->formats(unit, why);
	if (unit->nest_table.format == PT_FORMAT_NR)
		unit->nest_table.format = unit->table.format;
	if (!rc)
		rc = set_width(unit, spec ? spec->aw : config->aw, why);
	if (!rc)
		rc = set_pages(unit, why);
	if (rc)
		return rc;
	unit->table.coherent = unit->spec.coherency;
	unit->pasid_table.coherent = unit->spec.coherency;
	unit->nest_table.coherent = unit->spec.coherency;
	unit->pasid_0_apart = unit->spec.pasid_0_apart && !config->pasid_0_same;
	unit->pasid_0_same = !unit->pasid_0_apart && unit->type->pasid_0_same;
	unit->type->sysfs_name(unit, unit->name);
	return set_reserved(unit, spec);
}

void kind_unit_fini(struct kind_unit *unit)
{
	free(unit->reserved);
	unit->reserved = NULL;
}

unsigned kind_unit_pa_bits(const struct kind_unit *unit)
{
	unsigned a = pt_format_pa_bits(unit->table.format);
	unsigned b = pt_format_pa_bits(unit->pasid_table.format);

	return a < b ? a : b;
}

/* Requests without a PASID may also go through a table that was made for PASIDs. */
int kind_unit_check_table(const struct kind_unit *unit, bool pasid, const struct pt_target *to,
			  struct ioas_why *why)
{
	enum pt_format format = pt_format(to->pt);

	if (format == unit->pasid_table.format || (!pasid && format == unit->table.format))
		return 0;
	if (unit->spec.nested && format == unit->nest_table.format && (to->stage1 || !pasid))
		return 0;
	return why_set(why, -EINVAL, "the page table has format %s, its %s needs %s%s",
		       pt_format_name(format), unit->type->ops->name,
		       pt_format_name(kind_unit_table(unit, pasid)->format),
		       pasid ? " for a PASID" : "");
}

/* ---- operations of a device of the instance ---- */

static const struct ioas_device *device_of(const struct kind_device *dev)
{
	return ((const struct kind_own *)dev)->dev;
}

static const struct kind_unit *unit_of(const struct kind_device *dev)
{
	return device_of(dev)->unit;
}

static uint8_t pasid_lg2(const struct kind_device *dev)
{
	return (uint8_t)device_of(dev)->pasid_lg2;
}

/* The last ones are of the device. That it has no ATS Linux 6.12 does not tell. */
static uint64_t capabilities(const struct kind_device *dev)
{
	uint64_t caps = unit_of(dev)->spec.dirty ? IOMMU_HW_CAP_DIRTY_TRACKING : 0;

	if (pasid_lg2(dev))
		caps |= IOMMU_HW_CAP_PCI_PASID_EXEC | IOMMU_HW_CAP_PCI_PASID_PRIV;
	if (!dev->iommu->config.abi_6_12 && !device_of(dev)->ats)
		caps |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	return caps;
}

int kind_unit_hw_info(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
		      struct ioas_why *why)
{
	const struct kind_unit *unit = unit_of(dev);

	if (type != IOMMU_HW_INFO_TYPE_DEFAULT && type != unit->type->info_type)
		return why_set(why, -EOPNOTSUPP, "the %s has no data of type %u",
			       unit->type->ops->name, type);
	*out = (struct kind_hw_info){
		.type = unit->type->info_type,
		.capabilities = capabilities(dev),
		.max_pasid_lg2 = pasid_lg2(dev),
		.pasid_0_apart = unit->pasid_0_apart,
	};
	if (unit->type->info)
		unit->type->info(unit, out);
	return 0;
}

static int check_flags(struct kind_device *dev, uint32_t flags, struct ioas_why *why)
{
	const struct kind_unit *unit = unit_of(dev);
	const char *name = unit->type->ops->name;

	if (flags & IOMMU_HWPT_ALLOC_NEST_PARENT && !unit->spec.nested)
		return why_set(why, -EOPNOTSUPP, "page tables of the %s cannot be nested on", name);
	if (flags & ~(IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_PASID |
		      IOMMU_HWPT_ALLOC_NEST_PARENT))
		return why_set(why, -EOPNOTSUPP, "flags 0x%x are not supported", flags);
	if (flags & IOMMU_HWPT_ALLOC_PASID && !pasid_lg2(dev))
		return why_set(why, -EOPNOTSUPP, "the device sends no PASIDs");
	if (!(flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING))
		return 0;
	if (!unit->spec.dirty)
		return why_set(why, -EOPNOTSUPP, "the %s tracks no dirty pages", name);
	if (flags & IOMMU_HWPT_ALLOC_PASID && !unit->type->pasid_dirty)
		return why_set(why, -EOPNOTSUPP,
			       "the %s tracks no dirty pages in page tables for PASIDs", name);
	return 0;
}

/*
 * Where writes are tracked a leaf is one page: a leaf has one dirty bit, and whoever copies memory
 * by these bits wants to know the page.
 */
int kind_unit_paging(struct kind_device *dev, uint32_t flags, const struct kind_data *data,
		     bool small_pages, struct kind_paging *out, struct ioas_why *why)
{
	const struct kind_unit *unit = unit_of(dev);
	int rc = check_flags(dev, flags, why);

	if (rc)
		return rc;
	if (data)
		return why_set(why, -EOPNOTSUPP, "no page table here takes data of type %u",
			       data->type);
	*out = (struct kind_paging){
		.pt = flags & IOMMU_HWPT_ALLOC_NEST_PARENT
			      ? unit->nest_table
			      : *kind_unit_table(unit, flags & IOMMU_HWPT_ALLOC_PASID),
		.dirty = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.coherent = unit->spec.coherency,
	};
	if (small_pages || out->dirty)
		out->pt.max_leaf_lg2 = pt_format_page_lg2(out->pt.format);
	return 0;
}

/* What another unit of the kind made need not suit this one. route_attach looks at the rest. */
int kind_unit_suits(const struct kind_device *dev, struct obj_hwpt *hwpt, struct ioas_why *why)
{
	const struct kind_unit *unit = unit_of(dev);
	const struct obj_hwpt *paging = obj_hwpt_paging(hwpt);

	if (hwpt->fault && !device_of(dev)->pri)
		return why_set(why, -ENODEV,
			       "page table %u takes page requests, which the device does not send",
			       hwpt->obj.id);
	if (hwpt->parent && !unit->spec.nested)
		return why_set(why, -EINVAL,
			       "page table %u is nested, which %s, the device's IOMMU, cannot",
			       hwpt->obj.id, unit->name);
	if (paging->dirty && !unit->spec.dirty)
		return why_set(why, -EINVAL,
			       "page table %u tracks dirty pages, which %s, the device's IOMMU, "
			       "cannot",
			       paging->obj.id, unit->name);
	if (paging->coherent != unit->spec.coherency)
		return why_set(why, -EINVAL,
			       "page table %u %s coherency, which %s, the device's IOMMU, %s",
			       paging->obj.id, paging->coherent ? "enforces" : "does not enforce",
			       unit->name, paging->coherent ? "cannot" : "does");
	return 0;
}

int kind_unit_attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
		     struct obj_hwpt *old, struct ioas_why *why)
{
	return kind_unit_suits(dev, hwpt, why);
}

void kind_own_init(struct kind_own *own, struct ioas_device *dev)
{
	*own = (struct kind_own){
		.base = {.ops = dev->unit->type->ops, .iommu = dev->iommu},
		.dev = dev,
	};
}
