/* SPDX-License-Identifier: MIT */
/*
 * The tree of areas, for areas.c and areas_room.c.
 *
 * Leaves are linked in order and none is empty, but for a moment. An inner node says of each child
 * below which address nothing is in it, nor will be; what is below all of these is in the first.
 */
#ifndef SPACE_AREAS_TREE_H
#define SPACE_AREAS_TREE_H

#include "space/areas.h"

#define LEAF_MAX  40u
#define INNER_MAX 16u /* takes as much memory */

struct areas_node {
	struct areas_node *parent;  /* or the next spare one */
	struct areas_node *side[2]; /* of a leaf: the leaves before and after */
	uint32_t nr;
	uint32_t level; /* 0: a leaf */
	union {
		struct {
			iova_t first[LEAF_MAX];
			struct space_area *area[LEAF_MAX];
		} leaf;
		struct {
			iova_t first[INNER_MAX];
			struct areas_node *child[INNER_MAX];
			struct areas_fit fit[INNER_MAX]; /* bounds of the children */
		} inner;
	};
};

/* How many of a node's keys, which rise, are not above `iova`. */
static inline unsigned areas_upto(const iova_t *first, unsigned nr, iova_t iova)
{
	unsigned at = 0;

	while (nr > 1) {
		unsigned half = nr / 2;

		at += first[at + half - 1] <= iova ? half : 0;
		nr -= half;
	}
	return at + (nr && first[at] <= iova);
}

/* The child that has an address. */
static inline unsigned areas_slot(const struct areas_node *node, iova_t iova)
{
	unsigned slot = areas_upto(node->inner.first, node->nr, iova);

	return slot ? slot - 1 : 0;
}

/* Where the gap before an area of a leaf begins, as far as there is room in it. */
static inline iova_t areas_gap_first(const struct areas_node *leaf, unsigned at)
{
	if (!at) {
		leaf = leaf->side[0];
		at = leaf ? leaf->nr : 0;
	}
	if (at && leaf->leaf.area[at - 1]->last >= AREAS_CHOOSE_FIRST)
		return leaf->leaf.area[at - 1]->last + 1;
	return AREAS_CHOOSE_FIRST;
}

/* The bound of what a node has, by what it says itself. */
void areas_fit_node(const struct areas_node *node, struct areas_fit *out);
/* The last area of all, or NULL. */
struct space_area *areas_last(const struct areas *areas);

#endif
