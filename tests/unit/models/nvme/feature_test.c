/* SPDX-License-Identifier: MIT */
/* Description: what Get Features tells of each feature, and what Set Features leaves of a value. */
#include "models/nvme/driver.h"

static struct driver drv;

static int setup(void **state)
{
	driver_open(&drv, 16384 * 512, "ram");
	driver_enable(&drv, 16, 0);
	return 0;
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

/* The first word of the answer. */
static uint32_t ask(uint8_t opcode, uint32_t cdw10, uint32_t cdw11, uint32_t nsid, uint16_t status)
{
	struct completion done = driver_run_full(
		&drv, 0,
		(struct nvme_cmd){.opcode = opcode, .nsid = nsid, .cdw10 = cdw10, .cdw11 = cdw11});

	if (done.status != status)
		fail_msg("feature %x: %x, not %x", cdw10, done.status, status);
	return done.dw0;
}

static uint32_t get(uint32_t cdw10, uint32_t cdw11)
{
	return ask(NVME_ADM_GET_FEATURES, cdw10, cdw11, (cdw10 & 0xff) == 5, 0);
}

static uint16_t set(uint32_t cdw10, uint32_t cdw11)
{
	return driver_run(&drv, 0,
			  (struct nvme_cmd){.opcode = NVME_ADM_SET_FEATURES,
					    .nsid = (cdw10 & 0xff) == 5,
					    .cdw10 = cdw10,
					    .cdw11 = cdw11});
}

#define CURRENT	     (0u << 8)
#define DEFAULT	     (1u << 8)
#define SAVED	     (2u << 8)
#define CAPABILITIES (3u << 8)

/* By which word a feature is asked for, its value at first, and another one. */
static const struct {
	unsigned id;
	uint32_t which, initial, other;
} features[] = {
	{1, 0, 7, 0x04030201},	    {2, 0, 0, 0x40},   {4, 0, 343, 0x123},
	{4, 1 << 20, 0, 0x45},	    {5, 0, 0, 7},      {6, 0, 1, 0},
	{7, 0, 0x3f003f, 0x3f003f}, {8, 0, 0, 0x1234}, {9, 0, 0, 0x10000},
	{9, 64, 64, 0x10000},	    {10, 0, 0, 1},     {11, 0, 0, 0x31f},
};

#define COUNT (sizeof(features) / sizeof(features[0]))

static void all_are_as_at_first(void)
{
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(get(features[i].id, features[i].which), features[i].initial);
}

/* What was set is neither the default nor saved, and ends with a reset. */
static void values_are_kept_until_a_reset(void **state)
{
	all_are_as_at_first();
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(set(features[i].id, features[i].which | features[i].other), 0);
	for (size_t i = 0; i < COUNT; i++) {
		unsigned id = features[i].id;
		uint32_t which = features[i].which, other = features[i].other;

		assert_int_equal(get(id, which), id == 9 ? which | other : other);
		assert_int_equal(get(id | DEFAULT, which), features[i].initial);
		assert_int_equal(get(id | SAVED, which), features[i].initial);
		/* They can be changed, not saved; one is of the namespace. */
		assert_int_equal(get(id | CAPABILITIES, which), id == 5 ? 6 : 4);
		for (uint32_t select = 4; select < 8; select++)
			ask(NVME_ADM_GET_FEATURES, id | select << 8, which, id == 5, DNR(0x02));
	}
	driver_disable(&drv);
	driver_enable(&drv, 16, 0);
	all_are_as_at_first();
}

/* Which bits a feature has not, bit by bit: events may be asked for that there are not. */
static void bits_that_there_are_not_are_refused(void **state)
{
	static const struct {
		unsigned id;
		uint32_t has;
	} words[] = {{1, 0xffffff07}, {2, 0xe0}, {5, 0xffff}, {6, 1}, {8, 0xffff}, {10, 1}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (unsigned bit = 0; bit < 32; bit++) {
			uint32_t value = 1u << bit;
			bool has = words[i].has & value;

			assert_int_equal(set(words[i].id, value), has ? 0 : DNR(0x02));
			if (has)
				assert_int_equal(get(words[i].id, 0), value);
		}
	assert_int_equal(set(11, 0xffffffff), 0);
	assert_int_equal(get(11, 0), 0x31f);
	assert_int_equal(set(9, 65), DNR(0x02));
	assert_int_equal(set(9, 0x20000), DNR(0x02));
	/* Only whoever sets may mean all sensors; the others there are not. */
	for (uint32_t sensor = 1; sensor < 16; sensor++) {
		assert_int_equal(set(4, sensor << 16 | 300), sensor == 15 ? 0 : DNR(0x02));
		ask(NVME_ADM_GET_FEATURES, 4, sensor << 16, 0, DNR(0x02));
	}
	assert_int_equal(get(4, 0), 300);
	for (uint32_t type = 2; type < 4; type++) {
		assert_int_equal(set(4, type << 20), DNR(0x02));
		ask(NVME_ADM_GET_FEATURES, 4, type << 20, 0, DNR(0x02));
	}
}

/* Of each number: is there such a feature, and can it be saved? */
static void what_there_is_not_is_refused(void **state)
{
	for (unsigned id = 0; id < 256; id++) {
		bool there = id && id != 3 && id < 12;

		ask(NVME_ADM_GET_FEATURES, id, 0, id == 5, there ? 0 : DNR(0x02));
		assert_int_equal(set(id | 1u << 31, 0), there ? DNR(0x10d) : DNR(0x02));
	}
}

/* Features of the controller name none, or all; the write cache is told of the one there is. */
static void namespaces_are_named_where_there_are_several(void **state)
{
	static const uint32_t named[] = {0, 1, 2, NVME_NSID_ALL};

	for (size_t i = 0; i < COUNT; i++)
		for (size_t n = 0; n < 4; n++) {
			unsigned id = features[i].id;
			uint32_t value = features[i].which | features[i].other;
			uint16_t got = 0, done = 0;

			if (id == 5) {
				got = n == 1 ? 0 : DNR(0x0b);
				done = n == 1 || n == 3 ? 0 : DNR(0x0b);
			} else if (n == 1 && id != 6) {
				done = DNR(0x10f);
			} else if (n == 2) {
				done = DNR(0x0b);
			}
			ask(NVME_ADM_GET_FEATURES, id, features[i].which, named[n], got);
			ask(NVME_ADM_SET_FEATURES, id, value, named[n], done);
		}
}

/* 0xffff of either kind means nothing; and once there is one, the number is settled. */
static void numbers_of_queues(void **state)
{
	assert_int_equal(set(7, 0xffff), DNR(0x02));
	assert_int_equal(set(7, 0xffff0000), DNR(0x02));
	assert_int_equal(ask(NVME_ADM_SET_FEATURES, 7, 0xfffefffe, 0, 0), 0x3f003f);
	assert_int_equal(ask(NVME_ADM_SET_FEATURES, 7, 0, 0, 0), 0x3f003f);
	driver_pair(&drv, 1, 4);
	assert_int_equal(set(7, 0x70007), DNR(0x0c));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(values_are_kept_until_a_reset),
		T(bits_that_there_are_not_are_refused),
		T(what_there_is_not_is_refused),
		T(namespaces_are_named_where_there_are_several),
		T(numbers_of_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
