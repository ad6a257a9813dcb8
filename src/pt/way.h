/* SPDX-License-Identifier: MIT */
/*
 * The last two entries of a walk, for who remembers the others: a paging-structure cache.
 *
 * Entries that a table of ours holds differ in few ways. In a table of level 2 nearly all that lead
 * on are alike but for the address of the table; in one of level 1 nearly all are leaves of one
 * page that are alike but for the output address. A *way* has one of each that a walk has found.
 * Then whether another entry is like that, and which address it has, is one subtraction: the
 * difference, seen without the bits below an address, is a number of pages; and any other bit that
 * differs makes it larger than all of these. So no format need be known, and nothing of an entry is
 * taken for granted: it is read anew each time, and one of another kind is left to pt_walk.
 *
 * A way is good as long as its tables are where they are, that is, while nothing has been
 * unpublished since (a generation: tlp/inflight.h).
 */
#ifndef PT_WAY_H
#define PT_WAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <ioas/types.h>

struct pt;
struct pt_walk;

/* What is the same in all tables of a page table. Constant. */
struct pt_shape {
	uint8_t page_lg2;     /* the smallest page */
	uint8_t index_lg2;    /* entries of a table */
	uint8_t leaf_lg2;     /* in a leaf: the bit where page numbers begin */
	uint8_t pointer_lg2;  /* in an entry that leads on: where those of 4 KiB begin */
	uint8_t page_nr_bits; /* of the page numbers that follow there; further bits of an output
			       * address have no influence on them */
};

/* By far most tables have this one (but for page_nr_bits), and constants are quicker. */
static inline struct pt_shape pt_shape_plain(void)
{
	struct pt_shape plain = {0};

	plain.page_lg2 = 12;
	plain.index_lg2 = 9;
	plain.leaf_lg2 = 12;
	plain.pointer_lg2 = 12;
	return plain;
}

struct pt_way {
	/* Entries of level 2 for the 2^pt_way_lg2 addresses around; NULL: there is no such way. */
	const _Atomic uint64_t *table;
	uint64_t pointer; /* one of these, less the address of its table */
	uint64_t leaf;	  /* the leaf found */
	pa_t pa;	  /* its output address */
};

/* No process has tables above. */
#define PT_WAY_TABLE_BITS 48

/* That of a page table. */
struct pt_shape pt_shape(const struct pt *pt);

/* pt_walk, and the way to other leaves near by that allow the same. */
int pt_walk_way(const struct pt *pt, iova_t iova, struct pt_walk *out, struct pt_way *way);

/* So many addresses, log2, share a way. */
static inline unsigned pt_way_lg2(struct pt_shape shape)
{
	return shape.page_lg2 + 2u * shape.index_lg2;
}

static inline uint64_t pt_rotate(uint64_t value, unsigned bits)
{
	return value >> bits | value << (-bits & 63);
}

/* The entry of level 1 for an address near by; NULL: that of level 2 leads elsewhere. */
static inline const _Atomic uint64_t *pt_way_leaf(const _Atomic uint64_t *table, uint64_t pointer,
						  struct pt_shape shape, iova_t iova)
{
	uint64_t mask = (1ull << shape.index_lg2) - 1;
	uint64_t entry = atomic_load_explicit(
		&table[iova >> (shape.page_lg2 + shape.index_lg2) & mask], memory_order_acquire);
	uint64_t nr = pt_rotate(entry - pointer, shape.pointer_lg2);

	if (__builtin_expect(nr >> (PT_WAY_TABLE_BITS - 12) != 0, 0))
		return NULL;
	return (const _Atomic uint64_t *)(uintptr_t)(nr << 12) + (iova >> shape.page_lg2 & mask);
}

/*
 * How many pages an entry of level 1 is above one that is a leaf; larger than any page number: it
 * is none like that, or lies below.
 */
static inline uint64_t pt_way_pages(uint64_t entry, uint64_t leaf, struct pt_shape shape)
{
	return pt_rotate(entry - leaf, shape.leaf_lg2);
}

/* The output address of an entry of level 1, if it is a leaf like that of `pa`. */
static inline bool pt_way_pa(uint64_t entry, uint64_t leaf, struct pt_shape shape, pa_t *pa)
{
	uint64_t first = *pa >> shape.page_lg2 & ((1ull << shape.page_nr_bits) - 1);
	int64_t more = (int64_t)(entry - leaf);
	uint64_t nr = first + (uint64_t)(more >> shape.leaf_lg2);

	if (more & (int64_t)((1ull << shape.leaf_lg2) - 1) || nr >> shape.page_nr_bits)
		return false;
	*pa += (nr - first) << shape.page_lg2;
	return true;
}

#endif
