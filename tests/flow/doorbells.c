/* SPDX-License-Identifier: MIT */
/*
 * A driver that rings so quickly that its doorbells are watched, by turns with all that ends that:
 * whether a doorbell is a store or a fault, it means the same. Each step begins in quick succession
 * and goes on afterwards.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include "tests/flow/nvme_reads.h"

#define BLOCK (3 * NVME_PAGE) /* where the registers' mapping may move to */

static bool failed;

static void check(const char *what, bool held)
{
	printf("%s %s\n", held ? "ok  " : "FAIL", what);
	failed |= !held;
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
	check("stores, calls and another mapping, by turns", !rc);
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

int main(void)
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
