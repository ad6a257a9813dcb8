/* SPDX-License-Identifier: MIT */
/* A B+ tree of windows by host address, with the highest end below each node. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "mem/hosts_tree.h"

#define LEVELS_MAX 24u /* more than memory has room for */

/* The nodes from a leaf up to the root, and in each inner one the slot of the one below. */
struct path {
	struct hosts_node *node[LEVELS_MAX];
	unsigned at[LEVELS_MAX];
};

size_t hosts_node_size(void)
{
	return sizeof(struct hosts_node);
}

void hosts_init(struct hosts *hosts, struct pool *nodes)
{
	*hosts = (struct hosts){.nodes = nodes};
}

/*
 * How many of `nr` keys, which rise, are not above one: by where they begin, which is hardly ever
 * the same, and without a branch that nobody could foresee.
 */
static unsigned upto(const struct hosts_key *keys, unsigned nr, const struct hosts_key *key)
{
	unsigned at = 0;

	while (nr > 1) {
		unsigned half = nr / 2;

		at += keys[at + half - 1].start <= key->start ? half : 0;
		nr -= half;
	}
	at += nr && keys[at].start <= key->start;
	while (at && above(&keys[at - 1], key))
		at--;
	return at;
}

/* The child that has a key. */
static unsigned slot_of(const struct hosts_node *node, const struct hosts_key *key)
{
	unsigned at = upto(node->inner.key, node->nr, key);

	return at ? at - 1 : 0;
}

static struct hosts_node *node_new(struct hosts *hosts, uint32_t level)
{
	struct hosts_node *node = pool_take(hosts->nodes);

	if (node) {
		node->nr = node->begin = node->newest = 0;
		node->most = 0;
		node->level = (uint16_t)level;
	}
	return node;
}

/* Divides the full child in slot `at`, which keeps so many; what is behind begins with `first`. */
static int divide(struct hosts *hosts, struct hosts_node *node, unsigned at, unsigned keep,
		  struct hosts_key first)
{
	struct hosts_node *child = node->inner.child[at], *behind = node_new(hosts, child->level);

	if (!behind)
		return -ENOMEM;
	if (child->level)
		move_children(behind, child, keep);
	else
		pass_on(child, behind, child->nr - keep);
	node->inner.high[at] = high_of(child);
	put_child(node, at + 1, &first, high_of(behind), behind);
	return 0;
}

/* The same for an inner one. What is entered in order leaves full ones behind, and none is empty.
 */
static int divide_inner(struct hosts *hosts, struct hosts_node *node, unsigned at,
			const struct hosts_key *key)
{
	const struct hosts_key *keys = node->inner.child[at]->inner.key;
	unsigned keep = above(&keys[INNER_MAX - 1], key) ? INNER_MAX / 2 : INNER_MAX - 1;

	return divide(hosts, node, at, keep, keys[keep]);
}

/* The leaves in slots `at` and the next one have passed windows to each other. */
static void passed(struct hosts_node *node, unsigned at)
{
	struct hosts_node *behind = node->inner.child[at + 1];

	node->inner.key[at + 1] = leaf_key(behind)[0];
	node->inner.high[at] = high_of(node->inner.child[at]);
	node->inner.high[at + 1] = high_of(behind);
}

/* Makes three leaves of two. */
static int divide_two(struct hosts *hosts, struct hosts_node *node, unsigned at)
{
	struct hosts_node *leaf = node->inner.child[at], *behind = node->inner.child[at + 1];
	struct hosts_node *between = node_new(hosts, 0);
	unsigned third = (leaf->nr + behind->nr) / 3u;

	if (!between)
		return -ENOMEM;
	pass_on(leaf, between, leaf->nr - third);
	pass_back(between, behind, behind->nr - third);
	put_child(node, at + 1, leaf_key(between), 0, between);
	passed(node, at);
	passed(node, at + 1);
	return 0;
}

/* What room the leaf in a slot has; -1: there is no such slot. */
static int room_at(const struct hosts_node *node, unsigned at)
{
	return at < node->nr ? (int)LEAF_MAX - node->inner.child[at]->nr : -1;
}

/* Makes room for a key in the full leaf in slot `at`, or beside it. */
static __attribute__((noinline)) int relieve(struct hosts *hosts, struct hosts_node *node,
					     unsigned at, const struct hosts_key *key)
{
	struct hosts_node *leaf = node->inner.child[at];
	const struct hosts_key *keys = leaf_key(leaf);
	struct row_relief by = row_relieve(LEAF_MAX, upto(keys, LEAF_MAX, key), leaf->newest,
					   room_at(node, at - 1), room_at(node, at + 1));

	switch (by.how) {
	case ROW_CUT:
		return divide(hosts, node, at, by.nr, by.to_second ? *key : keys[by.nr]);
	case ROW_THIRD:
		return divide_two(hosts, node, at + 1 < node->nr ? at : at - 1);
	case ROW_BACK:
		pass_back(node->inner.child[--at], leaf, by.nr);
		break;
	case ROW_ON:
		pass_on(leaf, node->inner.child[at + 1], by.nr);
	}
	passed(node, at);
	return 0;
}

