/* SPDX-License-Identifier: MIT */
/*
 * Description: a page counts as pinned by so many as own windows that show it, wherever the process
 * has it mapped, each once.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "iommu.h"
#include "mem/mem.h"
#include "mem/same.h"
#include "tests/unit/rnd.h"
#include "util/inject.h"

#define PAGE	4096ull
#define PAGES	8u
#define WINDOWS 12u
#define OWNERS	3u /* besides the windows themselves */

static struct mem_map *map;
static struct mem_shared shared;
static char *place[3]; /* a file, the same from its third page on, memory of its own */
static const char owners[OWNERS];
static uint64_t seed = 17;

static struct {
	struct mem_window_owned own;
	unsigned place, first, nr; /* 0: there is none */
	unsigned owner;		   /* OWNERS and more: a window */
} shows[WINDOWS];

static unsigned rnd(unsigned below)
{
	return (unsigned)(rnd_next(&seed) % below);
}

static char *pages(int fd, unsigned first)
{
	char *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, first * (off_t)PAGE);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

/* Which page it is: of the file, or behind it. */
static unsigned identity(unsigned where, unsigned page)
{
	return where == 2 ? 100 + page : where ? page + 2 : page;
}

static unsigned want(unsigned where, unsigned page)
{
	unsigned nr = 0;
	bool counted[OWNERS + WINDOWS] = {false};

	for (unsigned w = 0; w < WINDOWS; w++)
		for (unsigned i = 0; i < shows[w].nr; i++) {
			if (identity(shows[w].place, shows[w].first + i) != identity(where, page))
				continue;
			if (!counted[shows[w].owner])
				nr += counted[shows[w].owner] = true;
		}
	return nr;
}

static void toggle(unsigned w)
{
	struct mem_part part;
	const void *owner = NULL;

	if (shows[w].nr) {
		mem_window_end(map, &shows[w].own.window);
		shows[w].nr = 0;
		return;
	}
	shows[w].place = rnd(3);
	shows[w].nr = 1 + rnd(3);
	shows[w].first = rnd(PAGES - shows[w].nr + 1);
	/* As often itself, or the first window: that is there or not, and owns itself or not. */
	shows[w].owner = rnd(OWNERS + 2);
	if (shows[w].owner < OWNERS)
		owner = &owners[shows[w].owner];
	else if (shows[w].owner == OWNERS)
		owner = &shows[0].own.window;
	else
		shows[w].owner = OWNERS + w;
	part = (struct mem_part){.host = place[shows[w].place] + shows[w].first * PAGE,
				 .len = shows[w].nr * PAGE};
	assert_int_equal(mem_window_begin(map, 0, &part, 1, owner, &shows[w].own.window), 0);
}

static void each_owner_counts_once(void **state)
{
	struct mem_pins *pins;
	int fd = memfd_create("owners", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (PAGES + 2) * PAGE), 0);
	for (unsigned i = 0; i < 3; i++)
		place[i] = pages(i < 2 ? fd : -1, i ? 2 : 0);
	assert_int_equal(mem_map_new(52, &map), 0);
	pins = mem_map_pins(map);
	assert_int_equal(mem_shared_read(&shared), 0);
	for (unsigned step = 0; step < 4000; step++) {
		unsigned where = rnd(3), page = rnd(PAGES), nr = 99;
		uintptr_t at = (uintptr_t)place[where] + page * PAGE;

		toggle(rnd(WINDOWS));
		assert_int_equal(pins_count(pins, &shared, at, &nr), 0);
		assert_int_equal(nr, want(where, page));
		inject_arm(1);
		assert_int_equal(pins_count(pins, &shared, at, &nr),
				 want(where, page) ? -ENOMEM : 0);
		inject_arm(0);
		assert_int_equal(nr, 0);
	}
	for (unsigned w = 0; w < WINDOWS; w++)
		if (shows[w].nr)
			toggle(w);
	mem_shared_free(&shared);
	mem_map_destroy(map);
	for (unsigned i = 0; i < 3; i++)
		munmap(place[i], PAGES * PAGE);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_owner_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
