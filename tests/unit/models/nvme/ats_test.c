/* SPDX-License-Identifier: MIT */
/*
 * Description: with ats=on data goes by translations that are asked for once, and given back when
 * the program unmaps; what has none is a fault as without.
 */
#include <string.h>
#include <ioas/ats.h>
#include "models/nvme/driver.h"
#include "nvme/nvme.h"

#define LEN  (4u << 20)
#define PAGE 4096u

static struct driver drv;
static iova_t data;

static void begin(const char *keys)
{
	driver_open(&drv, LEN, keys);
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 32);
	data = driver_alloc(&drv, 64 * PAGE);
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

static struct ioas_atc_stats stats(void)
{
	struct ioas_atc_stats out;
	struct nvme *nvme = bus.model;

	assert_non_null(nvme->atc);
	ioas_atc_stats(nvme->atc, &out);
	return out;
}

static uint16_t run(uint8_t opcode, uint64_t slba, uint32_t nr, iova_t at)
{
	return driver_run(&drv, 1, driver_rw(&drv, opcode, slba, nr, at));
}

/* Lengths of one PRP, two, and a list, at any alignment. */
static void go_back_and_forth(const char *keys)
{
	uint32_t rnd = 1;

	begin(keys);
	for (unsigned round = 0; round < 200; round++) {
		uint32_t nr, slba, off;

		rnd = rnd * 1664525 + 1013904223;
		nr = (rnd >> 8) % 40 + 1;
		slba = (rnd >> 16) % 4096;
		off = (rnd >> 4) % 1024 * 4;
		memset(bus_at(data), (int)round, 8 * PAGE);
		assert_int_equal(run(NVME_IO_WRITE, slba, nr, data + off), 0);
		assert_int_equal(run(NVME_IO_COMPARE, slba, nr, data + off), 0);
		memset(bus_at(data), 0xee, 8 * PAGE);
		assert_int_equal(run(NVME_IO_READ, slba, nr, data + off), 0);
		for (uint32_t i = 0; i < nr * 512; i++)
			assert_int_equal(((uint8_t *)bus_at(data + off))[i], (uint8_t)round);
		assert_int_equal(((uint8_t *)bus_at(data + off))[nr * 512], 0xee);
		drv.next = data + 64 * PAGE;
	}
	assert_int_equal(((struct nvme *)bus.model)->host_writes, 200);
	assert_int_equal(((struct nvme *)bus.model)->host_reads, 2 * 200);
	assert_true(stats().hits > 600);
	/* All of memory is one mapping. */
	assert_true(stats().asked < 20);
}

static void data_is_where_it_belongs(void **state)
{
	go_back_and_forth("ats=on");
}

static void so_it_is_with_a_cache_of_writes(void **state)
{
	go_back_and_forth("ats=on,volatile=on");
}

/* The file, and over it what is only in the cache. */
static void a_cache_lies_over_the_file(void **state)
{
	uint8_t *bytes;

	begin("ats=on,volatile=on");
	bytes = bus_at(data);
	memset(bytes, 0xaa, 5 * 512);
	assert_int_equal(run(NVME_IO_WRITE, 103, 5, data), 0);
	assert_int_equal(run(NVME_IO_READ, 100, 60, data + 512), 0);
	for (uint32_t i = 0; i < 60 * 512; i++) {
		uint32_t at = 100 * 512 + i;
		uint8_t file = (uint8_t)(at * 31 + (at >> 9) * 7 + (at >> 17));

		assert_int_equal(bytes[512 + i], at / 512 - 103 < 5 ? 0xaa : file);
	}
	bus_protect(data, PAGE, IOAS_PROT_READ);
	assert_int_equal(run(NVME_IO_READ, 200, 8, data), NVME_DATA_TRANSFER_ERROR);
	assert_int_equal(run(NVME_IO_READ, 103, 5, data), NVME_DATA_TRANSFER_ERROR);
	/* What was cached stays, when what was to come over it does not. */
	bus_protect(data, PAGE, 0);
	assert_int_equal(run(NVME_IO_WRITE, 103, 1, data), NVME_DATA_TRANSFER_ERROR);
	assert_int_equal(run(NVME_IO_READ, 103, 5, data + PAGE), 0);
	for (uint32_t i = 0; i < 5 * 512; i++)
		assert_int_equal(bytes[PAGE + i], 0xaa);
}

static void translations_are_given_back(void **state)
{
	struct ioas_atc_stats before, after;

	begin("ats=on");
	assert_int_equal(run(NVME_IO_READ, 0, 8, data), 0);
	before = stats();
	assert_true(before.held > 0);
	memset(bus_at(data), 0x11, PAGE);
	bus_protect(data, PAGE, 0);
	after = stats();
	assert_true(after.invalidated > before.invalidated);
	assert_int_equal(after.held, 0);
	assert_int_equal(run(NVME_IO_READ, 0, 8, data), NVME_DATA_TRANSFER_ERROR);
	assert_int_equal(*(uint8_t *)bus_at(data), 0x11);
	/* What may only be read is not written, whatever was asked for before. */
	bus_protect(data, PAGE, IOAS_PROT_READ);
	assert_int_equal(run(NVME_IO_WRITE, 0, 8, data), 0);
	assert_int_equal(run(NVME_IO_READ, 0, 8, data), NVME_DATA_TRANSFER_ERROR);
	bus_protect(data, PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	assert_int_equal(run(NVME_IO_READ, 0, 8, data), 0);
}

static void a_reset_forgets_them(void **state)
{
	begin("ats=on");
	assert_int_equal(run(NVME_IO_READ, 0, 8, data), 0);
	assert_true(stats().held > 0);
	bus.ops->reset(bus.model);
	assert_int_equal(stats().held, 0);
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 32);
	assert_int_equal(run(NVME_IO_READ, 0, 8, data), 0);
}

static void off_is_without(void **state)
{
	begin("ats=off");
	assert_null(((struct nvme *)bus.model)->atc);
	assert_int_equal(run(NVME_IO_READ, 0, 8, data), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(data_is_where_it_belongs, teardown),
		cmocka_unit_test_teardown(so_it_is_with_a_cache_of_writes, teardown),
		cmocka_unit_test_teardown(a_cache_lies_over_the_file, teardown),
		cmocka_unit_test_teardown(translations_are_given_back, teardown),
		cmocka_unit_test_teardown(a_reset_forgets_them, teardown),
		cmocka_unit_test_teardown(off_is_without, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
