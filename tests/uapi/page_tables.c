/* SPDX-License-Identifier: MIT */
/* IOMMU_HWPT_ALLOC, IOMMU_HWPT_INVALIDATE and IOMMU_GET_HW_INFO, with IOMMU_TEST_CMD's devices. */
#include "testcmd.h"

static int fd;
static struct test_ids dev;

/* An id, or -errno. */
static long hwpt(struct iommu_hwpt_alloc cmd)
{
	long rc;

	cmd.size = sizeof(cmd);
	rc = call(fd, IOMMU_HWPT_ALLOC, &cmd);
	return rc ? rc : cmd.out_hwpt_id;
}

static void on_an_ioas(uint32_t ioas)
{
	struct iommu_hwpt_alloc ask = {.dev_id = dev.device, .pt_id = ioas}, cmd;
	long id;

	cmd = ask;
	cmd.__reserved = 1;
	check("reserved field", hwpt(cmd), -EOPNOTSUPP);
	cmd = ask;
	cmd.data_len = 4;
	check("data without a type", hwpt(cmd), -EINVAL);
	cmd.data_len = 0;
	cmd.data_type = 1;
	check("a type without data", hwpt(cmd), -EINVAL);
	cmd = ask;
	cmd.dev_id = 99;
	check("no device", hwpt(cmd), -ENOENT);
	cmd.dev_id = dev.test;
	check("a test device is none", hwpt(cmd), -ENOENT);
	cmd = ask;
	cmd.pt_id = 99;
	check("on nothing", hwpt(cmd), -EINVAL);
	cmd.pt_id = dev.device;
	check("on a device", hwpt(cmd), -EINVAL);
	cmd = ask;
	cmd.flags = 1u << 20;
	check("unknown flag", hwpt(cmd), -EOPNOTSUPP);
	cmd.flags = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_FAULT_ID_VALID;
	check("page requests of a parent", hwpt(cmd), -EOPNOTSUPP);
	id = hwpt(ask);
	check("on an IOAS", id > 0, 1);
	check("the IOAS is in use", destroy(fd, ioas), -EBUSY);
	check("destroy", destroy(fd, (uint32_t)id), 0);
}

static void nested(uint32_t ioas)
{
	uint32_t word = TESTCMD_IOTLB_INITIAL, plain, parent;
	struct iommu_hwpt_alloc ask = {.dev_id = dev.device, .pt_id = ioas}, cmd;
	long id, second;

	plain = (uint32_t)hwpt(ask);
	ask.flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
	parent = (uint32_t)hwpt(ask);
	ask = (struct iommu_hwpt_alloc){.dev_id = dev.device,
					.pt_id = parent,
					.data_type = TESTCMD_TYPE_HWPT,
					.data_len = sizeof(word),
					.data_uptr = (uintptr_t)&word};
	cmd = ask;
	cmd.data_type = cmd.data_len = 0;
	check("nested without data", hwpt(cmd), -EOPNOTSUPP);
	cmd = ask;
	cmd.flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
	check("nested as a parent", hwpt(cmd), -EOPNOTSUPP);
	cmd = ask;
	cmd.pt_id = plain;
	check("on no parent", hwpt(cmd), -EINVAL);
	cmd.pt_id = dev.hwpt;
	check("on one that an attach made", hwpt(cmd), -EINVAL);
	cmd = ask;
	cmd.data_type = 1;
	check("data of another type", hwpt(cmd), -EOPNOTSUPP);
	cmd = ask;
	cmd.data_len = 3;
	check("data too short", hwpt(cmd), -EINVAL);
	cmd.data_len = 64;
	check("data too long", hwpt(cmd), -EINVAL);
	cmd = ask;
	cmd.data_uptr = (uintptr_t)WILD;
	check("data nowhere", hwpt(cmd), -EFAULT);
	cmd = ask;
	cmd.flags = IOMMU_HWPT_FAULT_ID_VALID;
	cmd.fault_id = 99;
	check("no fault queue", hwpt(cmd), -ENOENT);
	id = hwpt(ask);
	check("nested", id > 0, 1);
	cmd = ask;
	cmd.pt_id = (uint32_t)id;
	check("on a nested one", hwpt(cmd), -EINVAL);
	check("attach to it", replace(fd, dev.test, (uint32_t)id, NULL), 0);
	check("it is in use", destroy(fd, (uint32_t)id), -EBUSY);
	check("so is the parent", destroy(fd, parent), -EBUSY);
	second = hwpt(ask);
	check("another", second > 0, 1);
	check("move there", replace(fd, dev.test, (uint32_t)second, NULL), 0);
	check("the first goes", destroy(fd, (uint32_t)id), 0);
	check("back to the IOAS", replace(fd, dev.test, ioas, &dev.hwpt), 0);
	check("the second goes", destroy(fd, (uint32_t)second), 0);
	check("the parent", destroy(fd, parent), 0);
	check("the plain one", destroy(fd, plain), 0);
}

