/* SPDX-License-Identifier: MIT */
/* Description: the physical map finds each window again, congruent with its IOVA. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/mem.h"
#include "mem/same.h"
#include "tests/unit/rnd.h"
#include "util/inject.h"

static uint64_t state = 88172645463325252ull;

static uint64_t next_random(void)
{
	return rnd_next(&state);
}

static uint64_t round_up_pow2(uint64_t len)
{
	uint64_t pow2 = 1;

	while (pow2 < len)
		pow2 *= 2;
	return pow2;
}

static void window_is_congruent_with_its_iova_and_never_at_zero(void **arg)
{
	struct mem_map *map;

	assert_int_equal(mem_map_new(52, &map), 0);
	for (int i = 0; i < 20000; i++) {
		uint64_t len = ((next_random() >> (next_random() % 20 + 19)) & ~4095ull) + 4096;
		iova_t iova = next_random() & ~4095ull;
		uint64_t pow2 = round_up_pow2(len);
		struct mem_window *window;

		if (pow2 > 1ull << 45)
			continue;
		assert_int_equal(mem_window_new(map, iova, NULL, len, &window), 0);
		assert_true(window->pa != 0);
		assert_true(window->pa + len <= 1ull << 52);
		assert_int_equal(window->pa % pow2, iova % pow2);
		if (i % 2)
			mem_window_destroy(map, window);
		else
			assert_ptr_equal(mem_window_find(map, window->pa + len - 1), window);
		if (!(i % 2))
			mem_window_destroy(map, window);
	}
	mem_map_destroy(map);
}

#define LIVE 300

/* What the map should answer, by looking at all windows. */
static struct mem_window *find_by_force(struct mem_window **live, pa_t pa)
{
	for (int i = 0; i < LIVE; i++)
		if (live[i] && pa >= live[i]->pa && pa - live[i]->pa < live[i]->len)
			return live[i];
	return NULL;
}

static void find_agrees_with_a_linear_search(void **arg)
{
	struct mem_window *live[LIVE] = {0};
	struct mem_map *map;

	assert_int_equal(mem_map_new(52, &map), 0);
	assert_null(mem_window_find(map, 0));
	assert_null(mem_window_find(map, UINT64_MAX));
	for (int round = 0; round < 20000; round++) {
		unsigned at = next_random() % LIVE;
		uint64_t len = (next_random() % 9 + 1) << (next_random() % 6 + 12);
		struct mem_window *window = live[at];
		pa_t pa;

		if (window) {
			pa = window->pa;
			mem_window_destroy(map, window);
			live[at] = NULL;
			assert_null(mem_window_find(map, pa));
			continue;
		}
		assert_int_equal(
			mem_window_new(map, next_random() & ~4095ull, &live[at], len, &live[at]),
			0);
		window = live[at];
		assert_ptr_equal((void *)window->host, &live[at]);
		for (int probe = -2; probe <= 2; probe++) {
			pa = window->pa + (uint64_t)((int64_t)window->len / 2 * probe);
			assert_ptr_equal(mem_window_find(map, pa), find_by_force(live, pa));
		}
		assert_ptr_equal(mem_window_find(map, window->pa - 1),
				 find_by_force(live, window->pa - 1));
		assert_ptr_equal(mem_window_find(map, window->pa + len),
				 find_by_force(live, window->pa + len));
	}
	for (int i = 0; i < LIVE; i++)
		if (live[i])
			mem_window_destroy(map, live[i]);
	mem_map_destroy(map);
}

static void the_map_is_full_when_the_slots_of_a_class_are(void **arg)
{
	struct mem_window *window, *other;
	struct mem_map *map;

	assert_int_equal(mem_map_new(52, &map), 0);
	assert_int_equal(mem_window_new(map, 0, NULL, (1ull << 45) + 4096, &window), -ENOSPC);
	assert_int_equal(mem_window_new(map, 4096, NULL, 1ull << 45, &window), 0);
	assert_int_equal(mem_window_new(map, 0, NULL, 1ull << 45, &other), -ENOSPC);
	mem_window_destroy(map, window);
	assert_int_equal(mem_window_new(map, 0, NULL, 1ull << 45, &window), 0);
	mem_window_destroy(map, window);
	mem_map_destroy(map);
}

