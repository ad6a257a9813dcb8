/* SPDX-License-Identifier: MIT */
/* VFIO group and container with the legacy type1 rules, versions 1 and 2. */
#include <stdbool.h>
#include <stddef.h>
#include "vfio.h"

static int container, group, device;
static uint8_t *mem;

static long map(uint64_t iova, uint64_t len, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map cmd = {.argsz = sizeof(cmd),
					       .flags = flags,
					       .vaddr = (uintptr_t)mem,
					       .iova = iova,
					       .size = len};

	return call(container, VFIO_IOMMU_MAP_DMA, &cmd);
}

/* Returns the bytes unmapped, or -errno. */
static long unmap(uint64_t iova, uint64_t len, uint32_t flags)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd), .flags = flags, .iova = iova, .size = len};
	long rc = call(container, VFIO_IOMMU_UNMAP_DMA, &cmd);

	return rc ? rc : (long)cmd.size;
}

static void before_the_container_is_set(const char *bdf)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	int file = open("/dev/null", O_RDWR);

	EXPECT(container, VFIO_GET_API_VERSION, NULL, 0, "version");
	check("type1", call(container, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1_IOMMU), 1);
	check("type1 v2", call(container, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1v2_IOMMU), 1);
	check("sPAPR", call(container, VFIO_CHECK_EXTENSION, (void *)VFIO_SPAPR_TCE_IOMMU), 0);
	check("set an IOMMU without a group",
	      call(container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), -EINVAL);
	check("map without an IOMMU", map(0, PAGE, VFIO_DMA_MAP_FLAG_READ), -EINVAL);

	EXPECT(group, VFIO_GROUP_GET_STATUS, &status, 0, "status");
	check("viable, no container", status.flags, VFIO_GROUP_FLAGS_VIABLE);
	status.argsz = 4;
	EXPECT(group, VFIO_GROUP_GET_STATUS, &status, -EINVAL, "short");
	EXPECT(group, VFIO_GROUP_GET_STATUS, WILD, -EFAULT, "wild pointer");
	check("a device without a container",
	      call(group, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)bdf), -EINVAL);
	EXPECT(group, VFIO_GROUP_UNSET_CONTAINER, NULL, -EINVAL, "none");
	EXPECT(group, VFIO_GROUP_SET_CONTAINER, WILD, -EFAULT, "wild pointer");
	EXPECT(group, VFIO_GROUP_SET_CONTAINER, &file, -EBADFD, "not a container");
	close(file);
}

static void setting_up(const char *bdf)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};

	EXPECT(group, VFIO_GROUP_SET_CONTAINER, &container, 0, "first");
	EXPECT(group, VFIO_GROUP_SET_CONTAINER, &container, -EINVAL, "again");
	EXPECT(group, VFIO_GROUP_GET_STATUS, &status, 0, "with a container");
	check("says so", status.flags, VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET);
	check("a device before the IOMMU",
	      call(group, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)bdf), -EINVAL);
	check("an IOMMU that is not there",
	      call(container, VFIO_SET_IOMMU, (void *)VFIO_SPAPR_TCE_IOMMU) < 0, 1);
}

static void information(void)
{
	struct {
		struct vfio_iommu_type1_info info;
		uint8_t caps[512];
	} cmd = {.info.argsz = offsetof(struct vfio_iommu_type1_info, iova_pgsizes)};
	struct vfio_info_cap_header *cap;
	uint32_t at, seen = 0;

	EXPECT(container, VFIO_IOMMU_GET_INFO, WILD, -EFAULT, "wild pointer");
	EXPECT(container, VFIO_IOMMU_GET_INFO, &cmd.info, -EINVAL, "short");
	cmd.info.argsz = sizeof(cmd.info);
	memset(cmd.caps, 0xee, sizeof(cmd.caps));
	EXPECT(container, VFIO_IOMMU_GET_INFO, &cmd.info, 0, "without room for capabilities");
	check("says how much it takes", cmd.info.argsz > sizeof(cmd.info), 1);
	check("writes nothing past argsz", cmd.caps[0], 0xee);
	check("4 KiB pages", (long)(cmd.info.iova_pgsizes & PAGE), PAGE);
	cmd.info.argsz = sizeof(cmd);
	EXPECT(container, VFIO_IOMMU_GET_INFO, &cmd.info, 0, "with room");
	for (at = cmd.info.cap_offset; at; at = cap->next) {
		cap = (void *)((uint8_t *)&cmd + at);
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			seen |= 1;
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL)
			seen |= 2;
	}
	check("ranges and room", seen, 3);
}

