/* SPDX-License-Identifier: MIT */
/*
 * Description: dirty bits of page tables against a brute-force twin: an array with one flag a page
 * and the leaf each page belongs to. Random tables, marks, and readings in pieces of random size.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "formats.h"
#include "pt/mark.h"
#include "tests/unit/rnd.h"
#include "tlp/inflight.h"

#define TWIN_NR	  (1u << 13)
#define PA_BASE	  (1ull << 40)
#define RUNS_MAX  64
#define LINES_MAX 20
#define TAKES_MAX 4
#define RW	  (IOAS_PROT_READ | IOAS_PROT_WRITE)

/* Each page's leaf, as the first page and the number of pages; nr 0: not mapped. */
struct twin {
	uint32_t first[TWIN_NR], nr[TWIN_NR];
	bool dirty[TWIN_NR]; /* at the leaf's first page */
};

static uint64_t seed, page_len;
static iova_t base;
static struct twin twin;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

static struct pt *random_table(const struct pt_config *of)
{
	struct pt_config config = *of;
	struct pt *pt;

	config.dirty = true;
	assert_int_equal(pt_new(&config, &pt), 0);
	page_len = 1ull << pt_page_lg2(pt);
	/* Across the end of a table of each level but the top. */
	base = (pt_aperture(pt).last >> 1) + 1 - TWIN_NR / 2 * page_len;
	memset(&twin, 0, sizeof(twin));
	for (uint64_t page = rnd(64); page < TWIN_NR; page += rnd(300)) {
		uint64_t nr = 1 + rnd(1ull << rnd(12));
		iova_t iova = base + page * page_len;

		if (nr > TWIN_NR - page)
			nr = TWIN_NR - page;
		assert_int_equal(pt_map(pt, iova, PA_BASE + iova % PA_BASE, nr * page_len, RW), 0);
		page += nr;
	}
	for (uint64_t page = 0; page < TWIN_NR; page++) {
		struct pt_walk walk;

		if (pt_walk(pt, base + page * page_len, &walk))
			continue;
		twin.first[page] = (uint32_t)((walk.leaf_first - base) / page_len);
		twin.nr[page] = (uint32_t)(walk.leaf_len / page_len);
	}
	return pt;
}

static void random_mark(struct pt *pt)
{
	uint64_t page = rnd(TWIN_NR);
	iova_t iova = base + page * page_len + rnd(page_len);
	struct pt_walk walk;

	if (!twin.nr[page]) {
		assert_int_equal(pt_dirty_set(pt, iova), -ENOENT);
		return;
	}
	twin.dirty[twin.first[page]] = true;
	if (rnd(2)) {
		assert_int_equal(pt_dirty_set(pt, iova), 0);
		return;
	}
	assert_int_equal(pt_walk(pt, iova, &walk), 0);
	pt_dirty_mark(pt, &walk);
}

/* Of whole pages, of parts of them, and of a byte. */
static void random_range_mark(struct pt *pt)
{
	uint64_t page = rnd(TWIN_NR), nr = rnd(4) ? 1 + rnd(TWIN_NR - page) / 8 : 1;
	iova_t first = base + page * page_len, last = first + nr * page_len - 1;

	switch (rnd(4)) {
	case 0:
		first += rnd(page_len);
		last = nr == 1 ? first : last - rnd(page_len);
		break;
	case 1:
		last -= page_len - 1;
		break;
	case 2:
		first += page_len - 1;
		break;
	}
	pt_dirty_set_range(pt, first, last);
	for (uint64_t i = page; i < page + nr; i++)
		if (twin.nr[i])
			twin.dirty[twin.first[i]] = true;
}

static bool got[TWIN_NR];

/* All of it lies in what was asked for. */
static void note(const struct pt_dirty *read, iova_t first, iova_t last)
{
	assert_true(first >= read->first && last <= read->last);
	for (iova_t at = first; at <= last; at += page_len)
		got[(at - base) / page_len] = true;
}

static void note_line(const struct pt_dirty *read, const pt_dirty_line line, iova_t begin)
{
	for (unsigned i = 0; i < 512; i++)
		if (line[i / 64] >> i % 64 & 1) {
			iova_t first = begin + i * page_len;

			note(read, first, first + page_len - 1);
		}
}

