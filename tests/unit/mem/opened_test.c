/* SPDX-License-Identifier: MIT */
/*
 * Description: what the engine opens for a moment it closes again, and no program that is run
 * meanwhile inherits it; and what the system refuses or does not tell is made up for.
 * The linker puts __wrap_syscall in front of the system's calls (see meson.build).
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include "iommu.h"
#include "mem/account.h"
#include "mem/file.h"
#include "mem/mem.h"
#include "mem/same.h"
#include "tests/unit/fds.h"
#include "tests/unit/mapped.h"

#define PAGE 4096ull

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

static unsigned opened;
static long refused = -1;    /* calls of that number fail */
static int refused_with;     /* so */
static bool frames_are_told; /* what /proc/self/pagemap has is `frame` */
static uint64_t frame[2];    /* of two pages */
static char *frame_of;	     /* the first one */
static bool looks_longer;    /* a file, than it is */

static long entry_of(uint64_t *out, uint64_t off)
{
	*out = frame[off != (uintptr_t)frame_of / PAGE * sizeof(*out)];
	return sizeof(*out);
}

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	if (nr == refused) {
		errno = refused_with;
		return -1;
	}
	if (nr == SYS_openat) {
		assert_true(c & O_CLOEXEC);
		opened++;
	}
	if (nr == SYS_pread64 && frames_are_told)
		return entry_of((uint64_t *)b, (uint64_t)d);
	if (nr == SYS_fstat && looks_longer) {
		fstat((int)a, (struct stat *)b);
		((struct stat *)b)->st_size += 4 * PAGE;
		return 0;
	}
	return __real_syscall(nr, a, b, c, d, e, f);
}

static void refuse(long nr, int with)
{
	refused = nr;
	refused_with = with;
}

