/* SPDX-License-Identifier: MIT */
/* A device as a guest knows it. */
#include "obj/obj.h"

void obj_vdevice_destroy(struct obj *obj)
{
}
