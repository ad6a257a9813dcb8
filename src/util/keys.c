/* SPDX-License-Identifier: MIT */
/* Trees by number. */
#include "util/keys.h"

/* The one with that key, or NULL and where it would hang. */
static struct key_node *descend(const struct tree *tree, uint64_t key, struct tree_node **parent,
				int *side)
{
	struct tree_node *node = tree->root;

	*parent = NULL;
	*side = 0;
	while (node) {
		struct key_node *at = tree_entry(node, struct key_node, node);

		if (at->key == key)
			return at;
		*parent = node;
		*side = key > at->key;
		node = node->child[*side];
	}
	return NULL;
}

struct key_node *keys_find(const struct tree *tree, uint64_t key)
{
	struct tree_node *parent;
	int side;

	return descend(tree, key, &parent, &side);
}

struct key_node *keys_insert(struct tree *tree, struct key_node *node)
{
	struct tree_node *parent;
	int side;
	struct key_node *there = descend(tree, node->key, &parent, &side);

	if (!there)
		tree_insert(tree, &node->node, parent, side);
	return there;
}
