/* SPDX-License-Identifier: MIT */
/* A B+ tree of windows by host address, with the highest end below each node. */
#include "mem/hosts.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define LEAF_MAX   40u
#define INNER_MAX  30u /* takes as much memory */
#define LEVELS_MAX 24u /* more than memory has room for */

/* Windows that begin at one address are in the order of their own. */
struct key {
	uintptr_t start;
	const struct mem_window *window;
};

/*
 * An inner node says of each child below which key nothing is in it, nor will be; what is below all
 * of these is in the first.
 */
struct hosts_node {
	uint32_t nr;
	uint32_t level; /* 0: a leaf */
	union {
		struct {
			struct key key[LEAF_MAX];
			uintptr_t end[LEAF_MAX];
		} leaf;
		struct {
			struct key key[INNER_MAX];
			uintptr_t high[INNER_MAX]; /* of the children's ends the highest */
			struct hosts_node *child[INNER_MAX];
		} inner;
	};
};

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

static bool above(const struct key *a, const struct key *b)
{
	return a->start > b->start ||
	       (a->start == b->start && (uintptr_t)a->window > (uintptr_t)b->window);
}

/*
 * How many of `nr` keys, which rise, are not above one: by where they begin, which is hardly ever
 * the same, and without a branch that nobody could foresee.
 */
static unsigned upto(const struct key *keys, unsigned nr, const struct key *key)
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
static unsigned slot_of(const struct hosts_node *node, const struct key *key)
{
	unsigned at = upto(node->inner.key, node->nr, key);

	return at ? at - 1 : 0;
}

static uintptr_t high_of(const struct hosts_node *node)
{
	const uintptr_t *end = node->level ? node->inner.high : node->leaf.end;
	uintptr_t high = 0;

	for (unsigned i = 0; i < node->nr; i++)
		high = end[i] > high ? end[i] : high;
	return high;
}

static unsigned room_of(const struct hosts_node *node)
{
	return node->level ? INNER_MAX : LEAF_MAX;
}

static struct hosts_node *node_new(struct hosts *hosts, uint32_t level)
{
	struct hosts_node *node = pool_take(hosts->nodes);

	if (node) {
		node->nr = 0;
		node->level = level;
	}
	return node;
}

static void put_child(struct hosts_node *node, unsigned at, const struct key *key, uintptr_t high,
		      struct hosts_node *child)
{
	size_t behind = node->nr++ - at;

	memmove(&node->inner.key[at + 1], &node->inner.key[at], behind * sizeof(*key));
	memmove(&node->inner.high[at + 1], &node->inner.high[at], behind * sizeof(high));
	memmove(&node->inner.child[at + 1], &node->inner.child[at], behind * sizeof(child));
	node->inner.key[at] = *key;
	node->inner.high[at] = high;
	node->inner.child[at] = child;
}

static void take_child(struct hosts_node *node, unsigned at)
{
	size_t behind = --node->nr - at;

	memmove(&node->inner.key[at], &node->inner.key[at + 1], behind * sizeof(struct key));
	memmove(&node->inner.high[at], &node->inner.high[at + 1], behind * sizeof(uintptr_t));
	memmove(&node->inner.child[at], &node->inner.child[at + 1], behind * sizeof(void *));
}

static void put_window(struct hosts_node *leaf, unsigned at, const struct key *key, uintptr_t end)
{
	size_t behind = leaf->nr++ - at;

	memmove(&leaf->leaf.key[at + 1], &leaf->leaf.key[at], behind * sizeof(*key));
	memmove(&leaf->leaf.end[at + 1], &leaf->leaf.end[at], behind * sizeof(end));
	leaf->leaf.key[at] = *key;
	leaf->leaf.end[at] = end;
}

static void take_window(struct hosts_node *leaf, unsigned at)
{
	size_t behind = --leaf->nr - at;

	memmove(&leaf->leaf.key[at], &leaf->leaf.key[at + 1], behind * sizeof(struct key));
	memmove(&leaf->leaf.end[at], &leaf->leaf.end[at + 1], behind * sizeof(uintptr_t));
}

/* Moves what `from` has from slot `at` on to the end of `to`, of the same level. */
static void move(struct hosts_node *to, struct hosts_node *from, unsigned at)
{
	size_t nr = from->nr - at;

	if (to->level) {
		memcpy(&to->inner.key[to->nr], &from->inner.key[at], nr * sizeof(struct key));
		memcpy(&to->inner.high[to->nr], &from->inner.high[at], nr * sizeof(uintptr_t));
		memcpy(&to->inner.child[to->nr], &from->inner.child[at], nr * sizeof(void *));
	} else {
		memcpy(&to->leaf.key[to->nr], &from->leaf.key[at], nr * sizeof(struct key));
		memcpy(&to->leaf.end[to->nr], &from->leaf.end[at], nr * sizeof(uintptr_t));
	}
	to->nr += nr;
	from->nr = at;
}

