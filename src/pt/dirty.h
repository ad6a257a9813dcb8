/* SPDX-License-Identifier: MIT */
/*
 * Dirty bits, read: written once for all formats (see fmt/README.md). Included by template.h.
 *
 * Not the entries hold them, but a map beside the tables: two bits for each entry, in two maps of
 * which one is *marked* in and the other is *quiet*. Of a leaf, the bits of all its entries say
 * that it was written through; of an entry that points to a table, its bit says that in that table,
 * or below it, there are bits. So what is clean is passed over at the highest table that is, and of
 * what is dirty not the entries are read, but a 64th as much.
 *
 * The order that makes this exact, though who marks takes no lock and writes no more than bits:
 *
 * - Who marks is in flight (or is counted, pt_dirty_enter). He looks which map is marked in, sets
 *   the leaf's bits there, then that of the entry which leads to its table, and so on to the root;
 *   where he finds a bit set he stops, for who set it goes on to the root. Then he writes memory.
 * - Who reads looks through the quiet map, then has the other one marked in, waits for those in
 *   flight and those counted, and looks through the map that is quiet now. Who marked in it has
 *   left: all his bits are there, up to the root, and his bytes are in memory; who comes later
 *   marks in the other one. So nobody else touches a quiet map, and it is read and cleared with
 *   plain loads and stores.
 * - So a mark made before the reading began is told: it is in one of the two maps, complete. One
 *   made during it is told, or is in the map marked in, for the next.
 * - Who reads and clears may do so after the lock is back that keeps tables in place (takes): the
 *   quiet map is his until he has the other one marked in, and unmapping does no more to it than
 *   take bits away. What he finds was dirty when he began.
 * - What a reading leaves in the quiet map, since it lies outside the range, stays there, and is
 *   what the next reading looks through first.
 * - Unmapping takes bits away in both maps only when nobody can be in flight through these leaves
 *   (pt_gather_free), one by one: their neighbours may be being marked. It leaves the bits of
 *   entries that go on pointing to a table, since what lies there may be being marked, too.
 */
#ifndef PT_DIRTY_H
#define PT_DIRTY_H

#include "pt/dirty_take.h"

