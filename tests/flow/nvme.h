/* SPDX-License-Identifier: MIT */
/*
 * A driver for flow tests, in plain Linux uAPI over cdev and iommufd: opens /dev/vfio/devices/vfio0
 * as an NVMe controller with an admin queue, and reads its identify data. Errors are -errno.
 */
#ifndef TESTS_FLOW_NVME_H
#define TESTS_FLOW_NVME_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "examples/linux-uapi.h"

#define NVME_PAGE    4096u
#define NVME_ENTRIES 16u

struct nvme {
	int iommufd, dev;
	uint32_t ioas;
	uint8_t *mem;  /* submission queue, completion queue, data: a page each */
	uint64_t iova; /* of mem */
	volatile uint8_t *regs;
	unsigned count; /* commands given so far */
};

#define NVME_IOVA (1u << 20)

static inline volatile uint32_t *nvme_reg(struct nvme *nvme, unsigned off)
{
	return (volatile uint32_t *)(nvme->regs + off);
}

/* Waits up to 10 s until the `mask` bits of a word are `value`. */
static inline int nvme_wait(volatile uint32_t *word, uint32_t mask, uint32_t value)
{
	for (int ms = 0; (*word & mask) != value; ms++) {
		if (ms == 10000)
			return -ETIMEDOUT;
		usleep(1000);
	}
	return 0;
}

/* Resets and enables the controller with an empty admin queue. */
static inline int nvme_enable(struct nvme *nvme)
{
	int rc;

	*nvme_reg(nvme, 0x14) = 0;
	rc = nvme_wait(nvme_reg(nvme, 0x1c), 1, 0);
	if (rc)
		return rc;
	memset(nvme->mem, 0, 3 * NVME_PAGE);
	nvme->count = 0;
	*nvme_reg(nvme, 0x24) = (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1);
	*(volatile uint64_t *)nvme_reg(nvme, 0x28) = nvme->iova;
	*(volatile uint64_t *)nvme_reg(nvme, 0x30) = nvme->iova + NVME_PAGE;
	*nvme_reg(nvme, 0x14) = 4 << 20 | 6 << 16 | 1;
	return nvme_wait(nvme_reg(nvme, 0x1c), 1, 1);
}

static inline int nvme_open(struct nvme *nvme)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct iommu_ioas_map map = {.size = sizeof(map)};
	struct vfio_region_info bar = {.argsz = sizeof(bar)};
	struct vfio_region_info config = {.argsz = sizeof(config)};
	uint16_t command = 6;

	memset(nvme, 0, sizeof(*nvme));
	nvme->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (nvme->iommufd < 0)
		return -errno;
	nvme->dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	if (nvme->dev < 0)
		return -errno;
	nvme->mem = mmap(NULL, 3 * NVME_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	bind.iommufd = nvme->iommufd;
	if (nvme->mem == MAP_FAILED || ioctl(nvme->dev, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(nvme->iommufd, IOMMU_IOAS_ALLOC, &ioas))
		return -errno;
	nvme->ioas = ioas.out_ioas_id;
	attach.pt_id = ioas.out_ioas_id;
	map.ioas_id = ioas.out_ioas_id;
	map.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_FIXED_IOVA;
	map.user_va = (uintptr_t)nvme->mem;
	map.length = 3 * NVME_PAGE;
	map.iova = nvme->iova = NVME_IOVA;
	config.index = VFIO_PCI_CONFIG_REGION_INDEX;
	if (ioctl(nvme->dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ||
	    ioctl(nvme->iommufd, IOMMU_IOAS_MAP, &map) ||
	    ioctl(nvme->dev, VFIO_DEVICE_GET_REGION_INFO, &bar) ||
	    ioctl(nvme->dev, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pwrite(nvme->dev, &command, 2, (off_t)config.offset + 4) != 2)
		return -errno;
	nvme->regs = mmap(NULL, 2 * NVME_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, nvme->dev,
			  (off_t)bar.offset);
	if (nvme->regs == MAP_FAILED)
		return -errno;
	return nvme_enable(nvme);
}

/* Gives an admin command, whose id it sets. 0; *status is what the controller answered. */
static inline int nvme_admin(struct nvme *nvme, const uint32_t command[16], int *status)
{
	unsigned slot = nvme->count % NVME_ENTRIES;
	unsigned phase = !(nvme->count / NVME_ENTRIES % 2);
	uint8_t *entry = nvme->mem + 64 * slot;
	volatile uint32_t *done = (volatile uint32_t *)(nvme->mem + NVME_PAGE + 16 * slot + 12);
	int rc;

	memcpy(entry, command, 64);
	entry[2] = (uint8_t)(slot + 1);
	nvme->count++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*nvme_reg(nvme, 0x1000) = nvme->count % NVME_ENTRIES;
	rc = nvme_wait(done, 1 << 16, phase << 16);
	if (rc)
		return rc;
	/* The head doorbell: the entry may be used again. */
	*nvme_reg(nvme, 0x1004) = nvme->count % NVME_ENTRIES;
	*status = (int)(*done >> 17);
	return 0;
}

/*
 * Maps for DMA, at the same IOVA, what now lies at nvme->mem: until then the device uses the pages
 * that lay there when it was mapped first.
 */
static inline int nvme_remap(struct nvme *nvme)
{
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap)};
	struct iommu_ioas_map map = {.size = sizeof(map)};

	unmap.ioas_id = map.ioas_id = nvme->ioas;
	unmap.iova = map.iova = nvme->iova;
	unmap.length = map.length = 3 * NVME_PAGE;
	map.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_FIXED_IOVA;
	map.user_va = (uintptr_t)nvme->mem;
	if (ioctl(nvme->iommufd, IOMMU_IOAS_UNMAP, &unmap) ||
	    ioctl(nvme->iommufd, IOMMU_IOAS_MAP, &map))
		return -errno;
	return 0;
}

/* Has the identify data sent to an IOVA. */
static inline int nvme_identify_to(struct nvme *nvme, uint64_t target, int *status)
{
	uint32_t command[16] = {6 /* Identify */, [6] = (uint32_t)target,
				[7] = (uint32_t)(target >> 32), [10] = 1 /* the controller */};

	return nvme_admin(nvme, command, status);
}

/* Reads the identify data and says whether it is there: 0; -EIO the controller's status. */
static inline int nvme_identify(struct nvme *nvme)
{
	uint8_t *data = nvme->mem + 2 * NVME_PAGE;
	int status, rc;

	memset(data, 0, NVME_PAGE);
	rc = nvme_identify_to(nvme, nvme->iova + 2 * NVME_PAGE, &status);
	if (rc)
		return rc;
	if (status)
		return -EIO;
	/* The model number is text, padded with spaces. */
	return data[24] > ' ' ? 0 : -ENODATA;
}

#endif
