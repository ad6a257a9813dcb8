/* SPDX-License-Identifier: MIT */
/*
 * Description: a process is known by its number and when it began: a number that means another one
 * by now has pinned nothing. What /proc says comes from here.
 * The linker puts __wrap_syscall in front of the system's calls (see meson.build).
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
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/account.h"

#define PAGE  4096ull
#define OTHER 0x7000001 /* no process has it: above every pid_max */

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

static char stat_text[1200]; /* of OTHER; "": it is gone */
static unsigned opened, closed;

static long open_stat(void)
{
	int fd = memfd_create("stat", MFD_CLOEXEC);
	size_t len = strlen(stat_text);

	if (!len) {
		close(fd);
		errno = ENOENT;
		return -1;
	}
	assert_int_equal(pwrite(fd, stat_text, len, 0), len);
	opened++;
	return fd;
}

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	closed += nr == SYS_close;
	assert_true(nr != SYS_openat || c & O_CLOEXEC);
	if (nr == SYS_openat && !strcmp((const char *)b, "/proc/117440513/stat"))
		return open_stat();
	return __real_syscall(nr, a, b, c, d, e, f);
}

/* The fields of proc(5), each with a value of its own, and a name with anything in it. */
static void began(const char *name, uint64_t start)
{
	int at = snprintf(stat_text, sizeof(stat_text), "%d (%s) S", OTHER, name);

	for (unsigned field = 4; field <= 52; field++)
		at += snprintf(stat_text + at, sizeof(stat_text) - (size_t)at, " %llu",
			       field == 22 ? (unsigned long long)start : 1000000ull + field);
	snprintf(stat_text + at, sizeof(stat_text) - (size_t)at, "\n");
}

static int capable(struct ioas_caller *caller, int cap)
{
	return 0;
}

static uint64_t memlock(struct ioas_caller *caller)
{
	return 3 * PAGE;
}

static const struct ioas_caller_ops ops = {.capable = capable, .memlock = memlock};
static struct ioas_caller other = {.ops = &ops, .pid = OTHER};

static struct ioas_iommu iommu = {.config = {.memlock = true}};
static struct account *account;

static int setup(void **state)
{
	return account_new(&iommu, &account);
}

static int teardown(void **state)
{
	assert_int_equal(opened, closed);
	account_destroy(account);
	return 0;
}

static uint64_t pinned(void)
{
	uint64_t out = 77, locked;

	account_read(account, OTHER, &out, &locked);
	assert_int_equal(out, locked);
	return out / PAGE;
}

static void a_number_that_came_back_is_another_process(void **state)
{
	struct account_payer old, new;

	began("cat", 500);
	assert_int_equal(account_payer_init(account, ACCOUNT_PROCESS, &other, &old), 0);
	assert_int_equal(account_charge(&old, 3 * PAGE, NULL), 0);
	assert_int_equal(pinned(), 3);
	began("cat", 501);
	assert_int_equal(pinned(), 0);
	/* With a limit of its own. */
	assert_int_equal(account_payer_init(account, ACCOUNT_PROCESS, &other, &new), 0);
	assert_int_equal(account_charge(&new, 2 * PAGE, NULL), 0);
	assert_int_equal(pinned(), 2);
	began("dog", 500);
	assert_int_equal(pinned(), 3);
	account_uncharge(&old, 3 * PAGE);
	account_payer_fini(&old);
	assert_int_equal(pinned(), 0);
	began("dog", 501);
	assert_int_equal(pinned(), 2);
	account_uncharge(&new, 2 * PAGE);
	account_payer_fini(&new);
}

static void the_start_is_found_behind_any_name(void **state)
{
	static char longer[701]; /* with it the file is longer than what is read of it */
	const char *const names[] = {"", "a b", ") R 1 2", "(((", "x) S 1 1 1 1 (", "\n", longer};
	struct account_payer payer;

	memset(longer, 'x', sizeof(longer) - 1);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		began("plain", 7);
		assert_int_equal(account_payer_init(account, ACCOUNT_PROCESS, &other, &payer), 0);
		assert_int_equal(account_charge(&payer, PAGE, NULL), 0);
		began(names[i], 7);
		assert_int_equal(pinned(), 1);
		began(names[i], 8);
		assert_int_equal(pinned(), 0);
		/* Cut short, or gone. */
		strchr(stat_text, ' ')[0] = '\0';
		assert_int_equal(pinned(), 0);
		stat_text[0] = '\0';
		assert_int_equal(pinned(), 0);
		account_uncharge(&payer, PAGE);
		account_payer_fini(&payer);
	}
}

/* One that is gone already pays like one that began at 0. */
static void one_that_is_gone_pays(void **state)
{
	struct account_payer payer;

	stat_text[0] = '\0';
	assert_int_equal(account_payer_init(account, ACCOUNT_PROCESS, &other, &payer), 0);
	assert_int_equal(account_charge(&payer, PAGE, NULL), 0);
	assert_int_equal(pinned(), 1);
	began("new", 9);
	assert_int_equal(pinned(), 0);
	account_uncharge(&payer, PAGE);
	account_payer_fini(&payer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_number_that_came_back_is_another_process),
		TEST(the_start_is_found_behind_any_name),
		TEST(one_that_is_gone_pays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
