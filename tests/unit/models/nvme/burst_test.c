/* SPDX-License-Identifier: MIT */
/*
 * Description: commands are fetched and completed many at a time, as far as one read or write can
 * reach: not over the end of a ring nor that of a page, in whatever mappings the pages are. What
 * does not pass ends what it belongs to, and no more.
 */
#include <string.h>
#include "models/nvme/driver.h"

#define LEN  (8u << 20)
#define PAGE 4096u

static struct driver drv;

static void begin(const char *keys, uint32_t size)
{
	driver_open(&drv, LEN, keys);
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, size);
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

static void put_reads(unsigned nr, iova_t data)
{
	for (unsigned i = 0; i < nr; i++) {
		struct nvme_cmd cmd = driver_rw(&drv, NVME_IO_READ, i * 8, 8, data);

		driver_put(&drv, 1, &cmd);
	}
}

/* All of the newest `nr` complete, in their order, and the last one says how far it has come. */
static void take_all(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct completion done = driver_take(&drv, 1);

		assert_int_equal(done.status, 0);
		assert_int_equal(done.cid, (uint16_t)(drv.cid - nr + i));
		if (i == nr - 1)
			assert_int_equal(done.sq_head, drv.queue[1].tail);
	}
}

static void go_round(uint32_t size)
{
	iova_t data = driver_alloc(&drv, PAGE);
	uint32_t rnd = 1;

	for (unsigned round = 0; round < 100; round++) {
		unsigned nr = 1 + (rnd >> 8) % (size - 1);

		rnd = rnd * 1664525 + 1013904223;
		put_reads(nr, data);
		driver_ring(&drv, 1);
		take_all(nr);
	}
	assert_int_equal(bus.crossed, 0);
}

/* A ring whose end is no page's, and one that is shorter than a burst. */
static void rings_go_round_at_any_length(void **state)
{
	static const uint32_t sizes[] = {2, 5, 64, 100, 257, 300};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin(i % 2 ? "ram" : "null", sizes[i]);
		go_round(sizes[i]);
		if (i < sizeof(sizes) / sizeof(sizes[0]) - 1)
			driver_close(&drv);
	}
}

/* Each page is a mapping of its own. */
static void a_rings_pages_may_lie_anywhere(void **state)
{
	begin("null", 600);
	for (unsigned page = 0; page < 600 * 64 / PAGE; page += 2)
		bus_protect(drv.queue[1].sq + page * PAGE, PAGE, IOAS_PROT_READ);
	bus_protect(drv.queue[1].cq + PAGE, PAGE, IOAS_PROT_WRITE);
	go_round(600);
}

static void a_fault_is_of_one_command_of_a_burst(void **state)
{
	enum { NR = 20 };
	iova_t data;

	begin("ram", 64);
	data = driver_alloc(&drv, 2 * NR * PAGE);
	memset(bus_at(data), 0x11, 2 * NR * PAGE);
	bus_protect(data + 2 * 7 * PAGE, PAGE, 0);
	bus_protect(data + (2 * 12 + 1) * PAGE, PAGE, IOAS_PROT_READ);
	for (unsigned i = 0; i < NR; i++) {
		struct nvme_cmd cmd = driver_rw(&drv, NVME_IO_READ, i * 8, 8,
						data + 2 * i * PAGE + 2048 * (i % 2 == 0));

		driver_put(&drv, 1, &cmd);
	}
	driver_ring(&drv, 1);
	for (unsigned i = 0; i < NR; i++) {
		struct completion done = driver_take(&drv, 1);
		bool lost = done.cid == (uint16_t)(drv.cid - NR + 7);

		lost |= done.cid == (uint16_t)(drv.cid - NR + 12);
		assert_int_equal(done.status, lost ? NVME_DATA_TRANSFER_ERROR : 0);
		if (i == NR - 1)
			assert_int_equal(done.sq_head, NR);
	}
	for (unsigned i = 0; i < NR; i++) {
		const uint8_t *got = bus_at(data + 2 * i * PAGE + 2048);

		assert_int_equal(*got, i == 7 || i == 12 ? 0x11 : 0);
	}
	assert_int_equal(driver_read32(NVME_REG_CSTS) & NVME_CSTS_CFS, 0);
}

/* As many as came before it complete. */
static void dies_at(iova_t lost, uint8_t prot, unsigned before)
{
	iova_t data = driver_alloc(&drv, PAGE);
	struct completion done;
	unsigned nr = 0;

	bus_protect(lost, PAGE, prot);
	put_reads(400, data);
	driver_ring(&drv, 1);
	driver_wait(NVME_CSTS_CFS, NVME_CSTS_CFS);
	/* Of what was completed none is missing, and what was not even fetched did not happen. */
	while (driver_poll(&drv, 1, &done)) {
		assert_int_equal(done.status, 0);
		assert_int_equal(done.cid, (uint16_t)(drv.cid - 400 + nr));
		nr++;
	}
	assert_int_equal(nr, before);
	bus_protect(lost, PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
}

static void a_page_of_commands_that_is_not_there_is_fatal_when_its_turn_comes(void **state)
{
	begin("null", 512);
	dies_at(drv.queue[1].sq + 3 * PAGE, IOAS_PROT_WRITE, 3 * PAGE / 64);
}

static void a_page_of_completions_that_is_not_there_is_fatal_when_its_turn_comes(void **state)
{
	begin("null", 512);
	dies_at(drv.queue[1].cq + PAGE, IOAS_PROT_READ, PAGE / 16);
}

/* What is taken away between two bursts the second one does not find, nor after it is back. */
static void each_burst_sees_what_is_mapped_then(void **state)
{
	iova_t data;

	begin("ram", 64);
	data = driver_alloc(&drv, PAGE);
	for (unsigned round = 0; round < 6; round++) {
		unsigned want = round % 2 ? NVME_DATA_TRANSFER_ERROR : 0;

		bus_protect(data, PAGE, round % 2 ? 0 : IOAS_PROT_READ | IOAS_PROT_WRITE);
		memset(bus_at(data), 0x11, PAGE);
		put_reads(20, data);
		driver_ring(&drv, 1);
		for (unsigned i = 0; i < 20; i++)
			assert_int_equal(driver_take(&drv, 1).status, want);
		assert_int_equal(*(uint8_t *)bus_at(data), round % 2 ? 0x11 : 0);
	}
}

/* Some at a time; a null drive, whose commands take no time, may send all at once. */
static void completions_do_not_wait_for_much_else(void **state)
{
	iova_t data;

	begin("ram", 64);
	data = driver_alloc(&drv, PAGE);
	for (unsigned round = 0; round < 3; round++) {
		unsigned before = bus.posts;

		put_reads(20, data);
		driver_ring(&drv, 1);
		take_all(20);
		/* The engine's bus does not count them. */
		if (bus.posts != before)
			assert_true(bus.posts - before >= 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rings_go_round_at_any_length, teardown),
		cmocka_unit_test_teardown(a_rings_pages_may_lie_anywhere, teardown),
		cmocka_unit_test_teardown(a_fault_is_of_one_command_of_a_burst, teardown),
		cmocka_unit_test_teardown(
			a_page_of_commands_that_is_not_there_is_fatal_when_its_turn_comes,
			teardown),
		cmocka_unit_test_teardown(
			a_page_of_completions_that_is_not_there_is_fatal_when_its_turn_comes,
			teardown),
		cmocka_unit_test_teardown(each_burst_sees_what_is_mapped_then, teardown),
		cmocka_unit_test_teardown(completions_do_not_wait_for_much_else, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
