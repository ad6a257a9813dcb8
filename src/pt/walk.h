/* SPDX-License-Identifier: MIT */
/*
 * The hardware's view of a table, written once for all formats (see fmt/README.md). Included by
 * template.h. Takes no lock: every entry is loaded once, with acquire order.
 */
#ifndef PT_WALK_H
#define PT_WALK_H

#include "pt/ops.h"

static uint64_t load_entry(const struct pt_table *table, unsigned index)
{
	return atomic_load_explicit(&table->entry[index], memory_order_acquire);
}

/* A walk on its way: the table to look into, and which bits all, or any, of the pointers had. */
struct way {
	const struct pt *pt;
	struct pt_table *table;
	iova_t iova;
	uint64_t all, any;
	uint64_t entry;
};

/*
 * The hardware may skip levels: a pointer to a table more than one level down stands for tables
 * that have only their entry 0. Returns that table or NULL: not a valid pointer for this address.
 */
static struct pt_table *follow(uint64_t entry, unsigned level, iova_t iova, unsigned *next)
{
	unsigned below = FMT(table_level)(entry, level);

	if (!below || below >= level)
		return NULL;
	if (PT_SKIPS &&
	    (iova & ((1ull << PT_LEVEL_LG2(level)) - 1)) >> PT_LEVEL_LG2(below) >> PT_INDEX_LG2)
		return NULL;
	*next = below;
	return table_at(entry);
}

/* Which entry of level 2 a walk has come by; 0: none, or it leads to no table of level 1. */
struct above {
	const struct pt_table *table;
	uint64_t entry;
};

static int arrive(struct way *way, unsigned level, struct pt_walk *out)
{
	uint64_t entry = way->entry;
	unsigned lg2 = FMT(leaf_lg2)(entry, level);
	uint64_t mask = (1ull << lg2) - 1;
	unsigned index;

	if (FMT(leaf_fit)(level, lg2) != lg2)
		return -ENOENT;
	index = index_of(way->pt, way->iova & ~mask, level);
	out->leaf = &way->table->entry[index];
	out->entry = entry - FMT(leaf_step)(level) * (index_of(way->pt, way->iova, level) - index);
	out->pa = FMT(leaf_pa)(entry, lg2) | (way->iova & mask);
	out->leaf_len = mask + 1;
	out->leaf_first = way->iova & ~mask;
	out->leaf_nr = (uint16_t)(1u << (lg2 - PT_LEVEL_LG2(level)));
	out->prot = FMT(prot_below)(way->all, way->any, FMT(prot)(entry, level));
	return 0;
}

/* Looks into a table; goes down if the entry points to a table of the next level. */
static inline __attribute__((always_inline)) bool down(struct way *way, unsigned level)
{
	uint64_t entry = load_entry(way->table, index_of(way->pt, way->iova, level));

	way->entry = entry;
	if (!FMT(present)(entry))
		return false;
	if (level == 1 || FMT(is_leaf)(entry, level))
		return false;
	if (FMT(table_level)(entry, level) != level - 1)
		return false;
	way->all &= entry;
	way->any |= entry;
	way->table = table_at(entry);
	return true;
}

/* On from an entry that is no pointer to the next level: a leaf, nothing, or a pointer further. */
static int stop(struct way *way, unsigned level, struct pt_walk *out)
{
	while (FMT(present)(way->entry)) {
		if (FMT(is_leaf)(way->entry, level))
			return arrive(way, level, out);
		way->all &= way->entry;
		way->any |= way->entry;
		way->table = follow(way->entry, level, way->iova, &level);
		if (!way->table)
			return -ENOENT;
		while (down(way, level))
			level--;
	}
	return -ENOENT;
}

/* Level by level with constants, as there are few. `above`: receives the entry of level 2. */
static inline __attribute__((always_inline)) int walk_by(const struct pt *pt, iova_t iova,
							 struct pt_walk *out, struct above *above)
{
	struct way way = {pt, pt->root, iova, UINT64_MAX, 0, 0};

	switch (pt->levels) {
	case 5:
		if (!down(&way, 5))
			return stop(&way, 5, out);
		/* fallthrough */
	case 4:
		if (!down(&way, 4))
			return stop(&way, 4, out);
		/* fallthrough */
	case 3:
		if (!down(&way, 3))
			return stop(&way, 3, out);
		/* fallthrough */
	case 2:
		above->table = way.table;
		if (!down(&way, 2))
			return stop(&way, 2, out);
		above->entry = way.entry;
		/* fallthrough */
	default:
		down(&way, 1);
		return stop(&way, 1, out);
	}
}

