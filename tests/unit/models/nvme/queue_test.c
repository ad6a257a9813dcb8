/* SPDX-License-Identifier: MIT */
/* Description: queues: which can be made, how they fill and wrap, which interrupt tells of them. */
#include <string.h>
#include <unistd.h>
#include "models/nvme/driver.h"

#define LEN (8u << 20)

static struct driver drv;

static int setup(void **state)
{
	driver_open(&drv, LEN, "serial=S123");
	return 0;
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

static struct nvme_cmd identify(unsigned cns, uint32_t nsid, iova_t buf)
{
	return (struct nvme_cmd){
		.opcode = NVME_ADM_IDENTIFY, .nsid = nsid, .prp1 = buf, .cdw10 = cns};
}

static void queues_refuse_what_the_specification_refuses(void **state)
{
	iova_t mem = driver_alloc(&drv, 1 << 20);
	struct {
		uint8_t opcode;
		iova_t prp1;
		uint32_t cdw10, cdw11;
		uint16_t status;
	} step[] = {
		{NVME_ADM_CREATE_CQ, mem, 0x1f0000, 1, DNR(0x101)},
		{NVME_ADM_CREATE_CQ, mem, 0x1f0041, 1, DNR(0x101)},
		{NVME_ADM_CREATE_CQ, mem, 0x000001, 1, DNR(0x102)},
		{NVME_ADM_CREATE_CQ, mem, 0x10000001, 1, DNR(0x102)},
		{NVME_ADM_CREATE_CQ, mem, 0x1f0001, 0, DNR(0x02)},
		{NVME_ADM_CREATE_CQ, mem + 64, 0x1f0001, 1, DNR(0x13)},
		{NVME_ADM_CREATE_CQ, mem, 0x1f0001, 3 | 65 << 16, DNR(0x108)},
		{NVME_ADM_CREATE_CQ, mem, 0x1f0001, 3 | 64 << 16, 0},
		{NVME_ADM_CREATE_CQ, mem, 0x1f0001, 3, DNR(0x101)},
		{NVME_ADM_CREATE_SQ, mem, 0x1f0001, 1 | 2 << 16, DNR(0x100)},
		{NVME_ADM_CREATE_SQ, mem, 0x1f0001, 1, DNR(0x100)},
		{NVME_ADM_CREATE_SQ, mem, 0x1f0000, 1 | 1 << 16, DNR(0x101)},
		{NVME_ADM_CREATE_SQ, mem, 0x1f0041, 1 | 1 << 16, DNR(0x101)},
		{NVME_ADM_CREATE_SQ, mem, 0x000001, 1 | 1 << 16, DNR(0x102)},
		{NVME_ADM_CREATE_SQ, mem, 0x1f0001, 0 | 1 << 16, DNR(0x02)},
		{NVME_ADM_CREATE_SQ, mem + 8, 0x1f0001, 1 | 1 << 16, DNR(0x13)},
		{NVME_ADM_CREATE_SQ, mem, 0x1f0007, 1 | 1 << 16, 0},
		{NVME_ADM_CREATE_SQ, mem, 0x1f0007, 1 | 1 << 16, DNR(0x101)},
		{NVME_ADM_SET_FEATURES, 0, 7, 0x10001, DNR(0x0c)},
		{NVME_ADM_DELETE_CQ, 0, 1, 0, DNR(0x10c)},
		{NVME_ADM_DELETE_CQ, 0, 0, 0, DNR(0x101)},
		{NVME_ADM_DELETE_SQ, 0, 0, 0, DNR(0x101)},
		{NVME_ADM_DELETE_SQ, 0, 1, 0, DNR(0x101)},
		{NVME_ADM_DELETE_SQ, 0, 7, 0, 0},
		{NVME_ADM_DELETE_SQ, 0, 7, 0, DNR(0x101)},
		{NVME_ADM_DELETE_CQ, 0, 1, 0, 0},
		{NVME_ADM_DELETE_CQ, 0, 1, 0, DNR(0x101)},
		{NVME_ADM_SET_FEATURES, 0, 7, 0x10001, 0},
	};

	driver_enable(&drv, 8, 0);
	for (unsigned i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		uint16_t status = driver_run(&drv, 0,
					     (struct nvme_cmd){.opcode = step[i].opcode,
							       .prp1 = step[i].prp1,
							       .cdw10 = step[i].cdw10,
							       .cdw11 = step[i].cdw11});

		if (status != step[i].status)
			fail_msg("step %u: %x, not %x", i, status, step[i].status);
	}
}

static void sixty_four_queue_pairs_have_their_own_interrupts(void **state)
{
	iova_t data = driver_alloc(&drv, 4096);

	driver_enable(&drv, 16, 0);
	for (uint16_t i = 1; i <= 64; i++)
		driver_pair(&drv, i, 4);
	for (unsigned round = 0; round < 5; round++)
		for (uint16_t i = 1; i <= 64; i++)
			assert_int_equal(
				driver_run(&drv, i, driver_rw(&drv, NVME_IO_READ, i, 1, data)), 0);
	for (unsigned i = 1; i <= 64; i++)
		for (unsigned wait = 0; bus.sent[i] != 5 && wait < 100000; wait++)
			usleep(20);
	for (unsigned i = 1; i <= 64; i++)
		assert_int_equal(bus.sent[i], 5);
}

static void a_full_completion_queue_waits_for_room(void **state)
{
	iova_t data = driver_alloc(&drv, 4096);
	struct nvme_cmd sq = {.opcode = NVME_ADM_CREATE_SQ};
	struct driver_queue *two = &drv.queue[2];

	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 4);
	/* A long submission queue that posts to the short completion queue 1. */
	*two = drv.queue[1];
	two->sq = driver_alloc(&drv, 4096 * 64);
	two->size = 1024;
	sq.prp1 = two->sq;
	sq.cdw10 = 2 | 1023 << 16;
	sq.cdw11 = 1 | 1 << 16;
	assert_int_equal(driver_run(&drv, 0, sq), 0);
	for (unsigned i = 0; i < 1000; i++)
		driver_put(&drv, 2, (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_READ, i, 1, data)});
	driver_ring(&drv, 2);
	/* Admin commands pass meanwhile. */
	assert_int_equal(driver_run(&drv, 0, identify(1, 0, data)), 0);
	for (unsigned i = 0; i < 1000; i++) {
		struct completion done = driver_take(&drv, 1);

		assert_int_equal(done.status, 0);
		assert_int_equal(done.sqid, 2);
	}
	/* Deleting a queue whose completions find no room ends all the same. */
	for (unsigned i = 0; i < 500; i++)
		driver_put(&drv, 2, (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_READ, i, 1, data)});
	driver_ring(&drv, 2);
	assert_int_equal(
		driver_run(&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_DELETE_SQ, .cdw10 = 2}),
		0);
	assert_int_equal(
		driver_run(&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_DELETE_SQ, .cdw10 = 1}),
		0);
	assert_int_equal(
		driver_run(&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_DELETE_CQ, .cdw10 = 1}),
		0);
}

