/* SPDX-License-Identifier: MIT */
/*
 * Description: a drive that takes as long as the test says: what happens meanwhile to queues, to a
 * controller that is shut down, disabled or reset. The linker puts the __wrap_ functions in front
 * of liburing (see meson.build): before what is submitted they ask for a pipe to have something in
 * it, and have the rest wait for that.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "models/nvme/driver.h"

#define LEN (1u << 20)

static _Atomic bool held;
static _Atomic bool waits;	 /* the model does, and does nothing else meanwhile */
static _Atomic unsigned started; /* entries that wait, or are done */
static int gate[2], other_gate[2];
static _Atomic int waits_at; /* the gate that entries wait at */

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
	unsigned nr = io_uring_sq_ready(ring), mask = *ring->sq.kring_mask;
	unsigned first = ring->sq.sqe_tail - nr;
	struct io_uring_sqe *sqes = ring->sq.sqes;
	int rc;

	if (held && io_uring_get_sqe(ring)) {
		for (unsigned i = nr; i; i--) {
			sqes[(first + i) & mask] = sqes[(first + i - 1) & mask];
			sqes[(first + i) & mask].flags |= i < nr ? IOSQE_IO_LINK : 0;
		}
		io_uring_prep_poll_add(&sqes[first & mask], waits_at, POLLIN);
		sqes[first & mask].flags = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	}
	rc = __real_io_uring_submit(ring);
	started += nr;
	return rc;
}

int __real___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned submit,
			      unsigned nr, sigset_t *mask);
int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned submit,
			      unsigned nr, sigset_t *mask);
int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned submit,
			      unsigned nr, sigset_t *mask)
{
	if (nr && !waits) {
		waits = true;
		return -EINTR; /* and once more */
	}
	return __real___io_uring_get_cqe(ring, cqe, submit, nr, mask);
}

static _Atomic unsigned allocations;
void *__real_calloc(size_t nr, size_t len);
void *__wrap_calloc(size_t nr, size_t len);
void *__wrap_calloc(size_t nr, size_t len)
{
	allocations++;
	return __real_calloc(nr, len);
}

static void hold(void)
{
	held = true;
	waits_at = gate[0];
	waits = false;
	started = 0;
}

static void let_go(void)
{
	held = false;
	assert_int_equal(write(gate[1], "", 1), 1);
}

static struct driver drv;
static iova_t data;

static int setup(void **state)
{
	struct io_uring ring;

	if (io_uring_queue_init(8, &ring, 0))
		skip();
	if (!(ring.features & IORING_FEAT_CQE_SKIP))
		skip();
	io_uring_queue_exit(&ring);
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(other_gate), 0);
	driver_open(&drv, LEN, "");
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 1024);
	data = driver_alloc(&drv, LEN);
	return 0;
}

static int teardown(void **state)
{
	held = false;
	driver_close(&drv);
	close(gate[0]);
	close(gate[1]);
	close(other_gate[0]);
	close(other_gate[1]);
	return 0;
}

static void put_writes_to(uint16_t id, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct nvme_cmd cmd = driver_rw(&drv, NVME_IO_WRITE, i, 1, data + i * 512);

		memset(bus_at(data + i * 512), 1 + (int)i % 250, 512);
		driver_put(&drv, id, &cmd);
	}
	driver_ring(&drv, id);
}

static void put_writes(unsigned nr)
{
	put_writes_to(1, nr);
}

static void wait_for(unsigned nr)
{
	for (unsigned i = 0; started < nr && i < 100000; i++)
		usleep(20);
	assert_int_equal(started, nr);
}

static void wait_for_wait(void)
{
	for (unsigned i = 0; !waits && i < 100000; i++)
		usleep(20);
	assert_true(waits);
}

static void are_written(unsigned nr)
{
	uint8_t now[512];

	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(pread(drv.fd, now, 512, i * 512), 512);
		assert_memory_equal(now, bus_at(data + i * 512), 512);
	}
}

static uint16_t admin(uint8_t opcode, uint32_t cdw10, uint32_t cdw11)
{
	return driver_run(&drv, 0,
			  (struct nvme_cmd){.opcode = opcode,
					    .nsid = 1,
					    .prp1 = data + LEN - 4096,
					    .cdw10 = cdw10,
					    .cdw11 = cdw11});
}

/* 256 commands are under way, no more; those for the controller itself pass them by. */
static void so_many_commands_are_begun(void **state)
{
	struct completion done;
	bool seen[700] = {false};

	hold();
	put_writes(700);
	wait_for(256);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(admin(NVME_ADM_IDENTIFY, 1, 0), 0);
	assert_int_equal(started, 256);
	assert_false(driver_poll(&drv, 1, &done));
	let_go();
	for (unsigned i = 0; i < 700; i++) {
		done = driver_take(&drv, 1);
		assert_int_equal(done.status, 0);
		assert_false(seen[done.cid % 700]);
		seen[done.cid % 700] = true;
	}
	assert_false(driver_poll(&drv, 1, &done));
	are_written(700);
}

