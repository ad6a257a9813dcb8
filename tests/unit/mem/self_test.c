/* SPDX-License-Identifier: MIT */
/* Description: this process as a caller: its descriptors, rights and limits, and where memory ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/door.h>
#include "mem/mem.h"
#include "tests/unit/fds.h"

#define PAGE 4096ul

/* A copy that goes with the program's image, and the program's own stays. */
static void expect_copy(int copy, int fd)
{
	assert_true(copy >= 0 && copy != fd);
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	assert_int_equal(close(copy), 0);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
}

static void only_eventfds_are_eventfds(void **arg)
{
	struct ioas_caller *self = mem_self_caller();
	unsigned before = fds_open();
	int event = eventfd(0, 0), memory = memfd_create("[eventfd]", 0), pipes[2], none;

	assert_int_equal(pipe(pipes), 0);
	none = dup(event);
	close(none);
	expect_copy(self->ops->eventfd_get(self, event), event);
	assert_int_equal(self->ops->eventfd_get(self, memory), -EINVAL);
	assert_int_equal(self->ops->eventfd_get(self, pipes[0]), -EINVAL);
	assert_int_equal(self->ops->eventfd_get(self, none), -EBADF);
	assert_int_equal(self->ops->eventfd_get(self, -1), -EBADF);
	expect_copy(self->ops->fd_get(self, memory), memory);
	assert_int_equal(self->ops->fd_get(self, none), -EBADF);
	assert_int_equal(self->ops->fd_get(self, -1), -EBADF);
	close(event);
	close(memory);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(fds_open(), before);
}

/* A program that links the library has iommufds by calls, not by descriptors. */
static void no_descriptor_is_an_iommufd(void **arg)
{
	struct ioas_caller *self = mem_self_caller();
	struct ioas_file *file;

	assert_int_equal(self->ops->file_get(self, 0, &file), -EBADF);
	assert_int_equal(self->ops->file_install(self, NULL), -EBADF);
	assert_int_equal(self->pid, 0);
}

/* Bit by bit what the kernel says of the process. */
static void rights_are_the_processes(void **arg)
{
	struct ioas_caller *self = mem_self_caller();
	unsigned long long want = 0;
	char line[128];
	FILE *status = fopen("/proc/self/status", "r");

	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %llx", &want) == 1)
			break;
	fclose(status);
	for (int cap = 0; cap < 64; cap++)
		assert_int_equal(self->ops->capable(self, cap), want >> cap & 1);
	assert_int_equal(self->ops->capable(self, -1), 0);
	assert_int_equal(self->ops->capable(self, 64), 0);
	assert_int_equal(self->ops->capable(self, 128), 0);
	assert_int_equal(self->ops->uid(self), getuid());
}

static void the_limit_is_the_one_of_now(void **arg)
{
	struct ioas_caller *self = mem_self_caller();
	struct rlimit before, lower;

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	assert_true(self->ops->memlock(self) == before.rlim_cur);
	lower = before;
	lower.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &lower), 0);
	assert_true(self->ops->memlock(self) == 0);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
}

/* Whatever is asked for: nothing begins or ends beyond the last address. */
static void no_memory_wraps(void **arg)
{
	static const struct {
		uint64_t va, len;
	} wrong[] = {
		{UINT64_MAX, 1}, {UINT64_MAX - 7, 8}, {UINT64_MAX - 7, 16}, {PAGE, UINT64_MAX}};
	struct ioas_caller *self = mem_self_caller();
	char bytes[16] = "";
	void *host;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint64_t va = wrong[i].va, len = wrong[i].len;

		assert_int_equal(self->ops->copy_from(self, bytes, va, len), -EFAULT);
		assert_int_equal(self->ops->copy_to(self, va, bytes, len), -EFAULT);
		assert_int_equal(self->ops->or_to(self, va, bytes, len), -EFAULT);
		assert_int_equal(self->ops->pin(self, va, len, true, &host), -EFAULT);
	}
}

/* Few pages are touched, many are asked of the kernel: to be written only if they will be. */
static void pins_ask_for_what_is_wanted(void **arg)
{
	static const size_t lens[] = {PAGE, 65536, 65536 + PAGE};
	struct ioas_caller *self = mem_self_caller();

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		size_t len = lens[i];
		char *at = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		void *host = NULL;

		assert_ptr_not_equal(at, MAP_FAILED);
		assert_int_equal(self->ops->pin(self, (uintptr_t)at, len, true, &host), -EFAULT);
		assert_null(host);
		assert_int_equal(self->ops->pin(self, (uintptr_t)at, len, false, &host), 0);
		assert_ptr_equal(host, at);
		self->ops->unpin(self, (uintptr_t)at, len, host);
		munmap(at, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_eventfds_are_eventfds),
		cmocka_unit_test(no_descriptor_is_an_iommufd),
		cmocka_unit_test(rights_are_the_processes),
		cmocka_unit_test(the_limit_is_the_one_of_now),
		cmocka_unit_test(no_memory_wraps),
		cmocka_unit_test(pins_ask_for_what_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
