/* SPDX-License-Identifier: MIT */
/*
 * Description: the bounds of free ranges, each kept in a few bytes, say for every alignment what
 * counting pages says, of one range and of the best of several.
 */
#include "rig.h"
#include "space/areas.h"
#include "tests/unit/rnd.h"

static uint64_t seed = 4711;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

/* Pages that fit at an alignment, a broken one at the end counting as one. */
static uint64_t count(iova_t first, iova_t last, unsigned order)
{
	uint64_t align = order ? AREAS_ALIGN_MIN << order : 1;
	iova_t start = (first + align - 1) & -align;

	if (start < first || start > last)
		return 0;
	return (last - start) / PAGE + 1;
}

static void check(const struct areas_fit *fit, const uint64_t best[AREAS_ORDERS])
{
	for (unsigned order = 0; order < AREAS_ORDERS; order++) {
		struct areas_request req = {.align = AREAS_ALIGN_MIN << order};

		req.len = best[order] * PAGE;
		assert_true(!req.len || areas_fits(fit, &req));
		req.len += PAGE;
		assert_false(areas_fits(fit, &req));
	}
}

/* Most are small and near one another, as far as differences matter. */
static void any_gap(iova_t *first, iova_t *last, bool broken)
{
	uint64_t pages = 1 + rnd(1ull << (rnd(8) ? rnd(12) : rnd(20)));

	*first = rnd(1ull << (13 + rnd(40)));
	*last = *first + pages * PAGE - 1;
	if (!broken) {
		*first &= ~(PAGE - 1);
		*last |= PAGE - 1;
	} else {
		*last -= rnd(PAGE);
	}
}

static void test_one_range(void **state)
{
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t best[AREAS_ORDERS];
		struct areas_fit fit;
		iova_t first, last;

		any_gap(&first, &last, i & 1);
		for (unsigned order = 0; order < AREAS_ORDERS; order++)
			best[order] = count(first, last, order);
		areas_fit_gap(first, last, &fit);
		check(&fit, best);
	}
}

static void test_best_of_several(void **state)
{
	for (unsigned i = 0; i < 5000; i++) {
		struct areas_fit fit = {.pages = 0};
		uint64_t best[AREAS_ORDERS] = {0};

		for (unsigned k = 0; k < 20; k++) {
			struct areas_fit more;
			iova_t first, last;

			any_gap(&first, &last, i & 1);
			areas_fit_gap(first, last, &more);
			areas_fit_merge(&fit, &more);
			for (unsigned order = 0; order < AREAS_ORDERS; order++)
				if (count(first, last, order) > best[order])
					best[order] = count(first, last, order);
			check(&fit, best);
		}
	}
}

/* Whatever is asked for may fit where there is more than can be counted. */
static void test_ends_of_the_space(void **state)
{
	struct areas_request req = {.len = UINT64_MAX - PAGE, .align = AREAS_ALIGN_MAX};
	struct areas_fit fit, none = {.pages = 0};

	areas_fit_gap(0, UINT64_MAX, &fit);
	assert_true(areas_fits(&fit, &req));
	areas_fit_merge(&none, &fit);
	assert_true(areas_fits(&none, &req));
	areas_fit_gap(UINT64_MAX - 2 * PAGE + 1, UINT64_MAX, &fit);
	req.len = 2 * PAGE;
	assert_false(areas_fits(&fit, &req));
	req.align = 2 * PAGE;
	assert_true(areas_fits(&fit, &req));
	req.len = 3 * PAGE;
	assert_false(areas_fits(&fit, &req));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_range),
		cmocka_unit_test(test_best_of_several),
		cmocka_unit_test(test_ends_of_the_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
