/* SPDX-License-Identifier: MIT */
/*
 * Description: what maps, windows, accounts and files take is given back when they end, and where
 * only a part of it could be had, be it the allocator or the system that refuses the rest; the end
 * of what never was made does nothing.
 * The linker puts the __wrap_ functions in front of both (see meson.build).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/account.h"
#include "mem/file.h"
#include "mem/mem.h"
#include "tests/unit/mapped.h"
#include "util/inject.h"

#define PAGE 4096ull

void *__real_malloc(size_t len);
void *__real_calloc(size_t nr, size_t len);
void *__real_realloc(void *ptr, size_t len);
void __real_free(void *ptr);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t nr, size_t len);
void *__wrap_realloc(void *ptr, size_t len);
void __wrap_free(void *ptr);

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

/* One call of the system's that is refused: the how manieth of that number, and how. */
static struct {
	long nr;
	int error;
	unsigned left; /* 0: none is */
} refused;

/* No page can be had, whichever way it is asked for. */
static bool no_pages;

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	if (no_pages && (nr == SYS_madvise || nr == SYS_process_vm_readv || nr == SYS_futex)) {
		errno = EFAULT;
		return -1;
	}
	if (!refused.left || nr != refused.nr || --refused.left)
		return __real_syscall(nr, a, b, c, d, e, f);
	errno = refused.error;
	return -1;
}

static long live; /* allocations that nobody has freed */

static void *counted(void *ptr)
{
	live += ptr != NULL;
	return ptr;
}

void *__wrap_malloc(size_t len)
{
	return counted(__real_malloc(len));
}

void *__wrap_calloc(size_t nr, size_t len)
{
	return counted(__real_calloc(nr, len));
}

void *__wrap_realloc(void *ptr, size_t len)
{
	void *moved = __real_realloc(ptr, len);

	live += moved && !ptr;
	return moved;
}

void __wrap_free(void *ptr)
{
	live -= ptr != NULL;
	__real_free(ptr);
}

typedef int life_fn(void);

/* A whole life changes nothing, and none does that ends at the 1st, 2nd, ... allocation. */
static unsigned sweep(life_fn *life)
{
	long live_before, mapped_before;
	int rc = -ENOMEM;

	/* The C library keeps some of what it was given for the first one. */
	assert_int_equal(life(), 0);
	live_before = live;
	mapped_before = mapped();
	assert_int_equal(life(), 0);
	assert_int_equal(live, live_before);
	assert_int_equal(mapped(), mapped_before);
	for (unsigned n = 1;; n++) {
		unsigned left;

		inject_arm(n);
		rc = life();
		left = inject_remaining();
		inject_arm(0);
		assert_int_equal(live, live_before);
		if (left) {
			assert_int_equal(rc, 0);
			return n - 1;
		}
		assert_int_equal(rc, -ENOMEM);
	}
}

/* The same for the system's 1st, 2nd, ... answer to a call, and what becomes of it: `rc`; 1: some
 * error. */
static unsigned sweep_system(life_fn *life, long nr, int error, int rc)
{
	long live_before, mapped_before;

	assert_int_equal(life(), 0);
	live_before = live;
	mapped_before = mapped();
	refused.nr = nr;
	refused.error = error;
	for (unsigned n = 1;; n++) {
		int got;

		refused.left = n;
		got = life();
		assert_int_equal(live, live_before);
		assert_int_equal(mapped(), mapped_before);
		if (refused.left) {
			refused.left = 0;
			assert_int_equal(got, 0);
			return n - 1;
		}
		assert_int_equal(rc == 1 && got < 0 ? 1 : got, rc);
	}
}

static char host[64 * PAGE];

