/* SPDX-License-Identifier: MIT */
/*
 * Dirty tracking: HWPT_SET_DIRTY_TRACKING, HWPT_GET_DIRTY_BITMAP. Needs a kernel's test device,
 * which marks the pages that it is told to.
 */
#include <ioas/uapi/iommufd_test.h>
#include "iommufd.h"

#define IOVA  0x1000000ul
#define LEN   (64 * PAGE)
#define SMALL 2048ul /* the test device's page */

static int fd;
static uint32_t ioas, dev_id, plain, hwpt;
static uint8_t bitmap[64];

static long get_at(uint32_t id, uint32_t flags, uint64_t iova, uint64_t len, uint64_t page_size,
		   void *data)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = id,
		.flags = flags,
		.iova = iova,
		.length = len,
		.page_size = page_size,
		.data = (uintptr_t)data,
	};

	return call(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

/* Into a fresh bitmap, all of it. */
static long get(uint32_t flags, uint64_t page_size)
{
	memset(bitmap, 0, sizeof(bitmap));
	return get_at(hwpt, flags, IOVA, LEN, page_size, bitmap);
}

static int bits(void)
{
	int nr = 0;

	for (size_t i = 0; i < sizeof(bitmap); i++)
		nr += __builtin_popcount(bitmap[i]);
	return nr;
}

static int bit(unsigned i)
{
	return bitmap[i / 8] >> i % 8 & 1;
}

static long track(uint32_t id, uint32_t flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd), .flags = flags, .hwpt_id = id};

	return call(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

/* The device writes pages 0, 1 and 21 of its own size, and the last. How many, or -errno. */
static long write_pages(void)
{
	uint8_t pages[LEN / SMALL / 8] = {0x03, 0, 0x20};
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = TESTCMD_DIRTY,
		.id = hwpt,
		.dirty = {.iova = IOVA,
			  .length = LEN,
			  .page_size = SMALL,
			  .uptr = (uintptr_t)pages},
	};
	long rc;

	pages[sizeof(pages) - 1] = 0x80;
	rc = call(fd, IOMMU_TEST_CMD, &cmd);
	return rc ? rc : (long)cmd.dirty.out_nr;
}

static long alloc_hwpt(uint32_t flags, uint32_t *id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flags, .dev_id = dev_id, .pt_id = ioas};
	long rc = call(fd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

static void make(void)
{
	struct iommu_test_cmd cmd = {.size = sizeof(cmd), .op = TESTCMD_DEVICE};
	struct iommu_hw_info info = {.size = sizeof(info)};
	long rc;

	ioas = ioas_alloc(fd);
	cmd.id = ioas;
	rc = call(fd, IOMMU_TEST_CMD, &cmd);
	if (rc) {
		printf("SKIP: no IOMMU_TEST_CMD: %s\n", strerror((int)-rc));
		exit(EXIT_SKIP);
	}
	dev_id = cmd.device.out_device_id;
	plain = cmd.device.out_hwpt_id;
	info.dev_id = dev_id;
	EXPECT(fd, IOMMU_GET_HW_INFO, &info, 0, "of the device");
	check("it can track", info.out_capabilities & IOMMU_HW_CAP_DIRTY_TRACKING, 1);
	check("a page table that tracks", alloc_hwpt(IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt), 0);
	check("map", map_fixed(fd, ioas, memory(LEN), IOVA, LEN), 0);
}

static void refusals(void)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {.size = sizeof(cmd), .__reserved = 1};

	check("track: unknown flag", track(hwpt, 2), -EOPNOTSUPP);
	check("track: unknown flag, no such id", track(9999, 2), -EOPNOTSUPP);
	check("track: no such id", track(9999, 1), -ENOENT);
	check("track: an IOAS", track(ioas, 1), -ENOENT);
	check("track: made without", track(plain, 1), -EOPNOTSUPP);
	check("stop tracking: made without", track(plain, 0), -EOPNOTSUPP);

	EXPECT(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd, -EOPNOTSUPP, "reserved");
	check("get: unknown flag", get(2, PAGE), -EOPNOTSUPP);
	check("get: no such id", get_at(9999, 0, IOVA, 0, 0, bitmap), -ENOENT);
	check("get: an IOAS", get_at(ioas, 0, IOVA, LEN, PAGE, bitmap), -ENOENT);
	check("get: length 0", get_at(hwpt, 0, IOVA + 1, 0, 0, bitmap), -EINVAL);
	check("get: wraps", get_at(hwpt, 0, -PAGE, 2 * PAGE, 0, bitmap), -EOVERFLOW);
	check("get: the last page", get_at(hwpt, 0, -PAGE, PAGE, PAGE, bitmap), 0);
	check("get: misaligned", get_at(hwpt, 0, IOVA + SMALL / 2, PAGE, 1, bitmap), -EINVAL);
	check("get: misaligned end", get_at(hwpt, 0, IOVA, SMALL / 2, 1, bitmap), -EINVAL);
	check("get: page_size 0", get(0, 0), -EINVAL);
	check("get: not a multiple of page_size", get_at(hwpt, 0, IOVA + SMALL, PAGE, PAGE, bitmap),
	      -EINVAL);
	check("get: end not a multiple of page_size",
	      get_at(hwpt, 0, IOVA, PAGE + SMALL, PAGE, bitmap), -EINVAL);
	check("get: made without, length 0", get_at(plain, 0, IOVA, 0, PAGE, bitmap), -EINVAL);
	check("get: made without", get_at(plain, 0, IOVA, LEN, PAGE, bitmap), -EOPNOTSUPP);
}

