/* SPDX-License-Identifier: MIT */
/*
 * Description: dirty bits of many tables side by side, one leaf in each, of which all, some or few
 * are dirty: they are told, by lines or as takes, whatever order they were made in, with large
 * leaves between them, in pieces of random size.
 */
#include <stdlib.h>
#include <string.h>
#include "formats.h"
#include "pt/pt_private.h"
#include "tests/unit/rnd.h"

#define LEAF_NR	  600u /* of as many tables, or a large leaf each */
#define PA_BASE	  (1ull << 40)
#define RUNS_MAX  16
#define LINES_MAX 300
#define TAKES_MAX 40
#define RW	  (IOAS_PROT_READ | IOAS_PROT_WRITE)

struct leaf {
	iova_t first, last;
	bool dirty, told;
};

static struct leaf leaf[LEAF_NR];
static uint64_t seed, table_len; /* bytes that a table maps */

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

/* Bytes that a table of the smallest pages maps: as many as the next larger kind of table entry. */
static uint64_t table_len_of(const struct pt *pt)
{
	switch (pt_page_lg2(pt)) {
	case 14:
		return 1ull << 25;
	case 16:
		return 1ull << 29;
	default:
		return 512ull << pt_page_lg2(pt);
	}
}

static void map_leaf(struct pt *pt, unsigned i)
{
	bool large = !rnd(40);
	iova_t at = (1 + i) * table_len + (large ? 0 : rnd(table_len / page_len) * page_len);
	struct pt_walk walk;

	assert_int_equal(pt_map(pt, at, PA_BASE + at, large ? table_len : page_len, RW), 0);
	/* Where large leaves are not allowed that is the first of many. */
	assert_int_equal(pt_walk(pt, at, &walk), 0);
	leaf[i] = (struct leaf){.first = walk.leaf_first,
				.last = walk.leaf_first + walk.leaf_len - 1};
}