static int walk(const struct pt *pt, iova_t iova, struct pt_walk *out)
{
	struct above above;

	return walk_by(pt, iova, out, &above);
}

/* Where numbers of pages begin in a leaf of one page, and numbers of 4 KiB in a pointer. */
static unsigned leaf_number_lg2(void)
{
	return (unsigned)__builtin_ctzll(
		FMT(make_leaf)(1, PT_GRANULE_LG2, 1ull << PT_GRANULE_LG2, PT_PROT_RW) -
		FMT(make_leaf)(1, PT_GRANULE_LG2, 0, PT_PROT_RW));
}

static unsigned pointer_number_lg2(void)
{
	unsigned lg2 = PT_INDEX_LG2 + 3;

	return (unsigned)__builtin_ctzll(FMT(make_table)(1ull << lg2, 1) - FMT(make_table)(0, 1)) -
	       (lg2 - 12);
}

/* Output addresses have their bits in one piece up to here: Arm's may go on elsewhere. */
static unsigned linear_bits(void)
{
	pa_t top = 1ull << (PT_PA_BITS - 1);

	return FMT(make_leaf)(1, PT_GRANULE_LG2, top, PT_PROT_RW) -
				       FMT(make_leaf)(1, PT_GRANULE_LG2, 0, PT_PROT_RW) ==
			       top >> PT_GRANULE_LG2 << leaf_number_lg2()
		       ? PT_PA_BITS
		       : 48;
}

static struct pt_shape shape(void)
{
	return (struct pt_shape){
		.page_lg2 = PT_GRANULE_LG2,
		.index_lg2 = PT_INDEX_LG2,
		.leaf_lg2 = (uint8_t)leaf_number_lg2(),
		.pointer_lg2 = (uint8_t)pointer_number_lg2(),
		.page_nr_bits = (uint8_t)(linear_bits() - PT_GRANULE_LG2),
	};
}

/* `sized` from the largest leaf of level 1: it differs in more than its address, or there is none.
 */
static void page(uint32_t prot_all, struct pt_page *out)
{
	unsigned lg2 = leaf_number_lg2(), nr_bits = linear_bits() - PT_GRANULE_LG2;
	uint64_t one = FMT(make_leaf)(1, PT_GRANULE_LG2, 0, PT_PROT_RW);
	uint64_t most = FMT(make_leaf)(1, FMT(leaf_fit)(1, PT_LEVEL_LG2(2) - 1), 0, PT_PROT_RW);

	out->len = PT_PAGE_LEN;
	out->lg2 = PT_GRANULE_LG2;
	out->turn = (PT_GRANULE_LG2 - lg2) & 63;
	out->pa_end = 1ull << linear_bits();
	out->sized = (one ^ most) & ~(((1ull << nr_bits) - 1) << lg2);
	for (uint32_t prot = 0; prot <= PT_PROT_RW; prot++)
		out->leaf[prot] = FMT(make_leaf)(1, PT_GRANULE_LG2, 0, prot | prot_all);
}

/*
 * The leaf must be one page's in a table of level 1, to which the entry of level 2 leads. A root of
 * level 2 that has more entries than other tables has as many ways as it is tables.
 */
static int walk_way(const struct pt *pt, iova_t iova, struct pt_walk *out, struct pt_way *way)
{
	struct above above = {0};
	int rc = walk_by(pt, iova, out, &above);
	uint64_t table;

	way->table = NULL;
	if (rc || !above.entry || out->leaf_len != PT_PAGE_LEN)
		return rc;
	table = FMT(table_pa)(above.entry);
	if (table >> PT_WAY_TABLE_BITS)
		return rc;
	way->table = &above.table->entry[index_of(pt, iova, 2) & ~(PT_TABLE_ENTRIES - 1)];
	way->pointer = above.entry - (table >> 12 << pointer_number_lg2());
	way->leaf = out->entry;
	way->pa = out->pa & ~(PT_PAGE_LEN - 1);
	return rc;
}

