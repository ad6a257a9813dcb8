/* SPDX-License-Identifier: MIT */
/*
 * Description: windows of the same memory, cut, given up in part, moved and ended in any order:
 * what of it is shown, how often, and where each byte is, is what a list of pages says.
 */
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
#include "mem/same.h"
#include "tests/unit/mem/replace.h"
#include "tests/unit/rnd.h"

#define PAGE	4096ull
#define PAGES	96
#define WINDOWS 24

static struct mem_map *map;
static struct inflight inflight;
static char *mem;
static uint64_t seed;

/* A window of pages first .. first + nr - 1. */
static struct shown {
	struct mem_window window;
	unsigned first, nr;  /* 0: there is none */
	bool cut[PAGES + 1]; /* before that page of it */
	bool gone[PAGES];    /* released */
	uint64_t id[PAGES];  /* what its page says */
} shown[WINDOWS];

static uint64_t now[PAGES]; /* what the program's page says */
static uint64_t ids;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

static void new_page(unsigned page)
{
	now[page] = ++ids;
	*(uint64_t *)(mem + page * PAGE) = ids;
}

static void begin(struct shown *of)
{
	struct mem_part part;

	memset(of, 0, sizeof(*of));
	of->nr = 1 + (unsigned)rnd(rnd(2) ? PAGES / 2 : 4);
	of->first = (unsigned)rnd(PAGES - of->nr + 1);
	part = (struct mem_part){.host = mem + of->first * PAGE, .len = of->nr * PAGE};
	assert_int_equal(mem_window_begin(map, 0, &part, 1, NULL, &of->window), 0);
	for (unsigned i = 0; i < of->nr; i++)
		of->id[i] = now[of->first + i];
	of->cut[0] = of->cut[of->nr] = true;
}

static void end(struct shown *of)
{
	mem_window_end(map, &of->window);
	of->nr = 0;
}

/* A byte of a window that has all of it: what is given up is not looked for. */
static void cut(struct shown *of)
{
	unsigned at = (unsigned)rnd(of->nr + 1);

	if (at && at < of->nr && (of->gone[at - 1] || of->gone[at]))
		return;
	assert_int_equal(mem_window_cut(map, &inflight, &of->window, at * PAGE), 0);
	of->cut[at] = true;
}

/* From one cut to the next, unless nothing would be left. */
static void release(struct shown *of)
{
	unsigned first = (unsigned)rnd(of->nr), last, left = 0;

	while (!of->cut[first])
		first--;
	for (last = first + 1; !of->cut[last]; last++)
		;
	for (unsigned i = 0; i < of->nr; i++)
		left += !of->gone[i] && (i < first || i >= last);
	if (!left || of->gone[first])
		return;
	mem_window_release(map, &of->window, first * PAGE, last * PAGE);
	for (unsigned i = first; i < last; i++)
		of->gone[i] = true;
}

/* The program maps something else there. */
static void give_up(void)
{
	unsigned nr = 1 + (unsigned)rnd(rnd(2) ? 3 : PAGES / 4);
	unsigned first = (unsigned)rnd(PAGES - nr + 1);

	replace(map, &inflight, mem + first * PAGE, nr * PAGE);
	for (unsigned i = first; i < first + nr; i++)
		new_page(i);
}

static void check_page(unsigned page)
{
	struct mem_pins *pins = mem_map_pins(map);
	uintptr_t at = (uintptr_t)mem + page * PAGE;
	struct mem_shared none = {NULL};
	unsigned want = 0, nr;

	for (struct shown *of = shown; of < shown + WINDOWS; of++) {
		unsigned i = page - of->first;

		if (page >= of->first && i < of->nr && !of->gone[i])
			want += of->id[i] == now[page];
	}
	assert_int_equal(pins_count(pins, &none, at, &nr), 0);
	assert_int_equal(nr, want);
	assert_int_equal(pins_meet(pins, at, at + PAGE), want > 0);
	assert_int_equal(pins_meet(pins, at + PAGE - 1, at + PAGE), want > 0);
	assert_true(!want || pins_maybe(pins, at, at + 1));
}

static void check_window(struct shown *of)
{
	for (unsigned i = 0; i < of->nr; i++) {
		uint64_t len = PAGE * PAGES;
		char *host = of->gone[i] ? NULL : mem_window_at(&of->window, i * PAGE, &len);

		if (!host)
			continue;
		assert_in_range(len, PAGE, (of->nr - i) * PAGE);
		assert_int_equal(*(uint64_t *)host, of->id[i]);
	}
}

/* What lies together is shown by bounds that are no wider. */
static void check_bounds(void)
{
	struct mem_pins *pins = mem_map_pins(map);
	uintptr_t high = (uintptr_t)mem;
	bool hidden = false;

	for (struct shown *of = shown; of < shown + WINDOWS; of++)
		for (unsigned i = 0; i < of->nr; i++) {
			uintptr_t at = (uintptr_t)mem + (of->first + i + 1) * PAGE;

			hidden |= !of->gone[i] && of->id[i] != now[of->first + i];
			if (!of->gone[i] && at > high)
				high = at;
		}
	if (!hidden && high > (uintptr_t)mem)
		assert_int_equal(pins->high, high);
}

static void pieces_are_those_of_the_list(void **state)
{
	seed = 88172645463325252ull;
	inflight_init(&inflight);
	assert_int_equal(mem_map_new(52, &map), 0);
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (unsigned i = 0; i < PAGES; i++)
		new_page(i);
	for (unsigned step = 0; step < 6000; step++) {
		struct shown *of = &shown[rnd(WINDOWS)];

		/* For a while nothing is given up, so that there is much in one place. */
		if (step / 1000 % 2 && !rnd(12))
			give_up();
		else if (!of->nr)
			begin(of);
		else if (!rnd(12))
			end(of);
		else if (rnd(3))
			cut(of);
		else
			release(of);
		check_page((unsigned)rnd(PAGES));
		if (step % 8)
			continue;
		check_window(&shown[rnd(WINDOWS)]);
		check_bounds();
		for (unsigned i = 0; i < PAGES && step % 64 == 0; i++)
			check_page(i);
	}
	for (struct shown *of = shown; of < shown + WINDOWS; of++)
		if (of->nr)
			end(of);
	assert_false(pins_maybe(mem_map_pins(map), 0, UINTPTR_MAX));
	mem_map_destroy(map);
	inflight_fini(&inflight);
	munmap(mem, PAGES * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_those_of_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
