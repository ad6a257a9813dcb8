/* SPDX-License-Identifier: MIT */
/*
 * Description: guarded accesses to missing, protected and truncated memory end where the memory
 * ends, with the help of a signal handler and without.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/door.h>
#include <ioas/guard.h>
#include "mem/mem.h"

#define PAGE 4096ul

static void handler(int sig, siginfo_t *info, void *ucontext)
{
	if (!ioas_guard_fixup(ucontext))
		_exit(99);
}

/* Each test runs twice: the kernel checks, or the handler does. cmocka has its own around a test.
 */
static void begin(void **arg)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	ioas_guard_enable(*arg != NULL);
	if (!*arg)
		return;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/* `pages` pages, the last of which is then made unusable. */
static char *pages_with_hole(unsigned pages, int kind)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	char *last = at + (pages - 1) * PAGE;

	assert_ptr_not_equal(at, MAP_FAILED);
	memset(at, 0x5a, pages * PAGE);
	if (kind == PROT_NONE || kind == PROT_READ)
		mprotect(last, PAGE, kind);
	else
		munmap(last, PAGE);
	return at;
}

#define UNMAPPED 99

static void copy_moves_all_bytes_of_any_length_and_alignment(void **arg)
{
	static unsigned char src[9000], dst[9000];

	begin(arg);
	for (size_t i = 0; i < sizeof(src); i++)
		src[i] = (unsigned char)(i * 7 + i / 256);
	for (size_t len = 0; len < 4300; len += len < 40 ? 1 : len < 700 ? 13 : 121)
		for (size_t from = 0; from < 9; from++) {
			memset(dst, 0xee, sizeof(dst));
			assert_int_equal(mem_guard_copy(dst + 16 - from, src + from, len), len);
			assert_memory_equal(dst + 16 - from, src + from, len);
			assert_int_equal(dst[16 - from - 1], 0xee);
			assert_int_equal(dst[16 - from + len], 0xee);
		}
	assert_int_equal(mem_guard_copy(dst, src, sizeof(src)), sizeof(src));
	assert_memory_equal(dst, src, sizeof(src));
}

static void copy_stops_where_memory_ends(void **arg)
{
	static const int kinds[] = {PROT_NONE, UNMAPPED};
	static const size_t before[] = {0,   1,	  3,   8,   15,	 16,   100,
					127, 128, 129, 255, 300, 1000, 4096};
	static char buf[3 * PAGE];

	begin(arg);
	for (size_t k = 0; k < 2; k++) {
		char *at = pages_with_hole(2, kinds[k]);

		for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
			char *start = at + PAGE - before[i];

			for (size_t more = 1; more < 2000; more = more * 3 + 1) {
				memset(buf, 0, sizeof(buf));
				assert_int_equal(mem_guard_copy(buf, start, before[i] + more),
						 before[i]);
				assert_memory_equal(buf, start, before[i]);
				assert_int_equal(buf[before[i]], 0);
				memset(buf, 0x21, sizeof(buf));
				assert_int_equal(mem_guard_copy(start, buf, before[i] + more),
						 before[i]);
				assert_memory_equal(buf, start, before[i]);
				assert_int_equal(mem_guard_copy(start, start, before[i] + more),
						 before[i]);
			}
		}
		munmap(at, PAGE);
	}
}

