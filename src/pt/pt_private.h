/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share: the table in memory and the operations of a format.
 */
#ifndef PT_PT_PRIVATE_H
#define PT_PT_PRIVATE_H

#include <stdatomic.h>
#include "pt/foreign.h"
#include "pt/pt.h"
#include "pt/slab.h"
#include "pt/way.h"

/* The functions of the format that a .c file compiles: FMT(present) is amdv1_present. */
#define FMT_CAT2(a, b) a##_##b
#define FMT_CAT(a, b)  FMT_CAT2(a, b)
#define FMT(name)      FMT_CAT(PT_FMT, name)

/* Of that format: entries and bytes of a table, log2 of what one entry of a level covers. */
#define PT_TABLE_ENTRIES    (1u << PT_INDEX_LG2)
#define PT_TABLE_LEN	    (8u << PT_INDEX_LG2)
#define PT_LEVEL_LG2(level) (PT_GRANULE_LG2 + PT_INDEX_LG2 * ((level)-1))

/* To the format: the table can track writes. It is no permission, and pt_map's callers need not. */
#define PT_PROT_TRACK (1u << 31)

/* How many addresses the operation prefetch takes. */
#define PT_PREFETCH_NR 32u

#define PT_PROT_RW (IOAS_PROT_READ | IOAS_PROT_WRITE)

/* What may be asked of an entry by itself. */
enum foreign_question { FOREIGN_PRESENT, FOREIGN_LEAF, FOREIGN_GLOBAL };

/*
 * A leaf of one page in a table of level 1, for who does not ask its format: page numbers have
 * their bits in one piece, and nothing else depends on the address (way.h). Constant.
 */
struct pt_page {
	uint64_t len;	  /* bytes of the page */
	uint64_t leaf[4]; /* that of output address 0, by IOAS_PROT_READ and _WRITE */
	uint64_t sized;	  /* bits that a leaf has which is larger */
	pa_t pa_end;	  /* from here on addresses may have bits elsewhere, or there are none */
	uint8_t lg2;	  /* of len */
	uint8_t turn;	  /* an address rotated right by so many bits stands where a leaf has it */
};

/* One format, compiled from ops.h, walk.h, dirty.h and foreign.h. */
struct pt_ops {
	const char *name;
	unsigned granule_lg2; /* the smallest page */
	unsigned index_lg2;   /* of the entries of a table */
	unsigned pa_bits;     /* output addresses */
	unsigned signed_bits; /* inputs are sign-extended from that many bits; 0: they are not */
	bool root_short;      /* a foreign root has no more entries than its width needs */
	/* Levels for this width, 0: the format has none; and log2 of the root's entries. */
	unsigned (*levels)(unsigned aw);
	unsigned (*root_lg2)(unsigned aw);
	/* The largest leaf of a level not above `limit`, log2; 0: none. */
	unsigned (*leaf_fit)(unsigned level, unsigned limit);
	uint64_t (*root_mode)(unsigned aw);
	uint32_t (*prot_fit)(uint32_t prot);
	int (*map)(struct pt *pt, iova_t iova, pa_t pa, uint64_t len, uint32_t prot);
	uint64_t (*unmap)(struct pt *pt, iova_t first, iova_t last, struct pt_gather *gather);
	uint64_t (*leaves)(const struct pt *pt);
	void (*page)(uint32_t prot_all, struct pt_page *out);
	int (*walk)(const struct pt *pt, iova_t iova, struct pt_walk *out);
	struct pt_shape (*shape)(void);
	int (*walk_way)(const struct pt *pt, iova_t iova, struct pt_walk *out, struct pt_way *way);
	void (*prefetch)(const struct pt *pt, const iova_t *iova, unsigned nr);
	unsigned (*trace)(const struct pt *pt, iova_t iova, struct pt_step *steps, unsigned max);
	/* Of the map that nobody marks in; and of both, what leads nowhere. */
	bool (*dirty_read)(struct pt *pt, struct pt_dirty *read);
	void (*dirty_forget)(struct pt *pt, iova_t first, iova_t last);
	int (*nearest)(const struct pt *pt, iova_t iova, struct ioas_range *out, uint32_t *prot);
	int (*foreign)(const struct pt_foreign *table, iova_t iova, uint32_t access,
		       struct pt_foreign_walk *out);
	bool (*foreign_is)(enum foreign_question question, unsigned level, uint64_t entry);
	bool (*foreign_changed)(bool update, unsigned level, uint64_t old, uint64_t now);
};

extern const struct pt_ops pt_ops_amdv1;
extern const struct pt_ops pt_ops_vtd_ss;
extern const struct pt_ops pt_ops_x86_64;
extern const struct pt_ops pt_ops_x86_64_5l;
extern const struct pt_ops pt_ops_arm_lpae_s1_4k;
extern const struct pt_ops pt_ops_arm_lpae_s1_16k;
extern const struct pt_ops pt_ops_arm_lpae_s1_64k;
extern const struct pt_ops pt_ops_arm_lpae_s2_4k;
extern const struct pt_ops pt_ops_arm_lpae_s2_16k;
extern const struct pt_ops pt_ops_arm_lpae_s2_64k;
extern const struct pt_ops pt_ops_riscv_sv39;
extern const struct pt_ops pt_ops_riscv_sv48;
extern const struct pt_ops pt_ops_riscv_sv57;
extern const struct pt_ops pt_ops_riscv_sv39x4;
extern const struct pt_ops pt_ops_riscv_sv48x4;
extern const struct pt_ops pt_ops_riscv_sv57x4;
extern const struct pt_ops pt_ops_amdv1_2k;

struct pt {
	struct pt_store store;	  /* first: mark.h finds it there */
	const struct pt_ops *ops; /* constant */
	unsigned aw;		  /* constant */
	unsigned levels;	  /* constant: level of the root, the smallest pages are level 1 */
	unsigned max_leaf_lg2;	  /* constant */
	uint32_t prot_all;	  /* constant: in every leaf's prot */
	uint32_t root_entries;	  /* constant */
	iova_t last;		  /* constant: the last address of the width */
	uint64_t page_sizes;	  /* constant */
	struct ioas_range aperture; /* constant */
	bool dirty_possible;	    /* constant */
	_Atomic bool dirty_tracked;
	_Atomic unsigned dirty_busy[2]; /* who marks in it without being in flight */
	struct pt_table *root;		/* constant; its entries are what readers follow */
	struct pt_page page;		/* constant */
	/* Writers only, as what follows: the level 1 table used last. */
	struct {
		iova_t first; /* where it begins */
		uint64_t len; /* bytes of IOVA; 0: there is none */
		struct pt_table *table;
		struct pt_meta *meta;
	} recent;
	uint64_t tables;	/* how many there are */
	struct pt_meta *gone;	/* tables taken out, not freed yet */
	iova_t gone_first;	/* what was unmapped since lies from here */
	iova_t gone_last;	/* to here; below gone_first: nothing was */
	struct pt *next_gather; /* in a gather list */
	bool in_gather;
	uint32_t ioas_id;
	struct pt_target target; /* constant: itself */
};

/* The operations of a format; NULL: there is none of that number. */
const struct pt_ops *pt_ops_of(enum pt_format format);

/* Gives a list linked by `next` back. */
void pt_free_tables(struct pt *pt, struct pt_meta *list);
/* pt_gather_free is to look at pt. */
void pt_gather_add(struct pt_gather *gather, struct pt *pt);

#endif
