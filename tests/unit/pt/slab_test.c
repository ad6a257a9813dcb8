/* SPDX-License-Identifier: MIT */
/*
 * Description: tables of page tables from slabs: each is aligned, apart from all others and empty,
 * knows its slab and its bits of the dirty maps, and is counted; what is given back comes again
 * first, and no more than one slab is kept for nothing.
 */
#include "slab_rig.h"

static void a_root_is_there_from_the_beginning(void **state)
{
	for (unsigned i = 0; i < SHAPES; i++) {
		uint64_t nr, len, meta_len;

		begin(i);
		nr = shapes[i].root_len >> shapes[i].table_lg2;
		assert_int_equal((uintptr_t)root % shapes[i].root_len, 0);
		assert_true(is_zero(root, shapes[i].root_len));
		for (unsigned k = 0; k < nr; k++)
			assert_ptr_equal(store.near.meta[k].table, root);
		assert_int_equal(store.near.used, nr);
		assert_int_equal(store.slab_nr, 0);
		assert_null(store.unused[0]);
		/* The root, seven more, and what belongs to them, in lines. */
		assert_int_equal(store.near.nr, nr + 7);
		nr += 7;
		meta_len = (nr * sizeof(struct pt_meta) + 63) / 64 * 64;
		len = table_len() + (shapes[i].dirty ? table_len() / 32 : 0);
		assert_int_equal(store.len, nr * len + meta_len);
		assert_int_equal(store.near.bits[0] != NULL, shapes[i].dirty);
		assert_int_equal(store.near.bits[1] != NULL, shapes[i].dirty);
		pt_store_fini(&store);
	}
}

/* Where a mark looks is where the bit is. */
static void check_word(const struct pt_slab *slab, const void *entry)
{
	size_t bit = pt_slab_bit(slab, entry);

	assert_int_equal(pt_slab_shift(entry), bit % 64);
	for (unsigned map = 0; store.dirty && map < 2; map++)
		assert_ptr_equal(pt_slab_word(slab, map, entry), &slab->bits[map][bit / 64]);
}

/* Every one is written full: none has a byte in common with another, or with what a slab keeps. */
static void tables_are_apart(void **state)
{
	for (unsigned i = 0; i < SHAPES; i++) {
		unsigned nr = shapes[i].table_lg2 == 12 ? MANY : 300;

		begin(i);
		for (unsigned k = 0; k < nr; k++) {
			taken[k] = take();
			memset((void *)taken[k]->table, (int)(k % 251) + 1, table_len());
		}
		for (unsigned k = 0; k < nr; k++) {
			const uint8_t *byte = (const uint8_t *)taken[k]->table;
			struct pt_slab *slab = pt_slab_of(&store, byte + table_len() - 8);
			size_t index = ((uintptr_t)byte - slab->first) >> store.table_lg2;

			for (uint64_t b = 0; b < table_len(); b += 64)
				assert_int_equal(byte[b], k % 251 + 1);
			assert_int_equal(byte[table_len() - 1], k % 251 + 1);
			assert_ptr_equal(pt_slab_of(&store, byte), slab);
			assert_ptr_equal(&slab->meta[index], taken[k]);
			assert_int_equal(pt_slab_bit(slab, byte), index * (table_len() / 8));
			assert_int_equal(slab == &store.near, k < 7);
			check_word(slab, byte + 8 * (k % (table_len() / 8)));
		}
		for (unsigned k = 0; k < nr; k++)
			give(taken[k]);
		pt_store_fini(&store);
	}
}

static void bits_are_apart_and_go_with_their_table(void **state)
{
	for (unsigned i = 0; i < SHAPES; i++) {
		size_t words = (1ull << shapes[i].table_lg2) / 8 / 64;

		if (!shapes[i].dirty)
			continue;
		begin(i);
		for (unsigned k = 0; k < 300; k++) {
			struct pt_slab *slab;
			size_t first;

			taken[k] = take();
			slab = pt_slab_of(&store, taken[k]->table);
			first = pt_slab_bit(slab, taken[k]->table) / 64;
			for (unsigned map = 0; map < 2; map++)
				for (size_t w = first; w < first + words; w++) {
					assert_int_equal(slab->bits[map][w], 0);
					slab->bits[map][w] = k * 2 + map + 1;
				}
		}
		for (unsigned k = 0; k < 300; k++) {
			struct pt_slab *slab = pt_slab_of(&store, taken[k]->table);
			size_t first = pt_slab_bit(slab, taken[k]->table) / 64;

			assert_true(is_zero(taken[k]->table, table_len()));
			assert_ptr_equal(taken[k]->table,
					 slab->first + first * 64 * sizeof(uint64_t));
			for (unsigned map = 0; map < 2; map++)
				for (size_t w = first; w < first + words; w++)
					assert_int_equal(slab->bits[map][w], k * 2 + map + 1);
		}
		/* Given back and taken again it has none; its neighbours keep theirs. */
		give(taken[150]);
		assert_ptr_equal(take(), taken[150]);
		for (unsigned k = 149; k <= 151; k++) {
			struct pt_slab *slab = pt_slab_of(&store, taken[k]->table);
			size_t first = pt_slab_bit(slab, taken[k]->table) / 64;

			for (unsigned map = 0; map < 2; map++)
				for (size_t w = first; w < first + words; w++)
					assert_int_equal(slab->bits[map][w],
							 k == 150 ? 0 : k * 2 + map + 1);
		}
		pt_store_fini(&store);
	}
}

