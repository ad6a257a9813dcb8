/* SPDX-License-Identifier: MIT */
/*
 * The processor's own paging, as IOMMUs take it too: VT-d's first stage (Intel D51397: 3.6, 9.7)
 * and AMD's v2 or guest tables (48882: 2.2.6), after Intel's SDM volume 3, 4.5 (4-level and 5-level
 * paging) and AMD's APM volume 2, 5.3 and 5.4. The encoding of one entry.
 *
 *   level  specification     an entry covers
 *     1    PTE               4 KiB
 *     2    PDE               2 MiB     leaf if PS
 *     3    PDPTE             1 GiB     leaf if PS
 *     4    PML4E             512 GiB
 *     5    PML5E             256 TiB   only with five levels
 *
 * Addresses are sign-extended; tables of ours serve the lower half. Reading is what P allows, so
 * there is no leaf for writes alone. US: requests without privilege, too; XD: no fetches; each
 * level can take away. A leaf of ours is made accessed, so that only writes write to it.
 *
 * A .c file sets PT_FMT, PT_NAME and X86_LEVELS, 4 or 5. No include guard on purpose: a file has
 * one format.
 */
#include "pt/pt_private.h"

#define PT_GRANULE_LG2	   12
#define PT_INDEX_LG2	   9
#define PT_PA_BITS	   52
#define PT_SIGNED_BITS	   (12 + 9 * X86_LEVELS)
#define PT_CONCAT	   0
#define PT_SKIPS	   0
#define PT_LEAF_HINT	   0
#define PT_TABLES_ACCESSED 1
#define PT_ACCESSED_FAULTS 0
#define PT_ROOT_SHORT	   0
#define PT_NOT_GLOBAL	   0

#define X86_P	      (1ull << 0)
#define X86_RW	      (1ull << 1)
#define X86_US	      (1ull << 2)
#define X86_A	      (1ull << 5)
#define X86_D	      (1ull << 6)
#define X86_PS	      (1ull << 7)
#define X86_PAT_LARGE (1ull << 12)
#define X86_XD	      (1ull << 63)
#define X86_ADDR_MASK 0x000ffffffffff000ull

static inline unsigned FMT(levels)(unsigned aw)
{
	return aw <= PT_SIGNED_BITS ? X86_LEVELS : 0;
}

/* Entries of the root, log2. */
static inline unsigned FMT(root_lg2)(unsigned aw)
{
	(void)aw;
	return PT_INDEX_LG2;
}

/* VT-d's FLPM and AMD's guest paging mode alike: 0 four levels, 1 five (9.6; 2.2.2.1). */
static inline uint64_t FMT(root_mode)(unsigned aw)
{
	(void)aw;
	return X86_LEVELS - 4;
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
	return entry & X86_P;
}

static inline bool FMT(is_leaf)(uint64_t entry, unsigned level)
{
	return level == 1 || (level <= 3 && entry & X86_PS);
}

static inline unsigned FMT(leaf_lg2)(uint64_t entry, unsigned level)
{
	(void)entry;
	return PT_LEVEL_LG2(level);
}

static inline pa_t FMT(leaf_pa)(uint64_t entry, unsigned lg2)
{
	return entry & X86_ADDR_MASK & ~((1ull << lg2) - 1);
}

static inline uint32_t FMT(prot)(uint64_t entry, unsigned level)
{
	uint32_t prot = IOAS_PROT_READ | (uint32_t)(entry & X86_RW);

	(void)level;
	if (!(entry & X86_US))
		prot |= PT_PROT_PRIV | PT_PROT_NO_EXEC;
	return entry & X86_XD ? prot | PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV : prot;
}

static inline uint32_t FMT(prot_below)(uint64_t all, uint64_t any, uint32_t prot)
{
	prot &= (uint32_t)all | ~(uint32_t)X86_RW;
	if (!(all & X86_US))
		prot |= PT_PROT_PRIV | PT_PROT_NO_EXEC;
	return any & X86_XD ? prot | PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV : prot;
}

/* One bit for all fetches; and what is privileged is so for fetches, too. */
static inline uint32_t FMT(prot_fit)(uint32_t prot)
{
	uint32_t fit = IOAS_PROT_READ | (prot & (IOAS_PROT_WRITE | PT_PROT_PRIV));

	if (prot & (PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV))
		fit |= PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV;
	return prot & PT_PROT_PRIV ? fit | PT_PROT_NO_EXEC : fit;
}

/* PS of levels 4 and 5, and a large page's low address bits but for PAT. */
static inline bool FMT(reserved)(uint64_t entry, unsigned level)
{
	if (level > 3)
		return entry & X86_PS;
	return level > 1 && entry & X86_PS &&
	       entry & X86_ADDR_MASK & ~X86_PAT_LARGE & ((1ull << PT_LEVEL_LG2(level)) - 1);
}

#define FMT_ACCESSED X86_A
#define FMT_DIRTY    X86_D
#include "pt/fmt/bits.h"

static inline unsigned FMT(table_level)(uint64_t entry, unsigned level)
{
	(void)entry;
	return level - 1;
}

static inline pa_t FMT(table_pa)(uint64_t entry)
{
	return entry & X86_ADDR_MASK;
}

static inline uint64_t FMT(make_leaf)(unsigned level, unsigned lg2, pa_t pa, uint32_t prot)
{
	uint64_t entry = pa | X86_P | X86_A | (prot & IOAS_PROT_WRITE ? X86_RW : 0);

	(void)lg2;
	if (!(prot & PT_PROT_PRIV))
		entry |= X86_US;
	if (prot & (PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV))
		entry |= X86_XD;
	return level > 1 ? entry | X86_PS : entry;
}

static inline uint64_t FMT(make_table)(pa_t table, unsigned table_level)
{
	(void)table_level;
	return table | X86_P | X86_RW | X86_US | X86_A;
}
