/* SPDX-License-Identifier: MIT */
/* IOMMU_IOAS_IOVA_RANGES and IOMMU_IOAS_ALLOW_IOVAS without a device. */
#include "iommufd.h"

static void ranges(int fd, uint32_t ioas)
{
	struct iommu_iova_range out[4] = {{0}};
	struct iommu_ioas_iova_ranges cmd = {.size = sizeof(cmd), .ioas_id = ioas};

	EXPECT(fd, IOMMU_IOAS_IOVA_RANGES, &cmd, -EMSGSIZE, "how many");
	check("one", cmd.num_iovas, 1);
	check("alignment", (long)cmd.out_iova_alignment, 1);
	cmd.num_iovas = 4;
	cmd.allowed_iovas = (uintptr_t)out;
	EXPECT(fd, IOMMU_IOAS_IOVA_RANGES, &cmd, 0, "room to spare");
	check("one", cmd.num_iovas, 1);
	check("from 0", (long)out[0].start, 0);
	check("to the end", out[0].last == UINT64_MAX, 1);
	cmd.allowed_iovas = (uintptr_t)WILD;
	EXPECT(fd, IOMMU_IOAS_IOVA_RANGES, &cmd, -EFAULT, "wild array");
	cmd.ioas_id = 999;
	EXPECT(fd, IOMMU_IOAS_IOVA_RANGES, &cmd, -ENOENT, "no such ioas");
	cmd.ioas_id = ioas;
	cmd.__reserved = 1;
	EXPECT(fd, IOMMU_IOAS_IOVA_RANGES, &cmd, -EOPNOTSUPP, "reserved field");
}

static void allow(int fd, uint32_t ioas)
{
	struct iommu_iova_range in[2] = {{0x10000, 0x1ffff}, {0x30000, 0x3ffff}};
	struct iommu_ioas_allow_iovas cmd = {.size = sizeof(cmd),
					     .ioas_id = ioas,
					     .num_iovas = 2,
					     .allowed_iovas = (uintptr_t)in};

	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd, 0, "two");
	in[1].start = 0x18000;
	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd, -EINVAL, "overlapping each other");
	in[1].start = in[1].last;
	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd, -EINVAL, "one byte");
	in[1].start = 0x50000;
	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd, -EINVAL, "backwards");
	cmd.allowed_iovas = (uintptr_t)WILD;
	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd, -EFAULT, "wild array");
	cmd.__reserved = 1;
	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd, -EOPNOTSUPP, "reserved field");
	cmd.__reserved = 0;
	cmd.ioas_id = 999;
	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd, -ENOENT, "no such ioas");
	cmd.ioas_id = ioas;
	cmd.num_iovas = 0;
	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd, 0, "none clears");
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	uint32_t ioas = ioas_alloc(fd);

	ranges(fd, ioas);
	allow(fd, ioas);
	return check_done();
}
