/* SPDX-License-Identifier: MIT */
/*
 * A driver that unmaps, under `ioas run`, memory its device still uses: its submission queue (with
 * commands in it) and the page a command writes to. Exit 0: the device used the old pages, and what
 * came to lie at their addresses was not touched.
 */
#include <stdbool.h>
#include <stdio.h>
#include "tests/flow/nvme.h"

static int failed(const char *what, int rc)
{
	printf("%s: %s\n", what, rc < 0 ? strerror(-rc) : "wrong");
	return 1;
}

static bool all(const uint8_t *at, uint8_t byte)
{
	for (unsigned i = 0; i < NVME_PAGE; i++)
		if (at[i] != byte)
			return false;
	return true;
}

/* Puts a page of `byte` at an address, the way `how` says. */
static int replace(uint8_t *at, int how, uint8_t byte)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	void *other;

	switch (how) {
	case 0: /* unmapped first */
		if (munmap(at, NVME_PAGE))
			return -errno;
		flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
		/* fall through */
	case 1: /* mapped over */
		if (mmap(at, NVME_PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) != at)
			return -errno;
		break;
	case 2:
		if (madvise(at, NVME_PAGE, MADV_DONTNEED))
			return -errno;
		break;
	default:
		other = mmap(NULL, NVME_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		if (mremap(other, NVME_PAGE, NVME_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
			return -errno;
	}
	memset(at, byte, NVME_PAGE);
	return 0;
}

/* Entries for `nr` Identify commands, the first of which goes to slot `first`. */
static void fill(struct nvme *nvme, unsigned first, unsigned nr)
{
	uint64_t target = NVME_IOVA + 2 * NVME_PAGE;

	for (unsigned slot = first; slot < first + nr; slot++) {
		uint8_t *entry = nvme->mem + 64 * slot;

		memset(entry, 0, 64);
		entry[0] = 6;
		entry[2] = (uint8_t)(slot + 1);
		memcpy(entry + 24, &target, 8);
		entry[40] = 1;
	}
}

static int ring(struct nvme *nvme)
{
	volatile uint32_t *done =
		(volatile uint32_t *)(nvme->mem + NVME_PAGE + 16 * nvme->count + 12);
	int rc;

	nvme->count++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*nvme_reg(nvme, 0x1000) = nvme->count;
	rc = nvme_wait(done, 1 << 16, 1 << 16);
	return rc ? rc : *done >> 17 ? -EIO : 0;
}

int main(void)
{
	struct nvme nvme;
	uint8_t *data;
	int rc = nvme_open(&nvme);

	if (rc)
		return failed("open", rc);
	data = nvme.mem + 2 * NVME_PAGE;
	fill(&nvme, 0, 8);
	rc = ring(&nvme);
	if (rc || data[24] <= ' ')
		return failed("the first command", rc);
	/* The queue is gone, the commands in it are not. */
	rc = replace(nvme.mem, 0, 0xca);
	if (rc)
		return failed("unmapping the queue", rc);
	memset(data, 0, NVME_PAGE);
	rc = ring(&nvme);
	if (rc || data[24] <= ' ')
		return failed("a command in a queue that was unmapped", rc);
	/* Where the device writes is gone, in four ways. */
	for (int how = 0; how < 4; how++) {
		rc = replace(data, how, (uint8_t)(0xc0 + how));
		if (!rc)
			rc = ring(&nvme);
		if (rc || !all(data, (uint8_t)(0xc0 + how)))
			return failed("a page that was replaced", rc ? rc : how);
	}
	if (!all(nvme.mem, 0xca))
		return failed("what lies where the queue was", 0);
	puts("PASS");
	return 0;
}
