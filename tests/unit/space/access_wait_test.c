/* SPDX-License-Identifier: MIT */
/*
 * Description: UNMAP waits for copies at work without a word to anybody, asks those who pin again
 * and again with naps between, and gives up in the end; what others map behind it meanwhile stays.
 * The linker puts __wrap_clock_gettime and __wrap_pthread_cond_timedwait in front of the system's
 * (see meson.build): no nap takes any time.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <cmocka.h>
#include <ioas/access.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/mem.h"
#include "space/private.h"
#include "space/space.h"

#define PAGE  4096ull
#define PAGES 4
#define BASE  0x100000ull
#define RW    (IOAS_MAP_READ | IOAS_MAP_WRITE)
#define TRIES 100

/* After those, of which it makes use. */
#include "tests/unit/space/access_rig.h"

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);

static struct timespec now, until; /* what the clock says; until when the last nap was */
static unsigned naps;

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	*out = now;
	return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *when)
{
	until = *when;
	naps++;
	return ETIMEDOUT;
}

static struct ioas_caller_ops ops;
static struct ioas_caller caller = {.ops = &ops};
static struct ioas_access_pin *pin[2];
static unsigned calls, lets_go; /* times it was asked; after how many */
static void (*at_call)(void), (*at_copy)(void);

static void told(void *arg, iova_t first, iova_t last)
{
	calls++;
	if (at_call)
		at_call();
	for (unsigned i = 0; i < 2; i++)
		if (pin[i] && ioas_access_pin_iova(pin[i]) == first && calls % lets_go == 0) {
			ioas_access_unpin(pin[i]);
			pin[i] = NULL;
		}
}

static int copy_from(struct ioas_caller *self, void *dst, uint64_t va, size_t len)
{
	if (at_copy)
		at_copy();
	return mem_self_caller()->ops->copy_from(self, dst, va, len);
}

static const struct ioas_access_ops access_ops = {.unmap = told};

static int setup(void **state)
{
	naps = calls = 0;
	lets_go = 1;
	at_call = at_copy = NULL;
	pin[0] = pin[1] = NULL;
	ops = *mem_self_caller()->ops;
	ops.copy_from = copy_from;
	rig_start(&access_ops);
	return 0;
}