/* What page tables hold whose entries have 48 bits of output. */
static void a_map_of_48_bits_stays_inside(void **arg)
{
	struct mem_window *window, *other;
	struct mem_map *map;

	assert_int_equal(mem_map_new(48, &map), 0);
	assert_int_equal(mem_window_new(map, 0, NULL, (1ull << 41) + 4096, &window), -ENOSPC);
	assert_int_equal(mem_window_new(map, 1ull << 40, NULL, 1ull << 41, &window), 0);
	assert_int_equal(mem_window_new(map, 4096, NULL, 4096, &other), 0);
	assert_true(window->pa + window->len <= 1ull << 48);
	assert_int_equal(window->pa & ((1ull << 41) - 1), 1ull << 40);
	assert_ptr_equal(mem_window_find(map, window->pa + window->len - 1), window);
	assert_ptr_equal(mem_window_find(map, other->pa), other);
	assert_null(mem_window_find(map, other->pa + 4096));
	assert_null(mem_window_find(map, window->pa + window->len));
	mem_window_destroy(map, other);
	mem_window_destroy(map, window);
	mem_map_destroy(map);
}

/* Once there has been a window a map keeps its width: what it said is in somebody's tables. */
static void a_map_is_narrowed_before_its_first_window(void **arg)
{
	struct mem_window *window;
	struct mem_map *map;

	assert_int_equal(mem_map_new(52, &map), 0);
	assert_int_equal(mem_map_narrow(map, 48), 0);
	assert_int_equal(mem_map_narrow(map, 50), 0);
	assert_int_equal(mem_window_new(map, 0, NULL, (1ull << 41) + 4096, &window), -ENOSPC);
	assert_int_equal(mem_window_new(map, 0, NULL, 1ull << 41, &window), 0);
	assert_true(window->pa + window->len <= 1ull << 48);
	assert_int_equal(mem_map_narrow(map, 44), -EBUSY);
	assert_int_equal(mem_map_narrow(map, 48), 0);
	assert_int_equal(mem_map_narrow(map, 52), 0);
	assert_ptr_equal(mem_window_find(map, window->pa), window);
	mem_window_destroy(map, window);
	assert_int_equal(mem_map_narrow(map, 47), -EBUSY);
	mem_map_destroy(map);
}

static void many_windows_of_one_class_stay_apart(void **arg)
{
	enum { NR = 5000 };
	struct mem_window **windows = calloc(NR, sizeof(*windows));
	struct mem_map *map;

	assert_int_equal(mem_map_new(52, &map), 0);
	for (int i = 0; i < NR; i++)
		assert_int_equal(mem_window_new(map, 0, windows + i, 4096, &windows[i]), 0);
	for (int i = 0; i < NR; i++) {
		assert_ptr_equal(mem_window_find(map, windows[i]->pa + 17), windows[i]);
		assert_ptr_equal((void *)windows[i]->host, windows + i);
	}
	for (int i = 0; i < NR; i++)
		mem_window_destroy(map, windows[i]);
	mem_map_destroy(map);
	free(windows);
}

#define WINDOW (6 * 4096ull)

/* Where byte `off` of a window is that is in one place, or in two with a page between them. */
static char *place(char *host, bool two, uint64_t off)
{
	return host + off + (two && off >= WINDOW / 2 ? 4096 : 0);
}

/* Which pages of it count as pinned, a bit a page. */
static unsigned pinned(struct mem_map *map, char *host, bool two)
{
	struct mem_shared none = {NULL};
	unsigned bits = 0, count;

	for (unsigned i = 0; i < WINDOW / 4096; i++) {
		assert_int_equal(pins_count(mem_map_pins(map), &none,
					    (uintptr_t)place(host, two, i * 4096), &count),
				 0);
		assert_true(count <= 1);
		bits |= count << i;
	}
	return bits;
}

static void cut_and_release(struct mem_map *map, struct inflight *inflight, char *host, bool two)
{
	const struct mem_part parts[] = {
		{.host = host, .len = two ? WINDOW / 2 : WINDOW},
		{.host = place(host, two, WINDOW / 2), .len = WINDOW / 2},
	};
	static const uint64_t cuts[] = {0, WINDOW, 4 * 4096, 4096, 0, 4096, WINDOW};
	struct mem_window window;

	assert_int_equal(mem_window_begin(map, 0, parts, two + 1u, NULL, &window), 0);
	for (unsigned i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		assert_int_equal(mem_window_cut(map, inflight, &window, cuts[i]), 0);
		assert_int_equal(mem_window_whole(&window), !two);
		assert_int_equal(pinned(map, host, two), 0x3f);
	}
	for (uint64_t at = 0, len = 1; at < WINDOW; at += 512) {
		assert_ptr_equal(mem_window_at(&window, at, &len), place(host, two, at));
		assert_int_equal(len, 1);
	}
	mem_window_release(map, &window, 4096, 4 * 4096);
	assert_int_equal(pinned(map, host, two), 0x31);
	mem_window_release(map, &window, 0, 4096);
	assert_int_equal(pinned(map, host, two), 0x30);
	assert_ptr_equal(mem_window_find(map, window.pa + 5 * 4096), &window);
	mem_window_end(map, &window);
	assert_int_equal(pinned(map, host, two), 0);
}