/* Piece by piece, as they come. What lies at either end of it is dirty. */
static void note_take(const struct pt_dirty *read, const struct pt_dirty_take *take)
{
	static const pt_dirty_line clean;
	pt_dirty_line lines[3];
	size_t nr;

	assert_true(take->nr > 0);
	for (size_t from = 0; from < take->nr; from += nr) {
		nr = 1 + rnd(3);
		if (nr > take->nr - from)
			nr = take->nr - from;
		pt_dirty_move(take, from, nr, lines);
		for (size_t i = 0; i < nr; i++)
			note_line(read, lines[i], take->first + (from + i) * 512 * page_len);
	}
	pt_dirty_move(take, 0, 1, lines);
	assert_memory_equal(lines[0], clean, sizeof(clean));
}

static void note_piece(const struct pt_dirty *read, bool all)
{
	iova_t end = read->first;

	assert_true(all || read->nr == read->max || read->line_nr == read->line_max ||
		    read->take_nr);
	for (size_t i = 0; i < read->nr; i++) {
		/* In order but once, where a reading goes on from one map to the other. */
		if (read->runs[i].first < end)
			end = read->first;
		assert_true(read->runs[i].first >= end);
		end = read->runs[i].last + 1;
		note(read, read->runs[i].first, read->runs[i].last);
	}
	for (size_t i = 0; i < read->line_nr; i++)
		note_line(read, read->lines[i], read->line_first[i]);
	for (size_t i = 0; i < read->take_nr; i++)
		note_take(read, &read->takes[i]);
}

/* Reads first..first + nr - 1 in pieces and compares page by page. */
static void read_and_compare(struct pt *pt, uint64_t first, uint64_t nr, bool clear)
{
	struct ioas_range runs[RUNS_MAX];
	iova_t line_first[LINES_MAX];
	pt_dirty_line lines[LINES_MAX];
	struct pt_dirty_take takes[TAKES_MAX];
	struct pt_dirty read = {
		.first = base + first * page_len,
		.last = base + (first + nr) * page_len - 1,
		.clear = clear,
		.runs = runs,
		.lines = rnd(2) ? lines : NULL,
		.line_first = line_first,
		.takes = rnd(2) ? takes : NULL,
	};
	bool all;

	memset(got, 0, sizeof(got));
	do {
		read.max = 1 + rnd(RUNS_MAX);
		read.line_max = 1 + rnd(LINES_MAX);
		read.take_max = 1 + rnd(TAKES_MAX);
		all = pt_dirty_read(pt, &read);
		note_piece(&read, all);
	} while (!all);
	pt_dirty_end(pt);
	for (uint64_t i = first; i < first + nr; i++)
		assert_int_equal(got[i], twin.nr[i] && twin.dirty[twin.first[i]]);
	for (uint64_t i = first; clear && i < first + nr; i++)
		if (twin.nr[i] && twin.first[i] >= first &&
		    twin.first[i] + twin.nr[i] <= first + nr)
			twin.dirty[twin.first[i]] = false;
}

/* After unmapping and mapping anew a leaf is clean. */
static void remap_one(struct pt *pt)
{
	struct pt_gather gather = {NULL};
	uint64_t page = rnd(TWIN_NR), len;
	iova_t iova;

	if (!twin.nr[page])
		return;
	page = twin.first[page];
	iova = base + page * page_len;
	len = twin.nr[page] * page_len;
	assert_int_equal(pt_unmap(pt, iova, iova + len - 1, &gather), len);
	pt_gather_free(&gather);
	assert_int_equal(pt_map(pt, iova, PA_BASE + iova % PA_BASE, len, RW), 0);
	twin.dirty[page] = false;
}

static void agrees_with_the_twin(void **state)
{
	for (size_t c = 0; c < config_nr; c++) {
		struct pt *pt;

		seed = 88172645463325252ull + c;
		pt = random_table(&configs[c]);
		for (unsigned i = 0; i < 100; i++) {
			uint64_t first = rnd(TWIN_NR), nr = 1 + rnd(TWIN_NR - first);

			for (uint64_t k = rnd(1ull << rnd(8)); k; k--)
				random_mark(pt);
			if (!rnd(8))
				random_range_mark(pt);
			remap_one(pt);
			if (!rnd(4)) {
				first = 0;
				nr = TWIN_NR;
			}
			read_and_compare(pt, first, nr, rnd(2));
		}
		pt_dirty_clear(pt, NULL);
		memset(twin.dirty, 0, sizeof(twin.dirty));
		read_and_compare(pt, 0, TWIN_NR, false);
		pt_destroy(pt);
	}
}

