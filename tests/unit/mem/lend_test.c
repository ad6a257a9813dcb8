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

static void set_side(struct mem_lend *lend, uint32_t side)
{
	if (mem_lend_side(lend) != side)
		atomic_fetch_xor(&lend->count[0], MEM_LEND_SIDE);
}

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
	while (!(atomic_load(&shared.lend.count[0]) & MEM_LEND_WAITED)) /* it sleeps */
		sched_yield();
	mem_lend_release(first);
	usleep(20000);
	assert_false(atomic_load(&shared.done));
	mem_lend_release(second);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&shared.done));
	assert_int_equal(mem_lend_side(&shared.lend), 0); /* both were looked at */
	/* Nothing of it is left that whoever comes next could take for a hold. */
	assert_int_equal(atomic_load(&shared.lend.count[0]), 0);
	assert_int_equal(atomic_load(&shared.lend.count[1]), 0);
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
	while (!mem_lend_side(lend))
		sched_yield();
	since = mem_lend_hold(lend);
	pthread_create(&threads[1], NULL, wait_idle, &second);
	while (!atomic_load(&second.waiting))
		sched_yield();
	/* It may be anywhere on its way by then; where it ends is in the first one's turn. */
	for (int i = 0; i < 100; i++) {
		usleep(200);
		assert_int_equal(mem_lend_side(lend), 1);
	}
	assert_false(atomic_load(&first.done) || atomic_load(&second.done));
	mem_lend_release(before);
	mem_lend_release(since);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(mem_lend_side(lend), 0);
}

static void until(_Atomic uint32_t *count, uint32_t bits)
{
	while ((atomic_load(count) & bits) != bits)
		sched_yield();
}

/* One for holds to be back, the other for its turn: each wakes when it is time, and not before. */
static void two_sleep_on_one_word(void **arg)
{
	static struct shared first, second;
	struct mem_lend *lend = &first.lend;
	pthread_t threads[2];
	mem_hold_t before, since;

	mem_lend_init(lend);
	second.other = lend;
	set_side(lend, 1);
	before = mem_lend_hold(lend);
	pthread_create(&threads[0], NULL, wait_idle, &first);
	until(&lend->count[1], MEM_LEND_TURNING | MEM_LEND_WAITED);
	since = mem_lend_hold(lend);
	pthread_create(&threads[1], NULL, wait_idle, &second);
	until(&lend->count[1], MEM_LEND_WANTED);
	usleep(5000);
	mem_lend_release(before);
	until(&lend->count[0], MEM_LEND_WAITED | MEM_LEND_SIDE);
	assert_int_equal(atomic_load(&lend->count[1]), MEM_LEND_TURNING | MEM_LEND_WANTED);
	assert_false(atomic_load(&first.done) || atomic_load(&second.done));
	mem_lend_release(since);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&lend->count[0]), MEM_LEND_SIDE);
	assert_int_equal(atomic_load(&lend->count[1]), 0);
}

#define LENDERS 2
#define WAITERS 3

static struct {
	struct mem_lend lend;
	_Atomic uint32_t held[LENDERS]; /* odd: its hold is out */
	_Atomic bool done;
} storm;

static void *lend_now_and_then(void *arg)
{
	_Atomic uint32_t *held = arg;

	for (unsigned i = 0; !atomic_load(&storm.done); i++) {
		mem_hold_t hold = mem_lend_hold(&storm.lend);

		atomic_fetch_add(held, 1);
		if (!(i % 16)) /* as long as a waiter needs to fall asleep */
			usleep(50);
		atomic_fetch_add(held, 1);
		mem_lend_release(hold);
	}
	return NULL;
}

static void *wait_again(void *arg)
{
	_Atomic uint32_t go_on = 0;

	for (unsigned i = 0; i < 1000; i++) {
		uint32_t was[LENDERS];

		for (unsigned k = 0; k < LENDERS; k++)
			was[k] = atomic_load(&storm.held[k]);
		if (i % 4)
			mem_lend_idle(&storm.lend);
		else
			assert_true(mem_lend_drain(&storm.lend, &go_on));
		for (unsigned k = 0; k < LENDERS; k++)
			assert_true(!(was[k] & 1) || atomic_load(&storm.held[k]) != was[k]);
	}
	return NULL;
}

static void what_was_held_is_back_whoever_waits(void **arg)
{
	pthread_t lender[LENDERS], waiter[WAITERS];

	mem_lend_init(&storm.lend);
	mem_lend_mark(&storm.lend);
	for (unsigned i = 0; i < LENDERS; i++)
		pthread_create(&lender[i], NULL, lend_now_and_then, &storm.held[i]);
	for (unsigned i = 0; i < WAITERS; i++)
		pthread_create(&waiter[i], NULL, wait_again, NULL);
	for (unsigned i = 0; i < WAITERS; i++)
		pthread_join(waiter[i], NULL);
	atomic_store(&storm.done, true);
	for (unsigned i = 0; i < LENDERS; i++)
		pthread_join(lender[i], NULL);
	assert_true(mem_lend_none(&storm.lend) && mem_lend_marked(&storm.lend));
	assert_int_equal(atomic_load(&storm.lend.count[0]) & ~MEM_LEND_SIDE, MEM_LEND_MARK);
	assert_int_equal(atomic_load(&storm.lend.count[1]), 0);
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
	while (!mem_lend_side(&shared.lend))
		sched_yield();
	assert_false(atomic_load(&shared.done));
	mem_lend_release(hold);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&shared.done));
	assert_int_equal(mem_lend_side(&shared.lend), 0);
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
		set_side(&lend, side);
		hold = mem_lend_hold(&lend);
		/* On whichever side it is looked for first. */
		set_side(&lend, 0);
		assert_false(mem_lend_drain(&lend, &stop));
		mem_lend_release(hold);
		assert_true(mem_lend_drain(&lend, &go_on));
	}
	/* Another one has its turn. */
	atomic_fetch_or(&lend.count[1], MEM_LEND_TURNING);
	assert_false(mem_lend_drain(&lend, &stop));
	assert_int_equal(atomic_load(&lend.count[1]), MEM_LEND_TURNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_returns_at_once_when_nothing_is_lent),
		cmocka_unit_test(idle_waits_for_each_hold),
		cmocka_unit_test(idle_ends_under_steady_use),
		cmocka_unit_test(one_waits_at_a_time),
		cmocka_unit_test(two_sleep_on_one_word),
		cmocka_unit_test(what_was_held_is_back_whoever_waits),
		cmocka_unit_test(draining_waits_for_what_is_lent),
		cmocka_unit_test(draining_stops_when_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
