/* SPDX-License-Identifier: MIT */
/* Numbers: lowest free first, found again, against a plain array. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "obj/ids.h"
#include "util/inject.h"

static void lowest_free_is_given_first(void **state)
{
	struct ids ids = {0};
	uint32_t id;

	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(ids_take(&ids, &id), 0);
		assert_int_equal(id, i);
	}
	ids_drop(&ids, 4097);
	ids_drop(&ids, 63);
	ids_drop(&ids, 700);
	assert_int_equal(ids_take(&ids, &id), 0);
	assert_int_equal(id, 63);
	assert_int_equal(ids_take(&ids, &id), 0);
	assert_int_equal(id, 700);
	assert_int_equal(ids_take(&ids, &id), 0);
	assert_int_equal(id, 4097);
	assert_int_equal(ids_take(&ids, &id), 0);
	assert_int_equal(id, 5000);
	ids_fini(&ids);
}

static void a_chosen_number_is_taken_once(void **state)
{
	struct ids ids = {0};
	int value;
	uint32_t id;

	assert_int_equal(ids_take_at(&ids, IDS_MAX), 0);
	assert_int_equal(ids_take_at(&ids, IDS_MAX), -EEXIST);
	assert_int_equal(ids_take_at(&ids, IDS_MAX + 1u), -ENOSPC);
	assert_null(ids_get(&ids, IDS_MAX));
	ids_set(&ids, IDS_MAX, &value);
	assert_ptr_equal(ids_get(&ids, IDS_MAX), &value);
	id = 0;
	assert_ptr_equal(ids_next(&ids, &id), &value);
	assert_int_equal(id, IDS_MAX);
	ids_drop(&ids, IDS_MAX);
	assert_null(ids_get(&ids, IDS_MAX));
	assert_null(ids.root);
}

#define TWIN 9000

static void random_use_matches_an_array(void **state)
{
	static void *twin[TWIN];
	static char taken[TWIN];
	struct ids ids = {0};
	unsigned seed = 1;

	for (int step = 0; step < 40000; step++) {
		uint32_t id = (uint32_t)rand_r(&seed) % TWIN, lowest = 0, at;
		void *expect = NULL;

		switch (rand_r(&seed) % 4) {
		case 0:
			while (taken[lowest])
				lowest++;
			assert_int_equal(ids_take(&ids, &at), 0);
			assert_int_equal(at, lowest);
			taken[at] = 1;
			twin[at] = (void *)(uintptr_t)(step + 1);
			ids_set(&ids, at, twin[at]);
			break;
		case 1:
			assert_int_equal(ids_take_at(&ids, id), taken[id] ? -EEXIST : 0);
			taken[id] = 1;
			break;
		case 2:
			if (taken[id])
				ids_drop(&ids, id);
			taken[id] = 0;
			twin[id] = NULL;
			break;
		case 3:
			assert_ptr_equal(ids_get(&ids, id), twin[id]);
			for (at = id; at < TWIN && !expect; at++)
				expect = twin[at];
			assert_ptr_equal(ids_next(&ids, &id), expect);
			if (expect)
				assert_int_equal(id, at - 1);
			break;
		}
	}
	ids_fini(&ids);
}

/* Beyond what the tree is high enough for there is nothing to look at. */
static void nothing_is_beyond_the_highest(void **state)
{
	static const uint32_t beyond[] = {6, 63, 64, 65, 4096, 1 << 30, IDS_MAX, UINT32_MAX};
	struct ids ids = {0};
	uint32_t id = 0;
	int value;

	assert_null(ids_next(&ids, &id));
	assert_null(ids_get(&ids, 0));
	assert_int_equal(ids_take_at(&ids, 5), 0);
	ids_set(&ids, 5, &value);
	for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		id = beyond[i];
		assert_null(ids_next(&ids, &id));
		assert_int_equal(id, beyond[i]);
		assert_null(ids_get(&ids, id));
	}
	ids_fini(&ids);
	assert_null(ids_get(&ids, 5));
}

/* Whatever levels were made on the way there, and what there was stays. */
static void without_memory_nothing_is_taken(void **state)
{
	enum { FAR = 1000000 };
	unsigned n = 1;
	int rc, value;

	do {
		struct ids ids = {0};
		uint32_t id = 0;

		assert_int_equal(ids_take_at(&ids, 5), 0);
		ids_set(&ids, 5, &value);
		inject_arm(n++);
		rc = ids_take_at(&ids, FAR);
		inject_arm(0);
		assert_true(!rc || rc == -ENOMEM);
		assert_ptr_equal(ids_next(&ids, &id), &value);
		assert_int_equal(id, 5);
		id++;
		assert_null(ids_next(&ids, &id));
		assert_int_equal(ids_take(&ids, &id), 0);
		assert_int_equal(id, 0);
		assert_int_equal(ids_take_at(&ids, FAR), rc ? 0 : -EEXIST);
		ids_drop(&ids, FAR);
		ids_drop(&ids, 5);
		ids_drop(&ids, 0);
		assert_null(ids.root);
	} while (rc);
	assert_int_equal(n, 8); /* three levels more, and three below */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lowest_free_is_given_first),
		cmocka_unit_test(a_chosen_number_is_taken_once),
		cmocka_unit_test(random_use_matches_an_array),
		cmocka_unit_test(nothing_is_beyond_the_highest),
		cmocka_unit_test(without_memory_nothing_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
