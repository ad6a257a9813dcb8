/* SPDX-License-Identifier: MIT */
/* Short forms for programs about viommus. Linux 6.12 has none: the programs skip there. */
#ifndef TESTS_UAPI_VIOMMU_H
#define TESTS_UAPI_VIOMMU_H

#include "testcmd.h"

/* A device on an IOAS, and a page table there that can be nested on. */
struct guest {
	uint32_t ioas, parent;
	struct test_ids dev;
};

static inline uint32_t nest_parent(int fd, uint32_t device, uint32_t ioas)
{
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
				       .dev_id = device,
				       .pt_id = ioas};

	check("nest parent", call(fd, IOMMU_HWPT_ALLOC, &cmd), 0);
	return cmd.out_hwpt_id;
}

static inline long viommu_alloc(int fd, uint32_t device, uint32_t parent, uint32_t *out)
{
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = TESTCMD_TYPE_VIOMMU,
					 .dev_id = device,
					 .hwpt_id = parent};
	long rc = call(fd, IOMMU_VIOMMU_ALLOC, &cmd);

	*out = cmd.out_viommu_id;
	return rc;
}

static inline long vdevice_alloc(int fd, uint32_t viommu, uint32_t device, uint64_t virt_id,
				 uint32_t *out)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = viommu, .dev_id = device, .virt_id = virt_id};
	long rc = call(fd, IOMMU_VDEVICE_ALLOC, &cmd);

	*out = cmd.out_vdevice_id;
	return rc;
}

/* A page table of the guest's, through its viommu. */
static inline long nested_alloc(int fd, uint32_t viommu, uint32_t device, uint32_t *out)
{
	struct testcmd_hwpt data = {.iotlb = TESTCMD_IOTLB_INITIAL};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .dev_id = device,
				       .pt_id = viommu,
				       .data_type = TESTCMD_TYPE_HWPT,
				       .data_len = sizeof(data),
				       .data_uptr = (uintptr_t)&data};
	long rc = call(fd, IOMMU_HWPT_ALLOC, &cmd);

	*out = cmd.out_hwpt_id;
	return rc;
}

/* Opens /dev/iommu with a guest; ends the program where there are no test devices or viommus. */
static inline int open_guest_or_skip(struct guest *guest)
{
	int fd = open_testcmd_or_skip();
	uint32_t none;

	if (viommu_alloc(fd, 0, 0, &none) == -ENOTTY) {
		printf("SKIP: /dev/iommu has no viommus\n");
		exit(EXIT_SKIP);
	}
	guest->ioas = ioas_alloc(fd);
	check("device", test_device(fd, guest->ioas, 0, &guest->dev), 0);
	guest->parent = nest_parent(fd, guest->dev.device, guest->ioas);
	return fd;
}

#endif
