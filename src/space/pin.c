/* SPDX-License-Identifier: MIT */
/*
 * The pins of a page object: what of it is pinned, for whom, and that it stays the same memory.
 *
 * A new pin takes what other pins show from them, and asks the caller for the rest. So a page that
 * the program gave up while it was pinned is still the one that a later pin of the same page gets,
 * and is paid for once.
 */
#include <errno.h>
#include <stdlib.h>
#include "space/pin.h"
#include "util/alloc.h"
#include "util/lock.h"

static void block_put(struct pin_block *block)
{
	if (!block->pin_used && !block->window_used)
		free(block);
}

static struct pin_block *window_block(struct mem_window *window)
{
	return tree_entry(window, struct pin_block, own.window);
}

static bool is_firsts(struct space_pages *pages, const struct mem_window *window)
{
	return pages->has_first && window == &pages_first(pages)->window;
}

/* How many pins show a window. */
static uint32_t *shared(struct space_pages *pages, struct mem_window *window)
{
	return is_firsts(pages, window) ? &pages_others(pages)->shared
					: &window_block(window)->shared;
}

static void memory_put(struct space_pages *pages, struct pages_memory *memory)
{
	if (--memory->refs)
		return;
	pages_memory_end(pages, memory);
	if (memory != &pages_others(pages)->memory)
		free(memory);
}

static void window_put(struct ioas_space *space, struct space_pages *pages,
		       struct mem_window *window)
{
	mem_window_end(space->iommu->mem, window);
	if (is_firsts(pages, window))
		return;
	window_block(window)->window_used = false;
	block_put(window_block(window));
}

static size_t held_nr(const struct pages_pin *pin)
{
	return pin->tag & PIN_FIRST ? 1 : pin_block(pin)->held_nr;
}

/* Of a first pin only where there are others. */
static struct pages_held held_at(const struct pages_pin *pin, size_t i)
{
	if (pin->tag & PIN_FIRST)
		return (struct pages_held){&pages_others(&pin_first(pin)->pages)->memory, 0,
					   pin_end(pin)};
	return pin_block(pin)->held[i];
}

/* A pin that is in no tree. What it held is given back already, or others hold it. */
static void pin_free(struct space_pages *pages, struct pages_pin *pin)
{
	for (size_t i = held_nr(pin); i--;)
		memory_put(pages, held_at(pin, i).memory);
	if (pin->tag & PIN_FIRST)
		return;
	pin_block(pin)->pin_used = false;
	block_put(pin_block(pin));
}

/* Holds what of start..end another pin holds. */
static void hold(struct pin_block *block, const struct pages_pin *from, uint64_t start,
		 uint64_t end)
{
	for (size_t i = 0; i < held_nr(from); i++) {
		struct pages_held held = held_at(from, i);

		held.start = held.start > start ? held.start : start;
		held.end = held.end < end ? held.end : end;
		if (held.start >= held.end)
			continue;
		held.memory->refs++;
		block->held[block->held_nr++] = held;
	}
}

/* Gives back what of start..end a pin held, and no pin covers now. */
static void give_back(struct space_pages *pages, const struct pages_pin *pin, uint64_t start,
		      uint64_t end)
{
	for (size_t i = 0; i < held_nr(pin); i++) {
		struct pages_held held = held_at(pin, i);
		uint64_t first = held.start > start ? held.start : start;
		uint64_t last = held.end < end ? held.end : end;

		if (first < last)
			pages_memory_unpin(pages, held.memory, first, last - first);
	}
}

static int memory_new(struct ioas_iommu *iommu, struct space_pages *pages, uint64_t start,
		      uint64_t len, struct pages_memory **out, struct ioas_why *why)
{
	struct pages_memory *memory = alloc_raw(sizeof(*memory));
	int rc;

	if (!memory)
		return -ENOMEM;
	*memory = (struct pages_memory){.start = start, .len = len, .refs = 1};
	rc = pages_memory_pin(iommu, pages, start, len, &memory->host, why);
	if (rc)
		free(memory);
	else
		*out = memory;
	return rc;
}

/* Fills in the parts of a new pin and what it holds; *fresh: bytes that no pin covered. */
static int gather(struct ioas_iommu *iommu, struct space_pages *pages, struct pin_block *block,
		  struct mem_part *parts, uint64_t *fresh, struct ioas_why *why)
{
	struct pin_walk walk = pin_walk_begin(pages, NULL, block->start, block->len);
	struct pages_held *held;
	struct pages_pin *from;
	uint64_t at = walk.at, len;
	int rc;

	for (; (len = pin_walk_step(&walk, &from)); at = walk.at, parts++) {
		parts->len = len;
		if (from) {
			parts->from = pin_window(from);
			parts->start = pin_skip(from) + (at - pin_start(from));
			hold(block, from, at, walk.at);
			continue;
		}
		held = &block->held[block->held_nr];
		rc = memory_new(iommu, pages, at, len, &held->memory, why);
		if (rc)
			return rc;
		held->start = at;
		held->end = walk.at;
		parts->host = held->memory->host;
		block->held_nr++;
		*fresh += len;
	}
	return 0;
}

