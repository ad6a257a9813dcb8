/* SPDX-License-Identifier: MIT */
/*
 * Map and unmap, written once for all formats (see fmt/README.md). Included by template.h.
 *
 * Tables a mapping will need are counted and allocated before the first entry is written, so that
 * running out of memory is found while nothing is visible yet. A table is never left empty: who
 * clears its last entry takes it out. So where a leaf fits there is no table in the way.
 *
 * Both begin at the lowest table that the whole range lies in: mostly that is the table of the
 * smallest pages which the call before used, and then nothing above it is looked at. One page there
 * does not come here at all (pt.c).
 */
#ifndef PT_OPS_H
#define PT_OPS_H

#include <errno.h>
#include "pt/pt_private.h"

#define PT_PAGE_LEN (1ull << PT_GRANULE_LG2)

/* What is left to map. */
struct mapping {
	struct pt *pt;
	iova_t iova;
	pa_t pa;
	uint64_t len;
	uint32_t prot;
	unsigned max_leaf_lg2;
	struct pt_meta *spare[2]; /* tables to use: for pages, for tables */
	uint64_t missing[2];	  /* how many there are to be */
};

static void advance(struct mapping *m, uint64_t len)
{
	m->iova += len;
	m->pa += len;
	m->len -= len;
}

static unsigned min_lg2(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Only a root can have more entries than the others. */
static unsigned entries_of(const struct pt *pt, unsigned level)
{
	return PT_CONCAT && level == pt->levels ? pt->root_entries : PT_TABLE_ENTRIES;
}

static struct pt_meta *meta_of(const struct pt *pt, const struct pt_table *table)
{
	const struct pt_slab *slab = pt_slab_of(&pt->store, table);

	return &slab->meta[((uintptr_t)table - slab->first) / PT_TABLE_LEN];
}

static unsigned index_of(const struct pt *pt, iova_t iova, unsigned level)
{
	return iova >> PT_LEVEL_LG2(level) & (entries_of(pt, level) - 1);
}

static uint64_t peek(const struct pt_table *table, unsigned index)
{
	return atomic_load_explicit(&table->entry[index], memory_order_relaxed);
}

static struct pt_table *table_at(uint64_t entry)
{
	return (struct pt_table *)(uintptr_t)FMT(table_pa)(entry);
}

static unsigned lg2_of(uint64_t len)
{
	return 63 - (unsigned)__builtin_clzll(len);
}

/* The largest leaf of the level that can begin here; 0: none. */
static unsigned best_lg2(const struct mapping *m, unsigned level)
{
	unsigned lg2 = lg2_of(m->len);

	if (m->iova | m->pa)
		lg2 = min_lg2(lg2, (unsigned)__builtin_ctzll(m->iova | m->pa));
	return FMT(leaf_fit)(level, min_lg2(lg2, m->max_leaf_lg2));
}

/* Is all of it one leaf, which needs no table? */
static bool is_leaf(const struct mapping *m, unsigned level)
{
	unsigned lg2 = lg2_of(m->len);

	return !((m->iova | m->pa | m->len) & (m->len - 1)) && lg2 <= m->max_leaf_lg2 &&
	       FMT(leaf_fit)(level, lg2) == lg2;
}

static struct pt_table *child_of(const struct pt_table *table, unsigned level, unsigned index)
{
	uint64_t entry = table ? peek(table, index) : 0;

	return FMT(present)(entry) && !FMT(is_leaf)(entry, level) ? table_at(entry) : NULL;
}

/* Counts those missing for what *m maps below `table` (NULL: not there yet); advances *m. */
static void missing(struct mapping *m, const struct pt_table *table, unsigned level)
{
	unsigned lg2 = PT_LEVEL_LG2(level);
	unsigned end = entries_of(m->pt, level);

	if (level == 1) {
		uint64_t table_len = 1ull << (lg2 + PT_INDEX_LG2);
		uint64_t left = table_len - (m->iova & (table_len - 1));

		advance(m, left < m->len ? left : m->len);
		return;
	}
	for (unsigned i = index_of(m->pt, m->iova, level); m->len && i < end;) {
		unsigned leaf_lg2 = best_lg2(m, level);

		if (leaf_lg2) {
			advance(m, 1ull << leaf_lg2);
			i += 1u << (leaf_lg2 - lg2);
		} else {
			struct pt_table *child = child_of(table, level, i);

			m->missing[level > 2] += !child;
			missing(m, child, level - 1);
			i++;
		}
	}
}

/* Returns how many entries it takes. */
static inline __attribute__((always_inline)) unsigned put_leaf(struct mapping *m,
							       struct pt_table *table,
							       unsigned level, unsigned index,
							       unsigned leaf_lg2)
{
	unsigned nr = 1u << (leaf_lg2 - PT_LEVEL_LG2(level));
	uint64_t entry = FMT(make_leaf)(level, leaf_lg2, m->pa, m->prot);

	for (unsigned i = index; i < index + nr; i++, entry += FMT(leaf_step)(level))
		atomic_store_explicit(&table->entry[i], entry, memory_order_release);
	advance(m, 1ull << leaf_lg2);
	return nr;
}

/* Of the spare tables the next, at an entry. */
static struct pt_table *put_child(struct mapping *m, struct pt_table *table, unsigned level,
				  unsigned index)
{
	struct pt_meta *meta = m->spare[level > 2];

	m->spare[level > 2] = meta->next;
	meta->next = NULL;
	meta->up = &table->entry[index];
	atomic_store_explicit(&table->entry[index],
			      FMT(make_table)((uintptr_t)meta->table, level - 1),
			      memory_order_release);
	return meta->table;
}

/* Writes the part of *m that lies below `table`. */
static void fill(struct mapping *m, struct pt_table *table, unsigned level)
{
	unsigned end = entries_of(m->pt, level), live = 0;

	for (unsigned i = index_of(m->pt, m->iova, level); m->len && i < end;) {
		unsigned leaf_lg2 = best_lg2(m, level), nr;
		struct pt_table *child;

		if (leaf_lg2) {
			nr = put_leaf(m, table, level, i, leaf_lg2);
			live += nr;
			i += nr;
			continue;
		}
		child = child_of(table, level, i);
		if (!child) {
			child = put_child(m, table, level, i);
			live++;
		}
		fill(m, child, level - 1);
		i++;
	}
	meta_of(m->pt, table)->live += live;
}

static bool in_recent(const struct pt *pt, iova_t first, iova_t last)
{
	return first - pt->recent.first < pt->recent.len &&
	       last - pt->recent.first < pt->recent.len;
}

/* The lowest table there is that has all of first..last in more than one entry, or in part of one.
 */
static struct pt_table *descend(struct pt *pt, iova_t first, iova_t last, unsigned *level)
{
	struct pt_table *table = pt->root, *child;
	unsigned at = pt->levels;

	if (in_recent(pt, first, last)) {
		*level = 1;
		return pt->recent.table;
	}
	while (at > 1 && !((first ^ last) >> PT_LEVEL_LG2(at))) {
		child = child_of(table, at, index_of(pt, first, at));
		if (!child)
			break;
		table = child;
		at--;
	}
	if (at == 1) {
		pt->recent.table = table;
		pt->recent.meta = meta_of(pt, table);
		pt->recent.len = (uint64_t)entries_of(pt, 1) << PT_GRANULE_LG2;
		pt->recent.first = first & ~(pt->recent.len - 1);
	}
	*level = at;
	return table;
}

/* In the order in which they will be used: neighbours in addresses are neighbours in memory. */
static bool spare_tables(struct mapping *m, bool upper, uint64_t nr)
{
	struct pt_meta **end = &m->spare[upper];

	for (; nr; nr--) {
		struct pt_meta *meta = pt_store_take(&m->pt->store, upper);

		if (!meta)
			return false;
		*end = meta;
		end = &meta->next;
	}
	return true;
}

static int map(struct pt *pt, iova_t iova, pa_t pa, uint64_t len, uint32_t prot)
{
	struct mapping m = {pt, iova, pa, len, prot | pt->prot_all, pt->max_leaf_lg2, {NULL}, {0}};
	struct pt_table *table;
	unsigned level;

	if ((pa + (len - 1)) >> PT_PA_BITS)
		return -ERANGE;
	table = descend(pt, iova, iova + (len - 1), &level);
	if (is_leaf(&m, level)) {
		meta_of(pt, table)->live +=
			put_leaf(&m, table, level, index_of(pt, iova, level), lg2_of(len));
		return 0;
	}
	if (level > 1) {
		struct mapping dry = m;

		missing(&dry, table, level);
		if (!spare_tables(&m, false, dry.missing[0]) ||
		    !spare_tables(&m, true, dry.missing[1])) {
			pt_free_tables(pt, m.spare[0]);
			pt_free_tables(pt, m.spare[1]);
			return -ENOMEM;
		}
		pt->tables += dry.missing[0] + dry.missing[1];
	}
	fill(&m, table, level);
	return 0;
}

/* Clears the leaf that entry `index` belongs to; returns the index after it. */
static unsigned clear_leaf(struct pt_meta *meta, struct pt_table *table, unsigned level,
			   unsigned index, uint64_t entry, uint64_t *bytes)
{
	unsigned leaf_lg2 = FMT(leaf_lg2)(entry, level);
	unsigned nr = 1u << (leaf_lg2 - PT_LEVEL_LG2(level));

	index &= ~(nr - 1);
	for (unsigned i = index; i < index + nr; i++)
		atomic_store_explicit(&table->entry[i], 0, memory_order_release);
	meta->live -= nr;
	*bytes += 1ull << leaf_lg2;
	return index + nr;
}

static void take_out(struct pt *pt, struct pt_table *table, unsigned index, struct pt_meta *child,
		     struct pt_gather *gather)
{
	atomic_store_explicit(&table->entry[index], 0, memory_order_release);
	meta_of(pt, table)->live--;
	pt->tables--;
	pt->recent.len = 0;
	child->next = pt->gone;
	pt->gone = child;
	pt_gather_add(gather, pt);
}

/* Clears the leaves of first..last, which lies below `table`, and takes out tables left empty. */
static uint64_t clear(struct pt *pt, struct pt_table *table, unsigned level, iova_t first,
		      iova_t last, struct pt_gather *gather)
{
	struct pt_meta *meta = meta_of(pt, table);
	unsigned lg2 = PT_LEVEL_LG2(level);
	unsigned end = index_of(pt, last, level);
	uint64_t mask = (1ull << lg2) - 1;
	iova_t base = level == pt->levels ? 0 : last & ~(mask << PT_INDEX_LG2 | mask);
	uint64_t bytes = 0;

	for (unsigned i = index_of(pt, first, level); i <= end && meta->live;) {
		uint64_t entry = peek(table, i);
		iova_t entry_first = base | (iova_t)i << lg2;
		struct pt_table *child;

		if (!FMT(present)(entry)) {
			i++;
			continue;
		}
		if (FMT(is_leaf)(entry, level)) {
			i = clear_leaf(meta, table, level, i, entry, &bytes);
			continue;
		}
		child = table_at(entry);
		bytes += clear(pt, child, level - 1, first > entry_first ? first : entry_first,
			       last < (entry_first | mask) ? last : (entry_first | mask), gather);
		if (!meta_of(pt, child)->live)
			take_out(pt, table, i, meta_of(pt, child), gather);
		i++;
	}
	return bytes;
}

/* A table left empty is taken out by its parent: for that it takes a way from the root. */
static uint64_t unmap(struct pt *pt, iova_t first, iova_t last, struct pt_gather *gather)
{
	unsigned level;
	struct pt_table *table = descend(pt, first, last, &level);
	uint64_t bytes = clear(pt, table, level, first, last, gather);

	if (table != pt->root && !meta_of(pt, table)->live)
		clear(pt, pt->root, pt->levels, first, last, gather);
	return bytes;
}

/* Leaves below a table. */
static uint64_t count(const struct pt *pt, const struct pt_table *table, unsigned level)
{
	uint64_t nr = 0;

	for (unsigned i = 0; i < entries_of(pt, level);) {
		uint64_t entry = peek(table, i);
		unsigned step = 1;

		if (FMT(present)(entry) && FMT(is_leaf)(entry, level)) {
			step <<= FMT(leaf_lg2)(entry, level) - PT_LEVEL_LG2(level);
			nr++;
		} else if (FMT(present)(entry)) {
			nr += count(pt, table_at(entry), level - 1);
		}
		i += step;
	}
	return nr;
}

static uint64_t leaves(const struct pt *pt)
{
	return count(pt, pt->root, pt->levels);
}

#endif
