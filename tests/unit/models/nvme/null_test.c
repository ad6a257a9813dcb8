/* SPDX-License-Identifier: MIT */
/*
 * Description: of a null drive each command's data is judged and counted by itself, though those
 * that are alike are looked at together: whatever comes between them, what may be read and written
 * changes from page to page, and some pages are mapped elsewhere.
 */
#include <ioas/device.h>
#include <ioas/pci.h>
#include <string.h>
#include <time.h>
#include "models/nvme/driver.h"
#include "nvme/nvme.h"
#include "tests/unit/rnd.h"

#define LEN    (8u << 20)
#define PAGE   4096u
#define PAGES  64u
#define ROUNDS 60u
#define RW     (IOAS_PROT_READ | IOAS_PROT_WRITE)

static struct driver drv;
static uint64_t rng = 88172645463325252ull;

static unsigned rnd(unsigned below)
{
	return (unsigned)((rnd_next(&rng) >> 11) % below);
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

/* What has to have happened, of data alone. */
struct sum {
	uint64_t reads, writes, read_sectors, written_sectors;
	uint64_t tlps, from_memory, to_memory, faults;
};

static const struct ioas_device_counters *counters(void)
{
	return ioas_device_counters(ioas_pci_device(((struct nvme *)bus.model)->pci));
}

/* A batch is counted when it ends, perhaps after its completions were taken. */
static void wait_for(uint64_t written)
{
	struct timespec nap = {.tv_nsec = 100000};

	for (unsigned i = 0; i < 100000 && counters()->write_len != written; i++)
		nanosleep(&nap, NULL);
	assert_int_equal(counters()->write_len, written);
}

/* Of a command that needs pages first..last: does it pass? */
static bool judge(struct sum *sum, const struct nvme_cmd *cmd, iova_t base)
{
	bool write = cmd->opcode == NVME_IO_WRITE;
	uint64_t len = (cmd->cdw12 + 1) * 512ull, off = cmd->prp1 - base;
	uint8_t need = write ? IOAS_PROT_READ : IOAS_PROT_WRITE;

	for (uint64_t done = 0, some; done < len; done += some, off += some) {
		some = PAGE - off % PAGE;
		some = some < len - done ? some : len - done;
		if (!(bus.prot[(base - BUS_BASE + off) / PAGE] & need)) {
			sum->faults++;
			return false;
		}
		*(write ? &sum->from_memory : &sum->to_memory) += some;
		sum->tlps += !done || off % PAGE == 0;
	}
	*(write ? &sum->writes : &sum->reads) += 1;
	*(write ? &sum->written_sectors : &sum->read_sectors) += len / 512;
	return true;
}

/* Mostly reads of a page in a row. */
static struct nvme_cmd some_command(unsigned i, iova_t base)
{
	unsigned page = rnd(4) ? i % PAGES : rnd(PAGES - 1), nr = rnd(6) ? 8 : 1 + rnd(8);
	unsigned off = rnd(8) ? 0 : rnd(PAGE / 4) * 4;

	if (page == PAGES - 1)
		off = 0;
	return driver_rw(&drv, rnd(8) ? NVME_IO_READ : NVME_IO_WRITE, rnd(1000), nr,
			 base + page * PAGE + off);
}

static void run_round(iova_t base)
{
	struct ioas_device_counters before = *counters();
	const struct nvme *nvme = bus.model;
	struct sum sum = {nvme->host_reads, nvme->host_writes, nvme->read_sectors,
			  nvme->written_sectors};
	unsigned nr = 1 + rnd(250);
	bool passes[256];

	for (unsigned i = 0; i < nr; i++) {
		struct nvme_cmd cmd = some_command(i, base);

		passes[i] = judge(&sum, &cmd, base);
		driver_put(&drv, 1, &cmd);
	}
	driver_ring(&drv, 1);
	for (unsigned i = 0; i < nr; i++) {
		struct completion done = driver_take(&drv, 1);

		assert_int_equal(done.cid, (uint16_t)(drv.cid - nr + i));
		assert_int_equal(done.status, passes[i] ? 0 : NVME_DATA_TRANSFER_ERROR);
	}
	wait_for(before.write_len + sum.to_memory + nr * 16ull);
	assert_int_equal(counters()->read_len, before.read_len + sum.from_memory + nr * 64ull);
	assert_int_equal(counters()->faults, before.faults + sum.faults);
	/* And what fetched them, and completed them. */
	assert_in_range(counters()->tlps - before.tlps - sum.tlps, 2, 3 * nr);
	assert_int_equal(nvme->host_reads, sum.reads);
	assert_int_equal(nvme->host_writes, sum.writes);
	assert_int_equal(nvme->read_sectors, sum.read_sectors);
	assert_int_equal(nvme->written_sectors, sum.written_sectors);
}

static void each_command_is_judged_and_counted(void **state)
{
	static const uint8_t prots[] = {0, IOAS_PROT_READ, IOAS_PROT_WRITE, RW};
	iova_t base;

	driver_open(&drv, LEN, "null");
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 256);
	base = driver_alloc(&drv, PAGES * PAGE);
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* A page more or less, and with it other mappings. */
		if (round % 3 == 0)
			bus_protect(base + rnd(PAGES) * PAGE, PAGE, prots[rnd(2) ? 3 : rnd(4)]);
		if (round % 20 == 0)
			bus_protect(base, PAGES * PAGE, RW);
		run_round(base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(each_command_is_judged_and_counted, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
