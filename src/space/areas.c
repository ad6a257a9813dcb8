/* SPDX-License-Identifier: MIT */
/* The areas of a space in order: a B+ tree, which takes no memory but what was reserved. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "space/areas_tree.h"
#include "util/alloc.h"

#define SPARE_KEPT 8u /* nodes, for what comes next */

void areas_init(struct areas *areas)
{
	*areas = (struct areas){NULL};
}

void areas_fini(struct areas *areas)
{
	while (areas->spare) {
		struct areas_node *node = areas->spare;

		areas->spare = node->parent;
		free(node);
	}
	areas->spare_nr = 0;
}

static void give(struct areas *areas, struct areas_node *node)
{
	if (areas->spare_nr >= SPARE_KEPT) {
		free(node);
		return;
	}
	node->parent = areas->spare;
	areas->spare = node;
	areas->spare_nr++;
}

static struct areas_node *take(struct areas *areas, uint32_t level)
{
	struct areas_node *node = areas->spare;

	areas->spare = node->parent;
	areas->spare_nr--;
	node->parent = node->side[0] = node->side[1] = NULL;
	node->nr = 0;
	node->level = level;
	return node;
}

/* Of areas in a row not every one divides a leaf: one of half a leaf's, and the first. */
int areas_reserve(struct areas *areas, size_t nr)
{
	const struct areas_node *root = areas->root;
	size_t need = nr / (INNER_MAX / 2) + 2 + (root ? root->level + 1 : 0);

	if (nr == 1 && (!root || (!root->level && root->nr < LEAF_MAX)))
		need = !root;
	while (areas->spare_nr < need) {
		struct areas_node *node = alloc_raw(sizeof(*node));

		if (!node)
			return -ENOMEM;
		node->parent = areas->spare;
		areas->spare = node;
		areas->spare_nr++;
	}
	return 0;
}

static struct areas_node *leaf_of(const struct areas *areas, iova_t iova)
{
	struct areas_node *node = areas->root;

	while (node && node->level)
		node = node->inner.child[areas_slot(node, iova)];
	return node;
}

static unsigned slot_of(const struct areas_node *node)
{
	unsigned slot = 0;

	while (node->parent->inner.child[slot] != node)
		slot++;
	return slot;
}

static void add_area(struct areas_node *leaf, unsigned at, struct space_area *area)
{
	size_t behind = leaf->nr++ - at;

	memmove(&leaf->leaf.first[at + 1], &leaf->leaf.first[at], behind * sizeof(iova_t));
	memmove(&leaf->leaf.area[at + 1], &leaf->leaf.area[at], behind * sizeof(void *));
	leaf->leaf.first[at] = area->first;
	leaf->leaf.area[at] = area;
}

static void add_child(struct areas_node *node, unsigned at, struct areas_node *child, iova_t first,
		      const struct areas_fit *fit)
{
	size_t behind = node->nr++ - at;

	memmove(&node->inner.first[at + 1], &node->inner.first[at], behind * sizeof(iova_t));
	memmove(&node->inner.child[at + 1], &node->inner.child[at], behind * sizeof(void *));
	memmove(&node->inner.fit[at + 1], &node->inner.fit[at], behind * sizeof(*fit));
	node->inner.first[at] = first;
	node->inner.child[at] = child;
	node->inner.fit[at] = *fit;
	child->parent = node;
}

/* Moves what `from` has from slot `at` on to the end of `to`, of the same level. */
static void move(struct areas_node *to, struct areas_node *from, unsigned at)
{
	size_t nr = from->nr - at;

	if (!to->level) {
		memcpy(&to->leaf.first[to->nr], &from->leaf.first[at], nr * sizeof(iova_t));
		memcpy(&to->leaf.area[to->nr], &from->leaf.area[at], nr * sizeof(void *));
		to->nr += nr;
	} else {
		for (unsigned i = at; i < from->nr; i++)
			add_child(to, to->nr, from->inner.child[i], from->inner.first[i],
				  &from->inner.fit[i]);
	}
	from->nr = at;
}