/* One window of many places, one that is cut and given up in part, and many of several classes. */
static int use_windows(struct mem_map *map, struct inflight *inflight)
{
	struct mem_window *window[150] = {NULL}, joined;
	struct mem_part part[2] = {{.host = host, .len = 2 * PAGE},
				   {.host = host + 8 * PAGE, .len = 2 * PAGE}};
	/* The first piece that is needed besides those of windows. */
	int rc = mem_window_new(map, 0, host, 3 * PAGE, &window[0]);

	if (!rc)
		rc = mem_window_cut(map, inflight, window[0], PAGE);
	if (window[0])
		mem_window_destroy(map, window[0]);
	window[0] = NULL;
	if (!rc)
		rc = mem_window_begin(map, 0, part, 2, NULL, &joined);
	if (rc)
		return rc;
	rc = mem_window_cut(map, inflight, &joined, PAGE);
	for (uint64_t at = 0, len = 1; at < 4 * PAGE; at += PAGE)
		assert_ptr_equal(mem_window_at(&joined, at, &len),
				 host + at + (at < 2 * PAGE ? 0 : 6 * PAGE));
	for (unsigned i = 0; i < 150 && !rc; i++)
		rc = mem_window_new(map, 0, host, (1 + i % 3) * 4 * PAGE, &window[i]);
	if (!rc)
		rc = mem_window_cut(map, inflight, window[0], 2 * PAGE);
	if (!rc)
		mem_window_release(map, window[0], 0, 2 * PAGE);
	for (unsigned i = 0; i < 150; i++)
		if (window[i])
			mem_window_destroy(map, window[i]);
	mem_window_end(map, &joined);
	return rc;
}

/* More pieces than come from the system at a time, each of which is used. */
static int pieces_life(void)
{
	struct mem_window *window[12] = {NULL};
	struct inflight inflight;
	struct mem_map *map;
	int rc = mem_map_new(52, &map);

	if (rc)
		return rc;
	inflight_init(&inflight);
	for (unsigned i = 0; i < 12 && !rc; i++) {
		rc = mem_window_new(map, 0, host, sizeof(host), &window[i]);
		for (uint64_t at = PAGE; at < sizeof(host) && !rc; at += PAGE)
			rc = mem_window_cut(map, &inflight, window[i], at);
	}
	for (unsigned i = 0; i < 12; i++)
		if (window[i])
			mem_window_destroy(map, window[i]);
	mem_map_destroy(map);
	inflight_fini(&inflight);
	return rc;
}

static int map_life(void)
{
	struct inflight inflight;
	struct mem_map *map;
	int rc = mem_map_new(52, &map);

	if (rc)
		return rc;
	inflight_init(&inflight);
	rc = use_windows(map, &inflight);
	mem_map_destroy(map);
	inflight_fini(&inflight);
	return rc;
}

static int capable(struct ioas_caller *caller, int cap)
{
	return 0;
}

static uint32_t uid(struct ioas_caller *caller)
{
	return 7;
}

static const struct ioas_caller_ops ops = {.capable = capable, .uid = uid};

static int account_life(void)
{
	struct ioas_caller caller = {.ops = &ops, .pid = 0x7000001}, self = {.ops = &ops};
	static struct ioas_iommu iommu;
	struct account_share *again = NULL, *other = NULL;
	struct account_purse purse = {NULL};
	struct account_payer payer = {NULL};
	struct account *account;
	int rc = account_new(&iommu, &account);

	if (rc)
		return rc;
	rc = account_payer_init(account, ACCOUNT_USER, &caller, &payer);
	if (!rc)
		rc = account_purse_take(account, ACCOUNT_USER, &self, &purse, &again);
	account_share_put(again);
	again = NULL;
	if (!rc)
		rc = account_purse_take(account, ACCOUNT_PROCESS, &self, &purse, &again);
	if (!rc) {
		other = account_share_new_as(account, ACCOUNT_USER, &caller);
		rc = other ? 0 : -ENOMEM;
	}
	account_share_put(other);
	account_share_put(again);
	account_purse_fini(&purse);
	account_payer_fini(&payer);
	account_destroy(account);
	return rc;
}

