/* SPDX-License-Identifier: MIT */
/*
 * A driver that rings so quickly that its doorbells are watched, by turns with all that ends that:
 * whether a doorbell is a store or a fault, it means the same. Each step begins in quick succession
 * and goes on afterwards. With a number of reads only these, and their time.
 */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include "tests/flow/nvme.h"

#define QUEUE_IOVA (4u << 20)
#define ENTRIES	   64u /* of 64 and 16 bytes: a page, and a part of one */
#define DB	   0x1000
#define BLOCK	   (3 * NVME_PAGE) /* where the registers' mapping may move to */

static struct nvme nvme;
static uint8_t *area; /* completion queue, submission queue, data */
static uint32_t tail, head, phase;
static uint64_t bar;
static bool failed;
static volatile uint32_t *other; /* another mapping of the doorbells */

static void check(const char *what, bool held)
{
	printf("%s %s\n", held ? "ok  " : "FAIL", what);
	failed |= !held;
}

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

/* How a doorbell is rung. */
enum how { STORE, OTHER, CALL };

static void ring(enum how how, unsigned index, uint32_t value)
{
	if (how == CALL)
		failed |= pwrite(nvme.dev, &value, 4, (off_t)(bar + DB + index * 4)) != 4;
	else
		*(how == OTHER ? other + index : own(index)) = value;
}

/* `nr` reads of a page at once. 0, a status, or -ETIMEDOUT. */
static int reads(enum how how, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		const uint32_t command[16] = {
			2 | tail << 16, [1] = 1, [6] = QUEUE_IOVA + 2 * NVME_PAGE, [12] = 7};

		memcpy(area + NVME_PAGE + 64 * tail, command, 64);
		tail = (tail + 1) % ENTRIES;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring(how, 2, tail);
	for (unsigned i = 0; i < nr; i++) {
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
	ring(how, 3, head);
	return 0;
}

static int quickly(void)
{
	int rc = 0;

	for (unsigned i = 0; i < 300 && !rc; i++)
		rc = reads(STORE, 1 + i % 3);
	return rc;
}

static sigjmp_buf back;
static volatile int caught;

static void recover(int sig)
{
	caught = sig;
	siglongjmp(back, 1);
}

/* The signal that a store to a doorbell gets; 0: none. */
static int store(volatile uint32_t *at, uint32_t value)
{
	caught = 0;
	if (!sigsetjmp(back, 1))
		*at = value;
	return caught;
}

static bool set_command(uint16_t command)
{
	struct vfio_region_info config = {.argsz = sizeof(config),
					  .index = VFIO_PCI_CONFIG_REGION_INDEX};

	return !ioctl(nvme.dev, VFIO_DEVICE_GET_REGION_INFO, &config) &&
	       pwrite(nvme.dev, &command, 2, (off_t)config.offset + 4) == 2;
}

static void ways(void)
{
	int rc = quickly();

	for (unsigned i = 0; i < 1000 && !rc; i++)
		rc = reads(i % 7 == 3 ? CALL : i % 11 == 5 ? OTHER : STORE, 1 + i % 20);
	check("stores, calls and another mapping, by turns", !rc && !failed);
}

static void decoding(void)
{
	int rc = quickly();
	bool off = set_command(4);
	int sig = store(own(2), tail), sig_other = store(other + 2, tail);

	check("no decoding: SIGBUS",
	      !rc && off && sig == SIGBUS && sig_other == SIGBUS && set_command(6));
	check("and again", !quickly());
}

static void protection(void)
{
	int rc = quickly(), sig;

	rc |= mprotect((void *)own(0), NVME_PAGE, PROT_READ);
	sig = store(own(2), tail);
	check("a mapping that may be read only: SIGSEGV", !rc && sig == SIGSEGV);
	check("the other one works", !reads(OTHER, 3));
	rc = mprotect((void *)own(0), NVME_PAGE, PROT_READ | PROT_WRITE);
	check("given back", !rc && !quickly());
}

static void moves(void)
{
	void *room = mmap(NULL, BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at;
	int rc = quickly();

	at = mremap((void *)nvme.regs, 2 * NVME_PAGE, 2 * NVME_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    room);
	if (at != MAP_FAILED)
		nvme.regs = at;
	check("a mapping that moves", !rc && at == room);
	check("and rings", !quickly());
}

static void maps_for_dma(void)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .ioas_id = nvme.ioas,
				     .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
				     .user_va = (uintptr_t)own(0),
				     .length = NVME_PAGE};
	int rc = quickly(), refused = 0;

	for (unsigned i = 0; i < 20; i++) {
		rc |= reads(STORE, 1);
		refused += ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map) && errno == EFAULT;
	}
	check("registers are no memory for DMA", !rc && refused == 20);
}

/* The child has no device. */
static void forks(void)
{
	int rc = 0, died = 0;

	for (unsigned i = 0; i < 20 && !rc; i++) {
		pid_t pid;
		int status;

		rc = quickly();
		pid = fork();
		if (!pid) {
			signal(SIGBUS, SIG_DFL);
			signal(SIGSEGV, SIG_DFL);
			*own(2) = 0;
			_exit(0);
		}
		rc |= reads(STORE, 2);
		waitpid(pid, &status, 0);
		died += WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
	}
	check("a child's doorbell reaches nobody", !rc && died == 20 && !quickly());
}

static void resets(void)
{
	int rc = 0;

	for (unsigned i = 0; i < 10 && !rc; i++) {
		rc = quickly();
		rc |= i % 2 ? 0 : ioctl(nvme.dev, VFIO_DEVICE_RESET);
		rc |= !set_command(6);
		rc |= nvme_enable(&nvme);
		rc |= make_queues();
	}
	check("resets", !rc && !quickly());
}

static void end_of_one(void)
{
	int rc = quickly();

	rc |= munmap((void *)other, NVME_PAGE);
	check("the end of a mapping", !rc && !quickly());
}

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

static void time_reads(unsigned long nr)
{
	struct timespec begin, end;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned long i = 0; i < nr && !rc; i++)
		rc = reads(STORE, 1);
	clock_gettime(CLOCK_MONOTONIC, &end);
	check("reads", !rc);
	printf("%.0f ns a read\n",
	       ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
		       (double)nr);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = recover};
	int rc = start();

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (rc) {
		fprintf(stderr, "doorbells: %s\n", strerror(rc < 0 ? -rc : EIO));
		return 1;
	}
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	if (argc > 1) {
		time_reads(strtoul(argv[1], NULL, 10));
		return failed;
	}
	ways();
	decoding();
	protection();
	moves();
	maps_for_dma();
	forks();
	resets();
	end_of_one();
	return failed;
}
