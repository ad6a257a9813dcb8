/* SPDX-License-Identifier: MIT */
/*
 * Description: shadow doorbells: what a driver writes into memory is found, with a doorbell exactly
 * where the event index asks for one, and without one nowhere else.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "models/nvme/driver.h"

#define LEN  (8u << 20)
#define PAGE 4096u

static struct driver drv;
static iova_t shadow, events, data;

static uint16_t configure(iova_t prp1, iova_t prp2)
{
	return driver_run(
		&drv, 0,
		(struct nvme_cmd){.opcode = NVME_ADM_DOORBELL_BUFFER, .prp1 = prp1, .prp2 = prp2});
}

static void begin(const char *keys)
{
	driver_open(&drv, LEN, keys);
	driver_enable(&drv, 32, 0);
	shadow = driver_alloc(&drv, PAGE);
	events = driver_alloc(&drv, PAGE);
	data = driver_alloc(&drv, 64 * PAGE);
	memset(bus_at(shadow), 0, PAGE);
	memset(bus_at(events), 0, PAGE);
	assert_int_equal(configure(shadow, events), 0);
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

/* Without a look at the index. */
static void set(unsigned word, uint32_t value)
{
	__atomic_store_n((uint32_t *)bus_at(shadow) + word, value, __ATOMIC_SEQ_CST);
}

/* Up to where an index lets the pointer come, as the controller has written it last. */
static uint32_t asked(unsigned word)
{
	return __atomic_load_n((uint32_t *)bus_at(events) + word, __ATOMIC_SEQ_CST);
}

/* As drivers do it (7.13.1): was the index in what the pointer passed over? */
static bool move(unsigned word, uint16_t value)
{
	uint32_t *pointer = (uint32_t *)bus_at(shadow) + word;
	uint16_t old = (uint16_t)*pointer;

	__atomic_exchange_n(pointer, value, __ATOMIC_SEQ_CST);
	if ((uint16_t)(value - asked(word) - 1) >= (uint16_t)(value - old))
		return false;
	driver_write32(NVME_REG_DOORBELLS + word * 4, value);
	return true;
}

static bool poll_shadow(uint16_t id, struct completion *out)
{
	struct driver_queue *queue = &drv.queue[id];
	uint64_t *entry = bus_at(queue->cq + queue->cq_head * 16);
	uint64_t high = __atomic_load_n(&entry[1], __ATOMIC_ACQUIRE);

	if ((high >> 48 & 1) != queue->phase)
		return false;
	out->cid = (uint16_t)(high >> 32);
	out->status = (uint16_t)(high >> 49);
	queue->cq_head = (queue->cq_head + 1) % queue->size;
	queue->phase ^= !queue->cq_head;
	move(id * 2 + 1, (uint16_t)queue->cq_head);
	return true;
}

static struct completion take(uint16_t id)
{
	struct completion done;

	for (unsigned i = 0; !poll_shadow(id, &done); i++) {
		if (i == 200000)
			fail_msg("no completion in queue %u", id);
		usleep(50);
	}
	return done;
}

/* `nr` reads, their status checked; true: it had to ring. */
static bool reads(uint16_t id, unsigned nr)
{
	bool rang;

	for (unsigned i = 0; i < nr; i++)
		driver_put(&drv, id,
			   (struct nvme_cmd[]){
				   driver_rw(&drv, NVME_IO_READ, i * 8, 8, data + i % 64 * PAGE)});
	rang = move(id * 2, (uint16_t)drv.queue[id].tail);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(take(id).status, 0);
	return rang;
}

static const char *const drives[] = {"null", "ram", "serial=S123"};

/* Idle, it has to ring; in quick succession it need not any more, and afterwards again. */
static void every_command_is_found(void **state)
{
	begin(*state);
	driver_pair(&drv, 1, 64);
	driver_pair(&drv, 2, 16);
	for (unsigned round = 0; round < 2000; round++) {
		reads(1, 1 + round % 40);
		if (round % 3 == 0)
			reads(2, 1 + round % 12);
		if (round % 100 == 0)
			usleep(2000);
	}
	/* Asleep it is, sooner or later. */
	for (unsigned i = 0;; i++) {
		usleep(5000);
		if (reads(1, 1))
			break;
		assert_true(i < 1000);
	}
}

static void other_buffers_are_refused(void **state)
{
	begin("null");
	assert_int_equal(configure(shadow + 8, events), DNR(NVME_INVALID_FIELD));
	assert_int_equal(configure(shadow, events + 2048), DNR(NVME_INVALID_FIELD));
	/* These stay. */
	driver_pair(&drv, 1, 8);
	reads(1, 3);
	/* Heads that a pin waits for belong into registers. */
	bus.msix = false;
	assert_int_equal(configure(shadow, events), DNR(NVME_INVALID_FIELD));
}

