/* SPDX-License-Identifier: MIT */
/* A balanced tree: the heights of a node's two subtrees differ by one at most. */
#include "util/tree.h"

static uint32_t height(const struct tree_node *node)
{
	return node ? node->height : 0;
}

/* True: what the nodes above see of this one has changed. */
static bool renew(struct tree *tree, struct tree_node *node)
{
	uint32_t before = height(node->child[0]);
	uint32_t after = height(node->child[1]);
	uint32_t old = node->height;
	bool changed = false;

	node->height = 1 + (before > after ? before : after);
	if (tree->update)
		changed = tree->update(node);
	return changed || node->height != old;
}

/* Puts `node` (may be NULL) in the place of `old` below old's parent. */
static void replace(struct tree *tree, struct tree_node *old, struct tree_node *node)
{
	struct tree_node *parent = old->parent;

	if (!parent)
		tree->root = node;
	else
		parent->child[parent->child[1] == old] = node;
	if (node)
		node->parent = parent;
}

static void adopt(struct tree_node *parent, int side, struct tree_node *child)
{
	parent->child[side] = child;
	if (child)
		child->parent = parent;
}

/* Moves `node` down to `side`; its other child takes its place and is returned. */
static struct tree_node *rotate(struct tree *tree, struct tree_node *node, int side)
{
	struct tree_node *up = node->child[!side];

	replace(tree, node, up);
	adopt(node, !side, up->child[side]);
	adopt(up, side, node);
	renew(tree, node);
	renew(tree, up);
	return up;
}

/*
 * Restores balance and summaries from `node` up, until nothing changes any more, but at least to
 * above `moved`, which stands in a new place (NULL: none does).
 */
static void settle(struct tree *tree, struct tree_node *node, const struct tree_node *moved)
{
	for (; node; node = node->parent) {
		uint32_t before = height(node->child[0]);
		uint32_t after = height(node->child[1]);
		int heavy = after > before;
		struct tree_node *child = node->child[heavy];
		bool changed = true;

		if (before > after + 1 || after > before + 1) {
			if (height(child->child[!heavy]) > height(child->child[heavy]))
				rotate(tree, child, heavy);
			if (node == moved)
				moved = NULL;
			node = rotate(tree, node, !heavy);
		} else {
			changed = renew(tree, node) || moved;
			if (node == moved)
				moved = NULL;
		}
		if (!changed)
			return;
	}
}

/* A new node has no children, so that the one after it is above it. */
void tree_insert_before(struct tree *tree, struct tree_node *node, struct tree_node *parent,
			int side, const struct tree_node *next)
{
	node->child[0] = node->child[1] = NULL;
	node->height = 0;
	node->parent = parent;
	if (parent)
		parent->child[side] = node;
	else
		tree->root = node;
	settle(tree, node, next);
}

void tree_insert(struct tree *tree, struct tree_node *node, struct tree_node *parent, int side)
{
	tree_insert_before(tree, node, parent, side, NULL);
}

void tree_remove_before(struct tree *tree, struct tree_node *node, struct tree_node *next)
{
	struct tree_node *from;

	if (!node->child[0] || !node->child[1]) {
		/* Its only child is a leaf, and may be the one after it; or that is above. */
		from = next && next == node->child[1] ? next : node->parent;
		replace(tree, node, node->child[!node->child[0]]);
		settle(tree, from, next);
		return;
	}
	/* Its successor, which has no child before it, takes its place. */
	next = tree_step(node, 1);
	from = next->parent == node ? next : next->parent;
	replace(tree, next, next->child[1]);
	adopt(next, 0, node->child[0]);
	adopt(next, 1, node->child[1]);
	replace(tree, node, next);
	settle(tree, from, next);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
	tree_remove_before(tree, node, NULL);
}

void tree_refresh(struct tree *tree, struct tree_node *node)
{
	while (node && renew(tree, node))
		node = node->parent;
}

static struct tree_node *outermost(struct tree_node *node, int side)
{
	while (node && node->child[side])
		node = node->child[side];
	return node;
}

struct tree_node *tree_end(const struct tree *tree, int side)
{
	return outermost(tree->root, side);
}

struct tree_node *tree_step(const struct tree_node *node, int side)
{
	if (node->child[side])
		return outermost(node->child[side], !side);
	while (node->parent && node->parent->child[side] == node)
		node = node->parent;
	return node->parent;
}
