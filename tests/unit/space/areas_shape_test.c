/* SPDX-License-Identifier: MIT */
/*
 * Description: the tree of areas stays in shape: nodes know their parents and neighbours, keys say
 * what is below, no bound says less than there is, leaves filled in order are full, sparse ones are
 * joined, full ones give to their neighbours, and what is out of use is kept or freed.
 */
#include "rig.h"
#include "space/areas_tree.h"
#include "tests/unit/rnd.h"

#define MAX 4000u

static uint64_t seed;
static struct areas areas;
static struct space_area list[MAX];
static unsigned in[MAX], nr; /* which are in the tree, in any order */
static unsigned any[MAX];    /* of a shuffle */

/* Of one look at all nodes. */
static const struct areas_node *leaf_before;
static uint64_t seen, leaves;
static unsigned size[MAX]; /* of each leaf */
static bool sparse_ones_meet;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

static void check_leaf(struct areas_node *leaf, iova_t first, iova_t last)
{
	assert_true(leaf->begin + leaf->nr <= LEAF_MAX);
	for (unsigned i = 0; i < leaf->nr; i++) {
		const struct space_area *area = leaf_area(leaf)[i];

		assert_int_equal(leaf_first(leaf)[i], area->first);
		assert_true(area->first >= first && area->first <= last);
		first = area->last + 1;
	}
	assert_ptr_equal(leaf->side[0], leaf_before);
	if (leaf_before)
		assert_ptr_equal(leaf_before->side[1], leaf);
	leaf_before = leaf;
	seen += leaf->nr;
	size[leaves++] = leaf->nr;
}

static bool sparse(const struct areas_node *node)
{
	return node->nr <= (node->level ? INNER_MAX : LEAF_MAX) / 4;
}

/* All below a node has its first address in first..last. What its gaps are is in *fit then. */
static void check_node(struct areas_node *node, iova_t first, iova_t last, struct areas_fit *fit)
{
	assert_in_range(node->nr, 1, node->level ? INNER_MAX : LEAF_MAX);
	if (!node->level) {
		check_leaf(node, first, last);
		areas_fit_node(node, fit);
		return;
	}
	*fit = (struct areas_fit){.pages = 0};
	for (unsigned i = 0; i < node->nr; i++) {
		struct areas_node *child = node->inner.child[i];
		iova_t from = i ? node->inner.first[i] : first;
		iova_t upto = i + 1 < node->nr ? node->inner.first[i + 1] - 1 : last;
		struct areas_fit below;

		assert_ptr_equal(child->parent, node);
		assert_int_equal(child->level, node->level - 1);
		assert_true(from >= first && from <= upto);
		check_node(child, from, upto, &below);
		for (unsigned order = 0; order < AREAS_ORDERS; order++)
			assert_true(areas_fit_pages(&node->inner.fit[i], order) >=
				    areas_fit_pages(&below, order));
		areas_fit_merge(fit, &below);
		sparse_ones_meet |= i && sparse(child) && sparse(node->inner.child[i - 1]);
	}
}

static void check_all(void)
{
	const struct areas_node *spare = areas.spare;
	struct areas_fit fit;
	unsigned spares = 0;

	leaf_before = NULL;
	seen = leaves = 0;
	sparse_ones_meet = false;
	if (areas.root) {
		assert_null(areas.root->parent);
		assert_true(areas.root->nr > 1 || !areas.root->level);
		check_node(areas.root, 0, UINT64_MAX, &fit);
		assert_null(leaf_before->side[1]);
	}
	assert_int_equal(seen, areas.nr);
	assert_int_equal(seen, nr);
	for (; spare; spare = spare->parent)
		spares++;
	assert_int_equal(areas.spare_nr, spares);
	assert_true(spares <= 8);
}

static void insert(unsigned i)
{
	assert_int_equal(areas_reserve(&areas, 1), 0);
	areas_insert(&areas, &list[i]);
	in[nr++] = i;
}

static void drop(unsigned at)
{
	unsigned i = in[at];

	in[at] = in[--nr];
	areas_remove(&areas, &list[i]);
}

