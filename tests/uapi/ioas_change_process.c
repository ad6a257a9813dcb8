/* SPDX-License-Identifier: MIT */
/* IOMMU_IOAS_CHANGE_PROCESS: who may, and what must be mapped. */
#include "testcmd.h"

static int fd;

static long change(uint32_t reserved)
{
	struct iommu_ioas_change_process cmd = {.size = sizeof(cmd), .__reserved = reserved};

	return call(fd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

static long map_file(uint32_t ioas, int file, uint64_t iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.fd = file,
		.length = PAGE,
		.iova = iova,
	};

	return call(fd, IOMMU_IOAS_MAP_FILE, &cmd);
}

int main(void)
{
	int file = memfd_create("test", MFD_CLOEXEC);
	uint8_t *mem = memory(PAGE);
	uint32_t ioas, other;

	fd = open_testcmd_or_skip();
	if (change(0) == -ENOTTY) {
		puts("SKIP: no IOMMU_IOAS_CHANGE_PROCESS before Linux 6.14");
		return EXIT_SKIP;
	}
	check("a file of a page", ftruncate(file, PAGE), 0);
	check("reserved field", change(1), -EOPNOTSUPP);
	check("nothing there", change(0), 0);
	ioas = ioas_alloc(fd);
	other = ioas_alloc(fd);
	check("empty spaces", change(0), 0);
	check("map memory", map_fixed(fd, other, mem, TEST_IOVA, PAGE), 0);
	check("with memory, not pinned", change(0), -EINVAL);
	check("unmap", unmap(fd, other, TEST_IOVA, PAGE, NULL), 0);
	check("map a file", map_file(ioas, file, TEST_IOVA), 0);
	check("with a file, not pinned", change(0), 0);
	check("a device", attach_new(fd, ioas, NULL), 0);
	check("with a file, pinned", change(0), 0);
	check("map memory beside it", map_fixed(fd, ioas, mem, TEST_IOVA + PAGE, PAGE), 0);
	check("with both", change(0), -EINVAL);
	check("unmap", unmap(fd, ioas, TEST_IOVA + PAGE, PAGE, NULL), 0);
	check("with the file again", change(0), 0);
	return check_done();
}
