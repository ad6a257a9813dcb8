/* SPDX-License-Identifier: MIT */
/* Where the memory of areas, pages and pins comes from. */
#include "space/private.h"

void space_pools_init(struct ioas_iommu *iommu)
{
	pool_init(&iommu->pages, sizeof(struct space_pages));
	pool_init(&iommu->pins, sizeof(struct pin_block));
}

void space_pools_fini(struct ioas_iommu *iommu)
{
	pool_fini(&iommu->pages);
	pool_fini(&iommu->pins);
}
