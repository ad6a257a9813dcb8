/* SPDX-License-Identifier: MIT */
/* Description: what Identify tells of a drive agrees with itself, and with what it can. */
#include <string.h>
#include "models/nvme/driver.h"
#include "nvme/nvme.h"

static struct driver drv;
static iova_t buf;

static int setup(void **state)
{
	driver_open(&drv, 1u << 20, "ram");
	driver_enable(&drv, 16, 0);
	buf = driver_alloc(&drv, 4096);
	return 0;
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

static uint16_t identify(uint32_t cns, uint32_t nsid)
{
	memset(bus_at(buf), 0xee, 4096);
	return driver_run(
		&drv, 0,
		(struct nvme_cmd){
			.opcode = NVME_ADM_IDENTIFY, .nsid = nsid, .prp1 = buf, .cdw10 = cns});
}

/* Limits are told one below what they are. */
static void a_controller_tells_its_limits(void **state)
{
	const struct nvme_id_ctrl *id = bus_at(buf);

	assert_int_equal(identify(1, 0), 0);
	assert_int_equal(id->aerl + 1, NVME_AER_MAX);
	assert_int_equal(id->elpe + 1, NVME_ERROR_LOG);
	assert_int_equal(4096u << id->mdts, NVME_DATA_MAX);
	assert_int_equal(1 << (id->sqes & 15), sizeof(struct nvme_cmd));
	assert_int_equal(1 << (id->cqes & 15), 16);
	assert_int_equal(id->nn, 1);
	assert_int_equal(id->ver, 0x10400);
}

/* By each of its names a namespace is the same, and no name is empty. */
static void names_agree(void **state)
{
	const uint8_t *uuid = ((struct nvme *)bus.model)->uuid, *list = bus_at(buf);
	const struct nvme_id_ns *id = bus_at(buf);
	uint8_t eui64[8], none[16] = {0};

	assert_int_equal(identify(0, 1), 0);
	assert_memory_not_equal(uuid, none, 16);
	assert_memory_equal(id->nguid, uuid, 16);
	memcpy(eui64, id->eui64, 8);
	assert_int_equal(eui64[0] & 3, 2);
	assert_memory_equal(eui64 + 1, uuid + 9, 7);
	assert_int_equal(id->nsze, 2048);
	assert_int_equal(id->ncap, 2048);
	assert_int_equal(identify(3, 1), 0);
	assert_memory_equal(list, "\1\10\0\0", 4);
	assert_memory_equal(list + 4, eui64, 8);
	assert_memory_equal(list + 12, "\2\20\0\0", 4);
	assert_memory_equal(list + 16, uuid, 16);
	assert_memory_equal(list + 32, "\3\20\0\0", 4);
	assert_memory_equal(list + 36, uuid, 16);
	assert_memory_equal(list + 52, none, 4);
}

/* Namespace 1 is the only one; a list begins behind the one that is named. */
static void there_is_one_namespace(void **state)
{
	const uint32_t *list = bus_at(buf);

	assert_int_equal(identify(2, 0), 0);
	assert_int_equal(list[0], 1);
	assert_int_equal(list[1], 0);
	assert_int_equal(identify(2, 1), 0);
	assert_int_equal(list[0], 0);
	assert_int_equal(identify(2, 0xfffffffd), 0);
	assert_int_equal(identify(2, 0xfffffffe), DNR(NVME_INVALID_NAMESPACE));
	for (uint32_t cns = 0; cns <= 3; cns += 3) {
		assert_int_equal(identify(cns, 0), DNR(NVME_INVALID_NAMESPACE));
		assert_int_equal(identify(cns, 2), DNR(NVME_INVALID_NAMESPACE));
	}
	for (uint32_t cns = 4; cns < 256; cns++)
		assert_int_equal(identify(cns, 1), DNR(NVME_INVALID_FIELD));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_controller_tells_its_limits),
		TEST(names_agree),
		TEST(there_is_one_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
