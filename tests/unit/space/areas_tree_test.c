/* SPDX-License-Identifier: MIT */
/*
 * Description: a tree of areas finds what going through a sorted list of them finds, the lowest
 * room included, however areas come and go; and what it reserves is enough.
 */
#include "rig.h"
#include "space/areas.h"
#include "tests/unit/rnd.h"
#include "util/inject.h"

#define MAX   3000
#define SPACE (1ull << 30)

static uint64_t seed;
static struct areas areas;
static struct space_area *list[MAX]; /* in order */
static size_t nr;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

/* The first area that ends at or after `iova`, by going through them. */
static size_t find(iova_t iova)
{
	size_t i = 0;

	while (i < nr && list[i]->last < iova)
		i++;
	return i;
}

static bool room(const struct areas_request *req, iova_t first, iova_t last, iova_t *out)
{
	for (size_t i = 0; i <= nr && first <= last; i++) {
		iova_t end = i < nr && list[i]->first <= last ? list[i]->first : last + 1;

		if (end > first && areas_place(req, first, end - 1, out))
			return true;
		if (i < nr && list[i]->last >= first)
			first = list[i]->last + 1;
	}
	return false;
}

static struct areas_request request(void)
{
	struct areas_request req = {.align = AREAS_ALIGN_MIN << rnd(AREAS_ORDERS)};

	req.len = PAGE * (1 + rnd(1ull << rnd(8)));
	return req;
}

static void insert(iova_t first, iova_t last)
{
	struct space_area *area = calloc(1, sizeof(*area));
	size_t at = find(first);

	assert_non_null(area);
	area->first = first;
	area->last = last;
	/* As MAP does at a given address. */
	if (rnd(2))
		assert_ptr_equal(areas_seek(&areas, first), at < nr ? list[at] : NULL);
	assert_int_equal(areas_reserve(&areas, 1), 0);
	areas_insert(&areas, area);
	memmove(&list[at + 1], &list[at], (nr++ - at) * sizeof(*list));
	list[at] = area;
}

static void drop(size_t at)
{
	struct space_area *area = list[at];

	if (rnd(2))
		assert_ptr_equal(areas_seek(&areas, area->first), area);
	areas_remove(&areas, area);
	memmove(&list[at], &list[at + 1], (--nr - at) * sizeof(*list));
	free(area);
}

static void check_find(iova_t iova)
{
	size_t at = find(iova);
	struct space_area *area = areas_find(&areas, iova);

	assert_ptr_equal(area, at < nr ? list[at] : NULL);
	if (rnd(2))
		assert_ptr_equal(areas_seek(&areas, iova), area);
	if (area)
		assert_ptr_equal(areas_next(&areas, area), at + 1 < nr ? list[at + 1] : NULL);
}

/* Room there is, and a bound that lets it in. */
static void check_room(void)
{
	struct areas_request req = request();
	iova_t first = rnd(2) ? PAGE : PAGE + rnd(SPACE), last = first + rnd(SPACE), ours, theirs;
	struct areas_fit fit;
	bool found;

	if (rnd(2))
		last = UINT64_MAX - PAGE;
	areas_fit_range(&areas, first, last, &fit);
	found = room(&req, first, last, &theirs);
	if (found)
		assert_true(areas_fits(&fit, &req));
	assert_int_equal(areas_room(&areas, &req, first, last, &ours), found);
	if (found)
		assert_int_equal(ours, theirs);
}

static bool taken_at_zero(void)
{
	return nr && list[0]->first < 3 * PAGE;
}

static void step(unsigned grow)
{
	iova_t first;

	if (!rnd(50) && !taken_at_zero())
		insert(0, rnd(3 * PAGE));
	if (nr < MAX && rnd(100) < grow) {
		struct areas_request req = request();
		iova_t from = rnd(3) ? rnd(SPACE) : PAGE;

		req.align = PAGE;
		if (areas_room(&areas, &req, from, SPACE - 1, &first))
			insert(first, first + req.len - 1 - (rnd(4) ? 0 : rnd(PAGE)));
	} else if (nr && rnd(4)) {
		drop(rnd(nr));
	} else if (nr) {
		/* Some that lie one after the other. */
		size_t at = rnd(nr);

		for (unsigned i = rnd(100); i && at < nr; i--)
			drop(at);
	}
	check_find(rnd(SPACE));
	if (nr)
		check_find(list[rnd(nr)]->last);
	check_room();
}

static void empty(void)
{
	while (nr)
		drop(rnd(2) ? 0 : nr - 1);
	assert_null(areas_find(&areas, 0));
	areas_fini(&areas);
}

