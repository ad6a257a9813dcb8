/* SPDX-License-Identifier: MIT */
/*
 * Description: guarded copies ask the system for nothing with the fast path on, and for no more
 * than they need without; what it refuses at any step is memory that is not there. The linker puts
 * __wrap_syscall in front of the system's calls (see meson.build).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/guard.h>
#include "mem/mem.h"

#define PAGE  4096ul
#define PAGES 70ul

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

static unsigned calls, refused; /* the call, from 1, that fails; 0: none does */
static long last_nr, last[3];
static char *mem;

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	last_nr = nr;
	last[0] = a;
	last[1] = b;
	last[2] = c;
	if (++calls == refused) {
		errno = EFAULT;
		return -1;
	}
	return __real_syscall(nr, a, b, c, d, e, f);
}

static int setup(void **state)
{
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	calls = refused = 0;
	ioas_guard_enable(false);
	return 0;
}

static int teardown(void **state)
{
	ioas_guard_enable(false);
	munmap(mem, PAGES * PAGE);
	return 0;
}

/* How many calls all of them take. */
static unsigned use_all(void)
{
	static const uint64_t words[3] = {1, 2, 3};
	char buf[300];

	calls = 0;
	memset(buf, 1, sizeof(buf));
	assert_int_equal(mem_guard_copy(mem, buf, 8), 8);
	assert_int_equal(mem_guard_copy(mem + 100, buf, 300), 300);
	assert_int_equal(mem_guard_or(mem + 400, buf, 300), 300);
	assert_int_equal(mem_guard_store(mem + 800, 5, 8), 0);
	assert_int_equal(mem_guard_words(mem + 808, words, 3), 3);
	assert_int_equal(mem_guard_exchange(mem + 800, 5, 6), 0);
	assert_int_equal(mem_guard_exchange(mem + 800, 5, 6), -EAGAIN);
	assert_int_equal(mem_guard_touch(mem, PAGE, true), 0);
	assert_int_equal(mem_guard_touch(mem, PAGE, false), 0);
	assert_memory_equal(mem + 400, buf, 300);
	assert_int_equal(*(uint64_t *)(mem + 800), 6);
	assert_memory_equal(mem + 808, words, sizeof(words));
	return calls;
}

static void the_fast_path_makes_no_call(void **state)
{
	assert_true(use_all() >= 15);
#ifdef __x86_64__
	ioas_guard_enable(true);
	assert_int_equal(use_all(), 0);
	ioas_guard_enable(false);
	assert_true(use_all() >= 15);
#endif
}

/* 5 and 6 differ in two bits. */
static void an_exchange_can_fail_at_each_step(void **state)
{
	uint64_t *word = (uint64_t *)mem;

	for (refused = 1; refused <= 4; refused++) {
		*word = 5;
		calls = 0;
		assert_int_equal(mem_guard_exchange(word, 5, 6), -EFAULT);
		assert_int_equal(calls, refused);
	}
	refused = 0;
	*word = 5;
	calls = 0;
	assert_int_equal(mem_guard_exchange(word, 5, 6), 0);
	assert_int_equal(calls, 4);
	assert_int_equal(*word, 6);
	/* In both halves. */
	*word = 1ull << 63 | 1;
	assert_int_equal(mem_guard_exchange(word, 1ull << 63 | 1, 1ull << 32 | 1ull << 31), 0);
	assert_int_equal(*word, 1ull << 32 | 1ull << 31);
}

static void what_is_populated_is_whole_pages(void **state)
{
	for (unsigned write = 0; write < 2; write++) {
		calls = 0;
		assert_int_equal(mem_guard_populate(mem + PAGE + 100, PAGE, write), 0);
		assert_int_equal(calls, 1);
		assert_int_equal(last_nr, SYS_madvise);
		assert_int_equal(last[0], (uintptr_t)mem + PAGE);
		assert_int_equal(last[1], 2 * PAGE);
		assert_int_equal(last[2], write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
		assert_int_equal(mem_guard_populate(mem + PAGE, PAGE, write), 0);
		assert_int_equal(last[1], PAGE);
		/* Where the kernel does not do that each page is touched. */
		calls = 0;
		refused = 1;
		assert_int_equal(mem_guard_populate(mem + PAGE + 100, PAGE, write), 0);
		assert_int_equal(calls, write ? 3 : 2);
		refused = 0;
	}
}

/* To be read 32 at once, to be written one by one. */
static void all_pages_of_a_range_are_touched(void **state)
{
	static const struct {
		size_t off, len;
		unsigned reads, writes;
	} cases[] = {{0, 1, 1, 1},
		     {PAGE - 1, 2, 1, 2},
		     {0, 32 * PAGE, 1, 32},
		     {0, 32 * PAGE + 1, 2, 33},
		     {1, 64 * PAGE, 3, 65}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		calls = 0;
		assert_int_equal(mem_guard_touch(mem + cases[i].off, cases[i].len, false), 0);
		assert_int_equal(calls, cases[i].reads);
		calls = 0;
		assert_int_equal(mem_guard_touch(mem + cases[i].off, cases[i].len, true), 0);
		assert_int_equal(calls, cases[i].writes);
	}
	assert_int_equal(munmap(mem + 40 * PAGE, PAGE), 0);
	for (unsigned write = 0; write < 2; write++) {
		assert_int_equal(mem_guard_touch(mem, 40 * PAGE, write), 0);
		assert_int_equal(mem_guard_touch(mem, 40 * PAGE + 1, write), -EFAULT);
		assert_int_equal(mem_guard_touch(mem + 41 * PAGE - 1, 2, write), -EFAULT);
		assert_int_equal(mem_guard_touch(mem + 41 * PAGE, PAGE, write), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_fast_path_makes_no_call),
		TEST(an_exchange_can_fail_at_each_step),
		TEST(what_is_populated_is_whole_pages),
		TEST(all_pages_of_a_range_are_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