/* The result; *nr: how many were asked for, and are done. */
static long invalidate(uint32_t id, uint32_t type, const void *data, uint32_t len, uint32_t *nr)
{
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = id,
					    .data_uptr = (uintptr_t)data,
					    .data_type = type,
					    .entry_len = len,
					    .entry_num = *nr};
	long rc = call(fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*nr = cmd.entry_num;
	return rc;
}

#define INVALIDATE(what, id, type, data, len, ask, want, want_done)                     \
	do {                                                                            \
		uint32_t nr = ask;                                                      \
		check("invalidate: " what, invalidate(id, type, data, len, &nr), want); \
		check("invalidate: " what ", done", nr, want_done);                     \
	} while (0)

static void invalidating(uint32_t ioas)
{
	struct testcmd_hwpt_invalidate two[2] = {{0, 1}, {0, 2}}, bad[2] = {{0, 1}, {0, 4}};
	struct testcmd_hwpt_invalidate flag = {2, 0}, all = {TESTCMD_INVALIDATE_ALL, 0};
	struct iommu_hwpt_invalidate reserved = {.size = sizeof(reserved), .__reserved = 1};
	uint32_t word = TESTCMD_IOTLB_INITIAL, type = TESTCMD_TYPE_INVALIDATE, id, parent;

	parent = (uint32_t)hwpt((struct iommu_hwpt_alloc){
		.dev_id = dev.device, .pt_id = ioas, .flags = IOMMU_HWPT_ALLOC_NEST_PARENT});
	id = (uint32_t)hwpt((struct iommu_hwpt_alloc){.dev_id = dev.device,
						      .pt_id = parent,
						      .data_type = TESTCMD_TYPE_HWPT,
						      .data_len = sizeof(word),
						      .data_uptr = (uintptr_t)&word});
	EXPECT(fd, IOMMU_HWPT_INVALIDATE, &reserved, -EOPNOTSUPP, "reserved field");
	INVALIDATE("nothing there", 99, type, two, 8, 1, -ENOENT, 0);
	INVALIDATE("an IOAS' page table", parent, type, two, 8, 1, -ENOENT, 0);
	INVALIDATE("none", id, type, NULL, 0, 0, 0, 0);
	INVALIDATE("no array", id, type, NULL, 8, 1, -EINVAL, 0);
	INVALIDATE("empty entries", id, type, two, 0, 1, -EINVAL, 0);
	INVALIDATE("short entries", id, type, two, 4, 1, -EINVAL, 0);
	INVALIDATE("array nowhere", id, type, WILD, 8, 1, -EFAULT, 0);
	INVALIDATE("another type", id, 1, two, 8, 1, -EINVAL, 0);
	INVALIDATE("an unknown flag", id, type, &flag, 8, 1, -EOPNOTSUPP, 0);
	INVALIDATE("the second is wrong", id, type, bad, 8, 2, -EINVAL, 1);
	INVALIDATE("two", id, type, two, 8, 2, 0, 2);
	INVALIDATE("all", id, type, &all, 8, 1, 0, 1);
	check("destroy", destroy(fd, id), 0);
	check("the parent", destroy(fd, parent), 0);
}

static void hw_info(void)
{
	uint8_t buf[64];
	struct iommu_hw_info info = {.size = sizeof(info), .dev_id = 99}, cmd;

	memset(buf, 0x55, sizeof(buf));
	EXPECT(fd, IOMMU_GET_HW_INFO, &info, -ENOENT, "no device");
	info.dev_id = dev.device;
	info.data_uptr = (uintptr_t)buf;
	cmd = info;
	cmd.flags = 1u << 5;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, -EOPNOTSUPP, "unknown flag");
	cmd = info;
	cmd.__reserved[2] = 1;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, -EOPNOTSUPP, "reserved field");
	cmd = info;
	cmd.data_len = 8;
	cmd.data_uptr = (uintptr_t)WILD;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, -EFAULT, "buffer nowhere");
	cmd = info;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, 0, "no buffer");
	check("there would be", cmd.data_len, sizeof(struct testcmd_hw_info));
	cmd = info;
	cmd.data_len = 4;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, 0, "short buffer");
	check("byte beyond it", buf[4], 0x55);
	cmd = info;
	cmd.data_len = 16;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, 0, "long buffer");
	check("true length", cmd.data_len, sizeof(struct testcmd_hw_info));
	check("type", cmd.out_data_type == TESTCMD_TYPE_HW_INFO, 1);
	check("first byte of the register", buf[4], TESTCMD_HW_INFO_REG & 0xff);
	check("the rest is zero", buf[8] | buf[15], 0);
	check("byte beyond it", buf[16], 0x55);
}

int main(void)
{
	uint32_t ioas;

	fd = open_testcmd_or_skip();
	ioas = ioas_alloc(fd);
	check("device", test_device(fd, ioas, 0, &dev), 0);
	on_an_ioas(ioas);
	nested(ioas);
	invalidating(ioas);
	hw_info();
	return check_done();
}
