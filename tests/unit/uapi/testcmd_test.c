/* SPDX-License-Identifier: MIT */
/*
 * IOMMU_TEST_CMD's devices: their whole life once for each point at which something can fail, what
 * a nested page table's IOTLB and a device's PASIDs hold, and the one PASID that fails on purpose.
 */
#include "testcmd.h"

static void test_fails_anywhere(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd), other = w_ioas(w, fd);
	struct iommu_hwpt_alloc parent = {.flags = IOMMU_HWPT_ALLOC_NEST_PARENT};
	struct testcmd_hwpt data = {.iotlb = 7};
	struct iommu_hwpt_alloc nested = {.data_type = TESTCMD_TYPE_HWPT,
					  .data_len = sizeof(data),
					  .data_uptr = (uintptr_t)&data};
	struct iommu_test_cmd cmd, move = {.replace = {.pt_id = other}};
	uint64_t iova = IOVA;

	assert_int_equal(w_map(w, fd, ioas, FIXED, w->page, 4 * PAGE, &iova), 0);
	assert_int_equal(w_map(w, fd, other, FIXED, w->page, 4 * PAGE, &iova), 0);
	assert_int_equal(SWEEP(w, fd, 3, device(w, fd, ioas, 0, &cmd)), 0);
	parent.dev_id = nested.dev_id = cmd.device.out_device_id;
	parent.pt_id = ioas;
	assert_int_equal(SWEEP(w, fd, 6, hwpt_alloc(w, fd, &parent)), 0);
	nested.pt_id = parent.out_hwpt_id;
	assert_int_equal(SWEEP(w, fd, 7, hwpt_alloc(w, fd, &nested)), 0);
	assert_int_equal(iotlb(w, fd, nested.out_hwpt_id, 3, 7), 0);
	assert_int_equal(
		SWEEP(w, fd, 8, testcmd(w, fd, TESTCMD_REPLACE, cmd.device.out_test_id, &move)), 0);
	assert_int_equal(destroy(w, fd, nested.out_hwpt_id), 0);
	assert_int_equal(destroy(w, fd, parent.out_hwpt_id), 0);
	assert_int_equal(destroy(w, fd, cmd.device.out_test_id), 0);
	assert_int_equal(destroy(w, fd, ioas), 0);
	assert_int_equal(destroy(w, fd, other), 0);
	assert_next_id(w, fd, 1);
}

/* Devices end with their file, whatever they are attached to. */
static void test_closed_as_it_is(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);
	struct iommu_hwpt_alloc paging = {.flags = IOMMU_HWPT_ALLOC_PASID, .pt_id = ioas};
	struct iommu_test_cmd a, b;

	assert_int_equal(device(w, fd, ioas, TESTCMD_DEVICE_PASID, &a), 0);
	assert_int_equal(device(w, fd, ioas, 0, &b), 0);
	paging.dev_id = a.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &paging), 0);
	b.replace.pt_id = paging.out_hwpt_id;
	assert_int_equal(testcmd(w, fd, TESTCMD_REPLACE, a.device.out_test_id, &b), 0);
	assert_int_equal(
		pasid(w, fd, TESTCMD_PASID_ATTACH, a.device.out_test_id, 5, paging.out_hwpt_id), 0);
	w_close(w, fd);
}

static void test_pasids(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd), test, pt[2];
	struct iommu_test_cmd cmd;

	assert_int_equal(device(w, fd, ioas, TESTCMD_DEVICE_PASID, &cmd), 0);
	test = cmd.device.out_test_id;
	for (unsigned i = 0; i < 2; i++) {
		struct iommu_hwpt_alloc paging = {.flags = IOMMU_HWPT_ALLOC_PASID,
						  .pt_id = ioas,
						  .dev_id = cmd.device.out_device_id};

		assert_int_equal(hwpt_alloc(w, fd, &paging), 0);
		pt[i] = paging.out_hwpt_id;
	}
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_ATTACH, test, 5, pt[0]), -EINVAL);
	cmd.replace.pt_id = pt[0];
	assert_int_equal(testcmd(w, fd, TESTCMD_REPLACE, test, &cmd), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, 0), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_REPLACE, test, 5, pt[0]), -EINVAL);
	assert_int_equal(SWEEP(w, fd, 0, pasid(w, fd, TESTCMD_PASID_ATTACH, test, 5, pt[0])), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_ATTACH, test, 5, pt[0]), -EBUSY);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, pt[0]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, pt[1]), -EINVAL);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, 0), -EINVAL);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, 99), -ENOENT);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_DETACH, test, 5, 0), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_DETACH, test, 5, 0), 0);

	/* The one that fails the second time, and only then. */
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_ATTACH, test, TESTCMD_PASID_FAULTY, pt[0]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_REPLACE, test, TESTCMD_PASID_FAULTY, pt[1]),
			 -ENOMEM);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, TESTCMD_PASID_FAULTY, pt[0]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_REPLACE, test, TESTCMD_PASID_FAULTY, pt[1]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_DETACH, test, TESTCMD_PASID_FAULTY, 0), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_ATTACH, test, TESTCMD_PASID_FAULTY, pt[0]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_DETACH, test, TESTCMD_PASID_FAULTY, 0), 0);
}

