/* SPDX-License-Identifier: MIT */
/* A small NVMe driver for tests: queues in the bus's memory, one command at a time or many. */
#ifndef TESTS_NVME_DRIVER_H
#define TESTS_NVME_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "models/nvme/bus.h"
#include "nvme/keys.h"
#include "nvme/spec.h"

#define DNR(status) ((status) | NVME_DNR)

struct driver_queue {
	iova_t sq, cq;
	uint32_t size, tail, head, cq_head;
	bool phase;
};

struct completion {
	uint32_t dw0, dw1;
	uint16_t sq_head, sqid, cid, status; /* phase bit taken out of status */
};

struct driver {
	struct driver_queue queue[65];
	iova_t next; /* free memory of the bus */
	uint32_t cc;
	char path[64];
	int fd;		  /* of the drive file, -1: none */
	const char *made; /* instead of a file: "null" or "ram" */
	uint64_t len;
	uint16_t cid;
};

/*
 * A drive file of `len` bytes with a pattern in it, and a controller on it. `keys` "null" or "ram":
 * drive=null or drive=ram.
 */
void driver_open(struct driver *drv, uint64_t len, const char *keys);
void driver_close(struct driver *drv);
/* Creates the controller on drv->path anew; what was not flushed is lost. */
void driver_plug(struct driver *drv, const char *keys);

uint32_t driver_read32(uint64_t off);
void driver_write32(uint64_t off, uint32_t value);
void driver_write64(uint64_t off, uint64_t value);
/* By number: 2 * queue, or 2 * queue + 1. As a store to a mapping of the registers. */
void driver_doorbell(unsigned index, uint32_t value);
/* Waits until (CSTS & mask) == value; fails the test after 20 s. */
void driver_wait(uint32_t mask, uint32_t value);
/* Page-aligned memory of the bus. */
iova_t driver_alloc(struct driver *drv, uint64_t len);

/* Admin queues of `size` entries, CC.EN, RDY. mps: memory page size field. */
void driver_enable(struct driver *drv, uint32_t size, unsigned mps);
void driver_disable(struct driver *drv);
/* I/O queue pair `id` of `size` entries with its own vector. */
void driver_pair(struct driver *drv, uint16_t id, uint32_t size);

/* Puts a command (its cid is set) into a queue; the doorbell goes with driver_ring. */
uint16_t driver_put(struct driver *drv, uint16_t queue, struct nvme_cmd *cmd);
void driver_ring(struct driver *drv, uint16_t queue);
/* Is there a completion? Takes it, and moves the head doorbell. */
bool driver_poll(struct driver *drv, uint16_t queue, struct completion *out);
/* Waits for one. */
struct completion driver_take(struct driver *drv, uint16_t queue);
/* One command from start to end: its status. */
uint16_t driver_run(struct driver *drv, uint16_t queue, struct nvme_cmd cmd);
struct completion driver_run_full(struct driver *drv, uint16_t queue, struct nvme_cmd cmd);

/* Read, write and the like on nsid 1, in one contiguous piece of memory. */
struct nvme_cmd driver_rw(struct driver *drv, uint8_t opcode, uint64_t slba, uint32_t nr,
			  iova_t data);

#endif
