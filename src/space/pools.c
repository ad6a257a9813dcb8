/* SPDX-License-Identifier: MIT */
/* Where the memory of areas and pages comes from. */
#include "space/private.h"

void space_pools_init(struct ioas_iommu *iommu)
{
	pool_init(&iommu->pages, sizeof(struct pages_plain));
	pool_init(&iommu->firsts, sizeof(struct pages_first));
}

void space_pools_fini(struct ioas_iommu *iommu)
{
	pool_fini(&iommu->pages);
	pool_fini(&iommu->firsts);
}