static void begin(void)
{
	areas_init(&areas);
	nr = 0;
	seed = 12345;
	for (iova_t i = 0, at = 0; i < MAX; i++) {
		uint64_t len = (1 + rnd(4)) * PAGE;

		list[i] = (struct space_area){.first = at, .last = at + len - 1};
		at += len + (rnd(3) ? rnd(40) * PAGE : 0);
	}
}

static void end(void)
{
	while (nr)
		drop(nr - 1);
	check_all();
	assert_null(areas.root);
	areas_fini(&areas);
	assert_int_equal(areas.spare_nr, 0);
}

static void leaves_filled_in_order_are_full(void **state)
{
	begin();
	for (unsigned i = 0; i < MAX; i++) {
		insert(i);
		if (i % 64 == 0 || i < 100)
			check_all();
		if (i % 64 == 0)
			assert_int_equal(leaves, i / LEAF_MAX + 1);
	}
	check_all();
	assert_int_equal(leaves, MAX / LEAF_MAX);
	/* From the front: nodes that empty go one by one. */
	for (unsigned i = 0; i < MAX; i++) {
		in[0] = i;
		nr--;
		areas_remove(&areas, &list[i]);
		if (i % 16 == 0)
			check_all();
	}
	end();
}

static void leaves_filled_from_the_end_are_full(void **state)
{
	begin();
	for (unsigned i = MAX; i--;) {
		insert(i);
		if (i % 64 == 0)
			check_all();
	}
	check_all();
	assert_int_equal(leaves, MAX / LEAF_MAX);
	end();
}

/* Those that come between others, too: but for what the others were moved to. */
static void leaves_filled_in_order_between_others_are_full(void **state)
{
	for (unsigned down = 0; down < 2; down++) {
		begin();
		for (unsigned i = 0; i < MAX; i++)
			if (i < 500 || i >= MAX - 500)
				insert(i);
		for (unsigned i = 500; i < MAX - 500; i++)
			insert(down ? MAX - 1 - i : i);
		check_all();
		assert_in_range(leaves, MAX / LEAF_MAX, MAX / LEAF_MAX + 4);
		end();
	}
}

static void shuffle(unsigned many)
{
	for (unsigned i = 0; i < many; i++)
		any[i] = i;
	for (unsigned i = many - 1; i; i--) {
		unsigned k = (unsigned)rnd(i + 1), t = any[i];

		any[i] = any[k];
		any[k] = t;
	}
}

static void leaves_filled_in_any_order_are_full_to_four_fifths(void **state)
{
	begin();
	shuffle(MAX);
	for (unsigned i = 0; i < MAX; i++) {
		insert(any[i]);
		if (i % 64 == 0 || i < 400)
			check_all();
	}
	check_all();
	assert_true(nr * 100 >= 80 * leaves * LEAF_MAX);
	end();
}

/* As are those of a few that come in order, then a few elsewhere. */
static void leaves_filled_in_short_runs_are_nearly_as_full(void **state)
{
	for (unsigned run = 2; run <= 8; run *= 2) {
		begin();
		shuffle(MAX / run);
		for (unsigned i = 0; i < MAX; i++) {
			unsigned k = run & 4 ? run - 1 - i % run : i % run;

			insert(any[i / run] * run + k);
		}
		check_all();
		assert_true(nr * 100 >= 72 * leaves * LEAF_MAX);
		end();
	}
}

/* Leaves of areas 0, 2, 4 ..., then one more in the middle of one, where others have room. */
static void check_spread(unsigned many, unsigned leaf, const unsigned *room, const unsigned *want)
{
	begin();
	for (unsigned i = 0; i < many * LEAF_MAX; i++)
		insert(2 * i);
	for (unsigned i = 0; i < many; i++)
		for (unsigned k = 0; k < room[i]; k++, nr--)
			areas_remove(&areas, &list[2 * (i * LEAF_MAX + 2 * k + 1)]);
	insert(2 * (leaf * LEAF_MAX + LEAF_MAX / 2) + 1);
	check_all();
	assert_int_equal(leaves, want[many] ? many + 1 : many);
	for (unsigned i = 0; i < leaves; i++)
		assert_int_equal(size[i], want[i]);
	for (unsigned i = 0; i < MAX; i++)
		if (areas_find(&areas, list[i].first) == &list[i]) {
			areas_remove(&areas, &list[i]);
			nr--;
		}
	end();
}

