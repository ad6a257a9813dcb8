/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD: what the kernel's selftests ask of its mock driver. */
#include "obj/obj.h"

void obj_selftest_destroy(struct obj *obj)
{
}
