/* SPDX-License-Identifier: MIT */
/* Description: memory of files: one descriptor a file, what can be pinned, and dma-bufs. */
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
#include "mem/file.h"
#include "util/inject.h"

#define PAGE 4096ull

static struct mem_files *files;

static int setup(void **state)
{
	return mem_files_new(&files);
}

static int teardown(void **state)
{
	mem_files_destroy(files);
	return 0;
}

static int memfd(uint64_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static struct mem_file *open_file(int fd)
{
	struct mem_file *file;

	assert_int_equal(mem_file_open(files, fd, &file), 0);
	return file;
}

static int pin(struct mem_file *file, uint64_t off, uint64_t len, bool write)
{
	struct ioas_why why = {""};
	void *host;
	int rc = mem_file_pin(file, off, len, write, &host, &why);

	assert_true(!rc == !why.text[0]);
	if (!rc)
		mem_file_unpin(file, off, len, host);
	return rc;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void a_file_has_one_descriptor(void **state)
{
	int fd = memfd(PAGE), again = dup(fd), other = memfd(PAGE);
	struct mem_file *a = open_file(fd), *b = open_file(again), *c = open_file(other);

	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_true(is_open(fd));
	assert_false(is_open(again));
	mem_file_put(a);
	assert_true(is_open(fd));
	mem_file_put(b);
	assert_false(is_open(fd));
	mem_file_put(c);
}

/* Who comes after one of two has gone shares with the other still. */
static void one_of_two_goes(void **state)
{
	int fd = memfd(PAGE), again = dup(fd), third = dup(fd);
	struct mem_file *a = open_file(fd), *b = open_file(again), *c;

	mem_file_put(a);
	c = open_file(third);
	assert_ptr_equal(c, b);
	assert_false(is_open(third));
	mem_file_put(b);
	mem_file_put(c);
	assert_false(is_open(fd));
	third = memfd(PAGE);
	c = open_file(third);
	mem_file_put(c);
	assert_false(is_open(third));
}

/* Each is found again, whatever order they came in, and whoever has gone meanwhile. */
static void many_files_are_told_apart(void **state)
{
	enum { NR = 40 };
	struct mem_file *file[NR], *again;
	int fd[NR], order[NR];

	for (int i = 0; i < NR; i++)
		fd[i] = memfd(PAGE);
	for (int i = 0; i < NR; i++) {
		order[i] = i * 23 % NR;
		file[order[i]] = open_file(dup(fd[order[i]]));
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < NR; i++) {
			if (!file[i])
				continue;
			again = open_file(dup(fd[i]));
			assert_ptr_equal(again, file[i]);
			mem_file_put(again);
		}
		for (int i = round; i < NR; i += 2) {
			mem_file_put(file[order[i]]);
			file[order[i]] = NULL;
		}
	}
	for (int i = 0; i < NR; i++)
		close(fd[i]);
}

static void memory_is_the_files(void **state)
{
	int fd = memfd(3 * PAGE);
	char *mine = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct mem_file *file = open_file(fd);
	void *host;

	mine[PAGE] = 1;
	assert_int_equal(mem_file_pin(file, PAGE, 2 * PAGE, true, &host, NULL), 0);
	assert_int_equal(*(char *)host, 1);
	((char *)host)[PAGE + 5] = 2;
	assert_int_equal(mine[2 * PAGE + 5], 2);
	mem_file_unpin(file, PAGE, 2 * PAGE, host);
	mem_file_put(file);
	munmap(mine, 3 * PAGE);
}

static void all_of_it_must_be_in_the_file(void **state)
{
	int fd = memfd(2 * PAGE + 1);
	struct mem_file *file = open_file(fd);

	assert_int_equal(pin(file, 0, 2 * PAGE, true), 0);
	assert_int_equal(pin(file, 0, 3 * PAGE, true), -EINVAL);
	assert_int_equal(pin(file, 8 * PAGE, PAGE, false), -EINVAL);
	assert_int_equal(pin(file, -PAGE, 2 * PAGE, false), -EINVAL);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pin(file, 0, PAGE, false), -EINVAL);
	mem_file_put(file);
}

static void what_is_no_memory_is_refused(void **state)
{
	const char *const paths[] = {"/proc/self/exe", "/dev/zero", "/dev/shm"};
	struct mem_file *file = open_file(-1);

	assert_int_equal(pin(file, 0, PAGE, false), -EINVAL);
	mem_file_put(file);
	for (int i = 0; i < 3; i++) {
		int fd = open(paths[i], O_RDONLY);

		file = open_file(fd);
		assert_false(is_open(fd));
		assert_int_equal(pin(file, 0, PAGE, false), -EINVAL);
		mem_file_put(file);
	}
	assert_int_equal(mem_file_open(files, 99999, &file), -EBADF);
}