/* What a command takes it gives back: the next ones need no memory. */
static void commands_use_what_others_left(void **state)
{
	unsigned before = 0;

	for (unsigned round = 0; round < 3; round++) {
		before = allocations;
		hold();
		put_writes(200);
		wait_for(200);
		let_go();
		for (unsigned i = 0; i < 200; i++)
			assert_int_equal(driver_take(&drv, 1).status, 0);
		assert_int_equal(read(gate[0], &(char){0}, 1), 1);
	}
	assert_int_equal(allocations, before);
}

/* Until the last command ends, its queue is neither gone nor there. */
static void a_queue_goes_with_its_last_command(void **state)
{
	struct nvme_cmd gone = {.opcode = NVME_ADM_DELETE_SQ, .cdw10 = 1};
	struct completion done;
	uint16_t cid;

	hold();
	put_writes(9);
	wait_for(9);
	cid = driver_put(&drv, 0, &gone);
	driver_ring(&drv, 0);
	/* Each of these overtakes it. */
	assert_int_equal(admin(NVME_ADM_DELETE_SQ, 1, 0), DNR(0x101));
	assert_int_equal(admin(NVME_ADM_CREATE_SQ, 1 | 31 << 16, 1 | 1 << 16), DNR(0x101));
	assert_int_equal(admin(NVME_ADM_DELETE_CQ, 1, 0), DNR(0x10c));
	assert_false(driver_poll(&drv, 0, &done));
	let_go();
	done = driver_take(&drv, 0);
	assert_int_equal(done.cid, cid);
	assert_int_equal(done.status, 0);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(driver_take(&drv, 1).status, 0);
	are_written(9);
	assert_int_equal(admin(NVME_ADM_DELETE_CQ, 1, 0), 0);
	driver_pair(&drv, 1, 32);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 1, data)), 0);
}

/* While these commands come and go, the others that are no longer held end. */
static void let_all_end(void)
{
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(admin(NVME_ADM_IDENTIFY, 1, 0), 0);
}

static void make_poster(uint16_t id)
{
	struct driver_queue *queue = &drv.queue[id];

	if (!queue->sq)
		queue->sq = driver_alloc(&drv, 4096);
	queue->size = 16;
	queue->tail = 0;
	assert_int_equal(driver_run(&drv, 0,
				    (struct nvme_cmd){.opcode = NVME_ADM_CREATE_SQ,
						      .prp1 = queue->sq,
						      .cdw10 = id | 15 << 16,
						      .cdw11 = 1 | 2 << 16}),
			 0);
}

/*
 * Queues 3 and 4 post to one that has room for three, and wait for more; 4 goes, and with it what
 * it had waiting, or ends now. What 3 has is told, and so is what ends later. Either of them may be
 * the first to wait.
 */
static void a_queue_takes_its_completions_along(void **state)
{
	struct nvme_cmd gone = {.opcode = NVME_ADM_DELETE_SQ, .cdw10 = 4};
	struct completion done;

	for (uint16_t first = 3; first <= 4; first++) {
		unsigned of_three = 0;
		uint64_t *third;

		driver_pair(&drv, 2, 4);
		assert_int_equal(admin(NVME_ADM_DELETE_SQ, 2, 0), 0);
		make_poster(3);
		make_poster(4);
		third = bus_at(drv.queue[2].cq + 2 * 16 + 8);
		hold();
		put_writes_to(first, 5);
		wait_for(5);
		put_writes_to(7 - first, 5);
		wait_for(10);
		waits_at = other_gate[0];
		put_writes_to(3, 2);
		wait_for(12);
		put_writes_to(4, 2);
		wait_for(14);
		let_go();
		while (!(__atomic_load_n(third, __ATOMIC_ACQUIRE) >> 48 & 1))
			usleep(20);
		let_all_end();
		driver_put(&drv, 0, &gone);
		driver_ring(&drv, 0);
		let_all_end();
		assert_int_equal(write(other_gate[1], "", 1), 1);
		done = driver_take(&drv, 0);
		assert_int_equal(done.cid, gone.cid);
		assert_int_equal(done.status, 0);
		let_all_end();
		while (of_three < 7) {
			done = driver_take(&drv, 2);
			assert_int_equal(done.status, 0);
			of_three += done.sqid == 3;
		}
		assert_int_equal(admin(NVME_ADM_DELETE_SQ, 3, 0), 0);
		assert_false(driver_poll(&drv, 2, &done));
		assert_int_equal(admin(NVME_ADM_DELETE_CQ, 2, 0), 0);
		assert_int_equal(read(gate[0], &(char){0}, 1), 1);
		assert_int_equal(read(other_gate[0], &(char){0}, 1), 1);
	}
}

