/* SPDX-License-Identifier: MIT */
/* A device with four pages mapped at IOVA, for tests of batches. */
#ifndef TESTS_TLP_BATCH_RIG_H
#define TESTS_TLP_BATCH_RIG_H

#include <errno.h>
#include "tests/unit/tlp/rig.h"

#define IOVA 0x200000ull

static struct rig rig;
static char *memory;
static struct mem_window *window;

static int setup(void **arg)
{
	rig_start(&rig, NULL);
	memory = rig_pages(8);
	window = rig_map(&rig, IOVA, memory, 4 * PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	return 0;
}

static int teardown(void **arg)
{
	rig_unmap(&rig, IOVA, window);
	rig_stop(&rig);
	munmap(memory, 8 * PAGE);
	return 0;
}

static int at(struct ioas_batch *batch, iova_t addr, uint64_t len, unsigned op, void **host,
	      uint64_t *got)
{
	struct ioas_tlp tlp = {.addr = addr, .len = len, .op = (uint8_t)op};

	return ioas_batch_at(batch, &tlp, host, got);
}

#endif