/* In order, backwards, or any. */
static void map_leaves(struct pt *pt)
{
	unsigned order[LEAF_NR], how = (unsigned)rnd(3);

	for (unsigned i = 0; i < LEAF_NR; i++)
		order[i] = how == 1 ? LEAF_NR - 1 - i : i;
	for (unsigned i = LEAF_NR - 1; how == 2 && i; i--) {
		unsigned k = (unsigned)rnd(i + 1), t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
	for (unsigned i = 0; i < LEAF_NR; i++)
		map_leaf(pt, order[i]);
}

/* Neighbours are told as one. */
static void note(const struct pt_dirty *read, iova_t first, iova_t last)
{
	assert_true(first >= read->first && last <= read->last);
	while (first <= last) {
		struct leaf *of = &leaf[first / table_len - 1];

		assert_in_range(first, of->first, of->last);
		of->told = true;
		first = of->last + 1;
	}
}

/* Is any of it dirty? */
static bool note_line(const struct pt_dirty *read, const pt_dirty_line line, iova_t first)
{
	bool any = false;

	for (unsigned bit = 0; bit < 512; bit++) {
		iova_t page = first + bit * page_len;

		if (!(line[bit / 64] >> bit % 64 & 1))
			continue;
		note(read, page, page + page_len - 1);
		any = true;
	}
	return any;
}

/* What is clean in a take lies between what is not, and is no longer than a page of a bitmap. */
static void note_take(const struct pt_dirty *read, const struct pt_dirty_take *take)
{
	size_t table_lines = table_len / page_len / 512, clean = 0;
	pt_dirty_line line;
	bool any = false;

	for (size_t i = 0; i < take->nr; i++) {
		pt_dirty_move(take, i, 1, &line);
		any = note_line(read, line, take->first + i * 512 * page_len);
		clean = any ? 0 : clean + 1;
		assert_true(clean < 16 * table_lines);
	}
	assert_true(clean < table_lines);
}

/* Clean lines take no room. */
static void note_piece(const struct pt_dirty *read)
{
	for (size_t i = 0; i < read->nr; i++)
		note(read, read->runs[i].first, read->runs[i].last);
	for (size_t i = 0; i < read->line_nr; i++)
		assert_true(note_line(read, read->lines[i], read->line_first[i]));
	for (size_t i = 0; i < read->take_nr; i++)
		note_take(read, &read->takes[i]);
}

static void read_and_compare(struct pt *pt, iova_t first, iova_t last, bool clear)
{
	static struct ioas_range runs[RUNS_MAX];
	static pt_dirty_line lines[LINES_MAX];
	static iova_t line_first[LINES_MAX];
	static struct pt_dirty_take takes[TAKES_MAX];
	struct pt_dirty read = {.first = first,
				.last = last,
				.clear = clear,
				.runs = runs,
				.lines = lines,
				.line_first = line_first,
				.takes = rnd(3) ? takes : NULL};
	bool all;

	do {
		read.max = 1 + rnd(RUNS_MAX);
		read.line_max = 1 + rnd(1ull << rnd(9)) % LINES_MAX;
		read.take_max = 1 + rnd(TAKES_MAX);
		all = pt_dirty_read(pt, &read);
		assert_true(all || read.nr == read.max || read.line_nr == read.line_max ||
			    read.take_nr);
		note_piece(&read);
	} while (!all);
	pt_dirty_end(pt);
	for (unsigned i = 0; i < LEAF_NR; i++) {
		bool inside = leaf[i].first >= first && leaf[i].last <= last;

		assert_int_equal(leaf[i].told,
				 leaf[i].dirty && leaf[i].last >= first && leaf[i].first <= last);
		leaf[i].told = false;
		leaf[i].dirty &= !(clear && inside);
	}
}

static void mark_some(struct pt *pt)
{
	uint64_t of = rnd(3) ? 1 + rnd(30) : 1;

	for (unsigned i = 0; i < LEAF_NR; i++)
		if (!rnd(of)) {
			assert_int_equal(pt_dirty_set(pt, leaf[i].first), 0);
			leaf[i].dirty = true;
		}
}

static void each_mark_is_told_once(void **state)
{
	for (unsigned c = 0; c < config_nr; c++) {
		struct pt_config config = configs[c];
		struct pt *pt;

		seed = 88172645463325252ull + c;
		config.dirty = true;
		assert_int_equal(pt_new(&config, &pt), 0);
		page_len = 1ull << pt_page_lg2(pt);
		table_len = table_len_of(pt);
		/* Narrow ones have fewer tables. */
		if (pt_aperture(pt).last / table_len > LEAF_NR) {
			map_leaves(pt);
			for (unsigned i = 0; i < 12; i++) {
				uint64_t pages = (LEAF_NR + 2) * (table_len / page_len);
				uint64_t first = rnd(pages), nr = 1 + rnd(pages - first);
				bool whole = rnd(2);

				mark_some(pt);
				read_and_compare(pt, whole ? 0 : first * page_len,
						 whole ? UINT64_MAX : (first + nr) * page_len - 1,
						 rnd(3));
			}
		}
		pt_destroy(pt);
	}
}

/* One in eight of 64 tables side by side, the last of 128: what lies between is taken with it. */
static void what_is_dense_is_one_take(void **state)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48, .dirty = true};
	struct pt_dirty_take takes[8];
	struct pt_dirty read = {.last = UINT64_MAX, .clear = true, .takes = takes, .take_max = 8};
	struct pt *pt;

	for (unsigned i = 0; i < LEAF_NR; i++)
		leaf[i] = (struct leaf){0};
	assert_int_equal(pt_new(&config, &pt), 0);
	page_len = 1ull << pt_page_lg2(pt);
	table_len = table_len_of(pt);
	for (unsigned i = 0; i < 128; i++)
		assert_int_equal(pt_map(pt, i * table_len, PA_BASE, page_len, RW), 0);
	for (unsigned i = 64; i < 128; i += 8) {
		assert_int_equal(pt_dirty_set(pt, i * table_len), 0);
		leaf[i - 1].first = i * table_len;
		leaf[i - 1].last = i * table_len + page_len - 1;
	}
	assert_true(pt_dirty_read(pt, &read));
	assert_int_equal(read.take_nr, 1);
	note_piece(&read);
	pt_dirty_end(pt);
	for (unsigned i = 64; i < 128; i++)
		assert_int_equal(leaf[i - 1].told, i % 8 == 0);
	pt_destroy(pt);
}

/* What a reading with takes keeps readable goes with its end; one without keeps nothing. */
static void a_reading_ends(void **state)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48, .dirty = true};
	struct pt_dirty_take takes[2];
	struct pt_dirty with = {.last = UINT64_MAX, .clear = true, .takes = takes, .take_max = 2};
	struct ioas_range runs[2];
	struct pt_dirty without = {.last = UINT64_MAX, .clear = true, .runs = runs, .max = 2};
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	assert_true(pt_dirty_read(pt, &without));
	assert_false(pt->store.held);
	assert_true(pt_dirty_read(pt, &with));
	assert_true(pt->store.held);
	pt_dirty_end(pt);
	assert_false(pt->store.held);
	pt_destroy(pt);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mark_is_told_once),
		cmocka_unit_test(what_is_dense_is_one_take),
		cmocka_unit_test(a_reading_ends),
	};

	return cmocka_run_group_tests(tests, make_configs, NULL);
}
