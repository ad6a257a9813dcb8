/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD's accesses: pinning, reading and writing an IOAS without a device. */
#include "testcmd.h"

#define FIRST ((uint64_t)TESTCMD_APERTURE_FIRST)
#define MIB   (1ull << 20)

static long new_access(int fd, uint32_t ioas, uint32_t flags, int *out)
{
	struct iommu_test_cmd cmd = {.access = {.flags = flags}};
	long rc = testcmd(fd, TESTCMD_ACCESS, ioas, &cmd);

	*out = cmd.access.out_fd;
	return rc;
}

static long pin(int fd, int access, uint64_t iova, uint64_t length, const void *va, uint32_t flags,
		uint32_t *item)
{
	struct iommu_test_cmd cmd = {
		.access_pin = {
			.flags = flags, .iova = iova, .length = length, .uptr = (uintptr_t)va}};
	long rc = testcmd(fd, TESTCMD_ACCESS_PIN, (uint32_t)access, &cmd);

	if (item)
		*item = cmd.access_pin.out_item;
	return rc;
}

static long unpin(int fd, int access, uint32_t item)
{
	struct iommu_test_cmd cmd = {.access_unpin = {.item = item}};

	return testcmd(fd, TESTCMD_ACCESS_UNPIN, (uint32_t)access, &cmd);
}

static long rw(int fd, int access, uint64_t iova, const void *va, uint64_t length, uint32_t flags)
{
	struct iommu_test_cmd cmd = {
		.access_rw = {
			.iova = iova, .length = length, .uptr = (uintptr_t)va, .flags = flags}};

	return testcmd(fd, TESTCMD_ACCESS_RW, (uint32_t)access, &cmd);
}

static long move(int fd, int access, uint32_t ioas)
{
	struct iommu_test_cmd cmd = {.access_replace = {.ioas_id = ioas}};

	return testcmd(fd, TESTCMD_ACCESS_REPLACE, (uint32_t)access, &cmd);
}

static long map_readable(int fd, uint32_t ioas, void *va, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = iova,
	};

	return call(fd, IOMMU_IOAS_MAP, &cmd);
}

static void life(int fd)
{
	uint32_t ioas = ioas_alloc(fd), other = ioas_alloc(fd);
	uint8_t *mem = memory(2 * PAGE);
	int a, b;

	check("access with unknown flags", new_access(fd, ioas, 2, &a), -EOPNOTSUPP);
	check("access to nothing", new_access(fd, 99, 0, &a), -ENOENT);
	check("access", new_access(fd, ioas, 0, &a), 0);
	check("is closed by exec", fcntl(a, F_GETFD), FD_CLOEXEC);
	check("keeps the IOAS", destroy(fd, ioas), -EBUSY);
	check("has an id", destroy(fd, other + 1), -EBUSY);
	check("not the iommufd", rw(fd, fd, FIRST, mem, 8, 0), -EBADFD);
	check("not a descriptor", rw(fd, -1, FIRST, mem, 8, 0), -EBADFD);
	check("not standard output", unpin(fd, 1, 0), -EBADFD);
	check("move to nothing", move(fd, a, 99), -ENOENT);
	check("move", move(fd, a, other), 0);
	check("leaves the IOAS", destroy(fd, ioas), 0);
	check("keeps the other", destroy(fd, other), -EBUSY);
	check("cannot pin", pin(fd, a, FIRST, PAGE, mem, 0, NULL), -EOPNOTSUPP);
	close(a);
	check("its id goes", destroy(fd, other + 1), -ENOENT);

	check("map half a page", map_fixed(fd, other, mem, FIRST, PAGE / 2), 0);
	check("access of bytes", new_access(fd, other, 0, &a), 0);
	check("access of pages", new_access(fd, other, TESTCMD_ACCESS_NEEDS_PIN, &b), -EADDRINUSE);
	check("unmap", unmap(fd, other, FIRST, PAGE / 2, NULL), 0);
	check("access of pages", new_access(fd, other, TESTCMD_ACCESS_NEEDS_PIN, &b), 0);
	check("map half a page", map_fixed(fd, other, mem, FIRST, PAGE / 2), -EINVAL);
	close(a);
	close(b);
	check("map half a page again", map_fixed(fd, other, mem, FIRST, PAGE / 2), 0);
	check("IOAS goes", destroy(fd, other), 0);
}

