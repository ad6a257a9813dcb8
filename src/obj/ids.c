/* SPDX-License-Identifier: MIT */
/* Lowest free numbers by a tree of bit masks. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include "obj/ids.h"
#include "util/alloc.h"

#define WAY_LG2 6
#define WAYS	(1u << WAY_LG2)

struct ids_node {
	uint64_t used; /* slots with something taken below (leaf: taken) */
	uint64_t full; /* slots with nothing free below (leaf: the same as used) */
	void *slot[WAYS];
};

static unsigned shift_of(unsigned level)
{
	return (level - 1) * WAY_LG2;
}

static unsigned slot_of(uint32_t id, unsigned level)
{
	return id >> shift_of(level) & (WAYS - 1);
}

/* Numbers below 1 << this exist in a tree of that height. */
static unsigned width_of(unsigned height)
{
	return height * WAY_LG2;
}

static int grow(struct ids *ids)
{
	struct ids_node *node = alloc_zero(1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	if (ids->root) {
		node->slot[0] = ids->root;
		node->used = ids->root->used != 0;
		node->full = ids->root->full == UINT64_MAX;
	}
	ids->root = node;
	ids->height++;
	return 0;
}

/* The path from the root to id's leaf; missing nodes are made. */
static int descend(struct ids *ids, uint32_t id, struct ids_node **path)
{
	struct ids_node *node;

	while (!ids->root || (uint64_t)id >> width_of(ids->height)) {
		int rc = grow(ids);

		if (rc)
			return rc;
	}
	node = ids->root;
	for (unsigned level = ids->height; level > 1; level--) {
		unsigned slot = slot_of(id, level);

		path[level - 1] = node;
		if (!node->slot[slot]) {
			node->slot[slot] = alloc_zero(1, sizeof(*node));
			if (!node->slot[slot])
				return -ENOMEM;
		}
		node = node->slot[slot];
	}
	path[0] = node;
	return 0;
}

static void mark(struct ids *ids, uint32_t id, struct ids_node **path)
{
	bool full = true;

	for (unsigned level = 1; level <= ids->height; level++) {
		uint64_t bit = 1ull << slot_of(id, level);

		path[level - 1]->used |= bit;
		if (full)
			path[level - 1]->full |= bit;
		full = path[level - 1]->full == UINT64_MAX;
	}
}

#define HEIGHT_MAX 6

int ids_take_at(struct ids *ids, uint32_t id)
{
	struct ids_node *path[HEIGHT_MAX];
	int rc;

	if (id > IDS_MAX)
		return -ENOSPC;
	rc = descend(ids, id, path);
	if (rc)
		return rc;
	if (path[0]->used >> slot_of(id, 1) & 1)
		return -EEXIST;
	mark(ids, id, path);
	return 0;
}

int ids_take(struct ids *ids, uint32_t *out)
{
	struct ids_node *node = ids->root;
	uint64_t id = 0;
	int rc;

	if (node && node->full == UINT64_MAX)
		id = 1ull << width_of(ids->height);
	else
		for (unsigned level = ids->height; level && node; level--) {
			unsigned slot = (unsigned)__builtin_ctzll(~node->full);

			id |= (uint64_t)slot << shift_of(level);
			node = level > 1 ? node->slot[slot] : NULL;
		}
	if (id > IDS_MAX)
		return -ENOSPC;
	rc = ids_take_at(ids, (uint32_t)id);
	if (!rc)
		*out = (uint32_t)id;
	return rc;
}

static struct ids_node *leaf(const struct ids *ids, uint32_t id)
{
	struct ids_node *node = ids->root;

	if (!node || (uint64_t)id >> width_of(ids->height))
		return NULL;
	for (unsigned level = ids->height; node && level > 1; level--)
		node = node->slot[slot_of(id, level)];
	return node;
}

void ids_set(struct ids *ids, uint32_t id, void *value)
{
	leaf(ids, id)->slot[slot_of(id, 1)] = value;
}

void *ids_get(const struct ids *ids, uint32_t id)
{
	struct ids_node *node = leaf(ids, id);

	return node ? node->slot[slot_of(id, 1)] : NULL;
}

static void free_nodes(struct ids_node *node, unsigned level)
{
	for (unsigned slot = 0; level > 1 && slot < WAYS; slot++)
		if (node->slot[slot])
			free_nodes(node->slot[slot], level - 1);
	free(node);
}

void ids_drop(struct ids *ids, uint32_t id)
{
	struct ids_node *path[HEIGHT_MAX];
	struct ids_node *node = ids->root;
	bool gone = true;

	for (unsigned level = ids->height; level; level--) {
		path[level - 1] = node;
		if (level > 1)
			node = node->slot[slot_of(id, level)];
	}
	path[0]->slot[slot_of(id, 1)] = NULL;
	for (unsigned level = 1; level <= ids->height; level++) {
		unsigned slot = slot_of(id, level);

		path[level - 1]->full &= ~(1ull << slot);
		if (!gone)
			continue;
		path[level - 1]->used &= ~(1ull << slot);
		if (level > 1) {
			free_nodes(path[level - 2], level - 1);
			path[level - 1]->slot[slot] = NULL;
		}
		gone = !path[level - 1]->used;
	}
	if (gone)
		ids_fini(ids);
}

static void *next(const struct ids_node *node, unsigned level, uint64_t from, uint64_t *id)
{
	unsigned shift = shift_of(level);

	for (uint64_t slot = from >> shift; slot < WAYS; slot++) {
		void *found = node->slot[slot];
		uint64_t low = slot == from >> shift ? from & ((1ull << shift) - 1) : 0;

		if (!found)
			continue;
		if (level > 1)
			found = next(found, level - 1, low, &low);
		if (!found)
			continue;
		*id = slot << shift | low;
		return found;
	}
	return NULL;
}

void *ids_next(const struct ids *ids, uint32_t *id)
{
	uint64_t found = *id;
	void *value;

	if (!ids->root || found >> width_of(ids->height))
		return NULL;
	value = next(ids->root, ids->height, found, &found);
	if (value)
		*id = (uint32_t)found;
	return value;
}

void ids_fini(struct ids *ids)
{
	if (ids->root)
		free_nodes(ids->root, ids->height);
	*ids = (struct ids){0};
}
