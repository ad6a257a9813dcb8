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
static int gate[2];

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
		io_uring_prep_poll_add(&sqes[first & mask], gate[0], POLLIN);
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

static void hold(void)
{
	held = true;
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
	return 0;
}

static void put_writes(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct nvme_cmd cmd = driver_rw(&drv, NVME_IO_WRITE, i, 1, data + i * 512);

		memset(bus_at(data + i * 512), 1 + (int)i % 250, 512);
		driver_put(&drv, 1, &cmd);
	}
	driver_ring(&drv, 1);
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
	for (unsigned by_bus = 0; by_bus < 2; by_bus++) {
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
		assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 1, data)), 0);
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
		T(a_queue_goes_with_its_last_command),
		T(a_shutdown_waits_for_commands),
		T(a_reset_waits_for_commands_and_drops_them),
		T(a_suspended_controller_ends_its_commands),
		T(a_completion_that_cannot_be_written_is_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
