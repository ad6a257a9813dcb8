/* SPDX-License-Identifier: MIT */
/*
 * Description: memory that the program has forbidden itself is reached all the same, across pages
 * of all kinds; what is not there is where the copy ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "mem/mem.h"

#define PAGE 4096ul

static char *pages(int flags, int fd)
{
	char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	memset(at, 'a', 4 * PAGE);
	return at;
}

/* Page 1 is forbidden, page 2 read-only, page 3 is not there. */
static void reach(char *at)
{
	char buf[4 * PAGE];
	uint64_t word;

	assert_int_equal(mprotect(at + PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(mprotect(at + 2 * PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(munmap(at + 3 * PAGE, PAGE), 0);
	assert_int_equal(mem_force_copy(at + 1, buf, 4 * PAGE - 1, false), 3 * PAGE - 1);
	for (size_t i = 0; i < 3 * PAGE - 1; i++)
		assert_int_equal(buf[i], 'a');
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)i;
	assert_int_equal(mem_force_copy(at + 1, buf, 4 * PAGE - 1, true), 3 * PAGE - 1);
	assert_int_equal(mem_force_store(at + PAGE + 8, 0x1122334455667788, 8), 0);
	assert_int_equal(mem_force_store(at + 2 * PAGE + 16, 0x99aabbcc, 4), 0);
	assert_int_equal(mem_force_store(at + 3 * PAGE, 1, 8), -EFAULT);
	assert_int_equal(mprotect(at, 3 * PAGE, PROT_READ | PROT_WRITE), 0);
	memcpy(&word, at + PAGE + 8, 8);
	assert_true(word == 0x1122334455667788);
	memcpy(at + PAGE + 8, buf + PAGE + 7, 8);
	assert_int_equal(*(uint32_t *)(at + 2 * PAGE + 16), 0x99aabbcc);
	memcpy(at + 2 * PAGE + 16, buf + 2 * PAGE + 15, 4);
	assert_int_equal(at[0], 'a');
	assert_memory_equal(at + 1, buf, 3 * PAGE - 1);
	munmap(at, 3 * PAGE);
}

static void private_memory(void **arg)
{
	reach(pages(MAP_PRIVATE | MAP_ANONYMOUS, -1));
}

static void shared_memory(void **arg)
{
	reach(pages(MAP_SHARED | MAP_ANONYMOUS, -1));
}

static void files(void **arg)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	reach(pages(MAP_SHARED, fd));
	reach(pages(MAP_PRIVATE, fd));
	close(fd);
}

/* Who opened a file for reading cannot have it written so either. */
static void what_may_not_be_written_is_not(void **arg)
{
	int fd = memfd_create("test", MFD_CLOEXEC), readonly;
	char path[40], *at;

	assert_int_equal(ftruncate(fd, PAGE), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readonly = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(readonly >= 0);
	at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, readonly, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(mem_force_copy(at, path, 8, true), 0);
	assert_int_equal(at[0], 0);
	munmap(at, PAGE);
	close(readonly);
	close(fd);
}

/* Past a protection only where the instance would know of other memory there. */
static void only_who_is_told_passes_by(void **arg)
{
	static const uint64_t words[4] = {1, 2, 3, 4};
	char buf[2 * PAGE];

	for (unsigned told = 0; told < 2; told++) {
		char *at = pages(MAP_PRIVATE | MAP_ANONYMOUS, -1);
		uint64_t *word = (uint64_t *)(at + 2 * PAGE);

		memset(at + PAGE, 0, 3 * PAGE);
		assert_int_equal(mprotect(at + 2 * PAGE, PAGE, PROT_NONE), 0);
		memset(buf, 7, sizeof(buf));
		assert_int_equal(mem_pinned_copy(at + PAGE, buf, 2 * PAGE, true, told),
				 told ? 2 * PAGE : PAGE);
		memset(buf, 0, sizeof(buf));
		assert_int_equal(mem_pinned_copy(at + PAGE, buf, 2 * PAGE, false, told),
				 told ? 2 * PAGE : PAGE);
		for (size_t i = 0; i < 2 * PAGE; i++)
			assert_int_equal(buf[i], told || i < PAGE ? 7 : 0);
		assert_int_equal(mem_pinned_store(word, 5, 8, told), told ? 0 : -EFAULT);
		assert_int_equal(mem_pinned_exchange(word, 5, 6, told), told ? 0 : -EFAULT);
		assert_int_equal(mem_pinned_exchange(word, 5, 7, told), told ? -EAGAIN : -EFAULT);
		assert_int_equal(mem_pinned_words(word - 2, words, 4, told), told ? 4 : 2);
		assert_int_equal(mprotect(at, 4 * PAGE, PROT_READ | PROT_WRITE), 0);
		assert_int_equal(word[0], told ? 3 : 0);
		assert_int_equal(word[-1], 2);
		/* Where nothing is forbidden both are the same. */
		assert_int_equal(mem_pinned_copy(at, buf, PAGE, true, told), PAGE);
		assert_int_equal(mem_pinned_store(word, 5, 8, told), 0);
		assert_int_equal(mem_pinned_exchange(word, 4, 6, told), -EAGAIN);
		assert_int_equal(mem_pinned_exchange(word, 5, 6, told), 0);
		assert_int_equal(mem_pinned_words(word, words, 4, told), 4);
		munmap(at, 4 * PAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_is_told_passes_by),
		cmocka_unit_test(private_memory),
		cmocka_unit_test(shared_memory),
		cmocka_unit_test(files),
		cmocka_unit_test(what_may_not_be_written_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