static void any_order(void **state)
{
	seed = 1;
	areas_init(&areas);
	for (unsigned i = 0; i < 24000; i++)
		step(i % 8000 < 5000 ? 90 : 20);
	empty();
}

/* Up and down, as drivers do it: in order, and the other way round. */
static void in_a_row(void **state)
{
	seed = 99;
	areas_init(&areas);
	for (unsigned round = 0; round < 4; round++) {
		for (uint64_t i = 0; i < MAX; i++) {
			uint64_t at = (round & 1 ? MAX - i : i) * 2 * PAGE;

			insert(at, at + PAGE - 1);
		}
		for (unsigned i = 0; i < 200; i++) {
			check_find(rnd(MAX * 2 * PAGE));
			check_room();
		}
		while (nr)
			drop(round & 2 ? nr - 1 : 0);
		check_room();
	}
	empty();
}

/* Many at once between two: what was reserved for them is enough, or nothing happens. */
static void what_is_reserved_is_enough(void **state)
{
	static struct space_area many[2 * MAX];

	for (size_t more = 1; more < MAX; more = more * 3 + 1) {
		size_t at = 0;

		areas_init(&areas);
		for (size_t before = 0; before < 2 * more % 500 + 40; before++, at++) {
			many[at] = (struct space_area){.first = before * PAGE << 16,
						       .last = before * PAGE << 16};
			assert_int_equal(areas_reserve(&areas, 1), 0);
			areas_insert(&areas, &many[at]);
		}
		inject_arm(1);
		if (areas_reserve(&areas, more))
			assert_int_equal(areas_reserve(&areas, more), 0);
		inject_arm(0);
		for (size_t i = 0; i < more; i++, at++) {
			many[at] = (struct space_area){.first = (20 * PAGE << 16) + (i + 1) * PAGE,
						       .last = (20 * PAGE << 16) + (i + 1) * PAGE};
			areas_insert(&areas, &many[at]);
		}
		while (at--)
			areas_remove(&areas, &many[at]);
		assert_null(areas_find(&areas, 0));
		areas_fini(&areas);
	}
}

/* Behind an area that ends where the range or all addresses do there is none. */
static void behind_the_last_area_is_what_is_left(void **state)
{
	struct areas_request req = {.len = PAGE, .align = PAGE};
	iova_t out;

	areas_init(&areas);
	insert(PAGE, 4 * PAGE - 1);
	assert_false(areas_room(&areas, &req, PAGE, 4 * PAGE - 1, &out));
	assert_false(areas_room(&areas, &req, PAGE, 5 * PAGE - 2, &out));
	assert_true(areas_room(&areas, &req, PAGE, 5 * PAGE - 1, &out));
	assert_int_equal(out, 4 * PAGE);
	insert(4 * PAGE, UINT64_MAX);
	assert_false(areas_room(&areas, &req, PAGE, UINT64_MAX, &out));
	assert_false(areas_room(&areas, &req, PAGE, UINT64_MAX - 1, &out));
	assert_false(areas_room(&areas, &req, UINT64_MAX - PAGE, UINT64_MAX, &out));
	assert_false(areas_room(&areas, &req, 3 * PAGE, 2 * PAGE, &out));
	drop(1);
	assert_true(areas_room(&areas, &req, UINT64_MAX - PAGE + 1, UINT64_MAX, &out));
	assert_int_equal(out, UINT64_MAX - PAGE + 1);
	assert_false(areas_room(&areas, &req, UINT64_MAX - PAGE + 2, UINT64_MAX, &out));
	drop(0);
	areas_fini(&areas);
}

/* Wherever it is: among areas side by side there is one gap. */
static void one_gap_is_in_the_bound_of_all(void **state)
{
	static const size_t gaps[] = {0, 1, 70, 700, 1500, 2300, 2950, MAX - 1};
	struct areas_request req = {.len = 8 * PAGE, .align = PAGE};

	for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		iova_t at = PAGE, gap = 0, out;
		struct areas_fit fit;

		areas_init(&areas);
		for (size_t k = 0; k < MAX; k++, at += PAGE) {
			if (k == gaps[i]) {
				gap = at;
				at += 8 * PAGE;
			}
			insert(at, at + PAGE - 1);
		}
		areas_fit_range(&areas, PAGE, at - 1, &fit);
		assert_true(areas_fits(&fit, &req));
		assert_true(areas_room(&areas, &req, PAGE, at - 1, &out));
		assert_int_equal(out, gap);
		/* On neither side of it there is any, nor does the search look there again. */
		req.len = PAGE;
		if (gap > PAGE) {
			areas_fit_range(&areas, PAGE, gap - 1, &fit);
			assert_false(areas_fits(&fit, &req));
		}
		areas_fit_range(&areas, gap + 8 * PAGE, at - 1, &fit);
		assert_false(areas_fits(&fit, &req));
		req.len = 8 * PAGE;
		while (nr)
			drop(nr - 1);
		areas_fini(&areas);
	}
}

