/* SPDX-License-Identifier: MIT */
/*
 * AMD's I/O page table (AMD I/O Virtualization Technology Specification, publication 48882,
 * 2.2.3): the encoding of one entry, nothing else.
 *
 * Of all formats it has the best choice of leaves: a leaf can be any power of two. NextLevel 0 is a
 * leaf of the level's own size; NextLevel 7 a larger one, whose size stands in the low address bits
 * (a run of ones above bit 12, ended by a zero: 8 KiB << length of the run) and whose entry is
 * repeated in every slot it covers. NextLevel 1..6 is a pointer to a table of that level, which may
 * be more than one level down.
 *
 * A .c file sets PT_FMT, the prefix of the functions, and PT_GRANULE_LG2, the smallest page. With
 * 12 it is AMD's format. With 11 all page sizes are halved; so that the output address keeps bit
 * 11, whose place NextLevel takes, the address field holds it shifted up by one, and ends at bit
 * 52. No hardware has that: it is for IOMMUs of tests, whose pages are smaller than the CPU's.
 *
 * No include guard on purpose: a file has one format.
 */
#include "pt/pt_private.h"

#define PT_INDEX_LG2	   9
#define PT_TABLE_LG2	   12
#define PT_PA_BITS	   52
#define PT_SIGNED_BITS	   0
#define PT_CONCAT	   0
#define PT_SKIPS	   1
#define PT_LEAF_HINT	   0
#define PT_TABLES_ACCESSED 0
#define PT_ACCESSED_FAULTS 0
#define PT_ROOT_SHORT	   0
#define PT_NOT_GLOBAL	   0

#define AMDV1_PR	 (1ull << 0)
#define AMDV1_A		 (1ull << 5)
#define AMDV1_D		 (1ull << 6)
#define AMDV1_NEXT_SHIFT 9
#define AMDV1_NEXT_MASK	 (7ull << AMDV1_NEXT_SHIFT)
#define AMDV1_NEXT_LEAF	 0
#define AMDV1_NEXT_SIZED 7
#define AMDV1_SHIFT	 (PT_TABLE_LG2 - PT_GRANULE_LG2)
#define AMDV1_PA_MASK	 (0x000fffffffffffffull & ~((1ull << PT_GRANULE_LG2) - 1))
#define AMDV1_ADDR_MASK	 (AMDV1_PA_MASK << AMDV1_SHIFT)
#define AMDV1_LEAF_RSVD	 (0x7full << 52 & ~AMDV1_ADDR_MASK)
#define AMDV1_TABLE_RSVD (0x1ffull << 52 & ~AMDV1_ADDR_MASK)
#define AMDV1_FC	 (1ull << 60)
#define AMDV1_IR	 (1ull << 61)
#define AMDV1_IW	 (1ull << 62)
#define AMDV1_RW_SHIFT	 61

/* More would begin at bit 63 of the address. */
#define AMDV1_LEVELS_MAX 5

static inline unsigned FMT(levels)(unsigned aw)
{
	unsigned levels = 1;

	while (PT_LEVEL_LG2(levels + 1) < aw)
		levels++;
	return levels <= AMDV1_LEVELS_MAX ? levels : 0;
}

/* Entries of the root, log2. */
static inline unsigned FMT(root_lg2)(unsigned aw)
{
	(void)aw;
	return PT_INDEX_LG2;
}

/* The device table entry's Mode, bits 11:9 (2.2.2.1). */
static inline uint64_t FMT(root_mode)(unsigned aw)
{
	return FMT(levels)(aw);
}

/* The address field ends at bit 51: a leaf of 2^52 could not say its size. */
static inline unsigned FMT(leaf_fit)(unsigned level, unsigned limit)
{
	unsigned most = PT_LEVEL_LG2(level) + PT_INDEX_LG2 - 1;

	if (most > 51)
		most = 51;
	if (limit > most)
		limit = most;
	return limit >= PT_LEVEL_LG2(level) ? limit : 0;
}

/* All entries of a leaf are alike. */
static inline uint64_t FMT(leaf_step)(unsigned level)
{
	(void)level;
	return 0;
}

static inline unsigned FMT(next)(uint64_t entry)
{
	return (entry & AMDV1_NEXT_MASK) >> AMDV1_NEXT_SHIFT;
}

static inline bool FMT(present)(uint64_t entry)
{
	return entry & AMDV1_PR;
}

static inline bool FMT(is_leaf)(uint64_t entry, unsigned level)
{
	unsigned next = FMT(next)(entry);

	(void)level;
	return next == AMDV1_NEXT_LEAF || next == AMDV1_NEXT_SIZED;
}

static inline unsigned FMT(leaf_lg2)(uint64_t entry, unsigned level)
{
	uint64_t ones;

	if (FMT(next)(entry) == AMDV1_NEXT_LEAF)
		return PT_LEVEL_LG2(level);
	ones = ~((entry & AMDV1_ADDR_MASK) >> PT_TABLE_LG2);
	return PT_GRANULE_LG2 + 1 + (unsigned)__builtin_ctzll(ones);
}

static inline pa_t FMT(leaf_pa)(uint64_t entry, unsigned lg2)
{
	return (entry & AMDV1_ADDR_MASK) >> AMDV1_SHIFT & ~((1ull << lg2) - 1);
}

/* IR and IW stand as read and write do. */
static inline uint32_t FMT(prot)(uint64_t entry, unsigned level)
{
	(void)level;
	return (uint32_t)(entry >> AMDV1_RW_SHIFT & 3) | (entry & AMDV1_FC ? PT_PROT_COHERENT : 0);
}

static inline uint32_t FMT(prot_below)(uint64_t all, uint64_t any, uint32_t prot)
{
	(void)any;
	return prot & ((uint32_t)(all >> AMDV1_RW_SHIFT) | ~(uint32_t)PT_PROT_RW);
}

static inline uint32_t FMT(prot_fit)(uint32_t prot)
{
	return prot & (PT_PROT_RW | PT_PROT_COHERENT);
}

static inline bool FMT(reserved)(uint64_t entry, unsigned level)
{
	return entry & (FMT(is_leaf)(entry, level) ? AMDV1_LEAF_RSVD : AMDV1_TABLE_RSVD);
}

#define FMT_ACCESSED AMDV1_A
#define FMT_DIRTY    AMDV1_D
#include "pt/fmt/bits.h"

static inline unsigned FMT(table_level)(uint64_t entry, unsigned level)
{
	(void)level;
	return FMT(next)(entry);
}

static inline pa_t FMT(table_pa)(uint64_t entry)
{
	return entry & AMDV1_ADDR_MASK;
}

static inline uint64_t FMT(make_leaf)(unsigned level, unsigned lg2, pa_t pa, uint32_t prot)
{
	uint64_t entry = pa << AMDV1_SHIFT | AMDV1_PR;

	if (lg2 > PT_LEVEL_LG2(level)) {
		entry |= (uint64_t)AMDV1_NEXT_SIZED << AMDV1_NEXT_SHIFT;
		entry |= (((1ull << (lg2 - 1)) - 1) & AMDV1_PA_MASK) << AMDV1_SHIFT;
	}
	if (prot & PT_PROT_COHERENT)
		entry |= AMDV1_FC;
	return entry | (uint64_t)(prot & PT_PROT_RW) << AMDV1_RW_SHIFT;
}

static inline uint64_t FMT(make_table)(pa_t table, unsigned table_level)
{
	return table | (uint64_t)table_level << AMDV1_NEXT_SHIFT | AMDV1_PR | AMDV1_IR | AMDV1_IW;
}
