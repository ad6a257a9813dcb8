/* SPDX-License-Identifier: MIT */
/* Description: a controller's life as a driver sees it: enable, features, events, reset, failure.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "models/nvme/driver.h"
#include "nvme/nvme.h"

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

static void registers_tell_what_the_controller_can(void **state)
{
	uint64_t cap = bus.ops->bar_read(bus.model, 0, NVME_REG_CAP, 8);

	assert_int_equal(bus.desc.class_code, 0x010802);
	assert_true((cap & 0xffff) >= 1023);
	assert_true(cap >> 16 & 1);
	assert_true((cap >> 24 & 0xff) >= 20);
	assert_int_equal(cap >> 32 & 15, 0);
	assert_int_equal(cap >> 37 & 0xff, 1);
	assert_int_equal(cap >> 48 & 15, 0);
	assert_int_equal(driver_read32(NVME_REG_CAP + 4), cap >> 32);
	assert_int_equal(driver_read32(NVME_REG_VS), 0x10400);
	assert_int_equal(driver_read32(NVME_REG_CSTS), 0);
	assert_int_equal(driver_read32(NVME_REG_DOORBELLS), 0);
	driver_write32(NVME_REG_ASQ, 0x12345fff);
	driver_write32(NVME_REG_ASQ + 4, 0xabcd);
	assert_int_equal(bus.ops->bar_read(bus.model, 0, NVME_REG_ASQ, 8), 0xabcd12345000);
	driver_write64(NVME_REG_ACQ, 0x1122334455667788);
	assert_int_equal(bus.ops->bar_read(bus.model, 0, NVME_REG_ACQ, 8), 0x1122334455667000);
	driver_write32(NVME_REG_INTMS, 0xf0);
	driver_write32(NVME_REG_INTMC, 0x30);
	assert_int_equal(driver_read32(NVME_REG_INTMS), 0xc0);
	driver_write32(NVME_REG_CAP, 0);
	assert_int_equal(bus.ops->bar_read(bus.model, 0, NVME_REG_CAP, 8), cap);
	assert_int_equal(bus.ops->bar_read(bus.model, 0, NVME_REG_VS + 2, 1), 1);
}

static void a_bad_setup_is_a_fatal_status(void **state)
{
	static const uint32_t cc[] = {5 << 7, 1 << 4, 1 << 11};

	for (unsigned i = 0; i < 4; i++) {
		driver_write32(NVME_REG_AQA, i < 3 ? 0x1f001f : 0x1f0000);
		driver_write64(NVME_REG_ASQ, BUS_BASE);
		driver_write64(NVME_REG_ACQ, BUS_BASE + 65536);
		driver_write32(NVME_REG_CC, NVME_CC_EN | (i < 3 ? cc[i] : 0));
		driver_wait(NVME_CSTS_CFS | NVME_CSTS_RDY, NVME_CSTS_CFS);
		driver_write32(NVME_REG_CC, 0);
		driver_wait(NVME_CSTS_CFS, 0);
	}
	driver_enable(&drv, 32, 0);
}

static void identify_describes_controller_and_namespace(void **state)
{
	iova_t buf = driver_alloc(&drv, 4096);
	struct nvme_id_ctrl *ctrl = bus_at(buf);
	struct nvme_id_ns *ns = bus_at(buf);
	uint8_t *bytes = bus_at(buf);

	driver_enable(&drv, 32, 0);
	assert_int_equal(driver_run(&drv, 0, identify(1, 0, buf)), 0);
	assert_memory_equal(ctrl->sn, "S123                ", 20);
	assert_int_equal(ctrl->nn, 1);
	assert_int_equal(ctrl->sqes, 0x66);
	assert_int_equal(ctrl->cqes, 0x44);
	assert_int_equal(ctrl->vwc & 1, 1);
	assert_int_equal(ctrl->ver, 0x10400);
	assert_int_equal(ctrl->mdts, 9);
	assert_int_equal(bytes[77], 9);
	assert_int_equal(bytes[525], ctrl->vwc);
	assert_memory_equal(bytes + 768, "nqn.2014-08.org.nvmexpress:uuid:", 32);
	assert_int_equal(driver_run(&drv, 0, identify(0, 1, buf)), 0);
	assert_int_equal(ns->nsze, LEN / 512);
	assert_int_equal(ns->lbaf[0].lbads, 9);
	assert_int_equal(bytes[130], 9);
	assert_int_equal(driver_run(&drv, 0, identify(2, 0, buf)), 0);
	assert_int_equal(*(uint32_t *)bytes, 1);
	assert_int_equal(driver_run(&drv, 0, identify(2, 1, buf)), 0);
	assert_int_equal(*(uint32_t *)bytes, 0);
	assert_int_equal(driver_run(&drv, 0, identify(3, 1, buf)), 0);
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[32], 3);
	assert_int_equal(driver_run(&drv, 0, identify(2, 0xfffffffe, buf)), DNR(0x0b));
	assert_int_equal(driver_run(&drv, 0, identify(0, 0, buf)), DNR(0x0b));
	assert_int_equal(driver_run(&drv, 0, identify(0, 2, buf)), DNR(0x0b));
	assert_int_equal(driver_run(&drv, 0, identify(3, 2, buf)), DNR(0x0b));
	assert_int_equal(driver_run(&drv, 0, identify(5, 1, buf)), DNR(0x02));
	assert_int_equal(driver_run(&drv, 0, identify(6, 0, buf)), DNR(0x02));
	assert_int_equal(driver_run(&drv, 0, identify(1, 0, buf + 2)), DNR(0x13));
}

static uint32_t feature(uint8_t opcode, uint32_t cdw10, uint32_t cdw11, uint32_t nsid,
			uint16_t status)
{
	struct completion done = driver_run_full(
		&drv, 0,
		(struct nvme_cmd){.opcode = opcode, .nsid = nsid, .cdw10 = cdw10, .cdw11 = cdw11});

	if (done.status != status)
		fail_msg("feature %x: %x, not %x", cdw10, done.status, status);
	return done.dw0;
}

static void features_are_kept_until_reset(void **state)
{
	const uint8_t get = NVME_ADM_GET_FEATURES, set = NVME_ADM_SET_FEATURES;

	driver_enable(&drv, 16, 0);
	assert_int_equal(feature(get, 6, 0, 0, 0), 1);
	feature(set, 6, 0, 0, 0);
	assert_int_equal(feature(get, 6, 0, 0, 0), 0);
	assert_int_equal(feature(get, 6 | 1 << 8, 0, 0, 0), 1);
	assert_int_equal(feature(get, 6 | 3 << 8, 0, 0, 0), 4);
	assert_int_equal(feature(set, 7, 0x70007, 0, 0), 0x3f003f);
	assert_int_equal(feature(get, 7, 0, 0, 0), 0x3f003f);
	feature(set, 7, 0xffff, 0, DNR(0x02));
	feature(set, 0x0b, 0x31f, 0, 0);
	assert_int_equal(feature(get, 0x0b, 0, 0, 0), 0x31f);
	feature(set, 9, 0x10040, 0, 0);
	assert_int_equal(feature(get, 9, 0x40, 0, 0), 0x10040);
	feature(get, 9, 0x41, 0, DNR(0x02));
	feature(set, 4, 400, 0, 0);
	feature(set, 4, 300 | 1 << 20, 0, 0);
	assert_int_equal(feature(get, 4, 0, 0, 0), 400);
	assert_int_equal(feature(get, 4, 1 << 20, 0, 0), 300);
	feature(get, 4, 1 << 16, 0, DNR(0x02));
	feature(set, 5, 5, 1, 0);
	assert_int_equal(feature(get, 5, 0, 1, 0), 5);
	feature(get, 5, 0, 0, DNR(0x0b));
	feature(set, 6, 1, 1, 0); /* QEMU names the namespace */
	feature(set, 0x0a, 1, 1, DNR(0x10f));
	feature(set, 6 | 1u << 31, 1, 0, DNR(0x10d));
	feature(set, 2, 1, 0, DNR(0x02));
	feature(get, 3, 0, 0, DNR(0x02));
	feature(get, 0x0c, 0, 0, DNR(0x02));
	feature(set, 0xc0, 0, 0, DNR(0x02));
	driver_disable(&drv);
	driver_enable(&drv, 16, 0);
	assert_int_equal(feature(get, 6, 0, 0, 0), 1);
	assert_int_equal(feature(get, 4, 0, 0, 0), 343);
}

