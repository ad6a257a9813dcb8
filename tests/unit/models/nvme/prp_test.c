/* SPDX-License-Identifier: MIT */
/*
 * Description: data pointers with every offset: lengths, page sizes and list positions against a
 * twin that says byte by byte where the data must be.
 */
#include <stdlib.h>
#include <string.h>
#include "models/nvme/driver.h"

#define LEN (4u << 20)

static struct driver drv;
static uint64_t page;
static iova_t pool, lists;
static uint32_t seed = 7;

static uint32_t pick(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* Pages of the pool in an order without neighbours: 5 is odd, so all of 2^n are visited. */
static iova_t data_page(unsigned i, unsigned pages)
{
	return pool + (uint64_t)(i * 5 + 3) % pages * page;
}

/*
 * Makes PRPs for `len` bytes that start `off` bytes into their first page, with a list that starts
 * at entry `slot` of its page; where[] receives the address of each piece of 4 bytes.
 */
static void build(struct nvme_cmd *cmd, uint64_t off, uint64_t len, unsigned slot, unsigned pages,
		  iova_t *where)
{
	uint64_t nr = (off + len + page - 1) / page, entries = page / 8;
	iova_t list = lists;

	for (uint64_t i = 0; i < len / 4; i++)
		where[i] =
			data_page((unsigned)((off + i * 4) / page), pages) + (off + i * 4) % page;
	cmd->prp1 = data_page(0, pages) + off;
	cmd->prp2 = nr == 2 ? data_page(1, pages) : list + slot * 8;
	for (unsigned i = 1; nr > 2 && i < nr; i++) {
		if (slot == entries - 1 && i + 1 < nr) {
			*(uint64_t *)bus_at(list + slot * 8) = list + 2 * page;
			list += 2 * page;
			slot = 0;
		}
		*(uint64_t *)bus_at(list + slot++ * 8) = data_page(i, pages);
	}
}

static void try(uint64_t off, uint32_t nr, unsigned slot, unsigned pages)
{
	struct nvme_cmd cmd = {.opcode = NVME_IO_READ, .nsid = 1};
	uint64_t len = nr * 512ull;
	iova_t *where = malloc(len / 4 * sizeof(*where));
	uint32_t slba = pick(LEN / 512 - nr);
	uint16_t status;

	build(&cmd, off, len, slot, pages, where);
	cmd.cdw10 = slba;
	cmd.cdw12 = nr - 1;
	status = driver_run(&drv, 1, cmd);
	if (status)
		fail_msg("offset %u, %u blocks, slot %u: %x", (unsigned)off, nr, slot, status);
	for (uint64_t i = 0; i < len; i++) {
		uint64_t at = slba * 512ull + i;
		uint8_t want = (uint8_t)(at * 31 + (at >> 9) * 7 + (at >> 17));

		if (*(uint8_t *)bus_at(where[i / 4] + i % 4) != want)
			fail_msg("offset %u, %u blocks, slot %u: byte %u", (unsigned)off, nr, slot,
				 (unsigned)i);
	}
	free(where);
}

static void start(unsigned mps)
{
	driver_open(&drv, LEN, "");
	driver_enable(&drv, 16, mps);
	page = 4096ull << mps;
	drv.next = (drv.next + 65535) & ~65535ull;
	driver_pair(&drv, 1, 16);
	drv.next = (drv.next + 65535) & ~65535ull;
	lists = driver_alloc(&drv, 16 * 65536);
	pool = driver_alloc(&drv, 1024 * page > 32u << 20 ? 32u << 20 : 1024 * page);
}

static void every_offset_of_the_first_page(void **state)
{
	start(0);
	for (uint64_t off = 0; off < page; off += 4) {
		try(off, 1, 0, 1024);
		try(off, 8, pick(512), 1024);
		try(off, 1 + pick(60), pick(512), 1024);
	}
	driver_close(&drv);
}

static void every_position_of_the_list(void **state)
{
	start(0);
	for (unsigned slot = 0; slot < 512; slot++) {
		try(0, 24, slot, 1024);
		try(4 * pick(1024), 17 + pick(100), slot, 1024);
	}
	for (unsigned i = 0; i < 24; i++)
		try(i % 2 ? 4092 : 4 * pick(1024), 4096, i < 8 ? 504 + i : pick(512), 1024);
	driver_close(&drv);
}

static void larger_pages_of_the_program(void **state)
{
	for (unsigned mps = 1; mps <= 4; mps++) {
		start(mps);
		for (unsigned i = 0; i < 60; i++)
			try(4 * pick((uint32_t)page / 4), 1 + pick(i % 2 ? 4096 : 300),
			    pick((uint32_t)page / 8), 256);
		try(0, (uint32_t)page / 512 * 3, (unsigned)page / 8 - 1, 256);
		driver_close(&drv);
	}
}

static void entries_that_start_no_page_are_refused(void **state)
{
	static const unsigned bad[] = {1, 2, 4, 8, 512, 2048, 4095};

	start(0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (unsigned at = 0; at < 3; at++) {
			struct nvme_cmd cmd = driver_rw(&drv, NVME_IO_READ, 0, 32, pool);

			((uint64_t *)bus_at(cmd.prp2))[at] += bad[i];
			assert_int_equal(driver_run(&drv, 1, cmd), DNR(0x13));
		}
		if (bad[i] % 8) {
			struct nvme_cmd cmd = driver_rw(&drv, NVME_IO_READ, 0, 32, pool);

			cmd.prp2 += bad[i];
			assert_int_equal(driver_run(&drv, 1, cmd), DNR(0x13));
		}
	}
	driver_close(&drv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_offset_of_the_first_page),
		cmocka_unit_test(every_position_of_the_list),
		cmocka_unit_test(larger_pages_of_the_program),
		cmocka_unit_test(entries_that_start_no_page_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