/* Given late, when queues have come far: they go on from where they are. */
static void queues_that_are_there_go_on(void **state)
{
	driver_open(&drv, LEN, "null");
	driver_enable(&drv, 32, 0);
	shadow = driver_alloc(&drv, PAGE);
	events = driver_alloc(&drv, PAGE);
	data = driver_alloc(&drv, 64 * PAGE);
	driver_pair(&drv, 1, 16);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 8, data)), 0);
	assert_int_equal(configure(shadow, events), bus.msix ? 0 : DNR(NVME_INVALID_FIELD));
	if (!bus.msix)
		return;
	/* The next change is asked for, of the tail and of the head. */
	assert_int_equal(asked(2), 5);
	assert_int_equal(asked(3), 5);
	usleep(1000);
	set(2, 5);
	set(3, 5);
	for (unsigned round = 0; round < 20; round++)
		reads(1, 1 + round % 12);
}

static void stale_pointers_mean_nothing(void **state)
{
	begin("null");
	for (unsigned i = 2; i < 20; i++)
		set(i, 7);
	for (unsigned round = 0; round < 3; round++) {
		driver_pair(&drv, 1, 16);
		usleep(1000);
		/* Nothing was fetched: the first command is the first to complete. */
		set(2, 0);
		set(3, 0);
		reads(1, 5);
		assert_int_equal(
			driver_run(&drv, 0,
				   (struct nvme_cmd){.opcode = NVME_ADM_DELETE_SQ, .cdw10 = 1}),
			0);
		assert_int_equal(
			driver_run(&drv, 0,
				   (struct nvme_cmd){.opcode = NVME_ADM_DELETE_CQ, .cdw10 = 1}),
			0);
	}
}

static void a_full_queue_goes_on_when_there_is_room(void **state)
{
	struct nvme_cmd sq = {.opcode = NVME_ADM_CREATE_SQ, .cdw10 = 2 | 63 << 16};

	begin(*state);
	driver_pair(&drv, 1, 4);
	drv.queue[2] = drv.queue[1];
	drv.queue[2].sq = sq.prp1 = driver_alloc(&drv, PAGE);
	drv.queue[2].size = 64;
	sq.cdw11 = 1 | 1 << 16;
	assert_int_equal(driver_run(&drv, 0, sq), 0);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 40; i++)
			driver_put(&drv, 2,
				   (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_READ, i, 8, data)});
		move(4, (uint16_t)drv.queue[2].tail);
		for (unsigned i = 0; i < 40; i++) {
			if (round % 4 == 0 && i % 8 == 0)
				usleep(3000); /* asleep with a backlog */
			assert_int_equal(take(1).status, 0);
		}
	}
}

static void ask_for_event(void)
{
	driver_put(&drv, 0, &(struct nvme_cmd){.opcode = NVME_ADM_ASYNC_EVENT});
	driver_ring(&drv, 0);
}

/* A doorbell that says what is known: the controller looks at the memory, too. */
static void have_it_look(void)
{
	driver_write32(NVME_REG_DOORBELLS + 8, drv.queue[1].tail);
	usleep(1000);
}

/* A tail beyond the queue, or a head beyond what was completed; until it is another. */
static void a_bad_pointer_is_an_event_once(void **state)
{
	static const uint32_t bad[] = {99, 12};
	struct completion done;

	begin("null");
	driver_pair(&drv, 1, 16);
	for (unsigned round = 0; round < 6; round++) {
		unsigned half = round % 2;

		ask_for_event();
		reads(1, 1);
		set(2 + half, bad[half] + round / 2);
		have_it_look();
		done = driver_take(&drv, 0);
		assert_int_equal(done.status, 0);
		assert_int_equal(done.dw0 & 0xffff,
				 NVME_EVENT_ERROR | NVME_EVENT_ERROR_DB_VALUE << 8);
		assert_int_equal(driver_run(&drv, 0,
					    (struct nvme_cmd){.opcode = NVME_ADM_GET_LOG,
							      .prp1 = data,
							      .cdw10 = NVME_LOG_ERROR | 15 << 16}),
				 0);
		ask_for_event();
		for (unsigned i = 0; i < 5; i++)
			have_it_look();
		assert_false(driver_poll(&drv, 0, &done));
		set(2 + half, half ? drv.queue[1].cq_head : drv.queue[1].tail);
		reads(1, 3);
		driver_disable(&drv);
		driver_enable(&drv, 32, 0);
		assert_int_equal(configure(shadow, events), 0);
		set(2, 0);
		set(3, 0);
		driver_pair(&drv, 1, 16);
	}
}

/* Both ways, whatever the index asks for. */
static void set_and_ring(unsigned word, uint32_t value)
{
	set(word, value);
	driver_write32(NVME_REG_DOORBELLS + word * 4, value);
}

static bool is_posted(unsigned entry)
{
	const uint64_t *at = bus_at(drv.queue[1].cq + entry * 16);

	return __atomic_load_n(&at[1], __ATOMIC_ACQUIRE) >> 48 & 1;
}

/* The first entry is taken just after the controller has read that it is not. */
static void take_first(iova_t addr)
{
	if (addr != shadow + 8 || !is_posted(0))
		return;
	bus.has_read = NULL;
	set_and_ring(3, 1);
}

static bool has_taken_first(void)
{
	return !bus.has_read;
}

static bool last_is_posted(void)
{
	return is_posted(3);
}

