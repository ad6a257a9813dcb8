/* SPDX-License-Identifier: MIT */
/*
 * The hardware's view of a table, written once for all formats (see fmt/README.md). Included by a
 * format's .c file after ops.h. Takes no lock: every entry is loaded once, with acquire order.
 */
#ifndef PT_WALK_H
#define PT_WALK_H

#include "pt/ops.h"

static uint64_t load_entry(const struct pt_table *table, unsigned index)
{
	return atomic_load_explicit(&table->entry[index], memory_order_acquire);
}

/*
 * The hardware may skip levels: a pointer to a table more than one level down stands for tables
 * that have only their entry 0. Returns that table or NULL: not a valid pointer for this address.
 */
static struct pt_table *follow(uint64_t entry, unsigned level, iova_t iova, unsigned *next)
{
	unsigned below = FMT(table_level)(entry);
	iova_t skipped;

	if (!below || below >= level)
		return NULL;
	skipped = iova & ((1ull << FMT(level_lg2)(level)) - 1);
	if (skipped >> FMT(level_lg2)(below) >> PT_INDEX_LG2)
		return NULL;
	*next = below;
	return FMT(table)(entry);
}

static int walk(const struct pt *pt, iova_t iova, struct pt_walk *out)
{
	struct pt_table *table = pt->root;
	uint32_t prot = IOAS_PROT_READ | IOAS_PROT_WRITE;
	unsigned level = pt->levels;

	while (table) {
		unsigned lg2 = FMT(level_lg2)(level);
		uint64_t entry = load_entry(table, index_of(iova, lg2));

		if (!FMT(present)(entry))
			return -ENOENT;
		prot &= FMT(prot)(entry);
		if (FMT(is_leaf)(entry)) {
			unsigned leaf_lg2 = FMT(leaf_lg2)(entry, level);
			uint64_t mask = (1ull << leaf_lg2) - 1;

			if (leaf_lg2 < lg2 || leaf_lg2 > FMT(leaf_max_lg2)(level))
				return -ENOENT;
			out->leaf = &table->entry[index_of(iova & ~mask, lg2)];
			out->entry = entry;
			out->pa = FMT(leaf_pa)(entry, leaf_lg2) | (iova & mask);
			out->leaf_len = mask + 1;
			out->leaf_first = iova & ~mask;
			out->prot = prot;
			return 0;
		}
		table = follow(entry, level, iova, &level);
	}
	return -ENOENT;
}

static uint16_t kind_of(uint64_t entry)
{
	if (!FMT(present)(entry))
		return IOAS_FAULT_ENTRY_EMPTY;
	return FMT(is_leaf)(entry) ? IOAS_FAULT_ENTRY_LEAF : IOAS_FAULT_ENTRY_TABLE;
}

static unsigned trace(const struct pt *pt, iova_t iova, struct pt_step *steps, unsigned max)
{
	const struct pt_table *table = pt->root;
	unsigned level = pt->levels;
	unsigned nr = 0;

	while (table && nr < max) {
		unsigned index = index_of(iova, FMT(level_lg2)(level));
		uint64_t entry = load_entry(table, index);

		steps[nr++] = (struct pt_step){(uint16_t)level, kind_of(entry), index, entry};
		if (!FMT(present)(entry) || FMT(is_leaf)(entry))
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
	found->prot = FMT(prot)(entry);
}

/*
 * The last leaf that begins at or before `limit`, in the table that begins at `base`. An entry
 * that turns out to lead nowhere, because a writer is at work, is passed over.
 */
static bool find_below(const struct pt_table *table, unsigned level, iova_t base, iova_t limit,
		       struct found *found)
{
	unsigned lg2 = FMT(level_lg2)(level);
	uint64_t top = (limit - base) >> lg2;
	unsigned i = top < PT_TABLE_ENTRIES ? (unsigned)top + 1 : PT_TABLE_ENTRIES;

	while (i--) {
		uint64_t entry = load_entry(table, i);
		iova_t first = base + ((iova_t)i << lg2);

		if (!FMT(present)(entry))
			continue;
		if (FMT(is_leaf)(entry)) {
			found_leaf(found, entry, level, first);
			return true;
		}
		if (find_below(FMT(table)(entry), level - 1, first, limit, found))
			return true;
	}
	return false;
}

/* The first leaf that ends at or after `limit`. */
static bool find_above(const struct pt_table *table, unsigned level, iova_t base, iova_t limit,
		       struct found *found)
{
	unsigned lg2 = FMT(level_lg2)(level);
	uint64_t bottom = limit > base ? (limit - base) >> lg2 : 0;

	for (uint64_t i = bottom; i < PT_TABLE_ENTRIES; i++) {
		uint64_t entry = load_entry(table, (unsigned)i);
		iova_t first = base + (i << lg2);

		if (!FMT(present)(entry))
			continue;
		if (FMT(is_leaf)(entry)) {
			found_leaf(found, entry, level, first);
			return true;
		}
		if (find_above(FMT(table)(entry), level - 1, first, limit, found))
			return true;
	}
	return false;
}

static int nearest(const struct pt *pt, iova_t iova, struct ioas_range *out, uint32_t *prot)
{
	struct found below, above;
	bool has_below = find_below(pt->root, pt->levels, 0, iova, &below);
	bool has_above = find_above(pt->root, pt->levels, 0, iova, &above);
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
