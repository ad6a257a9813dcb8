/* SPDX-License-Identifier: MIT */
/*
 * The tree of areas, for areas.c and areas_room.c.
 *
 * Leaves are linked in order and none is empty, but for a moment. An inner node says of each child
 * below which address nothing is in it, nor will be; what is below all of these is in the first.
 */
#ifndef SPACE_AREAS_TREE_H
#define SPACE_AREAS_TREE_H

#include <string.h>
#include "space/areas.h"
#include "util/row.h"

#define LEAF_MAX  40u
#define INNER_MAX 16u /* takes as much memory */

struct areas_node {
	struct areas_node *parent;  /* or the next spare one */
	struct areas_node *side[2]; /* of a leaf: the leaves before and after */
	uint16_t nr;
	uint8_t level;	/* 0: a leaf */
	uint8_t newest; /* of a leaf: the slot that the last one came to, or so */
	uint16_t begin; /* of a leaf: its row's (util/row.h) */
	uint16_t slot;	/* in the parent it was here last */
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

/* What a leaf has, in order. */
static inline iova_t *leaf_first(struct areas_node *leaf)
{
	return leaf->leaf.first + leaf->begin;
}

static inline struct space_area **leaf_area(struct areas_node *leaf)
{
	return leaf->leaf.area + leaf->begin;
}

static inline void slide(struct areas_node *leaf, struct row_move move)
{
	if (!move.nr)
		return;
	memmove(&leaf->leaf.first[move.to], &leaf->leaf.first[move.from], move.nr * sizeof(iova_t));
	memmove(&leaf->leaf.area[move.to], &leaf->leaf.area[move.from], move.nr * sizeof(void *));
}

static inline void add_area(struct areas_node *leaf, unsigned at, struct space_area *area)
{
	slide(leaf, row_open(&leaf->begin, leaf->nr++, LEAF_MAX, at));
	leaf->newest = (uint8_t)at;
	leaf_first(leaf)[at] = area->first;
	leaf_area(leaf)[at] = area;
}

/* Copies `nr` from slot `from` of one leaf on to slot `at` of another one. */
static inline void copy(struct areas_node *to, unsigned at, struct areas_node *leaf, unsigned from,
			unsigned nr)
{
	memcpy(&leaf_first(to)[at], &leaf_first(leaf)[from], nr * sizeof(iova_t));
	memcpy(&leaf_area(to)[at], &leaf_area(leaf)[from], nr * sizeof(void *));
}

/* The last `nr` of a leaf go to the front of the one behind it. */
static inline void pass_on(struct areas_node *leaf, struct areas_node *behind, unsigned nr)
{
	slide(behind, row_center(&behind->begin, behind->nr, LEAF_MAX, nr, 0));
	behind->begin = (uint16_t)(behind->begin - nr);
	behind->nr = (uint16_t)(behind->nr + nr);
	leaf->nr = (uint16_t)(leaf->nr - nr);
	copy(behind, 0, leaf, leaf->nr, nr);
}

/* And the first `nr` of that one to the end of the leaf. */
static inline void pass_back(struct areas_node *leaf, struct areas_node *behind, unsigned nr)
{
	slide(leaf, row_center(&leaf->begin, leaf->nr, LEAF_MAX, 0, nr));
	copy(leaf, leaf->nr, behind, 0, nr);
	leaf->nr = (uint16_t)(leaf->nr + nr);
	behind->begin = (uint16_t)(behind->begin + nr);
	behind->nr = (uint16_t)(behind->nr - nr);
}

/* The leaf on that side, if it has the same parent, or NULL. */
static inline struct areas_node *beside(const struct areas_node *leaf, unsigned side)
{
	struct areas_node *other = leaf->side[side];

	return other && other->parent == leaf->parent ? other : NULL;
}

/* What room is in a leaf; -1: there is none. */
static inline int room_of(const struct areas_node *leaf)
{
	return leaf ? (int)LEAF_MAX - leaf->nr : -1;
}

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
static inline iova_t areas_gap_first(struct areas_node *leaf, unsigned at)
{
	if (!at) {
		leaf = leaf->side[0];
		at = leaf ? leaf->nr : 0;
	}
	if (at && leaf_area(leaf)[at - 1]->last >= AREAS_CHOOSE_FIRST)
		return leaf_area(leaf)[at - 1]->last + 1;
	return AREAS_CHOOSE_FIRST;
}

/* Does a bound let in all that fits one empty range, and more? */
static inline bool areas_fit_has(const struct areas_fit *fit, iova_t first, iova_t last)
{
	uint64_t pages = (last / AREAS_ALIGN_MIN) - (first / AREAS_ALIGN_MIN) + 1;

	return fit->pages == UINT32_MAX || pages + AREAS_FIT_FAR <= fit->pages;
}

/* The bound of what a node has, by what it says itself. */
void areas_fit_node(struct areas_node *node, struct areas_fit *out);
/* The last area of all, or NULL. */
struct space_area *areas_last(const struct areas *areas);

#endif
