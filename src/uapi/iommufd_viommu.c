/* SPDX-License-Identifier: MIT */
/* What a guest has of an IOMMU: VIOMMU_ALLOC, VDEVICE_ALLOC, VEVENTQ_ALLOC, HW_QUEUE_ALLOC. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

long iommu_viommu_alloc(struct uapi_call *call)
{
	return iommu_unsupported(call);
}

long iommu_vdevice_alloc(struct uapi_call *call)
{
	return iommu_unsupported(call);
}

long iommu_veventq_alloc(struct uapi_call *call)
{
	return iommu_unsupported(call);
}

long iommu_hw_queue_alloc(struct uapi_call *call)
{
	return iommu_unsupported(call);
}
