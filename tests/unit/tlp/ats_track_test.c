/* SPDX-License-Identifier: MIT */
/*
 * Description: which translations a device holds, against an array that is looked through from end
 * to end: by physical address for an operation, by range of IOVAs of a use, in any order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/ats.h>
#include "tests/unit/rnd.h"
#include "tlp/ats.h"
#include "tlp/ats_track.h"

#define NR     256
#define USES   5
#define ROUNDS 40000
#define SPAN   512 /* addresses are few, so that ranges meet */

static struct ats_track track;
static struct ats_use uses[USES];
static struct ats_entry *held[NR];

static uint32_t next_random(void)
{
	static uint64_t state = 88172645463325252ull;

	return (uint32_t)(rnd_next(&state) >> 16);
}

static int start(void **state)
{
	static const uint32_t forms[USES] = {0, 0, 7, 7, ATS_NO_PASID};

	ats_track_init(&track);
	memset(uses, 0, sizeof(uses));
	memset(held, 0, sizeof(held));
	for (unsigned i = 0; i < USES; i++) {
		uses[i].form = forms[i];
		uses[i].table = &uses[i & 1];
		ats_track_use_add(&track, &uses[i]);
	}
	return 0;
}

static int stop(void **state)
{
	for (unsigned i = 0; i < NR; i++) {
		if (held[i])
			ats_track_del(&track, held[i]);
		free(held[i]);
	}
	assert_null(track.by_pa.root);
	return 0;
}

static void add(unsigned slot)
{
	struct ats_entry *entry = calloc(1, sizeof(*entry));

	entry->len = 1ull << next_random() % 6;
	entry->first = next_random() % SPAN & ~(entry->len - 1);
	entry->pa = 1 + next_random() % SPAN;
	entry->ops = 1 + next_random() % 3;
	ats_track_add(&track, &uses[next_random() % USES], entry);
	held[slot] = entry;
}

static pa_t twin_reach(pa_t pa, unsigned op)
{
	pa_t best = 0;

	for (unsigned i = 0; i < NR; i++)
		if (held[i] && held[i]->ops >> op & 1 && held[i]->pa <= pa &&
		    held[i]->pa + held[i]->len - 1 >= pa && held[i]->pa + held[i]->len - 1 > best)
			best = held[i]->pa + held[i]->len - 1;
	return best;
}

static void check_pa(void)
{
	pa_t pa = next_random() % (SPAN + 40);
	unsigned op = next_random() & 1;
	struct ats_entry *entry = ats_track_reach(&track, pa, op);
	pa_t best = twin_reach(pa, op);

	assert_int_equal(entry != NULL, best != 0);
	if (!entry)
		return;
	assert_true(entry->ops >> op & 1);
	assert_true(entry->pa <= pa);
	assert_int_equal(entry->pa + entry->len - 1, best);
}

/* Each that holds the address for the operation is told, once and in order, and no other. */
static void check_all_at(void)
{
	pa_t pa = next_random() % (SPAN + 40), before = 0;
	unsigned op = next_random() & 1, told = 0, hold = 0;
	struct ats_entry *entry = NULL;

	for (unsigned i = 0; i < NR; i++)
		hold += held[i] && held[i]->ops >> op & 1 && held[i]->pa <= pa &&
			held[i]->pa + held[i]->len - 1 >= pa;
	while ((entry = ats_track_at(&track, entry, pa, op))) {
		assert_true(entry->ops >> op & 1);
		assert_true(entry->pa <= pa && entry->pa + entry->len - 1 >= pa);
		assert_true(entry->pa >= before);
		before = entry->pa;
		told++;
	}
	assert_int_equal(told, hold);
}

