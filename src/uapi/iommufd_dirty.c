/* SPDX-License-Identifier: MIT */
/* Dirty tracking: HWPT_SET_DIRTY_TRACKING, HWPT_GET_DIRTY_BITMAP. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

long iommu_hwpt_set_dirty_tracking(struct uapi_call *call)
{
	return iommu_unsupported(call);
}

long iommu_hwpt_get_dirty_bitmap(struct uapi_call *call)
{
	return iommu_unsupported(call);
}
