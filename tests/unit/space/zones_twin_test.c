/* SPDX-License-Identifier: MIT */
/*
 * Description: zones find the room that going through them one by one finds, whatever is mapped and
 * unmapped in them; their bounds never say less than there is, and sum up what is below them.
 */
#include "rig.h"
#include "space/ranges.h"
#include "tests/unit/rnd.h"

#define MAX  64u
#define LAST (UINT64_MAX - PAGE) /* that is ever chosen */

static uint64_t seed;
static struct zones zones;
static struct areas areas;
static struct space_area list[400];
static bool is_in[400];

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

static int64_t pages_at(const struct areas_fit *fit, unsigned order)
{
	int64_t pages = areas_fit_pages(fit, order);

	return pages > 0 ? pages : 0;
}

/* Sorted, disjoint, each of whole pages; some touch the one before. */
static size_t any_ranges(struct ioas_range *out, size_t max)
{
	iova_t at = rnd(4) * PAGE;
	size_t nr = 0;

	for (size_t want = rnd(max + 1); nr < want; nr++) {
		uint64_t len = (1 + rnd(rnd(3) ? 8 : 200)) * PAGE;

		out[nr] = (struct ioas_range){at, at + len - 1};
		at += len + (rnd(4) ? rnd(20) * PAGE : 0);
	}
	return nr;
}

/* What there is of a range when neither its first nor its last addresses are chosen. */
static void check_set(const struct ioas_range *range, size_t nr)
{
	struct ioas_range want[MAX];
	size_t n = 0;

	for (size_t i = 0; i < nr; i++) {
		iova_t first = range[i].first < PAGE ? PAGE : range[i].first;
		iova_t last = range[i].last > LAST ? LAST : range[i].last;

		if (first > last)
			continue;
		if (n && want[n - 1].last + 1 == first)
			want[n - 1].last = last;
		else
			want[n++] = (struct ioas_range){first, last};
	}
	assert_int_equal(zones.nr, n);
	assert_memory_equal(zones.range, want, n * sizeof(*want));
}

static void merge_gap(iova_t first, iova_t last, struct areas_fit *out)
{
	struct areas_fit gap;

	areas_fit_gap(first, last, &gap);
	areas_fit_merge(out, &gap);
}

/* Of a range, by going through all that is mapped. */
static struct areas_fit exact_fit(iova_t first, iova_t last)
{
	struct areas_fit out = {.pages = 0};

	for (unsigned i = 0; i < 400 && first <= last; i++) {
		if (!is_in[i] || list[i].last < first)
			continue;
		if (list[i].first > first)
			merge_gap(first, list[i].first <= last ? list[i].first - 1 : last, &out);
		first = list[i].last + 1;
	}
	if (first <= last)
		merge_gap(first, last, &out);
	return out;
}

static void check_bounds(void)
{
	for (size_t i = 0; i < zones.leaves; i++) {
		const struct areas_fit *bound = &zones.bound[zones.leaves + i];
		struct areas_fit exact = {.pages = 0};

		if (i < zones.nr)
			exact = exact_fit(zones.range[i].first, zones.range[i].last);
		for (unsigned order = 0; order < AREAS_ORDERS; order++)
			assert_true(pages_at(bound, order) >= pages_at(&exact, order));
	}
	for (size_t node = 1; node < zones.leaves; node++) {
		struct areas_fit sum = zones.bound[2 * node];

		areas_fit_merge(&sum, &zones.bound[2 * node + 1]);
		assert_memory_equal(&sum, &zones.bound[node], sizeof(sum));
	}
}

/* In one zone, from `first` on, by going through all that is mapped. */
static bool room_in(const struct areas_request *req, iova_t first, iova_t last, iova_t *out)
{
	for (unsigned i = 0; i < 400 && first <= last; i++) {
		iova_t end = list[i].first <= last ? list[i].first : last + 1;

		if (!is_in[i] || list[i].last < first)
			continue;
		if (end > first && areas_place(req, first, end - 1, out))
			return true;
		first = list[i].last + 1;
	}
	return first <= last && areas_place(req, first, last, out);
}

static bool room(const struct areas_request *req, iova_t *out)
{
	for (size_t i = 0; i < zones.nr; i++) {
		iova_t start;

		if (!areas_place(req, zones.whole ? PAGE : zones.range[i].first, LAST, &start))
			return false;
		if (start < zones.range[i].first)
			start = zones.range[i].first;
		if (room_in(req, start, zones.range[i].last, out))
			return true;
	}
	return false;
}

