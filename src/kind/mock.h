/* SPDX-License-Identifier: MIT */
/*
 * The IOMMU that IOMMU_TEST_CMD's devices are behind. Each device has one of its own, and none
 * sends a TLP: what the IOMMU would do is seen by looking at its words.
 *
 *   mock.c         the device, page tables on an IOAS, what may be attached
 *   mock_nested.c  page tables on those, with an IOTLB of a few words
 *   mock_viommu.c  viommus, their hardware queues, and the devices' caches
 */
#ifndef KIND_MOCK_H
#define KIND_MOCK_H

#include <ioas/uapi/iommufd_test.h>
#include "kind/kind.h"

/* All that changes does so under the context's lock. */
struct mock_device {
	struct kind_device kind;	  /* first */
	uint32_t flags;			  /* constant: enum testcmd_device_flags */
	uint32_t cache[TESTCMD_CACHE_NR]; /* what a viommu's invalidation clears */
	bool faulty;			  /* TESTCMD_PASID_FAULTY's next attachment fails */
};

/* `flags`: enum testcmd_device_flags. 0; -EINVAL an unknown flag; -ENOMEM. */
int kind_mock_new(struct ioas_iommu *iommu, uint32_t flags, struct mock_device **out,
		  struct ioas_why *why);
void kind_mock_free(struct mock_device *mock);
bool kind_is_mock(const struct kind_ops *ops);

/* Does word `index` of a nested page table's IOTLB say `value`? 0; -EINVAL it does not, or is none.
 */
int kind_mock_check_iotlb(const struct obj_hwpt *hwpt, uint32_t index, uint32_t value,
			  struct ioas_why *why);
/* The same for the cache of a device. */
int kind_mock_check_cache(const struct mock_device *mock, uint32_t index, uint32_t value,
			  struct ioas_why *why);

/* mock_nested.c, for kind_ops; `dev` is not looked at */
int mock_nested(struct kind_device *dev, struct obj_hwpt *hwpt, uint32_t flags,
		const struct kind_data *data, struct ioas_why *why);
void mock_nested_free(struct obj_hwpt *hwpt);
int mock_nested_invalidate(struct obj_hwpt *hwpt, struct kind_array *array, struct ioas_why *why);

/* mock_viommu.c, likewise */
const struct kind_viommu_ops *mock_viommu(struct kind_device *dev, uint32_t type);

#endif
