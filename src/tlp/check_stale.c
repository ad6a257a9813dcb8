/* SPDX-License-Identifier: MIT */
/* Entries by space, level and address, in a tree. */
#include <errno.h>
#include <stdlib.h>
#include "pt/foreign.h"
#include "tlp/check_stale.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/tree.h"

struct remembered {
	struct tree_node node; /* tag: its level */
	uint32_t space;
	bool leaf, global;
	iova_t first, last; /* what it is for */
	uint64_t entry;
};

struct check_stale {
	pthread_mutex_t lock;
	struct tree tree; /* (lock) */
};

int check_stale_new(struct check_stale **out)
{
	struct check_stale *check = alloc_zero(1, sizeof(*check));

	if (!check)
		return -ENOMEM;
	lock_init(&check->lock, LOCK_CHECK_STALE);
	lock_guards(&check->lock, &check->tree, check + 1);
	*out = check;
	return 0;
}

static struct remembered *of(struct tree_node *node)
{
	return tree_entry(node, struct remembered, node);
}

static void forget_one(struct check_stale *check, struct remembered *one)
{
	tree_remove(&check->tree, &one->node);
	free(one);
}

static void forget_all(struct check_stale *check)
{
	struct tree_node *node;

	while ((node = tree_end(&check->tree, 0)))
		forget_one(check, of(node));
}

void check_stale_destroy(struct check_stale *check)
{
	if (!check)
		return;
	forget_all(check);
	pthread_mutex_destroy(&check->lock);
	free(check);
}

/* Does a come before b? */
static bool before(uint32_t a_space, uint32_t a_level, iova_t a_first, uint32_t b_space,
		   uint32_t b_level, iova_t b_first)
{
	if (a_space != b_space)
		return a_space < b_space;
	return a_level != b_level ? a_level < b_level : a_first < b_first;
}

/* The first one that is not before that place, or NULL; *parent and *side: where one would hang. */
static struct remembered *find(const struct check_stale *check, uint32_t space, uint32_t level,
			       iova_t first, struct tree_node **parent, int *side)
{
	struct tree_node *node = check->tree.root;
	struct remembered *found = NULL;

	*parent = NULL;
	*side = 0;
	while (node) {
		struct remembered *one = of(node);

		*parent = node;
		*side = before(one->space, node->tag, one->first, space, level, first);
		if (!*side)
			found = one;
		node = node->child[*side];
	}
	return found;
}

static bool differs(const struct pt_foreign *table, const struct stale_entry *now, uint64_t old)
{
	if (!now->present)
		return true;
	return now->level ? pt_foreign_changed(table, now->level, old, now->entry)
			  : old != now->entry;
}

static void walked(struct check_stale *check, const struct pt_foreign *table,
		   const struct stale_entry *now, struct stale_found *out)
{
	struct tree_node *parent;
	struct remembered *one;
	int side;

	one = find(check, now->space, now->level, now->first, &parent, &side);
	if (one &&
	    (one->space != now->space || one->node.tag != now->level || one->first != now->first))
		one = NULL;
	if (one && !out->found && differs(table, now, one->entry))
		*out = (struct stale_found){true, now->level, now->gpa, one->entry, now->entry};
	if (one && !now->present)
		forget_one(check, one);
	if (!now->present)
		return;
	if (!one) {
		one = alloc_zero(1, sizeof(*one));
		if (!one)
			return;
		one->space = now->space;
		one->node.tag = now->level;
		one->first = now->first;
		tree_insert(&check->tree, &one->node, parent, side);
	}
	one->entry = now->entry;
	one->leaf = now->level && pt_foreign_is_leaf(table, now->level, now->entry);
	one->global = now->level && pt_foreign_is_global(table, now->level, now->entry);
	one->last = now->first;
	if (now->level)
		one->last += (1ull << pt_foreign_level_lg2(table->format, now->level)) - 1;
}

void check_stale_walk(struct check_stale *check, const struct pt_foreign *table,
		      const struct stale_entry *entries, unsigned nr, struct stale_found *out)
{
	*out = (struct stale_found){0};
	pthread_mutex_lock(&check->lock);
	for (unsigned i = 0; i < nr; i++)
		walked(check, table, &entries[i], out);
	pthread_mutex_unlock(&check->lock);
}

/*
 * What is remembered of a level is in the order of addresses and does not overlap, but that what
 * covers `first` may begin before it, by at most the level's range: one step back.
 */
static struct remembered *start(const struct check_stale *check, uint32_t space, uint32_t level,
				iova_t first)
{
	struct tree_node *parent, *node;
	struct remembered *one;
	int side;

	one = find(check, space, level, first, &parent, &side);
	node = one ? tree_step(&one->node, 0) : tree_end(&check->tree, 1);
	if (node && of(node)->space == space && node->tag == level && of(node)->last >= first)
		return of(node);
	return one;
}

/* Of what lies in the range: is it of a kind that is meant? */
static bool is_meant(const struct remembered *one, const struct stale_forget *what)
{
	if (!one->node.tag)
		return what->structures;
	if (what->no_tables)
		return false;
	if (what->leaves && !one->leaf)
		return false;
	return !what->not_global || !one->global;
}

/* Of one space, level by level: of another than is meant only what is global. */
static void forget_in(struct check_stale *check, uint32_t space, const struct stale_forget *what)
{
	bool mine = what->any_space || space == what->space;

	for (uint32_t level = 0; level <= PT_FOREIGN_LEVELS; level++) {
		struct remembered *one = start(check, space, level, level ? what->first : 0), *next;

		for (; one && one->space == space && one->node.tag == level; one = next) {
			struct tree_node *after = tree_step(&one->node, 1);

			next = after ? of(after) : NULL;
			if (level && one->first > what->last)
				break;
			if ((mine || one->global) && is_meant(one, what))
				forget_one(check, one);
		}
	}
}

void check_stale_forget(struct check_stale *check, const struct stale_forget *what)
{
	struct tree_node *node = NULL, *parent;
	struct remembered *one;
	int side;

	if (!check)
		return;
	pthread_mutex_lock(&check->lock);
	if (!what->any_space && !what->global)
		forget_in(check, what->space, what);
	else
		node = tree_end(&check->tree, 0);
	while (node) {
		uint32_t space = of(node)->space;

		forget_in(check, space, what);
		one = space == UINT32_MAX ? NULL : find(check, space + 1, 0, 0, &parent, &side);
		node = one ? &one->node : NULL;
	}
	pthread_mutex_unlock(&check->lock);
}
