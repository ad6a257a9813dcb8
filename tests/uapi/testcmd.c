/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD's devices: what they are attached to, what keeps what, and all that is refused. */
#include "testcmd.h"

#define FIRST ((uint64_t)TESTCMD_APERTURE_FIRST)

static void sizes(int fd)
{
	struct iommu_test_cmd cmd = {.size = sizeof(cmd) - 5, .op = TESTCMD_BATCH_LIMIT};

	EXPECT(fd, IOMMU_TEST_CMD, &cmd, -EINVAL, "too short");
	cmd.size = sizeof(cmd) - 4;
	cmd.batch_limit.limit = 12;
	EXPECT(fd, IOMMU_TEST_CMD, &cmd, 0, "shortest");
	EXPECT(fd, IOMMU_TEST_CMD, WILD, -EFAULT, "wild");
	EXPECT(fd, IOMMU_TEST_CMD - 1, &cmd, -ENOTTY, "a hole before it");
	EXPECT(fd, IOMMU_TEST_CMD - 1, WILD, -EFAULT, "a hole before it, wild");
	EXPECT(fd, IOMMU_TEST_CMD + 1, WILD, -ENOTTY, "beyond it");
	cmd.batch_limit.limit = 11;
	EXPECT(fd, IOMMU_TEST_CMD, &cmd, -EINVAL, "limit below the least");
	check("operation 0", testcmd(fd, 0, 0, &cmd), -EOPNOTSUPP);
	check("operation 99", testcmd(fd, 99, 0, &cmd), -EOPNOTSUPP);
	cmd.batch_limit.limit = 65536;
	check("limit as it was", testcmd(fd, TESTCMD_BATCH_LIMIT, 0, &cmd), 0);
}

static void reserving(int fd)
{
	uint32_t ioas = ioas_alloc(fd);
	uint8_t *mem = memory(PAGE);

	check("reserve nothing", reserve(fd, ioas, 0x10000, 0), -EINVAL);
	check("reserve, no IOAS", reserve(fd, 99, 0x10000, PAGE), -ENOENT);
	check("reserve beyond the end", reserve(fd, ioas, -PAGE, 2 * PAGE), -EOVERFLOW);
	check("reserve", reserve(fd, ioas, 0x10000, PAGE), 0);
	check("reserve again", reserve(fd, ioas, 0x10000, 2 * PAGE), 0);
	check("map there", map_fixed(fd, ioas, mem, 0x10000, PAGE), -EINVAL);
	check("map elsewhere", map_fixed(fd, ioas, mem, 0x20000, PAGE), 0);
	check("reserve what is mapped", reserve(fd, ioas, 0x20000, PAGE), -EADDRINUSE);
	check("destroy", destroy(fd, ioas), 0);
}

static void attaching(int fd)
{
	uint32_t ioas = ioas_alloc(fd), other = ioas_alloc(fd), pt;
	struct test_ids a, b;
	uint8_t *mem = memory(PAGE);

	check("device on nothing", test_device(fd, 99, 0, &a), -ENOENT);
	check("device with unknown flags", test_device(fd, ioas, 1u << 30, &a), -EINVAL);
	check("device", test_device(fd, ioas, 0, &a), 0);
	check("its id", a.test, ioas + 2);
	check("id of its device", a.device, ioas + 3);
	check("id of its page table", a.hwpt, ioas + 4);
	check("second device", test_device(fd, ioas, 0, &b), 0);
	check("shares the page table", b.hwpt, a.hwpt);
	check("third on the device", test_device(fd, a.device, 0, &b), -EINVAL);
	check("third on the test device", test_device(fd, a.test, 0, &b), -EINVAL);
	check("third on the page table", test_device(fd, a.hwpt, 0, &b), 0);
	check("goes", destroy(fd, b.test), 0);

	check("destroy device", destroy(fd, a.device), -EBUSY);
	check("destroy page table", destroy(fd, a.hwpt), -EBUSY);
	check("destroy IOAS", destroy(fd, ioas), -EBUSY);

	check("replace, no device", replace(fd, 99, other, NULL), -ENOENT);
	check("replace, device's id", replace(fd, a.device, other, NULL), -ENOENT);
	check("replace by nothing", replace(fd, a.test, 99, NULL), -ENOENT);
	check("replace by the same", replace(fd, a.test, a.hwpt, &pt), 0);
	check("is the same", pt, a.hwpt);
	check("replace", replace(fd, a.test, other, &pt), 0);
	check("is another", pt != a.hwpt, 1);
	check("first still has the second", destroy(fd, a.hwpt), -EBUSY);
	check("map below the aperture", map_fixed(fd, other, mem, FIRST - PAGE, PAGE), -EINVAL);
	check("device goes", destroy(fd, a.test), 0);
	check("its id too", destroy(fd, a.device), -ENOENT);
	check("its page table too", destroy(fd, pt), -ENOENT);
	check("map below the aperture, none there", map_fixed(fd, other, mem, FIRST - PAGE, PAGE),
	      0);
	check("device where something lies outside", test_device(fd, other, 0, &a), -EADDRINUSE);
	check("IOAS goes", destroy(fd, other), 0);
}

