/* SPDX-License-Identifier: MIT */
/* IOMMU_IOAS_MAP: its refusals in the order they are checked, and chosen addresses. */
#include "iommufd.h"

#define RW	 (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED_RW (RW | IOMMU_IOAS_MAP_FIXED_IOVA)

static int fd;
static uint32_t ioas;
static uint8_t *mem;

static long map(uint32_t flags, uint32_t id, uint64_t va, uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map cmd = {.size = sizeof(cmd),
				     .flags = flags,
				     .ioas_id = id,
				     .user_va = va,
				     .length = len,
				     .iova = iova};

	return call(fd, IOMMU_IOAS_MAP, &cmd);
}

static void refusals(void)
{
	uint64_t va = (uintptr_t)mem;
	struct iommu_ioas_map cmd = {.size = sizeof(cmd), .flags = FIXED_RW, .__reserved = 1};

	check("unknown flag", map(FIXED_RW | 1u << 20, 0, 0, 0, 0), -EOPNOTSUPP);
	check("reserved field", call(fd, IOMMU_IOAS_MAP, &cmd), -EOPNOTSUPP);
	check("iova of all ones", map(FIXED_RW, 0, va, PAGE, UINT64_MAX), -EOVERFLOW);
	check("length of all ones", map(FIXED_RW, 0, va, UINT64_MAX, 0), -EOVERFLOW);
	check("neither readable nor writable", map(IOMMU_IOAS_MAP_FIXED_IOVA, 0, va, PAGE, 0),
	      -EINVAL);
	check("no such ioas", map(FIXED_RW, 999, va, PAGE, 0), -ENOENT);
	check("va wraps", map(FIXED_RW, ioas, UINT64_MAX - PAGE + 1, 2 * PAGE, 0), -EOVERFLOW);
	check("length 0", map(FIXED_RW, ioas, va, 0, 0x10000), -EINVAL);
	check("iova wraps", map(FIXED_RW, ioas, va, 2 * PAGE, UINT64_MAX - PAGE + 1), -EOVERFLOW);
}

static void overlaps(void)
{
	check("first", map_fixed(fd, ioas, mem, 0x100000, 4 * PAGE), 0);
	check("same again", map_fixed(fd, ioas, mem, 0x100000, 4 * PAGE), -EEXIST);
	check("tail over its head", map_fixed(fd, ioas, mem, 0xff000, 2 * PAGE), -EEXIST);
	check("head over its tail", map_fixed(fd, ioas, mem, 0x103000, 2 * PAGE), -EEXIST);
	check("inside", map_fixed(fd, ioas, mem, 0x101000, PAGE), -EEXIST);
	check("around", map_fixed(fd, ioas, mem, 0xff000, 8 * PAGE), -EEXIST);
	check("right before", map_fixed(fd, ioas, mem, 0xff000, PAGE), 0);
	check("right behind", map_fixed(fd, ioas, mem, 0x104000, PAGE), 0);
	check("iova 0", map_fixed(fd, ioas, mem, 0, PAGE), 0);
	check("no domain: memory that is not there maps",
	      map(FIXED_RW, ioas, 1ull << 31, PAGE, 0x200000), 0);
}

static void chosen_addresses(void)
{
	uint32_t other = ioas_alloc(fd);
	uint64_t first, second, third;

	check("chosen", map_any(fd, other, mem, PAGE, &first), 0);
	check("the lowest page but 0", (long)first, 0x1000);
	check("chosen again", map_any(fd, other, mem, PAGE, &second), 0);
	check("the next", (long)second, 0x2000);
	check("the first goes", unmap(fd, other, first, PAGE, NULL), 0);
	check("chosen once more", map_any(fd, other, mem, PAGE, &third), 0);
	check("lowest fit first", (long)third, 0x1000);
	check("too long for any room", map(RW, other, 0, 1ull << 63, 0), -EOVERFLOW);
}

static void allowed_only(void)
{
	uint32_t other = ioas_alloc(fd);
	struct iommu_iova_range range = {.start = 0x40000000, .last = 0x40001fff};
	struct iommu_ioas_allow_iovas allow = {.size = sizeof(allow),
					       .ioas_id = other,
					       .num_iovas = 1,
					       .allowed_iovas = (uintptr_t)&range};
	uint64_t iova;

	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &allow, 0, "one range of two pages");
	check("first page", map_any(fd, other, mem, PAGE, &iova), 0);
	check("inside", (long)iova, 0x40000000);
	check("second page", map_any(fd, other, mem, PAGE, &iova), 0);
	check("inside", (long)iova, 0x40001000);
	check("full", map_any(fd, other, mem, PAGE, &iova), -ENOSPC);
	check("fixed ignores it", map_fixed(fd, other, mem, 0x10000, PAGE), 0);
}

int main(void)
{
	fd = open_or_skip("/dev/iommu");
	ioas = ioas_alloc(fd);
	mem = memory(16 * PAGE);
	refusals();
	overlaps();
	chosen_addresses();
	allowed_only();
	return check_done();
}