/* Any length and place, up to the end of memory and beyond it; no bit outside is touched. */
static void or_sets_bits_up_to_where_memory_ends(void **arg)
{
	static const size_t lens[] = {0, 1, 7, 8, 15, 63, 64, 65, 128, 200, 1024, 1500, 3000};
	static unsigned char bits[2 * PAGE];
	unsigned char *at = (unsigned char *)pages_with_hole(2, UNMAPPED);

	begin(arg);
	for (size_t i = 0; i < sizeof(bits); i++)
		bits[i] = (unsigned char)(i * 11 + i / 256);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (size_t beyond = 0; beyond <= lens[i]; beyond += beyond < 20 ? 1 : 29) {
			size_t there = lens[i] - beyond;
			unsigned char *start = at + PAGE - there;

			memset(at, 0x5a, PAGE);
			assert_int_equal(mem_guard_or(start, bits + beyond % 9, lens[i]), there);
			for (size_t k = 0; k < there; k++)
				assert_int_equal(start[k], 0x5a | bits[beyond % 9 + k]);
			assert_int_equal(start[-1], 0x5a);
		}
	assert_int_equal(mem_guard_or(at + 64, bits, 128), 128);
	assert_int_equal(at[63], 0x5a);
	assert_int_equal(at[64 + 127], 0x5a | bits[127]);
	assert_int_equal(at[64 + 128], 0x5a);
	munmap(at, PAGE);
}

static void or_into_read_only_memory_writes_nothing(void **arg)
{
	char *at = pages_with_hole(2, PROT_READ);
	char bits[600];

	begin(arg);
	memset(bits, 0x25, sizeof(bits));
	assert_int_equal(mem_guard_or(at + PAGE, bits, 600), 0);
	assert_int_equal(mem_guard_or(at + PAGE - 70, bits, 600), 70);
	assert_int_equal(at[PAGE - 70], 0x5a | 0x25);
	assert_int_equal(at[PAGE - 1], 0x5a | 0x25);
	assert_int_equal(at[PAGE], 0x5a);
	munmap(at, 2 * PAGE);
}

static void copy_to_read_only_memory_writes_nothing(void **arg)
{
	char *at = pages_with_hole(2, PROT_READ);
	char buf[600];

	begin(arg);
	memset(buf, 1, sizeof(buf));
	assert_int_equal(mem_guard_copy(at + PAGE, buf, 600), 0);
	assert_int_equal(mem_guard_copy(at + PAGE, buf, 8), 0);
	assert_int_equal(mem_guard_copy(at + PAGE - 5, buf, 8), 5);
	assert_int_equal(at[PAGE], 0x5a);
	assert_int_equal(mem_guard_copy(buf, at + PAGE, 600), 600);
	assert_int_equal(buf[599], 0x5a);
	munmap(at, 2 * PAGE);
}

static void copy_from_a_truncated_file_stops_at_its_end(void **arg)
{
	int fd = memfd_create("guard", MFD_CLOEXEC);
	static char buf[2 * PAGE];
	char *at;

	begin(arg);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(mem_guard_copy(buf, at + 100, 2 * PAGE - 100), PAGE - 100);
	assert_int_equal(mem_guard_copy(at + 100, buf, 2 * PAGE - 100), PAGE - 100);
	assert_int_equal(mem_guard_store(at + PAGE, 1, 8), -EFAULT);
	assert_int_equal(mem_guard_touch(at, 2 * PAGE, false), -EFAULT);
	assert_int_equal(mem_guard_touch(at, PAGE, true), 0);
	assert_int_equal(mem_guard_populate(at, 2 * PAGE, true), -EFAULT);
	munmap(at, 2 * PAGE);
	close(fd);
}

static void store_writes_exactly_its_size(void **arg)
{
	char *at = pages_with_hole(2, PROT_READ);
	static const unsigned sizes[] = {1, 2, 4, 8};

	begin(arg);
	for (int i = 0; i < 4; i++) {
		uint64_t value = 0x1122334455667788ull;

		memset(at, 0xcc, 32);
		assert_int_equal(mem_guard_store(at + 8, value, sizes[i]), 0);
		assert_memory_equal(at + 8, &value, sizes[i]);
		assert_int_equal((unsigned char)at[8 + sizes[i]], 0xcc);
		assert_int_equal((unsigned char)at[7], 0xcc);
		assert_int_equal(mem_guard_store(at + PAGE, value, sizes[i]), -EFAULT);
		assert_int_equal(at[PAGE], 0x5a);
		assert_int_equal(mem_guard_store(NULL, value, sizes[i]), -EFAULT);
	}
	munmap(at, 2 * PAGE);
}