/* An address whose way is not through each level in turn is left to its walk. */
static void prefetch(const struct pt *pt, const iova_t *iova, unsigned nr)
{
	struct way way[PT_PREFETCH_NR];

	for (unsigned i = 0; i < nr; i++) {
		way[i] = (struct way){pt, pt->root, iova[i], UINT64_MAX, 0, 0};
		__builtin_prefetch(&pt->root->entry[index_of(pt, iova[i], pt->levels)]);
	}
	for (unsigned level = pt->levels; level > 1; level--) {
		unsigned on = 0;

		for (unsigned i = 0; i < nr; i++)
			if (down(&way[i], level)) {
				way[on] = way[i];
				__builtin_prefetch(&way[on].table->entry[index_of(pt, way[on].iova,
										  level - 1)]);
				on++;
			}
		nr = on;
	}
}

static uint16_t kind_of(uint64_t entry, unsigned level)
{
	if (!FMT(present)(entry))
		return IOAS_FAULT_ENTRY_EMPTY;
	return FMT(is_leaf)(entry, level) ? IOAS_FAULT_ENTRY_LEAF : IOAS_FAULT_ENTRY_TABLE;
}

static unsigned trace(const struct pt *pt, iova_t iova, struct pt_step *steps, unsigned max)
{
	const struct pt_table *table = pt->root;
	unsigned level = pt->levels;
	unsigned nr = 0;

	while (table && nr < max) {
		unsigned index = index_of(pt, iova, level);
		uint64_t entry = load_entry(table, index);

		steps[nr++] =
			(struct pt_step){(uint16_t)level, kind_of(entry, level), index, entry};
		if (!FMT(present)(entry) || FMT(is_leaf)(entry, level))
			break;
		table = follow(entry, level, iova, &level);
	}
	return nr;
}

/* A leaf found by a search. */
struct found {
	struct ioas_range range;
	uint32_t prot;
};

static void found_leaf(struct found *found, uint64_t entry, unsigned level, iova_t entry_first)
{
	uint64_t mask = (1ull << FMT(leaf_lg2)(entry, level)) - 1;

	found->range.first = entry_first & ~mask;
	found->range.last = entry_first | mask;
	found->prot = FMT(prot)(entry, level) & PT_PROT_RW;
}

/*
 * The last leaf that begins at or before `limit`, in the table that begins at `base`. An entry
 * that turns out to lead nowhere, because a writer is at work, is passed over.
 */
static bool find_below(const struct pt *pt, const struct pt_table *table, unsigned level,
		       iova_t base, iova_t limit, struct found *found)
{
	unsigned lg2 = PT_LEVEL_LG2(level);
	uint64_t top = (limit - base) >> lg2;
	unsigned end = entries_of(pt, level);
	unsigned i = top < end ? (unsigned)top + 1 : end;

	while (i--) {
		uint64_t entry = load_entry(table, i);
		iova_t first = base + ((iova_t)i << lg2);

		if (!FMT(present)(entry))
			continue;
		if (FMT(is_leaf)(entry, level)) {
			found_leaf(found, entry, level, first);
			return true;
		}
		if (find_below(pt, table_at(entry), level - 1, first, limit, found))
			return true;
	}
	return false;
}

/* The first leaf that ends at or after `limit`. */
static bool find_above(const struct pt *pt, const struct pt_table *table, unsigned level,
		       iova_t base, iova_t limit, struct found *found)
{
	unsigned lg2 = PT_LEVEL_LG2(level);
	uint64_t bottom = limit > base ? (limit - base) >> lg2 : 0;

	for (uint64_t i = bottom; i < entries_of(pt, level); i++) {
		uint64_t entry = load_entry(table, (unsigned)i);
		iova_t first = base + (i << lg2);

		if (!FMT(present)(entry))
			continue;
		if (FMT(is_leaf)(entry, level)) {
			found_leaf(found, entry, level, first);
			return true;
		}
		if (find_above(pt, table_at(entry), level - 1, first, limit, found))
			return true;
	}
	return false;
}

static int nearest(const struct pt *pt, iova_t iova, struct ioas_range *out, uint32_t *prot)
{
	struct found below, above;
	bool has_below = find_below(pt, pt->root, pt->levels, 0, iova, &below);
	bool has_above = find_above(pt, pt->root, pt->levels, 0, iova, &above);
	bool take_below = has_below;

	if (!has_below && !has_above)
		return -ENOENT;
	if (has_below && has_above && iova > below.range.last && above.range.first > iova)
		take_below = iova - below.range.last <= above.range.first - iova;
	*out = take_below ? below.range : above.range;
	*prot = take_below ? below.prot : above.prot;
	return 0;
}

#endif
