/* SPDX-License-Identifier: MIT */
/* The pins of a page object in order: finding them, and walking through a range of them. */
#include "space/pin.h"

static struct pages_pin *pin_of(const struct tree_node *node)
{
	return node ? tree_entry((struct tree_node *)(uintptr_t)node, struct pages_pin, node)
		    : NULL;
}

static bool update(struct tree_node *node)
{
	struct pages_pin *pin = pin_of(node);
	uint64_t max = pin_end(pin), old = pin->max;

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
		else if (pin_end(pin_of(node)) > at)
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
		if (pin_end(pin_of(up)) > at)
			return pin_of(up);
		if (up->child[1] && pin_of(up->child[1])->max > at)
			return first_beyond(up->child[1], at);
	}
	return NULL;
}

struct pages_pin *pages_pin_at(const struct space_pages *pages, uint64_t at, uint64_t *end)
{
	struct pages_pin *pin = first_beyond(pages->pins.root, at);

	while (pin && (pin->node.tag & PIN_ENDING))
		pin = next_beyond(pin, at);
	if (!pin || pin->start <= at)
		return pin;
	if (pin->start < *end)
		*end = pin->start;
	return NULL;
}

struct pages_pin *pin_find(struct space_pages *pages, uint64_t start, uint64_t len,
			   struct tree_node **parent, int *side)
{
	struct tree_node *node = pages->pins.root;

	*parent = NULL;
	*side = 0;
	while (node) {
		struct pages_pin *pin = pin_of(node);

		if (pin->start == start && pin->len == len && !(pin->node.tag & PIN_ENDING))
			return pin;
		*parent = node;
		*side = start > pin->start || (start == pin->start && len >= pin->len);
		node = node->child[*side];
	}
	return NULL;
}

void pin_enter(struct space_pages *pages, struct pages_pin *pin)
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

static void pass_others(struct pin_walk *walk)
{
	while (walk->window && walk->next && walk->next->window != walk->window)
		walk->next = next_beyond(walk->next, walk->at);
}

uint64_t pin_walk_step(struct pin_walk *walk, struct pages_pin **pin)
{
	uint64_t from = walk->at, to = walk->end;

	if (from >= to)
		return 0;
	*pin = walk->next && walk->next->start <= from ? walk->next : NULL;
	if (*pin && pin_end(*pin) < to)
		to = pin_end(*pin);
	if (!*pin && walk->next && walk->next->start < to)
		to = walk->next->start;
	walk->at = to;
	if (*pin)
		walk->next = next_beyond(*pin, to);
	pass_others(walk);
	return to - from;
}

struct pin_walk pin_walk_begin(struct space_pages *pages, const struct mem_window *window,
			       uint64_t start, uint64_t len)
{
	struct pin_walk walk = {window, first_beyond(pages->pins.root, start), start, start + len};

	pass_others(&walk);
	return walk;
}
