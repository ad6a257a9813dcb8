/* SPDX-License-Identifier: MIT */
/* IOMMU_IOAS_MAP_FILE: memory of memfds and dma-bufs. */
#include "testcmd.h"

#define LEN   (4 * PAGE)
#define FIXED IOMMU_IOAS_MAP_FIXED_IOVA
#define RW    (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

static int fd;

static long map_flags(uint32_t ioas, int file, uint64_t start, uint64_t len, uint64_t iova,
		      uint32_t flags)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.fd = file,
		.start = start,
		.length = len,
		.iova = iova,
	};

	return call(fd, IOMMU_IOAS_MAP_FILE, &cmd);
}

static long map(uint32_t ioas, int file, uint64_t start, uint64_t len, uint64_t iova)
{
	return map_flags(ioas, file, start, len, iova, FIXED | RW);
}

static int memfd(void)
{
	int file = memfd_create("test", MFD_CLOEXEC);

	if (file < 0 || ftruncate(file, LEN)) {
		perror("memfd");
		exit(1);
	}
	return file;
}

static void numbers(uint32_t ioas, int file)
{
	struct iommu_ioas_map_file any = {
		.size = sizeof(any), .flags = RW, .ioas_id = ioas, .fd = file, .length = LEN};

	check("unknown flag", map_flags(ioas, file, 0, LEN, TEST_IOVA, FIXED | RW | 8),
	      -EOPNOTSUPP);
	check("iova of 2^64-1", map(ioas, file, 0, LEN, UINT64_MAX), -EOVERFLOW);
	check("length of 2^64-1", map(ioas, file, 0, UINT64_MAX, TEST_IOVA), -EOVERFLOW);
	check("neither read nor write", map_flags(ioas, file, 0, LEN, TEST_IOVA, FIXED), -EINVAL);
	check("no such ioas", map(99, -1, 0, 0, TEST_IOVA), -ENOENT);
	check("length 0", map(ioas, -1, 0, 0, TEST_IOVA), -EINVAL);
	check("start + length wraps", map(ioas, -1, UINT64_MAX - PAGE + 1, 2 * PAGE, TEST_IOVA),
	      -EOVERFLOW);
	check("no descriptor", map(ioas, -1, 0, LEN, TEST_IOVA), -EBADF);
	check("a closed descriptor", map(ioas, 1000, 0, LEN, TEST_IOVA), -EBADF);
	check("iova chosen", call(fd, IOMMU_IOAS_MAP_FILE, &any), 0);
	check("it is aligned", (long)(any.iova % PAGE), 0);
	check("unmap", unmap(fd, ioas, any.iova, LEN, NULL), 0);
	check("map", map(ioas, file, PAGE, PAGE, TEST_IOVA), 0);
	check("where something is", map(ioas, file, 0, PAGE, TEST_IOVA), -EEXIST);
	check("unmap", unmap(fd, ioas, TEST_IOVA, PAGE, NULL), 0);
}

/* As long as nothing is pinned nobody looks at the file. */
static void without_a_table(int file)
{
	uint32_t ioas = ioas_alloc(fd), test;
	int wrong = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	check("no memory, no table", map(ioas, wrong, 0, PAGE, TEST_IOVA), 0);
	check("attach", attach_new(fd, ioas, NULL), -EINVAL);
	check("unmap", unmap(fd, ioas, TEST_IOVA, PAGE, NULL), 0);
	check("beyond the file, no table", map(ioas, file, PAGE, LEN, TEST_IOVA), 0);
	check("attach", attach_new(fd, ioas, NULL), -EINVAL);
	check("unmap", unmap(fd, ioas, TEST_IOVA, LEN, NULL), 0);
	check("any byte, no table", map(ioas, file, 3, 5, TEST_IOVA + 3), 0);
	check("attach", attach_new(fd, ioas, NULL), -EADDRINUSE);
	check("unmap", unmap(fd, ioas, TEST_IOVA + 3, 5, NULL), 0);
	check("all of it, no table", map(ioas, file, 0, LEN, TEST_IOVA), 0);
	check("attach", attach_new(fd, ioas, &test), 0);
	check("detach", destroy(fd, test), 0);
	check("destroy", destroy(fd, ioas), 0);
	close(wrong);
}

static void with_a_table(int file)
{
	uint32_t ioas = ioas_alloc(fd);
	int wrong = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), ro = -1, gone = memfd();
	char path[40];

	check("a device", attach_new(fd, ioas, NULL), 0);
	numbers(ioas, file);
	check("no memory", map(ioas, wrong, 0, PAGE, TEST_IOVA), -EINVAL);
	check("/dev/iommu", map(ioas, fd, 0, PAGE, TEST_IOVA), -EINVAL);
	check("beyond the file", map(ioas, file, PAGE, LEN, TEST_IOVA), -EINVAL);
	check("outside the aperture", map(ioas, file, 0, LEN, 0), -EINVAL);
	check("a closed file stays", map(ioas, gone, 0, LEN, TEST_IOVA), 0);
	close(gone);
	check("unmap", unmap(fd, ioas, TEST_IOVA, LEN, NULL), 0);
	check("a part", map(ioas, file, PAGE, 2 * PAGE, TEST_IOVA), 0);
	check("the rest", map(ioas, file, 3 * PAGE, PAGE, TEST_IOVA + 2 * PAGE), 0);
	check("a part twice", map(ioas, file, PAGE, PAGE, TEST_IOVA + LEN), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	check("a descriptor for reading", map(ioas, ro, 0, PAGE, TEST_IOVA + 2 * LEN), 0);
	check("a file without bytes", ftruncate(file, 0), 0);
	check("map", map(ioas, file, 0, PAGE, TEST_IOVA + 3 * LEN), -EINVAL);
	close(wrong);
	close(ro);
}

int main(void)
{
	int file = memfd();
	uint32_t ioas;

	fd = open_testcmd_or_skip();
	ioas = ioas_alloc(fd);
	if (map(ioas, file, 0, LEN, TEST_IOVA) == -ENOTTY) {
		puts("SKIP: no IOMMU_IOAS_MAP_FILE before Linux 6.13");
		return EXIT_SKIP;
	}
	check("destroy", destroy(fd, ioas), 0);
	without_a_table(file);
	with_a_table(file);
	return check_done();
}