static void pinning(int fd)
{
	uint32_t ioas = ioas_alloc(fd), item, again;
	uint8_t *mem = memory(4 * PAGE);
	uint64_t done;
	int a;

	check("access", new_access(fd, ioas, TESTCMD_ACCESS_NEEDS_PIN, &a), 0);
	check("map", map_fixed(fd, ioas, mem, FIRST, 2 * PAGE), 0);
	check("map read-only", map_readable(fd, ioas, mem + 2 * PAGE, FIRST + 2 * PAGE, PAGE), 0);
	check("unknown flags", pin(fd, a, FIRST, PAGE, mem, 2, NULL), -EOPNOTSUPP);
	check("nothing", pin(fd, a, FIRST, 0, mem, 0, NULL), -EINVAL);
	check("beyond the end", pin(fd, a, -PAGE, 2 * PAGE, mem, 0, NULL), -EOVERFLOW);
	check("too much", pin(fd, a, FIRST, 16 * MIB + 1, mem, 0, NULL), -ENOMEM);
	check("hole", pin(fd, a, FIRST + 3 * PAGE, PAGE, mem, 0, NULL), -ENOENT);
	check("into a hole", pin(fd, a, FIRST, 4 * PAGE, mem, 0, NULL), -ENOENT);
	check("nothing stays pinned", check_pins(fd, mem, 4 * PAGE, 0), 0);
	check("write to read-only",
	      pin(fd, a, FIRST + 2 * PAGE, PAGE, mem, TESTCMD_ACCESS_WRITE, NULL), -EPERM);
	check("write into read-only", pin(fd, a, FIRST, 3 * PAGE, mem, TESTCMD_ACCESS_WRITE, NULL),
	      -EPERM);
	check("write in a read-only page",
	      pin(fd, a, FIRST + 2 * PAGE + 100, 200, mem, TESTCMD_ACCESS_WRITE, NULL), -EINVAL);
	check("nothing stays pinned", check_pins(fd, mem, 4 * PAGE, 0), 0);
	check("other memory", pin(fd, a, FIRST, PAGE, mem + PAGE, 0, NULL), -EBADE);
	check("nothing stays pinned", check_pins(fd, mem, 4 * PAGE, 0), 0);
	check("pin", pin(fd, a, FIRST, 2 * PAGE, mem, TESTCMD_ACCESS_WRITE, &item), 0);
	check("first item", item, 0);
	check("pinned", check_pins(fd, mem, 2 * PAGE, 1), 0);
	check("not the rest", check_pins(fd, mem + 2 * PAGE, 2 * PAGE, 0), 0);
	check("in a page", pin(fd, a, FIRST + PAGE + 100, 200, mem + PAGE + 100, 0, NULL), -EINVAL);
	check("pin some again", pin(fd, a, FIRST + PAGE, 200, mem + PAGE, 0, &again), 0);
	check("second item", again, 1);
	check("pinned by one all the same", check_pins(fd, mem, 2 * PAGE, 1), 0);
	check("across two", pin(fd, a, FIRST + PAGE, 2 * PAGE, NULL, 0, &again), 0);
	check("all pinned", check_pins(fd, mem, 3 * PAGE, 1), 0);
	check("unpin", unpin(fd, a, again), 0);
	check("unpin twice", unpin(fd, a, again), -ENOENT);
	check("unpin the first", unpin(fd, a, item), 0);
	check("first page is free", check_pins(fd, mem, PAGE, 0), 0);
	check("second is not", check_pins(fd, mem + PAGE, PAGE, 1), 0);
	check("unmap takes the item", unmap(fd, ioas, FIRST, 2 * PAGE, &done), 0);
	check("all of it", (long)done, 2 * PAGE);
	check("no item", unpin(fd, a, 1), -ENOENT);
	check("not pinned", check_pins(fd, mem, 4 * PAGE, 0), 0);
	check("pin the read-only page",
	      pin(fd, a, FIRST + 2 * PAGE, PAGE, mem + 2 * PAGE, 0, &item), 0);
	check("fourth item", item, 3);
	close(a);
	check("closing unpins", check_pins(fd, mem, 4 * PAGE, 0), 0);
	check("IOAS goes", destroy(fd, ioas), 0);
}