static void mapping(bool v2)
{
	const uint32_t rw = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
	uint8_t *hole = memory(2 * PAGE);
	struct vfio_iommu_type1_dma_map cmd = {.argsz = sizeof(cmd) - 1};

	EXPECT(container, VFIO_IOMMU_MAP_DMA, WILD, -EFAULT, "wild pointer");
	EXPECT(container, VFIO_IOMMU_MAP_DMA, &cmd, -EINVAL, "short");
	check("unknown flag", map(0x10000, PAGE, 1u << 20), -EINVAL);
	check("neither readable nor writable", map(0x10000, PAGE, 0), -EINVAL);
	check("length 0", map(0x10000, 0, rw), -EINVAL);
	check("misaligned", map(0x10010, PAGE, rw), -EINVAL);
	check("beyond the width", map(1ull << 60, PAGE, rw), -EINVAL);
	check("into the MSI window", map(0xfee00000, PAGE, rw), -EINVAL);
	check("map", map(0x10000, 2 * PAGE, rw), 0);
	check("map again", map(0x11000, 2 * PAGE, rw), -EEXIST);
	check("its neighbour", map(0x12000, 2 * PAGE, rw), 0);
	munmap(hole, PAGE);
	cmd = (struct vfio_iommu_type1_dma_map){.argsz = sizeof(cmd),
						.flags = rw,
						.vaddr = (uintptr_t)hole,
						.iova = 0x50000,
						.size = PAGE};
	EXPECT(container, VFIO_IOMMU_MAP_DMA, &cmd, -EFAULT, "memory that is not there");

	check("unmap: unknown flag", unmap(0, PAGE, 1u << 20), -EINVAL);
	check("unmap: nothing there", unmap(0x100000, PAGE, 0), 0);
	if (v2) {
		check("v2 cuts no head", unmap(0x11000, PAGE, 0), -EINVAL);
		check("v2 cuts no tail", unmap(0x10000, PAGE, 0), -EINVAL);
		check("both, with a hole behind", unmap(0x10000, 16 * PAGE, 0), 4 * PAGE);
	} else {
		check("v1 from the middle: nothing", unmap(0x11000, PAGE, 0), 0);
		check("v1 from its first page: all of it", unmap(0x10000, PAGE, 0), 2 * PAGE);
		check("the neighbour", unmap(0x12000, 2 * PAGE, 0), 2 * PAGE);
	}
	check("all, with a range", unmap(0x1000, PAGE, VFIO_DMA_UNMAP_FLAG_ALL), -EINVAL);
	check("map", map(0x10000, PAGE, rw), 0);
	check("map", map(1ull << 39, PAGE, rw), 0);
	check("all", unmap(0, 0, VFIO_DMA_UNMAP_FLAG_ALL), 2 * PAGE);
}

static void device_and_closing(const char *bdf)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	char cdev[] = "/dev/vfio/devices/vfio0";

	check("no such device", call(group, VFIO_GROUP_GET_DEVICE_FD, (void *)"0000:7f:00.0"),
	      -ENODEV);
	EXPECT(group, VFIO_GROUP_GET_DEVICE_FD, WILD, -EFAULT, "wild pointer");
	device = (int)call(group, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)bdf);
	check("a descriptor", device >= 0, 1);
	EXPECT(device, VFIO_DEVICE_GET_INFO, &info, 0, "through the group");
	EXPECT(group, VFIO_GROUP_UNSET_CONTAINER, NULL, -EBUSY, "with a device open");
	check("no BIND on a group's device", call(device, _IO(';', 100 + 18), &info) < 0, 1);
	if (!access(cdev, F_OK)) {
		int other = open(cdev, O_RDWR);
		struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = 0};

		check("its cdev is busy",
		      other < 0 || call(other, VFIO_DEVICE_BIND_IOMMUFD, &bind) < 0, 1);
		if (other >= 0)
			close(other);
	}
	close(device);
}

static void run(uint32_t type)
{
	char bdf[64], link[64], path[PATH_MAX];
	ssize_t n;
	int again;

	container = open_or_skip("/dev/vfio/vfio");
	group = open_group(bdf, sizeof(bdf));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", group);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	again = open(path, O_RDWR);
	check("a group opens once", again < 0 ? -errno : 0, -EBUSY);

	before_the_container_is_set(bdf);
	setting_up(bdf);
	check("set the IOMMU", call(container, VFIO_SET_IOMMU, (void *)(uintptr_t)type), 0);
	information();
	mapping(type == VFIO_TYPE1v2_IOMMU);
	device_and_closing(bdf);
	EXPECT(group, VFIO_GROUP_UNSET_CONTAINER, NULL, 0, "with no device open");
	close(group);
	close(container);
}

int main(void)
{
	mem = memory(4 * PAGE);
	run(VFIO_TYPE1_IOMMU);
	run(VFIO_TYPE1v2_IOMMU);
	return check_done();
}
