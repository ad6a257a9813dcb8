/* SPDX-License-Identifier: MIT */
/*
 * Description: a tree of windows by host address finds what going through a sorted list of them
 * finds, however they come and go; its nodes are full where windows come in order, go with them,
 * and without memory for one nothing has changed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "mem/hosts.h"
#include "mem/mem.h"
#include "tests/unit/rnd.h"
#include "util/inject.h"

#define MAX	 4000
#define PAGE	 4096ull
#define SPACE	 4096u /* pages: several windows begin at some of them */
#define LEAF_MAX 48

static struct pool nodes;
static struct hosts hosts;
static struct mem_window window[MAX];
static struct entry {
	uintptr_t start, end;
	struct mem_window *window;
} list[MAX]; /* in order */
static size_t nr;
static uint64_t seed;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

static int setup(void **state)
{
	seed = 88172645463325252ull;
	nr = 0;
	pool_init(&nodes, hosts_node_size());
	hosts_init(&hosts, &nodes);
	return 0;
}

static int teardown(void **state)
{
	/* Which ends the program if one was not given back. */
	pool_fini(&nodes);
	return 0;
}

/* Where an entry is, or would be. */
static size_t place_of(uintptr_t start, const struct mem_window *of)
{
	size_t i = 0;

	while (i < nr && (list[i].start < start || (list[i].start == start && list[i].window < of)))
		i++;
	return i;
}

static void note(uintptr_t start, uintptr_t end, struct mem_window *of)
{
	size_t at = place_of(start, of);

	memmove(&list[at + 1], &list[at], (nr++ - at) * sizeof(*list));
	list[at] = (struct entry){start, end, of};
}

static void insert(uintptr_t start, uintptr_t end, struct mem_window *of)
{
	of->len = end - start;
	assert_int_equal(hosts_insert(&hosts, start, end, of), 0);
	note(start, end, of);
}

static void drop(size_t at)
{
	hosts_remove(&hosts, list[at].start, list[at].window);
	memmove(&list[at], &list[at + 1], (--nr - at) * sizeof(*list));
}

/* A walk gives what meets the range, in order, and no more. */
static void check_walk(uintptr_t start, uintptr_t end)
{
	struct hosts_walk walk = {.start = start, .end = end};

	for (size_t i = 0; i < nr; i++) {
		if (list[i].end <= start || list[i].start >= end)
			continue;
		assert_ptr_equal(hosts_next(&hosts, &walk), list[i].window);
		assert_int_equal(walk.at, list[i].start);
	}
	assert_null(hosts_next(&hosts, &walk));
}

static void check_ends(void)
{
	uintptr_t high = 0;

	for (size_t i = 0; i < nr; i++)
		high = list[i].end > high ? list[i].end : high;
	assert_int_equal(hosts.high, high);
	assert_int_equal(hosts_low(&hosts), nr ? list[0].start : UINTPTR_MAX);
}

static void check_all(void)
{
	check_walk(0, UINTPTR_MAX);
	check_ends();
}

/* Mostly short, some long enough to reach over many others. */
static uint64_t some_len(void)
{
	return PAGE * (rnd(16) ? 1 + rnd(3) : 1 + rnd(SPACE / 2));
}

static void insert_random(struct mem_window *of)
{
	uintptr_t start = PAGE * (1 + rnd(SPACE));

	insert(start, start + some_len(), of);
}

static void check_random(void)
{
	uintptr_t start = PAGE * rnd(SPACE + 10), end = start + 1 + rnd(3 * PAGE);

	check_walk(start, end);
	check_walk(start, start + PAGE);
	check_ends();
}

