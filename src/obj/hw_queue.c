/* SPDX-License-Identifier: MIT */
/* A guest's queue in memory. */
#include "obj/obj.h"

void obj_hw_queue_destroy(struct obj *obj)
{
}
