/* SPDX-License-Identifier: MIT */
/*
 * Description: a log page is the same whatever part of it is read; errors come newest first, and
 * the oldest are forgotten; health counts what was done, in its units.
 */
#include <stdlib.h>
#include <string.h>
#include "models/nvme/driver.h"
#include "nvme/nvme.h"

#define LEN	 (1u << 20)
#define PAGE	 4096u
#define BUF	 (NVME_DATA_MAX + PAGE)
#define READ_ERR DNR(NVME_LBA_OUT_OF_RANGE)

static struct driver drv;
static iova_t buf, data;

static int setup(void **state)
{
	driver_open(&drv, LEN, "ram");
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 16);
	buf = driver_alloc(&drv, BUF);
	data = driver_alloc(&drv, PAGE);
	return 0;
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

/* A list of all that is to come, where two pages are not enough. */
static uint16_t get(unsigned id, uint64_t off, uint64_t len)
{
	static iova_t list;
	struct nvme_cmd cmd = {
		.opcode = NVME_ADM_GET_LOG,
		.prp1 = buf,
		.prp2 = buf + PAGE,
		.cdw10 = id | (uint32_t)((len / 4 - 1) & 0xffff) << 16,
		.cdw11 = (uint32_t)((len / 4 - 1) >> 16),
		.cdw12 = (uint32_t)off,
		.cdw13 = (uint32_t)(off >> 32),
	};

	if (len > 2 * PAGE) {
		list = drv.next;
		for (uint64_t i = 1; i * PAGE < len; i++)
			((uint64_t *)bus_at(list))[i - 1] = buf + i * PAGE;
		cmd.prp2 = list;
	}
	return driver_run(&drv, 0, cmd);
}

static void fail_reads(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(
			driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, LEN / 512 + i, 1, data)),
			READ_ERR);
}

static void assert_parts(unsigned id, uint64_t log_len)
{
	static uint8_t whole[PAGE];
	const uint64_t offs[] = {0, 4, 60, log_len / 2, log_len - 8, log_len - 4};
	const uint64_t lens[] = {4,	      8,       64,	    log_len / 2,
				 log_len - 4, log_len, log_len + 4, 3 * PAGE};
	const uint8_t *bytes = bus_at(buf);

	memset(whole, 0, sizeof(whole));
	assert_int_equal(get(id, 0, log_len), 0);
	memcpy(whole, bytes, log_len);
	for (unsigned i = 0; i < sizeof(offs) / sizeof(offs[0]); i++)
		for (unsigned k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
			memset(bus_at(buf), 0xee, BUF);
			assert_int_equal(get(id, offs[i], lens[k]), 0);
			for (uint64_t b = 0; b < lens[k]; b++) {
				uint64_t at = offs[i] + b;

				assert_int_equal(bytes[b], at < log_len ? whole[at] : 0);
			}
			assert_int_equal(bytes[lens[k]], 0xee);
		}
}

static void any_part_of_a_log_is_as_in_the_whole(void **state)
{
	fail_reads(3);
	assert_parts(NVME_LOG_ERROR, 64 * NVME_ERROR_LOG);
	assert_parts(NVME_LOG_SMART, 512);
	assert_parts(NVME_LOG_FIRMWARE, 512);
}

static void what_is_no_part_is_refused(void **state)
{
	static const unsigned ids[] = {NVME_LOG_ERROR, NVME_LOG_SMART, NVME_LOG_FIRMWARE};

	for (unsigned i = 0; i < 3; i++) {
		uint64_t len = i ? 512 : 4096;

		assert_int_equal(get(ids[i], len - 4, 4), 0);
		assert_int_equal(get(ids[i], len, 4), DNR(NVME_INVALID_FIELD));
		assert_int_equal(get(ids[i], 1ull << 32, 4), DNR(NVME_INVALID_FIELD));
		assert_int_equal(get(ids[i], 2, 4), DNR(NVME_INVALID_FIELD));
		assert_int_equal(get(ids[i], 0, NVME_DATA_MAX), 0);
		assert_int_equal(get(ids[i], 0, NVME_DATA_MAX + 4), DNR(NVME_INVALID_FIELD));
	}
	for (unsigned id = 0; id < 256; id++)
		if (id < 1 || id > 3)
			assert_int_equal(get(id, 0, 4), DNR(NVME_LOG_PAGE_INVALID));
}

