/* SPDX-License-Identifier: MIT */
/* The mock IOMMU: its devices, its page tables on an IOAS, and what may be attached to what. */
#include <errno.h>
#include "iommu.h"
#include "kind/mock.h"
#include "obj/obj.h"
#include "util/alloc.h"
#include "util/why.h"

#define PAGE_LG2      12
#define MOCK_PAGE_LG2 11
#define MOCK_HUGE_LG2 20
#define MOCK_AW	      32

#define FLAGS_KNOWN (TESTCMD_DEVICE_NO_DIRTY | TESTCMD_DEVICE_HUGE | TESTCMD_DEVICE_PASID)

static struct mock_device *mock_of(struct kind_device *dev)
{
	return (struct mock_device *)dev;
}

static int hw_info(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
		   struct ioas_why *why)
{
	const struct testcmd_hw_info info = {.test_reg = TESTCMD_HW_INFO_REG};
	const struct mock_device *mock = mock_of(dev);

	if (type != IOMMU_HW_INFO_TYPE_DEFAULT && type != TESTCMD_TYPE_HW_INFO)
		return why_set(why, -EOPNOTSUPP, "the mock has no data of type %u", type);
	*out = (struct kind_hw_info){.type = TESTCMD_TYPE_HW_INFO, .len = sizeof(info)};
	memcpy(out->data, &info, sizeof(info));
	if (!(mock->flags & TESTCMD_DEVICE_NO_DIRTY))
		out->capabilities |= IOMMU_HW_CAP_DIRTY_TRACKING;
	if (!dev->iommu->config.abi_6_12)
		out->capabilities |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	if (mock->flags & TESTCMD_DEVICE_PASID)
		out->max_pasid_lg2 = TESTCMD_PASID_LG2;
	return 0;
}

/* What the data asks for: enum testcmd_pt_type. */
static int pt_type(struct kind_device *dev, const struct kind_data *data, uint32_t *out,
		   struct ioas_why *why)
{
	struct testcmd_hwpt cfg;
	int rc;

	*out = TESTCMD_PT_DEFAULT;
	if (!data)
		return 0;
	if (dev->iommu->config.abi_6_12 || data->type != TESTCMD_TYPE_HWPT)
		return why_set(why, -EOPNOTSUPP, "no page table takes data of type 0x%x",
			       data->type);
	rc = data->read(data, &cfg, sizeof(cfg.iotlb), sizeof(cfg));
	if (rc)
		return why_set(why, rc, "the data (%u bytes) cannot be read", data->len);
	if (cfg.pt_type > TESTCMD_PT_HUGE)
		return why_set(why, -EOPNOTSUPP, "there are no page tables of type %u",
			       cfg.pt_type);
	*out = cfg.pt_type;
	return 0;
}

static int check_paging(const struct mock_device *mock, uint32_t flags, struct ioas_why *why)
{
	uint32_t known = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
			 (mock->kind.iommu->config.abi_6_12 ? 0 : IOMMU_HWPT_ALLOC_PASID);

	if (flags & ~known)
		return why_set(why, -EOPNOTSUPP, "flags 0x%x are not supported", flags & ~known);
	if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING && mock->flags & TESTCMD_DEVICE_NO_DIRTY)
		return why_set(why, -EOPNOTSUPP, "the device's IOMMU tracks no dirty pages");
	return 0;
}

/*
 * Pages are half the CPU's and lie in an aperture, so that nothing gets by that takes the two to be
 * alike. "Huge" tables are as plain ones, with larger pages.
 */
static int paging(struct kind_device *dev, uint32_t flags, const struct kind_data *data,
		  bool small_pages, struct kind_paging *out, struct ioas_why *why)
{
	const struct mock_device *mock = mock_of(dev);
	bool huge = mock->flags & TESTCMD_DEVICE_HUGE;
	uint32_t type;
	int rc = check_paging(mock, flags, why);

	if (!rc)
		rc = pt_type(dev, data, &type, why);
	if (rc)
		return rc;
	*out = (struct kind_paging){
		.dirty = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.coherent = true,
	};
	if (type == TESTCMD_PT_HUGE) {
		huge = true;
		out->pt.format = PT_AMDV1;
		out->pt.aw = dev->iommu->config.aw;
	} else {
		out->pt.format = PT_AMDV1_2K;
		out->pt.aw = MOCK_AW;
		out->pt.aperture.first = TESTCMD_APERTURE_FIRST;
		out->pt.aperture.last = TESTCMD_APERTURE_LAST;
	}
	out->pt.max_leaf_lg2 = small_pages ? PAGE_LG2 : huge ? MOCK_HUGE_LG2 : MOCK_PAGE_LG2;
	return 0;
}

static int attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
		  struct obj_hwpt *old, struct ioas_why *why)
{
	struct mock_device *mock = mock_of(dev);

	if (!hwpt->parent && hwpt->dirty && mock->flags & TESTCMD_DEVICE_NO_DIRTY)
		return why_set(why, -EINVAL,
			       "page table %u tracks dirty pages, the device's IOMMU cannot",
			       hwpt->obj.id);
	if (!pasid || *pasid != TESTCMD_PASID_FAULTY)
		return 0;
	mock->faulty = !mock->faulty;
	return mock->faulty ? 0 : why_set(why, -ENOMEM, "PASID %u fails on purpose", *pasid);
}

static void detach(struct kind_device *dev, const pasid_t *pasid)
{
	if (pasid && *pasid == TESTCMD_PASID_FAULTY)
		mock_of(dev)->faulty = false;
}

static const struct kind_ops ops = {
	.name = "mock IOMMU",
	.hw_info = hw_info,
	.paging = paging,
	.nested = mock_nested,
	.nested_free = mock_nested_free,
	.nested_invalidate = mock_nested_invalidate,
	.attach = attach,
	.detach = detach,
	.viommu = mock_viommu,
};

bool kind_is_mock(const struct kind_ops *of)
{
	return of == &ops;
}

int kind_mock_new(struct ioas_iommu *iommu, uint32_t flags, struct mock_device **out,
		  struct ioas_why *why)
{
	struct mock_device *mock;

	if (flags & ~(uint32_t)FLAGS_KNOWN)
		return why_set(why, -EINVAL, "a mock device has no flags 0x%x",
			       flags & ~(uint32_t)FLAGS_KNOWN);
	mock = alloc_zero(1, sizeof(*mock));
	if (!mock)
		return why_set(why, -ENOMEM, "no memory for a mock device");
	mock->kind = (struct kind_device){.ops = &ops, .iommu = iommu};
	mock->flags = flags;
	for (unsigned i = 0; i < TESTCMD_CACHE_NR; i++)
		mock->cache[i] = TESTCMD_CACHE_INITIAL;
	*out = mock;
	return 0;
}

void kind_mock_free(struct mock_device *mock)
{
	free(mock);
}

int kind_mock_check_cache(const struct mock_device *mock, uint32_t index, uint32_t value,
			  struct ioas_why *why)
{
	if (index >= TESTCMD_CACHE_NR)
		return why_set(why, -EINVAL, "the cache has no word %u", index);
	if (mock->cache[index] != value)
		return why_set(why, -EINVAL, "the cache's word %u is 0x%x, not 0x%x", index,
			       mock->cache[index], value);
	return 0;
}