/* Each that meets the range is told, once and in order, and no other. */
static void check_range(void)
{
	iova_t first = next_random() % (SPAN + 40), last = first + next_random() % 40;
	const struct ats_use *use = &uses[next_random() % USES];
	struct ats_entry *entry = NULL;
	unsigned told = 0, meet = 0;
	iova_t before = 0;

	for (unsigned i = 0; i < NR; i++)
		meet += held[i] && held[i]->use == use && held[i]->first <= last &&
			held[i]->first + held[i]->len - 1 >= first;
	while ((entry = ats_track_next(use, entry, first, last))) {
		assert_ptr_equal(entry->use, use);
		assert_true(entry->first <= last && entry->first + entry->len - 1 >= first);
		assert_true(entry->first >= before);
		before = entry->first;
		told++;
	}
	assert_int_equal(told, meet);
}

static void answers_are_those_of_an_array(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned slot = next_random() % NR;

		if (!held[slot]) {
			add(slot);
		} else if (next_random() % 4 == 0) {
			ats_track_allow(&track, held[slot], 1 + next_random() % 3);
		} else {
			ats_track_del(&track, held[slot]);
			free(held[slot]);
			held[slot] = NULL;
		}
		check_pa();
		check_all_at();
		check_range();
	}
}

static void a_use_is_found_by_form_and_table(void **state)
{
	for (unsigned i = 0; i < USES; i++)
		assert_ptr_equal(ats_track_use(&track, uses[i].form, uses[i].table), &uses[i]);
	assert_null(ats_track_use(&track, 1, &uses[0]));
	assert_null(ats_track_use(&track, ATS_NO_PASID, &uses[1]));
	ats_track_use_del(&track, &uses[2]);
	assert_null(ats_track_use(&track, uses[2].form, uses[2].table));
	assert_ptr_equal(ats_track_use(&track, uses[3].form, uses[3].table), &uses[3]);
}

static void the_same_translation_is_found_until_it_leaves(void **state)
{
	struct ats_entry *entry = calloc(1, sizeof(*entry));

	*entry = (struct ats_entry){.first = 64, .len = 16, .pa = 100, .ops = 1};
	ats_track_add(&track, &uses[0], entry);
	held[0] = entry;
	assert_ptr_equal(ats_track_same(&uses[0], 64, 16, 100), entry);
	assert_null(ats_track_same(&uses[0], 64, 8, 100));
	assert_null(ats_track_same(&uses[0], 64, 16, 101));
	assert_null(ats_track_same(&uses[1], 64, 16, 100));
	assert_null(ats_track_reach(&track, 100, 1));
	ats_track_allow(&track, entry, 2);
	assert_ptr_equal(ats_track_reach(&track, 115, 1), entry);
	assert_null(ats_track_reach(&track, 116, 1));
	entry->leaving = true;
	assert_null(ats_track_same(&uses[0], 64, 16, 100));
}

/* The length of a range is in its address; where nothing is translated there is neither. */
static void a_completion_is_one_word(void **state)
{
	struct ioas_ats_translation found = {
		.addr = 0x12345000, .len = 4096, .flags = IOAS_ATS_READ};

	assert_int_equal(ats_completion(&found), 0x12345000 | IOAS_ATS_READ);
	found.len = 8192;
	found.addr = 0x12346000;
	assert_int_equal(ats_completion(&found), 0x12346000 | 1 << 11 | IOAS_ATS_READ);
	found.len = 2u << 20;
	found.addr = 0x12200000;
	assert_int_equal(ats_completion(&found), 0x122ff000 | 1 << 11 | IOAS_ATS_READ);
	found.flags = IOAS_ATS_UNTRANSLATED | IOAS_ATS_WRITE;
	assert_int_equal(ats_completion(&found), found.flags);
	found.flags = 0;
	assert_int_equal(ats_completion(&found), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_completion_is_one_word),
		cmocka_unit_test_setup_teardown(answers_are_those_of_an_array, start, stop),
		cmocka_unit_test_setup_teardown(a_use_is_found_by_form_and_table, start, stop),
		cmocka_unit_test_setup_teardown(the_same_translation_is_found_until_it_leaves,
						start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
