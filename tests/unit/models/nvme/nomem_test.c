/* SPDX-License-Identifier: MIT */
/*
 * Description: an instance and a controller are made whole or not at all, whichever allocation
 * fails, and commands end while memory is short: with a status, and carried out when it is back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <ioas/iommu.h>
#include "models/nvme/driver.h"
#include "nvme/volatile.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/fds.h"

/* The nth allocation from now fails (0: none), and then each `every`th (0: no more). */
static _Atomic int fuse;
static _Atomic int every;
static _Atomic unsigned failures;

static bool should_fail(void)
{
	if (atomic_load(&fuse) <= 0 || atomic_fetch_sub(&fuse, 1) != 1)
		return false;
	atomic_store(&fuse, atomic_load(&every));
	atomic_fetch_add(&failures, 1);
	return true;
}

/* Neither of its rings nor of its threads. */
static void a_controller_that_goes_leaves_nothing_open(void **state)
{
	unsigned files = fds_open();
	struct driver drv;
	iova_t data;

	for (unsigned i = 0; i < 2; i++) {
		driver_open(&drv, 1 << 20, i ? "volatile=on" : "");
		driver_enable(&drv, 16, 0);
		driver_pair(&drv, 1, 16);
		data = driver_alloc(&drv, 4096);
		assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_WRITE, 0, 8, data)),
				 0);
		assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 8, data)), 0);
		driver_close(&drv);
		assert_int_equal(fds_open(), files);
	}
}

static int make(const char *device)
{
	struct ioas_iommu *iommu;
	struct ioas_why why = {0};
	int rc = ioas_iommu_new(NULL, &iommu);

	if (rc)
		return rc;
	rc = ioas_model_create(iommu, device, NULL, &why);
	assert_int_equal(rc != 0, why.text[0] != '\0');
	ioas_iommu_destroy(iommu);
	return rc;
}

static void a_controller_is_made_whole_or_not_at_all(void **state)
{
	char path[] = "/tmp/ioas-nomem-XXXXXX", device[128];
	int fd = mkstemp(path), rc = -ENOMEM;
	unsigned files = fds_open();
	int nth;

	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	snprintf(device, sizeof(device), "nvme,drive=%s,volatile=on,serial=S", path);
	for (nth = 1; rc; nth++) {
		atomic_store(&fuse, nth);
		rc = make(device);
		atomic_store(&fuse, 0);
		assert_true(!rc || rc == -ENOMEM);
		assert_int_equal(fds_open(), files);
	}
	assert_true(nth > 8);
	close(fd);
	unlink(path);
}

static void commands_end_while_memory_is_short(void **state)
{
	struct driver drv;
	iova_t data;

	driver_open(&drv, 1 << 20, "volatile=on");
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 64);
	data = driver_alloc(&drv, 8 * 4096);
	for (unsigned step = 1; step < 12; step++) {
		atomic_store(&every, 2);
		atomic_store(&fuse, 1);
		for (unsigned i = 0; i < 48; i++) {
			struct nvme_cmd cmd = {
				.opcode = i % 3 ? NVME_IO_WRITE : NVME_IO_READ,
				.nsid = 1,
				.prp1 = data + i % 8 * 4096,
				.cdw10 = (step * 48 + i) * 8 % 2000,
				.cdw12 = 7,
			};

			driver_put(&drv, 1, &cmd);
		}
		driver_ring(&drv, 1);
		for (unsigned i = 0; i < 48; i++) {
			struct completion got = driver_take(&drv, 1);

			assert_true(got.status == 0 || got.status == NVME_INTERNAL_ERROR);
		}
		atomic_store(&every, 0);
		atomic_store(&fuse, 0);
	}
	assert_true(atomic_load(&failures) > 10);
	driver_close(&drv);
}