static void reading(void)
{
	uint8_t *odd = memory(2 * PAGE) + PAGE - 15;

	check("get while it is off", get(0, SMALL), 0);
	check("nothing", bits(), 0);
	check("track", track(hwpt, 1), 0);
	check("get while nothing was written", get(0, SMALL), 0);
	check("nothing", bits(), 0);
	check("the device writes", write_pages(), 4);
	check("get, do not clear", get(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, SMALL), 0);
	check("as many", bits(), 4);
	check("these", bit(0) + bit(1) + bit(21) + bit(127), 4);
	check("get in pages of 4096", get(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, PAGE), 0);
	check("as many", bits(), 3);
	check("these", bit(0) + bit(10) + bit(63), 3);
	check("get in pages of 1024", get(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, 1024), 0);
	check("as many", bits(), 8);
	check("get in pages of 64 KiB", get(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, 65536), 0);
	check("as many", bits(), 2);
	check("get, page_size no power of two", get(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, 0x1800),
	      0);
	check("as many as its lowest bit says", bits(), 4);

	memset(bitmap, 0x10, sizeof(bitmap));
	check("get a part", get_at(hwpt, 0, IOVA + SMALL, 8 * SMALL, SMALL, bitmap), 0);
	check("bits are set, none is cleared", bitmap[0], 0x11);
	check("others are left alone", bitmap[1], 0x10);
	memset(odd, 0, 32);
	check("get at an odd address", get_at(hwpt, 0, IOVA, LEN, SMALL, odd), 0);
	check("the part is clean", odd[0], 0x01);
	check("the middle", odd[2], 0x20);
	check("the last", odd[15], 0x80);
	check("not beyond", odd[16], 0);
	check("get again", get(0, SMALL), 0);
	check("nothing", bits(), 0);
}

static void switching(void)
{
	check("the device writes", write_pages(), 4);
	check("track again", track(hwpt, 1), 0);
	check("get", get(0, SMALL), 0);
	check("nothing", bits(), 0);
	check("the device writes", write_pages(), 4);
	check("stop tracking", track(hwpt, 0), 0);
	check("stop tracking twice", track(hwpt, 0), 0);
	check("the device cannot write unseen", write_pages(), -EINVAL);
	check("get", get(0, SMALL), 0);
	check("nothing", bits(), 0);
	check("track", track(hwpt, 1), 0);
	check("the device writes", write_pages(), 4);
	check("get into memory that is not there", get_at(hwpt, 0, IOVA, LEN, SMALL, WILD), 0);
	check("unmap", unmap(fd, ioas, IOVA, LEN, NULL), 0);
	check("get where nothing is mapped", get(0, SMALL), 0);
	check("nothing", bits(), 0);
}

int main(void)
{
	fd = open_or_skip("/dev/iommu");
	make();
	refusals();
	reading();
	switching();
	check("destroy", destroy(fd, hwpt), 0);
	return check_done();
}
