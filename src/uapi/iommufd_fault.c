/* SPDX-License-Identifier: MIT */
/* FAULT_QUEUE_ALLOC. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

long iommu_fault_queue_alloc(struct uapi_call *call)
{
	return iommu_unsupported(call);
}