static struct nvme_cmd get_log(unsigned id, uint32_t len, uint64_t off, iova_t buf)
{
	return (struct nvme_cmd){.opcode = NVME_ADM_GET_LOG,
				 .nsid = NVME_NSID_ALL,
				 .prp1 = buf,
				 .prp2 = (buf & ~4095ull) + 4096,
				 .cdw10 = id | (len / 4 - 1) << 16,
				 .cdw12 = (uint32_t)off,
				 .cdw13 = (uint32_t)(off >> 32)};
}

static void log_pages_count(void **state)
{
	iova_t buf = driver_alloc(&drv, 8192), data = driver_alloc(&drv, 8192);
	struct nvme_smart *smart = bus_at(buf);
	struct nvme_error_entry *error = bus_at(buf);

	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 16);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 8, data)), 0);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_WRITE, 0, 8, data)), 0);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, 0x77, 3, 8, data)), DNR(0x01));
	assert_int_equal(driver_run(&drv, 0, get_log(2, 512, 0, buf)), 0);
	assert_int_equal(smart->host_reads[0], 1);
	assert_int_equal(smart->host_writes[0], 1);
	assert_int_equal(smart->data_units_read[0], 1);
	assert_int_equal(smart->error_entries[0], 1);
	assert_int_equal(smart->critical, 0);
	assert_int_equal(((uint8_t *)smart)[3], 100);
	assert_int_equal(driver_run(&drv, 0, get_log(1, 4096, 0, buf)), 0);
	assert_int_equal(error->count, 1);
	assert_int_equal(error->sqid, 1);
	assert_int_equal(error->status >> 1, DNR(0x01));
	assert_int_equal(error->lba, 3);
	assert_int_equal(error[1].count, 0);
	assert_int_equal(driver_run(&drv, 0, get_log(3, 64, 0, buf)), 0);
	assert_int_equal(*(uint8_t *)bus_at(buf), 1);
	/* From the middle, past the end, and what is no log. */
	assert_int_equal(driver_run(&drv, 0, get_log(2, 32, 32, buf)), 0);
	assert_int_equal(*(uint64_t *)bus_at(buf), 1);
	assert_int_equal(driver_run(&drv, 0, get_log(2, 512, 512, buf)), DNR(0x02));
	assert_int_equal(driver_run(&drv, 0, get_log(2, 512, 2, buf)), DNR(0x02));
	assert_int_equal(driver_run(&drv, 0, get_log(9, 512, 0, buf)), DNR(0x109));
	assert_int_equal(driver_run(&drv, 0, get_log(0, 512, 0, buf)), DNR(0x109));
}

