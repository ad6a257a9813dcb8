/* SPDX-License-Identifier: MIT */
/* Description: a device's DMA meets memory of files: memfds, and dma-bufs that are taken back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/guard.h>
#include <ioas/tlp.h>
#include "dma_world.h"
#include "mem/file.h"
#include "mem/mem.h"
#include "space/space.h"

#define LEN  (8 * PAGE)
#define IOVA 0x10000000ull

static int map(struct mem_file *file, iova_t iova, uint64_t start, uint64_t len, uint32_t flags)
{
	return space_map_file(space, mem_self_caller(), file, &iova, start, len,
			      flags | IOAS_MAP_FIXED, NULL);
}

static struct mem_file *memfd(unsigned flags, char **mine)
{
	int fd = memfd_create("test", MFD_CLOEXEC | flags);
	struct mem_file *file;
	size_t len = flags & MFD_HUGETLB ? 2ul << 20 : LEN;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	*mine = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*mine == MAP_FAILED && flags) {
		close(fd);
		return NULL;
	}
	assert_ptr_not_equal(*mine, MAP_FAILED);
	assert_int_equal(mem_file_open(iommu->files, fd, &file), 0);
	return file;
}

static void the_program_sees_what_a_device_writes_to_its_file(void **arg)
{
	char *mine, buf[3 * PAGE], back[3 * PAGE];
	struct mem_file *file = memfd(0, &mine);

	memset(buf, 0x5a, sizeof(buf));
	assert_int_equal(map(file, IOVA, 2 * PAGE, 4 * PAGE, RW), 0);
	mem_file_put(file); /* the program closes it */
	assert_int_equal(ioas_dma_write(issuer, IOVA + 100, buf, sizeof(buf)), 0);
	assert_memory_equal(mine + 2 * PAGE + 100, buf, sizeof(buf));
	mine[2 * PAGE + 5000] = 1;
	assert_int_equal(ioas_dma_read(issuer, IOVA + 100, back, sizeof(back)), 0);
	assert_int_equal(back[4900], 1);
	/* Nor does it matter that the program's own mapping goes. */
	munmap(mine, LEN);
	assert_int_equal(ioas_dma_read(issuer, IOVA + 5000, back, 1), 0);
	assert_int_equal(back[0], 1);
	assert_int_equal(ioas_space_unmap(space, IOVA, IOVA + 4 * PAGE - 1, NULL, NULL), 0);
	assert_int_equal(ioas_dma_read(issuer, IOVA, back, 1), -EFAULT);
}

static void a_file_mapped_for_reading_is_not_written(void **arg)
{
	char *mine, byte = 7;
	struct mem_file *file = memfd(0, &mine);
	iova_t to = 2 * IOVA;

	assert_int_equal(map(file, IOVA, 0, LEN, IOAS_MAP_READ), 0);
	assert_int_equal(ioas_dma_write(issuer, IOVA, &byte, 1), -EFAULT);
	assert_int_equal(ioas_dma_read(issuer, IOVA, &byte, 1), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(ioas_space_copy(space, &to, space, IOVA, PAGE, RW | IOAS_MAP_FIXED, NULL),
			 -EPERM);
	assert_int_equal(ioas_space_unmap(space, 0, UINT64_MAX, NULL, NULL), 0);
	mem_file_put(file);
	munmap(mine, LEN);
}

static void huge_pages_of_a_file_can_be_mapped_in_parts(void **arg)
{
	char *mine, buf[PAGE];
	struct mem_file *file = memfd(MFD_HUGETLB, &mine);

	if (!file)
		skip();
	memset(buf, 3, sizeof(buf));
	assert_int_equal(map(file, IOVA, 5 * PAGE, 2 * PAGE, RW), 0);
	assert_int_equal(ioas_dma_write(issuer, IOVA + PAGE, buf, PAGE), 0);
	assert_memory_equal(mine + 6 * PAGE, buf, PAGE);
	assert_int_equal(ioas_space_unmap(space, 0, UINT64_MAX, NULL, NULL), 0);
	mem_file_put(file);
	munmap(mine, 2ul << 20);
}

/* A page that was cut off the file is a fault record; the others work on. */
static void truncation_is_a_fault(void **arg)
{
	char *mine, byte = 1;
	struct mem_file *file;
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, LEN), 0);
	assert_int_equal(mem_file_open(iommu->files, fcntl(fd, F_DUPFD_CLOEXEC, 0), &file), 0);
	assert_int_equal(map(file, IOVA, 0, LEN, RW), 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(ioas_dma_write(issuer, IOVA + PAGE, &byte, 1), -EFAULT);
	assert_int_equal(ioas_dma_write(issuer, IOVA, &byte, 1), 0);
	mine = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_int_equal(mine[0], 1);
	munmap(mine, PAGE);
	assert_int_equal(ioas_space_unmap(space, 0, UINT64_MAX, NULL, NULL), 0);
	mem_file_put(file);
	close(fd);
}

static void dma_to_a_revoked_dmabuf_faults(void **arg)
{
	struct mem_file *file;
	char byte = 9, back = 0;

	assert_int_equal(mem_dmabuf_new(iommu->files, LEN, &file), 0);
	assert_int_equal(map(file, IOVA, PAGE, LEN - PAGE, RW), 0);
	assert_int_equal(ioas_dma_write(issuer, IOVA, &byte, 1), 0);
	space_dmabuf_revoke(iommu, file, true);
	assert_int_equal(ioas_dma_write(issuer, IOVA, &byte, 1), -EFAULT);
	assert_int_equal(map(file, 2 * IOVA, 0, LEN, RW), -ENODEV);
	space_dmabuf_revoke(iommu, file, false);
	assert_int_equal(ioas_dma_write(issuer, IOVA, &byte, 1), -EFAULT);
	assert_int_equal(map(file, 2 * IOVA, 0, LEN, RW), 0);
	assert_int_equal(ioas_dma_read(issuer, 2 * IOVA + PAGE, &back, 1), 0);
	assert_int_equal(back, 9);
	assert_int_equal(ioas_space_unmap(space, 0, UINT64_MAX, NULL, NULL), 0);
	mem_file_put(file);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_program_sees_what_a_device_writes_to_its_file),
		TEST(a_file_mapped_for_reading_is_not_written),
		TEST(huge_pages_of_a_file_can_be_mapped_in_parts),
		TEST(truncation_is_a_fault),
		TEST(dma_to_a_revoked_dmabuf_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