static char *pages(int flags, int fd)
{
	char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static int memfd(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	return fd;
}

static unsigned fds;
static long mapped_before;

/* The heap is as long as it will be: only mappings come and go. */
static int keep_heap(void **state)
{
	void *volatile some;

	mallopt(M_MMAP_THRESHOLD, 8 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	some = malloc(4 << 20);
	free(some);
	return 0;
}

static int setup(void **state)
{
	frames_are_told = false;
	refuse(-1, 0);
	opened = 0;
	fds_open();
	mapped();
	fds = fds_open();
	mapped_before = mapped();
	return 0;
}

static int teardown(void **state)
{
	refuse(-1, 0);
	assert_int_equal(fds_open(), fds);
	assert_int_equal(mapped(), mapped_before);
	return 0;
}

static void forbidden_memory(void **state)
{
	char *at = pages(MAP_PRIVATE | MAP_ANONYMOUS, -1), buf[16] = "0123456789abcde", got[16];

	assert_int_equal(mprotect(at, 2 * PAGE, PROT_READ), 0);
	assert_int_equal(mem_force_copy(at, buf, 16, true), 16);
	assert_int_equal(mem_force_copy(at, got, 16, false), 16);
	assert_memory_equal(got, buf, 16);
	assert_int_equal(opened, 2);
	/* Without that file there is no other way to private memory. */
	refuse(SYS_openat, EMFILE);
	assert_int_equal(mem_force_copy(at, buf, 16, true), 0);
	assert_int_equal(mem_force_copy(at, got, 16, false), 0);
	assert_int_equal(mem_force_store(at, 1, 8), -EFAULT);
	munmap(at, 2 * PAGE);
}

/* Which of its two ways are closed. */
static void forbidden_shared_memory(void **state)
{
	static const struct {
		long nr;
		size_t want;
	} cases[] = {{SYS_openat, 16}, {SYS_mremap, 0}, {SYS_mprotect, 0}};
	char buf[16] = "0123456789abcde";
	int fd = memfd();
	char *at = pages(MAP_SHARED, fd), *twin = pages(MAP_SHARED, fd);

	assert_int_equal(mprotect(at, 2 * PAGE, PROT_READ), 0);
	for (unsigned i = 0; i < 3; i++) {
		memset(twin, 0, 2 * PAGE);
		refuse(cases[i].nr, ENOMEM);
		assert_int_equal(mem_force_copy(at + PAGE - 8, buf, 16, true), cases[i].want);
		refuse(-1, 0);
		assert_int_equal(memcmp(twin + PAGE - 8, buf, 16) == 0, cases[i].want == 16);
	}
	munmap(at, 2 * PAGE);
	munmap(twin, 2 * PAGE);
	close(fd);
}

/* A descriptor for reading only is opened anew to be written through. */
static void a_file_that_was_opened_for_reading(void **state)
{
	struct mem_files *files;
	struct mem_file *file;
	char path[40];
	void *host;
	int fd = memfd();

	assert_int_equal(mem_files_new(&files), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(mem_file_open(files, open(path, O_RDONLY | O_CLOEXEC), &file), 0);
	assert_int_equal(mem_file_pin(file, PAGE, PAGE, true, &host, NULL), 0);
	assert_int_equal(opened, 1);
	memset(host, 1, PAGE);
	mem_file_unpin(file, PAGE, PAGE, host);
	refuse(SYS_openat, EMFILE);
	assert_int_equal(mem_file_pin(file, 0, PAGE, true, &host, NULL), -EPERM);
	assert_int_equal(mem_file_pin(file, 0, PAGE, false, &host, NULL), 0);
	mem_file_unpin(file, 0, PAGE, host);
	refuse(SYS_fstat, EIO);
	assert_int_equal(mem_file_pin(file, 0, PAGE, false, &host, NULL), -EINVAL);
	refuse(SYS_mmap, ENOMEM);
	assert_int_equal(mem_file_pin(file, 0, PAGE, false, &host, NULL), -ENOMEM);
	/* What was mapped goes again where there are no pages for it. */
	refuse(-1, 0);
	looks_longer = true;
	assert_int_equal(mem_file_pin(file, PAGE, 2 * PAGE, false, &host, NULL), -ENOMEM);
	looks_longer = false;
	mem_file_put(file);
	mem_files_destroy(files);
	close(fd);
}

/* A file that does not say what it is, is none; its descriptor is closed. */
static void a_file_that_cannot_be_looked_at(void **state)
{
	static const long asked[] = {SYS_fcntl, SYS_fstat, SYS_fstatfs};
	struct mem_files *files;
	struct mem_file *file;

	assert_int_equal(mem_files_new(&files), 0);
	for (unsigned i = 0; i < 3; i++) {
		int fd = memfd();

		refuse(asked[i], EIO);
		assert_int_equal(mem_file_open(files, fd, &file), -EBADF);
		refuse(-1, 0);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
	refuse(SYS_mmap, ENOMEM);
	assert_int_equal(mem_dmabuf_new(files, PAGE, &file), -ENOMEM);
	mem_files_destroy(files);
}

static bool same(uint64_t first, uint64_t second, char *a, char *b)
{
	frame_of = a;
	frame[0] = first;
	frame[1] = second;
	return mem_same_page(a, b);
}

#define PRESENT (1ull << 63)
#define OTHERS	(0xffull << 55) /* bits that say something else */

/* What is no frame, or that of no page, tells nothing: then it is what is mapped there. */
static void pages_are_the_same_where_their_frames_are(void **state)
{
	static const uint64_t none[] = {5, 0, PRESENT, PRESENT | OTHERS};
	int fd = memfd();
	char *a = pages(MAP_SHARED, fd), *b = pages(MAP_SHARED, fd);
	const uint64_t five = PRESENT | 5;

	frames_are_told = true;
	assert_true(same(five, five, a, b));
	assert_true(same(five, five, a, b + PAGE));
	assert_false(same(five, PRESENT | 6, a, b));
	assert_false(same(five, PRESENT | 5 | 1ull << 54, a, b));
	assert_true(same(five, five | (OTHERS & ~PRESENT), a, b + PAGE));
	assert_int_equal(opened, 5);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(same(none[i], five, a, b));
		assert_false(same(none[i], five, a, b + PAGE));
		assert_true(same(five, none[i], a, b));
		assert_false(same(five, none[i], a, b + PAGE));
		assert_false(same(none[i], none[i], a, b + PAGE));
	}
	/* Nobody is asked of one page. */
	opened = 0;
	assert_true(same(five, PRESENT | 6, a, a + PAGE - 1));
	assert_int_equal(opened, 0);
	frames_are_told = false;
	refuse(SYS_pread64, EPERM);
	assert_true(mem_same_page(a, b));
	assert_false(mem_same_page(a, b + PAGE));
	refuse(SYS_openat, EPERM);
	assert_false(mem_same_page(a, b));
	munmap(a, 2 * PAGE);
	munmap(b, 2 * PAGE);
	close(fd);
}

static void a_file_that_cannot_be_read_is_none(void **state)
{
	char *text = mem_read_file("/proc/self/maps");

	assert_non_null(text);
	free(text);
	assert_int_equal(opened, 1);
	refuse(SYS_read, EIO);
	assert_null(mem_read_file("/proc/self/maps"));
	refuse(SYS_openat, EMFILE);
	assert_null(mem_read_file("/proc/self/maps"));
}

/* Where a child's copy of it cannot be wiped there is no page, and each call asks anew. */
static void an_account_without_its_page(void **state)
{
	static const long needed[] = {SYS_mmap, SYS_madvise};
	struct ioas_iommu iommu = {.config = {.memlock = true}};
	struct account *account;

	for (unsigned i = 0; i < 2; i++) {
		refuse(needed[i], EINVAL);
		assert_int_equal(account_new(&iommu, &account), 0);
		refuse(-1, 0);
		assert_int_equal(account_self(account), 0);
		account_destroy(account);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(forbidden_memory),
		TEST(forbidden_shared_memory),
		TEST(a_file_that_was_opened_for_reading),
		TEST(a_file_that_cannot_be_looked_at),
		TEST(pages_are_the_same_where_their_frames_are),
		TEST(a_file_that_cannot_be_read_is_none),
		TEST(an_account_without_its_page),
	};

	return cmocka_run_group_tests(tests, keep_heap, NULL);
}
