/* SPDX-License-Identifier: MIT */
/*
 * Most of a reading of dirty bits: tables of the smallest pages that lie wholly in the range, told
 * and cleared. Included by dirty.h, which has the rules.
 *
 * Their bits lie apart, and what is dirty of them is found ahead of being taken, so that it is on
 * its way from memory meanwhile. Where all is dirty they are taken several at once, if they stand
 * side by side: tables that are made one after the other do.
 */
#ifndef PT_DIRTY_TAKE_H
#define PT_DIRTY_TAKE_H

#include <string.h>
#include "pt/walk.h"

#define LINE_WORDS   8u
#define LINE_ENTRIES (64u * LINE_WORDS)
_Static_assert(PT_TABLE_ENTRIES % LINE_ENTRIES == 0, "tables are whole lines");
/* Lines are fetched so many runs of dirty tables ahead, of so many tables each; powers of two. */
#define AHEAD	16u
#define RUN_MAX 8

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

/* Dirty tables side by side whose entries are: their bits are, too. */
struct run {
	uint64_t *words;
	int64_t index; /* of the first one's entry */
	int64_t nr;
};

/*
 * Entries at..last of a table of level 2, whose tables lie wholly in the range, being told and
 * cleared. What is dirty of them is found AHEAD runs before it is taken, so that its lines are on
 * their way from memory meanwhile.
 */
struct taking {
	struct reading *r;
	struct pt_table *table;
	uint64_t *words; /* its bits */
	int64_t at, last;
	uint64_t word; /* bits of the word with `at` that are taken out of it */
	struct run found[AHEAD];
	unsigned head, tail; /* found[head .. tail - 1], modulo AHEAD */
};

/* The table that an entry of level 2 points to; NULL: it does not. */
static inline struct pt_table *child_at(const struct pt_table *table, int64_t index)
{
	uint64_t entry = load_entry(table, (unsigned)index);

	return FMT(present)(entry) && !FMT(is_leaf)(entry, 2) ? table_at(entry) : NULL;
}

/* Has t->word bits of entries up to `last`, those from `at` on? */
static inline bool find_word(struct taking *t)
{
	while (!t->word) {
		uint64_t mask = mask_of(t->at % 64, t->last - (t->at & ~63ll));

		if (t->at > t->last)
			return false;
		t->word = t->words[t->at / 64] & mask;
		if (t->word)
			t->words[t->at / 64] &= ~mask;
		else
			t->at = (t->at | 63) + 1;
	}
	return true;
}

/* Are RUN_MAX tables from `first` on, the one of entry `index`, side by side? */
static inline bool is_run(const struct taking *t, const struct pt_table *first, int64_t index)
{
	uintptr_t next = (uintptr_t)first;

	for (int64_t i = 1; i < RUN_MAX; i++) {
		next += PT_TABLE_ENTRIES * sizeof(first->entry[0]);
		if ((uintptr_t)child_at(t->table, index + i) != next)
			return false;
	}
	return true;
}

/*
 * false: there is nothing more, or what there is has to be read in another way. A run is one table
 * or RUN_MAX: other lengths would cost more in mispredicted branches than they save.
 */
static inline bool find_run(struct taking *t)
{
	struct run *run = &t->found[t->tail % AHEAD];
	const uint64_t whole = (1u << RUN_MAX) - 1;
	struct pt_table *first;
	int64_t bit;

	if (!find_word(t))
		return false;
	bit = __builtin_ctzll(t->word);
	run->index = (t->at & ~63ll) + bit;
	run->nr = 1;
	first = child_at(t->table, run->index);
	if (!first)
		return false;
	run->words = words_of(t->r, first);
	if ((t->word >> bit & whole) == whole && is_run(t, first, run->index))
		run->nr = RUN_MAX;
	for (int64_t i = 0; i < run->nr; i++)
		__builtin_prefetch(run->words + i * (PT_TABLE_ENTRIES / 64), 1);
	t->word &= ~(run->nr == 1 ? 1ull << bit : whole << bit);
	if (!t->word)
		t->at = (t->at | 63) + 1;
	t->tail++;
	return true;
}

/* false: there is no more room, from read->next on. */
static inline bool take_run(struct pt_dirty *read, const struct run *run, iova_t first)
{
	int64_t nr = run->nr * (PT_TABLE_ENTRIES / LINE_ENTRIES);

	if (PT_TABLE_ENTRIES != LINE_ENTRIES || nr > (int64_t)(read->line_max - read->line_nr)) {
		for (int64_t i = 0; i < nr; i++)
			if (!take_line(read, first + ((uint64_t)i * LINE_ENTRIES << PT_GRANULE_LG2),
				       run->words + i * LINE_WORDS))
				return false;
		return true;
	}
	memcpy(read->lines[read->line_nr], run->words, (size_t)nr * sizeof(pt_dirty_line));
	memset(run->words, 0, (size_t)nr * sizeof(pt_dirty_line));
	for (int64_t i = 0; i < nr; i++)
		read->line_first[read->line_nr++] =
			first + ((uint64_t)i * LINE_ENTRIES << PT_GRANULE_LG2);
	return true;
}

/* What was found and not taken will be found again. Where to go on. */
static int64_t give_back(struct taking *t)
{
	int64_t at = t->at <= t->last ? t->at : t->last + 1;

	if (t->word) {
		at = (at & ~63ll) + __builtin_ctzll(t->word);
		t->words[at / 64] |= t->word;
	}
	while (t->head != t->tail) {
		const struct run *run = &t->found[--t->tail % AHEAD];

		at = run->index;
		t->words[at / 64] |= mask_of(at % 64, at % 64 + run->nr - 1);
	}
	return at;
}

/* false: there is no more room. True: *at is where to go on. */
static bool take_tables(struct reading *r, struct pt_table *table, iova_t base, int64_t *at,
			int64_t last)
{
	struct taking t = {
		.r = r, .table = table, .words = words_of(r, table), .at = *at, .last = last};
	bool more = true, room = true;

	while (room) {
		const struct run *run = &t.found[t.head % AHEAD];

		while (more && t.tail - t.head < AHEAD)
			more = find_run(&t);
		if (t.head == t.tail)
			break;
		room = take_run(r->read, run, base + ((uint64_t)run->index << PT_LEVEL_LG2(2)));
		t.head += room;
	}
	*at = give_back(&t);
	return room;
}

#endif