static void memory_checks(int fd)
{
	uint32_t ioas = ioas_alloc(fd);
	uint8_t *mem = memory(4 * PAGE);
	struct test_ids a, b;

	check("not pinned", check_pins(fd, mem, 4 * PAGE, 0), 0);
	check("map", map_fixed(fd, ioas, mem, FIRST, 2 * PAGE), 0);
	check("not pinned yet", check_pins(fd, mem, 4 * PAGE, 0), 0);
	check("device", test_device(fd, ioas, 0, &a), 0);
	check("pinned", check_pins(fd, mem, 2 * PAGE, 1), 0);
	check("not these", check_pins(fd, mem + 2 * PAGE, 2 * PAGE, 0), 0);
	check("not all", check_pins(fd, mem, 4 * PAGE, 1), -EIO);
	check("second device", test_device(fd, ioas, 0, &b), 0);
	check("pinned once", check_pins(fd, mem, 2 * PAGE, 1), 0);
	check("map once more", map_fixed(fd, ioas, mem, FIRST + 4 * PAGE, PAGE), 0);
	check("pinned twice", check_pins(fd, mem, PAGE, 2), 0);
	check("half a page", check_pins(fd, mem, PAGE / 2, 2), -EINVAL);
	check("in a page", check_pins(fd, mem + 8, PAGE, 2), -EINVAL);
	check("no memory", check_pins(fd, NULL, PAGE, 0), -EFAULT);

	check("leads there", check_map(fd, a.hwpt, FIRST, mem, 2 * PAGE), 0);
	check("and there", check_map(fd, a.hwpt, FIRST + 4 * PAGE, mem, PAGE), 0);
	check("half a page of it", check_map(fd, a.hwpt, FIRST + 2048, mem + 2048, 2048), 0);
	check("not to its other half", check_map(fd, a.hwpt, FIRST + 2048, mem, 2048), -EINVAL);
	check("not there", check_map(fd, a.hwpt, FIRST, mem + PAGE, PAGE), -EINVAL);
	check("beyond", check_map(fd, a.hwpt, FIRST, mem, 3 * PAGE), -EINVAL);
	check("misaligned", check_map(fd, a.hwpt, FIRST + 8, mem + 8, 2048), -EINVAL);
	check("misaligned length", check_map(fd, a.hwpt, FIRST, mem, 2040), -EINVAL);
	check("no memory to compare", check_map(fd, a.hwpt, FIRST, NULL, PAGE), -EFAULT);
	check("no page table", check_map(fd, 99, FIRST, mem, PAGE), -ENOENT);
	check("an IOAS", check_map(fd, ioas, FIRST, mem, PAGE), -ENOENT);
	check("memory unmapped", munmap(mem, PAGE), 0);
	check("still leads to the rest", check_map(fd, a.hwpt, FIRST + PAGE, mem + PAGE, PAGE), 0);
	check("first device goes", destroy(fd, a.test), 0);
	check("second device goes", destroy(fd, b.test), 0);
	check("not pinned any more", check_pins(fd, mem + PAGE, 3 * PAGE, 0), 0);
	check("device again: memory is gone", test_device(fd, ioas, 0, &a), -EFAULT);
	check("IOAS goes", destroy(fd, ioas), 0);
}

/* Halves of pages, because the mock's are of 2 KiB. */
static void alignment(int fd)
{
	uint32_t ioas = ioas_alloc(fd);
	uint8_t *mem = memory(4 * PAGE);
	struct test_ids a;

	check("device", test_device(fd, ioas, 0, &a), 0);
	check("map halves", map_fixed(fd, ioas, mem + 2048, FIRST + 2048, PAGE), 0);
	check("leads there", check_map(fd, a.hwpt, FIRST + 2048, mem + 2048, PAGE), 0);
	check("map across", map_fixed(fd, ioas, mem + 2048, FIRST + 4 * PAGE, PAGE), 0);
	check("leads there", check_map(fd, a.hwpt, FIRST + 4 * PAGE, mem + 2048, PAGE), 0);
	check("pinned", check_pins(fd, mem, 2 * PAGE, 2), 0);
	check("map less", map_fixed(fd, ioas, mem, FIRST + 8 * PAGE, 1024), -EINVAL);
	check("map less aligned", map_fixed(fd, ioas, mem, FIRST + 8 * PAGE + 1024, PAGE), -EINVAL);
	check("unmap", unmap(fd, ioas, FIRST + 2048, PAGE, NULL), 0);
	check("leads nowhere", check_map(fd, a.hwpt, FIRST + 2048, mem + 2048, PAGE), -EINVAL);
	check("pinned once", check_pins(fd, mem, 2 * PAGE, 1), 0);
	check("device goes", destroy(fd, a.test), 0);
	check("IOAS goes", destroy(fd, ioas), 0);
}

int main(void)
{
	int fd = open_testcmd_or_skip();

	sizes(fd);
	reserving(fd);
	attaching(fd);
	memory_checks(fd);
	alignment(fd);
	return check_done();
}