/* Notes a dirty range, joined with the one before. false: there is no room. */
static bool note_run(struct pt_dirty *read, iova_t first, iova_t last)
{
	struct ioas_range *before = read->nr ? &read->runs[read->nr - 1] : NULL;

	if (first < read->first)
		first = read->first;
	if (last > read->last)
		last = read->last;
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

/* What of a table is asked for: entries first..last; cleared are those of leaves wholly inside. */
struct part {
	iova_t base;
	int64_t first, last, clear_first, clear_last;
};

/* The leaf that has entry `index`, if there is one: its entries. */
static bool leaf_at(const struct pt_table *table, unsigned level, int64_t index, int64_t *first,
		    int64_t *last)
{
	uint64_t entry = load_entry(table, (unsigned)index);
	int64_t nr;

	if (!FMT(present)(entry) || !FMT(is_leaf)(entry, level))
		return false;
	nr = 1ll << (FMT(leaf_lg2)(entry, level) - PT_LEVEL_LG2(level));
	*first = index & ~(nr - 1);
	*last = *first + nr - 1;
	return true;
}

/* A leaf that the range cuts keeps its bits: they speak for what lies outside, too. */
static struct part part_of(const struct reading *r, const struct pt_table *table, unsigned level,
			   iova_t base)
{
	const struct pt_dirty *read = r->read;
	unsigned lg2 = PT_LEVEL_LG2(level);
	int64_t end = entries_of(r->pt, level) - 1, first, last;
	bool ends = read->last - base < ((uint64_t)(end + 1) << lg2) - 1;
	struct part part = {.base = base, .last = end};

	if (read->next > base)
		part.first = (int64_t)((read->next - base) >> lg2);
	if (ends)
		part.last = (int64_t)((read->last - base) >> lg2);
	part.clear_first = part.first;
	part.clear_last = read->clear ? part.last : -1;
	if (read->clear && read->first > base && leaf_at(table, level, part.first, &first, &last) &&
	    base + ((uint64_t)first << lg2) < read->first)
		part.clear_first = last + 1;
	if (ends && read->clear && leaf_at(table, level, part.last, &first, &last) &&
	    base + ((uint64_t)last << lg2) + ((1ull << lg2) - 1) > read->last)
		part.clear_last = first - 1;
	return part;
}

/* One line's bits, told as they are. false: there is no room, from read->next on. */
static bool tell_line(struct reading *r, const struct part *part, int64_t at, uint64_t *words)
{
	struct pt_dirty *read = r->read;
	uint64_t *line;
	iova_t first = part->base + ((uint64_t)at << PT_GRANULE_LG2);

	if (part->clear_first <= at && part->clear_last >= at + (LINE_ENTRIES - 1))
		return take_line(read, first, words);
	if (!any_of(words))
		return true;
	if (read->line_nr == read->line_max) {
		if (first > read->next)
			read->next = first;
		return false;
	}
	line = read->lines[read->line_nr];
	read->line_first[read->line_nr] = first;
	for (unsigned w = 0; w < LINE_WORDS; w++) {
		int64_t from = at + 64 * (int64_t)w;

		line[w] = words[w] & mask_of(part->first - from, part->last - from);
		words[w] &= ~mask_of(part->clear_first - from, part->clear_last - from);
	}
	read->line_nr += any_of(line);
	return true;
}

/* One line's bits, told as ranges. false: there is no room, from read->next on. */
static bool tell_runs(struct reading *r, const struct part *part, int64_t at, uint64_t *words)
{
	for (unsigned w = 0; w < LINE_WORDS; w++) {
		int64_t from = at + 64 * (int64_t)w;
		uint64_t left = words[w] & mask_of(part->first - from, part->last - from);

		while (left) {
			int bit = __builtin_ctzll(left);
			uint64_t ones = ~(left >> bit);
			int nr = ones ? __builtin_ctzll(ones) : 64;
			iova_t first = part->base + ((uint64_t)(from + bit) << PT_GRANULE_LG2);

			nr = nr > 64 - bit ? 64 - bit : nr;
			if (!note_run(r->read, first,
				      first + ((uint64_t)nr << PT_GRANULE_LG2) - 1)) {
				r->read->next = first;
				return false;
			}
			left &= ~mask_of(bit, bit + nr - 1);
			words[w] &= ~(mask_of(bit, bit + nr - 1) &
				      mask_of(part->clear_first - from, part->clear_last - from));
		}
	}
	return true;
}

/* The smallest pages. */
static bool read_pages(struct reading *r, struct pt_table *table, iova_t base, bool *left)
{
	struct part part = part_of(r, table, 1, base);
	uint64_t *words = words_of(r, table), any = 0;
	int64_t line = part.first & ~(int64_t)(LINE_ENTRIES - 1);

	for (; line <= part.last; line += LINE_ENTRIES)
		if (!(r->read->lines ? tell_line : tell_runs)(r, &part, line, words + line / 64))
			return false;
	if (!r->read->clear)
		return true;
	for (unsigned w = 0; w < PT_TABLE_ENTRIES / 64; w++)
		any |= words[w];
	*left = any;
	return true;
}

/* Of a reading: the table that an entry of level 2 points to, or of a higher one. */
static bool read_child(struct reading *r, struct pt_table *table, unsigned level, iova_t base,
		       bool *left);

/* Of a table that points to tables: a leaf with entries first..last. */
static bool read_leaf(struct reading *r, const struct part *part, unsigned level, int64_t first,
		      int64_t last, uint64_t *words)
{
	unsigned lg2 = PT_LEVEL_LG2(level);

	if (!note_run(r->read, part->base + ((uint64_t)first << lg2),
		      part->base + ((uint64_t)(last + 1) << lg2) - 1)) {
		r->read->next = part->base + ((uint64_t)first << lg2);
		return false;
	}
	for (int64_t i = first; i <= last; i++)
		if (i >= part->clear_first && i <= part->clear_last)
			words[i / 64] &= ~(1ull << i % 64);
	return true;
}

/* Those of level 2 whose tables can be taken, as far as they are not leaves: first..last. */
static void whole_of(const struct reading *r, const struct part *part, unsigned level,
		     int64_t *first, int64_t *last)
{
	const struct pt_dirty *read = r->read;
	unsigned lg2 = PT_LEVEL_LG2(level);

	*first = 0;
	*last = -1;
	if (level != 2 || !read->takes || !read->clear)
		return;
	*first = part->first + (part->base + ((uint64_t)part->first << lg2) < read->next);
	*last = part->last - (part->base + ((uint64_t)(part->last + 1) << lg2) - 1 > read->last);
}

/*
 * From read->next on, in the table that begins at `base`. false: there is no more room. *left: has
 * it dirty entries still? Told only where the reading clears.
 */
static bool read_table(struct reading *r, struct pt_table *table, unsigned level, iova_t base,
		       bool *left)
{
	unsigned lg2 = PT_LEVEL_LG2(level);
	struct part part = part_of(r, table, level, base);
	uint64_t *words = words_of(r, table), any = 0;
	int64_t whole_first, whole_last, first, last, at = part.first;

	whole_of(r, &part, level, &whole_first, &whole_last);
	while (at <= part.last) {
		uint64_t word, entry;
		bool more = true;

		if (at >= whole_first && at <= whole_last &&
		    !take_tables(r, table, base, &at, whole_last))
			return false;
		if (at > part.last)
			break;
		word = words[at / 64] & UINT64_MAX << at % 64;
		at &= ~63ll;
		if (!word) {
			at += 64;
			continue;
		}
		at += __builtin_ctzll(word);
		if (at > part.last)
			break;
		entry = load_entry(table, (unsigned)at);
		if (leaf_at(table, level, at, &first, &last)) {
			if (!read_leaf(r, &part, level, first, last, words))
				return false;
			at = last + 1;
			continue;
		}
		if (FMT(present)(entry)) {
			iova_t child = base + ((uint64_t)at << lg2);
			bool dirty = true;

			more = read_child(r, table_at(entry), level - 1, child, &dirty);
			if (more && !dirty)
				words[at / 64] &= ~(1ull << at % 64);
		}
		if (!more)
			return false;
		at++;
	}
	for (unsigned w = 0; w < entries_of(r->pt, level) / 64; w++)
		any |= words[w];
	*left = any;
	return true;
}

static bool read_child(struct reading *r, struct pt_table *table, unsigned level, iova_t base,
		       bool *left)
{
	return level > 1 ? read_table(r, table, level, base, left)
			 : read_pages(r, table, base, left);
}

static bool dirty_read(struct pt *pt, struct pt_dirty *read)
{
	struct reading r = {pt, read,
			    !atomic_load_explicit(&pt->store.marked, memory_order_relaxed)};
	bool left;

	return read_table(&r, pt->root, pt->levels, 0, &left);
}

/* Takes the bits of what is not there away, and of tables what they have in first..last. */
static void forget(struct pt *pt, unsigned map, struct pt_table *table, unsigned level, iova_t base,
		   iova_t first, iova_t last)
{
	const struct pt_slab *slab = pt_slab_of(&pt->store, table);
	_Atomic uint64_t *words = slab->bits[map] + pt_slab_bit(slab, table) / 64;
	unsigned lg2 = PT_LEVEL_LG2(level),
		 i = first > base ? (unsigned)((first - base) >> lg2) : 0;
	uint64_t end = entries_of(pt, level);

	if ((last - base) >> lg2 < end)
		end = ((last - base) >> lg2) + 1;
	for (; i < end; i++) {
		uint64_t word =
			atomic_load_explicit(&words[i / 64], memory_order_relaxed) >> i % 64;
		uint64_t entry;

		if (!word) {
			i |= 63;
			continue;
		}
		i += (unsigned)__builtin_ctzll(word);
		if (i >= end)
			break;
		entry = load_entry(table, i);
		if (!FMT(present)(entry))
			atomic_fetch_and_explicit(&words[i / 64], ~(1ull << i % 64),
						  memory_order_relaxed);
		else if (!FMT(is_leaf)(entry, level))
			forget(pt, map, table_at(entry), level - 1, base + ((iova_t)i << lg2),
			       first, last);
	}
}

static void dirty_forget(struct pt *pt, iova_t first, iova_t last)
{
	for (unsigned map = 0; map < 2; map++)
		forget(pt, map, pt->root, pt->levels, 0, first, last);
}

#endif
