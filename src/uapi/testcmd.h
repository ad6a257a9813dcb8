/* SPDX-License-Identifier: MIT */
/*
 * IOMMU_TEST_CMD: what the kernel's selftests ask of its mock driver.
 *
 *   testcmd.c         the table of operations
 *   testcmd_device.c  devices, and looking at what they and their page tables hold
 *   testcmd_access.c  accesses, and what is pinned
 */
#ifndef UAPI_TESTCMD_H
#define UAPI_TESTCMD_H

#include <ioas/uapi/iommufd_test.h>
#include "kind/mock.h"
#include "obj/obj.h"
#include "uapi/uapi.h"

/* A device of IOMMU_TEST_CMD: both parts of it live as long as this object. */
struct test_device {
	struct obj obj;
	struct mock_device *mock;  /* constant */
	struct obj_device *device; /* constant */
};

/* testcmd_device.c */
long testcmd_device(struct uapi_call *call);
long testcmd_replace(struct uapi_call *call);
long testcmd_check_iotlb(struct uapi_call *call);
long testcmd_check_cache(struct uapi_call *call);

#endif