static struct nvme_cmd queue_command(uint8_t opcode, uint32_t id, uint32_t size, uint32_t cdw11,
				     iova_t at)
{
	return (struct nvme_cmd){.opcode = opcode,
				 .prp1 = at,
				 .cdw10 = id | (size ? size - 1 : 0) << 16,
				 .cdw11 = cdw11};
}

/* Writes to stable storage take their time, so these meet commands in flight. */
static void queues_in_use_go_away_in_order(void **state)
{
	const uint32_t len = 256 * 1024;
	struct completion done;
	iova_t data, mem, base;

	driver_enable(&drv, 16, 0);
	data = driver_alloc(&drv, len);
	mem = driver_alloc(&drv, 65536);
	driver_pair(&drv, 1, 32);
	base = drv.next;
	for (unsigned round = 0; round < 6; round++) {
		uint16_t status[4], cid[4];
		struct nvme_cmd cmd[4] = {
			queue_command(NVME_ADM_DELETE_SQ, 1, 0, 0, 0),
			queue_command(NVME_ADM_CREATE_SQ, 1, 32, 1 | 1 << 16, mem),
			queue_command(NVME_ADM_DELETE_SQ, 1, 0, 0, 0),
			queue_command(NVME_ADM_DELETE_CQ, 1, 0, 0, 0),
		};

		drv.next = base;
		for (unsigned i = 0; i < 16; i++) {
			struct nvme_cmd io =
				driver_rw(&drv, NVME_IO_WRITE, i * 512, len / 512, data);

			io.cdw12 |= NVME_RW_FUA;
			driver_put(&drv, 1, &io);
		}
		driver_ring(&drv, 1);
		for (unsigned i = 0; i < 4; i++)
			cid[i] = driver_put(&drv, 0, &cmd[i]);
		usleep(round * 300);
		driver_ring(&drv, 0);
		for (unsigned i = 0; i < 4; i++) {
			done = driver_take(&drv, 0);
			for (unsigned k = 0; k < 4; k++)
				if (cid[k] == done.cid)
					status[k] = done.status;
		}
		/* The id is taken, and the completion queue used, until the deletion is over. */
		assert_int_equal(status[0], 0);
		if (status[1]) {
			assert_int_equal(status[1], DNR(0x101));
			assert_int_equal(status[2], DNR(0x101));
			assert_true(!status[3] || status[3] == DNR(0x10c));
		} else {
			assert_int_equal(status[2], 0);
			assert_int_equal(status[3], 0);
		}
		if (status[3])
			assert_int_equal(driver_run(&drv, 0, cmd[3]), 0);
		driver_pair(&drv, 1, 32);
	}
}