/* What the pins of a page object count as together: the first one's window need not say so. */
static const void *owner(struct space_pages *pages, const struct mem_window *window)
{
	if (!pages->has_first)
		return pages;
	return is_firsts(pages, window) ? NULL : &pages_first(pages)->window;
}

/* Pays for what is pinned first, and makes the window. */
static int finish(struct ioas_space *space, struct space_pages *pages, const struct mem_part *parts,
		  size_t nr, iova_t iova, uint64_t fresh, struct mem_window *window,
		  struct ioas_why *why)
{
	int rc = fresh ? pages_charge(pages, fresh, why) : 0;

	if (rc)
		return rc;
	/* -ENOSPC would say that there is no room for an IOVA. */
	if (mem_window_begin(space->iommu->mem, iova, parts, nr, owner(pages, window), window)) {
		if (fresh)
			pages_uncharge(pages, fresh);
		return -ENOMEM;
	}
	return 0;
}

static struct pin_block *block_new(uint64_t start, uint64_t len, size_t held_max)
{
	struct pin_block *block = alloc_raw(sizeof(*block) + held_max * sizeof(struct pages_held));

	if (!block)
		return NULL;
	block->pin = (struct pages_pin){.users = 1};
	block->pin_used = true;
	block->window_used = false;
	block->start = start;
	block->len = len;
	block->held_nr = 0;
	return block;
}

/* Room for what gather() writes. */
static int room(struct space_pages *pages, uint64_t start, uint64_t len, struct pin_block **out,
		struct mem_part **parts, size_t *nr)
{
	struct pin_walk walk = pin_walk_begin(pages, NULL, start, len);
	struct pages_pin *from;
	size_t nr_held = 0;

	for (*nr = 0; pin_walk_step(&walk, &from); ++*nr)
		nr_held += from ? held_nr(from) : 1;
	*out = block_new(start, len, nr_held);
	*parts = *out ? alloc_zero(*nr, sizeof(**parts)) : NULL;
	if (*parts)
		return 0;
	free(*out);
	return -ENOMEM;
}

/* Of a pin that is in the tree no more, what no other covers; `window`: of those that show that. */
typedef void gap_fn(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
		    uint64_t start, uint64_t end);

static void each_gap(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
		     const struct mem_window *window, gap_fn *fn)
{
	struct pin_walk walk = pin_walk_begin(pages, window, pin_start(pin), pin_len(pin));
	struct pages_pin *other;
	uint64_t len;

	while ((len = pin_walk_step(&walk, &other)))
		if (!other)
			fn(space, pages, pin, walk.at - len, walk.at);
}

static void gap_in_window(struct ioas_space *space, struct space_pages *pages,
			  struct pages_pin *pin, uint64_t start, uint64_t end)
{
	uint64_t off = pin_skip(pin) - pin_start(pin);

	mem_window_release(space->iommu->mem, pin_window(pin), start + off, end + off);
}

static void gap(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
		uint64_t start, uint64_t end)
{
	pages_uncharge(pages, end - start);
	give_back(pages, pin, start, end);
}

/* A pin that could not be finished: what it was the first to hold goes back. */
static void pin_undo(struct space_pages *pages, struct pages_pin *pin)
{
	for (size_t i = 0; i < held_nr(pin); i++) {
		struct pages_held held = held_at(pin, i);

		if (held.memory->refs == 1)
			give_back(pages, pin, held.start, held.end);
	}
	pin_free(pages, pin);
}

/* Where others have pins, and of a part. */
static __attribute__((noinline)) int pin_among(struct ioas_space *space, struct space_pages *pages,
					       uint64_t start, uint64_t len, iova_t iova,
					       struct pages_pin **out, struct ioas_why *why)
{
	struct pin_block *block;
	struct mem_part *parts;
	uint64_t fresh = 0;
	size_t nr;
	int rc = pins_reserve(pages);

	if (!rc)
		rc = room(pages, start, len, &block, &parts, &nr);
	if (rc)
		return rc;
	rc = gather(space->iommu, pages, block, parts, &fresh, why);
	if (!rc)
		rc = finish(space, pages, parts, nr, iova, fresh, &block->own.window, why);
	free(parts);
	if (rc) {
		pin_undo(pages, &block->pin);
		return rc;
	}
	block->window_used = true;
	block->shared = 1;
	block->skip = 0;
	block->shows = &block->own.window;
	pin_enter(pages, block);
	*out = &block->pin;
	return 0;
}

/* As mostly: all of the pages, of which nothing is pinned yet. */
static int pin_all(struct ioas_space *space, struct pages_first *first, iova_t iova,
		   struct pages_pin **out, struct ioas_why *why)
{
	struct space_pages *pages = &first->pages;
	struct mem_part part = {.len = first->window.len};
	struct pages_others *others = pages_others(pages);
	int rc = pages_memory_pin(space->iommu, pages, 0, part.len, &part.host, why);