/* What is not there is not missed until it is asked for. */
static void lazy(int fd)
{
	uint32_t ioas = ioas_alloc(fd), item;
	uint8_t *mem = memory(4 * PAGE);
	struct test_ids device;
	int a;

	check("half of it goes", munmap(mem + 2 * PAGE, 2 * PAGE), 0);
	check("map", map_fixed(fd, ioas, mem, FIRST, 4 * PAGE), 0);
	check("access", new_access(fd, ioas, TESTCMD_ACCESS_NEEDS_PIN, &a), 0);
	check("pin what is there", pin(fd, a, FIRST, 2 * PAGE, mem, 0, &item), 0);
	check("pin what is not", pin(fd, a, FIRST + PAGE, 2 * PAGE, NULL, 0, NULL), -EFAULT);
	check("device", test_device(fd, ioas, 0, &device), -EFAULT);
	check("pinned", check_pins(fd, mem, 2 * PAGE, 1), 0);
	check("read", rw(fd, a, FIRST, mem, 8, 0), 0);
	check("read what is not there", rw(fd, a, FIRST + 2 * PAGE, mem, 8, 0), -EFAULT);
	check("unpin", unpin(fd, a, item), 0);
	close(a);
	check("IOAS goes", destroy(fd, ioas), 0);
}

/* A device and an access that pin the same pages. */
static void together(int fd)
{
	uint32_t ioas = ioas_alloc(fd), copy = ioas_alloc(fd), item;
	uint8_t *mem = memory(4 * PAGE);
	struct test_ids device;
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = copy,
		.src_ioas_id = ioas,
		.length = 2 * PAGE,
		.dst_iova = FIRST,
		.src_iova = FIRST + PAGE,
	};
	int a;

	check("map", map_fixed(fd, ioas, mem, FIRST, 4 * PAGE), 0);
	check("access", new_access(fd, ioas, TESTCMD_ACCESS_NEEDS_PIN, &a), 0);
	check("pin", pin(fd, a, FIRST + PAGE, PAGE, mem + PAGE, 0, &item), 0);
	check("device", test_device(fd, ioas, 0, &device), 0);
	check("pinned once", check_pins(fd, mem, 4 * PAGE, 1), 0);
	check("pin more", pin(fd, a, FIRST, 4 * PAGE, mem, 0, NULL), 0);
	check("pinned once", check_pins(fd, mem, 4 * PAGE, 1), 0);
	EXPECT(fd, IOMMU_IOAS_COPY, &cmd, 0, "copy");
	check("write to the copy", move(fd, a, copy), 0);
	check("items are gone", unpin(fd, a, item), -ENOENT);
	check("write to a read-only copy",
	      pin(fd, a, FIRST, PAGE, mem + PAGE, TESTCMD_ACCESS_WRITE, NULL), -EPERM);
	check("pin the copy", pin(fd, a, FIRST, PAGE, mem + PAGE, 0, NULL), 0);
	check("pinned once", check_pins(fd, mem, 4 * PAGE, 1), 0);
	check("device goes", destroy(fd, device.test), 0);
	check("pinned by the access", check_pins(fd, mem + PAGE, PAGE, 1), 0);
	check("only that", check_pins(fd, mem, PAGE, 0), 0);
	check("IOAS goes", destroy(fd, ioas), 0);
	check("still pinned", check_pins(fd, mem + PAGE, PAGE, 1), 0);
	close(a);
	check("not pinned", check_pins(fd, mem, 4 * PAGE, 0), 0);
	check("copy goes", destroy(fd, copy), 0);
}