/* The root has no room: another one above it, which has. */
static int grow(struct hosts *hosts)
{
	static const struct hosts_key lowest;
	struct hosts_node *root = hosts->root;
	struct hosts_node *above = node_new(hosts, root ? root->level + 1 : 0);

	if (!above)
		return -ENOMEM;
	if (root)
		put_child(above, 0, &lowest, hosts->high, root);
	hosts->root = above;
	return 0;
}

/* The way to the leaf that has a key, or will. */
static void descend(const struct hosts *hosts, const struct hosts_key *key, struct path *path)
{
	struct hosts_node *node = hosts->root;

	while (node->level) {
		path->node[node->level] = node;
		path->at[node->level] = slot_of(node, key);
		node = node->inner.child[path->at[node->level]];
	}
	path->node[0] = node;
}

/* The same; and in the end the leaf has room. There is some in all nodes on the way. */
static int descend_with_room(struct hosts *hosts, const struct hosts_key *key, struct path *path)
{
	struct hosts_node *node = hosts->root, *child;

	if ((!node || node->nr == room_of(node)) && grow(hosts))
		return -ENOMEM;
	for (node = hosts->root; node->level; node = child) {
		unsigned at = slot_of(node, key);

		child = node->inner.child[at];
		if (child->nr == room_of(child)) {
			if (child->level ? divide_inner(hosts, node, at, key)
					 : relieve(hosts, node, at, key))
				return -ENOMEM;
			at = slot_of(node, key);
			child = node->inner.child[at];
		}
		path->node[node->level] = node;
		path->at[node->level] = at;
	}
	path->node[0] = node;
	return 0;
}

int hosts_insert(struct hosts *hosts, uintptr_t start, uintptr_t end,
		 const struct mem_window *window)
{
	struct hosts_key key = {start, window};
	struct hosts_node *leaf;
	struct path path;
	int rc = descend_with_room(hosts, &key, &path);

	if (rc)
		return rc;
	leaf = path.node[0];
	hosts->near = leaf;
	hosts->near_at = upto(leaf_key(leaf), leaf->nr, &key);
	put_window(leaf, hosts->near_at, (struct hosts_key){start, window}, end - start);
	for (unsigned i = 1; i <= hosts->root->level; i++) {
		uintptr_t *high = &path.node[i]->inner.high[path.at[i]];

		if (*high < end)
			*high = end;
	}
	if (hosts->high < end)
		hosts->high = end;
	return 0;
}

/* Something that ended at `end` is gone from the leaf. */
static void lower(struct hosts *hosts, const struct path *path, uintptr_t end)
{
	for (unsigned i = 1; i <= hosts->root->level; i++) {
		uintptr_t *high = &path->node[i]->inner.high[path->at[i]];

		if (*high != end)
			return;
		*high = high_of(path->node[i - 1]);
	}
	if (hosts->high == end)
		hosts->high = high_of(hosts->root);
}

/* Puts the child behind slot `at` into that one's, if that leaves some room. */
static bool join(struct hosts *hosts, struct hosts_node *node, unsigned at)
{
	struct hosts_node *child, *behind;

	if (at + 1 >= node->nr)
		return false;
	child = node->inner.child[at];
	behind = node->inner.child[at + 1];
	if (child->nr + behind->nr > room_of(child) / 4 * 3)
		return false;
	if (child->level) {
		behind->inner.key[0] = node->inner.key[at + 1];
		move_children(child, behind, 0);
	} else {
		pass_back(child, behind, behind->nr);
	}
	hosts->near = NULL;
	if (node->inner.high[at] < node->inner.high[at + 1])
		node->inner.high[at] = node->inner.high[at + 1];
	take_child(node, at + 1);
	pool_give(hosts->nodes, behind);
	return true;
}

/* Is it the time to see whether it goes into another: as it sinks to a quarter, and to an eighth?
 */
static bool sparse(unsigned nr, unsigned room)
{
	return nr <= room / 4 && nr % (room / 8) == 0;
}

/* A leaf has less than it had. */
static void shrink(struct hosts *hosts, const struct path *path)
{
	struct hosts_node *root = hosts->root;

	for (unsigned i = 1; i <= root->level; i++) {
		struct hosts_node *node = path->node[i], *child = path->node[i - 1];
		unsigned at = path->at[i];

		if (!sparse(child->nr, room_of(child)))
			break;
		if (!child->nr) {
			hosts->near = NULL;
			take_child(node, at);
			pool_give(hosts->nodes, child);
		} else if (!join(hosts, node, at) && at) {
			join(hosts, node, at - 1);
		}
	}
	while (root->level && root->nr == 1) {
		hosts->root = root->inner.child[0];
		pool_give(hosts->nodes, root);
		root = hosts->root;
	}
	if (!root->nr) {
		hosts->root = hosts->near = NULL;
		hosts->high = 0;
		pool_give(hosts->nodes, root);
	}
}

