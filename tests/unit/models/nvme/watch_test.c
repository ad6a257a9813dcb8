/* SPDX-License-Identifier: MIT */
/*
 * Description: watched doorbells: whether a doorbell is a store to memory or a call, and whenever
 * the one becomes the other, none is lost, and each is judged as the other would be.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
#include "models/nvme/driver.h"
#include "nvme/nvme.h"

#define LEN  (8u << 20)
#define PAGE 4096u

static struct driver drv;
static iova_t data;
static unsigned stored; /* doorbells that went to memory */

static struct nvme *model(void)
{
	return bus.model;
}

/* On one processor nothing is watched. */
static bool can(void)
{
	cpu_set_t set;

	return bus.can_watch > 0 &&
	       (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) > 1);
}

static void begin(const char *keys)
{
	driver_open(&drv, LEN, keys);
	bus.can_watch = 1;
	stored = 0;
	driver_enable(&drv, 32, 0);
	data = driver_alloc(&drv, 64 * PAGE);
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

/* As if doorbells came quickly. */
static void want(void)
{
	model()->watch.wanted = true;
	nvme_kick(model());
}

/* Until it is watched; it may be over again. */
static bool watch(void)
{
	unsigned before = bus.watches;

	for (unsigned i = 0; can() && bus.watches == before; i++) {
		assert_true(i < 200000);
		if (i % 100 == 0)
			want();
		usleep(50);
	}
	return can();
}

static void ring(unsigned index, uint32_t value)
{
	stored += bus.watched;
	driver_doorbell(index, value);
}

/* A store to memory, whenever that is next. False: there is none here. */
static bool store(unsigned index, uint32_t value)
{
	bool done = false;

	while (!done && watch()) {
		pthread_mutex_lock(&bus.watch_lock);
		done = bus.watched;
		if (done)
			__atomic_store_n(&bus.words[index], value, __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&bus.watch_lock);
	}
	return done;
}

static void put(uint16_t id, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		driver_put(&drv, id,
			   (struct nvme_cmd[]){
				   driver_rw(&drv, NVME_IO_READ, i * 8, 8, data + i % 64 * PAGE)});
}

static void take(uint16_t id, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(driver_take(&drv, id).status, 0);
}

static void reads(uint16_t id, unsigned nr)
{
	put(id, nr);
	ring(id * 2u, drv.queue[id].tail);
	take(id, nr);
}

static struct completion event(void)
{
	struct completion done = driver_take(&drv, 0);

	assert_int_equal(done.status, 0);
	return done;
}

static void ask_for_event(void)
{
	driver_put(&drv, 0, &(struct nvme_cmd){.opcode = NVME_ADM_ASYNC_EVENT});
	driver_ring(&drv, 0);
}

static const char *const drives[] = {"null", "ram", "serial=S123"};

/* Quickly one after the other, with pauses, by stores and by calls. */
static void every_command_is_found(void **state)
{
	begin(*state);
	driver_pair(&drv, 1, 64);
	driver_pair(&drv, 2, 4);
	for (unsigned round = 0; round < 1000 || (can() && stored < 20); round++) {
		if (round >= 1000)
			watch();
		else if (round % 5 == 0)
			want();
		reads(1, 1 + round % 40);
		if (round % 3 == 0) {
			put(2, 1 + round % 3);
			driver_write32(NVME_REG_DOORBELLS + 16, drv.queue[2].tail);
			take(2, 1 + round % 3);
		}
		if (round % 100 == 0)
			usleep(500);
	}
}

/* By itself, where doorbells come quickly; and a driver that has given memory is none of these. */
static void quick_doorbells_are_watched(void **state)
{
	begin("null");
	driver_pair(&drv, 1, 64);
	for (unsigned i = 0; can() && !bus.watches; i++) {
		assert_true(i < 2000000);
		reads(1, 1);
	}
	bus.can_watch = 0;
	for (unsigned before = bus.watches, i = 0; i < 1000; i++) {
		reads(1, 1);
		assert_true(bus.watches <= before + 1);
	}
}

/* Until the worker sleeps. */
static void idle(void)
{
	while (atomic_load(&model()->awake))
		usleep(100);
}

/* Where a few doorbells came quickly, and then none, watching was in vain: twice as long each time.
 */
static void who_looked_in_vain_rests(void **state)
{
	uint64_t before = 0;

	begin("null");
	driver_pair(&drv, 1, 64);
	for (unsigned i = 0; i < 12 && watch(); i++) {
		idle();
		assert_true(model()->watch.rest >= (before < 500000000 ? 2 * before : before));
		assert_true(model()->watch.rest > before || before == 1000000000);
		before = model()->watch.rest;
	}
	assert_true(!can() || before == 1000000000);
}

/* It does not begin while it rests, however quickly they come; and does after that. */
static void nothing_is_watched_in_a_rest(void **state)
{
	unsigned before;

	begin("null");
	driver_pair(&drv, 1, 64);
	idle();
	before = bus.watches;
	model()->watch.rests_until = UINT64_MAX;
	for (unsigned i = 0; i < 2000; i++)
		reads(1, 1);
	assert_int_equal(bus.watches, before);
	idle();
	model()->watch.rests_until = 0;
	for (unsigned i = 0; can() && bus.watches == before; i++) {
		assert_true(i < 2000000);
		reads(1, 1);
	}
}

/* Until an entry of a completion queue is there, in its first round. */
static void wait_entry(uint16_t id, unsigned at)
{
	uint64_t *entry = bus_at(drv.queue[id].cq + at * 16);

	for (unsigned i = 0; !(__atomic_load_n(&entry[1], __ATOMIC_ACQUIRE) >> 48 & 1); i++) {
		assert_true(i < 400000);
		usleep(50);
	}
}

/* Where completions wait for room, a head that is stored is as good as one that is rung. */
static void a_stored_head_makes_room(void **state)
{
	begin("null");
	driver_pair(&drv, 2, 4);
	put(2, 3);
	ring(4, drv.queue[2].tail);
	wait_entry(2, 2);
	put(2, 3);
	ring(4, drv.queue[2].tail);
	if (store(5, 1))
		wait_entry(2, 3);
	take(2, 6);
}

/* As if it had found much, and had been preempted all the time. False: it watches no more. */
static bool take_its_processor(void)
{
	struct nvme_watch *watching = &model()->watch;
	bool on;

	nvme_turn_take(&model()->turn);
	on = watching->state == NVME_WATCH_ON;
	watching->rest = 0;
	watching->found = 1000;
	watching->ask_at = on ? 0 : UINT64_MAX;
	watching->preempted = -1000;
	nvme_turn_give(&model()->turn);
	return on;
}

/* Faults are cheaper then; and it rests. It may also fall asleep first, without. */
static void a_worker_without_a_processor_ends_it(void **state)
{
	uint64_t rest = 0;

	begin("null");
	driver_pair(&drv, 1, 64);
	for (unsigned round = 0; !rest && watch(); round++) {
		assert_true(round < 10000);
		reads(1, 1);
		if (!take_its_processor())
			continue;
		reads(1, 1);
		idle();
		rest = model()->watch.rest;
	}
	assert_int_equal(rest, can() ? 10000000 : 0);
	reads(1, 1);
}

static void who_must_not_watch_rings(void **state)
{
	begin("null,watch=off");
	driver_pair(&drv, 1, 64);
	for (unsigned i = 0; i < 2000; i++)
		reads(1, 1);
	assert_int_equal(bus.watches, 0);
}

static void who_cannot_watch_rings(void **state)
{
	static const int answers[] = {-ENXIO, -EAGAIN, -ENOMEM, 0};

	begin("null");
	driver_pair(&drv, 1, 64);
	for (unsigned i = 0; i < 4; i++) {
		bus.can_watch = answers[i];
		idle();
		for (unsigned round = 0; round < 200; round++) {
			want();
			reads(1, 1 + round % 20);
		}
		assert_false(bus.watched);
	}
}

static void a_bad_value_is_an_event_and_the_next_one_counts(void **state)
{
	begin("null");
	driver_pair(&drv, 1, 16);
	ask_for_event();
	reads(1, 3);
	if (!store(2, 99))
		return;
	assert_int_equal(event().dw0 & 0xffff, NVME_EVENT_ERROR | NVME_EVENT_ERROR_DB_VALUE << 8);
	for (unsigned i = 0; i < 20; i++)
		reads(1, 1 + i % 10);
}

static void no_queue_is_an_event(void **state)
{
	static const unsigned index[] = {2 * 9, 2 * 9 + 1, NVME_DOORBELLS, 1023};

	for (unsigned i = 0; i < 4; i++) {
		begin("null");
		ask_for_event();
		if (store(index[i], 1))
			assert_int_equal(event().dw0 & 0xffff,
					 NVME_EVENT_ERROR | NVME_EVENT_ERROR_DB_REGISTER << 8);
		driver_close(&drv);
	}
	begin("null");
}

/* From before a reset, say: only what is stored while it is watched counts. */
static void what_lay_there_before_is_no_event(void **state)
{
	struct completion done;

	begin("null");
	driver_pair(&drv, 1, 16);
	ask_for_event();
	for (unsigned i = NVME_DOORBELLS; i < 1024; i++)
		__atomic_store_n(&bus.words[i], i, __ATOMIC_SEQ_CST);
	if (!watch())
		return;
	/* Whoever ends it looks for what was stored. */
	bus.ops->suspend(bus.model);
	assert_false(bus.watched);
	bus.ops->resume(bus.model);
	reads(1, 3);
	assert_false(driver_poll(&drv, 0, &done));
	for (unsigned i = NVME_DOORBELLS; i < 1024; i++)
		assert_int_equal(bus.words[i], 0);
}

static void remake(uint16_t id)
{
	static const uint8_t ops[] = {NVME_ADM_DELETE_SQ, NVME_ADM_DELETE_CQ};

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
			driver_run(&drv, 0, (struct nvme_cmd){.opcode = ops[i], .cdw10 = id}), 0);
	driver_pair(&drv, id, 16);
}

