/* SPDX-License-Identifier: MIT */
/*
 * Description: what a doorbell's own thread does at once is what the worker would have done,
 * whoever else rings, resets or takes memory away meanwhile.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "models/nvme/driver.h"

#define LEN    (8u << 20)
#define BLOCKS (LEN / 512)
#define PAGE   4096u

static struct driver drv;

static void begin(const char *keys)
{
	driver_open(&drv, LEN, keys);
	driver_enable(&drv, 32, 0);
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

static void a_doorbell_is_answered_before_it_returns(void **state)
{
	struct completion done;
	iova_t data;
	unsigned round, nr = 0;

	begin("null");
	driver_pair(&drv, 1, 64);
	data = driver_alloc(&drv, PAGE);
	/* Unless the worker is still at work. */
	for (round = 0; round < 1000 && nr < 40; round++) {
		usleep(100);
		for (unsigned i = 0; i < 40; i++)
			driver_put(&drv, 1,
				   (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_READ, i, 8, data)});
		driver_ring(&drv, 1);
		for (nr = 0; nr < 40 && driver_poll(&drv, 1, &done); nr++)
			assert_int_equal(done.status, 0);
		for (unsigned rest = nr; rest < 40; rest++)
			driver_take(&drv, 1);
	}
	assert_int_equal(nr, 40);
	assert_true(!bus.msix || bus.sent[1]);
}

/* Lengths and alignments that need one PRP, two, and a list. */
static void memory_keeps_what_was_written(void **state)
{
	uint8_t *twin = calloc(1, LEN);
	uint32_t rnd = 1;
	iova_t data, top;

	begin("ram");
	driver_pair(&drv, 1, 16);
	data = driver_alloc(&drv, 1u << 20);
	top = drv.next;
	for (unsigned round = 0; round < 2000; round++) {
		uint32_t nr, slba, off;
		struct nvme_cmd cmd;

		rnd = rnd * 1664525 + 1013904223;
		nr = (rnd >> 8) % (round % 8 ? 20 : 1000) + 1;
		slba = (rnd >> 3) % (BLOCKS - nr);
		off = (rnd >> 16) % 2 ? 0 : (rnd >> 20) % 1024 * 4;
		drv.next = top;
		cmd = driver_rw(&drv, round % 2 ? NVME_IO_READ : NVME_IO_WRITE, slba, nr,
				data + off);
		for (uint32_t i = 0; i < nr * 512 && !(round % 2); i += 4)
			*(uint32_t *)bus_at(data + off + i) = rnd + i;
		assert_int_equal(driver_run(&drv, 1, cmd), 0);
		if (round % 2)
			assert_memory_equal(bus_at(data + off), twin + slba * 512, nr * 512);
		else
			memcpy(twin + slba * 512, bus_at(data + off), nr * 512);
	}
	free(twin);
}

/* Zeroed, discarded, compared, flushed: as of a file. */
static void memory_is_a_drive_like_others(void **state)
{
	struct nvme_dsm_range *range;
	struct nvme_cmd cmd;
	iova_t data;

	begin("ram");
	driver_pair(&drv, 1, 16);
	data = driver_alloc(&drv, PAGE);
	range = bus_at(driver_alloc(&drv, PAGE));
	memset(bus_at(data), 0x77, PAGE);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_WRITE, 8, 8, data)), 0);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_COMPARE, 8, 8, data)), 0);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_COMPARE, 9, 8, data)),
			 DNR(NVME_COMPARE_FAILURE));
	cmd = (struct nvme_cmd){.opcode = NVME_IO_WRITE_ZEROES, .nsid = 1, .cdw10 = 8, .cdw12 = 3};
	assert_int_equal(driver_run(&drv, 1, cmd), 0);
	range[0] = (struct nvme_dsm_range){.slba = 14, .nlb = 1};
	cmd = (struct nvme_cmd){
		.opcode = NVME_IO_DSM, .nsid = 1, .prp1 = data + PAGE, .cdw11 = NVME_DSM_AD};
	assert_int_equal(driver_run(&drv, 1, cmd), 0);
	assert_int_equal(driver_run(&drv, 1, (struct nvme_cmd){.opcode = NVME_IO_FLUSH, .nsid = 1}),
			 0);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 8, 8, data)), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(*((uint8_t *)bus_at(data) + i * 512), i < 4 || i == 6 ? 0 : 0x77);
}

