/* SPDX-License-Identifier: MIT */
/*
 * First-stage page tables that programs keep, nested on a second stage (D51397: 3.6 to 3.8, 9.6).
 * What a guest would write to a PASID table entry the program gives with HWPT_ALLOC: the tables of
 * PASIDs are the host's, so that each PASID is attached by itself.
 *
 * Accessed and dirty flags are always set here, by writes that the second stage must allow. All
 * that the program invalidates goes with everything else that is remembered: it may ask for less,
 * and nothing promises it that more stays.
 */
#include <errno.h>
#include <inttypes.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "kind/vtd.h"
#include "obj/obj.h"
#include "tlp/nested.h"
#include "util/alloc.h"
#include "util/why.h"

#define PAGE	    4096ull
#define EA	    (1ull << 10) /* extended accessed flag, 9.8 */
#define FOUR_LEVELS 48
#define FIVE_LEVELS 57

struct first_stage {
	struct stage1 stage1;
	struct pt_foreign table; /* constant, but for what the walk sets */
	bool supervisor;	 /* constant: SRE */
};

static enum ioas_fault_reason find(const struct stage1 *stage1, struct nested *nested,
				   const struct nested_request *request, struct nested_table *out)
{
	const struct first_stage *first = (const struct first_stage *)stage1;

	/* SRE: does the entry let privileged requests in? */
	if (request->access & PT_ACCESS_PRIV && !first->supervisor)
		return IOAS_FAULT_PRIVILEGE;
	out->table = first->table;
	return IOAS_FAULT_NONE;
}

static const struct stage1_ops ops = {.find = find};

static int check(const struct iommu_hwpt_vtd_s1 *data, struct ioas_why *why)
{
	uint64_t known = IOMMU_VTD_S1_SRE | IOMMU_VTD_S1_EAFE | IOMMU_VTD_S1_WPE;

	if (data->flags & ~known || data->__reserved)
		return why_set(why, -EOPNOTSUPP,
			       "flags 0x%" PRIx64 " are not known, or a reserved field is not 0",
			       data->flags & ~known);
	if (data->addr_width != FOUR_LEVELS && data->addr_width != FIVE_LEVELS)
		return why_set(why, -EINVAL,
			       "a first-stage table has %d or %d address bits, not %u", FOUR_LEVELS,
			       FIVE_LEVELS, data->addr_width);
	return 0;
}

int vtd_nested(struct kind_device *dev, struct obj_hwpt *hwpt, uint32_t flags,
	       const struct kind_data *data, struct ioas_why *why)
{
	struct iommu_hwpt_vtd_s1 config;
	struct first_stage *first;
	int rc;

	if (data->type != IOMMU_HWPT_DATA_VTD_S1)
		return why_set(why, -EOPNOTSUPP,
			       "a %s nests page tables described by data of type %d, not %u",
			       dev->ops->name, IOMMU_HWPT_DATA_VTD_S1, data->type);
	rc = data->read(data, &config, sizeof(config), sizeof(config));
	if (rc)
		return why_set(why, rc, "the data (%u bytes) cannot be read", data->len);
	rc = check(&config, why);
	if (rc)
		return rc;
	first = alloc_zero(1, sizeof(*first));
	if (!first)
		return why_set(why, -ENOMEM, "no memory for a page table");
	stage1_init(&first->stage1, &ops, hwpt->parent->pt, hwpt->obj.id);
	first->supervisor = config.flags & IOMMU_VTD_S1_SRE;
	first->table = (struct pt_foreign){
		.format = config.addr_width == FIVE_LEVELS ? PT_X86_64_5L : PT_X86_64,
		.aw = config.addr_width,
		.root = config.pgtbl_addr & ~(PAGE - 1),
		.update = true,
		.used = config.flags & IOMMU_VTD_S1_EAFE ? EA : 0,
		.priv_writes = !(config.flags & IOMMU_VTD_S1_WPE),
	};
	hwpt->kind = first;
	hwpt->to = &first->stage1.to;
	return 0;
}

void vtd_nested_free(struct obj_hwpt *hwpt)
{
	free(hwpt->kind);
}

static int check_entry(const struct iommu_hwpt_vtd_s1_invalidate *entry, struct ioas_why *why)
{
	if (entry->flags & ~(uint32_t)IOMMU_VTD_INV_FLAGS_LEAF || entry->__reserved)
		return why_set(why, -EOPNOTSUPP,
			       "flags 0x%x are not known, or a reserved field is not 0",
			       entry->flags & ~(uint32_t)IOMMU_VTD_INV_FLAGS_LEAF);
	if (entry->addr & (PAGE - 1) || (entry->npages == UINT64_MAX && entry->addr))
		return why_set(why, -EINVAL,
			       "%" PRIu64 " pages from 0x%" PRIx64
			       " on: that is no page, or everything from elsewhere than 0",
			       (uint64_t)entry->npages, (uint64_t)entry->addr);
	return 0;
}

/* Of all that is attached to it: its entries are not of one PASID. */
static void forget(const struct first_stage *first,
		   const struct iommu_hwpt_vtd_s1_invalidate *entry)
{
	struct stale_forget what = {
		.first = entry->addr,
		.last = UINT64_MAX,
		.leaves = entry->flags & IOMMU_VTD_INV_FLAGS_LEAF,
	};

	if (!entry->npages)
		return;
	if (entry->npages <= (UINT64_MAX - entry->addr) / PAGE)
		what.last = entry->addr + entry->npages * PAGE - 1;
	check_stale_forget(first->stage1.check, &what);
}

int vtd_nested_invalidate(struct obj_hwpt *hwpt, struct kind_array *array, struct ioas_why *why)
{
	struct iommu_hwpt_vtd_s1_invalidate entry;
	int rc = 0;

	array->done = 0;
	if (array->type != IOMMU_HWPT_INVALIDATE_DATA_VTD_S1)
		return why_set(why, -EINVAL, "requests are of type %d here, not %u",
			       IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, array->type);
	for (; array->done < array->entry_nr; array->done++) {
		rc = array->read(array, array->done, &entry, sizeof(entry), sizeof(entry));
		if (rc)
			why_set(why, rc, "request %u cannot be read", array->done);
		else
			rc = check_entry(&entry, why);
		if (rc)
			break;
		forget(hwpt->kind, &entry);
	}
	return rc;
}
