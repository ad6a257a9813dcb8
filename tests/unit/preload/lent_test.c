/* SPDX-License-Identifier: MIT */
/* Description: memory that the engine lends is mapped as it is, and the engine hears when it goes.
 */
#include <sys/ioctl.h>
#include "harness.h"

#define PAGE 4096
#define RW   (PROT_READ | PROT_WRITE)

static int iommu;

static unsigned char *map_lent(void *at, size_t pages, uint64_t off)
{
	unsigned char *map = mmap(at, pages * PAGE, RW, MAP_SHARED | (at ? MAP_FIXED : 0), iommu,
				  (off_t)(FAKE_LENT_AT + off));

	assert_true(map != MAP_FAILED);
	return map;
}

static uint64_t mapped(void)
{
	return harness_log()->mapped / PAGE;
}

static void it_is_one_memory(void **state)
{
	uint64_t before;
	unsigned char *a = map_lent(NULL, 2, 0), *b = map_lent(NULL, 1, PAGE);

	before = harness_log()->writes;
	a[PAGE + 5] = 0x55;
	assert_int_equal(b[5], 0x55);
	assert_int_equal(a[5], 0);
	assert_int_equal(harness_log()->writes, before); /* no trap */
	assert_int_equal(mapped(), 3);
	assert_int_equal(munmap(a, 2 * PAGE), 0);
	assert_int_equal(munmap(b, PAGE), 0);
	assert_int_equal(mapped(), 0);
	assert_ptr_equal(mmap(NULL, PAGE, RW, MAP_SHARED, iommu, 0), MAP_FAILED);
	assert_int_equal(errno, ENXIO);
}

static void it_goes_in_parts(void **state)
{
	unsigned char *room = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *map = map_lent(room, 4, 0), *moved;

	map[3 * PAGE] = 7;
	assert_int_equal(munmap(map + PAGE, 1), 0);
	assert_int_equal(mapped(), 3);
	assert_ptr_equal(mmap(map, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), map);
	assert_int_equal(mapped(), 2);
	moved = mremap(map + 2 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       room + 8 * PAGE);
	assert_ptr_equal(moved, room + 8 * PAGE);
	assert_int_equal(mapped(), 2);
	assert_int_equal(moved[PAGE], 7);
	assert_ptr_equal(mremap(moved, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE), MAP_FAILED);
	assert_int_equal(errno, EFAULT);
	assert_ptr_equal(mremap(moved, 2 * PAGE, PAGE, 0), moved);
	assert_int_equal(mapped(), 1);
	assert_int_equal(mprotect(moved, PAGE, PROT_READ), 0);
	assert_int_equal(moved[0], 0);
	map_lent(moved, 1, PAGE); /* over itself */
	assert_int_equal(mapped(), 1);
	assert_int_equal(munmap(room, 16 * PAGE), 0);
	assert_int_equal(mapped(), 0);
}

static unsigned char *kept;

/* A child's copy of the engine is not its own: nothing is told to it. */
static int unmap_in_the_child(void)
{
	check(kept[0] == 9);
	check(munmap(kept, PAGE) == 0);
	check(harness_log()->mapped == PAGE);
	return 0;
}

static void a_child_unmaps_its_own(void **state)
{
	uint64_t closes = harness_log()->closes;
	int fd = iommu;

	kept = map_lent(NULL, 1, 0);
	kept[0] = 9;
	harness_child(unmap_in_the_child);
	assert_int_equal(mapped(), 1);
	close(fd);
	assert_int_equal(kept[0], 9);
	assert_int_equal(harness_log()->closes, closes); /* the mapping keeps the file open */
	munmap(kept, PAGE);
	assert_int_equal(mapped(), 0);
	assert_int_equal(harness_log()->closes, closes + 1);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_one_memory),
		cmocka_unit_test(it_goes_in_parts),
		cmocka_unit_test(a_child_unmaps_its_own),
	};

	iommu = open("/dev/iommu", O_RDWR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argv, "device fake\n", run);
}
