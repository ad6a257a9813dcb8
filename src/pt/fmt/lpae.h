/* SPDX-License-Identifier: MIT */
/*
 * Arm's long descriptors (Arm Architecture Reference Manual, DDI 0487: D8.3 translation table
 * descriptors, D8.4 permissions, D8.5 hardware management of accessed and dirty state, D8.6.1
 * contiguous; Arm SMMUv3, IHI 0070: 3.4 address sizes, 3.13 HTTU, 5.2 and 5.4 where a stage's root
 * stands): the encoding of one descriptor of AArch64's stage 1 or stage 2.
 *
 *              4 KiB granule             16 KiB                     64 KiB
 *   level  Arm's  covers    joined    covers    joined         covers    joined
 *     1      3     4 KiB    16: 64 KiB  16 KiB   128: 2 MiB     64 KiB   32: 2 MiB
 *     2      2     2 MiB    16: 32 MiB  32 MiB    32: 1 GiB    512 MiB   32: 16 GiB
 *     3      1     1 GiB    16: 16 GiB  64 GiB   no leaf         4 TiB   not joined (LPA)
 *     4      0   512 GiB    no leaf    128 TiB   no leaf
 *
 * Joined: that many neighbours with the contiguous bit, which, aligned, hold one leaf, each its own
 * piece of it. Arm calls it a hint; who walks for himself may ignore it.
 *
 * A stage 1 of ours is what TTBR0 points to: addresses from 0 up. A stage 2 whose root would have
 * 16 entries or fewer starts one level down, with up to 16 tables joined to one root. Output
 * addresses have 48 bits; with 64 KiB 52, of which 51:48 stand in bits 15:12 (FEAT_LPA).
 *
 * Stage 1 cannot refuse reads alone: AP[2] is "no writes", AP[1] "without privilege, too". Stage
 * 2's S2AP has a bit for reads and one for writes. Where a table tracks writes, a leaf that may be
 * written has DBM and is not writable yet: the write that makes it so is what marks it. UXN and PXN
 * refuse fetches; stage 2 has XN[1:0] for them (FEAT_XNX).
 *
 * A .c file sets PT_FMT, PT_NAME, PT_GRANULE_LG2 (12, 14 or 16) and LPAE_STAGE (1 or 2). No include
 * guard on purpose: a file has one format.
 */
#include "pt/pt_private.h"

#define PT_INDEX_LG2	   (PT_GRANULE_LG2 - 3)
#define PT_PA_BITS	   (PT_GRANULE_LG2 == 16 ? 52 : 48)
#define PT_SIGNED_BITS	   0
#define PT_CONCAT	   (LPAE_STAGE == 2)
#define PT_SKIPS	   0
#define PT_LEAF_HINT	   1
#define PT_TABLES_ACCESSED 0
#define PT_ACCESSED_FAULTS 1
#define PT_ROOT_SHORT	   (LPAE_STAGE == 1)
#define PT_NOT_GLOBAL	   (LPAE_STAGE == 1 ? LPAE_NG : 0)

#define LPAE_VALID	 (1ull << 0)
#define LPAE_TABLE	 (1ull << 1)  /* of the lowest level: a page, and no other is valid */
#define LPAE_ATTR_NORMAL (1ull << 2)  /* stage 1: MAIR's attribute 1, normal write-back memory */
#define LPAE_MEMATTR	 (15ull << 2) /* stage 2: normal, write-back inside and outside */
#define LPAE_AP1	 (1ull << 6)  /* stage 1: without privilege, too */
#define LPAE_AP2	 (1ull << 7)  /* stage 1: no writes */
#define LPAE_S2AP_R	 (1ull << 6)
#define LPAE_S2AP_W	 (1ull << 7)
#define LPAE_SH_INNER	 (3ull << 8)
#define LPAE_AF		 (1ull << 10)
#define LPAE_NG		 (1ull << 11)
#define LPAE_DBM	 (1ull << 51)
#define LPAE_CONT	 (1ull << 52)
#define LPAE_PXN	 (1ull << 53) /* stage 1 */
#define LPAE_UXN	 (1ull << 54) /* stage 1 */
#define LPAE_XN_SHIFT	 53 /* stage 2: 0 all fetch, 1 without privilege, 2 none, 3 with */
#define LPAE_PXN_TABLE	 (1ull << 59) /* stage 1, of a table: taken away from all below */
#define LPAE_UXN_TABLE	 (1ull << 60)
#define LPAE_AP_TABLE1	 (1ull << 61)
#define LPAE_AP_TABLE2	 (1ull << 62)
#define LPAE_ADDR_MASK	 (0x0000ffffffffffffull & ~((1ull << PT_GRANULE_LG2) - 1))
#define LPAE_HIGH_MASK	 (PT_GRANULE_LG2 == 16 ? 15ull << 12 : 0)
#define LPAE_HIGH_SHIFT	 36 /* from bits 15:12 to 51:48 */

