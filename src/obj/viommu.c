/* SPDX-License-Identifier: MIT */
/* A guest's share of an IOMMU. */
#include "obj/obj.h"

void obj_viommu_destroy(struct obj *obj)
{
}
