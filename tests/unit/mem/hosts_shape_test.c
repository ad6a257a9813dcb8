/* SPDX-License-Identifier: MIT */
/*
 * Description: the tree of windows by host address stays in shape: keys say what is below, and
 * highest ends are those of what is there; a full leaf gives to the neighbour that has more room,
 * two full ones become three, and so leaves are full in whatever order windows come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "mem/hosts_tree.h"
#include "mem/mem.h"
#include "tests/unit/rnd.h"

#define MAX  20000u
#define PAGE 4096ull
#define HALF (LEAF_MAX / 2)

static struct pool nodes;
static struct hosts hosts;
static struct mem_window window[MAX];
static unsigned order[MAX];
static size_t nr;
static uint64_t seed;

/* Of one look at all nodes. */
static size_t seen, leaves, others;
static unsigned size[MAX]; /* of each leaf */
static struct hosts_key newest;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

static int setup(void **state)
{
	seed = 4711;
	nr = 0;
	pool_init(&nodes, hosts_node_size());
	hosts_init(&hosts, &nodes);
	return 0;
}

static int teardown(void **state)
{
	pool_fini(&nodes);
	return 0;
}

/* They rise from one leaf to the next, none below `from`. The highest end. */
static uintptr_t check_leaf(struct hosts_node *leaf, struct hosts_key from)
{
	uintptr_t high = 0;

	assert_true(leaf->begin + leaf->nr <= LEAF_MAX);
	for (unsigned i = 0; i < leaf->nr; i++) {
		struct hosts_key key = leaf_key(leaf)[i];
		uintptr_t end = leaf_end(leaf, i);

		assert_false(above(&from, &key));
		assert_true(above(&key, &newest));
		assert_int_equal(end, key.start + key.window->len);
		assert_true(key.window->len / PAGE <= leaf->most);
		high = end > high ? end : high;
		newest = key;
	}
	size[leaves++] = leaf->nr;
	seen += leaf->nr;
	return high;
}

static uintptr_t check_node(struct hosts_node *node, struct hosts_key from)
{
	uintptr_t high = 0;

	assert_in_range(node->nr, 1, room_of(node));
	if (!node->level)
		return check_leaf(node, from);
	others++;
	for (unsigned i = 0; i < node->nr; i++) {
		struct hosts_key first = i ? node->inner.key[i] : from;

		assert_false(above(&from, &first));
		assert_int_equal(node->inner.child[i]->level, node->level - 1);
		/* Nothing in those before is as high as that. */
		assert_true(!i || above(&first, &newest));
		assert_int_equal(check_node(node->inner.child[i], first), node->inner.high[i]);
		high = node->inner.high[i] > high ? node->inner.high[i] : high;
	}
	return high;
}

static void check_all(void)
{
	seen = leaves = others = 0;
	newest = (struct hosts_key){0, NULL};
	assert_int_equal(hosts.root ? check_node(hosts.root, newest) : 0, hosts.high);
	assert_int_equal(seen, nr);
	assert_int_equal(leaves + others, nodes.used);
}

/* Every other page; some end behind what comes next. */
static uintptr_t start_of(unsigned i)
{
	return (1 + 2 * (uintptr_t)i) * PAGE;
}

static void insert(unsigned i)
{
	window[i].len = PAGE * (i % 16 ? 1 : 1 + i % 7);
	assert_int_equal(hosts_insert(&hosts, start_of(i), start_of(i) + window[i].len, &window[i]),
			 0);
	nr++;
}

static void drop(unsigned i)
{
	hosts_remove(&hosts, start_of(i), &window[i]);
	nr--;
}

