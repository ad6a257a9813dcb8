/* SPDX-License-Identifier: MIT */
/*
 * Accessed and dirty as a bit each, set where the leaf was used or written through: what most
 * formats have. Included by a format's header, which has defined FMT_ACCESSED and FMT_DIRTY.
 */
#ifndef PT_FMT_BITS_H
#define PT_FMT_BITS_H

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

static inline uint64_t FMT(set_dirty)(uint64_t entry)
{
	return entry | FMT_DIRTY;
}

#endif
