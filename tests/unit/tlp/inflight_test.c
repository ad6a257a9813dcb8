/* SPDX-License-Identifier: MIT */
/*
 * Description: marks are listed as long as they are there, in whatever order they go; and who waits
 * goes on when all that were in flight have left, not before.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tlp/inflight.h"

static struct inflight inflight;

static int setup(void **state)
{
	inflight_init(&inflight);
	return 0;
}

static int teardown(void **state)
{
	assert_null(inflight.list);
	inflight_fini(&inflight);
	return 0;
}

static unsigned listed(const struct inflight_mark *mark)
{
	unsigned nr = 0;

	for (const struct inflight_mark *at = inflight.list; at; at = at->next)
		nr += at == mark;
	return nr;
}

static void marks_go_in_any_order(void **state)
{
	static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	for (unsigned i = 0; i < 6; i++) {
		struct inflight_mark marks[3] = {0};
		unsigned there = 7;

		for (unsigned k = 0; k < 3; k++)
			inflight_add(&inflight, &marks[k]);
		for (unsigned k = 0; k < 3; k++) {
			inflight_del(&inflight, &marks[orders[i][k]]);
			there &= ~(1u << orders[i][k]);
			for (unsigned m = 0; m < 3; m++)
				assert_int_equal(listed(&marks[m]), there >> m & 1);
		}
	}
}

static void each_wait_begins_a_generation(void **state)
{
	struct inflight_mark mark = {0};
	uint64_t before = inflight_generation(&inflight);

	assert_int_not_equal(before, 0);
	inflight_add(&inflight, &mark);
	for (unsigned i = 1; i < 4; i++) {
		inflight_enter(&mark);
		assert_true(inflight_entered(&mark));
		inflight_leave(&mark);
		assert_false(inflight_entered(&mark));
		inflight_wait(&inflight);
		assert_int_equal(inflight_generation(&inflight),
				 before + (uint64_t)i * INFLIGHT_WAIT);
	}
	inflight_del(&inflight, &mark);
}

static _Atomic unsigned waited; /* 1 it has begun, 2 it is over */

static void *wait_for_all(void *arg)
{
	atomic_store(&waited, 1);
	inflight_wait(&inflight);
	atomic_store(&waited, 2);
	return NULL;
}

/* Wherever it stands in the list. */
static void who_is_in_flight_is_waited_for(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		struct inflight_mark marks[3] = {0};
		uint64_t before = inflight_generation(&inflight);
		pthread_t thread;

		for (unsigned k = 0; k < 3; k++)
			inflight_add(&inflight, &marks[k]);
		inflight_enter(&marks[i]);
		atomic_store(&waited, 0);
		assert_int_equal(pthread_create(&thread, NULL, wait_for_all, NULL), 0);
		while (inflight_generation(&inflight) == before)
			sched_yield();
		for (unsigned k = 0; k < 1000; k++) {
			sched_yield();
			assert_int_equal(atomic_load(&waited), 1);
		}
		inflight_leave(&marks[i]);
		pthread_join(thread, NULL);
		assert_int_equal(atomic_load(&waited), 2);
		for (unsigned k = 0; k < 3; k++)
			inflight_del(&inflight, &marks[k]);
	}
}

static void *add_and_take_out(void *arg)
{
	atomic_store(&waited, 1);
	inflight_add(&inflight, arg);
	inflight_del(&inflight, arg);
	atomic_store(&waited, 2);
	return NULL;
}

/* And begins no generation by itself. */
static void who_changes_the_list_comes_after_who_waits(void **state)
{
	struct inflight_mark mark = {0}, other = {0};
	uint64_t before = inflight_generation(&inflight);
	pthread_t waiter, changer;

	add_and_take_out(&other);
	assert_int_equal(inflight_generation(&inflight), before);
	inflight_add(&inflight, &mark);
	assert_int_equal(inflight_generation(&inflight), before);
	inflight_enter(&mark);
	assert_int_equal(pthread_create(&waiter, NULL, wait_for_all, NULL), 0);
	while (inflight_generation(&inflight) == before)
		sched_yield();
	atomic_store(&waited, 0);
	assert_int_equal(pthread_create(&changer, NULL, add_and_take_out, &other), 0);
	while (!atomic_load(&waited))
		sched_yield();
	for (unsigned k = 0; k < 1000; k++) {
		sched_yield();
		assert_int_equal(atomic_load(&waited), 1);
		assert_ptr_equal(inflight.list, &mark);
	}
	inflight_leave(&mark);
	pthread_join(waiter, NULL);
	pthread_join(changer, NULL);
	assert_int_equal(inflight_generation(&inflight), before + INFLIGHT_WAIT);
	inflight_del(&inflight, &mark);
}

#define WAITERS 3
#define WAITS	2000

static void *wait_often(void *arg)
{
	for (unsigned i = 0; i < WAITS; i++) {
		struct inflight_mark mark = {0};

		inflight_add(&inflight, &mark);
		inflight_wait(&inflight);
		inflight_del(&inflight, &mark);
	}
	return NULL;
}

/* None is lost, of those who come at the same time. */
static void many_wait_in_turn(void **state)
{
	uint64_t before = inflight_generation(&inflight);
	pthread_t threads[WAITERS];

	for (unsigned i = 0; i < WAITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_often, NULL), 0);
	for (unsigned i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(inflight_generation(&inflight),
			 before + (uint64_t)WAITERS * WAITS * INFLIGHT_WAIT);
	assert_int_equal(atomic_load(&inflight.turns) & INFLIGHT_TURN, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(marks_go_in_any_order),
		TEST(each_wait_begins_a_generation),
		TEST(who_is_in_flight_is_waited_for),
		TEST(who_changes_the_list_comes_after_who_waits),
		TEST(many_wait_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