static bool first_is_posted(void)
{
	return is_posted(0);
}

static void wait_until(bool (*holds)(void))
{
	for (unsigned i = 0; !holds(); i++) {
		assert_true(i < 200000);
		usleep(50);
	}
}

/*
 * What was read before a doorbell is the older one: no mistake, and the same value, when it comes
 * again, counts.
 */
static void a_doorbell_overtakes_what_was_read(void **state)
{
	struct nvme_cmd aer = {.opcode = NVME_ADM_ASYNC_EVENT};
	struct driver_queue *queue = &drv.queue[1];
	struct completion done;
	struct nvme_cmd cmd;

	begin("null");
	driver_pair(&drv, 1, 4);
	driver_put(&drv, 0, &aer);
	driver_ring(&drv, 0);
	cmd = driver_rw(&drv, NVME_IO_READ, 0, 8, data);
	bus.has_read = take_first;
	driver_put(&drv, 1, &cmd);
	set_and_ring(2, queue->tail);
	wait_until(first_is_posted);
	if (bus.posts)
		wait_until(has_taken_first);
	else /* the engine's bus tells of no reads */
		set_and_ring(3, 1);
	for (unsigned i = 0; i < 3; i++)
		driver_put(&drv, 1, &cmd);
	set_and_ring(2, queue->tail);
	wait_until(last_is_posted);
	/* Three at a time, and not told but in memory. */
	queue->phase = !queue->phase;
	set(3, 0);
	driver_put(&drv, 1, &cmd);
	set_and_ring(2, queue->tail);
	assert_int_equal(take(1).status, 0);
	assert_false(driver_poll(&drv, 0, &done));
}

/* A reset ends it: then registers alone count, until memory is given again. */
static void a_reset_forgets_the_memory(void **state)
{
	begin("null");
	driver_pair(&drv, 1, 16);
	reads(1, 5);
	driver_disable(&drv);
	bus_protect(shadow, 2 * PAGE, 0);
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 16);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 8, data)), 0);
	usleep(1000);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 8, data)), 0);
	assert_int_equal(bus.faults, 0);
	assert_int_equal(driver_read32(NVME_REG_CSTS) & NVME_CSTS_CFS, 0);
}

static void memory_that_goes_is_fatal_until_a_reset(void **state)
{
	begin("null");
	driver_pair(&drv, 1, 16);
	reads(1, 5);
	bus_protect(shadow, PAGE, 0);
	driver_write32(NVME_REG_DOORBELLS + 8, drv.queue[1].tail);
	driver_wait(NVME_CSTS_CFS, NVME_CSTS_CFS);
	bus_protect(shadow, PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	driver_disable(&drv);
	driver_enable(&drv, 32, 0);
	assert_int_equal(configure(shadow, events), 0);
	driver_pair(&drv, 1, 16);
	set(2, 0);
	set(3, 0);
	reads(1, 5);
}

/* Nobody looks once bus mastering is off, and afterwards nothing is lost. */
static void nobody_looks_with_bus_mastering_off(void **state)
{
	begin("null");
	driver_pair(&drv, 1, 64);
	for (unsigned round = 0; round < 50; round++) {
		reads(1, 30);
		bus.ops->bus_master(bus.model, false);
		bus_protect(shadow, 2 * PAGE, 0);
		usleep(300);
		bus_protect(shadow, 2 * PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
		bus.ops->bus_master(bus.model, true);
		assert_int_equal(driver_read32(NVME_REG_CSTS) & NVME_CSTS_CFS, 0);
	}
}

/* A stop of the worker, as around a fork, leaves nothing that nobody is told of. */
static void a_stop_asks_for_a_doorbell(void **state)
{
	begin("null");
	driver_pair(&drv, 1, 64);
	for (unsigned round = 0; round < 50; round++) {
		reads(1, 30);
		bus.ops->suspend(bus.model);
		bus.ops->resume(bus.model);
	}
}

#define ON(test, drive) \
	cmocka_unit_test_prestate_setup_teardown(test, NULL, teardown, (void *)drives[drive])

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(every_command_is_found, 0),
		ON(every_command_is_found, 1),
		ON(every_command_is_found, 2),
		ON(a_full_queue_goes_on_when_there_is_room, 0),
		ON(a_full_queue_goes_on_when_there_is_room, 2),
		cmocka_unit_test_teardown(other_buffers_are_refused, teardown),
		cmocka_unit_test_teardown(queues_that_are_there_go_on, teardown),
		cmocka_unit_test_teardown(stale_pointers_mean_nothing, teardown),
		cmocka_unit_test_teardown(a_bad_pointer_is_an_event_once, teardown),
		cmocka_unit_test_teardown(a_doorbell_overtakes_what_was_read, teardown),
		cmocka_unit_test_teardown(a_reset_forgets_the_memory, teardown),
		cmocka_unit_test_teardown(memory_that_goes_is_fatal_until_a_reset, teardown),
		cmocka_unit_test_teardown(nobody_looks_with_bus_mastering_off, teardown),
		cmocka_unit_test_teardown(a_stop_asks_for_a_doorbell, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
