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
 * - What a reading leaves in the quiet map, since it lies outside the range, stays there, and is
 *   what the next reading looks through first.
 * - Unmapping takes bits away in both maps only when nobody can be in flight through these leaves
 *   (pt_gather_free), one by one: their neighbours may be being marked. It leaves the bits of
 *   entries that go on pointing to a table, since what lies there may be being marked, too.
 */
#ifndef PT_DIRTY_H
#define PT_DIRTY_H

#include <string.h>
#include "pt/walk.h"

#define LINE_WORDS   8u
#define LINE_ENTRIES (64u * LINE_WORDS)
_Static_assert(PT_TABLE_ENTRIES % LINE_ENTRIES == 0, "tables are whole lines");
/* So many tables ahead the next lines are fetched. */
#define AHEAD 16u

/* A reading at work. */
struct reading {
	struct pt *pt;
	struct pt_dirty *read;
	unsigned map; /* the quiet one */
};

/* Of the quiet map: the word of a table's first entry. */
static uint64_t *words_of(const struct reading *r, const struct pt_table *table)
{
	const struct pt_slab *slab = pt_slab_of(&r->pt->store, table);

	return (uint64_t *)slab->bits[r->map] + pt_slab_bit(slab, table) / 64;
}

/* Bits first..last of a word, as far as they lie in it; both counted from its first bit. */
static uint64_t mask_of(int64_t first, int64_t last)
{
	if (first > 63 || last < 0 || first > last)
		return 0;
	return (first > 0 ? UINT64_MAX << first : UINT64_MAX) &
	       (last < 63 ? UINT64_MAX >> (63 - last) : UINT64_MAX);
}

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

static bool any_of(const uint64_t *words)
{
	return words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] |
	       words[7];
}

/* One line's bits, all told and cleared. false: there is no room. */
static inline bool take_line(struct pt_dirty *read, iova_t first, uint64_t *words)
{
	struct pt_dirty_line *line = &read->lines[read->line_nr];

	if (!any_of(words))
		return true;
	if (read->line_nr == read->line_max) {
		read->next = first;
		return false;
	}
	line->first = first;
	memcpy(line->bits, words, sizeof(line->bits));
	memset(words, 0, sizeof(line->bits));
	read->line_nr++;
	return true;
}

/* One line's bits, told as they are. false: there is no room, from read->next on. */
static bool tell_line(struct reading *r, const struct part *part, int64_t at, uint64_t *words)
{
	struct pt_dirty *read = r->read;
	struct pt_dirty_line *line = &read->lines[read->line_nr];
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
	line->first = first;
	for (unsigned w = 0; w < LINE_WORDS; w++) {
		int64_t from = at + 64 * (int64_t)w;

		line->bits[w] = words[w] & mask_of(part->first - from, part->last - from);
		words[w] &= ~mask_of(part->clear_first - from, part->clear_last - from);
	}
	read->line_nr += any_of(line->bits);
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

/* All of a table of the smallest pages that lies wholly in the range, where lines are wanted. */
static inline bool take_pages(struct pt_dirty *read, uint64_t *words, iova_t base)
{
	for (unsigned i = 0; i < PT_TABLE_ENTRIES; i += LINE_ENTRIES)
		if (!take_line(read, base + ((uint64_t)i << PT_GRANULE_LG2), words + i / 64))
			return false;
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

/* The line of a table that will be read soon. */
static inline void fetch(const struct reading *r, const struct pt_table *table, unsigned level,
			 int64_t index)
{
	uint64_t entry;

	if (index >= entries_of(r->pt, level))
		return;
	entry = peek(table, (unsigned)index);
	if (FMT(present)(entry) && !FMT(is_leaf)(entry, level))
		__builtin_prefetch(words_of(r, table_at(entry)), 1);
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
	int64_t first, last, at = part.first;

	while (at <= part.last) {
		uint64_t word = words[at / 64] & UINT64_MAX << at % 64;
		uint64_t entry;
		bool more = true;

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
		fetch(r, table, level, at + AHEAD);
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
	const struct pt_dirty *read = r->read;

	if (level > 1)
		return read_table(r, table, level, base, left);
	if (!read->lines || !read->clear || base < read->next ||
	    read->last - base < (1ull << PT_LEVEL_LG2(2)) - 1)
		return read_pages(r, table, base, left);
	*left = false;
	return take_pages(r->read, words_of(r, table), base);
}

static bool dirty_read(struct pt *pt, struct pt_dirty *read)
{
	struct reading r = {pt, read, !atomic_load_explicit(&pt->dirty_map, memory_order_relaxed)};
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
