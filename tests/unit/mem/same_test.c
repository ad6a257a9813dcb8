/* SPDX-License-Identifier: MIT */
/* Page identity: one page of a file at two addresses is one, two pages with the same bytes are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>
#include "mem/same.h"
#include "util/inject.h"

#define PAGE 4096ul

static char *map(int fd)
{
	char *mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	mem[0] = mem[PAGE] = 1;
	return mem;
}

static void test_private_memory(void **state)
{
	char *a = map(-1), *b = map(-1);

	assert_true(mem_same_page(a, a + 100));
	assert_false(mem_same_page(a, a + PAGE));
	assert_false(mem_same_page(a, b));
	munmap(a, 2 * PAGE);
	munmap(b, 2 * PAGE);
}

static void test_shared_memory(void **state)
{
	int fd = memfd_create("same", 0), other = memfd_create("other", 0);
	char *a, *b, *c;

	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(ftruncate(other, 2 * PAGE), 0);
	a = map(fd);
	b = map(fd);
	c = map(other);
	assert_true(mem_same_page(a, b));
	assert_true(mem_same_page(a + PAGE, b + PAGE + 8));
	assert_false(mem_same_page(a, b + PAGE));
	assert_false(mem_same_page(a, c));
	munmap(a, 2 * PAGE);
	munmap(b, 2 * PAGE);
	munmap(c, 2 * PAGE);
	close(fd);
	close(other);
}

/* They have no frames yet: what is mapped says which they will have. */
static void test_untouched_memory(void **state)
{
	int fd = memfd_create("same", 0);
	char *at[2];

	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	for (unsigned i = 0; i < 2; i++) {
		at[i] = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(at[i], MAP_FAILED);
	}
	assert_true(mem_same_page(at[0], at[1] + 8));
	assert_true(mem_same_page(at[0] + PAGE, at[1] + PAGE));
	assert_false(mem_same_page(at[0], at[1] + PAGE));
	munmap(at[0], 2 * PAGE);
	munmap(at[1], 2 * PAGE);
	close(fd);
}

/* All of it, with an end, however long. */
static void a_file_of_any_length_is_read(void **state)
{
	static const size_t lens[] = {0,      1,      65534,  65535,  65536, 65537,
				      131070, 131071, 131072, 200000, 262143};
	static char bytes[262144];
	char path[40], *text;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i % 26);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		int fd = memfd_create("text", MFD_CLOEXEC);

		assert_int_equal(write(fd, bytes, lens[i]), lens[i]);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		text = mem_read_file(path);
		assert_non_null(text);
		assert_int_equal(strlen(text), lens[i]);
		assert_memory_equal(text, bytes, lens[i]);
		free(text);
		for (unsigned n = 1; n <= 2; n++) {
			inject_arm(n);
			text = mem_read_file(path);
			if (!inject_remaining())
				assert_null(text);
			free(text);
			inject_arm(0);
		}
		close(fd);
	}
	assert_null(mem_read_file("/proc/self/nothing"));
	assert_null(mem_read_file("/proc/self"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_any_length_is_read),
		cmocka_unit_test(test_private_memory),
		cmocka_unit_test(test_shared_memory),
		cmocka_unit_test(test_untouched_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
