/* SPDX-License-Identifier: MIT */
/* VFIO's type1 ioctls on /dev/iommu: a group in an iommufd context, and where it differs. */
#include <stddef.h>
#include "iommufd.h"
#include "vfio.h"

static int iommufd, group;
static uint8_t *mem;

static long dma_map(uint64_t iova, void *va, uint64_t len, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = len,
	};

	return call(iommufd, VFIO_IOMMU_MAP_DMA, &cmd);
}

static long dma_unmap(uint64_t iova, uint64_t len, uint32_t flags, uint64_t *done)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd), .flags = flags, .iova = iova, .size = len};
	long rc = call(iommufd, VFIO_IOMMU_UNMAP_DMA, &cmd);

	*done = cmd.size;
	return rc;
}

static void before_the_group(void)
{
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};
	uint64_t done;

	EXPECT(iommufd, VFIO_GET_API_VERSION, NULL, 0, "version");
	EXPECT(iommufd, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1_IOMMU, 1, "TYPE1");
	EXPECT(iommufd, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1v2_IOMMU, 1, "TYPE1v2");
	EXPECT(iommufd, VFIO_CHECK_EXTENSION, (void *)VFIO_UNMAP_ALL, 1, "UNMAP_ALL");
	EXPECT(iommufd, VFIO_CHECK_EXTENSION, (void *)VFIO_UPDATE_VADDR, 0, "UPDATE_VADDR");
	EXPECT(iommufd, VFIO_CHECK_EXTENSION, (void *)VFIO_DMA_CC_IOMMU, -ENODEV, "DMA_CC");
	EXPECT(iommufd, VFIO_SET_IOMMU, (void *)99, -EINVAL, "no such type");
	EXPECT(iommufd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU, -ENODEV, "no IOAS");
	EXPECT(iommufd, VFIO_IOMMU_GET_INFO, &info, -ENODEV, "no IOAS");
	check("map without an IOAS", dma_map(0, mem, PAGE, 3), -ENODEV);
	check("map that wraps, without an IOAS", dma_map(-PAGE, mem, 2 * PAGE, 3), -ENODEV);
	check("map with an unknown flag", dma_map(0, mem, PAGE, 8), -EINVAL);
	check("unmap without an IOAS", dma_unmap(0, PAGE, 0, &done), -ENODEV);
	check("unmap with an unknown flag", dma_unmap(0, PAGE, 8, &done), -EINVAL);
	EXPECT(iommufd, VFIO_IOMMU_DIRTY_PAGES, &info, -ENOTTY, "not on an iommufd");
}

