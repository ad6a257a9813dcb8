/* SPDX-License-Identifier: MIT */
/* Memory of files, and who is charged for memory: IOAS_MAP_FILE, IOAS_CHANGE_PROCESS. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

long iommu_ioas_map_file(struct uapi_call *call)
{
	return iommu_unsupported(call);
}

long iommu_ioas_change_process(struct uapi_call *call)
{
	return iommu_unsupported(call);
}
