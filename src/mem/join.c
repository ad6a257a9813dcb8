/* SPDX-License-Identifier: MIT */
/*
 * What a new window shows: memory of this process, and what other windows stand for by now, which
 * may be in several places that the program no longer knows.
 *
 * All under the pins' lock, so that nothing moves meanwhile. What touches becomes one: a window in
 * one place has no pieces, and is found without a search.
 */
#include <errno.h>
#include <string.h>
#include "mem/mem.h"
#include "util/sys.h"

/* Pieces in the making: counted first, then written. */
struct pieces {
	struct mem_piece **out; /* NULL: only count */
	size_t nr;
	uint64_t end;	/* in the window, of the last piece */
	uintptr_t host; /* where the last one ends */
	bool hidden;	/* is the last one? */
};

static void put(struct pieces *pieces, uintptr_t host, uint64_t len, bool hidden)
{
	bool joins = pieces->nr && host == pieces->host && hidden == pieces->hidden;

	if (!joins)
		pieces->nr++;
	if (pieces->out) {
		struct mem_piece *piece = pieces->out[pieces->nr - 1];

		if (!joins) {
			piece->start = pieces->end;
			piece->node.tag = hidden;
			atomic_init(&piece->host, host);
		}
		piece->len += len;
	}
	pieces->end += len;
	pieces->host = host + len;
	pieces->hidden = hidden;
}

static void put_piece(struct pieces *pieces, const struct mem_piece *piece, uint64_t start,
		      uint64_t end)
{
	uint64_t first = piece->start > start ? piece->start : start;
	uint64_t last = piece->start + piece->len < end ? piece->start + piece->len : end;

	if (first < last)
		put(pieces, piece_host(piece) + (first - piece->start), last - first,
		    piece->node.tag);
}

static void put_part(struct pieces *pieces, const struct mem_part *part)
{
	struct mem_split *split;

	if (!part->from) {
		put(pieces, (uintptr_t)part->host, part->len, false);
		return;
	}
	split = pins_split_of(part->from);
	if (!split)
		put(pieces,
		    atomic_load_explicit(&part->from->host, memory_order_relaxed) + part->start,
		    part->len, !mem_window_is_one(part->from) && part->from->pieces->node.tag);
	for (size_t i = split ? pins_piece_index(split, part->start) : 0; split && i < split->nr;
	     i++) {
		if (split->at[i].start >= part->start + part->len)
			break;
		put_piece(pieces, split->at[i].piece, part->start, part->start + part->len);
	}
}

static void put_all(struct pieces *pieces, const struct mem_part *parts, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		put_part(pieces, &parts[i]);
}

static void give_back(struct mem_pins *pins, struct mem_piece **pieces, size_t nr)
{
	while (nr)
		pool_give(&pins->pieces, pieces[--nr]);
}

static int get_pieces(struct mem_pins *pins, struct mem_window *window, struct mem_piece **pieces,
		      size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		pieces[i] = pins_piece_new(pins, window);
		if (!pieces[i]) {
			give_back(pins, pieces, i);
			return -ENOMEM;
		}
	}
	return 0;
}

/* The list of pieces is needed only while they are written. */
static int add_several(struct mem_pins *pins, struct mem_window *window,
		       const struct mem_part *parts, size_t parts_nr, size_t nr)
{
	struct mem_split *split;
	size_t bytes = sizeof(*split) + nr * sizeof(split->at[0]);
	size_t list = nr * sizeof(struct mem_piece *);
	struct mem_piece **pieces = pins_map_pages(list);
	struct pieces put = {.out = pieces};
	int rc = -ENOMEM;

	split = pieces ? pins_map_pages(bytes) : NULL;
	if (split)
		rc = get_pieces(pins, window, pieces, nr);
	if (!rc) {
		put_all(&put, parts, parts_nr);
		window->pieces = NULL;
		split->nr = nr;
		split->bytes = bytes;
		for (size_t i = 0; i < nr; i++) {
			split->at[i].start = pieces[i]->start;
			split->at[i].end = pieces[i]->start + pieces[i]->len;
			split->at[i].piece = pieces[i];
			pins_link(window, i ? pieces[i - 1] : NULL, pieces[i]);
			pins_enter(pins, pieces[i]);
		}
		atomic_init(&window->host, (uintptr_t)split + MEM_SPLIT);
	} else if (split) {
		sys_call(SYS_munmap, split, bytes);
	}
	if (pieces)
		sys_call(SYS_munmap, pieces, list);
	return rc;
}

int pins_add(struct mem_pins *pins, struct mem_window *window, const struct mem_part *parts,
	     size_t nr)
{
	struct pieces pieces = {.out = NULL};

	window->shown = MEM_SHOWN;
	/* As nearly always: memory that the program knows, in one place; also what others show. */
	if (nr == 1 && !parts->from) {
		atomic_init(&window->host, (uintptr_t)parts->host);
		return pins_enter_window(pins, window);
	}
	put_all(&pieces, parts, nr);
	if (pieces.nr == 1 && !pieces.hidden) {
		atomic_init(&window->host, pieces.host - pieces.end);
		return pins_enter_window(pins, window);
	}
	return add_several(pins, window, parts, nr, pieces.nr);
}
