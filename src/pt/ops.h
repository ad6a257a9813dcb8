/* SPDX-License-Identifier: MIT */
/*
 * Map and unmap, written once for all formats (see fmt/README.md). Included by a format's .c file.
 *
 * Tables a mapping will need are counted and allocated before the first entry is written, so that
 * running out of memory is found while nothing is visible yet. A table is never left empty: who
 * clears its last entry takes it out. So where a leaf fits there is no table in the way.
 */
#ifndef PT_OPS_H
#define PT_OPS_H

#include <errno.h>
#include "pt/pt_private.h"

/* What is left to map. */
struct mapping {
	iova_t iova;
	pa_t pa;
	uint64_t len;
	uint32_t prot;
	unsigned max_leaf_lg2;
	uint64_t leaves;	/* written */
	struct pt_table *spare; /* tables to use */
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

static unsigned index_of(iova_t iova, unsigned lg2)
{
	return iova >> lg2 & (PT_TABLE_ENTRIES - 1);
}

/* The largest leaf that can begin here. */
static unsigned best_lg2(const struct mapping *m)
{
	unsigned lg2 = 63 - (unsigned)__builtin_clzll(m->len);

	if (m->iova | m->pa)
		lg2 = min_lg2(lg2, (unsigned)__builtin_ctzll(m->iova | m->pa));
	return min_lg2(lg2, m->max_leaf_lg2);
}

static struct pt_table *child_of(const struct pt_table *table, unsigned index)
{
	uint64_t entry = 0;

	if (table)
		entry = atomic_load_explicit(&table->entry[index], memory_order_relaxed);
	return FMT(present)(entry) && !FMT(is_leaf)(entry) ? FMT(table)(entry) : NULL;
}

/* Tables that are missing for what *m maps below `table` (NULL: not there yet); advances *m. */
static uint64_t missing(struct mapping *m, const struct pt_table *table, unsigned level)
{
	unsigned lg2 = FMT(level_lg2)(level);
	uint64_t table_len = 1ull << (lg2 + PT_INDEX_LG2);
	uint64_t left = table_len - (m->iova & (table_len - 1));
	uint64_t nr = 0;

	if (level == 1) {
		advance(m, left < m->len ? left : m->len);
		return 0;
	}
	for (unsigned i = index_of(m->iova, lg2); m->len && i < PT_TABLE_ENTRIES;) {
		unsigned leaf_lg2 = min_lg2(best_lg2(m), FMT(leaf_max_lg2)(level));

		if (leaf_lg2 >= lg2) {
			advance(m, 1ull << leaf_lg2);
			i += 1u << (leaf_lg2 - lg2);
		} else {
			struct pt_table *child = child_of(table, i);

			nr += !child;
			nr += missing(m, child, level - 1);
			i++;
		}
	}
	return nr;
}

static void put_leaf(struct mapping *m, struct pt_table *table, unsigned level, unsigned index,
		     unsigned leaf_lg2)
{
	unsigned nr = 1u << (leaf_lg2 - FMT(level_lg2)(level));
	uint64_t entry = FMT(make_leaf)(level, leaf_lg2, m->pa, m->prot);

	for (unsigned i = index; i < index + nr; i++)
		atomic_store_explicit(&table->entry[i], entry, memory_order_release);
	table->live += nr;
	m->leaves++;
	advance(m, 1ull << leaf_lg2);
}

/* The table at an entry, taken from the spare ones where there is none. */
static struct pt_table *get_child(struct mapping *m, struct pt_table *table, unsigned level,
				  unsigned index)
{
	struct pt_table *child = child_of(table, index);

	if (child)
		return child;
	child = m->spare;
	m->spare = child->next;
	child->next = NULL;
	atomic_store_explicit(&table->entry[index], FMT(make_table)(child, level - 1),
			      memory_order_release);
	table->live++;
	return child;
}

/* Writes the part of *m that lies below `table`. */
static void fill(struct mapping *m, struct pt_table *table, unsigned level)
{
	unsigned lg2 = FMT(level_lg2)(level);

	for (unsigned i = index_of(m->iova, lg2); m->len && i < PT_TABLE_ENTRIES;) {
		unsigned leaf_lg2 = min_lg2(best_lg2(m), FMT(leaf_max_lg2)(level));

		if (leaf_lg2 >= lg2) {
			put_leaf(m, table, level, i, leaf_lg2);
			i += 1u << (leaf_lg2 - lg2);
		} else {
			fill(m, get_child(m, table, level, i), level - 1);
			i++;
		}
	}
}

static int map(struct pt *pt, iova_t iova, pa_t pa, uint64_t len, uint32_t prot)
{
	struct mapping m = {iova, pa, len, prot, pt->max_leaf_lg2, 0, NULL};
	struct mapping dry = m;
	uint64_t nr = missing(&dry, pt->root, pt->levels);

	for (uint64_t i = 0; i < nr; i++) {
		struct pt_table *table = pt_table_new();

		if (!table) {
			pt_table_free_list(m.spare);
			return -ENOMEM;
		}
		table->next = m.spare;
		m.spare = table;
	}
	fill(&m, pt->root, pt->levels);
	pt->tables += nr;
	pt->leaves += m.leaves;
	return 0;
}

/* Clears the leaf that entry `index` belongs to; returns the index after it. */
static unsigned clear_leaf(struct pt *pt, struct pt_table *table, unsigned level, unsigned index,
			   uint64_t entry, uint64_t *bytes)
{
	unsigned leaf_lg2 = FMT(leaf_lg2)(entry, level);
	unsigned nr = 1u << (leaf_lg2 - FMT(level_lg2)(level));

	index &= ~(nr - 1);
	for (unsigned i = index; i < index + nr; i++)
		atomic_store_explicit(&table->entry[i], 0, memory_order_release);
	table->live -= nr;
	pt->leaves--;
	*bytes += 1ull << leaf_lg2;
	return index + nr;
}

/* Clears the leaves of first..last, which lies below `table`, and takes out tables left empty. */
static uint64_t clear(struct pt *pt, struct pt_table *table, unsigned level, iova_t first,
		      iova_t last, struct pt_gather *gather)
{
	unsigned lg2 = FMT(level_lg2)(level);
	unsigned end = index_of(last, lg2);
	uint64_t mask = (1ull << lg2) - 1;
	uint64_t bytes = 0;

	for (unsigned i = index_of(first, lg2); i <= end && table->live;) {
		uint64_t entry = atomic_load_explicit(&table->entry[i], memory_order_relaxed);
		iova_t entry_first = (last & ~(mask << PT_INDEX_LG2 | mask)) | (iova_t)i << lg2;
		struct pt_table *child;

		if (!FMT(present)(entry)) {
			i++;
			continue;
		}
		if (FMT(is_leaf)(entry)) {
			i = clear_leaf(pt, table, level, i, entry, &bytes);
			continue;
		}
		child = FMT(table)(entry);
		bytes += clear(pt, child, level - 1, first > entry_first ? first : entry_first,
			       last < (entry_first | mask) ? last : (entry_first | mask), gather);
		if (!child->live) {
			atomic_store_explicit(&table->entry[i], 0, memory_order_release);
			table->live--;
			pt->tables--;
			child->next = gather->tables;
			gather->tables = child;
		}
		i++;
	}
	return bytes;
}

static uint64_t unmap(struct pt *pt, iova_t first, iova_t last, struct pt_gather *gather)
{
	return clear(pt, pt->root, pt->levels, first, last, gather);
}

#endif