/* There is such a gap below a node: what is above may not say less. */
static void raise(struct areas_node *node, const struct areas_fit *fit)
{
	for (; node->parent; node = node->parent) {
		struct areas_fit *bound = &node->parent->inner.fit[slot_of(node)], old = *bound;

		areas_fit_merge(bound, fit);
		if (!memcmp(bound, &old, sizeof(old)))
			return;
	}
}

static void link_behind(struct areas *areas, struct areas_node *node, struct areas_node *behind,
			iova_t first, bool empty);

/*
 * Divides a full node before slot `at`, where `first` is to go, and says where that is now. What is
 * filled in order is not divided in the middle, so that it stays full.
 */
static struct areas_node *divide(struct areas *areas, struct areas_node *node, unsigned *at,
				 iova_t first)
{
	unsigned max = node->nr, keep = *at == max ? max : max / 2;
	struct areas_node *behind = take(areas, node->level);
	const iova_t *keys = node->level ? node->inner.first : node->leaf.first;

	link_behind(areas, node, behind, keep == max ? first : keys[keep], keep == max);
	move(behind, node, keep);
	if (*at <= keep && keep < max)
		return node;
	*at -= keep;
	return behind;
}

/*
 * Hangs a node in the tree behind another one of the level: nothing below `first` is in it. It has
 * gaps of the other one, or none.
 */
static void link_behind(struct areas *areas, struct areas_node *node, struct areas_node *behind,
			iova_t first, bool empty)
{
	struct areas_node *parent = node->parent;
	struct areas_fit fit = {.pages = 0};
	unsigned at;

	if (!parent) {
		parent = areas->root = take(areas, node->level + 1);
		areas_fit_node(node, &fit);
		add_child(parent, 0, node, 0, &fit);
		fit = (struct areas_fit){.pages = 0};
	}
	at = slot_of(node) + 1;
	if (!empty)
		fit = parent->inner.fit[at - 1];
	if (parent->nr == INNER_MAX)
		parent = divide(areas, parent, &at, first);
	add_child(parent, at, behind, first, &fit);
	raise(parent, &fit);
	if (node->level)
		return;
	behind->side[0] = node;
	behind->side[1] = node->side[1];
	if (node->side[1])
		node->side[1]->side[0] = behind;
	node->side[1] = behind;
}

void areas_insert(struct areas *areas, struct space_area *area)
{
	struct areas_node *leaf;
	struct areas_fit fit;
	unsigned at;

	if (!areas->root)
		areas->root = take(areas, 0);
	leaf = leaf_of(areas, area->first);
	at = areas_upto(leaf->leaf.first, leaf->nr, area->first);
	if (leaf->nr == LEAF_MAX)
		leaf = divide(areas, leaf, &at, area->first);
	add_area(leaf, at, area);
	areas->nr++;
	/* The gap before it was that of an area in the next leaf, or of none. */
	if (at == leaf->nr - 1 && areas_gap_first(leaf, at) < area->first) {
		areas_fit_gap(areas_gap_first(leaf, at), area->first - 1, &fit);
		raise(leaf, &fit);
	}
}

static void shrink(struct areas *areas, struct areas_node *node);

static void take_out_child(struct areas *areas, struct areas_node *child)
{
	struct areas_node *node = child->parent;
	unsigned at = slot_of(child);
	size_t behind = --node->nr - at;

	memmove(&node->inner.first[at], &node->inner.first[at + 1], behind * sizeof(iova_t));
	memmove(&node->inner.child[at], &node->inner.child[at + 1], behind * sizeof(void *));
	memmove(&node->inner.fit[at], &node->inner.fit[at + 1], behind * sizeof(struct areas_fit));
	shrink(areas, node);
}