/* The largest leaf that a table of pages can hold: of several entries in most formats. */
static void largest_leaf_is_one(const struct pt_config *of)
{
	struct pt_config config = *of;
	struct ioas_range runs[4];
	struct pt_dirty read = {.last = UINT64_MAX, .clear = true, .runs = runs, .max = 4};
	struct pt_walk walk;
	uint64_t len, page;
	struct pt *pt;

	config.dirty = true;
	assert_int_equal(pt_new(&config, &pt), 0);
	page = 1ull << pt_page_lg2(pt);
	len = pt_page_sizes(pt) & ((page << 8) - 1);
	len = 1ull << (63 - __builtin_clzll(len));
	assert_int_equal(pt_map(pt, len, PA_BASE + len, len, RW), 0);
	/* The last of its entries is what the walk comes by. */
	assert_int_equal(pt_walk(pt, 2 * len - page, &walk), 0);
	assert_int_equal(walk.leaf_len, len);
	pt_dirty_mark(pt, &walk);
	assert_true(pt_dirty_read(pt, &read));
	assert_int_equal(read.nr, 1);
	assert_int_equal(runs[0].first, len);
	assert_int_equal(runs[0].last, 2 * len - 1);
	/* The bit does not show in what the walk answers. */
	pt_dirty_mark(pt, &walk);
	assert_int_equal(pt_walk(pt, 2 * len - page + 1, &walk), 0);
	assert_int_equal(walk.pa, PA_BASE + 2 * len - page + 1);
	assert_int_equal(walk.prot, pt_prot_fit(pt, RW));
	/* A part of the leaf is told, and the bit kept, for it speaks for the rest, too. */
	read = (struct pt_dirty){.first = len + page / 2,
				 .last = len + page - 1,
				 .clear = true,
				 .runs = runs,
				 .max = 4};
	for (unsigned i = 0; i < 2; i++) {
		assert_true(pt_dirty_read(pt, &read));
		assert_int_equal(read.nr, 1);
		assert_int_equal(runs[0].first, len + page / 2);
		assert_int_equal(runs[0].last, len + page - 1);
	}
	pt_destroy(pt);
}

static void a_leaf_of_many_entries_is_one(void **state)
{
	for (unsigned c = 0; c < config_nr; c++)
		largest_leaf_is_one(&configs[c]);
}

/* Of a read-only leaf, and where nothing is tracked, Arm's bit would be a permission. */
static void marking_gives_no_permission(void **state)
{
	for (unsigned c = 0; c < config_nr; c++) {
		struct pt_config config = configs[c];

		for (unsigned dirty = 0; dirty < 2; dirty++) {
			struct pt_walk walk;
			struct pt *pt;

			config.dirty = dirty;
			assert_int_equal(pt_new(&config, &pt), 0);
			page_len = 1ull << pt_page_lg2(pt);
			assert_int_equal(pt_map(pt, 0, PA_BASE, page_len, IOAS_PROT_READ), 0);
			assert_int_equal(pt_dirty_set(pt, 0), 0);
			assert_int_equal(pt_walk(pt, 0, &walk), 0);
			assert_false(walk.prot & IOAS_PROT_WRITE);
			pt_dirty_clear(pt, NULL);
			assert_int_equal(pt_walk(pt, 0, &walk), 0);
			assert_false(walk.prot & IOAS_PROT_WRITE);
			pt_destroy(pt);
		}
	}
}

static void a_mark_does_not_reach_what_was_mapped_later(void **state)
{
	static const struct pt_config config = {PT_AMDV1, 48, 12, .dirty = true};
	struct ioas_range runs[4];
	struct pt_dirty read = {.last = UINT64_MAX, .runs = runs, .max = 4};
	struct pt_gather gather = {NULL};
	struct pt_walk walk;
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(pt_map(pt, 0x1000, PA_BASE, 0x2000, RW), 0);
	assert_int_equal(pt_walk(pt, 0x1000, &walk), 0);
	pt_unmap(pt, 0x1000, 0x1fff, &gather);
	pt_dirty_mark(pt, &walk);
	assert_int_equal(pt_map(pt, 0x1000, PA_BASE + 0x8000, 0x1000, RW), 0);
	pt_dirty_mark(pt, &walk);
	assert_true(pt_dirty_read(pt, &read));
	assert_int_equal(read.nr, 0);
	pt_gather_free(&gather);
	pt_destroy(pt);
}

