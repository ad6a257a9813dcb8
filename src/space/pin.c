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

		if (pin->start == start && pin->len == len)
			return pin;
		*parent = node;
		*side = start > pin->start || (start == pin->start && len > pin->len);
		node = node->child[*side];
	}
	return NULL;
}

/* A walk through start..end: what pins cover, and the gaps between, one after the other. */
struct walk {
	struct pages_pin *next;
	uint64_t at, end;
};

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
	return to - from;
}

static struct walk walk_begin(struct space_pages *pages, uint64_t start, uint64_t len)
{
	return (struct walk){first_beyond(pages->pins.root, start), start, start + len};
}

static void memory_put(struct space_pages *pages, struct pages_memory *memory)
{
	if (atomic_fetch_sub_explicit(&memory->refs, 1, memory_order_acq_rel) != 1)
		return;
	pages_memory_unpin(pages, memory);
	free(memory);
}

static void pin_free(struct space_pages *pages, struct pages_pin *pin)
{
	while (pin->memory_nr)
		memory_put(pages, pin->memory[--pin->memory_nr]);
	free(pin);
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

/* Fills in the parts of a new pin and its references to memory; *fresh: bytes that no pin covered.
 */
static int gather(struct space_pages *pages, struct pages_pin *pin, struct mem_part *parts,
		  uint64_t *fresh, struct ioas_why *why)
{
	struct walk walk = walk_begin(pages, pin->start, pin->len);
	struct pages_pin *from;
	uint64_t at = walk.at, len;
	int rc;

	for (; (len = step(&walk, &from)); at = walk.at, parts++) {
		parts->len = len;
		if (from) {
			parts->from = from->window;
			parts->start = at - from->start;
			for (size_t i = 0; i < from->memory_nr; i++) {
				struct pages_memory *memory = from->memory[i];

				if (memory->start >= walk.at || memory->start + memory->len <= at)
					continue;
				atomic_fetch_add_explicit(&memory->refs, 1, memory_order_relaxed);
				pin->memory[pin->memory_nr++] = memory;
			}
			continue;
		}
		rc = memory_new(pages, at, len, &pin->memory[pin->memory_nr], why);
		if (rc)
			return rc;
		parts->host = pin->memory[pin->memory_nr++]->host;
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

/* Room for what gather() writes. */
static int pin_alloc(struct space_pages *pages, uint64_t start, uint64_t len,
		     struct pages_pin **out, struct mem_part **parts, size_t *nr)
{
	struct walk walk = walk_begin(pages, start, len);
	struct pages_pin *from, *pin;
	size_t memory_nr = 0;

	for (*nr = 0; step(&walk, &from); ++*nr)
		memory_nr += from ? from->memory_nr : 1;
	pin = alloc_zero(1, sizeof(*pin) + memory_nr * sizeof(struct pages_memory *));
	*parts = pin ? alloc_zero(*nr, sizeof(**parts)) : NULL;
	if (!*parts) {
		free(pin);
		return -ENOMEM;
	}
	pin->start = start;
	pin->len = len;
	pin->users = 1;
	*out = pin;
	return 0;
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
	rc = pin_alloc(pages, start, len, &pin, &parts, &nr);
	if (rc)
		return rc;
	rc = pin_new(iommu, pages, pin, parts, nr, iova, why);
	free(parts);
	if (rc) {
		pin_free(pages, pin);
		return rc;
	}
	tree_insert(&pages->pins, &pin->node, parent, side);
	*out = pin;
	return 0;
}

/* Bytes of a range that no pin covers. */
static uint64_t uncovered(struct space_pages *pages, uint64_t start, uint64_t len)
{
	struct walk walk = walk_begin(pages, start, len);
	struct pages_pin *pin;
	uint64_t bytes = 0;

	while ((len = step(&walk, &pin)))
		if (!pin)
			bytes += len;
	return bytes;
}

void pages_unpin(struct ioas_iommu *iommu, struct space_pages *pages, struct pages_pin *pin)
{
	uint64_t bytes;
	bool locked, last;

	/* Without the lock: this may take as long as a transfer. Our use keeps the window. */
	mem_window_idle(pin->window);
	locked = pages_lock(iommu, pages);
	last = !--pin->users;
	if (last) {
		tree_remove(&pages->pins, &pin->node);
		bytes = uncovered(pages, pin->start, pin->len);
		if (bytes)
			pages_uncharge(pages, bytes);
	}
	pages_unlock(iommu, locked);
	if (!last)
		return;
	/* What was held, through others' areas, before it was taken out. */
	mem_window_idle(pin->window);
	mem_window_destroy(iommu->mem, pin->window);
	pin_free(pages, pin);
}