/* A command that says so has its zeroes; else it says that there was no memory. */
static void zeroes_are_there_or_refused(void **state)
{
	static const uint8_t none[4096];
	struct driver drv;
	unsigned refused = 0;
	bool more = true;
	iova_t data;

	driver_open(&drv, 1 << 20, "volatile=on");
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 16);
	data = driver_alloc(&drv, 4096);
	for (int nth = 1; more; nth++) {
		struct nvme_cmd zero = {
			.opcode = NVME_IO_WRITE_ZEROES, .nsid = 1, .cdw10 = 64, .cdw12 = 7};
		struct nvme_cmd read = {
			.opcode = NVME_IO_READ, .nsid = 1, .prp1 = data, .cdw10 = 64, .cdw12 = 7};
		uint16_t status;

		atomic_store(&fuse, nth);
		status = driver_run(&drv, 1, zero);
		more = atomic_load(&fuse) <= 0;
		atomic_store(&fuse, 0);
		refused += status != 0;
		assert_true(!status || status == NVME_INTERNAL_ERROR);
		assert_int_equal(driver_run(&drv, 1, read), 0);
		assert_int_equal(!memcmp(bus_at(data), none, 4096), !status);
	}
	assert_true(refused > 0);
	driver_close(&drv);
}

/* Nothing else is under way whose end would wake the controller. */
static void the_first_command_waits_for_memory(void **state)
{
	struct nvme_cmd identify = {.opcode = NVME_ADM_IDENTIFY, .cdw10 = 1};
	struct driver drv;

	driver_open(&drv, 1 << 20, "");
	driver_enable(&drv, 16, 0);
	identify.prp1 = driver_alloc(&drv, 4096);
	atomic_store(&fuse, 1);
	assert_int_equal(driver_run(&drv, 0, identify), 0);
	assert_int_equal(atomic_load(&fuse), 0);
	driver_close(&drv);
}

/* Whatever sector is read as zero, if the cache was asked to, or as nothing that it has. */
static bool has_zeroes(struct nvme_volatile *cache, uint64_t sector)
{
	struct volatile_extent e;

	if (!volatile_next(cache, sector / 8, &e) || e.first > sector / 8)
		return false;
	if (!e.page)
		return true;
	if (!(e.page->valid >> sector % 8 & 1))
		return false;
	assert_int_equal(e.page->data[sector % 8 * 512], 0);
	return true;
}

/* Across pages and subtrees, with a part of a page at either end, or within one. */
static void zeroes_that_have_no_room_are_not_promised(void **state)
{
	static const struct {
		uint64_t sector, nr;
	} ranges[] = {
		{3, 2}, {3, 5}, {0, 3}, {3, 8 * 512 * 3}, {5, 12}, {8, 8}, {8 * 512 - 3, 8},
	};

	for (unsigned r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++) {
		uint64_t end = ranges[r].sector + ranges[r].nr;
		int nth = 0, rc;

		do {
			struct nvme_volatile cache = {0};

			atomic_store(&fuse, ++nth);
			rc = volatile_zero(&cache, ranges[r].sector * 512, ranges[r].nr * 512);
			assert_true(!rc == (atomic_load(&fuse) > 0));
			atomic_store(&fuse, 0);
			if (rc) {
				assert_int_equal(rc, -1);
				rc = volatile_zero(&cache, ranges[r].sector * 512,
						   ranges[r].nr * 512);
				assert_int_equal(rc, 0);
				rc = -1;
			}
			for (uint64_t s = 0; s < end + 8; s++)
				assert_int_equal(has_zeroes(&cache, s),
						 s >= ranges[r].sector && s < end);
			volatile_fini(&cache);
			assert_int_equal(cache.pages, 0);
		} while (rc);
		assert_true(nth > 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_controller_is_made_whole_or_not_at_all),
		cmocka_unit_test(a_controller_that_goes_leaves_nothing_open),
		cmocka_unit_test(the_first_command_waits_for_memory),
		cmocka_unit_test(commands_end_while_memory_is_short),
		cmocka_unit_test(zeroes_are_there_or_refused),
		cmocka_unit_test(zeroes_that_have_no_room_are_not_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
