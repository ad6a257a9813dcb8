/* SPDX-License-Identifier: MIT */
/*
 * The nodes of the tree of windows, for hosts.c: what is in one, and how it comes there, goes, and
 * passes on to the next one.
 */
#ifndef MEM_HOSTS_TREE_H
#define MEM_HOSTS_TREE_H

#include <stdbool.h>
#include <string.h>
#include "mem/hosts.h"
#include "mem/mem.h"
#include "util/row.h"

#define LEAF_MAX   48u
#define INNER_MAX  30u /* takes as much memory */
#define HOSTS_PAGE 4096u

/* Windows that begin at one address are in the order of their own. */
struct hosts_key {
	uintptr_t start;
	const struct mem_window *window;
};

/*
 * An inner node says of each child below which key nothing is in it, nor will be; what is below all
 * of these is in the first.
 */
struct hosts_node {
	uint16_t nr;
	uint16_t level;	 /* 0: a leaf */
	uint16_t begin;	 /* of a leaf: its row's (util/row.h) */
	uint16_t newest; /* of a leaf: the slot that the last one came to, or so */
	uint32_t most;	 /* of a leaf: no window in it has more pages; UINT32_MAX: one may */
	union {
		struct {
			struct hosts_key key[LEAF_MAX];
			uint32_t pages[LEAF_MAX]; /* 0: only the window knows its length */
		} leaf;
		struct {
			struct hosts_key key[INNER_MAX];
			uintptr_t high[INNER_MAX]; /* of the children's ends the highest */
			struct hosts_node *child[INNER_MAX];
		} inner;
	};
};

static inline struct hosts_key *leaf_key(struct hosts_node *leaf)
{
	return leaf->leaf.key + leaf->begin;
}

static inline uint32_t *leaf_pages(struct hosts_node *leaf)
{
	return leaf->leaf.pages + leaf->begin;
}

/* Where a window ends. */
static inline uintptr_t leaf_end(struct hosts_node *leaf, unsigned at)
{
	const struct hosts_key *key = &leaf_key(leaf)[at];
	uint32_t pages = leaf_pages(leaf)[at];

	return key->start + (pages ? (uint64_t)pages * HOSTS_PAGE : key->window->len);
}

static inline bool above(const struct hosts_key *a, const struct hosts_key *b)
{
	return a->start > b->start ||
	       (a->start == b->start && (uintptr_t)a->window > (uintptr_t)b->window);
}

static inline unsigned room_of(const struct hosts_node *node)
{
	return node->level ? INNER_MAX : LEAF_MAX;
}

/* What is before so much room for the longest of the leaf ends below, too. */
static inline uintptr_t high_of_leaf(struct hosts_node *leaf)
{
	uint64_t most = leaf->most < UINT32_MAX ? (uint64_t)leaf->most * HOSTS_PAGE : UINT64_MAX;
	uintptr_t high = 0;

	for (unsigned i = leaf->nr; i-- && (!high || high - leaf_key(leaf)[i].start < most);) {
		uintptr_t end = leaf_end(leaf, i);

		high = end > high ? end : high;
	}
	return high;
}

static inline uintptr_t high_of(struct hosts_node *node)
{
	uintptr_t high = 0;

	if (!node->level)
		return high_of_leaf(node);
	for (unsigned i = 0; i < node->nr; i++)
		high = node->inner.high[i] > high ? node->inner.high[i] : high;
	return high;
}

static inline void put_child(struct hosts_node *node, unsigned at, const struct hosts_key *key,
			     uintptr_t high, struct hosts_node *child)
{
	size_t behind = node->nr++ - at;

	memmove(&node->inner.key[at + 1], &node->inner.key[at], behind * sizeof(*key));
	memmove(&node->inner.high[at + 1], &node->inner.high[at], behind * sizeof(high));
	memmove(&node->inner.child[at + 1], &node->inner.child[at], behind * sizeof(child));
	node->inner.key[at] = *key;
	node->inner.high[at] = high;
	node->inner.child[at] = child;
}

