/* SPDX-License-Identifier: MIT */
/*
 * One queue pair of an NVMe drive, on top of nvme.h, and reads of a page by a driver that polls:
 * for programs whose doorbells count.
 */
#ifndef TESTS_FLOW_NVME_READS_H
#define TESTS_FLOW_NVME_READS_H

#include <sched.h>
#include "tests/flow/nvme.h"

#define QUEUE_IOVA (4u << 20)
#define ENTRIES	   64u /* of 64 and 16 bytes: a page, and a part of one */
#define DB	   0x1000

static struct nvme nvme;
static uint8_t *area; /* completion queue, submission queue, data */
static uint32_t tail, head, phase;
static uint64_t bar;
static volatile uint32_t *other; /* another mapping of the doorbells */

static int admin(const uint32_t command[16])
{
	int status, rc = nvme_admin(&nvme, command, &status);

	return rc ? rc : status;
}

static int make_queues(void)
{
	const uint32_t cq[16] = {5, [6] = QUEUE_IOVA, [10] = (ENTRIES - 1) << 16 | 1, [11] = 1};
	const uint32_t sq[16] = {1, [6] = QUEUE_IOVA + NVME_PAGE, [10] = (ENTRIES - 1) << 16 | 1,
				 [11] = 1 << 16 | 1};
	int rc;

	memset(area, 0, NVME_PAGE);
	tail = head = 0;
	phase = 1;
	rc = admin(cq);
	return rc ? rc : admin(sq);
}

static volatile uint32_t *own(unsigned index)
{
	return nvme_reg(&nvme, DB + index * 4);
}

/* How a doorbell is rung: a store to the driver's mapping, or to the other one; or pwrite. */
enum how { STORE, OTHER, CALL };

static int ring(enum how how, unsigned index, uint32_t value)
{
	if (how == CALL)
		return pwrite(nvme.dev, &value, 4, (off_t)(bar + DB + index * 4)) == 4 ? 0 : -EIO;
	*(how == OTHER ? other + index : own(index)) = value;
	return 0;
}

/* `nr` reads of a page at once. 0, a status, or -errno. */
static int reads(enum how how, unsigned nr)
{
	int rc;

	for (unsigned i = 0; i < nr; i++) {
		const uint32_t command[16] = {
			2 | tail << 16, [1] = 1, [6] = QUEUE_IOVA + 2 * NVME_PAGE, [12] = 7};

		memcpy(area + NVME_PAGE + 64 * tail, command, 64);
		tail = (tail + 1) % ENTRIES;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	rc = ring(how, 2, tail);
	for (unsigned i = 0; i < nr && !rc; i++) {
		volatile uint32_t *done = (volatile uint32_t *)(area + 16 * head + 12);

		for (uint64_t spin = 0; (*done >> 16 & 1) != phase; spin++) {
			if (spin == 20000000)
				return -ETIMEDOUT;
			if (spin > 10000)
				sched_yield();
		}
		if (*done >> 17)
			return (int)(*done >> 17);
		head = (head + 1) % ENTRIES;
		phase ^= !head;
	}
	return rc ? rc : ring(how, 3, head);
}

/* The drive, its mappings and its queues. */
static int start(void)
{
	struct vfio_region_info region = {.argsz = sizeof(region)};
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
					      IOMMU_IOAS_MAP_FIXED_IOVA,
				     .length = 3 * NVME_PAGE,
				     .iova = QUEUE_IOVA};
	int rc = nvme_open(&nvme);

	if (rc)
		return rc;
	area = mmap(NULL, 3 * NVME_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	map.ioas_id = nvme.ioas;
	map.user_va = (uintptr_t)area;
	if (ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map) ||
	    ioctl(nvme.dev, VFIO_DEVICE_GET_REGION_INFO, &region))
		return -errno;
	bar = region.offset;
	other = mmap(NULL, NVME_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, nvme.dev,
		     (off_t)(bar + DB));
	return other == MAP_FAILED ? -errno : make_queues();
}

#endif
