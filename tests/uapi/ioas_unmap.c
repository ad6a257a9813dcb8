/* SPDX-License-Identifier: MIT */
/* IOMMU_IOAS_UNMAP: whole areas only, what stays when a range cuts one, and everything at once. */
#include "iommufd.h"

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	uint32_t ioas = ioas_alloc(fd);
	uint8_t *mem = memory(16 * PAGE);
	uint64_t done;

	check("empty: all", unmap(fd, ioas, 0, UINT64_MAX, &done), 0);
	check("bytes", (long)done, 0);
	check("empty: a range", unmap(fd, ioas, 0x10000, PAGE, NULL), -ENOENT);
	check("no such ioas", unmap(fd, 999, 0x10000, PAGE, NULL), -ENOENT);
	check("length 0", unmap(fd, ioas, 0x10000, 0, NULL), -EINVAL);
	check("wraps", unmap(fd, ioas, UINT64_MAX - PAGE + 1, 2 * PAGE, NULL), -EOVERFLOW);

	for (int i = 0; i < 4; i++)
		check("map", map_fixed(fd, ioas, mem, 0x10000 + i * 4 * PAGE, 2 * PAGE), 0);
	check("cuts its head", unmap(fd, ioas, 0x10000, PAGE, NULL), -ENOENT);
	check("cuts its tail", unmap(fd, ioas, 0x11000, PAGE, NULL), -ENOENT);
	check("still mapped", map_fixed(fd, ioas, mem, 0x10000, PAGE), -EEXIST);
	check("an area and a gap", unmap(fd, ioas, 0x10000, 4 * PAGE, &done), 0);
	check("bytes", (long)done, 2 * PAGE);
	check("cuts the second", unmap(fd, ioas, 0x14000, 5 * PAGE, NULL), -ENOENT);
	check("the first of the two went", map_fixed(fd, ioas, mem, 0x14000, 2 * PAGE), 0);
	check("the second stayed", map_fixed(fd, ioas, mem, 0x18000, PAGE), -EEXIST);
	check("all", unmap(fd, ioas, 0, UINT64_MAX, &done), 0);
	check("bytes", (long)done, 6 * PAGE);
	check("free again", map_fixed(fd, ioas, mem, 0x18000, PAGE), 0);
	return check_done();
}