static void finds_what_a_list_does(void **state)
{
	static struct mem_window *spare[MAX];
	size_t spare_nr = MAX;

	for (size_t i = 0; i < MAX; i++)
		spare[i] = &window[i];
	check_all();
	/* More and more, then fewer and fewer, twice. */
	for (unsigned round = 0; round < 24000; round++) {
		bool more = round / 6000 % 2 == 0;

		if (!nr || (spare_nr && rnd(4) < (more ? 3 : 1))) {
			insert_random(spare[--spare_nr]);
		} else {
			size_t at = rnd(nr);

			spare[spare_nr++] = list[at].window;
			drop(at);
		}
		if (round % 16 == 0)
			check_random();
		if (round % 1000 == 0)
			check_all();
	}
	while (nr)
		drop(rnd(nr));
	check_all();
	assert_null(hosts.root);
}

/* As one page of a file that is mapped again and again. */
static void many_show_the_same(void **state)
{
	for (unsigned i = 0; i < 1000; i++)
		insert(PAGE, 2 * PAGE, &window[i * 7 % 1000]);
	insert(2 * PAGE, 3 * PAGE, &window[1000]);
	check_walk(PAGE, 2 * PAGE);
	check_walk(2 * PAGE, 3 * PAGE);
	check_walk(3 * PAGE, 4 * PAGE);
	for (unsigned i = 0; i < 1000; i++)
		drop(rnd(nr));
	check_all();
	drop(0);
}

/* A long one is found behind whatever begins after it. */
static void the_highest_end_is_that_of_what_is_left(void **state)
{
	uintptr_t far = 1000000 * PAGE;

	for (unsigned i = 0; i < 1000; i++)
		insert((i + 1) * PAGE, (i + 2) * PAGE, &window[i]);
	insert(500 * PAGE, far, &window[1000]);
	insert(600 * PAGE, far, &window[1001]);
	check_walk(far - 1, far);
	check_walk(far, far + 1);
	drop(place_of(500 * PAGE, &window[1000]));
	check_walk(far - 1, far);
	check_ends();
	drop(place_of(600 * PAGE, &window[1001]));
	check_walk(far - 1, far);
	check_ends();
	while (nr) {
		drop(nr - 1);
		check_ends();
	}
}

/* Also one that is no number of pages, or of more than a leaf can count. */
static void any_length_is_kept(void **state)
{
	static const uint64_t lens[] = {1,
					PAGE - 1,
					PAGE,
					PAGE + 1,
					(UINT32_MAX - 1) * PAGE,
					(UINT32_MAX - 1) * PAGE + 1,
					UINT32_MAX * PAGE,
					(UINT32_MAX + 1ull) * PAGE,
					(UINT32_MAX + 2ull) * PAGE,
					1ull << 60};

	for (unsigned i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		uintptr_t start = 500 * PAGE;

		for (unsigned k = 0; k < 1000; k++)
			insert((k + 1) * PAGE, (k + 2) * PAGE, &window[k]);
		insert(start, start + lens[i], &window[1000]);
		check_walk(start + lens[i] - 1, start + lens[i]);
		check_walk(start + lens[i], start + lens[i] + 1);
		check_walk(2000 * PAGE, 2001 * PAGE);
		check_ends();
		/* One that begins where it does, itself, and one behind it. */
		for (unsigned k = 0; k < 3; k++) {
			drop(place_of(start, &window[k < 2 ? 499 + 501 * k : 1001]));
			check_walk(start + lens[i] - 1, start + lens[i] + 1);
			check_all();
		}
		while (nr)
			drop(0);
	}
}

/* What is shorter than a long one of its leaf is not passed over, nor the long one. */
static void long_and_short_ones_are_found(void **state)
{
	for (unsigned i = 0; i < MAX; i++) {
		uintptr_t start = (1 + i * 2741 % MAX) * PAGE;

		insert(start, start + PAGE * (i % 32 ? 1 + i % 3 : 1 + i % 300), &window[i]);
	}
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 100; i++)
			check_random();
		for (unsigned i = 0; i < MAX / 20; i++)
			drop(rnd(nr));
	}
	assert_null(hosts.root);
}