static void event_requests_are_held_told_and_aborted(void **state)
{
	struct nvme_cmd aer = {.opcode = NVME_ADM_ASYNC_EVENT};
	iova_t buf = driver_alloc(&drv, 8192);
	struct completion done;
	uint16_t cid = 0;

	driver_enable(&drv, 32, 0);
	for (unsigned i = 0; i < 8; i++)
		cid = driver_put(&drv, 0, &aer);
	driver_ring(&drv, 0);
	assert_int_equal(driver_run(&drv, 0, aer), DNR(0x105));
	assert_false(driver_poll(&drv, 0, &done));
	/* Abort: the request's own completion, then the abort's. */
	driver_put(&drv, 0,
		   &(struct nvme_cmd){.opcode = NVME_ADM_ABORT, .cdw10 = (uint32_t)cid << 16});
	driver_ring(&drv, 0);
	done = driver_take(&drv, 0);
	assert_int_equal(done.cid, cid);
	assert_int_equal(done.status, 0x07);
	done = driver_take(&drv, 0);
	assert_int_equal(done.status | done.dw0, 0);
	done = driver_run_full(
		&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_ABORT, .cdw10 = (uint32_t)cid << 16});
	assert_int_equal(done.dw0, 1);
	/* A doorbell of no queue; the next of the type waits until the log is read. */
	driver_write32(NVME_REG_DOORBELLS + 5 * 8, 1);
	done = driver_take(&drv, 0);
	assert_int_equal(done.dw0, 0x010000);
	driver_write32(NVME_REG_DOORBELLS, 32);
	assert_int_equal(driver_run(&drv, 0, identify(1, 0, buf)), 0);
	assert_false(driver_poll(&drv, 0, &done));
	driver_put(&drv, 0, (struct nvme_cmd[]){get_log(1, 64, 0, buf)});
	driver_ring(&drv, 0);
	for (unsigned i = 0; i < 2; i++) {
		done = driver_take(&drv, 0);
		if (done.dw0)
			assert_int_equal(done.dw0, 0x010100);
	}
	/* A head beyond the tail. */
	assert_int_equal(driver_run(&drv, 0, get_log(1, 64, 0, buf)), 0);
	driver_write32(NVME_REG_DOORBELLS + 4, (drv.queue[0].cq_head + 3) % 32);
	done = driver_take(&drv, 0);
	assert_int_equal(done.dw0, 0x010100);
	/* Too hot. */
	feature(NVME_ADM_SET_FEATURES, 0x0b, 2, 0, 0);
	driver_put(&drv, 0,
		   &(struct nvme_cmd){.opcode = NVME_ADM_SET_FEATURES, .cdw10 = 4, .cdw11 = 300});
	driver_ring(&drv, 0);
	done = driver_take(&drv, 0);
	assert_int_equal(done.dw0, 0x020101);
	driver_take(&drv, 0);
}

