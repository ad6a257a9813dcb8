/* SPDX-License-Identifier: MIT */
/*
 * The IOMMU of the instance's own devices: page tables in the format the instance is set to, and
 * nothing else of a vendor's.
 */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "obj/obj.h"
#include "route/route.h"
#include "util/why.h"

static uint8_t pasid_lg2(const struct kind_device *dev)
{
	return (uint8_t)((const struct kind_soft *)dev)->dev->pasid_lg2;
}

/* Of the device's PASID capability: what its requests with PASIDs may ask for. */
static uint64_t pasid_caps(const struct kind_device *dev)
{
	return pasid_lg2(dev) ? IOMMU_HW_CAP_PCI_PASID_EXEC | IOMMU_HW_CAP_PCI_PASID_PRIV : 0;
}

static int hw_info(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
		   struct ioas_why *why)
{
	if (type != IOMMU_HW_INFO_TYPE_DEFAULT)
		return why_set(why, -EOPNOTSUPP, "this IOMMU has no data of type %u", type);
	*out = (struct kind_hw_info){
		.type = IOMMU_HW_INFO_TYPE_NONE,
		.capabilities = IOMMU_HW_CAP_DIRTY_TRACKING | pasid_caps(dev),
		.max_pasid_lg2 = pasid_lg2(dev),
		.pasid_0_apart = !((struct kind_soft *)dev)->dev->pasid_0_same,
	};
	return 0;
}

static int paging(struct kind_device *dev, uint32_t flags, const struct kind_data *data,
		  bool small_pages, struct kind_paging *out, struct ioas_why *why)
{
	enum pt_format format = dev->iommu->pt_format;

	if (flags & IOMMU_HWPT_ALLOC_NEST_PARENT)
		return why_set(why, -EOPNOTSUPP, "page tables cannot be nested on yet");
	if (flags & ~(IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_PASID))
		return why_set(why, -EOPNOTSUPP, "flags 0x%x are not supported", flags);
	if (flags & IOMMU_HWPT_ALLOC_PASID && !pasid_lg2(dev))
		return why_set(why, -EOPNOTSUPP, "the device sends no PASIDs");
	if (data)
		return why_set(why, -EOPNOTSUPP, "no page table here takes data of type %u",
			       data->type);
	/*
	 * Where writes are tracked a leaf is one page: a leaf has one dirty bit, and whoever copies
	 * memory by these bits wants to know the page.
	 */
	small_pages |= flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	*out = (struct kind_paging){
		.pt =
			{
				.format = format,
				.aw = ((struct kind_soft *)dev)->dev->aw,
				.max_leaf_lg2 = small_pages ? pt_format_page_lg2(format) : 0,
			},
		.dirty = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
	};
	return 0;
}

static int attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
		  struct obj_hwpt *old, struct ioas_why *why)
{
	if (hwpt->fault)
		return why_set(why, -ENODEV,
			       "page table %u takes page requests, which the device does not send",
			       hwpt->obj.id);
	return 0;
}

static const struct kind_ops ops = {
	.name = "software IOMMU",
	.hw_info = hw_info,
	.paging = paging,
	.attach = attach,
};

void kind_soft_init(struct kind_soft *soft, struct ioas_device *dev)
{
	*soft = (struct kind_soft){.base = {.ops = &ops, .iommu = dev->iommu}, .dev = dev};
}