/* Who cannot be told which page table it is has attached nothing. */
static void test_pasid_without_an_answer(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd), test;
	struct iommu_hwpt_alloc paging = {.flags = IOMMU_HWPT_ALLOC_PASID, .pt_id = ioas};
	struct iommu_test_cmd cmd, *own = (void *)w->page;

	assert_int_equal(device(w, fd, ioas, TESTCMD_DEVICE_PASID, &cmd), 0);
	test = cmd.device.out_test_id;
	paging.dev_id = cmd.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &paging), 0);
	cmd.replace.pt_id = paging.out_hwpt_id;
	assert_int_equal(testcmd(w, fd, TESTCMD_REPLACE, test, &cmd), 0);
	*own = (struct iommu_test_cmd){.size = sizeof(*own),
				       .op = TESTCMD_PASID_ATTACH,
				       .id = test,
				       .pasid = {.pasid = 5, .pt_id = paging.out_hwpt_id}};
	mprotect(w->page, PAGE, PROT_READ);
	assert_int_equal(w_ioctl(w, fd, IOMMU_TEST_CMD, own), -EFAULT);
	mprotect(w->page, PAGE, PROT_READ | PROT_WRITE);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, 0), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_TEST_CMD, own), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, paging.out_hwpt_id), 0);
}

/* Whose word or route it would be. */
static void test_nobody(void **state)
{
	static const uint32_t ops[] = {TESTCMD_REPLACE,	      TESTCMD_CHECK_IOTLB,
				       TESTCMD_CHECK_CACHE,   TESTCMD_PASID_ATTACH,
				       TESTCMD_PASID_REPLACE, TESTCMD_PASID_DETACH,
				       TESTCMD_PASID_CHECK};
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);

	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		for (unsigned there = 0; there < 2; there++) {
			struct iommu_test_cmd cmd = {0};

			assert_int_equal(testcmd(w, fd, ops[i], there ? ioas : 77, &cmd), -ENOENT);
			assert_non_null(strstr(w->why.text, there ? " 1" : " 77"));
		}
}

/* The page tables that flags and data choose. */
static void test_page_tables(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);
	struct testcmd_hwpt data = {.pt_type = TESTCMD_PT_HUGE};
	struct iommu_hwpt_alloc huge = {.pt_id = ioas,
					.data_type = TESTCMD_TYPE_HWPT,
					.data_len = sizeof(data),
					.data_uptr = (uintptr_t)&data};
	struct iommu_hwpt_alloc dirty = {.pt_id = ioas, .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING};
	struct iommu_hwpt_set_dirty_tracking track = {.size = sizeof(track), .flags = 1};
	struct iommu_test_cmd plain, lame;
	struct iommu_test_cmd mark = {.dirty = {.iova = IOVA,
						.length = 3 * PAGE,
						.page_size = PAGE,
						.uptr = (uintptr_t)w->page}};
	uint64_t iova = IOVA;

	assert_int_equal(device(w, fd, ioas, 1u << 5, &lame), -EINVAL);
	assert_int_equal(device(w, fd, ioas, TESTCMD_DEVICE_NO_DIRTY, &lame), 0);
	assert_int_equal(device(w, fd, ioas, 0, &plain), 0);
	huge.dev_id = plain.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &huge), 0);
	data.pt_type = 2;
	assert_int_equal(hwpt_alloc(w, fd, &huge), -EOPNOTSUPP);
	huge.data_type++;
	assert_int_equal(hwpt_alloc(w, fd, &huge), -EOPNOTSUPP);

	dirty.dev_id = lame.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &dirty), -EOPNOTSUPP);
	dirty.dev_id = plain.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &dirty), 0);
	track.hwpt_id = plain.replace.pt_id = dirty.out_hwpt_id;
	assert_int_equal(testcmd(w, fd, TESTCMD_REPLACE, lame.device.out_test_id, &plain), -EINVAL);

	/* Dirty pages: of a table that tracks them. */
	assert_int_equal(w_map(w, fd, ioas, FIXED, w->page, 2 * PAGE, &iova), 0);
	w->page[0] = 5;
	assert_int_equal(testcmd(w, fd, TESTCMD_DIRTY, 999, &mark), -ENOENT);
	assert_int_equal(testcmd(w, fd, TESTCMD_DIRTY, track.hwpt_id, &mark), -EINVAL);
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
	assert_int_equal(SWEEP(w, fd, 0, testcmd(w, fd, TESTCMD_DIRTY, track.hwpt_id, &mark)), 0);
	assert_int_equal(mark.dirty.out_nr, 1); /* bit 2 is of no page that is there */
}

