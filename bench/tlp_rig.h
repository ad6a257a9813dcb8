/* SPDX-License-Identifier: MIT */
/* One device whose TLPs meet one page table, in an instance of its own, without a program around
 * it. */
#ifndef BENCH_TLP_RIG_H
#define BENCH_TLP_RIG_H

#include "iommu.h"
#include "route/route.h"
#include "tlp/tlp.h"

#define RIG_PASID 77u /* attached to the same page table as the device itself */

struct tlp_rig {
	struct ioas_iommu *iommu;
	struct ioas_device *dev;
	struct ioas_issuer *issuer;
	struct pt *pt;
};

/* Ends the program where it fails, as bench_must does; so does what follows. */
void tlp_rig_start(struct tlp_rig *rig);
/*
 * Maps memory that is never touched at `at`, `step` bytes at a time: neighbours do not join to
 * larger leaves.
 */
void tlp_rig_map(struct tlp_rig *rig, iova_t at, uint64_t len, uint64_t step);
/* As a door does it: a copy then need not ask the kernel first. */
void tlp_rig_guard(void);

#endif