/* As the kernel, which pins a memfd's pages whatever the descriptor is for. */
static void a_descriptor_for_reading_is_no_hindrance(void **state)
{
	int fd = memfd(PAGE), ro;
	struct mem_file *file, *rw;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	file = open_file(ro);
	rw = open_file(dup(fd));
	assert_ptr_not_equal(file, rw);
	assert_int_equal(pin(file, 0, PAGE, false), 0);
	assert_int_equal(pin(file, 0, PAGE, true), 0);
	mem_file_put(rw);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(pin(file, 0, PAGE, true), -EPERM);
	assert_int_equal(pin(file, 0, PAGE, false), 0);
	mem_file_put(file);
	close(fd);
}

static void nothing_leaks_without_memory(void **state)
{
	int fd = memfd(PAGE);
	struct mem_file *file;

	inject_arm(1);
	assert_int_equal(mem_file_open(files, fd, &file), -ENOMEM);
	assert_false(is_open(fd));
	inject_arm(1);
	assert_int_equal(mem_dmabuf_new(files, PAGE, &file), -ENOMEM);
}

static void a_dmabuf_has_epochs(void **state)
{
	struct mem_file *file;
	uint32_t epoch;
	bool revoked;
	void *host;

	assert_int_equal(mem_dmabuf_new(files, PAGE + 1, &file), 0);
	assert_true(mem_file_is_dmabuf(file));
	assert_int_equal(mem_dmabuf_len(file), 2 * PAGE);
	assert_int_equal(mem_file_pin(file, PAGE, PAGE, true, &host, NULL), 0);
	((char *)host)[PAGE - 1] = 1;
	mem_file_unpin(file, PAGE, PAGE, host);
	epoch = mem_dmabuf_epoch(file, &revoked);
	assert_false(revoked);
	mem_dmabuf_revoke(file, false);
	assert_int_equal(mem_dmabuf_epoch(file, &revoked), epoch);
	mem_dmabuf_revoke(file, true);
	assert_int_not_equal(mem_dmabuf_epoch(file, &revoked), epoch);
	assert_true(revoked);
	mem_dmabuf_revoke(file, false);
	assert_int_not_equal(mem_dmabuf_epoch(file, &revoked), epoch);
	assert_false(revoked);
	mem_file_put(file);
}

static void a_dmabuf_has_whole_pages(void **state)
{
	static const uint64_t lens[][2] = {
		{1, 1}, {PAGE - 1, 1}, {PAGE, 1}, {PAGE + 1, 2}, {3 * PAGE, 3}};
	struct mem_file *file;

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		void *host;

		assert_int_equal(mem_dmabuf_new(files, lens[i][0], &file), 0);
		assert_int_equal(mem_dmabuf_len(file), lens[i][1] * PAGE);
		assert_int_equal(mem_file_pin(file, 0, lens[i][1] * PAGE, true, &host, NULL), 0);
		memset(host, 1, lens[i][1] * PAGE);
		mem_file_unpin(file, 0, lens[i][1] * PAGE, host);
		mem_file_put(file);
	}
	assert_int_equal(mem_dmabuf_new(files, 1ull << 60, &file), -ENOMEM);
	assert_int_equal(mem_dmabuf_new(files, UINT64_MAX, &file), -ENOMEM);
}

/* Word by word: whoever reads it has nothing else to go by. */
static void a_refusal_names_what_is_wrong(void **state)
{
	int fd = memfd(2 * PAGE);
	struct mem_file *file = open_file(dup(fd)), *other = open_file(-1);
	struct ioas_why why;
	void *host;

	assert_int_equal(mem_file_pin(other, 0, PAGE, false, &host, &why), -EINVAL);
	assert_string_equal(why.text, "the file is neither of tmpfs nor of hugetlbfs");
	assert_int_equal(mem_file_pin(file, PAGE, 2 * PAGE, false, &host, &why), -EINVAL);
	assert_string_equal(why.text,
			    "0x1000-0x2fff of the file are wanted, which has 0x2000 bytes");
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(mem_file_pin(file, 0, PAGE, true, &host, &why), -EPERM);
	assert_string_equal(why.text,
			    "the file cannot be mapped for writing: Operation not permitted");
	mem_file_put(file);
	mem_file_put(other);
	close(fd);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_file_has_one_descriptor),
		TEST(one_of_two_goes),
		TEST(many_files_are_told_apart),
		TEST(memory_is_the_files),
		TEST(all_of_it_must_be_in_the_file),
		TEST(what_is_no_memory_is_refused),
		TEST(a_descriptor_for_reading_is_no_hindrance),
		TEST(nothing_leaks_without_memory),
		TEST(a_dmabuf_has_epochs),
		TEST(a_dmabuf_has_whole_pages),
		TEST(a_refusal_names_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