/* A cut shows in nothing, until a part is released; one at either end is none. */
static void parts_between_cuts_are_released(void **arg)
{
	static char host[WINDOW + 4096];
	struct inflight inflight;
	struct mem_map *map;

	assert_int_equal(mem_map_new(52, &map), 0);
	inflight_init(&inflight);
	cut_and_release(map, &inflight, host, false);
	cut_and_release(map, &inflight, host, true);
	inflight_fini(&inflight);
	mem_map_destroy(map);
}

static long nothing(void *arg, uint64_t *to)
{
	return ++*(long *)arg;
}

/*
 * Whoever changes memory is told without a lock whether a window may show it: of what one shows
 * always, of what none shows no longer than until somebody has asked.
 */
static void bounds_never_leave_a_window_out(void **arg)
{
	static char host[6 * 4096];
	struct mem_window *window[3];
	struct mem_pins *pins;
	struct inflight inflight;
	struct mem_map *map;
	long calls = 0;
	struct ioas_memory_change change = {.call = nothing, .arg = &calls};

	assert_int_equal(mem_map_new(52, &map), 0);
	inflight_init(&inflight);
	pins = mem_map_pins(map);
	for (int i = 0; i < 3; i++) {
		char *at = host + (4 - 2 * i) * 4096;

		assert_int_equal(mem_window_new(map, 0, at, 4096, &window[i]), 0);
		assert_true(pins_maybe(pins, (uintptr_t)at, (uintptr_t)at + 1));
	}
	mem_window_destroy(map, window[2]);
	change.gone[0] = (struct ioas_memory_range){(uintptr_t)host, (uintptr_t)host + 2 * 4096};
	assert_int_equal(pins_change(pins, &inflight, &change), 1);
	assert_false(pins_maybe(pins, change.gone[0].start, change.gone[0].end));
	assert_true(pins_maybe(pins, change.gone[0].start, change.gone[0].end + 1));
	mem_window_destroy(map, window[0]);
	assert_false(pins_maybe(pins, (uintptr_t)host + 3 * 4096, UINTPTR_MAX));
	assert_true(pins_maybe(pins, (uintptr_t)host, (uintptr_t)host + 3 * 4096));
	mem_window_destroy(map, window[1]);
	assert_false(pins_maybe(pins, 0, UINTPTR_MAX));
	inflight_fini(&inflight);
	mem_map_destroy(map);
}

/* Neither a map, nor room for the first window of a length, whose place stays free. */
static void without_memory_there_is_none(void **arg)
{
	struct mem_part part = {.host = (void *)0x100000, .len = 4096};
	struct mem_map *map = NULL;
	struct mem_window window;

	inject_arm(1);
	assert_int_equal(mem_map_new(52, &map), -ENOMEM);
	assert_null(map);
	assert_int_equal(mem_map_new(52, &map), 0);
	for (unsigned nth = 1, rc = 1; rc; nth++) {
		inject_arm(nth);
		rc = (unsigned)-mem_window_begin(map, 0, &part, 1, NULL, &window);
		inject_arm(0);
		assert_true(!rc || rc == ENOMEM);
		assert_true(nth > 1 || rc);
	}
	assert_ptr_equal(mem_window_find(map, window.pa), &window);
	assert_int_equal(window.pa & ((1ull << 46) - 1), 0);
	mem_window_end(map, &window);
	assert_null(mem_window_find(map, window.pa));
	mem_map_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_is_congruent_with_its_iova_and_never_at_zero),
		cmocka_unit_test(find_agrees_with_a_linear_search),
		cmocka_unit_test(the_map_is_full_when_the_slots_of_a_class_are),
		cmocka_unit_test(a_map_of_48_bits_stays_inside),
		cmocka_unit_test(a_map_is_narrowed_before_its_first_window),
		cmocka_unit_test(many_windows_of_one_class_stay_apart),
		cmocka_unit_test(parts_between_cuts_are_released),
		cmocka_unit_test(without_memory_there_is_none),
		cmocka_unit_test(bounds_never_leave_a_window_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
