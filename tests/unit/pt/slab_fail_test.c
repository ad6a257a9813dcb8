/* SPDX-License-Identifier: MIT */
/*
 * Description: where there is no memory for a slab, or for its maps, there is no table, what there
 * was goes on, and what a mapping had got already is given back.
 */
#include "slab_rig.h"

static void without_memory_there_is_none(void **state)
{
	for (unsigned fail = 1; fail <= 2; fail++) {
		inject_arm(fail);
		assert_int_equal(pt_store_init(&store, 12, 4096, true, &root), -12);
		assert_int_equal(inject_remaining(), 0);
	}
	begin(0);
	taken[0] = take();
	inject_arm(1);
	assert_null(pt_store_take(&store, false));
	taken[1] = take();
	assert_int_equal(store.near.used, 3);
	pt_store_fini(&store);
}

/* Neither of a slab nor of its maps; and what there was goes on. */
static void the_kernel_has_no_memory(void **state)
{
	unsigned nr = 0;
	struct pt_meta *last;

	for (unsigned shape = 0; shape < 2; shape++) {
		long before = mapped;

		begin(shape);
		for (nr = 0; store.near.used < store.near.nr; nr++)
			taken[nr] = take();
		for (unsigned n = 1; n <= (shapes[shape].dirty ? 2 : 1); n++) {
			uint64_t len = store.len;

			refuse = n;
			assert_null(pt_store_take(&store, false));
			assert_int_equal(refuse, 0);
			assert_int_equal(store.slab_nr, 0);
			assert_int_equal(store.len, len);
			assert_true(LIST_EMPTY(&store.slabs[0]));
		}
		last = take();
		assert_int_equal(store.slab_nr, 1);
		give(last);
		while (nr)
			give(taken[--nr]);
		pt_store_fini(&store);
		assert_int_equal(mapped, before);
	}
}

/* What a mapping had already got when there is no more for the rest of it. */
static void tables_for_nothing_are_given_back(void **state)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48};
	struct pt_gather gather = {NULL};
	unsigned fail = 1;
	uint32_t used;
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	used = pt->store.near.used;
	for (;; fail++) {
		int rc;

		inject_arm(fail);
		/* Small pages, in two tables of them, with tables of tables above. */
		rc = pt_map(pt, (1ull << 40) - 4096, 1ull << 30, 8192, IOAS_PROT_READ);
		inject_arm(0);
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(pt->store.near.used, used);
		assert_int_equal(pt->tables, 1);
	}
	assert_int_equal(fail, 2 + 4 + 1);
	assert_int_equal(pt->store.near.used, used + 6);
	assert_int_equal(pt_unmap(pt, 0, UINT64_MAX, &gather), 8192);
	pt_gather_free(&gather);
	assert_int_equal(pt->store.near.used, used);
	pt_destroy(pt);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory_there_is_none),
		cmocka_unit_test(the_kernel_has_no_memory),
		cmocka_unit_test(tables_for_nothing_are_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
