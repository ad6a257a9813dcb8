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
#include "space/private.h"
#include "util/alloc.h"

static struct pages_pin *pin_of(const struct tree_node *node)
{
	return node ? tree_entry((struct tree_node *)(uintptr_t)node, struct pages_pin, node)
		    : NULL;
}

static uint64_t end_of(const struct pages_pin *pin)
{
	return pin->start + pin->len;
}

static bool update(struct tree_node *node)
{
	struct pages_pin *pin = pin_of(node);
	uint64_t max = end_of(pin), old = pin->max;

	for (int side = 0; side < 2; side++)
		if (node->child[side] && pin_of(node->child[side])->max > max)
			max = pin_of(node->child[side])->max;
	pin->max = max;
	return max != old;
}

void pages_pins_init(struct space_pages *pages)
{
	pages->pins = (struct tree){NULL, update};
}

bool pages_lock(struct ioas_iommu *iommu, struct space_pages *pages)
{
	if (atomic_load_explicit(&pages->refs, memory_order_acquire) == 1)
		return false;
	pthread_mutex_lock(&iommu->pages_lock);
	return true;
}

void pages_unlock(struct ioas_iommu *iommu, bool locked)
{
	if (locked)
		pthread_mutex_unlock(&iommu->pages_lock);
}

/* The first pin, in order, of a subtree that ends beyond `at`. */
static struct pages_pin *first_beyond(struct tree_node *node, uint64_t at)
{
	while (node) {
		struct tree_node *left = node->child[0];

		if (left && pin_of(left)->max > at)
			node = left;
		else if (end_of(pin_of(node)) > at)
			return pin_of(node);
		else
			node = node->child[1];
	}
	return NULL;
}

/* The next one, in order, that ends beyond `at`. O(log n). */
static struct pages_pin *next_beyond(struct pages_pin *pin, uint64_t at)
{
	struct tree_node *node = &pin->node, *up;

	if (node->child[1] && pin_of(node->child[1])->max > at)
		return first_beyond(node->child[1], at);
	for (up = node->parent; up; node = up, up = up->parent) {
		if (up->child[0] != node)
			continue;
		if (end_of(pin_of(up)) > at)
			return pin_of(up);
		if (up->child[1] && pin_of(up->child[1])->max > at)
			return first_beyond(up->child[1], at);
	}
	return NULL;
}

struct pages_pin *pages_pin_at(const struct space_pages *pages, uint64_t at, uint64_t *end)
{
	struct pages_pin *pin = first_beyond(pages->pins.root, at);

	while (pin && pin->ending)
		pin = next_beyond(pin, at);
	if (!pin || pin->start <= at)
		return pin;
	if (pin->start < *end)
		*end = pin->start;
	return NULL;
}

/* Where a pin of that range is, or would hang. */
static struct pages_pin *find(struct space_pages *pages, uint64_t start, uint64_t len,
			      struct tree_node **parent, int *side)
{
	struct tree_node *node = pages->pins.root;

	*parent = NULL;
	*side = 0;
	while (node) {
		struct pages_pin *pin = pin_of(node);

		if (pin->start == start && pin->len == len && !pin->ending)
			return pin;
		*parent = node;
		*side = start > pin->start || (start == pin->start && len >= pin->len);
		node = node->child[*side];
	}
	return NULL;
}

static void enter(struct space_pages *pages, struct pages_pin *pin)
{
	struct tree_node *parent = NULL, *node = pages->pins.root;
	int side = 0;

	while (node) {
		parent = node;
		side = pin->start > pin_of(node)->start ||
		       (pin->start == pin_of(node)->start && pin->len >= pin_of(node)->len);
		node = node->child[side];
	}
	tree_insert(&pages->pins, &pin->node, parent, side);
}

/*
 * A walk through start..end: what pins cover, and the gaps between, one after the other. With a
 * window only the pins count that show it.
 */
struct walk {
	const struct mem_window *window;
	struct pages_pin *next;
	uint64_t at, end;
};

static void pass_others(struct walk *walk)
{
	while (walk->window && walk->next && walk->next->window != walk->window)
		walk->next = next_beyond(walk->next, walk->at);
}

/* What begins at walk->at: some of *pin, or a gap (NULL). Its length; 0: the end. */
static uint64_t step(struct walk *walk, struct pages_pin **pin)
{
	uint64_t from = walk->at, to = walk->end;

	if (from >= to)
		return 0;
	*pin = walk->next && walk->next->start <= from ? walk->next : NULL;
	if (*pin && end_of(*pin) < to)
		to = end_of(*pin);
	if (!*pin && walk->next && walk->next->start < to)
		to = walk->next->start;
	walk->at = to;
	if (*pin)
		walk->next = next_beyond(*pin, to);
	pass_others(walk);
	return to - from;
}

