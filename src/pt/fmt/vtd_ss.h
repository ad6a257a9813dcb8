/* SPDX-License-Identifier: MIT */
/*
 * Intel VT-d's second stage (Intel Virtualization Technology for Directed I/O, Architecture
 * Specification, D51397: 3.7 second-stage translation, 9.8 its paging entries): the encoding of one
 * entry.
 *
 *   level  specification     an entry covers
 *     1    SS-PTE            4 KiB
 *     2    SS-PDE            2 MiB     leaf if PS
 *     3    SS-PDPE           1 GiB     leaf if PS
 *     4    SS-PML4E          512 GiB
 *     5    SS-PML5E          256 TiB
 *
 * An entry is present if it allows something: R (bit 0) and W (bit 1). Each level can take away.
 * Accessed and dirty (bits 8 and 9) are written only where the PASID entry's SSADE is set. SNP (bit
 * 11, leaves only) makes no-snoop requests snoop. EMT and IPAT (5:2, 6 of leaves) concern
 * processors and are ignored, as is X (bit 2), which no IOMMU without ERS looks at.
 *
 * No include guard on purpose: a file has one format.
 */
#include "pt/pt_private.h"

#define PT_GRANULE_LG2	   12
#define PT_INDEX_LG2	   9
#define PT_PA_BITS	   52
#define PT_SIGNED_BITS	   0
#define PT_CONCAT	   0
#define PT_SKIPS	   0
#define PT_LEAF_HINT	   0
#define PT_TABLES_ACCESSED 1
#define PT_ACCESSED_FAULTS 0
#define PT_ROOT_SHORT	   0
#define PT_NOT_GLOBAL	   0

#define VTDSS_RW	(3ull << 0)
#define VTDSS_PS	(1ull << 7)
#define VTDSS_A		(1ull << 8)
#define VTDSS_D		(1ull << 9)
#define VTDSS_SNP	(1ull << 11)
#define VTDSS_ADDR_MASK 0x000ffffffffff000ull

/* AGAWs: 39, 48 and 57 bits, three to five levels. */
static inline unsigned FMT(levels)(unsigned aw)
{
	return aw <= 39 ? 3 : aw <= 48 ? 4 : aw <= 57 ? 5 : 0;
}

/* Entries of the root, log2. */
static inline unsigned FMT(root_lg2)(unsigned aw)
{
	(void)aw;
	return PT_INDEX_LG2;
}

/* AW of a context or PASID table entry: 1, 2, 3 for three to five levels (9.3, 9.6). */
static inline uint64_t FMT(root_mode)(unsigned aw)
{
	return FMT(levels)(aw) - 2;
}

static inline unsigned FMT(leaf_fit)(unsigned level, unsigned limit)
{
	return level <= 3 && limit >= PT_LEVEL_LG2(level) ? PT_LEVEL_LG2(level) : 0;
}

static inline uint64_t FMT(leaf_step)(unsigned level)
{
	(void)level;
	return 0;
}

static inline bool FMT(present)(uint64_t entry)
{
	return entry & VTDSS_RW;
}

static inline bool FMT(is_leaf)(uint64_t entry, unsigned level)
{
	return level == 1 || (level <= 3 && entry & VTDSS_PS);
}

static inline unsigned FMT(leaf_lg2)(uint64_t entry, unsigned level)
{
	(void)entry;
	return PT_LEVEL_LG2(level);
}

static inline pa_t FMT(leaf_pa)(uint64_t entry, unsigned lg2)
{
	return entry & VTDSS_ADDR_MASK & ~((1ull << lg2) - 1);
}

static inline uint32_t FMT(prot)(uint64_t entry, unsigned level)
{
	(void)level;
	return (uint32_t)(entry & VTDSS_RW) | (entry & VTDSS_SNP ? PT_PROT_COHERENT : 0);
}

static inline uint32_t FMT(prot_below)(uint64_t all, uint64_t any, uint32_t prot)
{
	(void)any;
	return prot & ((uint32_t)all | ~(uint32_t)PT_PROT_RW);
}

static inline uint32_t FMT(prot_fit)(uint32_t prot)
{
	return prot & (PT_PROT_RW | PT_PROT_COHERENT);
}

/* PS of levels 4 and 5, and a large page's low address bits. */
static inline bool FMT(reserved)(uint64_t entry, unsigned level)
{
	if (level > 3)
		return entry & VTDSS_PS;
	return level > 1 && entry & VTDSS_PS &&
	       entry & VTDSS_ADDR_MASK & ((1ull << PT_LEVEL_LG2(level)) - 1);
}

#define FMT_ACCESSED VTDSS_A
#define FMT_DIRTY    VTDSS_D
#include "pt/fmt/bits.h"

static inline unsigned FMT(table_level)(uint64_t entry, unsigned level)
{
	(void)entry;
	return level - 1;
}

static inline pa_t FMT(table_pa)(uint64_t entry)
{
	return entry & VTDSS_ADDR_MASK;
}

static inline uint64_t FMT(make_leaf)(unsigned level, unsigned lg2, pa_t pa, uint32_t prot)
{
	uint64_t entry = pa | (prot & PT_PROT_RW);

	(void)lg2;
	if (level > 1)
		entry |= VTDSS_PS;
	return prot & PT_PROT_COHERENT ? entry | VTDSS_SNP : entry;
}

static inline uint64_t FMT(make_table)(pa_t table, unsigned table_level)
{
	(void)table_level;
	return table | VTDSS_RW;
}