static void a_fault_moves_no_byte_and_is_logged(void **state)
{
	uint8_t *log;
	iova_t data;

	begin("ram");
	driver_pair(&drv, 1, 16);
	data = driver_alloc(&drv, 4 * PAGE);
	log = bus_at(driver_alloc(&drv, PAGE));
	memset(bus_at(data), 0x11, 4 * PAGE);
	bus_protect(data + PAGE, PAGE, 0);
	/* The second page is not there: nothing comes to the first one either. */
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 8, data + 2048)),
			 NVME_DATA_TRANSFER_ERROR);
	for (unsigned i = 0; i < PAGE; i++)
		assert_int_equal(((uint8_t *)bus_at(data))[i], 0x11);
	/* Nor is the drive written. */
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_WRITE, 0, 8, data + 2048)),
			 NVME_DATA_TRANSFER_ERROR);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 8, data + 2 * PAGE)),
			 0);
	assert_int_equal(*(uint8_t *)bus_at(data + 2 * PAGE), 0);
	/* Read-only memory can be written from, but not read into. */
	bus_protect(data + PAGE, PAGE, IOAS_PROT_READ);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_WRITE, 0, 8, data + PAGE)), 0);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 8, data + PAGE)),
			 NVME_DATA_TRANSFER_ERROR);
	bus_protect(data + PAGE, PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	assert_int_equal(driver_run(&drv, 0,
				    (struct nvme_cmd){.opcode = NVME_ADM_GET_LOG,
						      .nsid = NVME_NSID_ALL,
						      .prp1 = data + 4 * PAGE,
						      .cdw10 = NVME_LOG_ERROR | 255 << 16}),
			 0);
	assert_int_equal(((struct nvme_error_entry *)log)->count, 3);
	assert_int_equal(((struct nvme_error_entry *)log)->sqid, 1);
	assert_int_equal(((struct nvme_error_entry *)log)->status >> 1, NVME_DATA_TRANSFER_ERROR);
}

static void malformed_commands_get_their_own_answer(void **state)
{
	iova_t data;
	struct {
		struct nvme_cmd cmd;
		uint16_t status;
	} step[] = {
		{{.opcode = NVME_IO_READ, .nsid = 2}, DNR(NVME_INVALID_NAMESPACE)},
		{{.opcode = NVME_IO_READ, .nsid = 1, .flags = 1}, DNR(NVME_INVALID_FIELD)},
		{{.opcode = NVME_IO_READ, .nsid = 1, .cdw10 = BLOCKS}, DNR(NVME_LBA_OUT_OF_RANGE)},
		{{.opcode = NVME_IO_READ, .nsid = 1, .cdw12 = 1 << 26}, DNR(NVME_INVALID_FIELD)},
		{{.opcode = NVME_IO_READ, .nsid = 1, .prp1 = 2}, DNR(NVME_PRP_OFFSET_INVALID)},
		{{.opcode = NVME_IO_READ, .nsid = 1, .prp1 = 2048, .prp2 = 8, .cdw12 = 7},
		 DNR(NVME_PRP_OFFSET_INVALID)},
		{{.opcode = 0x7f, .nsid = 1}, DNR(NVME_INVALID_OPCODE)},
	};

	begin("null");
	driver_pair(&drv, 1, 64);
	data = driver_alloc(&drv, 4 * PAGE);
	for (unsigned i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		struct nvme_cmd good = driver_rw(&drv, NVME_IO_READ, i, 8, data);
		uint16_t cid[3];

		step[i].cmd.prp1 += data;
		cid[0] = driver_put(&drv, 1, &good);
		cid[1] = driver_put(&drv, 1, &step[i].cmd);
		cid[2] = driver_put(&drv, 1, &good);
		driver_ring(&drv, 1);
		for (unsigned k = 0; k < 3; k++) {
			struct completion done = driver_take(&drv, 1);
			bool bad = done.cid == cid[1];

			assert_true(bad || done.cid == cid[0] || done.cid == cid[2]);
			if (done.status != (bad ? step[i].status : 0))
				fail_msg("step %u: %x", i, done.status);
		}
	}
}

