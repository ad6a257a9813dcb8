/* SPDX-License-Identifier: MIT */
/*
 * RISC-V's page tables, which its IOMMU shares with its harts (The RISC-V Instruction Set Manual
 * volume II, Privileged Architecture: "Supervisor", Sv39, Sv48, Sv57 and Svnapot; "Hypervisor",
 * two-stage translation, Sv39x4 and its like; RISC-V IOMMU Architecture Specification 1.0, 2.3
 * for which table a request takes). The encoding of one entry.
 *
 *   level  specification     an entry covers
 *     1    level 0           4 KiB, or 64 KiB with N
 *     2    level 1           2 MiB
 *     3    level 2           1 GiB
 *     4    level 3           512 GiB   Sv48 and Sv57
 *     5    level 4           256 TiB   Sv57
 *
 * An entry with R, W and X clear points to a table, else it is a leaf, of any level. W without R is
 * reserved, so there is no leaf for writes alone. N says that sixteen entries, all alike, are one
 * leaf of 64 KiB, whose lowest address bits hold 1000.
 *
 * The first stage sign-extends its addresses (tables of ours serve the lower half); U gives a page
 * to requests without privilege, who alone may fetch from it. The second stage (x4) has a root of
 * four tables, two address bits more, no sign, and every leaf must have U.
 *
 * Where nobody writes accessed and dirty bits (no SADE or GADE) a leaf that has them clear faults.
 * A leaf of ours is made accessed, and dirty if it may be written and the table tracks no writes.
 *
 * A .c file sets PT_FMT, PT_NAME, RISCV_LEVELS and RISCV_X4 (1: a second stage). No include guard
 * on purpose: a file has one format.
 */
#include "pt/pt_private.h"

#define PT_GRANULE_LG2	   12
#define PT_INDEX_LG2	   9
#define PT_PA_BITS	   56
#define PT_SIGNED_BITS	   (RISCV_X4 ? 0 : 12 + 9 * RISCV_LEVELS)
#define PT_CONCAT	   RISCV_X4
#define PT_SKIPS	   0
#define PT_LEAF_HINT	   0
#define PT_TABLES_ACCESSED 0
#define PT_ACCESSED_FAULTS 1
#define PT_ROOT_SHORT	   0
#define PT_NOT_GLOBAL	   0

#define RISCV_V		 (1ull << 0)
#define RISCV_R		 (1ull << 1)
#define RISCV_W		 (1ull << 2)
#define RISCV_X		 (1ull << 3)
#define RISCV_U		 (1ull << 4)
#define RISCV_A		 (1ull << 6)
#define RISCV_D		 (1ull << 7)
#define RISCV_PPN_SHIFT	 10
#define RISCV_PPN_MASK	 (((1ull << 44) - 1) << RISCV_PPN_SHIFT)
#define RISCV_RSVD	 (0x7full << 54)
#define RISCV_PBMT_SHIFT 61
#define RISCV_PBMT_MASK	 (3ull << RISCV_PBMT_SHIFT)
#define RISCV_N		 (1ull << 63)
#define RISCV_NAPOT_LG2	 16
#define RISCV_NAPOT	 (8ull << RISCV_PPN_SHIFT)
#define RISCV_NAPOT_MASK (15ull << RISCV_PPN_SHIFT)

static inline unsigned FMT(levels)(unsigned aw)
{
	return aw <= 12 + 9 * RISCV_LEVELS + 2 * RISCV_X4 ? RISCV_LEVELS : 0;
}

/* Entries of the root, log2: a second stage's has four tables, whatever the width. */
static inline unsigned FMT(root_lg2)(unsigned aw)
{
	(void)aw;
	return PT_INDEX_LG2 + 2 * RISCV_X4;
}

/* MODE of satp, of iohgatp and of a process context's fsc: 8, 9, 10 for three to five levels. */
static inline uint64_t FMT(root_mode)(unsigned aw)
{
	(void)aw;
	return RISCV_LEVELS + 5;
}

static inline unsigned FMT(leaf_fit)(unsigned level, unsigned limit)
{
	if (level == 1 && limit >= RISCV_NAPOT_LG2)
		return RISCV_NAPOT_LG2;
	return limit >= PT_LEVEL_LG2(level) ? PT_LEVEL_LG2(level) : 0;
}

static inline uint64_t FMT(leaf_step)(unsigned level)
{
	(void)level;
	return 0;
}

static inline bool FMT(present)(uint64_t entry)
{
	return entry & RISCV_V;
}

