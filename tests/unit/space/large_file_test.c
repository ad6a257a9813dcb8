/* SPDX-License-Identifier: MIT */
/*
 * Description: of a file with large pages (hugetlbfs) no part can be given back, so all of it goes
 * when nobody shows any of it. The file here is one of small pages, of which the linker's
 * __wrap_mem_file_page says that they are large: that needs no machine with huge pages.
 */
#include <sys/mman.h>
#include "rig.h"
#include "tests/unit/mapped.h"

#define NR 1024ull /* pages */
#define AT 0x100000ull

uint64_t __wrap_mem_file_page(const struct mem_file *file);
uint64_t __wrap_mem_file_page(const struct mem_file *file)
{
	return NR * PAGE;
}

static void it_goes_as_a_whole_in_the_end(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct mem_file *file;
	iova_t iova = AT;
	long before, all;

	assert_int_equal(ftruncate(fd, (off_t)(NR * PAGE)), 0);
	assert_int_equal(mem_file_open(rig->iommu.files, fd, &file), 0);
	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	before = mapped();
	assert_int_equal(space_map_file(rig->space, mem_self_caller(), file, &iova, 0, NR * PAGE,
					IOAS_MAP_FIXED | RW, NULL),
			 0);
	all = mapped();
	assert_true(!before || all - before >= (long)NR);
	assert_int_equal(space_cut(rig->space, AT + 600 * PAGE - 1, NULL), 0);
	assert_int_equal(rig_unmap(rig, AT, 600 * PAGE, 600 * PAGE), 0);
	assert_true(!before || mapped() - before >= (long)NR);
	assert_int_equal(rig_unmap(rig, AT + 600 * PAGE, 424 * PAGE, 424 * PAGE), 0);
	assert_true(!before || all - mapped() >= 600);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	mem_file_put(file);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_goes_as_a_whole_in_the_end, rig_setup,
						rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
