/* SPDX-License-Identifier: MIT */
/*
 * IOMMU_TEST_CMD: what the kernel's selftests ask of its mock driver.
 *
 *   testcmd.c         the table of operations
 *   testcmd_device.c  devices, and the words that they and nested page tables hold
 *   testcmd_check.c   looking at memory and pins
 *   testcmd_dirty.c   dirty pages
 *   testcmd_request.c page requests, requests with PASIDs, viommus' events
 *   testcmd_dmabuf.c  dma-bufs
 *   testcmd_access.c  accesses
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

/* testcmd_check.c */
/* The mock's page table on an IOAS with id `id`, kept busy. 0; -ENOENT; -EINVAL not the mock's. */
int testcmd_hwpt_get(struct uapi_call *call, struct obj_hwpt **out);
long testcmd_check_map(struct uapi_call *call);
long testcmd_check_pins(struct uapi_call *call);

/* Where this process sees a byte of the caller's, which must be there. 0; -EFAULT, -ENOMEM. */
int testcmd_host(struct uapi_call *call, uint64_t va, uint8_t **out);

/* testcmd_access.c */
long testcmd_access(struct uapi_call *call);
long testcmd_access_unpin(struct uapi_call *call);
long testcmd_access_pin(struct uapi_call *call);
long testcmd_access_rw(struct uapi_call *call);
long testcmd_access_replace(struct uapi_call *call);

/* testcmd_dirty.c */
long testcmd_dirty(struct uapi_call *call);

/* testcmd_request.c */
long testcmd_page_request(struct uapi_call *call);
long testcmd_vevent(struct uapi_call *call);
long testcmd_pasid_attach(struct uapi_call *call);
long testcmd_pasid_detach(struct uapi_call *call);
long testcmd_pasid_check(struct uapi_call *call);

/* testcmd_dmabuf.c */
long testcmd_dmabuf(struct uapi_call *call);
long testcmd_dmabuf_revoke(struct uapi_call *call);

#endif