	if (rc)
		return rc;
	rc = finish(space, pages, &part, 1, iova, part.len, &first->window, why);
	if (rc) {
		pages_memory_give(pages, 0, part.len, part.host);
		return rc;
	}
	first->host = part.host;
	if (__builtin_expect(others != NULL, 0)) {
		others->memory = pin_first_memory(first);
		others->shared = 1;
	}
	first->pin = (struct pages_pin){.users = 1, .tag = PIN_FIRST | PIN_IN};
	*out = &first->pin;
	return 0;
}

/* What pages_lock was asked for: where there are others, they are locked out. */
static void must_be_locked(struct ioas_iommu *iommu, const struct space_pages *pages)
{
#ifdef IOAS_LOCK_ORDER
	if (atomic_load_explicit(&pages->refs, memory_order_relaxed) > 1)
		lock_must_hold(&iommu->pages_lock);
#endif
}

int pages_pin(struct ioas_space *space, struct space_pages *pages, uint64_t start, uint64_t len,
	      iova_t iova, struct pages_pin **out, struct ioas_why *why)
{
	struct pages_pin *pin;

	must_be_locked(space->iommu, pages);
	if (pages->has_first && len == pages_len(pages) && pins_none(pages))
		return pin_all(space, pages_first(pages), iova, out, why);
	pin = pin_find(pages, start, len);
	if (!pin)
		return pin_among(space, pages, start, len, iova, out, why);
	pin->users++;
	*out = pin;
	return 0;
}

/* Of a pin, with what it holds there; it does not count as a user of the window yet. */
static struct pin_block *part_of(struct pages_pin *pin, uint64_t start, uint64_t end)
{
	struct pin_block *part = block_new(start, end - start, held_nr(pin));

	if (!part)
		return NULL;
	part->shows = pin_window(pin);
	part->skip = pin_skip(pin) + (start - pin_start(pin));
	hold(part, pin, start, end);
	return part;
}

/* A user of a pin left for pins that cover all of it. */
static void leave(struct space_pages *pages, struct pages_pin *pin)
{
	if (--pin->users)
		return;
	pin_remove(pages, pin);
	--*shared(pages, pin_window(pin));
	pin_free(pages, pin);
}

int pages_cut(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
	      uint64_t at, struct pages_pin *half[2])
{
	struct pin_block *part[2] = {NULL, NULL};
	struct mem_window *window = pin_window(pin);
	int rc = pins_reserve(pages);

	must_be_locked(space->iommu, pages);
	if (!rc) {
		part[0] = part_of(pin, pin_start(pin), at);
		part[1] = part_of(pin, at, pin_end(pin));
		rc = part[0] && part[1] ? 0 : -ENOMEM;
	}
	if (!rc)
		rc = mem_window_cut(space->iommu->mem, &space->iommu->inflight, window,
				    pin_skip(pin) + (at - pin_start(pin)));
	for (int i = 0; i < 2; i++) {
		if (rc && part[i])
			pin_free(pages, &part[i]->pin);
		if (rc)
			continue;
		++*shared(pages, window);
		pin_enter(pages, part[i]);
		half[i] = &part[i]->pin;
	}
	if (!rc)
		leave(pages, pin);
	return rc;
}

void pages_unpin_first(struct ioas_space *space, struct pages_first *first)
{
	first->pin.tag = PIN_FIRST;
	mem_window_end(space->iommu->mem, &first->window);
	pages_uncharge(&first->pages, first->window.len);
	pages_memory_give(&first->pages, 0, first->window.len, first->host);
}

/* Out of the tree: nobody uses it, and nothing of the window is lent that others do not show. */
static void end_pin(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin)
{
	struct mem_window *window = pin_window(pin);

	if (!pages_others(pages)) {
		pages_unpin_first(space, pin_first(pin));
		return;
	}
	pin_remove(pages, pin);
	/* First the window: who gets the memory back asks what is still held. */
	if (--*shared(pages, window))
		each_gap(space, pages, pin, window, gap_in_window);
	else
		window_put(space, pages, window);
	if (pages_others(pages)->pins)
		each_gap(space, pages, pin, NULL, gap);
	else
		gap(space, pages, pin, pin_start(pin), pin_end(pin));
	pin_free(pages, pin);
}

/* As long as others may use it. */
void pages_unpin(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin)
{
	struct mem_window *window = pin_window(pin);
	bool locked, last;

	/* Without the lock: this may take as long as a transfer. Our use keeps the window. */
	mem_window_idle(window);
	locked = pages_lock(space->iommu, pages);
	last = !--pin->users;
	if (last)
		pin->tag |= PIN_ENDING;
	pages_unlock(space->iommu, locked);
	if (!last)
		return;
	/* What was held, through others' areas, before it was closed to them. */
	mem_window_idle(window);
	locked = pages_lock(space->iommu, pages);
	end_pin(space, pages, pin);
	pages_unlock(space->iommu, locked);
}