static void unsupported_commands_are_invalid_opcodes(void **state)
{
	static const uint8_t opcode[] = {0x0d, 0x10, 0x11, 0x14, 0x15, 0x18,
					 0x19, 0x1a, 0x80, 0x81, 0x82, 0xff};

	driver_enable(&drv, 4, 0);
	for (unsigned i = 0; i < sizeof(opcode); i++)
		assert_int_equal(driver_run(&drv, 0, (struct nvme_cmd){.opcode = opcode[i]}),
				 DNR(0x01));
	for (unsigned flags = 1; flags < 256; flags <<= 1)
		assert_int_equal(driver_run(&drv, 0,
					    (struct nvme_cmd){.opcode = NVME_ADM_IDENTIFY,
							      .flags = (uint8_t)flags,
							      .cdw10 = 1,
							      .prp1 = BUS_BASE}),
				 flags & 0xc3 ? DNR(0x02) : 0);
}

static void a_reset_in_mid_flight_keeps_what_was_completed(void **state)
{
	for (unsigned round = 0; round < 20; round++) {
		iova_t data;
		struct completion done;
		uint64_t seen = 0;
		uint8_t got[4096];
		uint16_t first;

		memset(drv.queue, 0, sizeof(drv.queue));
		drv.next = BUS_BASE;
		data = driver_alloc(&drv, 64 * 4096);
		driver_enable(&drv, 16, 0);
		driver_pair(&drv, 1, 64);
		memset(bus_at(data), 0x40 + (int)round, 64 * 4096);
		first = drv.cid;
		for (unsigned i = 0; i < 60; i++)
			driver_put(&drv, 1,
				   (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_WRITE, i * 8, 8,
								 data + i * 4096)});
		driver_ring(&drv, 1);
		for (unsigned i = 0; i < round * 2; i++)
			driver_take(&drv, 1);
		if (round % 2)
			bus.ops->reset(bus.model);
		else
			driver_disable(&drv);
		assert_int_equal(driver_read32(NVME_REG_CSTS), 0);
		assert_int_equal(bus.lent, 0);
		memset(bus_at(data), 0, 64 * 4096);
		/* The queue's memory is not touched any more, and says what had been done. */
		drv.queue[1].cq_head = 0;
		drv.queue[1].phase = true;
		while (driver_poll(&drv, 1, &done))
			seen |= 1ull << (uint16_t)(done.cid - first);
		for (unsigned i = 0; i < 60; i++) {
			if (!(seen >> i & 1))
				continue;
			assert_int_equal(pread(drv.fd, got, 4096, i * 4096), 4096);
			assert_int_equal(got[0], 0x40 + round);
			assert_int_equal(got[4095], 0x40 + round);
		}
	}
}