static void a_full_completion_queue_holds_the_rest_back(void **state)
{
	struct nvme_cmd sq = {.opcode = NVME_ADM_CREATE_SQ, .cdw10 = 2 | 63 << 16};
	struct driver_queue *two = &drv.queue[2];
	iova_t data;

	begin("null");
	data = driver_alloc(&drv, PAGE);
	driver_pair(&drv, 1, 4);
	*two = drv.queue[1];
	two->sq = sq.prp1 = driver_alloc(&drv, PAGE);
	two->size = 64;
	sq.cdw11 = 1 | 1 << 16;
	assert_int_equal(driver_run(&drv, 0, sq), 0);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 60; i++)
			driver_put(&drv, 2,
				   (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_READ, i, 8, data)});
		driver_ring(&drv, 2);
		for (unsigned i = 0; i < 60; i++) {
			struct completion done = driver_take(&drv, 1);

			assert_int_equal(done.status, 0);
			assert_int_equal(done.sqid, 2);
			assert_int_equal(done.cid, (uint16_t)(drv.cid - 60 + i));
		}
	}
}

static void queue_memory_that_is_not_there_is_fatal(void **state)
{
	iova_t data;

	begin("null");
	for (unsigned which = 0; which < 2; which++) {
		struct nvme_cmd cmd;
		iova_t lost;

		driver_pair(&drv, 1, 64);
		data = driver_alloc(&drv, PAGE);
		cmd = driver_rw(&drv, NVME_IO_READ, 0, 8, data);
		lost = which ? drv.queue[1].sq : drv.queue[1].cq;
		bus_protect(lost, PAGE, which ? IOAS_PROT_WRITE : IOAS_PROT_READ);
		driver_put(&drv, 1, &cmd);
		driver_ring(&drv, 1);
		driver_wait(NVME_CSTS_CFS, NVME_CSTS_CFS);
		bus_protect(lost, PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
		driver_disable(&drv);
		driver_enable(&drv, 32, 0);
	}
}

#define THREADS 4
#define ROUNDS	300

/* Each has a queue, memory and blocks of its own. */
struct user {
	pthread_t thread;
	struct driver drv; /* a copy, of which it uses its queue */
	uint16_t queue;
	iova_t data;
	unsigned failed;
};

static void *use(void *arg)
{
	struct user *user = arg;
	uint32_t zone = BLOCKS / THREADS, first = (user->queue - 1u) * zone;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < 16; i++) {
			iova_t at = user->data + i * PAGE;

			memset(bus_at(at), (int)(round + i + user->queue), PAGE);
			driver_put(&user->drv, user->queue,
				   (struct nvme_cmd[]){driver_rw(&user->drv, NVME_IO_WRITE,
								 first + i * 8, 8, at)});
		}
		driver_ring(&user->drv, user->queue);
		for (uint32_t i = 0; i < 16; i++)
			user->failed += driver_take(&user->drv, user->queue).status != 0;
		for (uint32_t i = 0; i < 16; i++)
			driver_put(&user->drv, user->queue,
				   (struct nvme_cmd[]){driver_rw(&user->drv, NVME_IO_READ,
								 first + i * 8, 8,
								 user->data + (i + 16) * PAGE)});
		driver_ring(&user->drv, user->queue);
		for (uint32_t i = 0; i < 16; i++)
			user->failed += driver_take(&user->drv, user->queue).status != 0;
		user->failed +=
			memcmp(bus_at(user->data), bus_at(user->data + 16 * PAGE), 16 * PAGE) != 0;
	}
	return NULL;
}

