/* SPDX-License-Identifier: MIT */
/*
 * Taking translations back from devices (ATS), for those who change page tables. The rest: ats.h.
 */
#ifndef TLP_ATS_TAKE_H
#define TLP_ATS_TAKE_H

#include <pthread.h>
#include <stdatomic.h>
#include <ioas/ats.h>
#include "util/tree.h"

struct pt;
struct pt_target;

/* Who holds translations of which page table, of all devices of an instance. */
struct ats_tables {
	pthread_mutex_t lock;
	_Atomic uint64_t nr; /* written with the lock: tables that somebody holds something of */
	uint64_t next_id;    /* (lock) */
	struct tree tree;    /* (lock) struct ats_table by address of the page table */
};

/* Those of a page table of a space's; what leads on through it (a nested one) among them. */
struct ats_table {
	struct tree_node node;
	const struct pt *pt; /* constant */
	struct tree uses;    /* struct ats_use, by id */
};

void ats_tables_init(struct ats_tables *tables);
void ats_tables_fini(struct ats_tables *tables);

/*
 * Takes back what was handed out by way of `pt` at first..last (`writes`: only what allows
 * writing), by all devices; of what comes by a page table of the program's on top of it, all. After
 * inflight_wait; on return no translated request uses it, but spans may be lent. Costs one load
 * where nobody holds anything.
 */
void ats_take_back(struct ioas_iommu *iommu, const struct pt *pt, iova_t first, iova_t last,
		   bool writes, enum ioas_ats_cause cause);

#endif