/* Of the only namespace, of all, or of none. */
static void logs_are_of_the_controller(void **state)
{
	static const struct {
		uint32_t nsid;
		uint16_t status;
	} cases[] = {{0, 0},
		     {1, 0},
		     {NVME_NSID_ALL, 0},
		     {2, DNR(NVME_INVALID_NAMESPACE)},
		     {NVME_NSID_ALL - 1, DNR(NVME_INVALID_NAMESPACE)}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(driver_run(&drv, 0,
					    (struct nvme_cmd){.opcode = NVME_ADM_GET_LOG,
							      .nsid = cases[i].nsid,
							      .prp1 = buf,
							      .cdw10 = NVME_LOG_SMART | 15 << 16}),
				 cases[i].status);
}

static void the_newest_errors_come_first(void **state)
{
	const struct nvme_error_entry *error = bus_at(buf);

	for (unsigned nr = 1; nr <= NVME_ERROR_LOG + 3; nr++) {
		fail_reads(1);
		assert_int_equal(get(NVME_LOG_ERROR, 0, 4096), 0);
		for (unsigned i = 0; i < NVME_ERROR_LOG; i++) {
			assert_int_equal(error[i].count, i < nr ? nr - i : 0);
			if (i >= nr)
				continue;
			assert_int_equal(error[i].sqid, 1);
			assert_int_equal(error[i].nsid, 1);
			assert_int_equal(error[i].lba, LEN / 512);
			assert_int_equal(error[i].status >> 1, READ_ERR);
			assert_int_equal(error[i].param, 0xffff);
		}
	}
}

/* Thousands of sectors, rounded up. */
static void health_counts_in_its_units(void **state)
{
	const struct nvme_smart *smart = bus_at(buf);
	uint64_t read = 0, written = 0;

	for (unsigned i = 1; i <= 300; i++) {
		bool write = i % 3 == 0;

		assert_int_equal(driver_run(&drv, 1,
					    driver_rw(&drv, write ? NVME_IO_WRITE : NVME_IO_READ, i,
						      8, data)),
				 0);
		read += write ? 0 : 8;
		written += write ? 8 : 0;
		if (i % 25 && read != 1000 && written != 8)
			continue;
		assert_int_equal(get(NVME_LOG_SMART, 0, 512), 0);
		assert_int_equal(smart->data_units_read[0], (read + 999) / 1000);
		assert_int_equal(smart->data_units_written[0], (written + 999) / 1000);
		assert_int_equal(smart->host_reads[0], read / 8);
		assert_int_equal(smart->host_writes[0], written / 8);
	}
	assert_int_equal(smart->power_cycles[0], 1);
	assert_int_equal(smart->temperature[0] | smart->temperature[1] << 8, NVME_TEMPERATURE);
}

/* At either threshold it is too hot, or too cold. */
static void the_temperature_is_told_from_the_threshold_on(void **state)
{
	static const struct {
		uint32_t cdw11;
		uint8_t critical;
	} cases[] = {{NVME_TEMPERATURE + 1, 0},	      {NVME_TEMPERATURE, 2},
		     {NVME_TEMPERATURE + 1, 0},	      {1 << 20 | (NVME_TEMPERATURE - 1), 0},
		     {1 << 20 | NVME_TEMPERATURE, 2}, {1 << 20 | (NVME_TEMPERATURE - 1), 0}};
	const struct nvme_smart *smart = bus_at(buf);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(driver_run(&drv, 0,
					    (struct nvme_cmd){.opcode = NVME_ADM_SET_FEATURES,
							      .cdw10 = 4,
							      .cdw11 = cases[i].cdw11}),
				 0);
		assert_int_equal(get(NVME_LOG_SMART, 0, 512), 0);
		assert_int_equal(smart->critical, cases[i].critical);
	}
}

static void the_firmware_is_in_the_first_slot(void **state)
{
	assert_int_equal(get(NVME_LOG_FIRMWARE, 0, 512), 0);
	assert_int_equal(*(uint8_t *)bus_at(buf), 1);
	assert_memory_equal(bus_at(buf + 8), "0.1.0   \0", 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(any_part_of_a_log_is_as_in_the_whole),
		TEST(what_is_no_part_is_refused),
		TEST(logs_are_of_the_controller),
		TEST(the_newest_errors_come_first),
		TEST(the_temperature_is_told_from_the_threshold_on),
		TEST(the_firmware_is_in_the_first_slot),
		TEST(health_counts_in_its_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