static void what_was_given_back_last_comes_first(void **state)
{
	begin(0);
	for (unsigned k = 0; k < 1200; k++)
		taken[k] = take();
	give(taken[3]);
	give(taken[900]);
	give(taken[100]);
	give(taken[101]);
	/* Of the slab that had no room until then; and each slab's own in turn. */
	assert_ptr_equal(take(), taken[101]);
	assert_ptr_equal(take(), taken[100]);
	assert_ptr_equal(take(), taken[900]);
	assert_ptr_equal(take(), taken[3]);
	/* Then what was never used, of the newest slab. */
	assert_ptr_equal(take(), taken[1199] + 1);
	pt_store_fini(&store);
}

/* One for 2 MiB, of 4 KiB a table; the first few are in none. */
static void slabs_come_and_go(void **state)
{
	uint64_t len, most;
	unsigned nr = 0, per_slab;

	begin(1);
	len = store.len;
	for (; nr < 7; nr++)
		taken[nr] = take();
	assert_int_equal(store.slab_nr, 0);
	assert_int_equal(store.len, len);
	taken[nr++] = take();
	assert_int_equal(store.slab_nr, 1);
	assert_true(store.len > len + 4096 && store.len < len + 4096 + (2u << 20) / 64);
	most = store.len;
	taken[nr++] = take();
	assert_int_equal(store.len, most + 4096);
	per_slab = pt_slab_of(&store, taken[7]->table)->nr;
	assert_true(per_slab > 500 && per_slab < 512);
	while (nr < 7 + 3 * per_slab)
		taken[nr++] = take();
	assert_int_equal(store.slab_nr, 3);
	most = store.len;
	assert_true(most > len + 3 * per_slab * 4096ull);
	/* The first one that is used no more is kept, the others go. */
	for (unsigned k = 7 + 2 * per_slab; k < nr; k++)
		give(taken[k]);
	assert_int_equal(store.slab_nr, 3);
	assert_non_null(store.unused[0]);
	assert_int_equal(store.len, most);
	for (unsigned k = 7 + per_slab; k < 7 + 2 * per_slab; k++)
		give(taken[k]);
	assert_int_equal(store.slab_nr, 2);
	assert_int_equal(store.len, len + (most - len) / 3 * 2);
	/* It is what the next one comes from; it is in use then, so another one can be kept. */
	taken[nr = 7 + per_slab] = take();
	assert_null(store.unused[0]);
	assert_int_equal(store.slab_nr, 2);
	give(taken[nr]);
	assert_non_null(store.unused[0]);
	assert_int_equal(store.slab_nr, 2);
	for (unsigned k = 7; k < 7 + per_slab; k++)
		give(taken[k]);
	assert_int_equal(store.slab_nr, 1);
	assert_int_equal(store.len, len + (most - len) / 3);
	/* What the first few are in stays, used or not. */
	for (unsigned k = 0; k < 7; k++)
		give(taken[k]);
	assert_int_equal(store.slab_nr, 1);
	assert_int_equal(store.near.used, 1);
	pt_store_fini(&store);
}

/*
 * Of two sorts each has slabs of its own, from the fourth slab on: one with a few of the others
 * takes no second slab. When there are fewer again what is left serves on.
 */
static void upper_tables_are_apart(void **state)
{
	struct pt_meta *upper[3];
	unsigned nr = 0;

	begin(0);
	while (store.slab_nr < 3)
		taken[nr++] = take();
	assert_ptr_equal(upper[0] = take_of(true), taken[nr - 1] + 1);
	while (store.slab_nr < 4)
		taken[nr++] = take();
	upper[1] = take_of(true);
	assert_int_equal(store.slab_nr, 5);
	assert_true(pt_slab_of(&store, upper[1]->table)->upper);
	taken[nr] = take();
	assert_ptr_equal(taken[nr], taken[nr - 1] + 1);
	nr++;
	assert_ptr_equal(upper[2] = take_of(true), upper[1] + 1);
	assert_false(pt_slab_of(&store, upper[0]->table)->upper);
	while (nr)
		give(taken[--nr]);
	give(upper[2]);
	assert_ptr_equal(take_of(true), upper[2]);
	/* One of each sort is kept. */
	for (unsigned i = 0; i < 3; i++)
		give(upper[i]);
	assert_int_equal(store.slab_nr, 2);
	assert_non_null(store.unused[0]);
	assert_ptr_equal(store.unused[1], pt_slab_of(&store, upper[1]->table));
	pt_store_fini(&store);
}

