/* SPDX-License-Identifier: MIT */
/*
 * Description: what every page-table format must do, checked against a brute-force twin: a plain
 * array with one output address a page. Runs on every format in every shape (formats.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "formats.h"
#include "tests/unit/rnd.h"

#define TWIN_NR	  (1u << 14) /* pages: 64 MiB, so that leaves of several levels occur */
#define PA_BASE	  (1ull << 40)
#define MAX_AREAS 64
#define RW	  (IOAS_PROT_READ | IOAS_PROT_WRITE)

static const struct pt_config amdv1 = {PT_AMDV1, 48, 0};

struct area {
	uint64_t page, nr;
};

/* The twin: what each page of the range from `base` means. */
struct twin {
	iova_t base;
	pa_t pa[TWIN_NR]; /* 0: not mapped */
	uint32_t prot[TWIN_NR];
	struct area area[MAX_AREAS];
	unsigned area_nr;
};

static uint64_t seed;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

static bool overlaps(const struct twin *twin, uint64_t page, uint64_t nr)
{
	for (uint64_t i = page; i < page + nr; i++)
		if (twin->pa[i])
			return true;
	return false;
}

static void random_map(struct pt *pt, struct twin *twin)
{
	uint64_t nr = 1 + rnd(1ull << rnd(14));
	uint64_t align = 1ull << rnd(14);
	uint64_t page, pa;
	uint32_t prot = 1 + (uint32_t)rnd(3);

	if (rnd(2))
		prot |= (uint32_t)rnd(16) * PT_PROT_NO_EXEC;
	if (nr > TWIN_NR || twin->area_nr == MAX_AREAS)
		return;
	page = rnd(TWIN_NR - nr + 1) & ~(align - 1);
	if (overlaps(twin, page, nr))
		return;
	/* Half of them congruent with their address, as windows of the physical map are. */
	pa = PA_BASE + (rnd(2) ? page : rnd(TWIN_NR)) * page_len;
	assert_int_equal(pt_map(pt, twin->base + page * page_len, pa, nr * page_len, prot), 0);
	for (uint64_t i = 0; i < nr; i++) {
		twin->pa[page + i] = pa + i * page_len;
		twin->prot[page + i] = pt_prot_fit(pt, prot);
	}
	twin->area[twin->area_nr++] = (struct area){page, nr};
}

static void random_unmap(struct pt *pt, struct twin *twin)
{
	struct pt_gather gather = {NULL};
	struct area area;
	unsigned i;

	if (!twin->area_nr)
		return;
	i = (unsigned)rnd(twin->area_nr);
	area = twin->area[i];
	twin->area[i] = twin->area[--twin->area_nr];
	assert_int_equal(pt_unmap(pt, twin->base + area.page * page_len,
				  twin->base + (area.page + area.nr) * page_len - 1, &gather),
			 area.nr * page_len);
	pt_gather_free(&gather);
	memset(&twin->pa[area.page], 0, area.nr * sizeof(twin->pa[0]));
}

/* From the root to what is there, or to where nothing is. */
static void check_trace(struct pt *pt, iova_t iova, bool mapped)
{
	struct pt_step steps[8], few[8];
	unsigned nr = pt_trace(pt, iova, steps, 8);

	assert_in_range(nr, 1, 5);
	assert_int_equal(pt_trace(pt, iova, few, nr - 1), nr - 1);
	assert_memory_equal(few, steps, (nr - 1) * sizeof(steps[0]));
	for (unsigned i = 0; i + 1 < nr; i++) {
		assert_int_equal(steps[i].kind, IOAS_FAULT_ENTRY_TABLE);
		assert_true(steps[i].level > steps[i + 1].level);
	}
	assert_int_equal(steps[nr - 1].kind,
			 mapped ? IOAS_FAULT_ENTRY_LEAF : IOAS_FAULT_ENTRY_EMPTY);
}

static void check_page(struct pt *pt, const struct twin *twin, uint64_t page)
{
	iova_t iova = twin->base + page * page_len + rnd(page_len);
	struct pt_walk walk;
	int rc = pt_walk(pt, iova, &walk);

	/* Whatever is there, to fetch it changes nothing. */
	pt_prefetch(pt, &iova, 1);
	check_trace(pt, iova, !rc);
	if (!twin->pa[page]) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(walk.pa, twin->pa[page] + iova % page_len);
	assert_int_equal(walk.prot, twin->prot[page]);
	assert_true(walk.leaf_first <= iova && iova - walk.leaf_first < walk.leaf_len);
	assert_true(pt_page_sizes(pt) & walk.leaf_len);
	/* The whole leaf means one contiguous piece of the twin. */
	for (uint64_t a = walk.leaf_first; a < walk.leaf_first + walk.leaf_len; a += page_len)
		assert_int_equal(twin->pa[(a - twin->base) / page_len] - a,
				 twin->pa[page] - (iova & ~(page_len - 1)));
}