static void info(void)
{
	union {
		struct vfio_iommu_type1_info info;
		uint8_t bytes[512];
	} all = {.info.argsz = sizeof(struct vfio_iommu_type1_info)};
	const struct vfio_info_cap_header *cap;
	uint32_t total;

	EXPECT(iommufd, VFIO_IOMMU_GET_INFO, &all, 0, "how long");
	total = all.info.argsz;
	check("no capability without room", all.info.cap_offset, 0);
	all.info.argsz = sizeof(all);
	EXPECT(iommufd, VFIO_IOMMU_GET_INFO, &all, 0, "all");
	check("argsz is the true length", all.info.argsz, total);
	check("flags", all.info.flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
	check("the first capability", all.info.cap_offset, sizeof(all.info));
	cap = (void *)&all.bytes[all.info.cap_offset];
	check("is the entries left", cap->id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	cap = (void *)&all.bytes[cap->next];
	check("then the ranges", cap->id, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	check("then nothing", cap->next, 0);
	all.info.argsz = 15;
	EXPECT(iommufd, VFIO_IOMMU_GET_INFO, &all, -EINVAL, "short");
}

static void maps(void)
{
	uint64_t done;

	check("map", dma_map(0x10000, mem, 2 * PAGE, 3), 0);
	check("map again", dma_map(0x11000, mem, PAGE, 3), -EEXIST);
	check("map nothing", dma_map(0x40000, mem, 0, 3), -EINVAL);
	check("map that wraps", dma_map(-PAGE, mem, 2 * PAGE, 3), -EOVERFLOW);
	check("map memory that is not there", dma_map(0x40000, (void *)PAGE, PAGE, 3), -EFAULT);
	check("map without permission", dma_map(0x40000, mem, PAGE, 0), -EINVAL);
	check("map read-only", dma_map(0x40000, mem, PAGE, VFIO_DMA_MAP_FLAG_READ), 0);
	check("misaligned", dma_map(0x50001, mem, PAGE, 3), -EINVAL);
	check("the interrupt window", dma_map(0xfee00000, mem, PAGE, 3), -EINVAL);
	check("unmap a part", dma_unmap(0x10000, PAGE, 0, &done), -ENOENT);
	check("its size", (long)done, 0);
	check("unmap a hole", dma_unmap(0x20000, PAGE, 0, &done), 0);
	check("its size", (long)done, 0);
	check("unmap nothing", dma_unmap(0x10000, 0, 0, &done), -EINVAL);
	check("unmap that wraps", dma_unmap(-PAGE, 2 * PAGE, 0, &done), -EOVERFLOW);
	check("its size", (long)done, 0);
	check("unmap misaligned", dma_unmap(0x10001, PAGE, 0, &done), -ENOENT);
	check("unmap ALL of a range", dma_unmap(0, PAGE, VFIO_DMA_UNMAP_FLAG_ALL, &done), -EINVAL);
	check("its size stays", (long)done, PAGE);
	check("unmap", dma_unmap(0x10000, 2 * PAGE, 0, &done), 0);
	check("its size", (long)done, 2 * PAGE);
	check("unmap ALL", dma_unmap(0, 0, VFIO_DMA_UNMAP_FLAG_ALL, &done), 0);
	check("its size", (long)done, PAGE);
}

/* With TYPE1 any page can be unmapped. */
static void cuts(void)
{
	uint64_t done;

	EXPECT(iommufd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU, 0, "TYPE1");
	check("map four pages", dma_map(0x10000, mem, 4 * PAGE, 3), 0);
	check("unmap the second", dma_unmap(0x11000, PAGE, 0, &done), 0);
	check("its size", (long)done, PAGE);
	check("unmap it again", dma_unmap(0x11000, PAGE, 0, &done), 0);
	check("its size", (long)done, 0);
	check("map there", dma_map(0x11000, mem, PAGE, 3), 0);
	check("unmap half a page", dma_unmap(0x13000, PAGE / 2, 0, &done), -EINVAL);
	check("its size stays", (long)done, PAGE / 2);
	check("unmap from half a page", dma_unmap(0x13800, PAGE / 2, 0, &done), -EINVAL);
	check("unmap the middle", dma_unmap(0x11000, 2 * PAGE, 0, &done), 0);
	check("its size", (long)done, 2 * PAGE);
	check("unmap the rest", dma_unmap(0, 0x20000, 0, &done), 0);
	check("its size", (long)done, 2 * PAGE);
	check("map for TYPE1", dma_map(0x10000, mem, PAGE, 3), 0);
	EXPECT(iommufd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU, 0, "TYPE1v2 at any time");
	EXPECT(iommufd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU, 0,
	       "TYPE1 again: leaves are small for good");
}

int main(void)
{
	struct iommu_vfio_ioas ioas = {.size = sizeof(ioas)};
	char bdf[16];
	int32_t fd;
	long device;

	mem = memory(4 * PAGE);
	group = open_group(bdf, sizeof(bdf));
	iommufd = fd = open_or_skip("/dev/iommu");
	before_the_group();
	EXPECT(group, VFIO_GROUP_SET_CONTAINER, &fd, 0, "an iommufd");
	EXPECT(iommufd, IOMMU_VFIO_IOAS, &ioas, 0, "made by that");
	check("its id", ioas.ioas_id, 1);
	EXPECT(iommufd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU, 0, "TYPE1v2");
	EXPECT(iommufd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU, 0, "again");
	device = call(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	check("the device", device > 0, 1);
	/* Hardware may or may not enforce coherency. */
	check("DMA_CC", call(iommufd, VFIO_CHECK_EXTENSION, (void *)VFIO_DMA_CC_IOMMU) >= 0, 1);
	info();
	maps();
	cuts();
	close((int)device);
	close(group);
	return check_done();
}
