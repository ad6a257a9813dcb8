/* SPDX-License-Identifier: MIT */
/*
 * Most of a reading that clears: tables of the smallest pages that lie wholly in the range.
 * Included by dirty.h, which has the rules.
 *
 * Here is only found where their bits are; who reads takes them from there (pt_dirty_move), without
 * a lock. Tables that are made one after the other stand side by side, and so do their bits:
 * several are taken in one go, with what is clean between them.
 */
#ifndef PT_DIRTY_TAKE_H
#define PT_DIRTY_TAKE_H

#include <string.h>
#include "pt/walk.h"

#define LINE_WORDS   8u
#define LINE_ENTRIES (64u * LINE_WORDS)
_Static_assert(PT_TABLE_ENTRIES % LINE_ENTRIES == 0, "tables are whole lines");
#define TABLE_LINES (PT_TABLE_ENTRIES / LINE_ENTRIES)
/* So many tables are looked at at once: the entries of a line. */
#define GROUP 8
/* No more lines are found by one call: the lock is held meanwhile. */
#define TAKE_LINES 4096u

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

static bool any_of(const uint64_t *words)
{
	return words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] |
	       words[7];
}

/* One line's bits, all told and cleared. false: there is no room. */
static inline bool take_line(struct pt_dirty *read, iova_t first, uint64_t *words)
{
	if (!any_of(words))
		return true;
	if (read->line_nr == read->line_max) {
		read->next = first;
		return false;
	}
	read->line_first[read->line_nr] = first;
	memcpy(read->lines[read->line_nr++], words, sizeof(pt_dirty_line));
	memset(words, 0, sizeof(pt_dirty_line));
	return true;
}

/* The table that an entry of level 2 points to; NULL: it does not. */
static inline struct pt_table *child_at(const struct pt_table *table, int64_t index)
{
	uint64_t entry = load_entry(table, (unsigned)index);

	return FMT(present)(entry) && !FMT(is_leaf)(entry, 2) ? table_at(entry) : NULL;
}

/*
 * Do `nr` entries from `index` on point to tables that stand side by side, the first of them to
 * `first`? Entries that lead on differ in the address alone, so what is as far from the one before
 * as the second is from the first leads to the next table.
 */
static inline bool is_group(const struct pt_table *table, int64_t index, unsigned nr,
			    const struct pt_table *first)
{
	uint64_t entry = load_entry(table, (unsigned)index), other = 0;
	uint64_t step = load_entry(table, (unsigned)index + 1) - entry;

	if ((uintptr_t)child_at(table, index + 1) != (uintptr_t)first + PT_TABLE_LEN)
		return false;
	for (unsigned i = 2; i < nr; i += 2) {
		other |= load_entry(table, (unsigned)index + i) ^ (entry + i * step);
		other |= load_entry(table, (unsigned)index + i + 1) ^ (entry + (i + 1) * step);
	}
	return !other;
}

/* Is there one dirty in each group of eight? */
static inline bool is_dense(uint64_t bits)
{
	return !((bits - 0x0101010101010101) & ~bits & 0x8080808080808080);
}

/*
 * Tables side by side in the slab and in the address space, `nr` of them, the first one's bits at
 * `words`: dirty are those that `bits` says. Goes on with the take before where it can. false:
 * there is no room.
 */
static inline bool add_take(struct pt_dirty *read, iova_t first, uint64_t *words, unsigned nr,
			    uint64_t bits)
{
	struct pt_dirty_take *take = read->takes + read->take_nr - (read->take_nr > 0);
	unsigned from = TABLE_LINES * (unsigned)__builtin_ctzll(bits);
	unsigned to = TABLE_LINES * (64 - (unsigned)__builtin_clzll(bits));

	if (read->take_lines >= TAKE_LINES)
		return false;
	if (read->take_nr && take->words + take->end * LINE_WORDS == (_Atomic uint64_t *)words &&
	    take->first + ((uint64_t)take->end * LINE_ENTRIES << PT_GRANULE_LG2) == first) {
		read->take_lines += take->end + to - take->nr;
		take->nr = take->end + to;
		take->end += nr * TABLE_LINES;
		return true;
	}
	if (read->take_nr == read->take_max)
		return false;
	read->take_lines += to - from;
	read->takes[read->take_nr++] = (struct pt_dirty_take){
		.first = first + ((uint64_t)from * LINE_ENTRIES << PT_GRANULE_LG2),
		.words = (_Atomic uint64_t *)words + from * LINE_WORDS,
		.nr = to - from,
		.end = nr * TABLE_LINES - from};
	return true;
}

/*
 * Which of the entries `word` .. + 63, dirty ones `left`, are taken at once: `nr` from *index on,
 * to *child and the tables beside it. Few sizes, for others cost more in mispredicted branches than
 * they save: all 64 where it is worth while, the entries of a line, or one.
 */
static inline unsigned find_group(const struct pt_table *table, int64_t word, uint64_t left,
				  int64_t begin, int64_t last, int64_t *index,
				  struct pt_table **child)
{
	unsigned bit = (unsigned)__builtin_ctzll(left), group = bit & ~(GROUP - 1u);
	uint64_t bits = left >> group & ((1u << GROUP) - 1);

	if (is_dense(left) && word >= begin && word + 63 <= last) {
		*child = child_at(table, *index = word);
		if (*child && is_group(table, word, 64, *child))
			return 64;
	}
	if (bits & (bits - 1) && word + group >= begin && word + group + GROUP - 1 <= last) {
		*child = child_at(table, *index = word + group);
		if (*child && is_group(table, *index, GROUP, *child))
			return GROUP;
	}
	*child = child_at(table, *index = word + bit);
	return 1;
}

/*
 * Entries at..last of a table of level 2, whose tables lie wholly in the range: those that are
 * dirty become takes. false: there is no more room, from read->next on. True: *at is where to go
 * on, beyond `last` or with what is no table.
 */
static bool take_tables(const struct reading *r, struct pt_table *table, iova_t base, int64_t *at,
			int64_t last)
{
	uint64_t *words = words_of(r, table);
	int64_t begin = *at;

	for (int64_t word = begin & ~63ll; word <= last; word += 64) {
		uint64_t left = words[word / 64] & mask_of(begin - word, last - word);

		while (left) {
			struct pt_table *child;
			unsigned nr = find_group(table, word, left, begin, last, at, &child);
			iova_t first = base + ((uint64_t)*at << PT_LEVEL_LG2(2));
			uint64_t bits = left >> (*at - word) & UINT64_MAX >> (64 - nr);

			if (!child)
				return true;
			if (!add_take(r->read, first, words_of(r, child), nr, bits)) {
				r->read->next = first;
				return false;
			}
			bits <<= *at - word;
			words[word / 64] &= ~bits;
			left &= ~bits;
		}
	}
	*at = last + 1;
	return true;
}

#endif
