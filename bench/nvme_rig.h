/* SPDX-License-Identifier: MIT */
/*
 * A driver that polls, in one process with the model: what SPDK's does, with nothing around it. It
 * keeps a number of 4 KiB reads under way and rings once for all that it has put.
 */
#ifndef BENCH_NVME_RIG_H
#define BENCH_NVME_RIG_H

#include <stdbool.h>
#include <ioas/device.h>
#include <ioas/iommu.h>
#include <ioas/model.h>

#define BLOCK	    4096u
#define DEPTH_MAX   128u
#define QUEUE_NR    256u /* entries of each queue */
#define IOVA_QUEUES 0x100000000ull
#define IOVA_DATA   0x110200000ull
#define IOVA_END    (IOVA_DATA + DEPTH_MAX * BLOCK)

/* The same model without an IOMMU, which is in a module (bare.h). */
struct bare {
	const struct ioas_model *model;
	uintptr_t *to_host; /* what is added to an IOVA */
};
IOAS_BEGIN
const struct bare *bench_bare(void);
IOAS_END

struct rig_queue {
	struct nvme_cmd *sq;
	volatile uint64_t *cq;
	uint32_t tail, head, doorbell;
	unsigned phase;
};

struct rig {
	struct ioas_iommu *iommu;
	bool own; /* it is not another rig's */
	struct ioas_space *space;
	struct ioas_pci *pci;
	uint8_t *queues, *data; /* at IOVA_QUEUES and IOVA_DATA */
	struct rig_queue admin, io;
	uintptr_t to_host;	 /* what these are from their IOVAs */
	uintptr_t *bare_to_host; /* where a model without an IOMMU looks for that; or NULL */
	const uint32_t *block;	 /* which ones to read, RIG_BLOCKS of them */
	uint32_t next;
};

#define RIG_BLOCKS (1u << 16)

/*
 * A controller of `device` ("drive=null,size=1G"), with one queue pair. `beside`: in the instance
 * of another rig, if not NULL. `bare`, if not NULL: without an IOMMU, and the like of `beside` in
 * the same pages, since some take longer than others: the buffers, and a drive in memory.
 */
void rig_start(struct rig *rig, const char *device, const uint32_t *block, const struct bare *bare,
	       const struct rig *beside);
void rig_stop(struct rig *rig);
/* Where the blocks of a drive in memory are. */
uint8_t *rig_blocks(const struct rig *rig);
/* Reads `nr` blocks, `depth` at a time; ns for each. */
double rig_reads(struct rig *rig, unsigned depth, uint32_t nr);
/* As a door does it: a copy then need not ask the kernel first. */
void rig_guard(void);

#endif
