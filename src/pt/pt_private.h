/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share: the table in memory and the operations of a format.
 */
#ifndef PT_PT_PRIVATE_H
#define PT_PT_PRIVATE_H

#include <stdatomic.h>
#include "pt/pt.h"

#define PT_TABLE_LG2	 12 /* bytes of a table, and its alignment */
#define PT_INDEX_LG2	 9
#define PT_TABLE_ENTRIES (1u << PT_INDEX_LG2)

/* The functions of the format that a .c file compiles: FMT(present) is amdv1_present. */
#define FMT_CAT2(a, b) a##_##b
#define FMT_CAT(a, b)  FMT_CAT2(a, b)
#define FMT(name)      FMT_CAT(PT_FMT, name)

/*
 * One table: 4096 aligned bytes as the hardware sees them, and beside them what it does not.
 */
struct pt_table {
	_Atomic uint64_t entry[PT_TABLE_ENTRIES];
	uint32_t live;	       /* entries that are present */
	_Atomic bool dirty;    /* a leaf of it is dirty; false is exact only as dirty.h says */
	struct pt_table *next; /* in a list of spare or gathered tables */
};

/* One format, compiled from ops.h and walk.h. */
struct pt_ops {
	unsigned granule_lg2; /* the smallest page */
	/* Levels for this width, 0: the format has none. */
	unsigned (*levels)(unsigned aw);
	unsigned (*leaf_max_lg2)(unsigned level);
	int (*map)(struct pt *pt, iova_t iova, pa_t pa, uint64_t len, uint32_t prot);
	uint64_t (*unmap)(struct pt *pt, iova_t first, iova_t last, struct pt_gather *gather);
	int (*walk)(const struct pt *pt, iova_t iova, struct pt_walk *out);
	unsigned (*trace)(const struct pt *pt, iova_t iova, struct pt_step *steps, unsigned max);
	void (*dirty_mark)(const struct pt_walk *walk);
	bool (*dirty_read)(struct pt *pt, struct pt_dirty *read);
	int (*nearest)(const struct pt *pt, iova_t iova, struct ioas_range *out, uint32_t *prot);
};

extern const struct pt_ops pt_ops_amdv1;
extern const struct pt_ops pt_ops_amdv1_2k;

struct pt {
	const struct pt_ops *ops; /* constant */
	unsigned aw;		  /* constant */
	unsigned levels;	  /* constant: level of the root, the smallest pages are level 1 */
	unsigned max_leaf_lg2;	  /* constant */
	struct ioas_range aperture; /* constant */
	bool dirty_possible;	    /* constant */
	_Atomic bool dirty_tracked;
	struct pt_table *root; /* constant; its entries are what readers follow */
	uint64_t tables;       /* writers only */
	uint64_t leaves;       /* writers only */
	uint32_t ioas_id, hwpt_id;
};

/* The last address of the width. */
static inline iova_t pt_last(const struct pt *pt)
{
	return (1ull << pt->aw) - 1;
}

/* An empty table, or NULL. */
struct pt_table *pt_table_new(void);
/* Frees a list linked by `next`. */
void pt_table_free_list(struct pt_table *list);

#endif
