/* SPDX-License-Identifier: MIT */
/* What tests of groups, containers and type1 do with them. */
#ifndef TESTS_UNIT_UAPI_CONTAINER_H
#define TESTS_UNIT_UAPI_CONTAINER_H

#include "world.h"

#define RW (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static inline long set_container(struct world *w, int group, int32_t container)
{
	return w_ioctl(w, group, VFIO_GROUP_SET_CONTAINER, &container);
}

static inline long set_iommu(struct world *w, int container, long type)
{
	return w_ioctl(w, container, VFIO_SET_IOMMU, (void *)type);
}

static inline long map(struct world *w, int fd, uint32_t flags, uint64_t iova, void *va,
		       uint64_t len)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = len,
	};

	return w_ioctl(w, fd, VFIO_IOMMU_MAP_DMA, &cmd);
}

/* A container with dev[0]'s group and an IOMMU of that type. */
static inline int ready(struct world *w, long type, int *group)
{
	int container = w_open(w, "/dev/vfio/vfio");

	*group = w_open_group(w, 0);
	assert_int_equal(set_container(w, *group, container), 0);
	assert_int_equal(set_iommu(w, container, type), 0);
	return container;
}

static inline int device_fd(struct world *w, int group)
{
	return (int)w_ioctl(w, group, VFIO_GROUP_GET_DEVICE_FD, "0000:01:00.0");
}

#endif