/* The most pages that a bound lets in. */
static uint64_t most(const struct areas_fit *fit, struct areas_request *req)
{
	uint64_t low = 0, high = SPACE / PAGE;

	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;

		req->len = middle * PAGE;
		if (areas_fits(fit, req))
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/*
 * Of whole pages a bound is exact as long as nothing above it is: of the few areas of one leaf.
 * Also of a range that begins or ends in an area, beside one, or before the first.
 */
static void the_bound_of_a_range_is_exact(void **state)
{
	seed = 7;
	for (unsigned round = 0; round < 400; round++) {
		uint64_t pages = 1ull << (4 + rnd(8)), first, last;
		struct areas_fit fit;
		iova_t out;

		areas_init(&areas);
		for (uint64_t at = rnd(3) + 1; at < pages && nr < 12;) {
			uint64_t len = 1 + rnd(1 + rnd(pages) / 4);

			insert(at * PAGE, (at + len) * PAGE - 1);
			at += len + (rnd(3) ? 0 : rnd(pages) / 4);
		}
		if (rnd(2))
			insert(0, PAGE - 1);
		for (unsigned i = 0; i < 8; i++) {
			first = 1 + rnd(pages);
			last = first + rnd(pages + 1);
			areas_fit_range(&areas, first * PAGE, (last + 1) * PAGE - 1, &fit);
			for (unsigned order = 0; order < AREAS_ORDERS; order++) {
				struct areas_request req = {.align = AREAS_ALIGN_MIN << order};
				uint64_t len = most(&fit, &req);

				req.len = len * PAGE;
				if (len)
					assert_true(room(&req, first * PAGE, (last + 1) * PAGE - 1,
							 &out));
				req.len = (len + 1) * PAGE;
				assert_false(room(&req, first * PAGE, (last + 1) * PAGE - 1, &out));
			}
		}
		empty();
	}
}

/* A mapping may end with any byte where there is no page table: also with the first that is chosen.
 */
static void room_begins_behind_the_last_byte(void **state)
{
	static const iova_t ends[] = {AREAS_CHOOSE_FIRST - 1, AREAS_CHOOSE_FIRST,
				      AREAS_CHOOSE_FIRST + 1};

	for (unsigned i = 0; i < 3; i++) {
		struct areas_request req = {.len = 1, .align = 1};
		iova_t want = ends[i] + 1, got;

		areas_init(&areas);
		insert(0, ends[i]);
		insert(ends[i] + 3, ends[i] + 3);
		assert_true(areas_room(&areas, &req, AREAS_CHOOSE_FIRST, SPACE, &got));
		assert_int_equal(got, want);
		/* Up to the next one, also where that is where the range ends. */
		req.len = 2;
		for (unsigned k = 0; k < 3; k++) {
			assert_true(areas_room(&areas, &req, want, ends[i] + 2 + k, &got));
			assert_int_equal(got, want);
		}
		req.len++;
		for (unsigned k = 0; k < 3; k++)
			assert_false(areas_room(&areas, &req, want, ends[i] + 2 + k, &got));
		empty();
	}
}

/* So it is behind the last area of all: neither its room nor the bound has that byte. */
static void what_is_left_begins_behind_the_last_byte(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		struct areas_request req = {.len = 1, .align = 1};
		iova_t last = 8 * PAGE - 1 + i, got;
		struct areas_fit fit;

		areas_init(&areas);
		insert(2 * PAGE, last);
		assert_true(areas_room(&areas, &req, 8 * PAGE, SPACE, &got));
		assert_int_equal(got, last + 1);
		assert_true(areas_room(&areas, &req, last, SPACE, &got));
		assert_int_equal(got, last + 1);
		areas_fit_range(&areas, 8 * PAGE, last + PAGE, &fit);
		req.len = PAGE;
		assert_true(areas_fits(&fit, &req));
		req.len++;
		assert_false(areas_fits(&fit, &req));
		empty();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_gap_is_in_the_bound_of_all),
		cmocka_unit_test(behind_the_last_area_is_what_is_left),
		cmocka_unit_test(room_begins_behind_the_last_byte),
		cmocka_unit_test(what_is_left_begins_behind_the_last_byte),
		cmocka_unit_test(the_bound_of_a_range_is_exact),
		cmocka_unit_test(any_order),
		cmocka_unit_test(in_a_row),
		cmocka_unit_test(what_is_reserved_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