/* The lowest level's tables have leaves only: see reserved. */
static inline bool FMT(is_leaf)(uint64_t entry, unsigned level)
{
	return level == 1 || entry & (RISCV_R | RISCV_W | RISCV_X);
}

static inline unsigned FMT(leaf_lg2)(uint64_t entry, unsigned level)
{
	return entry & RISCV_N ? RISCV_NAPOT_LG2 : PT_LEVEL_LG2(level);
}

static inline pa_t FMT(leaf_pa)(uint64_t entry, unsigned lg2)
{
	return (entry & RISCV_PPN_MASK) >> RISCV_PPN_SHIFT << PT_GRANULE_LG2 & ~((1ull << lg2) - 1);
}

static inline uint32_t FMT(prot)(uint64_t entry, unsigned level)
{
	uint32_t prot =
		(entry & RISCV_R ? IOAS_PROT_READ : 0) | (entry & RISCV_W ? IOAS_PROT_WRITE : 0);

	(void)level;
	if (!(entry & RISCV_X))
		return prot | PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV |
		       (entry & RISCV_U ? 0 : PT_PROT_PRIV);
	if (RISCV_X4)
		return prot;
	return prot | (entry & RISCV_U ? PT_PROT_NO_EXEC_PRIV : PT_PROT_PRIV | PT_PROT_NO_EXEC);
}

/* Tables take nothing away. */
static inline uint32_t FMT(prot_below)(uint64_t all, uint64_t any, uint32_t prot)
{
	(void)all;
	(void)any;
	return prot;
}

static inline uint32_t FMT(prot_fit)(uint32_t prot)
{
	uint32_t fit = IOAS_PROT_READ | (prot & IOAS_PROT_WRITE);
	bool priv = !RISCV_X4 && prot & PT_PROT_PRIV;

	if (prot & (priv ? PT_PROT_NO_EXEC_PRIV : PT_PROT_NO_EXEC))
		fit |= PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV;
	if (priv)
		return fit | PT_PROT_PRIV | PT_PROT_NO_EXEC;
	return RISCV_X4 ? fit : fit | PT_PROT_NO_EXEC_PRIV;
}

static inline bool FMT(reserved)(uint64_t entry, unsigned level)
{
	uint64_t ppn = entry & RISCV_PPN_MASK;

	if (entry & RISCV_RSVD || (entry & RISCV_PBMT_MASK) == RISCV_PBMT_MASK)
		return true;
	if (!(entry & (RISCV_R | RISCV_W | RISCV_X)))
		return level == 1 ||
		       entry & (RISCV_N | RISCV_PBMT_MASK | RISCV_D | RISCV_A | RISCV_U);
	if (entry & RISCV_W && !(entry & RISCV_R))
		return true;
	if (RISCV_X4 && !(entry & RISCV_U))
		return true;
	if (entry & RISCV_N)
		return level > 1 || (entry & RISCV_NAPOT_MASK) != RISCV_NAPOT;
	return ppn >> RISCV_PPN_SHIFT & ((1ull << (PT_LEVEL_LG2(level) - PT_GRANULE_LG2)) - 1);
}

#define FMT_ACCESSED RISCV_A
#define FMT_DIRTY    RISCV_D
#include "pt/fmt/bits.h"

static inline unsigned FMT(table_level)(uint64_t entry, unsigned level)
{
	(void)entry;
	return level - 1;
}

static inline pa_t FMT(table_pa)(uint64_t entry)
{
	return (entry & RISCV_PPN_MASK) >> RISCV_PPN_SHIFT << PT_GRANULE_LG2;
}

static inline uint64_t FMT(make_leaf)(unsigned level, unsigned lg2, pa_t pa, uint32_t prot)
{
	uint64_t entry = pa >> PT_GRANULE_LG2 << RISCV_PPN_SHIFT | RISCV_V | RISCV_R | RISCV_A;
	bool priv = !RISCV_X4 && prot & PT_PROT_PRIV;

	if (lg2 > PT_LEVEL_LG2(level))
		entry |= RISCV_N | RISCV_NAPOT;
	if (prot & IOAS_PROT_WRITE)
		entry |= prot & PT_PROT_TRACK ? RISCV_W : RISCV_W | RISCV_D;
	if (!(prot & (priv ? PT_PROT_NO_EXEC_PRIV : PT_PROT_NO_EXEC)))
		entry |= RISCV_X;
	return priv ? entry : entry | RISCV_U;
}

static inline uint64_t FMT(make_table)(pa_t table, unsigned table_level)
{
	(void)table_level;
	return table >> PT_GRANULE_LG2 << RISCV_PPN_SHIFT | RISCV_V;
}