/* Whoever takes no completions keeps only itself waiting. */
static void full_queues_do_not_hold_up_others(void **state)
{
	iova_t data = driver_alloc(&drv, 4096);
	struct completion done;

	driver_enable(&drv, 32, 0);
	for (uint16_t id = 1; id <= 12; id++) {
		iova_t mem = driver_alloc(&drv, 4096 * 64);

		driver_pair(&drv, id, 2);
		assert_int_equal(
			driver_run(&drv, 0, queue_command(NVME_ADM_DELETE_SQ, id, 0, 0, 0)), 0);
		assert_int_equal(driver_run(&drv, 0,
					    queue_command(NVME_ADM_CREATE_SQ, id, 1024,
							  1 | (uint32_t)id << 16, mem)),
				 0);
		drv.queue[id].sq = mem;
		drv.queue[id].size = 1024;
		drv.queue[id].tail = 0;
		for (unsigned i = 0; i < 100; i++)
			driver_put(&drv, id,
				   (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_READ, i, 1, data)});
		driver_ring(&drv, id);
		usleep(2000);
	}
	driver_pair(&drv, 20, 4);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(driver_run(&drv, 20, driver_rw(&drv, NVME_IO_READ, i, 1, data)),
				 0);
	for (uint16_t id = 1; id <= 12; id++) {
		drv.queue[id].size = 2;
		for (unsigned i = 0; i < 100; i++) {
			done = driver_take(&drv, id);
			assert_int_equal(done.status, 0);
		}
	}
}

static void the_pin_is_high_while_completions_wait(void **state)
{
	iova_t data = driver_alloc(&drv, 4096);
	struct nvme_cmd cmd = identify(1, 0, data);

	bus.msix = false;
	driver_enable(&drv, 16, 0);
	driver_put(&drv, 0, &cmd);
	driver_ring(&drv, 0);
	for (unsigned i = 0; !bus.pin && i < 100000; i++)
		usleep(20);
	assert_true(bus.pin);
	driver_write32(NVME_REG_INTMS, 1);
	assert_false(bus.pin);
	driver_write32(NVME_REG_INTMC, 1);
	assert_true(bus.pin);
	driver_take(&drv, 0);
	assert_false(bus.pin);
}

/* Nobody can take what a queue that is gone had completed. */
static void the_pin_falls_with_the_queue_that_held_it(void **state)
{
	iova_t data = driver_alloc(&drv, 4096);

	bus.msix = false;
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 8);
	assert_false(bus.pin);
	driver_put(&drv, 1, (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_READ, 0, 1, data)});
	driver_ring(&drv, 1);
	for (unsigned i = 0; !bus.pin && i < 100000; i++)
		usleep(20);
	assert_true(bus.pin);
	assert_int_equal(
		driver_run(&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_DELETE_SQ, .cdw10 = 1}),
		0);
	assert_true(bus.pin);
	assert_int_equal(
		driver_run(&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_DELETE_CQ, .cdw10 = 1}),
		0);
	assert_false(bus.pin);
}

/* The admin queue itself: what was held already tells of it. */
static void a_queue_that_cannot_be_read_is_told(void **state)
{
	struct nvme_cmd event = {.opcode = NVME_ADM_ASYNC_EVENT};
	struct completion done;

	driver_enable(&drv, 16, 0);
	driver_put(&drv, 0, &event);
	driver_ring(&drv, 0);
	/* It is held when the next one has ended. */
	assert_int_equal(
		driver_run(&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_GET_FEATURES, .cdw10 = 4}),
		0);
	bus_protect(drv.queue[0].sq, 4096, 0);
	driver_put(&drv, 0, &(struct nvme_cmd){.opcode = NVME_ADM_GET_FEATURES, .cdw10 = 4});
	driver_ring(&drv, 0);
	done = driver_take(&drv, 0);
	assert_int_equal(done.cid, event.cid);
	assert_int_equal(done.dw0, 0x010300);
	driver_wait(NVME_CSTS_CFS, NVME_CSTS_CFS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(queues_refuse_what_the_specification_refuses),
		T(sixty_four_queue_pairs_have_their_own_interrupts),
		T(a_full_completion_queue_waits_for_room),
		T(queues_in_use_go_away_in_order),
		T(full_queues_do_not_hold_up_others),
		T(a_queue_that_cannot_be_read_is_told),
		T(the_pin_is_high_while_completions_wait),
		T(the_pin_falls_with_the_queue_that_held_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