/* Apart, as what follows remove_near, so that the usual way saves no registers. */
static __attribute__((noinline)) void take_window(struct hosts_node *leaf, unsigned at)
{
	slide(leaf, row_close(&leaf->begin, leaf->nr--, at));
}

/*
 * Is it where the last one was? Then it goes, if that concerns no other node: the leaf has enough
 * others, one of which begins where it ends, or behind that.
 */
static bool remove_near(struct hosts *hosts, const struct mem_window *window)
{
	struct hosts_node *leaf = hosts->near;
	unsigned at = hosts->near_at;
	const struct hosts_key *key;
	uint64_t pages;

	if (!leaf || at >= leaf->nr || leaf_key(leaf)[at].window != window)
		return false;
	key = &leaf_key(leaf)[at];
	pages = leaf_pages(leaf)[at];
	if (sparse(leaf->nr - 1u, LEAF_MAX) || !pages ||
	    leaf_key(leaf)[leaf->nr - 1].start < key->start + pages * HOSTS_PAGE)
		return false;
	if (at) {
		take_window(leaf, at);
	} else {
		leaf->begin++;
		leaf->nr--;
	}
	return true;
}

/* Apart as well. */
static __attribute__((noinline)) void remove_far(struct hosts *hosts, uintptr_t start,
						 const struct mem_window *window)
{
	struct hosts_key key = {start, window};
	struct hosts_node *leaf;
	struct path path;
	uintptr_t end;
	unsigned at;

	descend(hosts, &key, &path);
	leaf = path.node[0];
	at = upto(leaf_key(leaf), leaf->nr, &key) - 1;
	end = leaf_end(leaf, at);
	hosts->near = leaf;
	hosts->near_at = at;
	take_window(leaf, at);
	if (hosts->root->nr)
		lower(hosts, &path, end);
	shrink(hosts, &path);
}

void hosts_remove(struct hosts *hosts, uintptr_t start, const struct mem_window *window)
{
	if (!remove_near(hosts, window))
		remove_far(hosts, start, window);
}

uintptr_t hosts_low(const struct hosts *hosts)
{
	struct hosts_node *node = hosts->root;

	while (node && node->level)
		node = node->inner.child[0];
	return node ? leaf_key(node)[0].start : UINTPTR_MAX;
}

/* How many in a leaf are known to end at or below an address: by where they begin. */
static unsigned ended(struct hosts_node *leaf, uintptr_t addr)
{
	uint64_t most = (uint64_t)leaf->most * HOSTS_PAGE;
	struct hosts_key key = {addr - most, (const struct mem_window *)UINTPTR_MAX};

	return leaf->most == UINT32_MAX || addr < most ? 0 : upto(leaf_key(leaf), leaf->nr, &key);
}

/* The first key in a leaf that meets the walk's range, and comes after its newest. */
static const struct hosts_key *seek_leaf(struct hosts_node *leaf, const struct hosts_walk *walk,
					 bool behind)
{
	struct hosts_key newest = {walk->at, walk->window};
	unsigned at;

	if (behind)
		at = upto(leaf_key(leaf), leaf->nr, &newest);
	else
		at = ended(leaf, walk->start);
	while (at < leaf->nr && leaf_end(leaf, at) <= walk->start)
		at++;
	if (at == leaf->nr || leaf_key(leaf)[at].start >= walk->end)
		return NULL;
	return &leaf_key(leaf)[at];
}

/*
 * The first key below a node that meets the walk's range, and comes after its newest, which may be
 * there, too (`behind`).
 */
static const struct hosts_key *seek(struct hosts_node *node, const struct hosts_walk *walk,
				    bool behind)
{
	struct hosts_key newest = {walk->at, walk->window};
	const struct hosts_key *found = NULL;
	unsigned at = 0;

	if (!node->level)
		return seek_leaf(node, walk, behind);
	if (behind)
		at = slot_of(node, &newest);
	do {
		if (node->inner.high[at] > walk->start)
			found = seek(node->inner.child[at], walk, behind);
		behind = false;
	} while (!found && ++at < node->nr && node->inner.key[at].start < walk->end);
	return found;
}

struct mem_window *hosts_next(const struct hosts *hosts, struct hosts_walk *walk)
{
	const struct hosts_key *found = hosts->root ? seek(hosts->root, walk, walk->window) : NULL;

	if (!found)
		return NULL;
	walk->at = found->start;
	walk->window = found->window;
	return (struct mem_window *)(uintptr_t)found->window;
}
