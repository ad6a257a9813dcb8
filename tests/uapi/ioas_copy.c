/* SPDX-License-Identifier: MIT */
/* IOMMU_IOAS_COPY: the source may span areas but has no holes; rights can shrink, not grow. */
#include "iommufd.h"

#define RW (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

static int fd;

static long copy(uint32_t dst, uint32_t src, uint32_t flags, uint64_t len, uint64_t dst_iova,
		 uint64_t src_iova)
{
	struct iommu_ioas_copy cmd = {.size = sizeof(cmd),
				      .flags = flags,
				      .dst_ioas_id = dst,
				      .src_ioas_id = src,
				      .length = len,
				      .dst_iova = dst_iova,
				      .src_iova = src_iova};

	return call(fd, IOMMU_IOAS_COPY, &cmd);
}

int main(void)
{
	const uint32_t fixed = RW | IOMMU_IOAS_MAP_FIXED_IOVA;
	struct iommu_ioas_map read_only = {.size = sizeof(read_only),
					   .flags = IOMMU_IOAS_MAP_FIXED_IOVA |
						    IOMMU_IOAS_MAP_READABLE,
					   .length = PAGE,
					   .iova = 0x80000};
	uint8_t *mem = memory(8 * PAGE);
	uint32_t src, dst;

	fd = open_or_skip("/dev/iommu");
	src = ioas_alloc(fd);
	dst = ioas_alloc(fd);
	check("map", map_fixed(fd, src, mem, 0x10000, 2 * PAGE), 0);
	check("its neighbour", map_fixed(fd, src, mem + 2 * PAGE, 0x12000, 2 * PAGE), 0);

	check("unknown flag", copy(dst, src, fixed | 1u << 20, PAGE, 0, 0x10000), -EOPNOTSUPP);
	check("no rights", copy(dst, src, IOMMU_IOAS_MAP_FIXED_IOVA, PAGE, 0, 0x10000), -EINVAL);
	check("no source", copy(dst, 999, fixed, PAGE, 0, 0x10000), -ENOENT);
	check("no destination", copy(999, src, fixed, PAGE, 0, 0x10000), -ENOENT);
	check("length 0", copy(dst, src, fixed, 0, 0, 0x10000), -EINVAL);
	check("source wraps", copy(dst, src, fixed, 2 * PAGE, 0, UINT64_MAX - PAGE + 1),
	      -EOVERFLOW);
	check("a hole before", copy(dst, src, fixed, 2 * PAGE, 0, 0xf000), -ENOENT);
	check("a hole behind", copy(dst, src, fixed, 2 * PAGE, 0, 0x13000), -ENOENT);
	check("over two areas, from inside", copy(dst, src, fixed, 2 * PAGE, 0x50000, 0x11000), 0);
	check("overlap", copy(dst, src, fixed, PAGE, 0x51000, 0x10000), -EEXIST);
	check("into itself", copy(src, src, fixed, PAGE, 0x90000, 0x10000), 0);

	read_only.ioas_id = src;
	read_only.user_va = (uintptr_t)mem + 6 * PAGE;
	EXPECT(fd, IOMMU_IOAS_MAP, &read_only, 0, "read-only");
	check("copy for writing", copy(dst, src, fixed, PAGE, 0x60000, 0x80000), -EPERM);
	check("copy for reading",
	      copy(dst, src, IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE, PAGE, 0x60000,
		   0x80000),
	      0);
	check("the source goes, the copy stays", unmap(fd, src, 0, UINT64_MAX, NULL), 0);
	check("still there", map_fixed(fd, dst, mem, 0x50000, PAGE), -EEXIST);
	return check_done();
}
