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

static void block_put(struct ioas_space *space, struct pin_block *block, unsigned part)
{
	block->in_use &= ~part;
	if (block->in_use)
		return;
	if (block->apart)
		free(block);
	else
		pool_shelf_give(&space->iommu->pins, &space->pin_shelf, block);
}

static struct pin_block *block_of(struct pages_pin *pin)
{
	return tree_entry(pin, struct pin_block, pin);
}

static void memory_put(struct ioas_space *space, struct space_pages *pages,
		       struct pages_memory *memory)
{
	if (--memory->refs)
		return;
	pages_memory_end(pages, memory);
	if (memory->apart)
		free(memory);
	else
		block_put(space, tree_entry(memory, struct pin_block, memory), PIN_BLOCK_MEMORY);
}

static struct pin_block *window_block(struct mem_window *window)
{
	return tree_entry(window, struct pin_block, window);
}

static void window_put(struct ioas_space *space, struct mem_window *window)
{
	mem_window_end(space->iommu->mem, window);
	block_put(space, window_block(window), PIN_BLOCK_WINDOW);
}

static size_t held_nr(const struct pages_pin *pin)
{
	return pin->node.tag & PIN_WHOLE ? 1 : pin->held_nr;
}

static struct pages_held held_at(struct pages_pin *pin, size_t i)
{
	if (pin->node.tag & PIN_WHOLE)
		return (struct pages_held){&block_of(pin)->memory, pin->start, pin_end(pin)};
	return pin->held[i];
}

/* A pin that is in no tree. What it held is given back already, or others hold it. */
static void pin_free(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin)
{
	for (size_t i = held_nr(pin); i--;)
		memory_put(space, pages, held_at(pin, i).memory);
	block_put(space, block_of(pin), PIN_BLOCK_PIN);
}

/* Holds what of start..end another pin holds. */
static void hold(struct pages_pin *pin, struct pages_pin *from, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < held_nr(from); i++) {
		struct pages_held held = held_at(from, i);

		held.start = held.start > start ? held.start : start;
		held.end = held.end < end ? held.end : end;
		if (held.start >= held.end)
			continue;
		held.memory->refs++;
		pin->held[pin->held_nr++] = held;
	}
}

/* Gives back what of start..end a pin held, and no pin covers now. */
static void give_back(struct space_pages *pages, struct pages_pin *pin, uint64_t start,
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
	struct pages_memory_apart *apart = alloc_raw(sizeof(*apart));
	int rc;

	if (!apart)
		return -ENOMEM;
	*apart = (struct pages_memory_apart){{.refs = 1, .apart = true}, start, len};
	rc = pages_memory_pin(iommu, pages, start, len, &apart->memory.host, why);
	if (rc)
		free(apart);
	else
		*out = &apart->memory;
	return rc;
}

/* Fills in the parts of a new pin and what it holds; *fresh: bytes that no pin covered. */
static int gather(struct ioas_iommu *iommu, struct space_pages *pages, struct pages_pin *pin,
		  struct mem_part *parts, uint64_t *fresh, struct ioas_why *why)
{
	struct pin_walk walk = pin_walk_begin(pages, NULL, pin->start, pin->len);
	struct pages_held *held;
	struct pages_pin *from;
	uint64_t at = walk.at, len;
	int rc;

	for (; (len = pin_walk_step(&walk, &from)); at = walk.at, parts++) {
		parts->len = len;
		if (from) {
			parts->from = from->window;
			parts->start = from->skip + (at - from->start);
			hold(pin, from, at, walk.at);
			continue;
		}
		held = &pin->held[pin->held_nr];
		rc = memory_new(iommu, pages, at, len, &held->memory, why);
		if (rc)
			return rc;
		held->start = at;
		held->end = walk.at;
		parts->host = held->memory->host;
		pin->held_nr++;
		*fresh += len;
	}
	return 0;
}

/* Pays for what is pinned first, and makes the window. */
static int finish(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
		  const struct mem_part *parts, size_t nr, iova_t iova, uint64_t fresh,
		  struct ioas_why *why)
{
	struct pin_block *block = block_of(pin);
	int rc = fresh ? pages_charge(pages, fresh, why) : 0;

