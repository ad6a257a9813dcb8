/* SPDX-License-Identifier: MIT */
/*
 * Description: a drive of random writes, zeroes, discards and flushes, with a volatile cache and
 * without one, is what an array says: for Read, and for Compare, which looks at the cache and the
 * file by another way; of one that differs in a byte Compare says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "models/nvme/driver.h"
#include "tests/soak.h"
#include "tests/unit/rnd.h"

#define BLOCKS 2048u
#define LEN    (BLOCKS * 512u)
#define MOST   300u /* blocks of a command */
#define STEPS  600

static struct driver drv;
static iova_t data, range;
static uint8_t twin[LEN];
static uint64_t state;

static unsigned below(unsigned nr)
{
	return (unsigned)(rnd_next(&state) >> 20) % nr;
}

static uint16_t rw(uint8_t opcode, unsigned first, unsigned nr, uint32_t flags)
{
	struct nvme_cmd cmd = driver_rw(&drv, opcode, first, nr, data);

	cmd.cdw12 |= flags;
	return driver_run(&drv, 1, cmd);
}

static void change(unsigned first, unsigned nr)
{
	struct nvme_cmd dsm = {
		.opcode = NVME_IO_DSM, .nsid = 1, .prp1 = range, .cdw11 = NVME_DSM_AD};

	switch (below(4)) {
	case 0:
		*(struct nvme_dsm_range *)bus_at(range) =
			(struct nvme_dsm_range){.slba = first, .nlb = nr};
		assert_int_equal(driver_run(&drv, 1, dsm), 0);
		memset(twin + first * 512, 0, nr * 512);
		break;
	case 1:
		assert_int_equal(rw(NVME_IO_WRITE_ZEROES, first, nr, 0), 0);
		memset(twin + first * 512, 0, nr * 512);
		break;
	default:
		for (unsigned i = 0; i < nr * 512; i++)
			twin[first * 512 + i] = (uint8_t)(below(256) | 1);
		memcpy(bus_at(data), twin + first * 512, nr * 512);
		assert_int_equal(rw(NVME_IO_WRITE, first, nr, below(4) ? 0 : NVME_RW_FUA), 0);
	}
}

/* What Read and Compare say of a range. */
static void look(unsigned first, unsigned nr)
{
	uint8_t *mine = bus_at(data);
	unsigned at;

	memset(mine, 0xee, nr * 512);
	assert_int_equal(rw(NVME_IO_READ, first, nr, 0), 0);
	assert_memory_equal(mine, twin + first * 512, nr * 512);
	assert_int_equal(rw(NVME_IO_COMPARE, first, nr, 0), 0);
	at = below(nr * 512);
	mine[at] ^= 0x10;
	assert_int_equal(rw(NVME_IO_COMPARE, first, nr, 0), DNR(NVME_COMPARE_FAILURE));
}

static void run(const char *keys)
{
	driver_open(&drv, LEN, keys);
	assert_int_equal(pread(drv.fd, twin, LEN, 0), LEN);
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 16);
	data = driver_alloc(&drv, MOST * 512);
	range = driver_alloc(&drv, 4096);
	state = (soak_seed() + 1) * 0x9e3779b97f4a7c15ull | 1;
	for (unsigned i = 0; i < STEPS * soak_times(); i++) {
		unsigned first = below(BLOCKS), nr = 1 + below(below(2) ? 16 : MOST);

		if (nr > BLOCKS - first)
			nr = BLOCKS - first;
		if (below(2))
			change(first, nr);
		else
			look(first, nr);
		if (!below(16))
			assert_int_equal(rw(NVME_IO_FLUSH, 0, 1, 0), 0);
	}
	driver_close(&drv);
}

static void with_a_volatile_cache(void **unused)
{
	run("volatile=on");
}

static void without_one(void **unused)
{
	run("");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_a_volatile_cache),
		cmocka_unit_test(without_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