static void a_full_leaf_gives_to_the_neighbour_with_more_room(void **state)
{
	for (unsigned room = 2; room < LEAF_MAX / 2; room++)
		for (unsigned less = 0; less < room; less += room - 1) {
			unsigned half = room / 2, keeps = LEAF_MAX - half + 1;
			unsigned gets = LEAF_MAX - room + half, other = LEAF_MAX - less;

			check_spread(3, 1, (unsigned[]){room, 0, less},
				     (unsigned[]){gets, keeps, other, 0});
			check_spread(3, 1, (unsigned[]){less, 0, room},
				     (unsigned[]){other, keeps, gets, 0});
			/* It has one only. */
			check_spread(2, 0, (unsigned[]){0, room}, (unsigned[]){keeps, gets, 0});
			check_spread(2, 1, (unsigned[]){room, 0}, (unsigned[]){gets, keeps, 0});
		}
}

/* Also where one has room for one more: to give that would not help for long. */
static void two_full_leaves_become_three(void **state)
{
	const unsigned max = LEAF_MAX, third = 2 * max / 3, more = 2 * max - 2 * third;

	check_spread(2, 0, (unsigned[]){0, 0}, (unsigned[]){third + 1, more, third});
	check_spread(2, 0, (unsigned[]){0, 1}, (unsigned[]){third + 1, more - 1, third});
	check_spread(2, 1, (unsigned[]){0, 0}, (unsigned[]){third, more, third + 1});
	check_spread(2, 1, (unsigned[]){1, 0}, (unsigned[]){third, more - 1, third + 1});
	check_spread(3, 1, (unsigned[]){1, 0, 1},
		     (unsigned[]){max - 1, third + 1, more - 1, third});
	check_spread(3, 2, (unsigned[]){5, 0, 0}, (unsigned[]){max - 5, third, more, third + 1});
}

/* Their parent is full, and is divided before or behind them, or between. */
static void they_have_one_parent(void **state)
{
	for (unsigned leaf = 0; leaf < INNER_MAX; leaf++) {
		begin();
		for (unsigned i = 0; i < INNER_MAX * LEAF_MAX; i++)
			insert(2 * i);
		assert_int_equal(areas.root->nr, INNER_MAX);
		insert(2 * (leaf * LEAF_MAX + LEAF_MAX / 2) + 1);
		check_all();
		assert_int_equal(leaves, INNER_MAX + 1);
		assert_int_equal(areas.root->nr, 2);
		end();
	}
}

/* Many in a row, wherever they come, also behind the one that came last: with that and no more. */
static void what_is_reserved_is_enough(void **state)
{
	for (unsigned round = 0; round < 600; round++) {
		unsigned many = 1 + (unsigned)rnd(round % 3 ? 20 : 400);
		unsigned at = 1 + (unsigned)rnd(MAX - many), others = (unsigned)rnd(2000);
		uint64_t next = seed;

		begin();
		seed = next;
		areas_fini(&areas);
		shuffle(MAX);
		for (unsigned i = 0; i < others; i++)
			if (any[i] + 1 < at || any[i] >= at + many)
				insert(any[i]);
		insert(at - 1);
		areas_fini(&areas);
		assert_int_equal(areas_reserve(&areas, many), 0);
		for (unsigned i = 0; i < many; i++) {
			areas_insert(&areas, &list[at + i]);
			in[nr++] = at + i;
		}
		areas_fini(&areas);
		check_all();
		end();
	}
}

/* Leaves that were full: as they empty, no two sparse ones stay beside each other in a node. */
static void sparse_neighbours_are_joined(void **state)
{
	for (unsigned round = 0; round < 4; round++) {
		begin();
		seed += round;
		for (unsigned i = 0; i < MAX; i++)
			insert(i);
		while (nr) {
			drop(rnd(nr));
			if (nr % 8 == 0 || nr < 200) {
				check_all();
				assert_false(sparse_ones_meet);
			}
		}
		end();
	}
}