/* A node that has become empty. */
static void unlink_node(struct areas *areas, struct areas_node *node)
{
	for (int i = 0; i < 2; i++)
		if (node->side[i])
			node->side[i]->side[!i] = node->side[!i];
	if (node->parent)
		take_out_child(areas, node);
	else
		areas->root = NULL;
	give(areas, node);
}

/* Puts a node's right neighbour, of the same parent, into it, if that leaves some room. */
static bool join(struct areas *areas, struct areas_node *parent, unsigned at)
{
	struct areas_node *node = parent->inner.child[at], *behind;
	unsigned max = node->level ? INNER_MAX : LEAF_MAX;

	behind = at + 1 < parent->nr ? parent->inner.child[at + 1] : NULL;
	if (!behind || node->nr + behind->nr > max / 4 * 3)
		return false;
	if (node->level)
		behind->inner.first[0] = parent->inner.first[at + 1];
	move(node, behind, 0);
	areas_fit_merge(&parent->inner.fit[at], &parent->inner.fit[at + 1]);
	unlink_node(areas, behind);
	return true;
}

/* A node has less than it had. */
static void shrink(struct areas *areas, struct areas_node *node)
{
	struct areas_node *parent = node->parent;
	unsigned at;

	if (!node->nr) {
		unlink_node(areas, node);
	} else if (!parent && node->level && node->nr == 1) {
		areas->root = node->inner.child[0];
		areas->root->parent = NULL;
		give(areas, node);
	} else if (parent && node->nr <= (node->level ? INNER_MAX : LEAF_MAX) / 4) {
		at = slot_of(node);
		if (!join(areas, parent, at) && at)
			join(areas, parent, at - 1);
	}
}

void areas_remove(struct areas *areas, struct space_area *area)
{
	struct areas_node *leaf = leaf_of(areas, area->first), *next;
	unsigned at = areas_upto(leaf->leaf.first, leaf->nr, area->first) - 1;
	iova_t gap_first = areas_gap_first(leaf, at), gap_end;
	struct areas_fit fit;
	size_t behind = leaf->nr - at - 1;

	next = behind ? leaf : leaf->side[1];
	gap_end = next ? next->leaf.first[behind ? at + 1 : 0] : 0;
	if (gap_first < gap_end) {
		areas_fit_gap(gap_first, gap_end - 1, &fit);
		raise(next, &fit);
	}
	memmove(&leaf->leaf.first[at], &leaf->leaf.first[at + 1], behind * sizeof(iova_t));
	memmove(&leaf->leaf.area[at], &leaf->leaf.area[at + 1], behind * sizeof(void *));
	leaf->nr--;
	areas->nr--;
	shrink(areas, leaf);
}

struct space_area *areas_find(const struct areas *areas, iova_t iova)
{
	const struct areas_node *leaf = leaf_of(areas, iova);
	unsigned at;

	if (!leaf)
		return NULL;
	at = areas_upto(leaf->leaf.first, leaf->nr, iova);
	if (at && leaf->leaf.area[at - 1]->last >= iova)
		return leaf->leaf.area[at - 1];
	/* What begins in the leaf before may end here. */
	if (!at && leaf->side[0]) {
		const struct areas_node *before = leaf->side[0];

		if (before->leaf.area[before->nr - 1]->last >= iova)
			return before->leaf.area[before->nr - 1];
	}
	if (at < leaf->nr)
		return leaf->leaf.area[at];
	return leaf->side[1] ? leaf->side[1]->leaf.area[0] : NULL;
}

struct space_area *areas_next(const struct areas *areas, const struct space_area *area)
{
	return area->last == UINT64_MAX ? NULL : areas_find(areas, area->last + 1);
}

struct space_area *areas_last(const struct areas *areas)
{
	const struct areas_node *leaf = leaf_of(areas, UINT64_MAX);

	return leaf ? leaf->leaf.area[leaf->nr - 1] : NULL;
}
