/* SPDX-License-Identifier: MIT */
/*
 * AMD's I/O page table (AMD I/O Virtualization Technology Specification, publication 48882,
 * 2.2.3): the encoding of one entry, nothing else.
 *
 * Of all formats it has the best choice of leaves: a leaf can be any power of two. NextLevel 0 is a
 * leaf of the level's own size; NextLevel 7 a larger one, whose size stands in the low address bits
 * (a run of ones above bit 12, ended by a zero: 8 KiB << length of the run) and whose entry is
 * repeated in every slot it covers.
 *
 * A .c file sets PT_FMT, the prefix of the functions, and PT_GRANULE_LG2, the smallest page. With
 * 12 it is AMD's format. With 11 all page sizes are halved; so that the output address keeps bit
 * 11, whose place NextLevel takes, the address field holds it shifted up by one, and ends at bit
 * 52. No hardware has that: it is for IOMMUs of tests, whose pages are smaller than the CPU's.
 *
 * No include guard on purpose: a file has one format.
 */
#include "pt/pt_private.h"

#define AMDV1_PR	 (1ull << 0)
#define AMDV1_D		 (1ull << 6)
#define AMDV1_NEXT_SHIFT 9
#define AMDV1_NEXT_MASK	 (7ull << AMDV1_NEXT_SHIFT)
#define AMDV1_NEXT_LEAF	 0
#define AMDV1_NEXT_SIZED 7
#define AMDV1_SHIFT	 (PT_TABLE_LG2 - PT_GRANULE_LG2)
#define AMDV1_PA_MASK	 (0x000fffffffffffffull & ~((1ull << PT_GRANULE_LG2) - 1))
#define AMDV1_ADDR_MASK	 (AMDV1_PA_MASK << AMDV1_SHIFT)
#define AMDV1_IR	 (1ull << 61)
#define AMDV1_IW	 (1ull << 62)

/* More would begin at bit 63 of the address. */
#define AMDV1_LEVELS_MAX 5

static inline unsigned FMT(level_lg2)(unsigned level)
{
	return PT_GRANULE_LG2 + PT_INDEX_LG2 * (level - 1);
}

static inline unsigned FMT(levels)(unsigned aw)
{
	unsigned levels = 1;

	while (FMT(level_lg2)(levels + 1) < aw)
		levels++;
	return levels <= AMDV1_LEVELS_MAX ? levels : 0;
}

static inline unsigned FMT(leaf_max_lg2)(unsigned level)
{
	/* The address field ends at bit 51: a leaf of 2^52 could not say its size. */
	unsigned lg2 = FMT(level_lg2)(level) + PT_INDEX_LG2 - 1;

	return lg2 < 51 ? lg2 : 51;
}

static inline unsigned FMT(next)(uint64_t entry)
{
	return (entry & AMDV1_NEXT_MASK) >> AMDV1_NEXT_SHIFT;
}

static inline bool FMT(present)(uint64_t entry)
{
	return entry & AMDV1_PR;
}

static inline bool FMT(is_leaf)(uint64_t entry)
{
	unsigned next = FMT(next)(entry);

	return next == AMDV1_NEXT_LEAF || next == AMDV1_NEXT_SIZED;
}

static inline unsigned FMT(leaf_lg2)(uint64_t entry, unsigned level)
{
	uint64_t ones;

	if (FMT(next)(entry) == AMDV1_NEXT_LEAF)
		return FMT(level_lg2)(level);
	ones = ~((entry & AMDV1_ADDR_MASK) >> PT_TABLE_LG2);
	return PT_GRANULE_LG2 + 1 + (unsigned)__builtin_ctzll(ones);
}

static inline pa_t FMT(leaf_pa)(uint64_t entry, unsigned lg2)
{
	return (entry & AMDV1_ADDR_MASK) >> AMDV1_SHIFT & ~((1ull << lg2) - 1);
}

static inline uint32_t FMT(prot)(uint64_t entry)
{
	return (entry & AMDV1_IR ? IOAS_PROT_READ : 0) | (entry & AMDV1_IW ? IOAS_PROT_WRITE : 0);
}

static inline uint64_t FMT(dirty_bit)(void)
{
	return AMDV1_D;
}

static inline unsigned FMT(table_level)(uint64_t entry)
{
	return FMT(next)(entry);
}

static inline struct pt_table *FMT(table)(uint64_t entry)
{
	return (struct pt_table *)(uintptr_t)(entry & AMDV1_ADDR_MASK);
}

static inline uint64_t FMT(make_leaf)(unsigned level, unsigned lg2, pa_t pa, uint32_t prot)
{
	uint64_t entry = pa << AMDV1_SHIFT | AMDV1_PR;

	if (lg2 > FMT(level_lg2)(level)) {
		entry |= (uint64_t)AMDV1_NEXT_SIZED << AMDV1_NEXT_SHIFT;
		entry |= (((1ull << (lg2 - 1)) - 1) & AMDV1_PA_MASK) << AMDV1_SHIFT;
	}
	if (prot & IOAS_PROT_READ)
		entry |= AMDV1_IR;
	if (prot & IOAS_PROT_WRITE)
		entry |= AMDV1_IW;
	return entry;
}

static inline uint64_t FMT(make_table)(const struct pt_table *table, unsigned table_level)
{
	return (uintptr_t)table | (uint64_t)table_level << AMDV1_NEXT_SHIFT | AMDV1_PR | AMDV1_IR |
	       AMDV1_IW;
}