static void users_of_many_queues_lose_nothing(void **state)
{
	static struct user user[THREADS];
	iova_t data;

	begin("ram");
	data = driver_alloc(&drv, PAGE);
	for (uint16_t i = 0; i < THREADS; i++) {
		driver_pair(&drv, i + 1, 32);
		user[i].queue = i + 1;
		user[i].data = driver_alloc(&drv, 32 * PAGE);
		user[i].failed = 0;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		user[i].drv = drv;
		assert_int_equal(pthread_create(&user[i].thread, NULL, use, &user[i]), 0);
	}
	/* The worker has work of its own meanwhile. */
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(driver_run(&drv, 0,
					    (struct nvme_cmd){.opcode = NVME_ADM_IDENTIFY,
							      .prp1 = data,
							      .cdw10 = 1}),
				 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(user[i].thread, NULL);
		assert_int_equal(user[i].failed, 0);
	}
}

static _Atomic bool over;

/* Rings as often as it can, whatever has become of the controller. */
static void *ring(void *arg)
{
	for (uint32_t tail = 0; !atomic_load(&over); tail = (tail + 5) % 32) {
		driver_write32(NVME_REG_DOORBELLS + 8, tail);
		driver_write32(NVME_REG_DOORBELLS + 8 + 4, tail);
	}
	return NULL;
}

/* Resets, deleted queues and a stop of the worker all wait for whoever is at work, and end it. */
static void the_controller_goes_away_under_a_doorbell(void **state)
{
	pthread_t thread;
	iova_t data;

	begin("ram");
	data = driver_alloc(&drv, PAGE);
	atomic_store(&over, false);
	driver_pair(&drv, 1, 32);
	for (unsigned i = 0; i < 32; i++)
		driver_put(&drv, 1,
			   (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_READ, i * 8, 8, data)});
	assert_int_equal(pthread_create(&thread, NULL, ring, NULL), 0);
	for (unsigned round = 0; round < 60; round++) {
		switch (round % 3) {
		case 0:
			driver_disable(&drv);
			/* Its queues can go elsewhere now. */
			memset(bus_at(drv.queue[1].cq), 0xee, 32 * 16);
			sched_yield();
			for (unsigned i = 0; i < 32 * 16; i++)
				assert_int_equal(((uint8_t *)bus_at(drv.queue[1].cq))[i], 0xee);
			break;
		case 1:
			bus.ops->reset(bus.model);
			break;
		default:
			bus.ops->suspend(bus.model);
			bus.ops->resume(bus.model);
			driver_disable(&drv);
		}
		driver_enable(&drv, 32, 0);
		driver_pair(&drv, 1, 32);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_doorbell_is_answered_before_it_returns, teardown),
		cmocka_unit_test_teardown(memory_keeps_what_was_written, teardown),
		cmocka_unit_test_teardown(memory_is_a_drive_like_others, teardown),
		cmocka_unit_test_teardown(a_fault_moves_no_byte_and_is_logged, teardown),
		cmocka_unit_test_teardown(malformed_commands_get_their_own_answer, teardown),
		cmocka_unit_test_teardown(a_full_completion_queue_holds_the_rest_back, teardown),
		cmocka_unit_test_teardown(queue_memory_that_is_not_there_is_fatal, teardown),
		cmocka_unit_test_teardown(users_of_many_queues_lose_nothing, teardown),
		cmocka_unit_test_teardown(the_controller_goes_away_under_a_doorbell, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
