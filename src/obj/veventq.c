/* SPDX-License-Identifier: MIT */
/* A queue of a viommu's events. */
#include "obj/obj.h"

void obj_veventq_destroy(struct obj *obj)
{
}