static void exchange_takes_only_what_was_expected(void **arg)
{
	static const uint64_t words[] = {0, 1, 1ull << 31, 1ull << 32, 0x8000000000000040, ~0ull};
	char *only = pages_with_hole(2, PROT_READ), *at = pages_with_hole(2, UNMAPPED);
	void *volatile none = (void *)PAGE; /* nobody can have that page */
	uint64_t *word = (uint64_t *)(at + 64);

	begin(arg);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
			*word = words[i];
			assert_int_equal(mem_guard_exchange(word, words[i] ^ 2, words[k]), -EAGAIN);
			assert_int_equal(*word, words[i]);
			assert_int_equal(mem_guard_exchange(word, words[i], words[k]), 0);
			assert_int_equal(*word, words[k]);
		}
	assert_int_equal(mem_guard_exchange(none, 0, 1), -EFAULT);
	assert_int_equal(mem_pinned_exchange(none, 0, 1, true), -EFAULT);
	word = (uint64_t *)(only + PAGE);
	assert_int_equal(mem_guard_exchange(word, *word, 1), -EFAULT);
	assert_int_equal(mem_pinned_exchange(word, *word + 1, 1, true), -EAGAIN);
	assert_int_equal(mem_pinned_exchange(word, *word, 1, false), -EFAULT);
	assert_int_equal(mem_pinned_exchange(word, *word, 1, true), 0);
	assert_int_equal(*word, 1);
	munmap(at, PAGE);
	munmap(only, 2 * PAGE);
}

static void touch_finds_the_page_that_is_not_there_and_changes_nothing(void **arg)
{
	static const int kinds[] = {PROT_NONE, PROT_READ, UNMAPPED};
	static char zero[PAGE];

	begin(arg);
	for (int k = 0; k < 3; k++) {
		bool readable = kinds[k] == PROT_READ;
		char *at = pages_with_hole(70, kinds[k]);

		assert_int_equal(mem_guard_touch(at, 69 * PAGE, false), 0);
		assert_int_equal(mem_guard_touch(at + 5, 69 * PAGE - 5, true), 0);
		assert_int_equal(mem_guard_touch(at, 70 * PAGE, true), -EFAULT);
		assert_int_equal(mem_guard_touch(at, 69 * PAGE + 1, false), readable ? 0 : -EFAULT);
		assert_int_equal(mem_guard_populate(at, 69 * PAGE, true), 0);
		assert_int_equal(mem_guard_populate(at, 70 * PAGE, true), -EFAULT);
		assert_int_equal(mem_guard_populate(at, 70 * PAGE, false), readable ? 0 : -EFAULT);
		memset(zero, 0x5a, PAGE);
		for (int i = 0; i < 69; i++)
			assert_memory_equal(at + (size_t)i * PAGE, zero, PAGE);
		munmap(at, 70 * PAGE);
	}
}

static void accesses_leave_errno_alone(void **arg)
{
	char byte = 0;

	begin(arg);
	errno = 4711;
	mem_guard_copy(&byte, NULL, 1);
	mem_guard_store(NULL, 0, 8);
	mem_guard_touch(NULL, 1, true);
	mem_guard_populate(NULL, PAGE, true);
	assert_int_equal(errno, 4711);
}