static inline unsigned FMT(levels)(unsigned aw)
{
	unsigned levels = 1;

	if (aw > PT_PA_BITS)
		return 0;
	while (PT_LEVEL_LG2(levels + 1) + 4 * (LPAE_STAGE - 1) < aw)
		levels++;
	return levels;
}

/* Entries of the root, log2: of a stage 2 more than a table has, if tables are joined. */
static inline unsigned FMT(root_lg2)(unsigned aw)
{
	unsigned lg2 = PT_LEVEL_LG2(FMT(levels)(aw));

	return PT_CONCAT && aw > lg2 + PT_INDEX_LG2 ? aw - lg2 : PT_INDEX_LG2;
}

/*
 * T0SZ of a context descriptor; S2T0SZ of a stream table entry, and S2SL0 in bits 7:6 as it stands
 * there: Arm's level at which the walk begins.
 */
static inline uint64_t FMT(root_mode)(unsigned aw)
{
	uint64_t sl0 = FMT(levels)(aw) - (PT_GRANULE_LG2 == 12 ? 2 : 1);

	return LPAE_STAGE == 1 ? 64 - aw : (64 - aw) | sl0 << 6;
}

/* Neighbours that can be joined at a level, log2; 0: none. */
static inline unsigned FMT(joined_lg2)(unsigned level)
{
	if (PT_GRANULE_LG2 == 12)
		return level <= 3 ? 4 : 0;
	if (PT_GRANULE_LG2 == 14)
		return level == 1 ? 7 : level == 2 ? 5 : 0;
	return level <= 2 ? 5 : 0;
}

static inline unsigned FMT(leaf_fit)(unsigned level, unsigned limit)
{
	unsigned lg2 = PT_LEVEL_LG2(level), joined = lg2 + FMT(joined_lg2)(level);

	if (level > (PT_GRANULE_LG2 == 14 ? 2 : 3) || limit < lg2)
		return 0;
	return limit >= joined ? joined : lg2;
}

static inline uint64_t FMT(leaf_step)(unsigned level)
{
	return 1ull << PT_LEVEL_LG2(level);
}

static inline bool FMT(present)(uint64_t entry)
{
	return entry & LPAE_VALID;
}

static inline bool FMT(is_leaf)(uint64_t entry, unsigned level)
{
	return level == 1 || !(entry & LPAE_TABLE);
}

static inline unsigned FMT(leaf_lg2)(uint64_t entry, unsigned level)
{
	return PT_LEVEL_LG2(level) + (entry & LPAE_CONT ? FMT(joined_lg2)(level) : 0);
}

static inline unsigned FMT(table_level)(uint64_t entry, unsigned level)
{
	(void)entry;
	return level - 1;
}

static inline pa_t FMT(table_pa)(uint64_t entry)
{
	return (entry & LPAE_ADDR_MASK) | (entry & LPAE_HIGH_MASK) << LPAE_HIGH_SHIFT;
}

static inline pa_t FMT(leaf_pa)(uint64_t entry, unsigned lg2)
{
	return FMT(table_pa)(entry) & ~((1ull << lg2) - 1);
}

static inline uint64_t FMT(address)(pa_t pa)
{
	return (pa & LPAE_ADDR_MASK) | (pa >> LPAE_HIGH_SHIFT & LPAE_HIGH_MASK);
}

/* Privileged software never fetches from what the unprivileged may write. */
static inline uint32_t FMT(prot_s1)(uint64_t entry)
{
	bool write = !(entry & LPAE_AP2) || entry & LPAE_DBM;
	bool priv = !(entry & LPAE_AP1);

	return IOAS_PROT_READ | (write ? IOAS_PROT_WRITE : 0) | (priv ? PT_PROT_PRIV : 0) |
	       (entry & LPAE_UXN ? PT_PROT_NO_EXEC : 0) |
	       (entry & LPAE_PXN || (write && !priv) ? PT_PROT_NO_EXEC_PRIV : 0);
}

static inline uint32_t FMT(prot_s2)(uint64_t entry)
{
	static const uint32_t fetch[] = {0, PT_PROT_NO_EXEC_PRIV,
					 PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV, PT_PROT_NO_EXEC};

	return (entry & LPAE_S2AP_R ? IOAS_PROT_READ : 0) |
	       (entry & (LPAE_S2AP_W | LPAE_DBM) ? IOAS_PROT_WRITE : 0) |
	       fetch[entry >> LPAE_XN_SHIFT & 3];
}

static inline uint32_t FMT(prot)(uint64_t entry, unsigned level)
{
	(void)level;
	return LPAE_STAGE == 1 ? FMT(prot_s1)(entry) : FMT(prot_s2)(entry);
}

