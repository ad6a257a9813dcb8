/* SPDX-License-Identifier: MIT */
/*
 * Description: accesses of real memory: copying with and without pins, pins that keep their pages
 * when the program gives them up, in whatever order page tables come and go, and UNMAP, which asks
 * accesses to let go.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/access.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/file.h"
#include "mem/mem.h"
#include "mem/same.h"
#include "space/space.h"
#include "tlp/tlp.h"

#define PAGE  4096ull
#define PAGES 16
#define BASE  0x100000ull
#define RW    (IOAS_MAP_READ | IOAS_MAP_WRITE)

struct rig {
	struct ioas_iommu *iommu;
	struct ioas_space *space;
	struct ioas_access *access;
	struct ioas_access_pin *pin; /* given up when the program unmaps it */
	unsigned calls;
	char *mem;
};

static void told(void *arg, iova_t first, iova_t last)
{
	struct rig *rig = arg;

	rig->calls++;
	if (!rig->pin || ioas_access_pin_iova(rig->pin) > last ||
	    ioas_access_pin_iova(rig->pin) + ioas_access_pin_len(rig->pin) <= first)
		return;
	ioas_access_unpin(rig->pin);
	rig->pin = NULL;
}

static const struct ioas_access_ops ops = {.unmap = told};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_int_equal(ioas_iommu_new(NULL, &rig->iommu), 0);
	assert_int_equal(ioas_space_new(rig->iommu, &rig->space), 0);
	assert_int_equal(ioas_access_new(rig->iommu, &ops, rig, IOAS_ACCESS_PINS, &rig->access), 0);
	rig->mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	for (int i = 0; i < PAGES; i++)
		memset(rig->mem + i * PAGE, 'a' + i, PAGE);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	ioas_access_destroy(rig->access);
	ioas_space_put(rig->space);
	munmap(rig->mem, PAGES * PAGE);
	ioas_iommu_destroy(rig->iommu);
	free(rig);
	return 0;
}

static void map(struct rig *rig, iova_t iova, void *at, uint64_t len, uint32_t prot)
{
	assert_int_equal(ioas_space_map(rig->space, NULL, &iova, (uintptr_t)at, len,
					prot | IOAS_MAP_FIXED, NULL),
			 0);
}

static void attach(struct rig *rig)
{
	assert_int_equal(ioas_access_attach(rig->access, rig->space, NULL), 0);
}

static struct pt *domain(struct rig *rig)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 40};
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	return pt;
}

