/* SPDX-License-Identifier: MIT */
/* Dirty tracking of a page table: on and off, set, read and clear. dirty.h has the rules. */
#include <errno.h>
#include <sched.h>
#include "pt/mark.h"
#include "pt/pt_private.h"
#include "tlp/inflight.h"

#define LINE_WORDS (sizeof(pt_dirty_line) / sizeof(uint64_t))

bool pt_dirty_possible(const struct pt *pt)
{
	return pt->dirty_possible;
}

void pt_dirty_track(struct pt *pt, bool on)
{
	atomic_store_explicit(&pt->dirty_tracked, on && pt->dirty_possible, memory_order_seq_cst);
}

bool pt_dirty_tracked(const struct pt *pt)
{
	return atomic_load_explicit(&pt->dirty_tracked, memory_order_relaxed);
}

_Static_assert(offsetof(struct pt, store) == 0, "mark.h finds the store there");

static uint64_t entry_bit(size_t bit)
{
	return 1ull << bit % 64;
}

/* Sets the bits of all of a leaf's entries, and those that lead there. Relaxed, as dirty.h says. */
void pt_dirty_mark_clean(const struct pt *pt, const struct pt_walk *walk, unsigned map)
{
	_Atomic uint64_t *entry = walk->leaf;
	const struct pt_slab *slab = pt_slab_of(&pt->store, entry);
	size_t bit = pt_slab_bit(slab, entry);

	/* No longer that leaf: it was taken out under the walker, who is being waited for. */
	if (atomic_load_explicit(entry, memory_order_relaxed) != walk->entry)
		return;
	for (size_t i = bit; i < bit + walk->leaf_nr; i++)
		atomic_fetch_or_explicit(&slab->bits[map][i / 64], entry_bit(i),
					 memory_order_relaxed);
	for (;;) {
		size_t index = bit / (1ull << (pt->store.table_lg2 - 3));

		entry = slab->meta[index].up;
		if (!entry)
			return;
		slab = pt_slab_of(&pt->store, entry);
		bit = pt_slab_bit(slab, entry);
		if (atomic_fetch_or_explicit(&slab->bits[map][bit / 64], entry_bit(bit),
					     memory_order_relaxed) &
		    entry_bit(bit))
			return;
	}
}

/*
 * Counted as one who marks, though not in flight: which map. Who changes it sees the count, or the
 * change is seen here.
 */
static unsigned enter(struct pt *pt)
{
	unsigned map;

	for (;;) {
		map = atomic_load_explicit(&pt->store.marked, memory_order_seq_cst);
		atomic_fetch_add_explicit(&pt->dirty_busy[map], 1, memory_order_seq_cst);
		if (atomic_load_explicit(&pt->store.marked, memory_order_seq_cst) == map)
			return map;
		atomic_fetch_sub_explicit(&pt->dirty_busy[map], 1, memory_order_release);
	}
}

static void leave(struct pt *pt, unsigned map)
{
	atomic_fetch_sub_explicit(&pt->dirty_busy[map], 1, memory_order_release);
}

int pt_dirty_set(struct pt *pt, iova_t iova)
{
	struct pt_walk walk;
	unsigned map;

	if (iova > pt->last || pt->ops->walk(pt, iova, &walk))
		return -ENOENT;
	if (!pt->dirty_possible)
		return 0;
	map = enter(pt);
	pt_dirty_mark_in(pt, &walk, map);
	leave(pt, map);
	return 0;
}

/* Addresses up to UINT64_MAX do not occur: the range ends with the width. */
void pt_dirty_set_range(struct pt *pt, iova_t first, iova_t last)
{
	uint64_t page_len = 1ull << pt_page_lg2(pt);
	unsigned map;

	if (!pt->dirty_possible)
		return;
	if (last > pt->last)
		last = pt->last;
	map = enter(pt);
	while (first <= last) {
		struct pt_walk walk;

		if (pt->ops->walk(pt, first, &walk)) {
			first = (first | (page_len - 1)) + 1;
			continue;
		}
		pt_dirty_mark_in(pt, &walk, map);
		first = walk.leaf_first + walk.leaf_len;
	}
	leave(pt, map);
}

/* What is marked in becomes quiet. Whoever is of a later generation than `turned` saw the turn. */
static void turn(struct pt *pt, struct pt_dirty *read)
{
	unsigned map = atomic_load_explicit(&pt->store.marked, memory_order_relaxed);

	atomic_store_explicit(&pt->store.marked, !map, memory_order_seq_cst);
	while (atomic_load_explicit(&pt->dirty_busy[map], memory_order_seq_cst))
		sched_yield();
	if (!read->inflight)
		return;
	read->turned = inflight_generation(read->inflight);
	inflight_wait(read->inflight);
}

/* Of a reading: the map that is quiet, the turn, the map that is quiet then. */
enum { PASS_NONE, PASS_FIRST, PASS_TURN, PASS_SECOND };

bool pt_dirty_read(struct pt *pt, struct pt_dirty *read)
{
	read->nr = read->line_nr = read->take_nr = read->take_lines = 0;
	if (read->last > pt->last)
		read->last = pt->last;
	if (!pt->dirty_possible || read->first > read->last)
		return true;
	if (read->takes)
		pt_store_hold(&pt->store);
	if (read->pass == PASS_NONE) {
		read->pass = PASS_FIRST;
		read->next = read->first;
	}
	if (read->pass == PASS_FIRST) {
		if (!pt->ops->dirty_read(pt, read))
			return false;
		read->pass = PASS_TURN;
		/* They are in the map that is going to be marked in. */
		if (read->take_nr)
			return false;
	}
	if (read->pass == PASS_TURN) {
		turn(pt, read);
		read->pass = PASS_SECOND;
		read->next = read->first;
	}
	if (!pt->ops->dirty_read(pt, read))
		return false;
	read->pass = PASS_NONE;
	return true;
}

#if defined(__SANITIZE_THREAD__)

static void move_line(_Atomic uint64_t *from, uint64_t *to)
{
	for (unsigned i = 0; i < LINE_WORDS; i++) {
		to[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
		atomic_store_explicit(&from[i], 0, memory_order_relaxed);
	}
}

#else

/*
 * By wide loads and stores, which are half of a reading's instructions. Whoever else writes there
 * meanwhile takes bits away, and nobody looks: so it need not be atomic.
 */
static inline void move_line(_Atomic uint64_t *from, uint64_t *to)
{
	typedef uint64_t wide __attribute__((vector_size(16), may_alias));
	volatile wide *words = (volatile wide *)from;
	wide *line = (wide *)to, a = words[0], b = words[1], c = words[2], d = words[3];

	words[0] = words[1] = words[2] = words[3] = (wide){0};
	line[0] = a;
	line[1] = b;
	line[2] = c;
	line[3] = d;
}

#endif

void pt_dirty_move(const struct pt_dirty_take *take, size_t from, size_t nr, pt_dirty_line *lines)
{
	for (size_t i = 0; i < nr; i++)
		move_line(take->words + (from + i) * LINE_WORDS, lines[i]);
}

void pt_dirty_end(struct pt *pt)
{
	pt_store_release(&pt->store);
}

void pt_dirty_clear(struct pt *pt, struct inflight *inflight)
{
	struct pt_dirty all = {.last = UINT64_MAX, .clear = true, .inflight = inflight};

	pt_dirty_read(pt, &all);
}