static int use_file(struct mem_files *files)
{
	int fd = memfd_create("test", MFD_CLOEXEC), rc, again;
	struct mem_file *file, *same = NULL;
	void *at;

	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	again = dup(fd);
	rc = mem_file_open(files, fd, &file);
	if (rc) {
		assert_int_equal(fcntl(fd, F_GETFD), -1);
		close(again);
		return rc;
	}
	rc = mem_file_open(files, again, &same);
	if (!rc) {
		rc = mem_file_pin(file, 0, 2 * PAGE, true, &at, NULL);
		if (!rc)
			mem_file_unpin(file, 0, 2 * PAGE, at);
		mem_file_put(same);
	}
	mem_file_put(file);
	/* Closed, with whatever happened. */
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(fcntl(again, F_GETFD), -1);
	return rc;
}

static int file_life(void)
{
	struct mem_file *buf;
	struct mem_files *files;
	int rc = mem_files_new(&files);

	if (rc)
		return rc;
	rc = use_file(files);
	if (!rc)
		rc = mem_dmabuf_new(files, 3 * PAGE, &buf);
	if (!rc)
		mem_file_put(buf);
	mem_files_destroy(files);
	return rc;
}

static void maps_and_windows_leave_nothing(void **state)
{
	assert_true(sweep(map_life) > 150);
	assert_true(sweep(pieces_life) > 8);
	/* Pieces, and where they are. */
	assert_true(sweep_system(map_life, SYS_mmap, ENOMEM, -ENOMEM) >= 3);
}

static void accounts_leave_nothing(void **state)
{
	assert_true(sweep(account_life) >= 8);
	/* It can do without the page that a child finds wiped, and without knowing who began when.
	 */
	assert_int_equal(sweep_system(account_life, SYS_mmap, ENOMEM, 0), 1);
	assert_int_equal(sweep_system(account_life, SYS_madvise, EINVAL, 0), 1);
	assert_true(sweep_system(account_life, SYS_openat, EMFILE, 0) > 0);
	assert_true(sweep_system(account_life, SYS_read, EIO, 0) > 0);
}

static void files_leave_nothing(void **state)
{
	assert_int_equal(sweep(file_life), 4);
	assert_int_equal(sweep_system(file_life, SYS_mmap, ENOMEM, -ENOMEM), 2);
	assert_int_equal(sweep_system(file_life, SYS_fcntl, EBADF, -EBADF), 2);
	assert_int_equal(sweep_system(file_life, SYS_fstat, EBADF, 1), 3);
	assert_int_equal(sweep_system(file_life, SYS_fstatfs, EBADF, -EBADF), 2);
}

/* What was mapped to look for its memory is mapped no more. */
static void a_file_without_memory_leaves_nothing(void **state)
{
	struct mem_files *files;
	struct mem_file *file;
	struct ioas_why why;
	void *at;
	int fd = memfd_create("test", MFD_CLOEXEC);
	long before;

	assert_int_equal(ftruncate(fd, 3 * PAGE), 0);
	assert_int_equal(mem_files_new(&files), 0);
	assert_int_equal(mem_file_open(files, fd, &file), 0);
	before = mapped();
	no_pages = true;
	for (int write = 0; write < 2; write++) {
		assert_int_equal(mem_file_pin(file, PAGE, 2 * PAGE, write, &at, &why), -ENOMEM);
		assert_string_equal(why.text, "no memory for the file's pages");
	}
	no_pages = false;
	assert_int_equal(mapped(), before);
	assert_int_equal(mem_file_pin(file, PAGE, 2 * PAGE, true, &at, NULL), 0);
	mem_file_unpin(file, PAGE, 2 * PAGE, at);
	assert_int_equal(mapped(), before);
	mem_file_put(file);
	mem_files_destroy(files);
}

static void what_was_never_made_ends(void **state)
{
	long before = live;

	mem_map_destroy(NULL);
	account_destroy(NULL);
	account_share_put(NULL);
	mem_files_destroy(NULL);
	mem_file_put(NULL);
	pins_free_splits(NULL);
	assert_int_equal(live, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_and_windows_leave_nothing),
		cmocka_unit_test(accounts_leave_nothing),
		cmocka_unit_test(files_leave_nothing),
		cmocka_unit_test(a_file_without_memory_leaves_nothing),
		cmocka_unit_test(what_was_never_made_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
