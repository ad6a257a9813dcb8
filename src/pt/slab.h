/* SPDX-License-Identifier: MIT */
/*
 * Where the tables of a page table are: in slabs, each a run of tables side by side and, apart from
 * them, what the hardware does not see of them.
 *
 * A table has to be aligned to its length, and whoever has an entry's address must get to the rest:
 * so a slab stands at a multiple of its own length, and begins with that rest. Only the first few
 * tables, the root among them, have their slab in struct pt: a small page table needs no other.
 *
 * Entries are numbered through a slab, and bit n of a dirty map is of entry n (dirty.h). The maps
 * of many slabs stand side by side in a block of their own: who reads them goes through few pages,
 * in a row. A block stays while a reading is on (pt_store_hold), though its slabs may go.
 *
 * Where there is more than a little, the tables that point to tables have slabs of their own: who
 * goes through them goes through few pages, and the others stand in rows without a gap.
 *
 * A table that is not used is all zeros, as is its part of the dirty maps: it was when it was new,
 * and who gives it back has cleared it.
 */
#ifndef PT_SLAB_H
#define PT_SLAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct pt;

#define PT_TABLE_MIN 512 /* no format's tables have fewer entries */

/* One table as the hardware sees it, aligned to its length, which is the format's. */
struct pt_table {
	_Atomic uint64_t entry[PT_TABLE_MIN];
};

/* What the hardware does not see of a table. */
struct pt_meta {
	struct pt_meta *next;	/* in a list of spare, gathered or free tables */
	struct pt_table *table; /* constant: the table it is of */
	_Atomic uint64_t *up;	/* the entry that points to it; NULL: the root. As that entry */
	uint32_t live;		/* entries that are present */
};

/* Dirty maps, a slot a slab: as long as one of its slabs, of which the second half is for map 1. */
#define PT_MAPS_SLOTS 32u
struct pt_maps {
	char *at;		  /* constant */
	uint32_t taken;		  /* bit n: slot n is a slab's. Writers only, as what follows */
	LIST_ENTRY(pt_maps) list; /* of those with free slots, or of idle ones */
};

/* Writers only, but for what is constant. */
struct pt_slab {
	uintptr_t first;	   /* constant: where the tables begin */
	_Atomic uint64_t *bits[2]; /* constant: the dirty maps; NULL: none */
	uintptr_t words[2];	   /* constant: where they would begin if the slab were at 0 */
	struct pt_maps *maps;	   /* constant: where they are; NULL: elsewhere */
	struct pt_meta *meta;	   /* constant: of each table */
	uint32_t nr;		   /* constant: tables it has room for */
	uint32_t fresh;		   /* from here on they were never used */
	uint32_t used;		   /* not free */
	struct pt_meta *free;	   /* used once, free now */
	bool listed;		   /* has a free table */
	bool upper;		   /* constant: for tables that point to tables */
	bool huge;		   /* the kernel was asked for one large page */
	LIST_ENTRY(pt_slab) list;  /* of those that have, or of those that have none */
};

LIST_HEAD(pt_slabs, pt_slab);
LIST_HEAD(pt_maps_list, pt_maps);

/* How a page table gets them. Writers only, but for what is constant. */
struct pt_store {
	unsigned table_lg2;	  /* constant: bytes of a table */
	uintptr_t mask;		  /* constant: from a table to its slab */
	uint64_t near_len;	  /* constant: bytes of tables in `near` */
	struct pt_slab near;	  /* the first of them */
	struct pt_slabs slabs[2]; /* with free tables, what was freed last first; [1]: upper ones */
	struct pt_slabs full;	  /* without */
	struct pt_slab *unused[2];     /* one without any used one is kept of each; NULL: none */
	struct pt_maps_list maps;      /* with free slots, and others */
	struct pt_maps_list idle_maps; /* without a taken slot: they go when the reading ends */
	bool held;		       /* a reading is on: no block of maps goes */
	uint64_t slab_nr;	       /* besides `near` */
	uint64_t len; /* bytes: `near`, and of slabs what was ever used, with what belongs to it */
	bool dirty;   /* constant: with dirty maps */
	_Atomic unsigned marked; /* the dirty map to mark in; dirty.h says who may change it */
};

/* Begins with a root of that many bytes, taken already. 0; -ENOMEM. */
int pt_store_init(struct pt_store *store, unsigned table_lg2, uint64_t root_len, bool dirty,
		  struct pt_table **root);
/* Frees everything, used or not. */
void pt_store_fini(struct pt_store *store);
/* A table that is empty, or NULL: no memory. upper: it is going to point to tables. */
struct pt_meta *pt_store_take(struct pt_store *store, bool upper);
/* Takes an empty one back. Nobody may be in flight through it. */
void pt_store_give(struct pt_store *store, struct pt_meta *meta);
/*
 * From here to pt_store_release the dirty maps of all tables stay readable, whatever is given back.
 * Writers only, as all above.
 */
void pt_store_hold(struct pt_store *store);
void pt_store_release(struct pt_store *store);
/* Of a table or an entry of one. */
static inline struct pt_slab *pt_slab_of(const struct pt_store *store, const void *at)
{
	if ((uintptr_t)at - store->near.first < store->near_len)
		return (struct pt_slab *)&store->near;
	return (struct pt_slab *)((uintptr_t)at & store->mask);
}

/* An entry's number in its slab. */
static inline size_t pt_slab_bit(const struct pt_slab *slab, const void *entry)
{
	return ((uintptr_t)entry - slab->first) / sizeof(uint64_t);
}

/* The word of a dirty map that has an entry's bit, and which bit it is. By the fewest instructions.
 */
static inline _Atomic uint64_t *pt_slab_word(const struct pt_slab *slab, unsigned map,
					     const void *entry)
{
	return (_Atomic uint64_t *)slab->words[map] + (uintptr_t)entry / sizeof(uint64_t) / 64;
}

static inline unsigned pt_slab_shift(const void *entry)
{
	return (uintptr_t)entry / sizeof(uint64_t) % 64;
}

#endif