static void test_dmabufs(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), buf;
	struct iommu_test_cmd cmd = {.dmabuf = {.length = PAGE + 1}};
	struct iommu_ioas_map_file map = {.size = sizeof(map),
					  .flags = FIXED,
					  .ioas_id = w_ioas(w, fd),
					  .length = 2 * PAGE,
					  .iova = IOVA};

	/* Without memory there is none, at no point. */
	for (unsigned nth = 1;; nth++) {
		inject_arm(nth);
		buf = (int)testcmd(w, fd, TESTCMD_DMABUF, 0, &cmd);
		inject_arm(0);
		if (buf >= 0)
			break;
		assert_int_equal(buf, -ENOMEM);
	}
	assert_string_equal(ioas_file_node(w_file(w, buf))->path, "/dmabuf:");
	cmd.dmabuf.length = 512 * PAGE;
	w_close(w, (int)testcmd(w, fd, TESTCMD_DMABUF, 0, &cmd));
	cmd.dmabuf.length = 0;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF, 0, &cmd), -EINVAL);
	cmd.dmabuf.length = 512 * PAGE + 1;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF, 0, &cmd), -EINVAL);
	map.fd = buf;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_MAP_FILE, &map), 0);
	cmd.dmabuf_revoke.fd = buf;
	cmd.dmabuf_revoke.revoked = 1;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF_REVOKE, 0, &cmd), 0);
	map.iova += 2 * PAGE;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_MAP_FILE, &map), -ENODEV);
	cmd.dmabuf_revoke.fd = fd;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF_REVOKE, 0, &cmd), -EINVAL);
	cmd.dmabuf_revoke.fd = -1;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF_REVOKE, 0, &cmd), -EBADF);
}

static long mark(struct world *w, int fd, uint32_t hwpt, uint64_t iova, uint64_t length,
		 uint64_t page, const uint8_t *bits, uint64_t *nr)
{
	struct iommu_test_cmd cmd = {.dirty = {.iova = iova,
					       .length = length,
					       .page_size = page,
					       .uptr = (uintptr_t)bits}};
	long rc = testcmd(w, fd, TESTCMD_DIRTY, hwpt, &cmd);

	*nr = cmd.dirty.out_nr;
	return rc;
}

