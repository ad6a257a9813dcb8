/* SPDX-License-Identifier: MIT */
/* Description: the balanced tree against a sorted array, its balance and its summaries checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "util/tree.h"

#define NR 512

struct item {
	struct tree_node node;
	uint32_t key;
	uint64_t sum; /* summary: of the subtree's keys */
	int in;
};

static struct item items[NR];

static struct item *item_of(struct tree_node *node)
{
	return tree_entry(node, struct item, node);
}

static uint64_t sum_of(struct tree_node *node)
{
	return node ? item_of(node)->sum : 0;
}

static bool update(struct tree_node *node)
{
	struct item *item = item_of(node);
	uint64_t old = item->sum;

	item->sum = item->key + sum_of(node->child[0]) + sum_of(node->child[1]);
	return item->sum != old;
}

static void insert(struct tree *tree, struct item *item)
{
	struct tree_node *parent = NULL, *node = tree->root;
	int side = 0;

	while (node) {
		parent = node;
		side = item->key > item_of(node)->key;
		node = node->child[side];
	}
	tree_insert(tree, &item->node, parent, side);
	item->in = 1;
}

static uint32_t check_subtree(struct tree_node *node, struct tree_node *parent)
{
	uint32_t before, after;

	if (!node)
		return 0;
	assert_ptr_equal(node->parent, parent);
	before = check_subtree(node->child[0], node);
	after = check_subtree(node->child[1], node);
	assert_true(before <= after + 1 && after <= before + 1);
	assert_int_equal(node->height, 1 + (before > after ? before : after));
	assert_int_equal(item_of(node)->sum,
			 item_of(node)->key + sum_of(node->child[0]) + sum_of(node->child[1]));
	return node->height;
}

static void check(struct tree *tree)
{
	struct tree_node *node = tree_end(tree, 0);

	check_subtree(tree->root, NULL);
	for (unsigned i = 0; i < NR; i++) {
		if (!items[i].in)
			continue;
		assert_ptr_equal(node, &items[i].node);
		node = tree_step(node, 1);
	}
	assert_null(node);
	node = tree_end(tree, 1);
	for (unsigned i = NR; i--;) {
		if (!items[i].in)
			continue;
		assert_ptr_equal(node, &items[i].node);
		node = tree_step(node, 0);
	}
	assert_null(node);
}

static void init_items(void)
{
	for (unsigned i = 0; i < NR; i++)
		items[i] = (struct item){.key = i, .node.tag = i};
}

static void stays_sorted_balanced_and_summed_up(void **state)
{
	struct tree tree = {NULL, update};
	uint32_t seed = 12345;

	init_items();
	for (unsigned n = 0; n < 6000; n++) {
		struct item *item;

		seed = seed * 1664525 + 1013904223;
		item = &items[seed >> 16 & (NR - 1)];
		/* Grow first, shrink later. */
		if (!item->in && (n < 4000 || seed & 1)) {
			insert(&tree, item);
		} else if (item->in && (n > 3000 || seed & 1)) {
			tree_remove(&tree, &item->node);
			item->in = 0;
		}
		if (n % 16 == 0)
			check(&tree);
	}
	for (unsigned i = 0; i < NR; i++) {
		if (!items[i].in)
			continue;
		tree_remove(&tree, &items[i].node);
		items[i].in = 0;
		check(&tree);
	}
	assert_null(tree.root);
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(items[i].node.tag, i);
}

/* Each item's key counts from the one before it, so that what comes or goes changes the next. */
static void the_next_ones_summary_changes_as_well(void **state)
{
	struct tree tree = {NULL, update};
	uint32_t seed = 99;

	init_items();
	for (unsigned n = 0; n < 8000; n++) {
		struct item *item, *next = NULL;
		struct tree_node *parent = NULL, *node = tree.root;
		unsigned at, before, after;
		int side = 0;

		seed = seed * 1664525 + 1013904223;
		at = seed >> 16 & (NR - 1);
		item = &items[at];
		for (before = at; before && !items[before - 1].in;)
			before--;
		for (after = at + 1; after < NR && !items[after].in;)
			after++;
		next = after < NR ? &items[after] : NULL;
		if (item->in) {
			if (next)
				next->key += item->key;
			tree_remove_before(&tree, &item->node, next ? &next->node : NULL);
			item->in = 0;
		} else {
			for (; node; node = node->child[side]) {
				parent = node;
				side = item > item_of(node);
			}
			item->key = at + 1 - before;
			if (next)
				next->key -= item->key;
			tree_insert_before(&tree, &item->node, parent, side,
					   next ? &next->node : NULL);
			item->in = 1;
		}
		if (n % 16 == 0)
			check_subtree(tree.root, NULL);
	}
}

static void stays_flat_when_filled_in_order(void **state)
{
	struct tree tree = {NULL, NULL};

	init_items();
	for (unsigned i = 0; i < NR; i++)
		insert(&tree, &items[i]);
	assert_true(tree.root->height <= 10);
}

static void refresh_carries_a_change_to_the_root(void **state)
{
	struct tree tree = {NULL, update};
	uint64_t sum;

	init_items();
	for (unsigned i = 0; i < NR; i++)
		insert(&tree, &items[i]);
	sum = sum_of(tree.root);
	items[100].key += 7;
	tree_refresh(&tree, &items[100].node);
	assert_int_equal(sum_of(tree.root), sum + 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays_sorted_balanced_and_summed_up),
		cmocka_unit_test(the_next_ones_summary_changes_as_well),
		cmocka_unit_test(stays_flat_when_filled_in_order),
		cmocka_unit_test(refresh_carries_a_change_to_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
