/* SPDX-License-Identifier: MIT */
/* Every iommufd ioctl: short, unreadable and overlong structs, and numbers that do not exist. */
#include "iommufd.h"

static const struct {
	const char *name;
	unsigned long cmd;
	uint32_t min, size;
} commands[] = {
	{"DESTROY", IOMMU_DESTROY, 8, sizeof(struct iommu_destroy)},
	{"IOAS_ALLOC", IOMMU_IOAS_ALLOC, 12, sizeof(struct iommu_ioas_alloc)},
	{"IOAS_ALLOW_IOVAS", IOMMU_IOAS_ALLOW_IOVAS, 24, sizeof(struct iommu_ioas_allow_iovas)},
	{"IOAS_COPY", IOMMU_IOAS_COPY, 40, sizeof(struct iommu_ioas_copy)},
	{"IOAS_IOVA_RANGES", IOMMU_IOAS_IOVA_RANGES, 32, sizeof(struct iommu_ioas_iova_ranges)},
	{"IOAS_MAP", IOMMU_IOAS_MAP, 40, sizeof(struct iommu_ioas_map)},
	{"IOAS_UNMAP", IOMMU_IOAS_UNMAP, 24, sizeof(struct iommu_ioas_unmap)},
	{"OPTION", IOMMU_OPTION, 24, sizeof(struct iommu_option)},
	{"VFIO_IOAS", IOMMU_VFIO_IOAS, 12, sizeof(struct iommu_vfio_ioas)},
	{"HWPT_ALLOC", IOMMU_HWPT_ALLOC, 24, sizeof(struct iommu_hwpt_alloc)},
	{"GET_HW_INFO", IOMMU_GET_HW_INFO, 32, sizeof(struct iommu_hw_info)},
};

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	uint8_t *page = memory(PAGE);
	uint32_t size;
	char what[80];

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		snprintf(what, sizeof(what), "%s: wild pointer", commands[i].name);
		check(what, call(fd, commands[i].cmd, WILD), -EFAULT);

		memset(page, 0, PAGE);
		size = commands[i].min - 1;
		memcpy(page, &size, sizeof(size));
		snprintf(what, sizeof(what), "%s: one byte short", commands[i].name);
		check(what, call(fd, commands[i].cmd, page), -EINVAL);

		size = 0;
		memcpy(page, &size, sizeof(size));
		snprintf(what, sizeof(what), "%s: size 0", commands[i].name);
		check(what, call(fd, commands[i].cmd, page), -EINVAL);

		size = commands[i].size + 1;
		memcpy(page, &size, sizeof(size));
		page[commands[i].size] = 1;
		snprintf(what, sizeof(what), "%s: a tail that is not zero", commands[i].name);
		check(what, call(fd, commands[i].cmd, page), -E2BIG);

		/* The size is readable, the rest is not: the struct ends past the page. */
		if (commands[i].size > 8) {
			uint8_t *edge = memory(2 * PAGE) + PAGE - 8;

			munmap(edge + 8, PAGE);
			size = commands[i].size;
			memcpy(edge, &size, sizeof(size));
			snprintf(what, sizeof(what), "%s: half unreadable", commands[i].name);
			check(what, call(fd, commands[i].cmd, edge), -EFAULT);
		}
	}

	memset(page, 0, PAGE);
	size = sizeof(struct iommu_ioas_alloc) + 64;
	memcpy(page, &size, sizeof(size));
	check("IOAS_ALLOC: a longer struct with a zero tail", call(fd, IOMMU_IOAS_ALLOC, page), 0);

	size = 64;
	memcpy(page, &size, sizeof(size));
	check("below the range", call(fd, _IO(';', 0x7f), page), -ENOTTY);
	check("above the range", call(fd, _IO(';', 0xdf), page), -ENOTTY);
	check("another type", call(fd, _IO('x', 0x85), page), -ENOTTY);
	check("a direction in the number", call(fd, _IOR(';', 0x85, uint32_t), page), -ENOTTY);
	check("another type, wild pointer", call(fd, _IO('x', 0x85), WILD), -EFAULT);
	return check_done();
}
