/* SPDX-License-Identifier: MIT */
/* Reserved ranges: an interval tree, sorted by first address, summed up by the furthest end. */
#include <errno.h>
#include <stdlib.h>
#include "space/ranges.h"
#include "util/alloc.h"

struct entry {
	struct tree_node node;
	iova_t first, last;
	iova_t furthest; /* last address of the subtree */
	const void *owner;
};

static struct entry *entry_of(struct tree_node *node)
{
	return tree_entry(node, struct entry, node);
}

static bool update(struct tree_node *node)
{
	struct entry *entry = entry_of(node);
	iova_t old = entry->furthest;

	entry->furthest = entry->last;
	for (int side = 0; side < 2; side++) {
		struct tree_node *child = node->child[side];

		if (child && entry_of(child)->furthest > entry->furthest)
			entry->furthest = entry_of(child)->furthest;
	}
	return entry->furthest != old;
}

void reserved_init(struct reserved *reserved)
{
	reserved->tree = (struct tree){NULL, update};
	reserved->nr = 0;
}

static void drop(struct reserved *reserved, struct entry *entry)
{
	tree_remove(&reserved->tree, &entry->node);
	reserved->nr--;
	free(entry);
}

void reserved_fini(struct reserved *reserved)
{
	while (reserved->tree.root)
		drop(reserved, entry_of(reserved->tree.root));
}

int reserved_add(struct reserved *reserved, iova_t first, iova_t last, const void *owner)
{
	struct tree_node *parent = NULL, *node = reserved->tree.root;
	struct entry *entry = alloc_raw(sizeof(*entry));
	int side = 0;

	if (!entry)
		return -ENOMEM;
	*entry = (struct entry){.first = first, .last = last, .owner = owner};
	while (node) {
		parent = node;
		side = first >= entry_of(node)->first;
		node = node->child[side];
	}
	tree_insert(&reserved->tree, &entry->node, parent, side);
	reserved->nr++;
	return 0;
}

void reserved_drop(struct reserved *reserved, const void *owner)
{
	struct tree_node *node = tree_end(&reserved->tree, 0);

	while (node) {
		struct entry *entry = entry_of(node);

		node = tree_step(node, 1);
		if (entry->owner == owner)
			drop(reserved, entry);
	}
}

bool reserved_hit(const struct reserved *reserved, iova_t first, iova_t last,
		  struct ioas_range *hit)
{
	struct tree_node *node = reserved->tree.root;

	while (node) {
		struct entry *entry = entry_of(node);
		struct tree_node *before = node->child[0];

		if (entry->first <= last && entry->last >= first) {
			*hit = (struct ioas_range){entry->first, entry->last};
			return true;
		}
		/*
		 * If something before reaches `first` and does not overlap, it begins after
		 * `last`, and so does everything after it.
		 */
		node = before && entry_of(before)->furthest >= first ? before : node->child[1];
	}
	return false;
}

size_t reserved_holes(const struct reserved *reserved, struct ioas_range *out, size_t max)
{
	struct tree_node *node = tree_end(&reserved->tree, 0);
	iova_t first = 0;
	size_t nr = 0;

	for (; node; node = tree_step(node, 1)) {
		struct entry *entry = entry_of(node);

		if (entry->first > first) {
			if (nr < max)
				out[nr] = (struct ioas_range){first, entry->first - 1};
			nr++;
		}
		if (entry->last == UINT64_MAX)
			return nr;
		if (entry->last >= first)
			first = entry->last + 1;
	}
	if (nr < max)
		out[nr] = (struct ioas_range){first, UINT64_MAX};
	return nr + 1;
}