/* Two leaves, of which one keeps `left` and the other sinks to a quarter: are they one then? */
static void check_join(unsigned sinks, unsigned left, unsigned want)
{
	begin();
	for (unsigned i = 0; i < 2 * LEAF_MAX; i++)
		insert(i);
	for (unsigned k = 0; k < 2; k++) {
		unsigned leaf = k ? sinks : !sinks, keep = k ? LEAF_MAX / 4 : left;

		for (unsigned i = keep; i < LEAF_MAX; i++) {
			check_all();
			assert_int_equal(leaves, 2);
			areas_remove(&areas, &list[leaf * LEAF_MAX + i]);
			nr--;
		}
	}
	check_all();
	assert_int_equal(leaves, want);
	for (unsigned i = 0; i < 2 * LEAF_MAX; i++)
		if (i % LEAF_MAX < (i / LEAF_MAX == sinks ? LEAF_MAX / 4 : left)) {
			assert_ptr_equal(areas_find(&areas, list[i].first), &list[i]);
			areas_remove(&areas, &list[i]);
			nr--;
		}
	end();
}

static void a_sparse_leaf_is_joined_where_that_leaves_room(void **state)
{
	for (unsigned sinks = 0; sinks < 2; sinks++) {
		check_join(sinks, LEAF_MAX / 2, 1);
		check_join(sinks, LEAF_MAX / 2 + 1, 2);
	}
}

static void any_order_keeps_the_shape(void **state)
{
	static bool is_in[MAX];

	memset(is_in, 0, sizeof(is_in));
	begin();
	for (unsigned step = 0; step < 30000; step++) {
		if (rnd(100) < (step % 10000 < 6000 ? 80u : 20u)) {
			unsigned i = rnd(MAX);

			if (!is_in[i])
				insert(i);
			is_in[i] = true;
		} else if (nr) {
			unsigned at = rnd(nr);

			is_in[in[at]] = false;
			drop(at);
		}
		if (step % 16 == 0)
			check_all();
	}
	end();
}

/* Only where a leaf is full it takes another; several at once take what they may need. */
static void one_more_takes_no_memory_where_a_leaf_has_room(void **state)
{
	begin();
	assert_int_equal(areas_reserve(&areas, 1), 0);
	assert_int_equal(areas.spare_nr, 1);
	for (unsigned i = 0; i < LEAF_MAX; i++) {
		insert(i);
		assert_int_equal(areas.spare_nr, 0);
	}
	assert_int_equal(areas_reserve(&areas, 1), 0);
	assert_true(areas.spare_nr >= 2);
	insert(LEAF_MAX);
	check_all();
	assert_int_equal(leaves, 2);
	end();
}

/* So that the next search that is the same looks at nothing. */
static void what_a_search_did_not_find_no_bound_lets_in(void **state)
{
	struct areas_request req = {.align = PAGE};
	iova_t out;

	begin();
	list[MAX - 1].last = UINT64_MAX;
	for (unsigned i = 0; i < MAX; i++)
		insert(i);
	for (unsigned round = 0; round < 20; round++) {
		/* Gaps that were there and are none any more. */
		for (unsigned k = 0; k < 50; k++)
			if (in[k] != MAX - 1) {
				unsigned i = in[k];

				drop(k);
				insert(i);
			}
		for (req.len = PAGE; areas_room(&areas, &req, PAGE, UINT64_MAX, &out);)
			req.len += PAGE;
		for (unsigned i = 0; i < areas.root->nr; i++)
			assert_false(areas_fits(&areas.root->inner.fit[i], &req));
		check_all();
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_filled_in_order_are_full),
		cmocka_unit_test(leaves_filled_from_the_end_are_full),
		cmocka_unit_test(leaves_filled_in_order_between_others_are_full),
		cmocka_unit_test(leaves_filled_in_any_order_are_full_to_four_fifths),
		cmocka_unit_test(leaves_filled_in_short_runs_are_nearly_as_full),
		cmocka_unit_test(a_full_leaf_gives_to_the_neighbour_with_more_room),
		cmocka_unit_test(two_full_leaves_become_three),
		cmocka_unit_test(they_have_one_parent),
		cmocka_unit_test(what_is_reserved_is_enough),
		cmocka_unit_test(sparse_neighbours_are_joined),
		cmocka_unit_test(a_sparse_leaf_is_joined_where_that_leaves_room),
		cmocka_unit_test(any_order_keeps_the_shape),
		cmocka_unit_test(one_more_takes_no_memory_where_a_leaf_has_room),
		cmocka_unit_test(what_a_search_did_not_find_no_bound_lets_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
