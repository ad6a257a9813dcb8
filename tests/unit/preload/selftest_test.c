/* SPDX-License-Identifier: MIT */
/* Description: what a kernel that is built for its selftests has besides: fail-nth, huge pages. */
#include <dirent.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "harness.h"

#define RW   (PROT_READ | PROT_WRITE)
#define HUGE (2ul << 20)

static int iommu;

static int open_nth(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", tid);
	return open(path, O_RDWR);
}

static const char *left(int fd)
{
	static char text[16];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	text[len < 0 ? 0 : len] = 0;
	return text;
}

static void the_nth_point_fails(void **state)
{
	int fd = open_nth(gettid());

	assert_true(fd >= 0);
	assert_string_equal(left(fd), "0\n");
	assert_int_equal(ioctl(iommu, FAKE_POINTS, 10), 0);
	for (unsigned nth = 1; nth <= 10; nth++) {
		char text[8];
		int len = snprintf(text, sizeof(text), "%u", nth);

		assert_int_equal(pwrite(fd, text, (size_t)len, 0), len);
		assert_string_equal(left(fd) + len, "\n");
		assert_int_equal(ioctl(iommu, FAKE_POINTS, 10), -1);
		assert_int_equal(errno, ENOMEM);
		assert_string_equal(left(fd), "0\n");
		assert_int_equal(ioctl(iommu, FAKE_POINTS, 10), 0);
	}
	assert_int_equal(pwrite(fd, "12", 2, 0), 2);
	assert_int_equal(ioctl(iommu, FAKE_POINTS, 10), 0);
	assert_string_equal(left(fd), "2\n");
	assert_int_equal(pwrite(fd, "0", 1, 0), 1);
	assert_int_equal(ioctl(iommu, FAKE_POINTS, 10), 0);
	close(fd);
}

static void numbers_are_read_as_the_kernel_reads_them(void **state)
{
	static const struct {
		const char *text;
		int error;
	} tries[] = {
		{"7\n", 0},	   {"0x1f", 0},	   {"", EINVAL},      {"-1", EINVAL},
		{" 1", EINVAL},	   {"1x", EINVAL}, {"1\n\n", EINVAL}, {"4294967296", ERANGE},
		{"4294967295", 0}, {"0", 0},
	};
	int fd = open_nth(gettid());
	char byte;

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		ssize_t len = (ssize_t)strlen(tries[i].text);
		ssize_t rc = pwrite(fd, tries[i].text, (size_t)len, 0);

		assert_int_equal(rc, tries[i].error ? -1 : len);
		if (tries[i].error)
			assert_int_equal(errno, tries[i].error);
	}
	assert_int_equal(pread(fd, &byte, 1, 1), 1);
	assert_int_equal(byte, '\n');
	assert_int_equal(pread(fd, &byte, 1, 2), 0);
	assert_int_equal(ioctl(fd, FAKE_POINTS, 1), -1);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(ioctl(iommu, FAKE_KIND, fd), -1);
	assert_int_equal(errno, EBADFD); /* open, but nothing of the engine's */
	close(fd);
}

static void *pass_points(void *arg)
{
	int fd = open_nth(gettid());

	*(long *)arg = ioctl(iommu, FAKE_POINTS, 10);
	if (pwrite(fd, "3", 1, 0) != 1 || ioctl(iommu, FAKE_POINTS, 10) != -1)
		*(long *)arg = -2;
	close(fd);
	return NULL;
}

static void a_thread_has_its_own(void **state)
{
	int fd = open_nth(gettid()), none;
	pthread_t thread;
	long other = -3;

	assert_int_equal(pwrite(fd, "5", 1, 0), 1);
	pthread_create(&thread, NULL, pass_points, &other);
	pthread_join(thread, NULL);
	assert_int_equal(other, 0);
	assert_string_equal(left(fd), "5\n");
	assert_int_equal(pwrite(fd, "0", 1, 0), 1);
	none = open_nth(1 << 22);
	assert_int_equal(none, -1);
	assert_int_equal(errno, ENOENT);
	close(fd);
}

static void the_knobs_are_there(void **state)
{
	DIR *dir = opendir("/sys/kernel/debug/");
	struct dirent *entry;
	int fd, seen = 0;

	assert_non_null(dir);
	fd = openat(dirfd(dir), "failslab/ignore-gfp-wait", O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "N", 1), 1);
	close(fd);
	while ((entry = readdir(dir)))
		seen += !strcmp(entry->d_name, "failslab");
	assert_int_equal(seen, 1);
	closedir(dir);
	fd = open("/sys/kernel/debug/failslab/verbose", O_WRONLY);
	assert_true(fd >= 0);
	close(fd);
}

static void huge_pages_are_to_be_had(void **state)
{
	for (int shared = 0; shared < 2; shared++) {
		int flags = MAP_ANONYMOUS | MAP_HUGETLB | (shared ? MAP_SHARED : MAP_PRIVATE);
		/* More than anybody would reserve: the system refuses. */
		size_t len = 64ul << 30, few = 3 * HUGE;
		unsigned char *all = mmap(NULL, len, RW, flags | MAP_NORESERVE, -1, 0);
		unsigned char *map = mmap(NULL, few - 5, RW, flags, -1, 0);

		assert_true(map != MAP_FAILED);
		assert_int_equal((uintptr_t)map % HUGE, 0);
		memset(map, 1, few);
		assert_int_equal(munmap(map, few), 0);
		if (all != MAP_FAILED)
			munmap(all, len);
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nth_point_fails),
		cmocka_unit_test(numbers_are_read_as_the_kernel_reads_them),
		cmocka_unit_test(a_thread_has_its_own),
		cmocka_unit_test(the_knobs_are_there),
		cmocka_unit_test(huge_pages_are_to_be_had),
	};

	iommu = open("/dev/iommu", O_RDWR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argv, "set selftest on\ndevice fake\n", run);
}