static void shuffle(unsigned many)
{
	for (unsigned i = 0; i < many; i++)
		order[i] = i;
	for (unsigned i = many - 1; i; i--) {
		unsigned k = (unsigned)rnd(i + 1), t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
}

/* Leaves of windows 0, 2, 4 ...: one more may come between any two. */
static void fill_leaves(unsigned many)
{
	for (unsigned i = 0; i < many * LEAF_MAX; i++)
		insert(2 * i);
	check_all();
	assert_int_equal(leaves, many);
}

/* So many less in a leaf of these. */
static void thin(unsigned leaf, unsigned many)
{
	while (many--)
		drop(2 * (leaf * LEAF_MAX + 2 * many + 1));
}

/* Into the middle of it. */
static void insert_into(unsigned leaf)
{
	insert(2 * (leaf * LEAF_MAX + HALF) + 1);
	check_all();
}

static void drop_all(void)
{
	for (unsigned i = 0; i < MAX; i++)
		if (window[i].len) {
			/* Is it there? */
			struct hosts_walk walk = {start_of(i), start_of(i) + 1, 0, NULL};
			const struct mem_window *found;

			while ((found = hosts_next(&hosts, &walk)) && found != &window[i])
				;
			if (found)
				drop(i);
			window[i].len = 0;
		}
	check_all();
	assert_null(hosts.root);
}

static void check_sizes(const unsigned *want, unsigned many)
{
	assert_int_equal(leaves, many);
	for (unsigned i = 0; i < many; i++)
		assert_int_equal(size[i], want[i]);
}

static void a_full_leaf_gives_to_the_neighbour_with_more_room(void **state)
{
	for (unsigned room = 2; room < HALF; room++)
		for (unsigned less = 0; less < room; less += room - 1) {
			unsigned half = room / 2;
			unsigned left[] = {LEAF_MAX - room + half, LEAF_MAX - half,
					   LEAF_MAX - less};
			unsigned right[] = {LEAF_MAX - less, LEAF_MAX - half,
					    LEAF_MAX - room + half};

			fill_leaves(3);
			thin(0, room);
			thin(2, less);
			insert_into(1);
			left[1]++;
			check_sizes(left, 3);
			drop_all();
			fill_leaves(3);
			thin(0, less);
			thin(2, room);
			insert_into(1);
			/* What the leaf keeps or gives has the place in its middle. */
			right[1]++;
			check_sizes(right, 3);
			drop_all();
		}
}

static void a_leaf_at_the_end_gives_to_the_one_it_has_beside_it(void **state)
{
	const unsigned first[] = {LEAF_MAX - 4, LEAF_MAX - 3},
		       last[] = {LEAF_MAX - 3, LEAF_MAX - 4};

	fill_leaves(2);
	thin(1, 8);
	insert_into(0);
	check_sizes((const unsigned[]){first[1], first[0]}, 2);
	drop_all();
	fill_leaves(2);
	thin(0, 8);
	insert_into(1);
	check_sizes((const unsigned[]){last[1], last[0]}, 2);
	drop_all();
}

/* Also where one has room for one more: to give that would not help for long. */
static void two_full_leaves_become_three(void **state)
{
	for (unsigned leaf = 0; leaf < 3; leaf++)
		for (unsigned room = 0; room < 2; room++) {
			unsigned pair = leaf < 2 ? leaf : 1, other = leaf < 2 ? leaf + 1 : 1;
			unsigned least = (2 * LEAF_MAX - room) / 3;

			fill_leaves(3);
			thin(other, room);
			insert_into(leaf);
			assert_int_equal(leaves, 4);
			for (unsigned i = pair; i < pair + 3; i++)
				assert_in_range(size[i], least, least + 3);
			drop_all();
		}
}

static void leaves_filled_in_order_are_full(void **state)
{
	for (unsigned down = 0; down < 2; down++) {
		for (unsigned i = 0; i < 4000; i++) {
			insert(down ? 4000 - 1 - i : i);
			if (i % 64 == 0)
				check_all();
		}
		check_all();
		assert_int_equal(leaves, (4000 + LEAF_MAX - 1) / LEAF_MAX);
		drop_all();
	}
}

/* Those that come between others, too: but for what the others were moved to. */
static void leaves_filled_in_order_between_others_are_full(void **state)
{
	for (unsigned down = 0; down < 2; down++) {
		for (unsigned i = 0; i < 4000; i++)
			if (i < 500 || i >= 3500)
				insert(i);
		for (unsigned i = 500; i < 3500; i++)
			insert(down ? 4000 - 1 - i : i);
		check_all();
		assert_in_range(leaves, 4000 / LEAF_MAX, 4000 / LEAF_MAX + 4);
		drop_all();
	}
}

static void leaves_filled_in_any_order_are_full_to_four_fifths(void **state)
{
	shuffle(MAX);
	for (unsigned i = 0; i < MAX; i++) {
		insert(order[i]);
		if (i % 256 == 0 || i < 400)
			check_all();
	}
	check_all();
	assert_true(nr * 100 >= 80 * leaves * LEAF_MAX);
	drop_all();
}

/* As are those of a few that come in order, then a few elsewhere. */
static void leaves_filled_in_short_runs_are_nearly_as_full(void **state)
{
	for (unsigned down = 0; down < 2; down++) {
		for (unsigned run = 2; run <= 8; run *= 2) {
			shuffle(MAX / 8);
			for (unsigned i = 0; i < MAX / 8; i++)
				for (unsigned k = 0; k < run; k++)
					insert(order[i] * run + (down ? run - 1 - k : k));
			check_all();
			assert_true(nr * 100 >= 72 * leaves * LEAF_MAX);
			drop_all();
		}
	}
}

static void any_order_keeps_the_shape(void **state)
{
	static bool is_in[MAX];

	for (unsigned step = 0; step < 30000; step++) {
		unsigned i = (unsigned)rnd(4000);

		if (is_in[i] == (rnd(100) >= (step % 10000 < 6000 ? 80u : 20u))) {
			if (is_in[i])
				drop(i);
			else
				insert(i);
			is_in[i] = !is_in[i];
		}
		if (step % 16 == 0)
			check_all();
	}
	drop_all();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_full_leaf_gives_to_the_neighbour_with_more_room),
		TEST(a_leaf_at_the_end_gives_to_the_one_it_has_beside_it),
		TEST(two_full_leaves_become_three),
		TEST(leaves_filled_in_order_are_full),
		TEST(leaves_filled_in_order_between_others_are_full),
		TEST(leaves_filled_in_any_order_are_full_to_four_fifths),
		TEST(leaves_filled_in_short_runs_are_nearly_as_full),
		TEST(any_order_keeps_the_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