static struct walk walk_begin(struct space_pages *pages, const struct mem_window *window,
			      uint64_t start, uint64_t len)
{
	struct walk walk = {window, first_beyond(pages->pins.root, start), start, start + len};

	pass_others(&walk);
	return walk;
}

static void memory_put(struct space_pages *pages, struct pages_memory *memory)
{
	if (--memory->refs)
		return;
	pages_memory_end(pages, memory);
	free(memory);
}

/* A pin that is in no tree. What it held is given back already, or others hold it. */
static void pin_free(struct space_pages *pages, struct pages_pin *pin)
{
	while (pin->held_nr)
		memory_put(pages, pin->held[--pin->held_nr].memory);
	free(pin);
}

/* Holds what of start..end another pin holds. */
static void hold(struct pages_pin *pin, const struct pages_pin *from, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < from->held_nr; i++) {
		struct pages_held held = from->held[i];

		held.start = held.start > start ? held.start : start;
		held.end = held.end < end ? held.end : end;
		if (held.start >= held.end)
			continue;
		held.memory->refs++;
		pin->held[pin->held_nr++] = held;
	}
}

/* Gives back what of start..end a pin held, and no pin covers now. */
static void give_back(struct space_pages *pages, const struct pages_pin *pin, uint64_t start,
		      uint64_t end)
{
	for (size_t i = 0; i < pin->held_nr; i++) {
		const struct pages_held *held = &pin->held[i];
		uint64_t first = held->start > start ? held->start : start;
		uint64_t last = held->end < end ? held->end : end;

		if (first < last)
			pages_memory_unpin(pages, held->memory, first, last - first);
	}
}

static int memory_new(struct space_pages *pages, uint64_t start, uint64_t len,
		      struct pages_memory **out, struct ioas_why *why)
{
	struct pages_memory *memory = alloc_zero(1, sizeof(*memory));
	int rc;

	if (!memory)
		return -ENOMEM;
	memory->refs = 1;
	memory->start = start;
	memory->len = len;
	rc = pages_memory_pin(pages, start, len, &memory->host, why);
	if (rc)
		free(memory);
	else
		*out = memory;
	return rc;
}