static void shutdown_flushes_and_stops(void **state)
{
	iova_t data = driver_alloc(&drv, 4096);

	driver_enable(&drv, 16, 0);
	driver_write32(NVME_REG_CC, drv.cc | 1 << 14);
	driver_wait(NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	driver_disable(&drv);
	driver_enable(&drv, 16, 0);
	assert_int_equal(driver_read32(NVME_REG_CSTS), NVME_CSTS_RDY);
	assert_int_equal(driver_run(&drv, 0, identify(1, 0, data)), 0);
}

static bool sleeps(void)
{
	struct nvme *nvme = bus.model;

	for (unsigned i = 0; atomic_load(&nvme->awake) && i < 100000; i++)
		usleep(20);
	return !atomic_load(&nvme->awake);
}

/* Nothing is fetched, and nobody goes on looking for it; not even when the controller is back. */
static void doorbells_after_a_shutdown_are_for_nobody(void **state)
{
	iova_t data = driver_alloc(&drv, 4096);
	struct nvme_cmd cmd = identify(1, 0, data);
	struct completion done;

	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 8);
	driver_write32(NVME_REG_CC, drv.cc | 1 << 14);
	driver_wait(NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	driver_put(&drv, 0, &cmd);
	driver_ring(&drv, 0);
	driver_put(&drv, 1, &cmd);
	driver_ring(&drv, 1);
	assert_true(sleeps());
	assert_false(driver_poll(&drv, 0, &done));
	assert_false(driver_poll(&drv, 1, &done));
	driver_disable(&drv);
	driver_enable(&drv, 16, 0);
	assert_true(sleeps());
	assert_false(driver_poll(&drv, 0, &done));
	assert_int_equal(driver_run(&drv, 0, identify(1, 0, data)), 0);
}

static void queue_memory_that_is_gone_is_fatal(void **state)
{
	struct nvme_cmd cmd = identify(1, 0, BUS_BASE);
	unsigned sent = bus.sent[0];

	driver_enable(&drv, 16, 0);
	bus_protect(drv.queue[0].cq, 4096, IOAS_PROT_READ);
	driver_put(&drv, 0, &cmd);
	driver_ring(&drv, 0);
	driver_wait(NVME_CSTS_CFS, NVME_CSTS_CFS);
	driver_disable(&drv);
	/* Of what was not written nobody is told. */
	assert_int_equal(bus.sent[0], sent);
	bus_protect(drv.queue[0].cq, 4096, IOAS_PROT_READ | IOAS_PROT_WRITE);
	driver_enable(&drv, 16, 0);
	bus.master = false;
	driver_put(&drv, 0, &cmd);
	driver_ring(&drv, 0);
	driver_wait(NVME_CSTS_CFS, NVME_CSTS_CFS);
	driver_disable(&drv);
	bus.master = true;
	driver_enable(&drv, 16, 0);
	/* An I/O queue that goes: the admin queue can still tell. */
	driver_put(&drv, 0, &(struct nvme_cmd){.opcode = NVME_ADM_ASYNC_EVENT});
	driver_pair(&drv, 1, 4);
	bus_protect(drv.queue[1].sq, 4096, 0);
	driver_ring(&drv, 1);
	driver_put(&drv, 1, &cmd);
	driver_ring(&drv, 1);
	assert_int_equal(driver_take(&drv, 0).dw0, 0x010300);
	driver_wait(NVME_CSTS_CFS, NVME_CSTS_CFS);
	assert_true(bus.faults >= 3);
}

static void suspend_and_resume_lose_nothing(void **state)
{
	iova_t data = driver_alloc(&drv, 4096 * 64);

	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 64);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 60; i++)
			driver_put(&drv, 1,
				   (struct nvme_cmd[]){driver_rw(&drv, NVME_IO_WRITE, i * 8, 8,
								 data + i * 4096)});
		driver_ring(&drv, 1);
		bus.ops->suspend(bus.model);
		assert_int_equal(bus.lent, 0);
		bus.ops->resume(bus.model);
		for (unsigned i = 0; i < 60; i++)
			assert_int_equal(driver_take(&drv, 1).status, 0);
	}
	bus.ops->suspend(bus.model);
	bus.ops->resume(bus.model);
	bus.ops->reset(bus.model);
	assert_int_equal(driver_read32(NVME_REG_CSTS), 0);
	driver_enable(&drv, 16, 0);
}