static inline void take_child(struct hosts_node *node, unsigned at)
{
	size_t behind = --node->nr - at;

	memmove(&node->inner.key[at], &node->inner.key[at + 1], behind * sizeof(struct hosts_key));
	memmove(&node->inner.high[at], &node->inner.high[at + 1], behind * sizeof(uintptr_t));
	memmove(&node->inner.child[at], &node->inner.child[at + 1], behind * sizeof(void *));
}

static inline void slide(struct hosts_node *leaf, struct row_move move)
{
	if (!move.nr)
		return;
	memmove(&leaf->leaf.key[move.to], &leaf->leaf.key[move.from],
		move.nr * sizeof(struct hosts_key));
	memmove(&leaf->leaf.pages[move.to], &leaf->leaf.pages[move.from],
		move.nr * sizeof(uint32_t));
}

static inline void put_window(struct hosts_node *leaf, unsigned at, struct hosts_key key,
			      uint64_t len)
{
	uint32_t pages = (uint32_t)(len / HOSTS_PAGE), most = pages;

	if (__builtin_expect(len != (uint64_t)pages * HOSTS_PAGE || pages == UINT32_MAX, 0)) {
		pages = 0;
		most = UINT32_MAX;
	}
	slide(leaf, row_open(&leaf->begin, leaf->nr++, LEAF_MAX, at));
	leaf->newest = (uint16_t)at;
	leaf_key(leaf)[at].start = key.start;
	leaf_key(leaf)[at].window = key.window;
	leaf_pages(leaf)[at] = pages;
	if (leaf->most < most)
		leaf->most = most;
}

/* Copies `nr` from slot `from` of one leaf on to slot `at` of another one. */
static inline void copy(struct hosts_node *to, unsigned at, struct hosts_node *leaf, unsigned from,
			unsigned nr)
{
	memcpy(&leaf_key(to)[at], &leaf_key(leaf)[from], nr * sizeof(struct hosts_key));
	memcpy(&leaf_pages(to)[at], &leaf_pages(leaf)[from], nr * sizeof(uint32_t));
	to->most = to->most > leaf->most ? to->most : leaf->most;
}

/* The last `nr` of a leaf go to the front of the one behind it. */
static inline void pass_on(struct hosts_node *leaf, struct hosts_node *behind, unsigned nr)
{
	slide(behind, row_center(&behind->begin, behind->nr, LEAF_MAX, nr, 0));
	behind->begin = (uint16_t)(behind->begin - nr);
	behind->nr = (uint16_t)(behind->nr + nr);
	leaf->nr = (uint16_t)(leaf->nr - nr);
	copy(behind, 0, leaf, leaf->nr, nr);
}

/* And the first `nr` of that one to the end of the leaf. */
static inline void pass_back(struct hosts_node *leaf, struct hosts_node *behind, unsigned nr)
{
	slide(leaf, row_center(&leaf->begin, leaf->nr, LEAF_MAX, 0, nr));
	copy(leaf, leaf->nr, behind, 0, nr);
	leaf->nr = (uint16_t)(leaf->nr + nr);
	behind->begin = (uint16_t)(behind->begin + nr);
	behind->nr = (uint16_t)(behind->nr - nr);
}

/* Moves what an inner node has from slot `at` on to the end of `to`. */
static inline void move_children(struct hosts_node *to, struct hosts_node *from, unsigned at)
{
	unsigned nr = from->nr - at;

	memcpy(&to->inner.key[to->nr], &from->inner.key[at], nr * sizeof(struct hosts_key));
	memcpy(&to->inner.high[to->nr], &from->inner.high[at], nr * sizeof(uintptr_t));
	memcpy(&to->inner.child[to->nr], &from->inner.child[at], nr * sizeof(void *));
	to->nr = (uint16_t)(to->nr + nr);
	from->nr = (uint16_t)at;
}

#endif
