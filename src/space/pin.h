/* SPDX-License-Identifier: MIT */
/* The pins of a page object in order, for pin.c. All locked. */
#ifndef SPACE_PIN_H
#define SPACE_PIN_H

#include "space/private.h"

static inline uint64_t pin_end(const struct pages_pin *pin)
{
	return pin_start(pin) + pin_len(pin);
}

/* Has nothing of the pages been pinned? */
static inline bool pins_none(const struct space_pages *pages)
{
	const struct pages_others *others = pages_others(pages);

	return !(others && others->pins) &&
	       !(pages->has_first && pages_first(pages)->pin.tag & PIN_IN);
}

/* All of a page object's memory, as its first pin is about to hold it, or does alone. */
static inline struct pages_memory pin_first_memory(const struct pages_first *first)
{
	return (struct pages_memory){.host = first->host, .len = first->window.len, .refs = 1};
}

/* A pin of exactly that range that is not ending, or NULL. O(log n). */
struct pages_pin *pin_find(const struct space_pages *pages, uint64_t start, uint64_t len);
/* Makes room for others, beside a first one if there is that. 0; -ENOMEM. */
int pins_reserve(struct space_pages *pages);
/* Adds a block's pin, after pins_reserve. */
void pin_enter(struct space_pages *pages, struct pin_block *block);
/* Takes a pin out. */
void pin_remove(struct space_pages *pages, struct pages_pin *pin);

/*
 * A walk through start..end: what pins cover, and the gaps between, one after the other. With a
 * window only the pins count that show it.
 */
struct pin_walk {
	const struct mem_window *window;
	struct pages_pin *next;
	uint64_t at, end;
};

struct pin_walk pin_walk_begin(const struct space_pages *pages, const struct mem_window *window,
			       uint64_t start, uint64_t len);
/* What begins at walk->at: some of *pin, or a gap (NULL). Its length; 0: the end. */
uint64_t pin_walk_step(struct pin_walk *walk, struct pages_pin **pin);

#endif
