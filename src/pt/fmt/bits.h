/* SPDX-License-Identifier: MIT */
/*
 * Accessed and dirty as a bit each, set where the leaf was used or written through: what most
 * formats have. Included by a format's header, which has defined FMT_ACCESSED and FMT_DIRTY.
 */
#ifndef PT_FMT_BITS_H
#define PT_FMT_BITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Hardware that sets neither sees the same entry. */
static inline uint64_t FMT(without_tracking)(uint64_t entry)
{
	return entry;
}

static inline uint64_t FMT(set_accessed)(uint64_t entry)
{
	return entry | FMT_ACCESSED;
}

static inline bool FMT(is_dirty)(uint64_t entry)
{
	return entry & FMT_DIRTY;
}

static inline uint64_t FMT(set_dirty)(uint64_t entry)
{
	return entry | FMT_DIRTY;
}

static inline uint64_t FMT(clean)(uint64_t entry)
{
	return entry & ~FMT_DIRTY;
}

static inline void FMT(clear_dirty)(_Atomic uint64_t *entry)
{
	atomic_fetch_and_explicit(entry, ~FMT_DIRTY, memory_order_seq_cst);
}

#endif
