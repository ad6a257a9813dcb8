/* SPDX-License-Identifier: MIT */
/*
 * Dirty bits, written once for all formats (see fmt/README.md). Included by template.h.
 *
 * A leaf has one dirty bit, in its first entry, however many entries it takes; the walk for a write
 * sets it. Beside each table stands a mark that some leaf of it is dirty, so that reading passes
 * over clean tables with one load. The order that makes this exact: a writer sets the bit, then the
 * mark (also where it finds the bit set: who set it may not have come to the mark yet), and only
 * then writes memory; a reader takes the mark away, then looks at the bits. So a reader either sees
 * the bit of a write that is over, or the mark is there again for the next one.
 */
#ifndef PT_DIRTY_H
#define PT_DIRTY_H

#include "pt/walk.h"

/* Tables are aligned to their length. */
static struct pt_meta *meta_of_entry(const struct pt *pt, _Atomic uint64_t *entry)
{
	uintptr_t at = (uintptr_t)entry;

	if (PT_CONCAT && at - (uintptr_t)pt->root < pt->root_entries * sizeof(uint64_t))
		return meta_of(pt, pt->root);
	return meta_of(pt, (struct pt_table *)(at & ~(uintptr_t)(PT_TABLE_LEN - 1)));
}

/* An entry that is no longer that leaf was taken out under the walker, who is being waited for. */
static void dirty_mark(const struct pt *pt, const struct pt_walk *walk)
{
	uint64_t now = atomic_load_explicit(walk->leaf, memory_order_seq_cst);
	uint64_t clean = FMT(clean)(walk->entry);
	struct pt_meta *meta = meta_of_entry(pt, walk->leaf);

	do {
		if (FMT(clean)(now) != clean)
			return;
	} while (!FMT(is_dirty)(now) && !atomic_compare_exchange_weak_explicit(
						walk->leaf, &now, FMT(set_dirty)(now),
						memory_order_seq_cst, memory_order_seq_cst));
	if (!atomic_load_explicit(&meta->dirty, memory_order_seq_cst))
		atomic_store_explicit(&meta->dirty, true, memory_order_seq_cst);
}

/* Notes a dirty range, joined with the one before. false: there is no room. */
static bool note_run(struct pt_dirty *read, iova_t first, iova_t last)
{
	struct ioas_range *before = read->nr ? &read->runs[read->nr - 1] : NULL;

	if (!read->runs)
		return true;
	if (before && before->last + 1 == first) {
		before->last = last;
		return true;
	}
	if (read->nr == read->max)
		return false;
	read->runs[read->nr++] = (struct ioas_range){first, last};
	return true;
}

/* A leaf that the range cuts keeps its bit: it speaks for what lies outside, too. */
static bool read_leaf(struct pt_dirty *read, _Atomic uint64_t *entry, iova_t first, iova_t last)
{
	bool whole = first >= read->first && last <= read->last;
	iova_t from = first > read->next ? first : read->next;

	if (!FMT(is_dirty)(atomic_load_explicit(entry, memory_order_seq_cst)))
		return true;
	if (!note_run(read, from, last < read->last ? last : read->last)) {
		read->next = from;
		return false;
	}
	if (read->clear && whole)
		FMT(clear_dirty)(entry);
	return true;
}

/* Does the table have dirty leaves? Takes its mark away if all of them are going to be cleared. */
static bool take_mark(const struct pt_dirty *read, struct pt_meta *meta, iova_t base, iova_t last)
{
	if (!atomic_load_explicit(&meta->dirty, memory_order_seq_cst))
		return false;
	if (read->clear && base >= read->next && last <= read->last)
		return atomic_exchange_explicit(&meta->dirty, false, memory_order_seq_cst);
	return true;
}

/* From read->next on, in the table that begins at `base`. false: read->runs is full. */
static bool read_table(const struct pt *pt, struct pt_dirty *read, struct pt_table *table,
		       unsigned level, iova_t base)
{
	unsigned lg2 = PT_LEVEL_LG2(level);
	uint64_t entries = entries_of(pt, level);
	iova_t table_last = base + ((entries << lg2) - 1);
	struct pt_meta *meta = meta_of(pt, table);
	bool dirty = take_mark(read, meta, base, table_last);
	uint64_t i = read->next > base ? (read->next - base) >> lg2 : 0;
	uint64_t end = read->last < table_last ? (read->last - base) >> lg2 : entries - 1;
	bool more = true;

	if (level == 1 && !dirty)
		return true;
	while (more && i <= end) {
		uint64_t entry = load_entry(table, (unsigned)i);

		if (!FMT(present)(entry)) {
			i++;
		} else if (FMT(is_leaf)(entry, level)) {
			unsigned leaf_lg2 = FMT(leaf_lg2)(entry, level);
			uint64_t nr = 1ull << (leaf_lg2 - lg2);
			iova_t first;

			i &= ~(nr - 1);
			first = base + (i << lg2);
			if (dirty)
				more = read_leaf(read, &table->entry[i], first,
						 first + ((1ull << leaf_lg2) - 1));
			i += nr;
		} else {
			more = read_table(pt, read, table_at(entry), level - 1, base + (i << lg2));
			i++;
		}
	}
	if (!more && dirty)
		atomic_store_explicit(&meta->dirty, true, memory_order_seq_cst);
	return more;
}

static bool dirty_read(struct pt *pt, struct pt_dirty *read)
{
	return read_table(pt, read, pt->root, pt->levels, 0);
}

#endif