/* Their doorbells begin at 0, whatever was there. */
static void queues_come_and_go_meanwhile(void **state)
{
	struct completion done;

	begin("null");
	driver_pair(&drv, 1, 16);
	ask_for_event();
	for (unsigned round = 0; round < 100; round++) {
		watch();
		reads(1, 1 + round % 12);
		remake(1);
	}
	assert_false(driver_poll(&drv, 0, &done));
}

/* Where a call has moved the head since a store was read, the store is the older one: no mistake.
 */
static void a_store_that_a_call_has_overtaken_is_none(void **state)
{
	const uint32_t known = 2;
	struct completion done;

	begin("null");
	driver_pair(&drv, 1, 16);
	ask_for_event();
	bus.can_watch = 0;
	reads(1, 10);
	assert_int_equal(atomic_load(&model()->cq[1].head), 10);
	assert_false(nvme_cq_head(model(), &model()->cq[1], 3, &known));
	assert_int_equal(atomic_load(&model()->cq[1].head), 10);
	assert_false(nvme_sq_tail(model(), &model()->sq[1], 3, &known));
	assert_int_equal(atomic_load(&model()->sq[1].tail), 10);
	reads(1, 1);
	usleep(2000);
	assert_false(driver_poll(&drv, 0, &done));
}

static void resets_leave_nothing(void **state)
{
	struct completion done;

	begin("null");
	for (unsigned round = 0; round < 100; round++) {
		driver_pair(&drv, 1, 16);
		ask_for_event();
		watch();
		reads(1, 1 + round % 12);
		assert_false(driver_poll(&drv, 0, &done));
		if (round % 2)
			bus.ops->reset(bus.model);
		else
			driver_disable(&drv);
		driver_enable(&drv, 32, 0);
	}
}