static void domain_end(struct rig *rig, struct pt *pt)
{
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

static int pin(struct rig *rig, iova_t iova, uint64_t len)
{
	return ioas_access_pin(rig->access, iova, len, IOAS_ACCESS_WRITE, &rig->pin, NULL);
}

static int rw(struct rig *rig, iova_t iova, void *buf, size_t len, uint32_t flags)
{
	return ioas_access_rw(rig->access, iova, buf, len, flags, NULL);
}

static char byte_at(struct rig *rig, iova_t iova)
{
	char byte = 0;

	assert_int_equal(rw(rig, iova, &byte, 1, 0), 0);
	return byte;
}

static char device_byte_at(struct rig *rig, struct pt *pt, iova_t iova)
{
	void *host;

	assert_int_equal(tlp_host_at(rig->iommu, pt, iova, &host), 0);
	return *(char *)host;
}

static unsigned pins(struct rig *rig, unsigned page)
{
	struct mem_shared none = {NULL};
	unsigned nr;

	assert_int_equal(pins_count(mem_map_pins(rig->iommu->mem), &none,
				    (uintptr_t)rig->mem + page * PAGE, &nr),
			 0);
	return nr;
}

static long do_remap(void *arg, uint64_t *to)
{
	struct ioas_memory_range *range = arg;
	void *got = mmap((void *)range->start, range->end - range->start, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	assert_ptr_not_equal(got, MAP_FAILED);
	memset(got, '-', range->end - range->start);
	return 0;
}

/* The program puts other memory in the place of some pages. */
static void give_up(struct rig *rig, unsigned page, unsigned nr)
{
	struct ioas_memory_change change = {.call = do_remap};

	change.gone[0].start = (uintptr_t)rig->mem + page * PAGE;
	change.gone[0].end = change.gone[0].start + nr * PAGE;
	change.arg = &change.gone[0];
	assert_int_equal(ioas_memory_change(rig->iommu, &change), 0);
}

static void copying_needs_neither_pins_nor_tables(void **state)
{
	struct rig *rig = *state;
	char buf[2 * PAGE];

	assert_int_equal(rw(rig, BASE, buf, 1, 0), -ENOENT);
	attach(rig);
	map(rig, BASE, rig->mem, PAGE, RW);
	map(rig, BASE + PAGE, rig->mem + 4 * PAGE, PAGE, RW);
	assert_int_equal(rw(rig, BASE + 100, buf, PAGE, 0), 0);
	assert_int_equal(buf[PAGE - 101], 'a');
	assert_int_equal(buf[PAGE - 100], 'e');
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(rw(rig, BASE + PAGE - 1, buf, 2, IOAS_ACCESS_WRITE), 0);
	assert_int_equal(rig->mem[PAGE - 1], 'x');
	assert_int_equal(rig->mem[PAGE - 2], 'a');
	assert_int_equal(rig->mem[4 * PAGE], 'x');
	assert_int_equal(rig->mem[4 * PAGE + 1], 'e');
	assert_int_equal(pins(rig, 0), 0);
}

static void copying_is_refused_in_the_kernels_order(void **state)
{
	struct rig *rig = *state;
	char buf[2 * PAGE];

	attach(rig);
	map(rig, BASE, rig->mem, PAGE, IOAS_MAP_READ);
	map(rig, BASE + PAGE, rig->mem, PAGE, IOAS_MAP_WRITE);
	assert_int_equal(rw(rig, BASE, buf, 0, 0), -EINVAL);
	assert_int_equal(rw(rig, BASE, buf, 1, 8), -EINVAL);
	assert_int_equal(rw(rig, UINT64_MAX, buf, 2, 0), -EOVERFLOW);
	assert_int_equal(rw(rig, BASE - 1, buf, 2, 0), -ENOENT);
	assert_int_equal(rw(rig, BASE, buf, 1, IOAS_ACCESS_WRITE), -EPERM);
	assert_int_equal(rw(rig, BASE + PAGE, buf, 1, 0), -EPERM);
	assert_int_equal(rw(rig, BASE, buf, PAGE + 1, 0), -EPERM);
	map(rig, BASE + 2 * PAGE, (void *)PAGE, PAGE, RW);
	assert_int_equal(rw(rig, BASE + 2 * PAGE, buf, 1, 0), -EFAULT);
	assert_int_equal(rw(rig, BASE + 3 * PAGE, buf, 1, 0), -ENOENT);
}

static void a_pin_touches_no_page_but_its_own(void **state)
{
	struct rig *rig = *state;

	attach(rig);
	munmap(rig->mem + PAGE, 14 * PAGE);
	map(rig, BASE, rig->mem, PAGES * PAGE, RW);
	assert_int_equal(pin(rig, BASE, PAGE + 1), -EFAULT);
	assert_int_equal(pins(rig, 0), 0);
	assert_int_equal(pin(rig, BASE + 15 * PAGE, 10), 0);
	assert_int_equal(pins(rig, 15), 1);
	assert_int_equal(pins(rig, 0), 0);
	ioas_access_unpin(rig->pin);
	rig->pin = NULL;
	assert_int_equal(pins(rig, 15), 0);
}

static void pins_are_refused_in_the_kernels_order(void **state)
{
	struct rig *rig = *state;
	struct ioas_access *plain;
	struct ioas_access_pin *none;

	assert_int_equal(ioas_access_new(rig->iommu, NULL, NULL, IOAS_ACCESS_PINS, &plain),
			 -EINVAL);
	assert_int_equal(ioas_access_new(rig->iommu, NULL, NULL, 2, &plain), -EINVAL);
	assert_int_equal(ioas_access_new(rig->iommu, NULL, NULL, 0, &plain), 0);
	assert_int_equal(ioas_access_pin(plain, BASE, PAGE, 0, &none, NULL), -EOPNOTSUPP);
	ioas_access_destroy(plain);
	assert_int_equal(pin(rig, BASE, PAGE), -ENOENT);
	attach(rig);
	map(rig, BASE, rig->mem, 2 * PAGE, IOAS_MAP_READ);
	assert_int_equal(pin(rig, BASE, 0), -EINVAL);
	assert_int_equal(pin(rig, UINT64_MAX, 2), -EOVERFLOW);
	assert_int_equal(pin(rig, BASE + 1, 1), -EINVAL);
	assert_int_equal(pin(rig, BASE, PAGE), -EPERM);
	assert_int_equal(ioas_access_pin(rig->access, BASE, 3 * PAGE, 0, &none, NULL), -ENOENT);
	assert_int_equal(pins(rig, 0), 0);
}

static void a_page_that_is_given_up_stays(void **state)
{
	struct rig *rig = *state;
	struct pt *pt;

	attach(rig);
	map(rig, BASE, rig->mem, 8 * PAGE, RW);
	assert_int_equal(pin(rig, BASE + 2 * PAGE, 2 * PAGE), 0);
	give_up(rig, 0, 8);
	assert_int_equal(byte_at(rig, BASE + 2 * PAGE), 'c');
	assert_int_equal(byte_at(rig, BASE + PAGE), '-');
	pt = domain(rig);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(device_byte_at(rig, pt, BASE + i * PAGE), i == 2   ? 'c'
									   : i == 3 ? 'd'
										    : '-');
	ioas_access_unpin(rig->pin);
	rig->pin = NULL;
	assert_int_equal(device_byte_at(rig, pt, BASE + 3 * PAGE), 'd');
	give_up(rig, 3, 2);
	assert_int_equal(pin(rig, BASE + 3 * PAGE, 3 * PAGE), 0);
	rig->mem[5 * PAGE] = '5';
	domain_end(rig, pt);
	assert_int_equal(byte_at(rig, BASE + 2 * PAGE), '-');
	assert_int_equal(byte_at(rig, BASE + 3 * PAGE), 'd');
	assert_int_equal(byte_at(rig, BASE + 4 * PAGE), '-');
	assert_int_equal(byte_at(rig, BASE + 5 * PAGE), '5');
	ioas_access_unpin(rig->pin);
	rig->pin = NULL;
	assert_int_equal(byte_at(rig, BASE + 3 * PAGE), '-');
}

static void a_loan_spans_what_was_given_up_and_what_was_not(void **state)
{
	struct rig *rig = *state;
	struct ioas_access_loan loan = {NULL};
	char joined[8] = "";

	attach(rig);
	map(rig, BASE, rig->mem, 3 * PAGE, RW);
	map(rig, BASE + 3 * PAGE, rig->mem + 8 * PAGE, 2 * PAGE, RW);
	assert_int_equal(pin(rig, BASE, 5 * PAGE), 0);
	give_up(rig, 1, 1);
	assert_int_equal(ioas_access_begin(rig->pin, 0, 0, &loan), -EINVAL);
	assert_int_equal(ioas_access_begin(rig->pin, PAGE, 4 * PAGE + 1, &loan), -EINVAL);
	assert_int_equal(ioas_access_begin(rig->pin, PAGE - 1, 2 * PAGE + 2, &loan), 0);
	assert_int_equal(loan.len, 2 * PAGE + 2);
	assert_int_equal(loan.iov_nr, 4);
	for (unsigned i = 0; i < loan.iov_nr; i++)
		joined[i] = *(char *)loan.iov[i].iov_base;
	assert_string_equal(joined, "abci");
	assert_int_equal(loan.iov[3].iov_len, 1);
	ioas_access_end(&loan);
	ioas_access_detach(rig->access);
	ioas_access_loan_fini(&loan);
}

static void unmapping_asks_the_access_to_let_go(void **state)
{
	struct rig *rig = *state;
	uint64_t len;

	attach(rig);
	map(rig, BASE, rig->mem, PAGE, RW);
	map(rig, BASE + PAGE, rig->mem + PAGE, PAGE, RW);
	assert_int_equal(pin(rig, BASE + PAGE, PAGE), 0);
	assert_int_equal(ioas_space_unmap(rig->space, BASE, BASE + PAGE - 1, &len, NULL), 0);
	assert_int_equal(rig->calls, 0);
	assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, &len, NULL), 0);
	assert_int_equal(len, PAGE);
	assert_int_equal(rig->calls, 1);
	assert_null(rig->pin);
	assert_int_equal(pins(rig, 1), 0);
}