/*
 * Divides the full child in slot `at`, to which a key is to go. Where that is the last of it nearly
 * all stays: what is entered in order leaves full nodes behind. An inner node is never empty.
 */
static int divide(struct hosts *hosts, struct hosts_node *node, unsigned at, const struct key *key)
{
	struct hosts_node *child = node->inner.child[at], *behind = node_new(hosts, child->level);
	const struct key *keys = child->level ? child->inner.key : child->leaf.key;
	unsigned keep = child->nr / 2;
	struct key first;

	if (!behind)
		return -ENOMEM;
	if (!above(&keys[child->nr - 1], key))
		keep = child->level ? child->nr - 1 : child->nr;
	first = keep < child->nr ? keys[keep] : *key;
	move(behind, child, keep);
	node->inner.high[at] = high_of(child);
	put_child(node, at + 1, &first, high_of(behind), behind);
	return 0;
}

/* The root has no room: another one above it, which has. */
static int grow(struct hosts *hosts)
{
	static const struct key lowest;
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
static void descend(const struct hosts *hosts, const struct key *key, struct path *path)
{
	struct hosts_node *node = hosts->root;

	while (node->level) {
		path->node[node->level] = node;
		path->at[node->level] = slot_of(node, key);
		node = node->inner.child[path->at[node->level]];
	}
	path->node[0] = node;
}

/* The same; and in the end the leaf has room. Full nodes on the way are divided. */
static int descend_with_room(struct hosts *hosts, const struct key *key, struct path *path)
{
	struct hosts_node *node = hosts->root, *child;

	if ((!node || node->nr == room_of(node)) && grow(hosts))
		return -ENOMEM;
	for (node = hosts->root; node->level; node = child) {
		unsigned at = slot_of(node, key);

		child = node->inner.child[at];
		if (child->nr == room_of(child)) {
			if (divide(hosts, node, at, key))
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
	struct key key = {start, window};
	struct hosts_node *leaf;
	struct path path;
	int rc = descend_with_room(hosts, &key, &path);

	if (rc)
		return rc;
	leaf = path.node[0];
	put_window(leaf, upto(leaf->leaf.key, leaf->nr, &key), &key, end);
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
	if (child->level)
		behind->inner.key[0] = node->inner.key[at + 1];
	move(child, behind, 0);
	if (node->inner.high[at] < node->inner.high[at + 1])
		node->inner.high[at] = node->inner.high[at + 1];
	take_child(node, at + 1);
	pool_give(hosts->nodes, behind);
	return true;
}

/* A leaf has less than it had. */
static void shrink(struct hosts *hosts, const struct path *path)
{
	struct hosts_node *root = hosts->root;

	for (unsigned i = 1; i <= root->level; i++) {
		struct hosts_node *node = path->node[i], *child = path->node[i - 1];
		unsigned at = path->at[i];

		if (child->nr > room_of(child) / 4)
			break;
		if (!child->nr) {
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
		hosts->root = NULL;
		pool_give(hosts->nodes, root);
	}
}

void hosts_remove(struct hosts *hosts, uintptr_t start, const struct mem_window *window)
{
	struct key key = {start, window};
	struct hosts_node *leaf;
	struct path path;
	uintptr_t end;
	unsigned at;

	descend(hosts, &key, &path);
	leaf = path.node[0];
	at = upto(leaf->leaf.key, leaf->nr, &key) - 1;
	end = leaf->leaf.end[at];
	take_window(leaf, at);
	lower(hosts, &path, end);
	shrink(hosts, &path);
}

uintptr_t hosts_low(const struct hosts *hosts)
{
	const struct hosts_node *node = hosts->root;

	while (node && node->level)
		node = node->inner.child[0];
	return node ? node->leaf.key[0].start : UINTPTR_MAX;
}

/*
 * The first key below a node that meets the walk's range, and comes after its newest, which may be
 * there, too (`behind`).
 */
static const struct key *seek(const struct hosts_node *node, const struct hosts_walk *walk,
			      bool behind)
{
	struct key newest = {walk->at, walk->window};
	const struct key *found = NULL;
	unsigned at = 0;

	if (!node->level) {
		if (behind)
			at = upto(node->leaf.key, node->nr, &newest);
		while (at < node->nr && node->leaf.end[at] <= walk->start)
			at++;
		return at < node->nr && node->leaf.key[at].start < walk->end ? &node->leaf.key[at]
									     : NULL;
	}
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
	const struct key *found = hosts->root ? seek(hosts->root, walk, true) : NULL;

	if (!found)
		return NULL;
	walk->at = found->start;
	walk->window = found->window;
	return (struct mem_window *)(uintptr_t)found->window;
}
