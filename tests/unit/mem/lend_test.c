/* SPDX-License-Identifier: MIT */
/* Description: waiting for what is lent ends when it is back, whatever is lent meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include "mem/lend.h"

struct shared {
	struct mem_lend lend, *other; /* whose to wait for; NULL: its own */
	_Atomic bool waiting;
	_Atomic bool done;
};

static void *wait_idle(void *arg)
{
	struct shared *shared = arg;

	atomic_store(&shared->waiting, true);
	mem_lend_idle(shared->other ? shared->other : &shared->lend);
	atomic_store(&shared->done, true);
	return NULL;
}

static void idle_returns_at_once_when_nothing_is_lent(void **arg)
{
	struct mem_lend lend;

	mem_lend_init(&lend);
	mem_lend_idle(&lend);
	mem_lend_release(mem_lend_hold(&lend));
	mem_lend_idle(&lend);
}

static void idle_waits_for_each_hold(void **arg)
{
	static struct shared shared;
	mem_hold_t first, second;
	pthread_t thread;

	mem_lend_init(&shared.lend);
	first = mem_lend_hold(&shared.lend);
	second = mem_lend_hold(&shared.lend);
	pthread_create(&thread, NULL, wait_idle, &shared);
	while (!(atomic_load(&shared.lend.count[0]) >> 31)) /* it sleeps */
		sched_yield();
	mem_lend_release(first);
	usleep(20000);
	assert_false(atomic_load(&shared.done));
	mem_lend_release(second);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&shared.done));
	assert_int_equal(atomic_load(&shared.lend.side), 0); /* both were looked at */
	/* Nothing of it is left that whoever comes next could take for a hold. */
	assert_int_equal(atomic_load(&shared.lend.count[0]), 0);
}

/* Holds overlap all the time, as those of a busy queue do: the count is never zero. */
static void *lend_without_a_gap(void *arg)
{
	struct shared *shared = arg;
	mem_hold_t hold = mem_lend_hold(&shared->lend);

	atomic_store(&shared->waiting, true);
	while (!atomic_load(&shared->done)) {
		mem_hold_t next = mem_lend_hold(&shared->lend);

		mem_lend_release(hold);
		hold = next;
	}
	mem_lend_release(hold);
	return NULL;
}

static void idle_ends_under_steady_use(void **arg)
{
	static struct shared shared;
	pthread_t thread;

	mem_lend_init(&shared.lend);
	pthread_create(&thread, NULL, lend_without_a_gap, &shared);
	while (!atomic_load(&shared.waiting))
		sched_yield();
	for (int i = 0; i < 1000; i++)
		mem_lend_idle(&shared.lend);
	atomic_store(&shared.done, true);
	pthread_join(thread, NULL);
	mem_lend_idle(&shared.lend);
}

/* Two that wait turn one after the other: what the first one has lent to since, the second sees. */
static void one_waits_at_a_time(void **arg)
{
	static struct shared first, second;
	struct mem_lend *lend = &first.lend;
	pthread_t threads[2];
	mem_hold_t before, since;

	mem_lend_init(lend);
	second.other = lend;
	before = mem_lend_hold(lend);
	pthread_create(&threads[0], NULL, wait_idle, &first);
	while (!atomic_load(&lend->side))
		sched_yield();
	since = mem_lend_hold(lend);
	pthread_create(&threads[1], NULL, wait_idle, &second);
	while (!atomic_load(&second.waiting))
		sched_yield();
	/* It may be anywhere on its way by then; where it ends is in the first one's turn. */
	for (int i = 0; i < 100; i++) {
		usleep(200);
		assert_int_equal(atomic_load(&lend->side), 1);
	}
	assert_false(atomic_load(&first.done) || atomic_load(&second.done));
	mem_lend_release(before);
	mem_lend_release(since);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&lend->side), 0);
}

static void *drain(void *arg)
{
	struct shared *shared = arg;
	static _Atomic uint32_t never;

	atomic_store(&shared->waiting, true);
	atomic_store(&shared->done, mem_lend_drain(&shared->lend, &never));
	return NULL;
}

static void draining_waits_for_what_is_lent(void **arg)
{
	static struct shared shared;
	pthread_t thread;
	mem_hold_t hold;

	mem_lend_init(&shared.lend);
	hold = mem_lend_hold(&shared.lend);
	pthread_create(&thread, NULL, drain, &shared);
	while (!atomic_load(&shared.lend.side))
		sched_yield();
	assert_false(atomic_load(&shared.done));
	mem_lend_release(hold);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&shared.done));
	assert_int_equal(atomic_load(&shared.lend.side), 0);
}

/* Whoever is stopped says that it is not back, and leaves the turn to others. */
static void draining_stops_when_told_to(void **arg)
{
	_Atomic uint32_t stop = 1, go_on = 0;
	struct mem_lend lend;
	mem_hold_t hold;

	mem_lend_init(&lend);
	assert_true(mem_lend_drain(&lend, &stop));
	for (uint32_t side = 0; side < 2; side++) {
		atomic_store(&lend.side, side);
		hold = mem_lend_hold(&lend);
		/* On whichever side it is looked for first. */
		atomic_store(&lend.side, 0);
		assert_false(mem_lend_drain(&lend, &stop));
		mem_lend_release(hold);
		assert_true(mem_lend_drain(&lend, &go_on));
	}
	/* Another one has its turn. */
	atomic_store(&lend.turning, 1);
	assert_false(mem_lend_drain(&lend, &stop));
	assert_int_equal(atomic_load(&lend.turning), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_returns_at_once_when_nothing_is_lent),
		cmocka_unit_test(idle_waits_for_each_hold),
		cmocka_unit_test(idle_ends_under_steady_use),
		cmocka_unit_test(one_waits_at_a_time),
		cmocka_unit_test(draining_waits_for_what_is_lent),
		cmocka_unit_test(draining_stops_when_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