/* The nearest leaf by scanning pages both ways. */
static void check_nearest(struct pt *pt, const struct twin *twin)
{
	uint64_t page = rnd(TWIN_NR), below = 0, above = 0;
	iova_t iova = twin->base + page * page_len + (rnd(2) ? rnd(page_len) : 0);
	struct ioas_range range;
	struct pt_walk leaf;
	uint32_t prot;
	int rc = pt_nearest(pt, iova, &range, &prot);
	uint64_t gap;

	while (below <= page && !twin->pa[page - below])
		below++;
	while (page + above < TWIN_NR && !twin->pa[page + above])
		above++;
	if (below > page)
		below = UINT64_MAX;
	if (page + above == TWIN_NR)
		above = UINT64_MAX;
	gap = below < above ? below : above;
	if (gap == UINT64_MAX) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, 0);
	/* It is a leaf, and all of it. */
	assert_int_equal(pt_walk(pt, range.first, &leaf), 0);
	assert_int_equal(range.first, leaf.leaf_first);
	assert_int_equal(range.last - range.first, leaf.leaf_len - 1);
	iova &= ~(page_len - 1);
	if (!gap)
		assert_true(range.first <= iova && iova <= range.last);
	else if (range.first > iova)
		assert_int_equal(range.first - iova, above * page_len);
	else
		assert_int_equal(iova - range.last, (below - 1) * page_len + 1);
	assert_true(range.first > iova ? above <= below : below <= above);
	page = ((range.first > iova ? range.first : range.last) - twin->base) / page_len;
	assert_int_equal(prot, twin->prot[page] & RW);
}

static void agrees_with_the_twin_under_random_operations(void **state)
{
	struct twin *twin = malloc(sizeof(*twin));

	for (size_t c = 0; c < config_nr; c++) {
		/* Across the boundary of a top-level entry, where all tables change. */
		for (unsigned at = 0; at < 2; at++) {
			struct pt *pt = pt_make(&configs[c]);

			seed = 88172645463325252ull + c;
			memset(twin, 0, sizeof(*twin));
			if (at)
				twin->base =
					(pt_aperture(pt).last >> 1) + 1 - TWIN_NR / 2 * page_len;
			for (unsigned i = 0; i < 400; i++) {
				if (rnd(5) < 3)
					random_map(pt, twin);
				else
					random_unmap(pt, twin);
				for (unsigned k = 0; k < 8; k++)
					check_page(pt, twin, rnd(TWIN_NR));
				check_nearest(pt, twin);
			}
			while (twin->area_nr)
				random_unmap(pt, twin);
			assert_int_equal(stats_of(pt).leaves, 0);
			assert_int_equal(stats_of(pt).tables, 1);
			pt_destroy(pt);
		}
	}
	free(twin);
}

/* Brute force: at each address the largest power of two that is aligned and fits. */
static uint64_t ref_leaves(const struct pt *pt, iova_t iova, pa_t pa, uint64_t len)
{
	uint64_t nr = 0;

	while (len) {
		uint64_t size = page_len;

		for (uint64_t s = page_len; s <= len && s; s <<= 1)
			if ((pt_page_sizes(pt) & s) && !(iova % s) && !(pa % s))
				size = s;
		iova += size;
		pa += size;
		len -= size;
		nr++;
	}
	return nr;
}

static void uses_the_fewest_leaves(void **state)
{
	seed = 42;
	for (size_t c = 0; c < config_nr; c++) {
		for (unsigned i = 0; i < 100; i++) {
			struct pt *pt = pt_make(&configs[c]);
			uint64_t len = (1 + rnd(1ull << rnd(13))) * page_len;
			iova_t iova = rnd(1ull << 14) * page_len;
			pa_t pa = PA_BASE + (rnd(3) ? iova : iova + (page_len << rnd(12)));

			assert_int_equal(pt_map(pt, iova, pa, len, RW), 0);
			assert_int_equal(stats_of(pt).leaves, ref_leaves(pt, iova, pa, len));
			pt_destroy(pt);
		}
	}
}

static void a_contiguous_gigabyte_takes_a_handful_of_leaves(void **state)
{
	struct pt *pt = pt_make(&amdv1);
	iova_t iova = 0x7f1234567000;

	assert_int_equal(pt_map(pt, 1ull << 30, 5ull << 30, 1ull << 30, RW), 0);
	assert_int_equal(stats_of(pt).leaves, 1);
	assert_int_equal(stats_of(pt).tables, 2);
	unmap_all(pt);
	/* Wherever malloc put it, if the physical map is congruent. */
	assert_int_equal(pt_map(pt, iova, (1ull << 47) + iova, 1ull << 30, RW), 0);
	assert_true(stats_of(pt).leaves <= 36);
	assert_true(stats_of(pt).tables <= 6);
	pt_destroy(pt);
}

