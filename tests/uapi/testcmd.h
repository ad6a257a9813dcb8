/* SPDX-License-Identifier: MIT */
/* Short forms of IOMMU_TEST_CMD, for programs that need its devices. */
#ifndef TESTS_UAPI_TESTCMD_H
#define TESTS_UAPI_TESTCMD_H

#include <ioas/uapi/iommufd_test.h>
#include "iommufd.h"

static inline long testcmd(int fd, uint32_t op, uint32_t id, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return call(fd, IOMMU_TEST_CMD, cmd);
}

/* Opens /dev/iommu; ends the program where there are no test devices. */
static inline int open_testcmd_or_skip(void)
{
	struct iommu_test_cmd cmd = {.batch_limit = {.limit = 65536}};
	int fd = open_or_skip("/dev/iommu");

	if (testcmd(fd, TESTCMD_BATCH_LIMIT, 0, &cmd) == -ENOTTY) {
		printf("SKIP: /dev/iommu has no IOMMU_TEST_CMD\n");
		exit(EXIT_SKIP);
	}
	return fd;
}

/* What a new test device is known as. */
struct test_ids {
	uint32_t test, hwpt, device;
};

static inline long test_device(int fd, uint32_t pt, uint32_t flags, struct test_ids *out)
{
	struct iommu_test_cmd cmd = {.device = {.flags = flags}};
	long rc = testcmd(fd, flags ? TESTCMD_DEVICE_FLAGS : TESTCMD_DEVICE, pt, &cmd);

	*out = (struct test_ids){cmd.device.out_test_id, cmd.device.out_hwpt_id,
				 cmd.device.out_device_id};
	return rc;
}

/* An address that test devices can reach. */
#define TEST_IOVA ((uint64_t)TESTCMD_APERTURE_FIRST)

/* The same where only what IOMMU_DESTROY ends (or, NULL, nothing) is to be known. */
static inline long attach_new(int fd, uint32_t pt, uint32_t *test)
{
	struct test_ids ids;
	long rc = test_device(fd, pt, 0, &ids);

	if (!rc && test)
		*test = ids.test;
	return rc;
}

static inline long replace(int fd, uint32_t test, uint32_t pt, uint32_t *out)
{
	struct iommu_test_cmd cmd = {.replace = {.pt_id = pt}};
	long rc = testcmd(fd, TESTCMD_REPLACE, test, &cmd);

	if (out)
		*out = cmd.replace.pt_id;
	return rc;
}

static inline long reserve(int fd, uint32_t ioas, uint64_t start, uint64_t length)
{
	struct iommu_test_cmd cmd = {.reserve = {.start = start, .length = length}};

	return testcmd(fd, TESTCMD_RESERVE, ioas, &cmd);
}

static inline long check_map(int fd, uint32_t hwpt, uint64_t iova, const void *va, uint64_t length)
{
	struct iommu_test_cmd cmd = {
		.check_map = {.iova = iova, .length = length, .uptr = (uintptr_t)va}};

	return testcmd(fd, TESTCMD_CHECK_MAP, hwpt, &cmd);
}

static inline long check_pins(int fd, const void *va, uint64_t length, uint32_t pins)
{
	struct iommu_test_cmd cmd = {
		.check_pins = {.length = length, .uptr = (uintptr_t)va, .pins = pins}};

	return testcmd(fd, TESTCMD_CHECK_PINS, 0, &cmd);
}

#endif