	if (rc)
		return rc;
	/* -ENOSPC would say that there is no room for an IOVA. */
	if (mem_window_begin(space->iommu->mem, iova, parts, nr, pages, &block->window)) {
		if (fresh)
			pages_uncharge(pages, fresh);
		return -ENOMEM;
	}
	block->in_use |= PIN_BLOCK_WINDOW;
	block->shared = 1;
	pin->window = &block->window;
	return 0;
}

static int pin_new(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
		   struct mem_part *parts, size_t nr, iova_t iova, struct ioas_why *why)
{
	uint64_t fresh = 0;
	int rc = gather(space->iommu, pages, pin, parts, &fresh, why);

	return rc ? rc : finish(space, pages, pin, parts, nr, iova, fresh, why);
}

static struct pages_pin *pin_alloc(struct ioas_space *space, uint64_t start, uint64_t len,
				   size_t held_max)
{
	bool apart = held_max;
	struct pin_block *block =
		apart ? alloc_raw(sizeof(*block) + held_max * sizeof(struct pages_held))
		      : pool_shelf_take(&space->iommu->pins, &space->pin_shelf);

	if (!block)
		return NULL;
	block->in_use = PIN_BLOCK_PIN;
	block->apart = apart;
	block->pin = (struct pages_pin){.start = start, .len = len, .users = 1};
	return &block->pin;
}

/* Room for what gather() writes. */
static int room(struct ioas_space *space, struct space_pages *pages, uint64_t start, uint64_t len,
		struct pages_pin **out, struct mem_part **parts, size_t *nr)
{
	struct pin_walk walk = pin_walk_begin(pages, NULL, start, len);
	struct pages_pin *from;
	size_t nr_held = 0;

	for (*nr = 0; pin_walk_step(&walk, &from); ++*nr)
		nr_held += from ? held_nr(from) : 1;
	*out = pin_alloc(space, start, len, nr_held);
	*parts = *out ? alloc_zero(*nr, sizeof(**parts)) : NULL;
	if (*parts)
		return 0;
	if (*out)
		pin_free(space, pages, *out);
	return -ENOMEM;
}

/* Of a pin that is in the tree no more, what no other covers; `window`: of those that show that. */
typedef void gap_fn(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
		    uint64_t start, uint64_t end);

static void each_gap(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
		     const struct mem_window *window, gap_fn *fn)
{
	struct pin_walk walk = pin_walk_begin(pages, window, pin->start, pin->len);
	struct pages_pin *other;
	uint64_t len;

	while ((len = pin_walk_step(&walk, &other)))
		if (!other)
			fn(space, pages, pin, walk.at - len, walk.at);
}

static void gap_in_window(struct ioas_space *space, struct space_pages *pages,
			  struct pages_pin *pin, uint64_t start, uint64_t end)
{
	uint64_t off = pin->skip - pin->start;

	mem_window_release(space->iommu->mem, pin->window, start + off, end + off);
}

static void gap(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
		uint64_t start, uint64_t end)
{
	pages_uncharge(pages, end - start);
	give_back(pages, pin, start, end);
}

/* A pin that could not be finished: what it was the first to hold goes back. */
static void pin_undo(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin)
{
	for (size_t i = 0; i < held_nr(pin); i++) {
		struct pages_held held = held_at(pin, i);

		if (held.memory->refs == 1)
			give_back(pages, pin, held.start, held.end);
	}
	pin_free(space, pages, pin);
}

/* Where others have pins. */
static int pin_among(struct ioas_space *space, struct space_pages *pages, uint64_t start,
		     uint64_t len, iova_t iova, struct pages_pin **out, struct ioas_why *why)
{
	struct mem_part *parts;
	size_t nr;
	int rc = room(space, pages, start, len, out, &parts, &nr);

	if (rc)
		return rc;
	rc = pin_new(space, pages, *out, parts, nr, iova, why);
	free(parts);
	if (rc)
		pin_undo(space, pages, *out);
	return rc;
}