static void copying(int fd)
{
	uint32_t ioas = ioas_alloc(fd);
	uint8_t *mem = memory(2 * PAGE), *buf = memory(2 * PAGE);
	uint32_t flags[] = {0, TESTCMD_ACCESS_SLOW};
	int a;

	check("access", new_access(fd, ioas, 0, &a), 0);
	check("map odd bytes", map_fixed(fd, ioas, mem + 5, 3, 1000), 0);
	check("and those behind", map_fixed(fd, ioas, mem + PAGE + 1, 1003, 100), 0);
	check("and a read-only one", map_readable(fd, ioas, mem, 2000, 1), 0);
	check("unknown flags", rw(fd, a, 3, buf, 10, 2), -EOPNOTSUPP);
	check("nothing", rw(fd, a, 3, buf, 0, 0), -EINVAL);
	check("too much", rw(fd, a, 3, buf, 16 * MIB + 1, 0), -ENOMEM);
	check("beyond the end", rw(fd, a, -8, buf, 16, 0), -EOVERFLOW);
	check("hole", rw(fd, a, 2, buf, 10, 0), -ENOENT);
	check("hole behind", rw(fd, a, 1000, buf, 200, 0), -ENOENT);
	check("wild", rw(fd, a, 3, WILD, 10, 0), -EFAULT);
	check("write wild", rw(fd, a, 3, WILD, 10, TESTCMD_ACCESS_WRITE), -EFAULT);
	check("write to read-only", rw(fd, a, 2000, buf, 1, TESTCMD_ACCESS_WRITE), -EPERM);
	check("read it", rw(fd, a, 2000, buf, 1, 0), 0);
	for (unsigned i = 0; i < 2; i++) {
		memset(buf, 0x40 + (int)i, 500);
		check("write across", rw(fd, a, 600, buf, 500, flags[i] | TESTCMD_ACCESS_WRITE), 0);
		check("not before", mem[5 + 596], i ? 0 : 0);
		check("first byte", mem[5 + 597], 0x40 + i);
		check("last of the first", mem[5 + 999], 0x40 + i);
		check("first of the second", mem[PAGE + 1], 0x40 + i);
		check("last byte", mem[PAGE + 1 + 96], 0x40 + i);
		check("not behind", mem[PAGE + 1 + 97], 0);
		memset(buf, 0, 500);
		check("read across", rw(fd, a, 600, buf, 500, flags[i]), 0);
		check("first byte", buf[0], 0x40 + i);
		check("last byte", buf[499], 0x40 + i);
	}
	check("one byte", rw(fd, a, 3, buf, 1, TESTCMD_ACCESS_WRITE), 0);
	check("is there", mem[5], buf[0]);
	close(a);
	check("IOAS goes", destroy(fd, ioas), 0);
}

/* An access outlives the iommufd's descriptor. */
static void orphan(int fd)
{
	int other = open_or_skip("/dev/iommu"), a;
	uint32_t ioas = ioas_alloc(other);
	uint8_t *mem = memory(PAGE), *buf = memory(PAGE);

	mem[7] = 7;
	check("map", map_fixed(other, ioas, mem, FIRST, PAGE), 0);
	check("access", new_access(other, ioas, TESTCMD_ACCESS_NEEDS_PIN, &a), 0);
	close(other);
	check("read by way of another", rw(fd, a, FIRST + 7, buf, 1, 0), 0);
	check("the byte", buf[0], 7);
	check("pin by way of another", pin(fd, a, FIRST, PAGE, mem, 0, NULL), 0);
	check("pinned", check_pins(fd, mem, PAGE, 1), 0);
	close(a);
	check("not pinned", check_pins(fd, mem, PAGE, 0), 0);
}

/* An access in the process itself minds what the process forbids itself, pinned or not. */
static void forbidden(int fd)
{
	uint8_t *mem = memory(PAGE), buf[8] = "abcdefg";
	uint32_t ioas = ioas_alloc(fd), test;
	int a;

	check("an access", new_access(fd, ioas, 0, &a), 0);
	check("map", map_fixed(fd, ioas, mem, FIRST, PAGE), 0);
	for (int pinned = 0; pinned < 2; pinned++) {
		mprotect(mem, PAGE, PROT_NONE);
		check("read what is forbidden", rw(fd, a, FIRST, buf, 8, 0), -EFAULT);
		check("write it", rw(fd, a, FIRST, buf, 8, TESTCMD_ACCESS_WRITE), -EFAULT);
		mprotect(mem, PAGE, PROT_READ);
		check("read what is read-only", rw(fd, a, FIRST, buf, 8, 0), 0);
		check("write it", rw(fd, a, FIRST, buf, 8, TESTCMD_ACCESS_WRITE), -EFAULT);
		mprotect(mem, PAGE, PROT_READ | PROT_WRITE);
		check("write it again", rw(fd, a, FIRST, buf, 8, TESTCMD_ACCESS_WRITE), 0);
		if (!pinned)
			check("a device, which pins", attach_new(fd, ioas, &test), 0);
	}
	check("detach", destroy(fd, test), 0);
	close(a);
	check("the space", destroy(fd, ioas), 0);
}

int main(void)
{
	int fd = open_testcmd_or_skip();

	life(fd);
	pinning(fd);
	lazy(fd);
	together(fd);
	copying(fd);
	orphan(fd);
	forbidden(fd);
	return check_done();
}
