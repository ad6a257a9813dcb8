/* SPDX-License-Identifier: MIT */
/* A queue of page requests. */
#include "obj/obj.h"

void obj_fault_destroy(struct obj *obj)
{
}