static void moving_leaves_nothing_pinned(void **state)
{
	struct rig *rig = *state;
	struct ioas_access_pin *kept;
	struct ioas_access_loan loan = {NULL};
	struct ioas_space *other;

	attach(rig);
	attach(rig);
	assert_int_equal(rig->calls, 0);
	assert_int_equal(ioas_space_new(rig->iommu, &other), 0);
	map(rig, BASE, rig->mem, 2 * PAGE, RW);
	assert_int_equal(pin(rig, BASE, PAGE), 0);
	kept = rig->pin;
	assert_int_equal(pin(rig, BASE + PAGE, PAGE), 0);
	assert_int_equal(ioas_access_attach(rig->access, other, NULL), 0);
	assert_int_equal(rig->calls, 1);
	assert_int_equal(pins(rig, 0), 0);
	assert_int_equal(ioas_access_begin(kept, 0, 1, &loan), -ENOENT);
	ioas_access_loan_fini(&loan);
	assert_int_equal(rw(rig, BASE, &(char){0}, 1, 0), -ENOENT);
	assert_int_equal(ioas_space_unmap(rig->space, BASE, BASE + 2 * PAGE - 1, NULL, NULL), 0);
	ioas_access_unpin(kept);
	ioas_access_detach(rig->access);
	ioas_space_put(other);
}