static void map(unsigned page)
{
	iova_t iova = BASE + page * PAGE;

	assert_int_equal(ioas_space_map(space, &caller, &iova, (uintptr_t)mem + page * PAGE, PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
}

static void pin_page(unsigned i, unsigned page)
{
	assert_int_equal(ioas_access_pin(access_of, BASE + page * PAGE, PAGE, 0, &pin[i], NULL), 0);
}

static int unmap(unsigned first, unsigned nr, unsigned want)
{
	uint64_t len = 77;
	int rc = ioas_space_unmap(space, BASE + first * PAGE, BASE + (first + nr) * PAGE - 1, &len,
				  NULL);

	assert_int_equal(len, want * PAGE);
	return rc;
}

static pthread_t thread;

static void *unmap_page(void *arg)
{
	assert_int_equal(unmap(0, 1, 1), 0);
	return NULL;
}

/* Until UNMAP has met the area. */
static void unmap_meanwhile(void)
{
	bool closing = false;

	assert_int_equal(pthread_create(&thread, NULL, unmap_page, NULL), 0);
	while (!closing) {
		struct space_area *area;

		pthread_mutex_lock(&space->lock);
		area = areas_find(&space->areas, BASE);
		closing = area->closing;
		assert_int_equal(area->busy, 1);
		pthread_mutex_unlock(&space->lock);
		sched_yield();
	}
}

static void a_copy_at_work_is_waited_for(void **state)
{
	char buf[16];

	map(0);
	memset(mem, 'a', PAGE);
	at_copy = unmap_meanwhile;
	assert_int_equal(ioas_access_rw(access_of, BASE, buf, 16, 0, NULL), 0);
	assert_int_equal(buf[15], 'a');
	pthread_join(thread, NULL);
	assert_int_equal(space_area_nr(space), 0);
	assert_int_equal(calls, 0);
	assert_int_equal(naps, 0);
}

static void who_does_not_let_go_is_asked_so_often(void **state)
{
	struct ioas_access_pin *again;

	map(0);
	pin_page(0, 0);
	lets_go = UINT32_MAX;
	assert_int_equal(unmap(0, 1, 0), -EDEADLOCK);
	assert_int_equal(calls, TRIES);
	assert_int_equal(naps, TRIES);
	/* And then all is as it was. */
	assert_int_equal(ioas_access_pin(access_of, BASE, PAGE, 0, &again, NULL), 0);
	ioas_access_unpin(again);
	calls = naps = 0;
	lets_go = TRIES;
	assert_int_equal(unmap(0, 1, 1), 0);
	assert_int_equal(calls, TRIES);
	assert_int_equal(naps, TRIES - 1);
}

/* For each mapping anew. */
static void two_may_each_take_their_time(void **state)
{
	map(0);
	map(1);
	pin_page(0, 0);
	pin_page(1, 1);
	lets_go = TRIES - 1;
	assert_int_equal(unmap(0, 2, 2), 0);
	assert_int_equal(calls, 2 * (TRIES - 1));
}

static void a_nap_ends_in_ten_milliseconds(void **state)
{
	static const struct timespec at[] = {
		{5, 0}, {5, 989999999}, {5, 990000000}, {5, 999999999}};

	for (unsigned i = 0; i < 4; i++) {
		map(0);
		pin_page(0, 0);
		lets_go = 2;
		calls = naps = 0;
		now = at[i];
		assert_int_equal(unmap(0, 1, 1), 0);
		assert_int_equal(naps, 1);
		assert_in_range(until.tv_nsec, 0, 999999999);
		assert_int_equal((until.tv_sec - now.tv_sec) * 1000000000l + until.tv_nsec -
					 now.tv_nsec,
				 10000000);
	}
}

static void map_behind(void)
{
	if (calls == 1)
		map(0);
}

/* The run before the one that is pinned is gone when its owner is asked: there is room again. */
static void what_comes_behind_the_run_is_not_meant(void **state)
{
	map(0);
	map(1);
	map(2);
	pin_page(0, 1);
	at_call = map_behind;
	lets_go = 2;
	assert_int_equal(unmap(0, 3, 3), 0);
	assert_int_equal(space_area_nr(space), 1);
	at_call = NULL;
	assert_int_equal(unmap(0, 1, 1), 0);
}

/* Nobody has let them go: they end with the access. */
static void pins_that_are_left_end(void **state)
{
	map(0);
	map(1);
	pin_page(0, 0);
	pin_page(1, 1);
	lets_go = UINT32_MAX;
	ioas_access_destroy(access_of);
	access_of = NULL;
	assert_int_equal(calls, 1);
	assert_int_equal(unmap(0, 2, 2), 0);
	assert_int_equal(calls, 1);
	pin[0] = pin[1] = NULL;
}

static void a_refusal_names_the_mapping(void **state)
{
	static const char range[] = "0x100000-0x100fff";
	struct ioas_why why = {""};
	iova_t iova = BASE;
	char buf[8] = "";

	assert_int_equal(ioas_space_map(space, &caller, &iova, (uintptr_t)mem, PAGE,
					IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(ioas_access_rw(access_of, BASE, buf, 8, IOAS_ACCESS_WRITE, &why), -EPERM);
	assert_non_null(strstr(why.text, range));
	assert_non_null(strstr(why.text, "write"));
	pin_page(0, 0);
	lets_go = UINT32_MAX;
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + PAGE - 1, NULL, &why), -EDEADLOCK);
	assert_non_null(strstr(why.text, range));
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + 9, NULL, &why), -ENOENT);
	assert_non_null(strstr(why.text, range));
	assert_non_null(strstr(why.text, "0x100000-0x100009"));
	assert_int_equal(ioas_space_unmap(space, 0x5000, 0x5fff, NULL, &why), -ENOENT);
	assert_non_null(strstr(why.text, "0x5000-0x5fff"));
	ioas_access_unpin(pin[0]);
	pin[0] = NULL;
}

/* A program cannot read that either. */
static void a_dmabuf_is_for_devices_only(void **state)
{
	struct ioas_why why = {""};
	struct mem_file *buf;
	iova_t iova = BASE;
	char at[8] = "";

	assert_int_equal(mem_dmabuf_new(iommu->files, 2 * PAGE, &buf), 0);
	assert_int_equal(
		space_map_file(space, &caller, buf, &iova, 0, 2 * PAGE, RW | IOAS_MAP_FIXED, NULL),
		0);
	for (uint32_t flags = 0; flags <= IOAS_ACCESS_WRITE; flags += IOAS_ACCESS_WRITE) {
		assert_int_equal(ioas_access_rw(access_of, BASE + PAGE, at, 8, flags, &why),
				 -EINVAL);
		assert_non_null(strstr(why.text, "0x100000-0x101fff"));
		assert_int_equal(ioas_access_pin(access_of, BASE, PAGE, flags, &pin[0], &why),
				 -EINVAL);
	}
	pin[0] = NULL;
	assert_int_equal(unmap(0, 2, 2), 0);
	mem_file_put(buf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_stop)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_copy_at_work_is_waited_for),
		TEST(who_does_not_let_go_is_asked_so_often),
		TEST(two_may_each_take_their_time),
		TEST(a_nap_ends_in_ten_milliseconds),
		TEST(what_comes_behind_the_run_is_not_meant),
		TEST(pins_that_are_left_end),
		TEST(a_refusal_names_the_mapping),
		TEST(a_dmabuf_is_for_devices_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
