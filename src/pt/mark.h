/* SPDX-License-Identifier: MIT */
/*
 * The mark on a page that is dirty already, which a device that goes on writing pays each time:
 * inline, with no call and no store. dirty.h has the rules.
 */
#ifndef PT_MARK_H
#define PT_MARK_H

#include "pt/pt.h"
#include "pt/slab.h"

/* Goes on where the leaf is not marked in that map yet. */
void pt_dirty_mark_clean(const struct pt *pt, const struct pt_walk *walk, unsigned map);

/* struct pt begins with it. */
static inline const struct pt_store *pt_store_of(const struct pt *pt)
{
	return (const struct pt_store *)(const void *)pt;
}

static inline void pt_dirty_mark_in(const struct pt *pt, const struct pt_walk *walk, unsigned map)
{
	const struct pt_slab *slab = pt_slab_of(pt_store_of(pt), walk->leaf);
	uint64_t word =
		atomic_load_explicit(pt_slab_word(slab, map, walk->leaf), memory_order_relaxed);

	if (__builtin_expect(!(word >> pt_slab_shift(walk->leaf) & 1), 0))
		pt_dirty_mark_clean(pt, walk, map);
}

/*
 * Marks the leaf that a walk found, in a table that can track. Lock-free, under the walk's
 * in-flight mark.
 */
static inline void pt_dirty_mark(const struct pt *pt, const struct pt_walk *walk)
{
	pt_dirty_mark_in(pt, walk,
			 atomic_load_explicit(&pt_store_of(pt)->marked, memory_order_acquire));
}

#endif