/* As mostly, where nothing of the pages is pinned yet. */
static int pin_first(struct ioas_space *space, struct space_pages *pages, uint64_t start,
		     uint64_t len, iova_t iova, struct pages_pin **out, struct ioas_why *why)
{
	struct pages_pin *pin = pin_alloc(space, start, len, 0);
	struct mem_part part = {.len = len};
	struct pin_block *block;
	int rc;

	if (!pin)
		return -ENOMEM;
	block = block_of(pin);
	rc = pages_memory_pin(space->iommu, pages, start, len, &part.host, why);
	if (!rc) {
		block->in_use |= PIN_BLOCK_MEMORY;
		block->memory = (struct pages_memory){.refs = 1, .host = part.host};
		pin->node.tag = PIN_WHOLE;
		rc = finish(space, pages, pin, &part, 1, iova, len, why);
	}
	if (rc)
		pin_undo(space, pages, pin);
	else
		*out = pin;
	return rc;
}

int pages_pin(struct ioas_space *space, struct space_pages *pages, uint64_t start, uint64_t len,
	      iova_t iova, struct pages_pin **out, struct ioas_why *why)
{
	struct tree_node *parent;
	struct pages_pin *pin;
	int side, rc;

	pin = pin_find(pages, start, len, &parent, &side);
	if (pin) {
		pin->users++;
		*out = pin;
		return 0;
	}
	rc = parent ? pin_among(space, pages, start, len, iova, &pin, why)
		    : pin_first(space, pages, start, len, iova, &pin, why);
	if (rc)
		return rc;
	tree_insert(&pages->pins, &pin->node, parent, side);
	*out = pin;
	return 0;
}

/* Of a pin, with what it holds there; it does not count as a user of the window yet. */
static struct pages_pin *part_of(struct ioas_space *space, struct pages_pin *pin, uint64_t start,
				 uint64_t end)
{
	struct pages_pin *part = pin_alloc(space, start, end - start, held_nr(pin));

	if (!part)
		return NULL;
	part->window = pin->window;
	part->skip = pin->skip + (start - pin->start);
	hold(part, pin, start, end);
	return part;
}

/* A user of a pin left for pins that cover all of it. */
static void leave(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin)
{
	if (--pin->users)
		return;
	tree_remove(&pages->pins, &pin->node);
	window_block(pin->window)->shared--;
	pin_free(space, pages, pin);
}

int pages_cut(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
	      uint64_t at, struct pages_pin *half[2])
{
	int rc = -ENOMEM;

	half[0] = part_of(space, pin, pin->start, at);
	half[1] = part_of(space, pin, at, pin_end(pin));
	if (half[0] && half[1])
		rc = mem_window_cut(space->iommu->mem, &space->iommu->inflight, pin->window,
				    pin->skip + (at - pin->start));
	for (int i = 0; i < 2; i++) {
		if (rc && half[i])
			pin_free(space, pages, half[i]);
		if (rc)
			continue;
		window_block(half[i]->window)->shared++;
		pin_enter(pages, half[i]);
	}
	if (!rc)
		leave(space, pages, pin);
	return rc;
}

/* Out of the tree: nobody uses it, and nothing of the window is lent that others do not show. */
static void end_pin(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin)
{
	tree_remove(&pages->pins, &pin->node);
	/* First the window: who gets the memory back asks what is still held. */
	if (--window_block(pin->window)->shared)
		each_gap(space, pages, pin, pin->window, gap_in_window);
	else
		window_put(space, pin->window);
	if (pages->pins.root)
		each_gap(space, pages, pin, NULL, gap);
	else
		gap(space, pages, pin, pin->start, pin_end(pin));
	pin_free(space, pages, pin);
}

void pages_unpin(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin)
{
	bool locked, last;

	/* Without the lock: this may take as long as a transfer. Our use keeps the window. */
	mem_window_idle(pin->window);
	locked = pages_lock(space->iommu, pages);
	last = !--pin->users;
	if (last)
		pin->node.tag |= PIN_ENDING;
	pages_unlock(space->iommu, locked);
	if (!last)
		return;
	/* What was held, through others' areas, before it was closed to them. */
	mem_window_idle(pin->window);
	locked = pages_lock(space->iommu, pages);
	end_pin(space, pages, pin);
	pages_unlock(space->iommu, locked);
}