static void a_copy_and_a_table_and_a_pin_of_one_object_pin_once(void **state)
{
	struct rig *rig = *state;
	iova_t iova = BASE + 64 * PAGE;
	struct pt *pt;

	attach(rig);
	map(rig, BASE, rig->mem, 4 * PAGE, RW);
	assert_int_equal(ioas_space_copy(rig->space, &iova, rig->space, BASE, 2 * PAGE,
					 RW | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(pin(rig, BASE + PAGE, PAGE), 0);
	pt = domain(rig);
	assert_int_equal(pins(rig, 1), 1);
	map(rig, BASE + 128 * PAGE, rig->mem, 4 * PAGE, RW);
	assert_int_equal(pins(rig, 1), 2);
	domain_end(rig, pt);
	assert_int_equal(pins(rig, 0), 0);
	assert_int_equal(pins(rig, 1), 1);
}

static void a_page_of_a_file_counts_wherever_it_is_mapped(void **state)
{
	struct rig *rig = *state;
	int fd = memfd_create("file", 0);
	struct mem_shared shared;
	struct mem_file *file;
	iova_t iova = BASE;
	unsigned nr;
	char *at;

	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(mem_file_open(rig->iommu->files, fd, &file), 0);
	assert_int_equal(space_map_file(rig->space, NULL, file, &iova, PAGE, 2 * PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
	mem_file_put(file);
	attach(rig);
	assert_int_equal(rw(rig, BASE + PAGE - 1, (char[]){'x', 'y'}, 2, IOAS_ACCESS_WRITE), 0);
	assert_int_equal(at[2 * PAGE - 1], 'x');
	assert_int_equal(at[2 * PAGE], 'y');
	assert_int_equal(pin(rig, BASE, PAGE), 0);
	assert_int_equal(mem_shared_read(&shared), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pins_count(mem_map_pins(rig->iommu->mem), &shared,
					    (uintptr_t)at + i * PAGE, &nr),
				 0);
		assert_int_equal(nr, i == 1);
	}
	mem_shared_free(&shared);
	munmap(at, 4 * PAGE);
	assert_int_equal(rw(rig, BASE + PAGE - 1, &(char){'z'}, 1, IOAS_ACCESS_WRITE), 0);
	assert_int_equal(byte_at(rig, BASE + PAGE - 1), 'z');
	assert_int_equal(byte_at(rig, BASE + PAGE), 'y');
}

/* And no page more; what the file has lost while it was pinned is not there. */
static void a_files_last_page_is_copied_while_there_is_one(void **state)
{
	struct rig *rig = *state;
	int fd = memfd_create("file", 0), owned = dup(fd);
	struct mem_file *file;
	iova_t iova = BASE;
	char byte = 'x';

	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(mem_file_open(rig->iommu->files, owned, &file), 0);
	assert_int_equal(space_map_file(rig->space, NULL, file, &iova, PAGE, PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
	mem_file_put(file);
	attach(rig);
	assert_int_equal(rw(rig, BASE + PAGE - 1, &byte, 1, IOAS_ACCESS_WRITE), 0);
	assert_int_equal(byte_at(rig, BASE + PAGE - 1), 'x');
	assert_int_equal(pin(rig, BASE, PAGE), 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(rw(rig, BASE, &byte, 1, 0), -EFAULT);
	close(fd);
}

static void cutting_needs_small_leaves_and_no_pins(void **state)
{
	struct rig *rig = *state;
	uint64_t len;
	struct pt *pt;
	pa_t pa;

	map(rig, BASE, rig->mem, 4 * PAGE, RW);
	assert_int_equal(space_cut(rig->space, BASE + PAGE - 1, NULL), 0);
	assert_int_equal(space_area_nr(rig->space), 1);
	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	pt = domain(rig);
	attach(rig);
	assert_int_equal(pin(rig, BASE, PAGE), 0);
	assert_int_equal(space_cut(rig->space, BASE + PAGE - 1, NULL), -EINVAL);
	ioas_access_unpin(rig->pin);
	rig->pin = NULL;
	assert_int_equal(space_cut(rig->space, BASE + PAGE, NULL), -EINVAL);
	assert_int_equal(space_lock_range(rig->space, BASE, BASE, &pa, NULL), 0);
	assert_int_equal(space_cut(rig->space, BASE + PAGE - 1, NULL), -EBUSY);
	space_unlock_range(rig->space, BASE, BASE);
	assert_int_equal(space_cut(rig->space, BASE + 4 * PAGE - 1, NULL), 0);
	assert_int_equal(space_area_nr(rig->space), 1);
	assert_int_equal(space_cut(rig->space, BASE + PAGE - 1, NULL), 0);
	assert_int_equal(space_area_nr(rig->space), 2);
	assert_int_equal(ioas_space_unmap(rig->space, BASE, BASE + PAGE - 1, &len, NULL), 0);
	assert_int_equal(len, PAGE);
	assert_int_equal(device_byte_at(rig, pt, BASE + PAGE), 'b');
	assert_int_equal(byte_at(rig, BASE + 3 * PAGE), 'd');
	assert_int_equal(ioas_space_unmap(rig->space, BASE, BASE + 4 * PAGE - 1, &len, NULL), 0);
	assert_int_equal(len, 3 * PAGE);
	domain_end(rig, pt);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(copying_needs_neither_pins_nor_tables),
		TEST(copying_is_refused_in_the_kernels_order),
		TEST(a_pin_touches_no_page_but_its_own),
		TEST(pins_are_refused_in_the_kernels_order),
		TEST(a_page_that_is_given_up_stays),
		TEST(a_loan_spans_what_was_given_up_and_what_was_not),
		TEST(unmapping_asks_the_access_to_let_go),
		TEST(moving_leaves_nothing_pinned),
		TEST(a_copy_and_a_table_and_a_pin_of_one_object_pin_once),
		TEST(a_page_of_a_file_counts_wherever_it_is_mapped),
		TEST(a_files_last_page_is_copied_while_there_is_one),
		TEST(cutting_needs_small_leaves_and_no_pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