static void check_room(void)
{
	struct areas_request req = {.align = PAGE << (rnd(2) ? 0 : rnd(AREAS_ORDERS)),
				    .len = (1 + rnd(rnd(2) ? 4 : 100)) * PAGE};
	iova_t want, got;
	bool found;

	/* Where there is no page table: any length, at an offset. */
	if (!rnd(3)) {
		req.align = 1ull << rnd(12);
		req.offset = rnd(PAGE) & -req.align;
		req.len -= rnd(PAGE);
	}
	found = room(&req, &want);

	assert_int_equal(zones_room(&zones, &areas, &req, &got), found);
	if (found)
		assert_int_equal(got, want);
}

static void insert(unsigned i)
{
	assert_int_equal(areas_reserve(&areas, 1), 0);
	areas_insert(&areas, &list[i]);
	is_in[i] = true;
}

static void drop(unsigned i)
{
	areas_remove(&areas, &list[i]);
	zones_loosen(&zones, list[i].first, list[i].last);
	is_in[i] = false;
}

static void set_any(bool whole)
{
	struct ioas_range range[MAX];
	size_t nr = any_ranges(range, MAX);

	assert_int_equal(zones_prepare(&zones, nr), 0);
	zones_set(&zones, range, nr, whole);
	assert_false(zones.tight);
	check_set(range, nr);
}

static void any_order_finds_what_is_there(void **state)
{
	seed = 4321;
	for (unsigned round = 0; round < 60; round++) {
		zones_init(&zones);
		areas_init(&areas);
		for (iova_t i = 0, at = 0; i < 400; i++) {
			uint64_t len = (1 + rnd(6)) * PAGE;

			list[i] = (struct space_area){.first = at, .last = at + len - 1};
			at += len + (rnd(3) ? 0 : rnd(30) * PAGE);
		}
		set_any(round & 1);
		for (unsigned step = 0; step < 400; step++) {
			unsigned i = (unsigned)rnd(400);

			if (is_in[i])
				drop(i);
			else
				insert(i);
			/* Many at once, so that some zones are full. */
			for (unsigned k = i; k < 400 && k < i + 40 && !(step % 16); k++)
				if (!is_in[k])
					insert(k);
			check_room();
			check_bounds();
			if (step % 100 == 99)
				set_any(round & 1);
		}
		for (unsigned i = 0; i < 400; i++)
			if (is_in[i])
				drop(i);
		check_bounds();
		areas_fini(&areas);
		zones_fini(&zones);
	}
}

/* Of ranges at both ends what may be chosen is kept; those that touch become one. */
static void ranges_are_clipped_and_joined(void **state)
{
	static const struct ioas_range sets[][4] = {
		{{0, PAGE - 1}},
		{{0, PAGE}},
		{{0, UINT64_MAX}},
		{{0, PAGE - 2}, {PAGE - 1, PAGE - 1}, {PAGE, PAGE}},
		{{PAGE, 2 * PAGE - 1}, {2 * PAGE, 3 * PAGE - 1}, {3 * PAGE + 1, 4 * PAGE}},
		{{LAST - 1, LAST}},
		{{LAST + 1, UINT64_MAX}},
		{{8, 9}, {LAST - 9, LAST - 2}, {LAST - 1, LAST + 1}, {LAST + 2, UINT64_MAX}},
		{{LAST, UINT64_MAX}},
	};

	zones_init(&zones);
	assert_int_equal(zones_prepare(&zones, 4), 0);
	for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		size_t nr = 0;

		while (nr < 4 && sets[i][nr].last)
			nr++;
		zones_set(&zones, sets[i], nr, true);
		check_set(sets[i], nr);
	}
	/* A wider tree has what the one before had. */
	assert_int_equal(zones_prepare(&zones, 5), 0);
	assert_int_equal(zones.cap, 8);
	check_set(sets[8], 1);
	assert_true(zones.whole);
	assert_int_equal(zones_prepare(&zones, 8), 0);
	assert_int_equal(zones.cap, 8);
	zones_fini(&zones);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_clipped_and_joined),
		cmocka_unit_test(any_order_finds_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