static void own_process_as_caller(void **arg)
{
	struct ioas_caller *self = mem_self_caller();
	char *at = pages_with_hole(64, UNMAPPED);
	char buf[32] = "";
	void *host;
	int fds[2], fd;

	begin(arg);
	assert_int_equal(self->ops->copy_from(self, buf, (uintptr_t)at, sizeof(buf)), 0);
	assert_int_equal(buf[31], 0x5a);
	assert_int_equal(self->ops->copy_from(self, buf, (uintptr_t)at + 63 * PAGE - 31, 32),
			 -EFAULT);
	assert_int_equal(self->ops->copy_to(self, 8, buf, 4), -EFAULT);
	assert_int_equal(self->ops->copy_to(self, UINT64_MAX - 2, buf, 4), -EFAULT);
	assert_int_equal(self->ops->copy_from(self, buf, 0xdead000000000000ull, 8), -EFAULT);
	assert_int_equal(self->ops->or_to(self, (uintptr_t)at, "\x25", 1), 0);
	assert_int_equal(*at, 0x5a | 0x25);
	assert_int_equal(self->ops->or_to(self, UINT64_MAX - 2, buf, 4), -EFAULT);
	assert_int_equal(self->ops->or_to(self, 8, buf, 4), -EFAULT);
	for (unsigned long pages = 1; pages <= 64; pages += 21) {
		assert_int_equal(self->ops->pin(self, (uintptr_t)at, pages * PAGE, true, &host),
				 pages < 64 ? 0 : -EFAULT);
		assert_ptr_equal(host, at);
	}
	assert_int_equal(self->ops->pin(self, (uintptr_t)at + 62 * PAGE, 2 * PAGE, false, &host),
			 -EFAULT);
	assert_int_equal(self->ops->pin(self, 0xdead000000000000ull, PAGE, false, &host), -EFAULT);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(self->ops->eventfd_get(self, fds[0]), -EINVAL);
	close(fds[0]);
	assert_int_equal(self->ops->eventfd_get(self, fds[0]), -EBADF);
	close(fds[1]);
	fd = self->ops->capable(self, 21);
	assert_true(fd == 0 || fd == 1);
	assert_int_equal(self->ops->capable(self, 64), 0);
	munmap(at, 63 * PAGE);
}

/* Which are seen in order is not for a test of one thread; that none is lost or written twice is.
 */
static void words_stop_where_memory_ends(void **arg)
{
	static const int kinds[] = {UNMAPPED, PROT_NONE, PROT_READ};
	uint64_t words[40];

	begin(arg);
	for (size_t i = 0; i < 40; i++)
		words[i] = 0x0102030405060708 * (i + 1);
	for (size_t k = 0; k < 3; k++) {
		char *at = pages_with_hole(2, kinds[k]);

		for (size_t room = 0; room <= 30; room++) {
			char *start = at + PAGE - room * 8;

			memset(at, 0x5a, PAGE);
			assert_int_equal(mem_guard_words(start, words, 40), room);
			assert_memory_equal(start, words, room * 8);
			assert_int_equal(start[-1], 0x5a);
			memset(at, 0x5a, PAGE);
			assert_int_equal(mem_guard_words(start, words, room), room);
			assert_memory_equal(start, words, room * 8);
		}
		munmap(at, 2 * PAGE);
	}
}

#define BOTH_WAYS(test)                                                      \
	{#test " (kernel)", test, NULL, NULL, NULL},                         \
	{                                                                    \
#test " (signal handler)", test, NULL, NULL, (void *)handler \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_WAYS(copy_moves_all_bytes_of_any_length_and_alignment),
		BOTH_WAYS(copy_stops_where_memory_ends),
		BOTH_WAYS(or_sets_bits_up_to_where_memory_ends),
		BOTH_WAYS(or_into_read_only_memory_writes_nothing),
		BOTH_WAYS(copy_to_read_only_memory_writes_nothing),
		BOTH_WAYS(copy_from_a_truncated_file_stops_at_its_end),
		BOTH_WAYS(store_writes_exactly_its_size),
		BOTH_WAYS(words_stop_where_memory_ends),
		BOTH_WAYS(exchange_takes_only_what_was_expected),
		BOTH_WAYS(touch_finds_the_page_that_is_not_there_and_changes_nothing),
		BOTH_WAYS(accesses_leave_errno_alone),
		BOTH_WAYS(own_process_as_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
