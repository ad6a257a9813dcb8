/* SPDX-License-Identifier: MIT */
/* Description: the volatile cache's tree against an array of sectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "nvme/volatile.h"

#define PAGES	3000
#define SECTORS (PAGES * 8)
#define NONE	0xffff

static uint16_t twin[SECTORS]; /* what the cache has of a sector: its first byte, or NONE */

static void agree(struct nvme_volatile *cache, uint64_t base)
{
	uint16_t *seen = malloc(sizeof(twin));
	struct volatile_extent e;
	uint64_t pages = 0;

	memset(seen, 0xff, sizeof(twin));
	for (uint64_t index = 0; volatile_next(cache, index, &e); index = e.first + e.nr) {
		assert_true(e.first >= index || index == 0);
		assert_true(e.first >= base && e.first + e.nr <= base + PAGES);
		assert_true(!e.page || (e.nr == 1 && e.page->valid));
		pages += e.page != NULL;
		for (uint64_t s = 0; s < e.nr * 8; s++)
			if (!e.page || e.page->valid >> s & 1)
				seen[(e.first - base) * 8 + s] = e.page ? e.page->data[s * 512] : 0;
	}
	assert_memory_equal(seen, twin, sizeof(twin));
	assert_int_equal(cache->pages, pages);
	free(seen);
}

static void write_one(struct nvme_volatile *cache, uint64_t base, unsigned sector, uint8_t value)
{
	struct volatile_page *page = volatile_get(cache, base + sector / 8);

	page->valid |= 1 << sector % 8;
	page->data[sector % 8 * 512] = value;
	twin[sector] = value;
}

static void drop_one(struct nvme_volatile *cache, uint64_t base, unsigned page)
{
	struct volatile_extent e;

	if (!volatile_next(cache, base + page, &e) || e.first > base + page)
		e = (struct volatile_extent){base + page, 1, NULL};
	volatile_drop(cache, base + page);
	for (uint64_t s = (e.first - base) * 8; s < (e.first + e.nr - base) * 8; s++)
		twin[s] = NONE;
}

static void the_tree_is_an_array_of_sectors(void **state)
{
	/* At the start; where two subtrees of 2^18 pages meet; high up. */
	static const uint64_t bases[] = {0, (1ull << 18) - 1500, (1ull << 44) - 700};
	unsigned seed = 3;

	for (unsigned b = 0; b < 3; b++) {
		struct nvme_volatile cache = {0};

		memset(twin, 0xff, sizeof(twin));
		for (unsigned k = 0; k < 3000; k++) {
			unsigned s = (unsigned)rand_r(&seed) % SECTORS, what = rand_r(&seed) % 8;

			if (what < 4) {
				write_one(&cache, bases[b], s, (uint8_t)rand_r(&seed));
			} else if (what < 6) {
				unsigned most = rand_r(&seed) % 4 ? 40 : SECTORS;
				unsigned nr = 1 + (unsigned)rand_r(&seed) % most;

				if (nr > SECTORS - s)
					nr = SECTORS - s;
				assert_int_equal(volatile_zero(&cache, bases[b] * 4096 + s * 512ull,
							       nr * 512ull),
						 0);
				for (unsigned i = 0; i < nr; i++)
					twin[s + i] = 0;
			} else {
				drop_one(&cache, bases[b], s / 8);
			}
			if (k % 20 == 0)
				agree(&cache, bases[b]);
		}
		for (unsigned page = 0; page < PAGES; page++)
			drop_one(&cache, bases[b], page);
		agree(&cache, bases[b]);
		assert_null(cache.root);
		write_one(&cache, bases[b], 5, 1);
		volatile_fini(&cache);
		assert_int_equal(cache.pages, 0);
	}
}

static void zeroing_a_terabyte_takes_a_few_nodes(void **state)
{
	struct nvme_volatile cache = {0};
	struct volatile_extent e;
	uint64_t nr = 0, index = 0;

	for (uint64_t i = 0; i < 100000; i++)
		volatile_get(&cache, i * 7)->valid = 1;
	assert_int_equal(volatile_zero(&cache, 512, (1ull << 40) - 1024), 0);
	assert_int_equal(cache.pages, 2);
	for (; volatile_next(&cache, index, &e); index = e.first + e.nr)
		nr++;
	assert_int_equal(index, 1ull << 28);
	assert_true(nr < 8 * 512);
	volatile_fini(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tree_is_an_array_of_sectors),
		cmocka_unit_test(zeroing_a_terabyte_takes_a_few_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