/* What was fetched ends before the shutdown does. */
static void a_shutdown_waits_for_commands(void **state)
{
	struct completion done;

	for (unsigned shn = 1; shn <= 2; shn++) {
		hold();
		put_writes(70);
		wait_for(70);
		driver_write32(NVME_REG_CC, drv.cc | shn << 14);
		driver_wait(NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_BUSY);
		wait_for_wait();
		assert_false(driver_poll(&drv, 1, &done));
		let_go();
		driver_wait(NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
		for (unsigned i = 0; i < 70; i++) {
			assert_true(driver_poll(&drv, 1, &done));
			assert_int_equal(done.status, 0);
		}
		are_written(70);
		driver_disable(&drv);
		driver_enable(&drv, 16, 0);
		driver_pair(&drv, 1, 1024);
		assert_int_equal(read(gate[0], &(char){0}, 1), 1);
	}
}

static void *resets(void *arg)
{
	bus.ops->reset(bus.model);
	return NULL;
}

/* Disabled, or reset by the bus: what is under way ends, and nobody is told. */
static void a_reset_waits_for_commands_and_drops_them(void **state)
{
	/* Often enough that all requests would be lost, if they were. */
	for (unsigned round = 0; round < 4; round++) {
		bool by_bus = round % 2;
		pthread_t thread;

		hold();
		put_writes(70);
		wait_for(70);
		if (by_bus)
			assert_int_equal(pthread_create(&thread, NULL, resets, NULL), 0);
		else
			driver_write32(NVME_REG_CC, drv.cc & ~NVME_CC_EN);
		/* A register says so only when all have ended. */
		wait_for_wait();
		assert_true(driver_read32(NVME_REG_CSTS) & NVME_CSTS_RDY);
		let_go();
		if (by_bus)
			pthread_join(thread, NULL);
		driver_wait(NVME_CSTS_RDY, 0);
		are_written(70);
		for (unsigned i = 0; i < 70 * 16; i++)
			assert_int_equal(((uint8_t *)bus_at(drv.queue[1].cq))[i], 0);
		driver_enable(&drv, 16, 0);
		driver_pair(&drv, 1, 1024);
		assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_WRITE, 0, 1, data)),
				 0);
		driver_disable(&drv);
		driver_enable(&drv, 16, 0);
		driver_pair(&drv, 1, 1024);
		assert_int_equal(read(gate[0], &(char){0}, 1), 1);
	}
}

/* The thread that does all this ends with what is under way, and there is another one. */
static void *suspends(void *arg)
{
	bus.ops->suspend(bus.model);
	bus.ops->resume(bus.model);
	return NULL;
}

static void a_suspended_controller_ends_its_commands(void **state)
{
	pthread_t thread;

	hold();
	put_writes(70);
	wait_for(70);
	assert_int_equal(pthread_create(&thread, NULL, suspends, NULL), 0);
	wait_for_wait();
	let_go();
	pthread_join(thread, NULL);
	for (unsigned i = 0; i < 70; i++)
		assert_int_equal(driver_take(&drv, 1).status, 0);
	are_written(70);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_WRITE, 0, 1, data)), 0);
}

/* The first one that cannot be told is the end, of which the admin queue tells. */
static void a_completion_that_cannot_be_written_is_fatal(void **state)
{
	struct nvme_cmd event = {.opcode = NVME_ADM_ASYNC_EVENT};
	struct completion done;
	unsigned sent = bus.sent[1];

	driver_put(&drv, 0, &event);
	driver_ring(&drv, 0);
	hold();
	put_writes(9);
	wait_for(9);
	bus_protect(drv.queue[1].cq, 4096, IOAS_PROT_READ);
	let_go();
	done = driver_take(&drv, 0);
	assert_int_equal(done.cid, event.cid);
	assert_int_equal(done.dw0, 0x010300);
	driver_wait(NVME_CSTS_CFS, NVME_CSTS_CFS);
	bus_protect(drv.queue[1].cq, 4096, IOAS_PROT_READ | IOAS_PROT_WRITE);
	driver_disable(&drv);
	assert_int_equal(bus.sent[1], sent);
	assert_false(driver_poll(&drv, 1, &done));
	are_written(9);
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 32);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_WRITE, 0, 1, data)), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(so_many_commands_are_begun),
		T(commands_use_what_others_left),
		T(a_queue_goes_with_its_last_command),
		T(a_queue_takes_its_completions_along),
		T(a_shutdown_waits_for_commands),
		T(a_reset_waits_for_commands_and_drops_them),
		T(a_suspended_controller_ends_its_commands),
		T(a_completion_that_cannot_be_written_is_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