static void nodes_are_full_and_go(void **state)
{
	for (unsigned i = 0; i < MAX; i++)
		insert((i + 1) * PAGE, (i + 2) * PAGE, &window[i]);
	/* Leaves, and few above them. */
	assert_in_range(nodes.used, MAX / LEAF_MAX, MAX / LEAF_MAX + 8);
	for (size_t at = nr; at--;)
		if (at % 100)
			drop(at);
	check_all();
	assert_in_range(nodes.used, 1, 8);
	while (nr)
		drop(0);
	assert_int_equal(nodes.used, 0);
	/* In any order four fifths of each are. */
	for (unsigned i = 0; i < MAX; i++)
		insert((1 + i * 2741 % MAX) * PAGE, (2 + i * 2741 % MAX) * PAGE, &window[i]);
	assert_in_range(nodes.used, MAX / LEAF_MAX, MAX / LEAF_MAX * 4 / 3);
	while (nr)
		drop(rnd(nr));
	assert_int_equal(nodes.used, 0);
}

/* From the front, from the end, and some in a row, among which long ones reach over others. */
static void what_goes_in_order_is_the_right_one(void **state)
{
	for (unsigned round = 0; round < 12; round++) {
		for (unsigned i = 0; i < MAX / 4; i++) {
			uintptr_t start = (1 + i * (round & 1 ? 1 : 7u) % (MAX / 4)) * PAGE;

			insert(start, start + (rnd(8) ? PAGE : some_len()), &window[i]);
		}
		while (nr) {
			size_t at = round % 3 == 0 ? 0 : round % 3 == 1 ? nr - 1 : rnd(nr);

			for (unsigned i = 0; i < 30 && at < nr; i++) {
				drop(at);
				check_ends();
				if (i % 8 == 0)
					check_random();
			}
		}
		assert_int_equal(nodes.used, 0);
	}
}

static void fill_two_leaves(void)
{
	for (unsigned i = 0; i < LEAF_MAX * 3 / 2; i++)
		insert((i + 1) * PAGE, (i + 2) * PAGE, &window[i]);
	assert_int_equal(nodes.used, 3);
}

/* A leaf that has become a quarter goes together with the next one, or the last with that before.
 */
static void leaves_that_are_nearly_empty_are_joined(void **state)
{
	fill_two_leaves();
	while (nr > LEAF_MAX / 2 + LEAF_MAX / 4) {
		assert_int_equal(nodes.used, 3);
		drop(0);
	}
	assert_int_equal(nodes.used, 1);
	check_all();
	while (nr)
		drop(0);
	fill_two_leaves();
	for (unsigned i = 0; i < LEAF_MAX / 2; i++)
		drop(LEAF_MAX / 4);
	check_all();
	while (nr > LEAF_MAX / 2 + LEAF_MAX / 4) {
		assert_int_equal(nodes.used, 3);
		drop(nr - 1);
	}
	assert_int_equal(nodes.used, 1);
	check_all();
	while (nr)
		drop(0);
}

static void without_memory_nothing_has_changed(void **state)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < MAX; i++) {
		uintptr_t start = PAGE * (1 + rnd(SPACE)), end = start + some_len();
		int rc = -ENOMEM;

		window[i].len = end - start;
		/* The first node that it takes, then the second: up to where it needs no more. */
		for (unsigned n = 1; rc; n++) {
			inject_arm(n);
			rc = hosts_insert(&hosts, start, end, &window[i]);
			inject_arm(0);
			if (!rc)
				break;
			assert_int_equal(rc, -ENOMEM);
			failed++;
			check_ends();
			if (failed % 8 == 0)
				check_all();
		}
		note(start, end, &window[i]);
	}
	check_all();
	assert_in_range(failed, MAX / LEAF_MAX, MAX / LEAF_MAX * 3);
	while (nr)
		drop(nr - 1);
	assert_int_equal(nodes.used, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_what_a_list_does),
		TEST(many_show_the_same),
		TEST(the_highest_end_is_that_of_what_is_left),
		TEST(any_length_is_kept),
		TEST(long_and_short_ones_are_found),
		TEST(nodes_are_full_and_go),
		TEST(what_goes_in_order_is_the_right_one),
		TEST(leaves_that_are_nearly_empty_are_joined),
		TEST(without_memory_nothing_has_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
