/* SPDX-License-Identifier: MIT */
/*
 * Description: dirty bits at the ends of all there is: readings of one byte, ranges that go beyond
 * the width, the first page and the last, tables that cannot track.
 */
#include <errno.h>
#include "formats.h"

#define PA_BASE (1ull << 40)
#define RW	(IOAS_PROT_READ | IOAS_PROT_WRITE)

/* The first page, the last, and the one in between that has neither as a neighbour. */
static struct pt *make(const struct pt_config *of, iova_t page[3])
{
	struct pt_config config = *of;
	struct pt *pt;

	config.dirty = true;
	config.max_leaf_lg2 = pt_format_page_lg2(of->format);
	pt = pt_make(&config);
	page[0] = 0;
	page[2] = pt_aperture(pt).last + 1 - page_len;
	page[1] = page[2] / 2 & ~(page_len - 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pt_map(pt, page[i], PA_BASE, page_len, RW), 0);
	return pt;
}

/* Tells whether there is anything, and if so that it is this. */
static bool is_dirty(struct pt *pt, iova_t first, iova_t last, bool clear)
{
	struct ioas_range run[2];
	struct pt_dirty read = {
		.first = first, .last = last, .clear = clear, .runs = run, .max = 2};

	assert_true(pt_dirty_read(pt, &read));
	assert_in_range(read.nr, 0, 1);
	if (read.nr) {
		assert_int_equal(run[0].first, first);
		assert_int_equal(run[0].last, last);
	}
	return read.nr;
}

static void one_byte_is_a_range(void **state)
{
	for (unsigned c = 0; c < config_nr; c++) {
		iova_t page[3];
		struct pt *pt = make(&configs[c], page);

		for (unsigned i = 0; i < 3; i++) {
			const iova_t last = page[i] + page_len - 1;

			assert_int_equal(pt_dirty_set(pt, page[i] + 5), 0);
			assert_true(is_dirty(pt, page[i], page[i], true));
			assert_true(is_dirty(pt, last, last, true));
			assert_true(is_dirty(pt, page[i] + 1, last - 1, true));
			/* None of that was all of a page: it is as it was. */
			assert_true(is_dirty(pt, page[i], last, true));
			assert_false(is_dirty(pt, page[i], last, true));
			assert_false(is_dirty(pt, 0, UINT64_MAX, true));
		}
		pt_destroy(pt);
	}
}

static void ranges_end_with_the_width(void **state)
{
	for (unsigned c = 0; c < config_nr; c++) {
		iova_t page[3], end;
		struct pt *pt = make(&configs[c], page);

		end = pt_aperture(pt).last + 1;
		assert_int_equal(pt_dirty_set(pt, end), -ENOENT);
		assert_int_equal(pt_dirty_set(pt, page[0] + page_len), -ENOENT);
		pt_dirty_set_range(pt, end, end + 8 * page_len);
		pt_dirty_set_range(pt, end, UINT64_MAX);
		pt_dirty_set_range(pt, page[0] + page_len, page[0] + 2 * page_len);
		assert_false(is_dirty(pt, 0, UINT64_MAX, false));
		/* Not what the address would be without the bits above. */
		pt_dirty_set_range(pt, end - 1, end + 2 * page_len);
		assert_false(is_dirty(pt, 0, page[2] - 1, false));
		assert_true(is_dirty(pt, page[2], end - 1, true));
		pt_dirty_set_range(pt, page_len - 1, page_len);
		assert_true(is_dirty(pt, 0, page_len - 1, true));
		assert_false(is_dirty(pt, end, UINT64_MAX, true));
		pt_destroy(pt);
	}
}

static void what_cannot_track_is_never_dirty(void **state)
{
	struct ioas_range run;
	struct pt_dirty read = {.last = UINT64_MAX, .runs = &run, .max = 1, .nr = 7};
	struct pt *pt = pt_make(&configs[0]);

	assert_int_equal(pt_map(pt, 0, PA_BASE, page_len, RW), 0);
	pt_dirty_track(pt, true);
	assert_false(pt_dirty_tracked(pt));
	assert_int_equal(pt_dirty_set(pt, 0), 0);
	assert_int_equal(pt_dirty_set(pt, page_len), -ENOENT);
	pt_dirty_set_range(pt, 0, UINT64_MAX);
	assert_true(pt_dirty_read(pt, &read));
	assert_int_equal(read.nr, 0);
	pt_destroy(pt);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_byte_is_a_range),
		cmocka_unit_test(ranges_end_with_the_width),
		cmocka_unit_test(what_cannot_track_is_never_dirty),
	};

	return cmocka_run_group_tests(tests, make_configs, NULL);
}