/* Fills in the parts of a new pin and what it holds; *fresh: bytes that no pin covered. */
static int gather(struct space_pages *pages, struct pages_pin *pin, struct mem_part *parts,
		  uint64_t *fresh, struct ioas_why *why)
{
	struct walk walk = walk_begin(pages, NULL, pin->start, pin->len);
	struct pages_held *held;
	struct pages_pin *from;
	uint64_t at = walk.at, len;
	int rc;

	for (; (len = step(&walk, &from)); at = walk.at, parts++) {
		parts->len = len;
		if (from) {
			parts->from = from->window;
			parts->start = from->skip + (at - from->start);
			hold(pin, from, at, walk.at);
			continue;
		}
		held = &pin->held[pin->held_nr];
		rc = memory_new(pages, at, len, &held->memory, why);
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

static int pin_new(struct ioas_iommu *iommu, struct space_pages *pages, struct pages_pin *pin,
		   struct mem_part *parts, size_t nr, iova_t iova, struct ioas_why *why)
{
	uint64_t fresh = 0;
	int rc = gather(pages, pin, parts, &fresh, why);

	if (!rc && fresh)
		rc = pages_charge(pages, fresh, why);
	if (rc)
		return rc;
	rc = mem_window_join(iommu->mem, iova, parts, nr, pages, &pin->window);
	if (!rc)
		return 0;
	if (fresh)
		pages_uncharge(pages, fresh);
	/* -ENOSPC would say that there is no room for an IOVA. */
	return -ENOMEM;
}

static struct pages_pin *pin_alloc(uint64_t start, uint64_t len, size_t held_max)
{
	struct pages_pin *pin = alloc_zero(1, sizeof(*pin) + held_max * sizeof(struct pages_held));

	if (!pin)
		return NULL;
	pin->start = start;
	pin->len = len;
	pin->users = 1;
	return pin;
}

/* Room for what gather() writes. */
static int room(struct space_pages *pages, uint64_t start, uint64_t len, struct pages_pin **out,
		struct mem_part **parts, size_t *nr)
{
	struct walk walk = walk_begin(pages, NULL, start, len);
	struct pages_pin *from;
	size_t held_nr = 0;

	for (*nr = 0; step(&walk, &from); ++*nr)
		held_nr += from ? from->held_nr : 1;
	*out = pin_alloc(start, len, held_nr);
	*parts = *out ? alloc_zero(*nr, sizeof(**parts)) : NULL;
	if (*parts)
		return 0;
	free(*out);
	return -ENOMEM;
}

/* Of a pin that is in the tree no more, what no other covers; `window`: of those that show that. */
typedef void gap_fn(struct ioas_iommu *iommu, struct space_pages *pages,
		    const struct pages_pin *pin, uint64_t start, uint64_t end);

static void each_gap(struct ioas_iommu *iommu, struct space_pages *pages,
		     const struct pages_pin *pin, const struct mem_window *window, gap_fn *fn)
{
	struct walk walk = walk_begin(pages, window, pin->start, pin->len);
	struct pages_pin *other;
	uint64_t len;

	while ((len = step(&walk, &other)))
		if (!other)
			fn(iommu, pages, pin, walk.at - len, walk.at);
}

static void gap_in_window(struct ioas_iommu *iommu, struct space_pages *pages,
			  const struct pages_pin *pin, uint64_t start, uint64_t end)
{
	uint64_t off = pin->skip - pin->start;

	mem_window_release(iommu->mem, pin->window, start + off, end + off);
}

static void gap(struct ioas_iommu *iommu, struct space_pages *pages, const struct pages_pin *pin,
		uint64_t start, uint64_t end)
{
	pages_uncharge(pages, end - start);
	give_back(pages, pin, start, end);
}

int pages_pin(struct ioas_iommu *iommu, struct space_pages *pages, uint64_t start, uint64_t len,
	      iova_t iova, struct pages_pin **out, struct ioas_why *why)
{
	struct tree_node *parent;
	struct mem_part *parts;
	struct pages_pin *pin;
	size_t nr;
	int side, rc;

	*out = find(pages, start, len, &parent, &side);
	if (*out) {
		(*out)->users++;
		return 0;
	}
	rc = room(pages, start, len, &pin, &parts, &nr);
	if (rc)
		return rc;
	rc = pin_new(iommu, pages, pin, parts, nr, iova, why);
	free(parts);
	if (rc) {
		for (size_t i = 0; i < pin->held_nr; i++)
			if (pin->held[i].memory->refs == 1)
				give_back(pages, pin, pin->held[i].start, pin->held[i].end);
		pin_free(pages, pin);
		return rc;
	}
	tree_insert(&pages->pins, &pin->node, parent, side);
	*out = pin;
	return 0;
}

/* Of a pin, with what it holds there; it does not count as a user of the window yet. */
static struct pages_pin *part_of(const struct pages_pin *pin, uint64_t start, uint64_t end)
{
	struct pages_pin *part = pin_alloc(start, end - start, pin->held_nr);

	if (!part)
		return NULL;
	part->window = pin->window;
	part->skip = pin->skip + (start - pin->start);
	hold(part, pin, start, end);
	return part;
}

/* A user of a pin left for pins that cover all of it. */
static void leave(struct space_pages *pages, struct pages_pin *pin)
{
	if (--pin->users)
		return;
	tree_remove(&pages->pins, &pin->node);
	pin->window->users--;
	pin_free(pages, pin);
}

int pages_cut(struct ioas_iommu *iommu, struct space_pages *pages, struct pages_pin *pin,
	      uint64_t at, struct pages_pin *half[2])
{
	int rc = -ENOMEM;

	half[0] = part_of(pin, pin->start, at);
	half[1] = part_of(pin, at, end_of(pin));
	if (half[0] && half[1])
		rc = mem_window_cut(iommu->mem, &iommu->inflight, pin->window,
				    pin->skip + (at - pin->start));
	for (int i = 0; i < 2; i++) {
		if (rc && half[i])
			pin_free(pages, half[i]);
		if (rc)
			continue;
		half[i]->window->users++;
		enter(pages, half[i]);
	}
	if (!rc)
		leave(pages, pin);
	return rc;
}

/* Out of the tree: nobody uses it, and nothing of the window is lent that others do not show. */
static void end_pin(struct ioas_iommu *iommu, struct space_pages *pages, struct pages_pin *pin)
{
	tree_remove(&pages->pins, &pin->node);
	/* First the window: who gets the memory back asks what is still held. */
	if (--pin->window->users)
		each_gap(iommu, pages, pin, pin->window, gap_in_window);
	else
		mem_window_destroy(iommu->mem, pin->window);
	each_gap(iommu, pages, pin, NULL, gap);
	pin_free(pages, pin);
}

void pages_unpin(struct ioas_iommu *iommu, struct space_pages *pages, struct pages_pin *pin)
{
	bool locked, last;

	/* Without the lock: this may take as long as a transfer. Our use keeps the window. */
	mem_window_idle(pin->window);
	locked = pages_lock(iommu, pages);
	last = !--pin->users;
	pin->ending = last;
	pages_unlock(iommu, locked);
	if (!last)
		return;
	/* What was held, through others' areas, before it was closed to them. */
	mem_window_idle(pin->window);
	locked = pages_lock(iommu, pages);
	end_pin(iommu, pages, pin);
	pages_unlock(iommu, locked);
}