/* A page is marked once, in any of the pages that a bitmap may have. */
static void test_dirty(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd), hwpt;
	struct iommu_hwpt_alloc alloc = {.pt_id = ioas, .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING};
	struct iommu_hwpt_set_dirty_tracking track = {.size = sizeof(track)};
	uint8_t bits[2] = {0x81, 0x01}, got[2] = {0};
	struct iommu_hwpt_get_dirty_bitmap get = {.size = sizeof(get),
						  .iova = IOVA,
						  .length = 16 * PAGE,
						  .page_size = PAGE,
						  .data = (uintptr_t)got};
	struct iommu_test_cmd cmd;
	uint64_t iova = IOVA, nr;

	assert_int_equal(device(w, fd, ioas, 0, &cmd), 0);
	alloc.dev_id = cmd.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &alloc), 0);
	hwpt = track.hwpt_id = get.hwpt_id = alloc.out_hwpt_id;
	assert_int_equal(w_map(w, fd, ioas, FIXED, w->page, 9 * PAGE, &iova), 0);
	/* Not before it tracks them. */
	assert_int_equal(mark(w, fd, hwpt, IOVA, 9 * PAGE, PAGE, bits, &nr), -EINVAL);
	track.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
	assert_int_equal(mark(w, fd, hwpt, IOVA, 9 * PAGE, PAGE, bits, &nr), 0);
	assert_int_equal(nr, 3);
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &get), 0);
	assert_memory_equal(got, bits, 2);
	/* The ninth bit is beyond eight pages, and where nothing is mapped none counts. */
	assert_int_equal(mark(w, fd, hwpt, IOVA, 8 * PAGE, PAGE, bits, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(mark(w, fd, hwpt, IOVA + PAGE, 9 * PAGE, PAGE, bits, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(mark(w, fd, hwpt, IOVA, 0, PAGE, bits, &nr), -EINVAL);
	assert_int_equal(mark(w, fd, hwpt, IOVA, PAGE, 0, bits, &nr), -EINVAL);
	assert_int_equal(mark(w, fd, hwpt, IOVA + 1, PAGE, PAGE, bits, &nr), -EINVAL);
	assert_int_equal(mark(w, fd, hwpt, IOVA, PAGE + 1, PAGE, bits, &nr), -EINVAL);
	assert_int_equal(mark(w, fd, hwpt, IOVA, PAGE, PAGE, NULL, &nr), -EINVAL);
	assert_int_equal(mark(w, fd, hwpt, IOVA, PAGE, PAGE, w_wild(w), &nr), -EFAULT);
	assert_int_equal(mark(w, fd, hwpt, IOVA, PAGE << 40, PAGE, bits, &nr), -EOVERFLOW);
	assert_int_equal(mark(w, fd, ioas, IOVA, PAGE, PAGE, bits, &nr), -ENOENT);
}

static void test_accesses(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), access;
	uint32_t ioas = w_ioas(w, fd), other = w_ioas(w, fd);
	struct iommu_test_cmd cmd, move = {.access_replace = {.ioas_id = other}};
	uint64_t iova = IOVA;
	char word[8] = "written";

	/* Two areas, so that the second one can fail after the first one is pinned. */
	assert_int_equal(w_map(w, fd, ioas, FIXED, w->page, 2 * PAGE, &iova), 0);
	iova += 2 * PAGE;
	assert_int_equal(w_map(w, fd, ioas, FIXED, w->page + 2 * PAGE, PAGE, &iova), 0);
	assert_int_equal(SWEEP(w, fd, 3, access_new(w, fd, ioas, &cmd)), 0);
	access = cmd.access.out_fd;
	assert_int_equal(destroy(w, fd, 3), -EBUSY);
	assert_int_equal(destroy(w, fd, ioas), -EBUSY);

	assert_int_equal(SWEEP(w, fd, 4, access_pin(w, fd, access, &cmd)), 0);
	assert_int_equal(cmd.access_pin.out_item, 0);
	assert_int_equal(pins(w, fd, w->page + 2 * PAGE, 1), 0);
	assert_int_equal(
		SWEEP(w, fd, 4,
		      access_rw(w, fd, access, TESTCMD_ACCESS_WRITE, IOVA + 4092, 8, word)),
		0);
	assert_string_equal(w->page + 4092, "written");

	/* Mapping 1, byte 4092 of mapping 0, and one that there is not. */
	assert_int_equal(access_rw(w, fd, access, TESTCMD_ACCESS_FUZZED, 1, 8, word), 0);
	assert_string_equal(word, "");
	assert_int_equal(access_rw(w, fd, access, TESTCMD_ACCESS_FUZZED, 4092ull << 32, 8, word),
			 0);
	assert_string_equal(word, "written");
	assert_int_equal(access_rw(w, fd, access, TESTCMD_ACCESS_FUZZED, 2, 8, word), -ENOENT);

	assert_int_equal(
		SWEEP(w, fd, 4, testcmd(w, fd, TESTCMD_ACCESS_REPLACE, (uint32_t)access, &move)),
		0);
	assert_int_equal(pins(w, fd, w->page, 0), 0);
	assert_int_equal(destroy(w, fd, ioas), 0);
	assert_int_equal(destroy(w, fd, other), -EBUSY);
	iova = IOVA;
	assert_int_equal(w_map(w, fd, other, FIXED, w->page, 3 * PAGE, &iova), 0);
	assert_int_equal(access_pin(w, fd, access, &cmd), 0);
	assert_int_equal(cmd.access_pin.out_item, 1);

	/* What is no descriptor, or none of an access. */
	assert_int_equal(testcmd(w, fd, TESTCMD_ACCESS_REPLACE, 77, &move), -EBADFD);
	assert_int_equal(testcmd(w, fd, TESTCMD_ACCESS_REPLACE, (uint32_t)fd, &move), -EBADFD);

	/* The access outlives the iommufd, and ends with what it has pinned. */
	w_close(w, fd);
	w_close(w, access);
	fd = w_open(w, "/dev/iommu");
	assert_int_equal(pins(w, fd, w->page, 0), 0);
}

static void test_absent(void **state)
{
	struct world *w = *state;
	struct iommu_test_cmd cmd = {0};
	int fd = w_open(w, "/dev/iommu");

	assert_int_equal(testcmd(w, fd, TESTCMD_BATCH_LIMIT, 0, &cmd), -ENOTTY);
	assert_int_equal(w_ioctl(w, fd, IOMMU_TEST_CMD, w_wild(w)), -ENOTTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fails_anywhere, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_closed_as_it_is, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_pasids, world_setup_selftest, world_teardown),
		cmocka_unit_test_setup_teardown(test_pasid_without_an_answer, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_nobody, world_setup_selftest, world_teardown),
		cmocka_unit_test_setup_teardown(test_page_tables, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_dmabufs, world_setup_selftest, world_teardown),
		cmocka_unit_test_setup_teardown(test_dirty, world_setup_selftest, world_teardown),
		cmocka_unit_test_setup_teardown(test_accesses, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_absent, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
