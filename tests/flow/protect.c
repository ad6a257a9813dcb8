/* SPDX-License-Identifier: MIT */
/*
 * A driver that forbids itself, by mprotect, memory that its device uses: data, queues, private
 * memory, shared memory and a file's. The device goes on as if nothing had happened, on a real
 * kernel too, where this program, linked statically, says the same. Exit 0: all lines held.
 */
#include <stdbool.h>
#include <stdio.h>
#include "tests/flow/nvme.h"

#define AREA_IOVA (4u << 20)
#define DATA	  2u /* pages of the area: completion queue, submission queue, data ... */
#define PAGES	  8u

static struct nvme nvme;
static uint8_t *area;
static unsigned io_count;
static bool failed;

static void check(const char *kind, const char *what, bool held)
{
	printf("%s %s: %s\n", held ? "ok  " : "FAIL", kind, what);
	failed |= !held;
}

static int protect(unsigned page, unsigned nr, int prot)
{
	return mprotect(area + page * NVME_PAGE, nr * NVME_PAGE, prot);
}

static int map_area(uint64_t *size)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .ioas_id = nvme.ioas,
				     .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
					      IOMMU_IOAS_MAP_FIXED_IOVA,
				     .user_va = (uintptr_t)area,
				     .length = PAGES * NVME_PAGE,
				     .iova = AREA_IOVA};

	*size = map.length;
	return ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

static int admin(const uint32_t command[16])
{
	int status, rc = nvme_admin(&nvme, command, &status);

	return rc ? rc : status;
}

/* An I/O queue of 16 entries, its memory in the area. */
static int make_queues(void)
{
	const uint32_t cq[16] = {5, [6] = AREA_IOVA, [10] = 15 << 16 | 1, [11] = 1};
	const uint32_t sq[16] = {
		1, [6] = AREA_IOVA + NVME_PAGE, [10] = 15 << 16 | 1, [11] = 1 << 16 | 1};
	int rc = admin(cq);

	io_count = 0;
	return rc ? rc : admin(sq);
}

static int delete_queues(void)
{
	const uint32_t sq[16] = {0, [10] = 1}, cq[16] = {4, [10] = 1};
	int rc = admin(sq);

	return rc ? rc : admin(cq);
}

/* Reads or writes `nr` pages of the drive from its start; the status or -errno. */
static int io(bool write, unsigned page, unsigned nr, int queue_prot)
{
	const uint32_t command[16] = {
		(write ? 1 : 2) | io_count << 16, [1] = 1, [6] = AREA_IOVA + page * NVME_PAGE,
		[8] = nr > 1 ? AREA_IOVA + (page + 1) * NVME_PAGE : 0, [12] = nr * 8 - 1};
	volatile uint32_t *done = (volatile uint32_t *)(area + 16 * io_count + 12);
	int rc;

	memcpy(area + NVME_PAGE + 64 * io_count, command, 64);
	protect(0, 1, queue_prot);
	protect(1, 1, queue_prot == PROT_READ ? PROT_NONE : queue_prot);
	io_count++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*nvme_reg(&nvme, 0x1008) = io_count;
	rc = nvme_wait(done, 1 << 16, 1 << 16);
	protect(0, 2, PROT_READ | PROT_WRITE);
	return rc ? rc : (int)(*done >> 17);
}

static int identify(unsigned page)
{
	int status, rc = nvme_identify_to(&nvme, AREA_IOVA + page * NVME_PAGE, &status);

	return rc ? rc : status;
}

static bool all(unsigned page, unsigned nr, uint8_t byte)
{
	for (unsigned i = 0; i < nr * NVME_PAGE; i++)
		if (area[page * NVME_PAGE + i] != byte)
			return false;
	return true;
}

/* Identify data, which are copied, and blocks, which may be moved straight. */
static void data(const char *kind, int prot)
{
	memset(area + DATA * NVME_PAGE, 0, NVME_PAGE);
	protect(DATA, 4, prot);
	check(kind, "identify", identify(DATA) == 0);
	protect(DATA, 4, PROT_READ | PROT_WRITE);
	check(kind, "what it wrote", area[DATA * NVME_PAGE + 24] > ' ');
	memset(area + DATA * NVME_PAGE, 0x40 + prot, 2 * NVME_PAGE);
	protect(DATA, 4, prot);
	check(kind, "blocks are written", io(true, DATA, 2, PROT_READ | PROT_WRITE) == 0);
	check(kind, "and read", io(false, DATA + 2, 2, PROT_READ | PROT_WRITE) == 0);
	protect(DATA, 4, PROT_READ | PROT_WRITE);
	check(kind, "the same bytes", all(DATA + 2, 2, (uint8_t)(0x40 + prot)));
	memset(area + DATA * NVME_PAGE, 0, 4 * NVME_PAGE);
	check(kind, "a queue is forbidden", io(false, DATA, 2, PROT_READ) == 0);
	check(kind, "it goes on", all(DATA, 2, (uint8_t)(0x40 + prot)));
}

static void on(const char *kind, int flags, int fd)
{
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap),
					 .ioas_id = nvme.ioas,
					 .iova = AREA_IOVA,
					 .length = PAGES * NVME_PAGE};
	uint64_t size;

	area = mmap(NULL, PAGES * NVME_PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	check(kind, "mapped", map_area(&size) == 0);
	check(kind, "queues", make_queues() == 0);
	data(kind, PROT_NONE);
	data(kind, PROT_READ);
	check(kind, "queues go", delete_queues() == 0);
	/* Now the program may not have it: its memory does not go to anybody it maps for. */
	check(kind, "unmap", ioctl(nvme.iommufd, IOMMU_IOAS_UNMAP, &unmap) == 0);
	protect(0, PAGES, PROT_READ);
	check(kind, "what is read-only is not mapped for writing", map_area(&size) == -EFAULT);
	munmap(area, PAGES * NVME_PAGE);
}

int main(void)
{
	int fd = memfd_create("protect", MFD_CLOEXEC);

	if (nvme_open(&nvme) || fd < 0 || ftruncate(fd, PAGES * NVME_PAGE)) {
		perror("FAIL open");
		return 1;
	}
	on("private memory", MAP_PRIVATE | MAP_ANONYMOUS, -1);
	on("shared memory", MAP_SHARED | MAP_ANONYMOUS, -1);
	on("a file", MAP_SHARED, fd);
	puts(failed ? "FAILED" : "PASS");
	return failed;
}
