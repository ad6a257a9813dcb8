/* SPDX-License-Identifier: MIT */
/* IOMMU_DESTROY and ids: lowest free first, reused at once; mappings do not keep an IOAS. */
#include "iommufd.h"

int main(void)
{
	struct iommu_ioas_alloc flagged = {.size = sizeof(flagged), .flags = 1};
	int fd = open_or_skip("/dev/iommu"), other;
	uint8_t *mem = memory(PAGE);

	EXPECT(fd, IOMMU_IOAS_ALLOC, &flagged, -EOPNOTSUPP, "unknown flag");
	check("first id", ioas_alloc(fd), 1);
	check("second id", ioas_alloc(fd), 2);
	check("third id", ioas_alloc(fd), 3);
	check("no such id", destroy(fd, 9), -ENOENT);
	check("id 0", destroy(fd, 0), -ENOENT);
	check("second goes", destroy(fd, 2), 0);
	check("twice", destroy(fd, 2), -ENOENT);
	check("lowest free id", ioas_alloc(fd), 2);
	check("map", map_fixed(fd, 2, mem, 0x10000, PAGE), 0);
	check("a mapping does not keep it", destroy(fd, 2), 0);
	check("gone", map_fixed(fd, 2, mem, 0x10000, PAGE), -ENOENT);

	other = open_or_skip("/dev/iommu");
	check("another open has ids of its own", ioas_alloc(other), 1);
	check("and cannot see these", destroy(other, 3), -ENOENT);
	close(other);
	for (int i = 0; i < 5000; i++) {
		struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};

		if (call(fd, IOMMU_IOAS_ALLOC, &cmd)) {
			check("thousands of spaces", i, 5000);
			break;
		}
	}
	check("one of them", destroy(fd, 4321), 0);
	check("is the next id", ioas_alloc(fd), 4321);
	return check_done();
}