/*
 * The leaf as it is below what its tables take away: also what follows from it, that privileged
 * software may not fetch, is then of what is left.
 */
static inline uint64_t FMT(leaf_below)(uint64_t any, uint64_t entry)
{
	if (LPAE_STAGE == 2)
		return entry;
	if (any & LPAE_AP_TABLE2)
		entry = (entry | LPAE_AP2) & ~LPAE_DBM;
	return any & LPAE_AP_TABLE1 ? entry & ~LPAE_AP1 : entry;
}
#define PT_LEAF_BELOW(any, entry) FMT(leaf_below)(any, entry)

/* Tables of stage 2 take nothing away. */
static inline uint32_t FMT(prot_below)(uint64_t all, uint64_t any, uint32_t prot)
{
	(void)all;
	if (LPAE_STAGE == 2 || any < LPAE_PXN_TABLE)
		return prot;
	return (any & LPAE_AP_TABLE2 ? prot & ~(uint32_t)IOAS_PROT_WRITE : prot) |
	       (any & LPAE_AP_TABLE1 ? PT_PROT_PRIV : 0) |
	       (any & LPAE_UXN_TABLE ? PT_PROT_NO_EXEC : 0) |
	       (any & LPAE_PXN_TABLE ? PT_PROT_NO_EXEC_PRIV : 0);
}

static inline uint32_t FMT(prot_fit)(uint32_t prot)
{
	uint32_t fetch = prot & (PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV);

	if (LPAE_STAGE == 2)
		return (prot & PT_PROT_RW) | fetch;
	if (prot & IOAS_PROT_WRITE && !(prot & PT_PROT_PRIV))
		fetch |= PT_PROT_NO_EXEC_PRIV;
	return IOAS_PROT_READ | (prot & (IOAS_PROT_WRITE | PT_PROT_PRIV)) | fetch;
}

/* Blocks where there are none, and what is not a page at the lowest level. */
static inline bool FMT(reserved)(uint64_t entry, unsigned level)
{
	if (entry & LPAE_TABLE)
		return false;
	return level == 1 || !FMT(leaf_fit)(level, 63);
}

/* As a walker sees it that does not manage dirty state. */
static inline uint64_t FMT(without_tracking)(uint64_t entry)
{
	return entry & ~LPAE_DBM;
}

static inline uint64_t FMT(set_accessed)(uint64_t entry)
{
	return entry | LPAE_AF;
}

static inline uint64_t FMT(set_dirty)(uint64_t entry)
{
	if (!(entry & LPAE_DBM))
		return entry;
	return LPAE_STAGE == 1 ? entry & ~LPAE_AP2 : entry | LPAE_S2AP_W;
}

static inline uint64_t FMT(make_s1)(uint32_t prot)
{
	uint64_t entry = LPAE_ATTR_NORMAL | LPAE_NG;

	if (!(prot & IOAS_PROT_WRITE))
		entry |= LPAE_AP2;
	else if (prot & PT_PROT_TRACK)
		entry |= LPAE_AP2 | LPAE_DBM;
	if (!(prot & PT_PROT_PRIV))
		entry |= LPAE_AP1;
	return entry | (prot & PT_PROT_NO_EXEC ? LPAE_UXN : 0) |
	       (prot & PT_PROT_NO_EXEC_PRIV ? LPAE_PXN : 0);
}

static inline uint64_t FMT(make_s2)(uint32_t prot)
{
	uint64_t entry = LPAE_MEMATTR, fetch = 0;

	if (prot & IOAS_PROT_READ)
		entry |= LPAE_S2AP_R;
	if (prot & IOAS_PROT_WRITE)
		entry |= prot & PT_PROT_TRACK ? LPAE_DBM : LPAE_S2AP_W;
	if (prot & PT_PROT_NO_EXEC)
		fetch = prot & PT_PROT_NO_EXEC_PRIV ? 2 : 3;
	else if (prot & PT_PROT_NO_EXEC_PRIV)
		fetch = 1;
	return entry | fetch << LPAE_XN_SHIFT;
}

static inline uint64_t FMT(make_leaf)(unsigned level, unsigned lg2, pa_t pa, uint32_t prot)
{
	uint64_t entry = FMT(address)(pa) | LPAE_VALID | LPAE_AF | LPAE_SH_INNER;

	if (level == 1)
		entry |= LPAE_TABLE;
	if (lg2 > PT_LEVEL_LG2(level))
		entry |= LPAE_CONT;
	return entry | (LPAE_STAGE == 1 ? FMT(make_s1)(prot) : FMT(make_s2)(prot));
}

static inline uint64_t FMT(make_table)(pa_t table, unsigned table_level)
{
	(void)table_level;
	return FMT(address)(table) | LPAE_VALID | LPAE_TABLE;
}
