/* SPDX-License-Identifier: MIT */
/* Things found by a number of 64 bits, which one of them has: a tree (tree.h) in that order. */
#ifndef UTIL_KEYS_H
#define UTIL_KEYS_H

#include "util/tree.h"

struct key_node {
	struct tree_node node; /* first */
	uint64_t key;	       /* constant while it is in a tree */
};

/* The one with that key, or NULL. */
struct key_node *keys_find(const struct tree *tree, uint64_t key);
/* Adds one with node->key. The one that has the key already, and nothing happens; NULL: done. */
struct key_node *keys_insert(struct tree *tree, struct key_node *node);
/* Takes it out. */
static inline void keys_remove(struct tree *tree, struct key_node *node)
{
	tree_remove(tree, &node->node);
}

#endif