/* Around a fork, and when the controller is removed. */
static void a_stop_ends_it(void **state)
{
	begin("null");
	driver_pair(&drv, 1, 64);
	for (unsigned round = 0; round < 50; round++) {
		want();
		reads(1, 30);
		put(1, 1);
		ring(2, drv.queue[1].tail);
		bus.ops->suspend(bus.model);
		assert_false(bus.watched);
		bus.ops->resume(bus.model);
		take(1, 1);
	}
	watch();
}

#define ON(test, drive) \
	cmocka_unit_test_prestate_setup_teardown(test, NULL, teardown, (void *)drives[drive])

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(every_command_is_found, 0),
		ON(every_command_is_found, 1),
		ON(every_command_is_found, 2),
		cmocka_unit_test_teardown(quick_doorbells_are_watched, teardown),
		cmocka_unit_test_teardown(who_looked_in_vain_rests, teardown),
		cmocka_unit_test_teardown(nothing_is_watched_in_a_rest, teardown),
		cmocka_unit_test_teardown(a_stored_head_makes_room, teardown),
		cmocka_unit_test_teardown(a_worker_without_a_processor_ends_it, teardown),
		cmocka_unit_test_teardown(who_must_not_watch_rings, teardown),
		cmocka_unit_test_teardown(who_cannot_watch_rings, teardown),
		cmocka_unit_test_teardown(a_bad_value_is_an_event_and_the_next_one_counts,
					  teardown),
		cmocka_unit_test_teardown(no_queue_is_an_event, teardown),
		cmocka_unit_test_teardown(what_lay_there_before_is_no_event, teardown),
		cmocka_unit_test_teardown(queues_come_and_go_meanwhile, teardown),
		cmocka_unit_test_teardown(a_store_that_a_call_has_overtaken_is_none, teardown),
		cmocka_unit_test_teardown(resets_leave_nothing, teardown),
		cmocka_unit_test_teardown(a_stop_ends_it, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
