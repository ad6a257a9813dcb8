/* SPDX-License-Identifier: MIT */
/*
 * Description: items of a pool never overlap, however they are taken and given back; slabs go when
 * they are empty; a shelf gives back what it took. Debug builds end where an item is missing at the
 * end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "util/inject.h"
#include "util/pool.h"

#define SIZE 280
#define SLAB 65536u
#define KEPT 16u /* empty slabs, for what comes next */
#define NR   10000

static unsigned char *items[NR];

static uint32_t rnd(void)
{
	static uint32_t seed = 7;

	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* Each item is full of its own number. */
static void mark(unsigned i)
{
	memset(items[i], (int)(i & 0xff), SIZE);
	memcpy(items[i], &i, sizeof(i));
}

static void check(unsigned i)
{
	unsigned is;

	memcpy(&is, items[i], sizeof(is));
	assert_int_equal(is, i);
	for (unsigned k = sizeof(is); k < SIZE; k++)
		assert_int_equal(items[i][k], i & 0xff);
}

static void items_stay_apart(void **state)
{
	struct pool_shelf shelf = {NULL};
	struct pool pool;

	pool_init(&pool, SIZE);
	for (unsigned n = 0; n < 60000; n++) {
		unsigned i = rnd() % NR;
		bool by_shelf = rnd() & 1;

		if (!items[i]) {
			items[i] = by_shelf ? pool_shelf_take(&pool, &shelf) : pool_take(&pool);
			assert_non_null(items[i]);
			assert_int_equal((uintptr_t)items[i] % 8, 0);
			mark(i);
			continue;
		}
		check(i);
		if (by_shelf)
			pool_shelf_give(&pool, &shelf, items[i]);
		else
			pool_give(&pool, items[i]);
		items[i] = NULL;
	}
	for (unsigned i = 0; i < NR; i++)
		if (items[i]) {
			check(i);
			pool_give(&pool, items[i]);
			items[i] = NULL;
		}
	assert_int_equal(pool.used, shelf.nr);
	pool_shelf_clear(&pool, &shelf);
	assert_int_equal(pool.used, 0);
	/* Some slabs are kept for what comes next, however many there were. */
	assert_true(pool_bytes(&pool) <= 1 << 20);
	pool_fini(&pool);
}

static void hardly_more_than_the_items(void **state)
{
	struct pool pool;

	pool_init(&pool, SIZE);
	for (unsigned i = 0; i < NR; i++)
		items[i] = pool_take(&pool);
	assert_true(pool_bytes(&pool) <= NR * SIZE + NR * SIZE / 100 + (1 << 16));
	for (unsigned i = 0; i < NR; i++) {
		pool_give(&pool, items[i]);
		items[i] = NULL;
	}
	pool_fini(&pool);
}

static void both_ways_can_fail_on_purpose(void **state)
{
	struct pool_shelf shelf = {NULL};
	struct pool pool;

	pool_init(&pool, SIZE);
	inject_arm(1);
	assert_null(pool_take(&pool));
	inject_arm(1);
	assert_null(pool_shelf_take(&pool, &shelf));
	assert_int_equal(pool.used, 0);
	pool_fini(&pool);
}

/* Of those that become empty a few are kept, the others go at once. */
static void a_few_empty_slabs_are_kept(void **state)
{
	struct pool pool;
	unsigned nr = 0;

	pool_init(&pool, SIZE);
	while (pool_bytes(&pool) < (KEPT + 9) * SLAB)
		items[nr++] = pool_take(&pool);
	for (unsigned i = 0; i < nr; i++)
		pool_give(&pool, items[i]);
	assert_int_equal(pool_bytes(&pool), KEPT * SLAB);
	/* One that is used again is among them. */
	items[0] = pool_take(&pool);
	assert_int_equal(pool_bytes(&pool), KEPT * SLAB);
	pool_give(&pool, items[0]);
	assert_int_equal(pool_bytes(&pool), KEPT * SLAB);
	pool_fini(&pool);
	pool_init(&pool, SIZE);
	items[0] = pool_take(&pool);
	pool_give(&pool, items[0]);
	assert_int_equal(pool_bytes(&pool), SLAB);
	pool_fini(&pool);
}

#ifdef IOAS_LOCK_ORDER
static void end_without_one(void **state)
{
	char said[128] = "";
	struct pool pool;
	int pipes[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		signal(SIGILL, SIG_DFL); /* cmocka has taken it */
		dup2(pipes[1], STDERR_FILENO);
		pool_init(&pool, SIZE);
		pool_give(&pool, pool_take(&pool));
		items[0] = pool_take(&pool);
		pool_fini(&pool);
		_exit(0);
	}
	close(pipes[1]);
	assert_true(read(pipes[0], said, sizeof(said) - 1) > 0);
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
	assert_string_equal(said, "libioas: pool: 1 items of 280 bytes were never given back\n");
}
#endif

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_stay_apart),
		cmocka_unit_test(hardly_more_than_the_items),
		cmocka_unit_test(a_few_empty_slabs_are_kept),
		cmocka_unit_test(both_ways_can_fail_on_purpose),
#ifdef IOAS_LOCK_ORDER
		cmocka_unit_test(end_without_one),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
