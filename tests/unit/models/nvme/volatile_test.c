/* SPDX-License-Identifier: MIT */
/* Description: the volatile cache's tree against an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "nvme/volatile.h"

#define PAGES 3000

/* Page numbers far apart, so that the tree has all its levels. */
static uint64_t spread(unsigned i)
{
	return i < 1000 ? i : i < 2000 ? (1ull << 20) + i * 3ull : (1ull << 44) + i * 70000ull;
}

static void agree(struct nvme_volatile *cache, const uint8_t *valid)
{
	uint64_t index = 0, nr = 0;
	struct volatile_page *page;

	for (unsigned i = 0; i < PAGES; i++) {
		if (!valid[i])
			continue;
		page = volatile_next(cache, &index);
		assert_non_null(page);
		assert_int_equal(index, spread(i));
		assert_int_equal(page->valid, valid[i]);
		assert_int_equal(page->data[1], i % 251);
		index++;
		nr++;
	}
	assert_null(volatile_next(cache, &index));
	assert_int_equal(cache->pages, nr);
}

static void the_tree_is_a_sparse_array(void **state)
{
	struct nvme_volatile cache = {0};
	uint8_t *valid = calloc(1, PAGES);
	unsigned seed = 3;

	for (unsigned round = 0; round < 40; round++) {
		for (unsigned k = 0; k < 400; k++) {
			unsigned i = (unsigned)rand_r(&seed) % PAGES;

			if (rand_r(&seed) % (round % 4 + 2)) {
				struct volatile_page *page = volatile_get(&cache, spread(i));

				page->valid = valid[i] = (uint8_t)(1 + rand_r(&seed) % 255);
				page->data[1] = (uint8_t)(i % 251);
			} else {
				volatile_drop(&cache, spread(i));
				valid[i] = 0;
			}
		}
		agree(&cache, valid);
	}
	volatile_fini(&cache);
	assert_int_equal(cache.pages, 0);
	assert_null(cache.root);
	free(valid);
}

static void forgetting_a_range_forgets_its_sectors(void **state)
{
	for (unsigned first = 0; first < 40; first++) {
		for (unsigned nr = 1; nr < 40; nr++) {
			struct nvme_volatile cache = {0};
			uint64_t index = 0, seen = 0;
			struct volatile_page *page;

			for (unsigned i = 0; i < 8; i++)
				volatile_get(&cache, i)->valid = 0xff;
			volatile_forget(&cache, first * 512, nr * 512);
			for (; (page = volatile_next(&cache, &index)); index++)
				seen |= (uint64_t)page->valid << index * 8;
			for (unsigned s = 0; s < 64; s++)
				assert_int_equal(seen >> s & 1, s < first || s >= first + nr);
			volatile_fini(&cache);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tree_is_a_sparse_array),
		cmocka_unit_test(forgetting_a_range_forgets_its_sectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