static void tracking_shows_in_the_walk(void **state)
{
	struct pt_config config = {PT_AMDV1, 48, 12};
	struct pt_walk walk;
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	assert_false(pt_dirty_possible(pt));
	pt_destroy(pt);
	config.dirty = true;
	assert_int_equal(pt_new(&config, &pt), 0);
	assert_true(pt_dirty_possible(pt));
	assert_int_equal(pt_map(pt, 0x1000, PA_BASE, 0x1000, RW), 0);
	for (unsigned on = 0; on < 2; on++) {
		pt_dirty_track(pt, on);
		assert_int_equal(pt_dirty_tracked(pt), on);
		assert_int_equal(pt_walk(pt, 0x1000, &walk), 0);
		assert_int_equal(walk.tracked, on);
	}
	pt_destroy(pt);
}

/*
 * Two threads mark pages of the same tables, each page again as soon as it was told; the reader
 * must tell each that was marked before it began, once a mark.
 */
#define RACE_PAGES 1040u /* of three tables */
#define ROUNDS	   3000u

struct marker {
	pthread_t thread;
	unsigned from;
	struct pt *pt;
	_Atomic bool *pending; /* marked, not told yet */
	_Atomic bool *stop;
};

static void *mark_along(void *arg)
{
	struct marker *marker = arg;

	while (!atomic_load(marker->stop)) {
		for (unsigned page = marker->from; page < RACE_PAGES; page += 2) {
			if (atomic_load(&marker->pending[page]))
				continue;
			assert_int_equal(pt_dirty_set(marker->pt, page * 4096ull), 0);
			atomic_store(&marker->pending[page], true);
		}
	}
	return NULL;
}

static void check_round(struct pt *pt, _Atomic bool *pending)
{
	static struct ioas_range runs[RACE_PAGES];
	static bool before[RACE_PAGES];
	struct pt_dirty read = {
		.last = RACE_PAGES * 4096 - 1, .clear = true, .runs = runs, .max = RACE_PAGES};

	for (unsigned i = 0; i < RACE_PAGES; i++)
		before[i] = atomic_load(&pending[i]);
	assert_true(pt_dirty_read(pt, &read));
	for (size_t i = 0, page = 0; page < RACE_PAGES; page++) {
		while (i < read.nr && runs[i].last < page * 4096)
			i++;
		if (i == read.nr || runs[i].first > page * 4096) {
			assert_false(before[page]);
			continue;
		}
		/* Its marker is just about to say so. */
		while (!atomic_load(&pending[page]))
			sched_yield();
		atomic_store(&pending[page], false);
	}
}

static void no_mark_is_lost_between_marking_and_reading(void **state)
{
	static const struct pt_config config = {PT_AMDV1, 48, 12, .dirty = true};
	static _Atomic bool pending[RACE_PAGES], stop;
	struct marker marker[2];
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(pt_map(pt, 0, PA_BASE, RACE_PAGES * 4096, RW), 0);
	for (unsigned i = 0; i < 2; i++) {
		marker[i] = (struct marker){0, i, pt, pending, &stop};
		assert_int_equal(pthread_create(&marker[i].thread, NULL, mark_along, &marker[i]),
				 0);
	}
	for (unsigned round = 0; round < ROUNDS; round++)
		check_round(pt, pending);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(marker[i].thread, NULL);
	check_round(pt, pending);
	check_round(pt, pending);
	pt_destroy(pt);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_twin),
		cmocka_unit_test(a_leaf_of_many_entries_is_one),
		cmocka_unit_test(marking_gives_no_permission),
		cmocka_unit_test(a_mark_does_not_reach_what_was_mapped_later),
		cmocka_unit_test(tracking_shows_in_the_walk),
		cmocka_unit_test(no_mark_is_lost_between_marking_and_reading),
	};

	return cmocka_run_group_tests(tests, make_configs, NULL);
}