static _Atomic bool over;

static void *reset_again(void *arg)
{
	while (!over)
		bus.ops->reset(bus.model);
	return NULL;
}

/* Two threads of a program that do not agree; in the end the controller works. */
static void resets_may_meet_register_writes(void **state)
{
	iova_t buf = driver_alloc(&drv, 4096);
	pthread_t thread;

	over = false;
	driver_enable(&drv, 16, 0);
	for (unsigned round = 0; round < 5; round++) {
		/* With a worker that is gone, too: the reset is then done by who asks for it. */
		bus.ops->suspend(bus.model);
		bus.ops->resume(bus.model);
		over = false;
		pthread_create(&thread, NULL, reset_again, NULL);
		for (unsigned i = 0; i < 200; i++) {
			driver_write32(NVME_REG_DOORBELLS + i % 4 * 4, i % 16);
			driver_write32(NVME_REG_AQA, 0x0f000f);
			driver_write64(NVME_REG_ASQ, drv.queue[0].sq);
			driver_write64(NVME_REG_ACQ, drv.queue[0].cq);
			driver_write32(NVME_REG_CC, i % 3 ? drv.cc : 1 << 14);
			driver_read32(NVME_REG_CSTS);
		}
		over = true;
		pthread_join(thread, NULL);
	}
	bus.ops->reset(bus.model);
	assert_int_equal(driver_read32(NVME_REG_CSTS), 0);
	driver_enable(&drv, 16, 0);
	assert_int_equal(driver_run(&drv, 0, identify(1, 0, buf)), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(registers_tell_what_the_controller_can),
		T(a_bad_setup_is_a_fatal_status),
		T(identify_describes_controller_and_namespace),
		T(features_are_kept_until_reset),
		T(log_pages_count),
		T(event_requests_are_held_told_and_aborted),
		T(unsupported_commands_are_invalid_opcodes),
		T(a_reset_in_mid_flight_keeps_what_was_completed),
		T(shutdown_flushes_and_stops),
		T(doorbells_after_a_shutdown_are_for_nobody),
		T(queue_memory_that_is_gone_is_fatal),
		T(suspend_and_resume_lose_nothing),
		T(resets_may_meet_register_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