/* A reading has found bits in the maps, and goes on though all slabs have gone. */
static void maps_stay_as_long_as_they_are_read(void **state)
{
	_Atomic uint64_t *bits[2];
	long before = mapped;
	unsigned nr = 0;

	begin(0);
	while (store.slab_nr < 3)
		taken[nr++] = take();
	for (unsigned i = 0; i < 2; i++)
		bits[i] =
			&pt_slab_of(&store, taken[nr - 1 - i]->table)
				 ->bits[i][pt_slab_bit(pt_slab_of(&store, taken[nr - 1 - i]->table),
						       taken[nr - 1 - i]->table) /
					   64];
	/* Maps of slabs stand in a row. */
	assert_ptr_equal((char *)pt_slab_of(&store, taken[nr - 1]->table)->bits[0] -
				 (char *)pt_slab_of(&store, taken[nr - 2]->table)->bits[0],
			 (2u << 20) / 64);
	atomic_store(bits[0], 1);
	atomic_store(bits[1], 1);
	pt_store_hold(&store);
	while (nr)
		give(taken[--nr]);
	assert_int_equal(store.slab_nr, 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(atomic_load(bits[i]), 0);
		atomic_store(bits[i], 0);
	}
	pt_store_release(&store);
	/* Nothing but what the slab that is kept needs. */
	assert_non_null(LIST_FIRST(&store.maps));
	assert_null(LIST_NEXT(LIST_FIRST(&store.maps), list));
	pt_store_fini(&store);
	assert_null(LIST_FIRST(&store.maps));
	assert_int_equal(mapped, before);
}

/* A block of maps that is full is not looked at; one that went idle in a reading serves again. */
static void blocks_of_maps_are_full_and_idle(void **state)
{
	static struct pt_meta *many[(PT_MAPS_SLOTS + 3) * 512];
	struct pt_maps *full, *next;
	long before = mapped;
	unsigned nr = 0, end;

	begin(0);
	while (store.slab_nr < PT_MAPS_SLOTS)
		many[nr++] = take();
	full = pt_slab_of(&store, many[nr - 1]->table)->maps;
	assert_int_equal(full->taken, UINT32_MAX);
	assert_true(LIST_EMPTY(&store.maps));
	end = nr;
	while (store.slab_nr < PT_MAPS_SLOTS + 2)
		many[nr++] = take();
	next = pt_slab_of(&store, many[nr - 1]->table)->maps;
	assert_ptr_not_equal(next, full);
	assert_int_equal(next->taken, 3);
	pt_store_hold(&store);
	/* All of both but the slab that is kept, which is the last that became unused. */
	while (nr > end)
		give(many[--nr]);
	give(many[--nr]);
	while (nr)
		give(many[--nr]);
	assert_int_equal(store.slab_nr, 1);
	assert_non_null(LIST_FIRST(&store.idle_maps));
	assert_null(LIST_NEXT(LIST_FIRST(&store.idle_maps), list));
	next = LIST_FIRST(&store.idle_maps);
	while (store.slab_nr < PT_MAPS_SLOTS + 1)
		many[nr++] = take();
	assert_ptr_equal(pt_slab_of(&store, many[nr - 1]->table)->maps, next);
	assert_true(LIST_EMPTY(&store.idle_maps));
	/* What is idle goes with the store, though the reading has no end. */
	while (nr)
		give(many[--nr]);
	assert_non_null(LIST_FIRST(&store.idle_maps));
	pt_store_fini(&store);
	assert_int_equal(mapped, before);
	assert_true(LIST_EMPTY(&store.maps) && LIST_EMPTY(&store.idle_maps));
}

/* Once, when it is full, so that it takes no more than before; later ones are from the beginning.
 */
static void full_slabs_are_one_large_page(void **state)
{
	struct pt_meta *last = NULL;
	unsigned before = joined, slabs = 0, per_slab;
	const struct pt_slab *slab;

	begin(0);
	for (unsigned i = 0; i < 7; i++)
		take();
	last = take();
	slab = pt_slab_of(&store, last->table);
	per_slab = slab->nr;
	assert_int_equal(store.slab_nr, 1);
	for (unsigned i = 2; i < per_slab; i++)
		take();
	assert_int_equal(joined, before);
	for (slabs = 1; slabs < 20; slabs++) {
		last = take();
		assert_ptr_equal(pt_slab_of(&store, last->table), slab);
		assert_int_equal(slab->used, per_slab);
		assert_int_equal(joined - before, slabs < 16 ? slabs : 16);
		give(last);
		assert_ptr_equal(take(), last);
		assert_int_equal(joined - before, slabs < 16 ? slabs : 16);
		last = take();
		slab = pt_slab_of(&store, last->table);
		for (unsigned i = 2; i < per_slab; i++)
			take();
	}
	pt_store_fini(&store);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_root_is_there_from_the_beginning),
		cmocka_unit_test(tables_are_apart),
		cmocka_unit_test(bits_are_apart_and_go_with_their_table),
		cmocka_unit_test(what_was_given_back_last_comes_first),
		cmocka_unit_test(slabs_come_and_go),
		cmocka_unit_test(upper_tables_are_apart),
		cmocka_unit_test(maps_stay_as_long_as_they_are_read),
		cmocka_unit_test(blocks_of_maps_are_full_and_idle),
		cmocka_unit_test(full_slabs_are_one_large_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
