/* SPDX-License-Identifier: MIT */
/* The pins of a page object in order: finding them, and walking through a range of them. */
#include <errno.h>
#include <stdlib.h>
#include "space/pin.h"
#include "util/alloc.h"

static struct pin_entry *entry_of(const struct tree_node *node)
{
	return tree_entry((uintptr_t)node, struct pin_entry, node);
}

static struct pages_pin *pin_of(const struct tree_node *node)
{
	return entry_of(node)->pin;
}

static uint64_t max_of(const struct tree_node *node)
{
	return entry_of(node)->max;
}

static bool update(struct tree_node *node)
{
	uint64_t max = pin_end(pin_of(node)), old = max_of(node);

	for (int side = 0; side < 2; side++)
		if (node->child[side] && max_of(node->child[side]) > max)
			max = max_of(node->child[side]);
	entry_of(node)->max = max;
	return max != old;
}

/* The pin of all the pages, if it stands alone. */
static struct pages_pin *lonely(const struct space_pages *pages)
{
	struct pages_first *first = pages_first(pages);
	const struct pages_others *others = pages_others(pages);

	if (!pages->has_first || !(first->pin.tag & PIN_IN) || (others && others->first.pin))
		return NULL;
	return &first->pin;
}

/* NULL: it is lonely. */
static struct pin_entry *entry_of_pin(const struct pages_pin *pin)
{
	struct pages_others *others;

	if (!(pin->tag & PIN_FIRST))
		return &pin_block(pin)->entry;
	others = pages_others(&pin_first(pin)->pages);
	return others && others->first.pin ? &others->first : NULL;
}

static struct tree_node *root_of(const struct space_pages *pages)
{
	const struct pages_others *others = pages_others(pages);

	return others ? others->pins : NULL;
}

/* The first pin, in order, of a subtree that ends beyond `at`. */
static struct pages_pin *first_beyond(struct tree_node *node, uint64_t at)
{
	while (node) {
		struct tree_node *left = node->child[0];

		if (left && max_of(left) > at)
			node = left;
		else if (pin_end(pin_of(node)) > at)
			return pin_of(node);
		else
			node = node->child[1];
	}
	return NULL;
}

/* The same of all pins. */
static struct pages_pin *first_of_all(const struct space_pages *pages, uint64_t at)
{
	struct pages_pin *alone = lonely(pages);

	if (alone)
		return pin_end(alone) > at ? alone : NULL;
	return first_beyond(root_of(pages), at);
}

/* The next one, in order, that ends beyond `at`. O(log n). */
static struct pages_pin *next_beyond(const struct pages_pin *pin, uint64_t at)
{
	struct pin_entry *entry = entry_of_pin(pin);
	struct tree_node *node, *up;

	if (!entry)
		return NULL;
	node = &entry->node;
	if (node->child[1] && max_of(node->child[1]) > at)
		return first_beyond(node->child[1], at);
	for (up = node->parent; up; node = up, up = up->parent) {
		if (up->child[0] != node)
			continue;
		if (pin_end(pin_of(up)) > at)
			return pin_of(up);
		if (up->child[1] && max_of(up->child[1]) > at)
			return first_beyond(up->child[1], at);
	}
	return NULL;
}

struct pages_pin *pages_pin_at(const struct space_pages *pages, uint64_t at, uint64_t *end)
{
	struct pages_pin *pin = first_of_all(pages, at);

	while (pin && (pin->tag & PIN_ENDING))
		pin = next_beyond(pin, at);
	if (!pin || pin_start(pin) <= at)
		return pin;
	if (pin_start(pin) < *end)
		*end = pin_start(pin);
	return NULL;
}

/* Pins that are equal stand side by side: on which side of `pin` is a range? */
static int side_of(const struct pages_pin *pin, uint64_t start, uint64_t len)
{
	return start > pin_start(pin) || (start == pin_start(pin) && len >= pin_len(pin));
}

static bool is(const struct pages_pin *pin, uint64_t start, uint64_t len)
{
	return pin_start(pin) == start && pin_len(pin) == len && !(pin->tag & PIN_ENDING);
}

struct pages_pin *pin_find(const struct space_pages *pages, uint64_t start, uint64_t len)
{
	struct tree_node *node = root_of(pages);
	struct pages_pin *alone = lonely(pages);

	if (alone)
		return is(alone, start, len) ? alone : NULL;
	while (node && !is(pin_of(node), start, len))
		node = node->child[side_of(pin_of(node), start, len)];
	return node ? pin_of(node) : NULL;
}

static void enter(struct space_pages *pages, struct pin_entry *entry, struct pages_pin *pin)
{
	struct tree_node *parent = NULL, *node = root_of(pages);
	struct tree tree = {node, update};
	int side = 0;

	while (node) {
		parent = node;
		side = side_of(pin_of(node), pin_start(pin), pin_len(pin));
		node = node->child[side];
	}
	entry->pin = pin;
	tree_insert(&tree, &entry->node, parent, side);
	pages_others(pages)->pins = tree.root;
}

int pins_reserve(struct space_pages *pages)
{
	struct pages_pin *alone = lonely(pages);
	struct pages_others *others = pages_others(pages);

	if (!others) {
		others = alloc_zero(1, sizeof(*others));
		if (!others)
			return -ENOMEM;
		if (alone) {
			others->memory = pin_first_memory(pin_first(alone));
			others->shared = 1;
		}
		atomic_store_explicit(&pages->others, others, memory_order_release);
	}
	if (alone)
		enter(pages, &others->first, alone);
	return 0;
}

void pin_enter(struct space_pages *pages, struct pin_block *block)
{
	enter(pages, &block->entry, &block->pin);
}

void pin_remove(struct space_pages *pages, struct pages_pin *pin)
{
	struct pin_entry *entry = entry_of_pin(pin);
	struct tree tree = {root_of(pages), update};

	if (pin->tag & PIN_FIRST)
		pin->tag &= ~PIN_IN;
	if (!entry)
		return;
	tree_remove(&tree, &entry->node);
	pages_others(pages)->pins = tree.root;
	entry->pin = NULL;
}

static void pass_others(struct pin_walk *walk)
{
	while (walk->window && walk->next && pin_window(walk->next) != walk->window)
		walk->next = next_beyond(walk->next, walk->at);
}

uint64_t pin_walk_step(struct pin_walk *walk, struct pages_pin **pin)
{
	uint64_t from = walk->at, to = walk->end;

	if (from >= to)
		return 0;
	*pin = walk->next && pin_start(walk->next) <= from ? walk->next : NULL;
	if (*pin && pin_end(*pin) < to)
		to = pin_end(*pin);
	if (!*pin && walk->next && pin_start(walk->next) < to)
		to = pin_start(walk->next);
	walk->at = to;
	if (*pin)
		walk->next = next_beyond(*pin, to);
	pass_others(walk);
	return to - from;
}

struct pin_walk pin_walk_begin(const struct space_pages *pages, const struct mem_window *window,
			       uint64_t start, uint64_t len)
{
	struct pin_walk walk = {window, first_of_all(pages, start), start, start + len};

	pass_others(&walk);
	return walk;
}

uint64_t pages_pinned(const struct space_pages *pages)
{
	struct pin_walk walk = pin_walk_begin(pages, NULL, 0, pages_len(pages));
	struct pages_pin *pin;
	uint64_t sum = 0, len;

	while ((len = pin_walk_step(&walk, &pin)))
		sum += pin ? len : 0;
	return sum;
}
