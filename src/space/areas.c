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
	node->nr = node->begin = node->slot = node->newest = 0;
	node->level = (uint8_t)level;
	return node;
}

/*
 * Of areas in a row few divide a leaf: the first, one that cuts off what is behind, one that comes
 * to its end then, and one of a leaf's. Three are not among the first few.
 */
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

/* How many areas of the leaf begin below. */
static unsigned below(struct areas_node *leaf, iova_t iova)
{
	return iova ? areas_upto(leaf_first(leaf), leaf->nr, iova - 1) : 0;
}

static unsigned slot_of(struct areas_node *node)
{
	const struct areas_node *parent = node->parent;
	unsigned slot = node->slot;

	if (slot < parent->nr && parent->inner.child[slot] == node)
		return slot;
	for (slot = 0; parent->inner.child[slot] != node; slot++)
		;
	node->slot = (uint16_t)slot;
	return slot;
}

/* An area that begins at `first` is, or would be, in slot `at` of the leaf. */
static void remember(struct areas *areas, struct areas_node *leaf, unsigned at, iova_t first)
{
	areas->near = leaf;
	areas->near_at = at;
	areas->near_iova = first;
}

/* Nodes are about to change. */
static void forget(struct areas *areas)
{
	areas->near = NULL;
}

static void take_area(struct areas_node *leaf, unsigned at)
{
	unsigned nr = leaf->nr--;

	/* In order it is mostly the first. */
	if (at)
		slide(leaf, row_close(&leaf->begin, nr, at));
	else
		leaf->begin++;
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

/* Moves what an inner node has from slot `at` on to the end of `to`. */
static void move_children(struct areas_node *to, struct areas_node *from, unsigned at)
{
	for (unsigned i = at; i < from->nr; i++)
		add_child(to, to->nr, from->inner.child[i], from->inner.first[i],
			  &from->inner.fit[i]);
	from->nr = (uint16_t)at;
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

/*
 * There is such a gap before the first area of a leaf, or another one of it. What is large gets
 * more than it is: it mostly grows, as its neighbours go.
 */
static __attribute__((noinline)) void raise_more(struct areas_node *leaf, iova_t first, iova_t last)
{
	struct areas_fit fit;
	uint32_t more;

	areas_fit_gap(first, last, &fit);
	more = fit.pages / 8;
	if (more > AREAS_FIT_FAR)
		fit.pages = fit.pages < UINT32_MAX - more ? fit.pages + more : UINT32_MAX;
	raise(leaf, &fit);
}

static inline void raise_to_gap(struct areas_node *leaf, iova_t first, iova_t last)
{
	if (leaf->parent && !areas_fit_has(&leaf->parent->inner.fit[slot_of(leaf)], first, last))
		raise_more(leaf, first, last);
}

static void link_behind(struct areas *areas, struct areas_node *node, struct areas_node *behind,
			iova_t first, bool empty);

/* Divides a full node, which keeps so many; what is behind begins with `first`, or will. */
static struct areas_node *divide(struct areas *areas, struct areas_node *node, unsigned keep,
				 iova_t first)
{
	struct areas_node *behind = take(areas, node->level);

	link_behind(areas, node, behind, first, keep == node->nr);
	if (node->level)
		move_children(behind, node, keep);
	else
		pass_on(node, behind, node->nr - keep);
	return behind;
}

/*
 * Makes room for a child in slot `at` of a full inner node, and says where that is now. What is
 * filled in order is not divided in the middle, so that it stays full.
 */
static struct areas_node *divide_inner(struct areas *areas, struct areas_node *node, unsigned *at,
				       iova_t first)
{
	unsigned keep = *at == INNER_MAX ? INNER_MAX : INNER_MAX / 2;
	struct areas_node *behind;

	behind = divide(areas, node, keep, keep == INNER_MAX ? first : node->inner.first[keep]);
	if (*at <= keep && keep < INNER_MAX)
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
		parent = divide_inner(areas, parent, &at, first);
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

/* Two leaves of one parent: `to` got some of what `from` had, with the gaps before them. */
static void passed(struct areas_node *from, struct areas_node *to)
{
	struct areas_node *parent = to->parent, *behind = to->side[1] == from ? from : to;

	parent->inner.first[slot_of(behind)] = leaf_first(behind)[0];
	areas_fit_merge(&parent->inner.fit[slot_of(to)], &parent->inner.fit[slot_of(from)]);
}

/* The leaf has a neighbour, both are full: they become three. The first of these. */
static struct areas_node *relieve_two(struct areas *areas, struct areas_node *leaf, unsigned *at)
{
	struct areas_node *between, *behind;
	unsigned slot = slot_of(leaf), third;

	/* All three are to have one parent, as two that pass something on have. */
	if (leaf->parent->nr == INNER_MAX)
		divide_inner(areas, leaf->parent, &slot, 0);
	if (!beside(leaf, 1)) {
		leaf = leaf->side[0];
		*at += leaf->nr;
	}
	behind = leaf->side[1];
	third = (leaf->nr + behind->nr) / 3u;
	between = divide(areas, leaf, third, leaf_first(leaf)[third]);
	pass_back(between, behind, behind->nr - third);
	passed(behind, between);
	return leaf;
}

/* Makes room in slot `at` of a full leaf, where `first` is to go, and says where that is now. */
static __attribute__((noinline)) struct areas_node *
relieve(struct areas *areas, struct areas_node *leaf, unsigned *at, iova_t first)
{
	struct areas_node *before = beside(leaf, 0), *behind = beside(leaf, 1);
	struct row_relief by =
		row_relieve(LEAF_MAX, *at, leaf->newest, room_of(before), room_of(behind));

	switch (by.how) {
	case ROW_CUT:
		behind = divide(areas, leaf, by.nr, by.to_second ? first : leaf_first(leaf)[by.nr]);
		if (!by.to_second)
			break;
		*at = 0;
		return behind;
	case ROW_THIRD:
		leaf = relieve_two(areas, leaf, at);
		break;
	case ROW_BACK:
		*at += before->nr;
		pass_back(before, leaf, by.nr);
		passed(leaf, before);
		leaf = before;
		break;
	case ROW_ON:
		pass_on(leaf, behind, by.nr);
		passed(leaf, behind);
	}
	for (; *at > leaf->nr; leaf = leaf->side[1])
		*at -= leaf->nr;
	return leaf;
}

void areas_insert(struct areas *areas, struct space_area *area)
{
	struct areas_node *leaf = areas->near;
	unsigned at = areas->near_at;

	if (!areas->root)
		areas->root = take(areas, 0);
	if (!leaf || areas->near_iova != area->first) {
		leaf = leaf_of(areas, area->first);
		at = below(leaf, area->first);
	}
	if (leaf->nr == LEAF_MAX)
		leaf = relieve(areas, leaf, &at, area->first);
	add_area(leaf, at, area);
	areas->nr++;
	remember(areas, leaf, at, area->first);
	/* The gap before it was that of an area in the next leaf, or of none. */
	if (at == leaf->nr - 1u && areas_gap_first(leaf, at) < area->first)
		raise_to_gap(leaf, areas_gap_first(leaf, at), area->first - 1);
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
	forget(areas);
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
	if (!behind || node->nr + behind->nr > (int)(max / 4 * 3))
		return false;
	if (node->level) {
		behind->inner.first[0] = parent->inner.first[at + 1];
		move_children(node, behind, 0);
	} else {
		pass_back(node, behind, behind->nr);
	}
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
	struct areas_node *leaf = areas->near, *next;
	unsigned at = areas->near_at;
	iova_t gap_first, gap_end;
	bool behind;

	if (!leaf || at >= leaf->nr || leaf_area(leaf)[at] != area) {
		areas_seek(areas, area->first);
		leaf = areas->near;
		at = areas->near_at;
	}
	gap_first = areas_gap_first(leaf, at);
	behind = at + 1 < leaf->nr;
	next = behind ? leaf : leaf->side[1];
	gap_end = next ? leaf_first(next)[behind ? at + 1 : 0] : 0;
	if (gap_first < gap_end)
		raise_to_gap(next, gap_first, gap_end - 1);
	take_area(leaf, at);
	areas->nr--;
	remember(areas, leaf, at, area->first);
	if (leaf->nr <= LEAF_MAX / 4)
		shrink(areas, leaf);
}

/* What is in slot `at` of the leaf, or comes after; `iova` lies there, above what is before. */
static struct space_area *found_at(struct areas_node *leaf, unsigned at, iova_t iova)
{
	struct areas_node *before = at ? leaf : leaf->side[0];
	struct space_area *area;

	if (at < leaf->nr && leaf_first(leaf)[at] == iova)
		return leaf_area(leaf)[at];
	/* What begins before may end here, also what is in the leaf before. */
	area = before ? leaf_area(before)[(at ? at : before->nr) - 1] : NULL;
	if (area && area->last >= iova)
		return area;
	if (at < leaf->nr)
		return leaf_area(leaf)[at];
	return leaf->side[1] ? leaf_area(leaf->side[1])[0] : NULL;
}

struct space_area *areas_find(const struct areas *areas, iova_t iova)
{
	struct areas_node *leaf = leaf_of(areas, iova);

	return leaf ? found_at(leaf, below(leaf, iova), iova) : NULL;
}

/* Does the address come right after the area in that slot, before what is next in the leaf? */
static bool is_next(struct areas_node *leaf, unsigned at, iova_t iova)
{
	if (at >= leaf->nr || leaf_first(leaf)[at] >= iova)
		return false;
	return at + 1 < leaf->nr ? leaf_first(leaf)[at + 1] >= iova : !leaf->side[1];
}

struct space_area *areas_seek(struct areas *areas, iova_t iova)
{
	struct areas_node *leaf = areas->near;
	unsigned at = areas->near_at;

	if (leaf && at < leaf->nr && leaf_first(leaf)[at] == iova)
		return leaf_area(leaf)[at];
	if (leaf && is_next(leaf, at, iova)) {
		at++;
	} else {
		leaf = leaf_of(areas, iova);
		if (!leaf)
			return NULL;
		at = below(leaf, iova);
	}
	remember(areas, leaf, at, iova);
	return found_at(leaf, at, iova);
}

struct space_area *areas_next(const struct areas *areas, const struct space_area *area)
{
	return area->last == UINT64_MAX ? NULL : areas_find(areas, area->last + 1);
}

struct space_area *areas_last(const struct areas *areas)
{
	struct areas_node *leaf = leaf_of(areas, UINT64_MAX);

	return leaf ? leaf_area(leaf)[leaf->nr - 1] : NULL;
}
