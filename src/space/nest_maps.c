/* SPDX-License-Identifier: MIT */
/* The maps of a nested space, in two trees: by their own addresses, and by the parent's. */
#include <stdlib.h>
#include "space/nest_maps.h"

static struct nest_map *by_parent(struct tree_node *node)
{
	return tree_entry(node, struct nest_map, by_parent);
}

static bool update_max(struct tree_node *node)
{
	struct nest_map *map = by_parent(node);
	iova_t max = nest_parent_last(map), old = map->max;

	for (int side = 0; side < 2; side++)
		if (node->child[side] && by_parent(node->child[side])->max > max)
			max = by_parent(node->child[side])->max;
	map->max = max;
	return max != old;
}

struct nest_map *nest_find(const struct space_nest *nest, iova_t iova)
{
	struct tree_node *node = nest->maps.root;
	struct nest_map *found = NULL;

	while (node) {
		struct nest_map *map = nest_by_iova(node);

		if (map->last >= iova)
			found = map;
		node = node->child[map->last < iova];
	}
	return found;
}

/* The first of a subtree. */
static struct nest_map *first_target(struct tree_node *node, iova_t first, iova_t last)
{
	while (node && by_parent(node)->max >= first) {
		struct tree_node *before = node->child[0];

		if (before && by_parent(before)->max >= first) {
			node = before;
			continue;
		}
		if (by_parent(node)->parent_first > last)
			return NULL;
		if (nest_parent_last(by_parent(node)) >= first)
			return by_parent(node);
		node = node->child[1];
	}
	return NULL;
}

struct nest_map *nest_target(const struct space_nest *nest, iova_t first, iova_t last)
{
	return first_target(nest->targets.root, first, last);
}

struct nest_map *nest_target_next(struct nest_map *map, iova_t first, iova_t last)
{
	struct tree_node *node = &map->by_parent;

	for (;;) {
		struct nest_map *found = first_target(node->child[1], first, last);

		if (found)
			return found;
		while (node->parent && node->parent->child[1] == node)
			node = node->parent;
		node = node->parent;
		if (!node || by_parent(node)->parent_first > last)
			return NULL;
		if (nest_parent_last(by_parent(node)) >= first)
			return by_parent(node);
	}
}

void nest_insert(struct space_nest *nest, struct nest_map *map)
{
	struct tree_node *node = nest->maps.root, *parent = NULL;
	int side = 0;

	for (; node; node = node->child[side]) {
		parent = node;
		side = map->first > nest_by_iova(node)->first;
	}
	tree_insert(&nest->maps, &map->by_iova, parent, side);
	parent = NULL;
	side = 0;
	for (node = nest->targets.root; node; node = node->child[side]) {
		parent = node;
		side = map->parent_first >= by_parent(node)->parent_first;
	}
	tree_insert(&nest->targets, &map->by_parent, parent, side);
	nest->nr++;
	nest->len += map->last - map->first + 1;
}

void nest_remove(struct space_nest *nest, struct nest_map *map)
{
	tree_remove(&nest->maps, &map->by_iova);
	tree_remove(&nest->targets, &map->by_parent);
	nest->nr--;
	nest->len -= map->last - map->first + 1;
	free(map);
}

void nest_maps_init(struct space_nest *nest)
{
	nest->targets.update = update_max;
}
