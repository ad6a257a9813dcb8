/* SPDX-License-Identifier: MIT */
/*
 * Description: a window of parts of others, whose memory the program may have given up meanwhile,
 * and of the program's own shows each page that was there when it began, as long as it lasts.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/mem.h"
#include "tests/unit/mapped.h"
#include "tests/unit/mem/replace.h"
#include "tests/unit/rnd.h"
#include "util/inject.h"

#define PAGE	4096ull
#define PAGES	48u
#define WINDOWS 16u
#define PARTS	4u
#define MOST	64u /* pages of a window */

static struct mem_map *map;
static struct inflight inflight;
static char *mem;
static uint64_t seed, ids, now[PAGES];

static struct shown {
	struct mem_window window;
	unsigned nr; /* pages; 0: there is none */
	uint64_t id[MOST];
} shown[WINDOWS];

static unsigned rnd(unsigned below)
{
	return (unsigned)(rnd_next(&seed) % below);
}

static void new_page(unsigned page)
{
	now[page] = ++ids;
	*(uint64_t *)(mem + page * PAGE) = ids;
}

/* Some pages of the program's, or of a window that there is. */
static unsigned any_part(struct mem_part *out, uint64_t *id)
{
	struct shown *from = &shown[rnd(WINDOWS)];
	unsigned of = from->nr && rnd(3) ? from->nr : PAGES;
	unsigned nr = 1 + rnd(of < 12 ? of : 12), start = rnd(of - nr + 1);

	if (of == PAGES) {
		*out = (struct mem_part){.host = mem + start * PAGE, .len = nr * PAGE};
		memcpy(id, &now[start], nr * sizeof(*id));
	} else {
		*out = (struct mem_part){
			.from = &from->window, .start = start * PAGE, .len = nr * PAGE};
		memcpy(id, &from->id[start], nr * sizeof(*id));
	}
	return nr;
}

static int begin(struct shown *of, unsigned fail)
{
	struct mem_part part[PARTS];
	unsigned parts = 1 + rnd(PARTS), nr = 0;
	int rc;

	for (unsigned i = 0; i < parts; i++)
		nr += any_part(&part[i], &of->id[nr]);
	inject_arm(fail);
	rc = mem_window_begin(map, rnd(64) * PAGE, part, parts, NULL, &of->window);
	inject_arm(0);
	of->nr = rc ? 0 : nr;
	return rc;
}

static void give_up(void)
{
	unsigned nr = 1 + rnd(6), first = rnd(PAGES - nr + 1);

	replace(map, &inflight, mem + first * PAGE, nr * PAGE);
	for (unsigned i = first; i < first + nr; i++)
		new_page(i);
}

static void check(struct shown *of)
{
	for (unsigned i = 0; i < of->nr;) {
		uint64_t len = MOST * PAGE;
		char *host = mem_window_at(&of->window, i * PAGE, &len);

		assert_non_null(host);
		assert_int_equal(len % PAGE, 0);
		assert_in_range(len, PAGE, (of->nr - i) * PAGE);
		for (uint64_t at = 0; at < len; at += PAGE)
			assert_int_equal(*(uint64_t *)(host + at), of->id[i++]);
	}
}

static void setup(void)
{
	seed = 99;
	inflight_init(&inflight);
	assert_int_equal(mem_map_new(52, &map), 0);
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (unsigned i = 0; i < PAGES; i++)
		new_page(i);
}

static void teardown(void)
{
	for (struct shown *of = shown; of < shown + WINDOWS; of++) {
		if (of->nr)
			mem_window_end(map, &of->window);
		of->nr = 0;
	}
	mem_map_destroy(map);
	inflight_fini(&inflight);
	munmap(mem, PAGES * PAGE);
}

static void step(void)
{
	struct shown *of = &shown[rnd(WINDOWS)];

	if (!rnd(10)) {
		give_up();
	} else if (!of->nr) {
		assert_int_equal(begin(of, 0), 0);
	} else if (!rnd(4)) {
		mem_window_end(map, &of->window);
		of->nr = 0;
	} else {
		unsigned at = rnd(of->nr + 1);

		assert_int_equal(mem_window_cut(map, &inflight, &of->window, at * PAGE), 0);
	}
}

static void each_page_is_shown_as_it_was(void **state)
{
	setup();
	for (unsigned i = 0; i < 6000; i++) {
		step();
		check(&shown[rnd(WINDOWS)]);
		for (unsigned w = 0; w < WINDOWS && i % 32 == 0; w++)
			check(&shown[w]);
	}
	teardown();
}

/* Nor does anything stay of what there was memory for. */
static void without_memory_there_is_no_window(void **state)
{
	long before = 0;
	unsigned failed = 0;

	setup();
	for (unsigned i = 0; i < 400; i++)
		step();
	for (unsigned i = 0; i < 1200; i++) {
		struct shown *of = &shown[rnd(WINDOWS)];

		if (of->nr)
			mem_window_end(map, &of->window);
		of->nr = 0;
		if (i == 200)
			before = mapped();
		failed += begin(of, 1 + rnd(5)) != 0;
		check(of);
		if (!rnd(5))
			give_up();
	}
	assert_true(failed > 300);
	/* What is hidden may be more now, by a few pages. */
	assert_true(mapped() - before < 300);
	teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_page_is_shown_as_it_was),
		cmocka_unit_test(without_memory_there_is_no_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
