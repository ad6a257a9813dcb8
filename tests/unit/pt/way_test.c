/* SPDX-License-Identifier: MIT */
/*
 * Description: what a way says of the addresses around the one it was found at is what a walk says
 * of each, in every format and shape, whatever was mapped since, and unmapped as long as its tables
 * are kept.
 */
#include <errno.h>
#include <string.h>
#include "tests/unit/pt/formats.h"
#include "pt/way.h"
#include "tests/unit/rnd.h"

#define NR     (3u << 9) /* pages, beginning in the middle of a table */
#define ROUNDS 12

static uint64_t rng = 88172645463325252ull;

static uint64_t rnd(uint64_t below)
{
	return (rnd_next(&rng) >> 11) % below;
}

/* The widest any format has, so that bits which it keeps apart from the others are set, too. */
static pa_t random_pa(const struct pt *pt, unsigned page)
{
	unsigned bits = pt_format_pa_bits(pt_format(pt));
	pa_t high = rnd(4) << (bits - 2), low = rnd(2) ? page : rnd(1u << 16);

	return high + (low << pt_page_lg2(pt));
}

/* Maps some pages if nothing is there. */
static void map(struct pt *pt, iova_t base, unsigned page, bool taken[NR])
{
	unsigned nr = 1 + (unsigned)rnd(rnd(4) ? 4 : 64);
	uint32_t prot = 1 + (uint32_t)rnd(3);

	if (rnd(3))
		prot = IOAS_PROT_READ | IOAS_PROT_WRITE;
	for (unsigned i = page; i < page + nr; i++)
		if (i >= NR || taken[i])
			return;
	assert_int_equal(
		pt_map(pt, base + page * page_len, random_pa(pt, page), nr * page_len, prot), 0);
	memset(&taken[page], true, nr);
}

/* One leaf, if there is one. */
static void unmap(struct pt *pt, iova_t base, unsigned page, bool taken[NR],
		  struct pt_gather *gather)
{
	iova_t iova = base + page * page_len;
	struct pt_walk walk;

	if (!taken[page] || pt_walk(pt, iova, &walk))
		return;
	pt_unmap(pt, walk.leaf_first, walk.leaf_first + walk.leaf_len - 1, gather);
	memset(&taken[(walk.leaf_first - base) / page_len], false, walk.leaf_len / page_len);
}

/* Counts those that it finds. */
static unsigned compare(const struct pt *pt, const struct pt_way *way, uint32_t prot, iova_t first,
			iova_t base)
{
	struct pt_shape shape = pt_shape(pt);
	unsigned found = 0;

	for (unsigned page = 0; page < NR; page++) {
		iova_t iova = base + page * page_len + rnd(page_len);
		const _Atomic uint64_t *leaf;
		struct pt_walk walk;
		pa_t pa = way->pa;
		int rc;

		if ((iova ^ first) >> pt_way_lg2(shape))
			continue;
		rc = pt_walk(pt, iova, &walk);
		leaf = pt_way_leaf(way->table, way->pointer, shape, iova);
		if (!leaf || !pt_way_pa(*leaf, way->leaf, shape, &pa)) {
			/* It need not find all, but those that are alike near by. */
			assert_false(!rc && walk.leaf_len == page_len && walk.entry == way->leaf);
			continue;
		}
		found++;
		assert_int_equal(rc, 0);
		assert_int_equal(walk.leaf_len, page_len);
		assert_int_equal(walk.pa & ~(page_len - 1), pa);
		assert_int_equal(walk.prot, prot);
		if (pa >= way->pa)
			assert_int_equal(pt_way_pages(*leaf, way->leaf, shape),
					 (pa - way->pa) / page_len);
		else
			assert_true(pt_way_pages(*leaf, way->leaf, shape) >>
				    (64 - 16 - shape.page_lg2));
	}
	return found;
}

/* Of Arm's second stage one may be a single table of many entries. */
static bool has_ways(const struct pt *pt)
{
	struct pt_root root;

	pt_root(pt, &root);
	return root.levels > 1;
}

static void a_way_says_what_walks_say(void **state)
{
	for (unsigned c = 0; c < config_nr; c++) {
		struct pt *pt = pt_make(&configs[c]);
		unsigned ways = 0, found = 0;

		for (unsigned round = 0; round < ROUNDS; round++) {
			/* The last addresses of the width, and the first; and across two ways. */
			uint64_t way_len = 1ull << pt_way_lg2(pt_shape(pt)), len = NR * page_len;
			iova_t last = pt_aperture(pt).last;
			iova_t at[3] = {0, last - len + 1,
					last > 2 * way_len ? way_len - len / 2 : len};
			iova_t base = at[round % 3], first = 0;
			struct pt_gather gather = {NULL};
			bool taken[NR] = {false};
			struct pt_way way = {NULL};
			struct pt_walk walk;

			for (unsigned i = 0; i < 300; i++)
				map(pt, base, (unsigned)rnd(NR), taken);
			for (unsigned i = 0; i < 50 && !way.table; i++) {
				first = base + rnd(NR) * page_len;
				assert_int_equal(pt_walk_way(pt, first, &walk, &way),
						 pt_walk(pt, first, &(struct pt_walk){0}));
			}
			if (way.table) {
				ways++;
				assert_int_equal(way.pa, walk.pa & ~(page_len - 1));
				found += compare(pt, &way, walk.prot, first, base);
				for (unsigned i = 0; i < 100; i++)
					map(pt, base, (unsigned)rnd(NR), taken);
				found += compare(pt, &way, walk.prot, first, base);
				for (unsigned i = 0; i < 400; i++)
					unmap(pt, base, (unsigned)rnd(NR), taken, &gather);
				compare(pt, &way, walk.prot, first, base);
			}
			pt_gather_free(&gather);
			unmap_all(pt);
		}
		/* Otherwise it has shown nothing. */
		assert_int_equal(ways > 0, has_ways(pt));
		assert_int_equal(found > 100, has_ways(pt));
		pt_destroy(pt);
	}
}

static void there_is_no_way_beyond_the_width(void **state)
{
	for (unsigned c = 0; c < config_nr; c++) {
		struct pt *pt = pt_make(&configs[c]);
		iova_t last = pt_aperture(pt).last;
		struct pt_walk walk;
		struct pt_way way;

		assert_int_equal(pt_walk_way(pt, last, &walk, &way), -ENOENT);
		assert_null(way.table);
		assert_int_equal(pt_walk_way(pt, last + 1, &walk, &way), -ERANGE);
		assert_null(way.table);
		pt_destroy(pt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_way_says_what_walks_say),
		cmocka_unit_test(there_is_no_way_beyond_the_width),
	};

	return cmocka_run_group_tests(tests, make_configs, NULL);
}