static void honours_the_largest_leaf_allowed(void **state)
{
	static const struct pt_config small = {PT_AMDV1, 48, 12};
	struct pt *pt = pt_make(&small);

	assert_int_equal(pt_page_sizes(pt), page_len);
	assert_int_equal(pt_map(pt, 0, PA_BASE, 4ull << 20, RW), 0);
	assert_int_equal(stats_of(pt).leaves, 1024);
	pt_destroy(pt);
}

/* What a format says of its page sizes is what its tables have. */
static void sizes_are_those_of_the_format(void **state)
{
	for (unsigned c = 0; c < config_nr; c++) {
		struct pt *pt;

		if (configs[c].max_leaf_lg2)
			continue;
		pt = pt_make(&configs[c]);
		assert_int_equal(pt_page_sizes(pt),
				 pt_format_page_sizes(configs[c].format, configs[c].aw));
		pt_destroy(pt);
	}
}

static void a_gather_holds_every_table_taken_out(void **state)
{
	struct pt *pt = pt_make(&amdv1);
	struct pt_gather gather = {NULL};

	assert_int_equal(pt_map(pt, 0x1000, PA_BASE, page_len, RW), 0);
	assert_int_equal(stats_of(pt).tables, 4);
	assert_int_equal(pt_unmap(pt, 0x1000, 0x1fff, &gather), page_len);
	assert_int_equal(stats_of(pt).tables, 1);
	assert_non_null(gather.list);
	pt_gather_free(&gather);
	assert_null(gather.list);
	assert_int_equal(pt_unmap(pt, 0, UINT64_MAX, &gather), 0);
	assert_null(gather.list);
	pt_destroy(pt);
}

/* Whatever was mapped and is no more has left no memory behind. */
static void tables_that_were_taken_out_serve_again(void **state)
{
	for (size_t c = 0; c < config_nr; c++) {
		struct pt *pt = pt_make(&configs[c]);
		const iova_t end = pt_aperture(pt).last + 1;
		uint64_t bytes = 0;

		for (unsigned round = 0; round < 40; round++) {
			const iova_t iova = end / 64 * (round + 3) & ~(page_len - 1);
			struct pt_stats stats;

			assert_int_equal(pt_map(pt, iova, PA_BASE, page_len, IOAS_PROT_READ), 0);
			stats = stats_of(pt);
			assert_int_equal(stats.leaves, 1);
			bytes = round ? bytes : stats.bytes;
			assert_int_equal(stats.bytes, bytes);
			unmap_all(pt);
			assert_int_equal(stats_of(pt).tables, 1);
		}
		pt_destroy(pt);
	}
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void ends_at_its_width(void **state)
{
	for (size_t c = 0; c < config_nr; c++) {
		struct pt *pt = pt_make(&configs[c]);
		iova_t end = pt_aperture(pt).last + 1;
		uint64_t all = least(end, 1ull << least(51, pt_format_pa_bits(configs[c].format)));
		struct ioas_range range;
		struct pt_walk walk;
		uint32_t prot;

		assert_int_equal(pt_map(pt, end - page_len, PA_BASE, page_len, IOAS_PROT_READ), 0);
		assert_int_equal(pt_walk(pt, end - 1, &walk), 0);
		assert_int_equal(walk.pa, PA_BASE + page_len - 1);
		assert_int_equal(walk.prot, pt_prot_fit(pt, IOAS_PROT_READ));
		assert_int_equal(pt_walk(pt, end, &walk), -ERANGE);
		assert_int_equal(pt_walk(pt, UINT64_MAX, &walk), -ERANGE);
		assert_int_equal(pt_nearest(pt, UINT64_MAX, &range, &prot), 0);
		assert_int_equal(range.last, end - 1);
		/* All of it in as few leaves as there can be (else it would be millions). */
		unmap_all(pt);
		if (!configs[c].max_leaf_lg2 && all >> 17 <= pt_page_sizes(pt)) {
			assert_int_equal(pt_map(pt, 0, 0, all, RW), 0);
			assert_int_equal(stats_of(pt).leaves, ref_leaves(pt, 0, 0, all));
		}
		pt_destroy(pt);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_twin_under_random_operations),
		cmocka_unit_test(uses_the_fewest_leaves),
		cmocka_unit_test(a_contiguous_gigabyte_takes_a_handful_of_leaves),
		cmocka_unit_test(honours_the_largest_leaf_allowed),
		cmocka_unit_test(sizes_are_those_of_the_format),
		cmocka_unit_test(a_gather_holds_every_table_taken_out),
		cmocka_unit_test(tables_that_were_taken_out_serve_again),
		cmocka_unit_test(ends_at_its_width),
	};

	return cmocka_run_group_tests(tests, make_configs, NULL);
}
