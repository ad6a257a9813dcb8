/* SPDX-License-Identifier: MIT */
/*
 * A balanced tree (AVL) of nodes that live inside other structs, in the order their owner gives
 * them. Each subtree can carry a summary, which `update` makes from a node and its two children:
 * that is what searches other than by order go by. Nothing is allocated. Callers lock.
 */
#ifndef UTIL_TREE_H
#define UTIL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree_node {
	struct tree_node *child[2]; /* before, after */
	struct tree_node *parent;
	uint32_t height; /* of the subtree, 1 for a leaf */
	uint32_t tag;	 /* the owner's, to fill the hole; the tree does not look at it */
};

struct tree {
	struct tree_node *root;
	/*
	 * Remakes the summary of node's subtree from node and its children. Says whether it
	 * changed: where it did not, nothing above can. May be NULL.
	 */
	bool (*update)(struct tree_node *node);
};

#define tree_entry(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/*
 * Hangs `node` below `parent`, on `side` (0 before, 1 after), where there is no child yet; parent
 * NULL: the tree is empty. Rebalances and updates.
 */
void tree_insert(struct tree *tree, struct tree_node *node, struct tree_node *parent, int side);
/* Takes a node out. */
void tree_remove(struct tree *tree, struct tree_node *node);
/*
 * The same where the summary of the node after it, `next` (NULL: there is none), changes as well:
 * both are done on one way up.
 */
void tree_insert_before(struct tree *tree, struct tree_node *node, struct tree_node *parent,
			int side, const struct tree_node *next);
void tree_remove_before(struct tree *tree, struct tree_node *node, struct tree_node *next);
/* Remakes the summaries that a change of `node` concerns: its own and those above. */
void tree_refresh(struct tree *tree, struct tree_node *node);

/* The first (side 0) or last (side 1) node, or NULL. */
struct tree_node *tree_end(const struct tree *tree, int side);
/* The node before (side 0) or after (side 1), or NULL. */
struct tree_node *tree_step(const struct tree_node *node, int side);

#endif
