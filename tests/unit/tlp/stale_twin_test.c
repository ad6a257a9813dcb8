/* SPDX-License-Identifier: MIT */
/*
 * Description: what an IOMMU may have cached, against a list that is searched from end to end:
 * random walks, changes and invalidations by space, range, kind of entry and name, of tables with
 * global pages and without, while memory is short now and then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "pt/foreign.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/rnd.h"
#include "tlp/check_stale.h"

#define MANY   8192u
#define STEPS  60000u
#define LEVELS 5u
#define SPACES 4u

static unsigned countdown;

static bool should_fail(void)
{
	return countdown && !--countdown;
}

static uint64_t rnd(uint64_t below)
{
	static uint64_t x = 88172645463325252;

	return (rnd_next(&x) >> 11) % below;
}

static const uint32_t spaces[SPACES] = {0, 1, 7, UINT32_MAX};
static struct pt_foreign table;
static struct stale_entry kept[MANY];
static unsigned kept_nr, finds;

static bool arm(void)
{
	return table.format == PT_ARM_LPAE_S1_4K;
}

/* Of the formats' bits: a table on levels 2 and 3 is a leaf with PS, and on Arm without bit 1. */
static uint64_t random_word(unsigned level)
{
	bool block = (level == 2 || level == 3) && rnd(2);
	uint64_t addr = block ? (1 + rnd(2)) << 30 : (1 + rnd(3)) << 12;

	if (!arm())
		return addr | 5 | (rnd(2) ? 2 : 0) | (block ? 1 << 7 : 0);
	if (level > 1 && !block)
		return addr | 3;
	return addr | 1 | (block ? 0 : 2) | 1 << 6 | 1 << 10 | (rnd(2) ? 1 << 11 : 0);
}

static bool is_leaf(const struct stale_entry *one)
{
	bool block = arm() ? !(one->entry & 2) : one->entry >> 7 & 1;

	return one->level == 1 || ((one->level == 2 || one->level == 3) && block);
}

static bool is_global(const struct stale_entry *one)
{
	return arm() && is_leaf(one) && !(one->entry >> 11 & 1);
}

static uint64_t len_of(unsigned level)
{
	return level ? 1ull << (12 + 9 * (level - 1)) : 1;
}

static struct stale_entry *kept_at(const struct stale_entry *place)
{
	for (unsigned i = 0; i < kept_nr; i++)
		if (kept[i].space == place->space && kept[i].level == place->level &&
		    kept[i].first == place->first)
			return &kept[i];
	return NULL;
}

static void drop(struct stale_entry *one)
{
	*one = kept[--kept_nr];
}

static struct stale_entry random_entry(void)
{
	struct stale_entry entry = {.space = spaces[rnd(SPACES)],
				    .level = (uint32_t)rnd(LEVELS + 1),
				    .gpa = rnd(1000) * 8,
				    .present = rnd(4)};

	entry.first = entry.level ? rnd(6) * len_of(entry.level) : rnd(6) * 8;
	if (entry.present)
		entry.entry = random_word(entry.level);
	return entry;
}

static bool differs(const struct stale_entry *one, const struct stale_entry *now)
{
	if (!now->present)
		return true;
	return now->level ? pt_foreign_changed(&table, now->level, one->entry, now->entry)
			  : one->entry != now->entry;
}

static bool goes(const struct stale_entry *one, const struct stale_forget *what)
{
	if (!what->any_space && one->space != what->space && !(what->global && is_global(one)))
		return false;
	if (!one->level)
		return what->structures;
	if (what->no_tables || (what->leaves && !is_leaf(one)) ||
	    (what->not_global && is_global(one)))
		return false;
	return one->first <= what->last && one->first + (len_of(one->level) - 1) >= what->first;
}

static void invalidate(struct check_stale *check)
{
	unsigned level = 1 + (unsigned)rnd(LEVELS);
	struct stale_forget what = {.any_space = !rnd(4),
				    .space = spaces[rnd(SPACES)],
				    .first = rnd(6 * len_of(level)),
				    .leaves = rnd(2),
				    .structures = !rnd(3),
				    .no_tables = !rnd(6),
				    .not_global = !rnd(3),
				    .global = !rnd(3)};

	if (rnd(2))
		what.first -= what.first % len_of(level);
	else if (rnd(2))
		what.first |= len_of(level) - 1;
	what.last = what.first + rnd(2 * len_of(1 + (unsigned)rnd(level)));
	/* To the first byte of a page, as well. */
	if (what.last - what.last % len_of(1) >= what.first && rnd(2))
		what.last -= what.last % len_of(1);
	if (!rnd(50))
		what = (struct stale_forget){
			.any_space = true, .last = UINT64_MAX, .structures = true};
	check_stale_forget(check, &what);
	for (unsigned i = kept_nr; i--;)
		if (goes(&kept[i], &what))
			drop(&kept[i]);
}

/* Some entries from the top; the first that differs is told. What there is no memory for is not
 * kept, and nothing else changes by that. */
static void walk(struct check_stale *check)
{
	unsigned nr = 1 + (unsigned)rnd(3), fail_at = rnd(8) ? 0 : 1 + (unsigned)rnd(2), news = 0;
	struct stale_found found, want = {0};
	struct stale_entry entries[3];

	for (unsigned i = 0; i < nr; i++)
		entries[i] = random_entry();
	countdown = fail_at;
	check_stale_walk(check, &table, entries, nr, &found);
	countdown = 0;
	for (unsigned i = 0; i < nr; i++) {
		const struct stale_entry *now = &entries[i];
		struct stale_entry *one = kept_at(now);

		if (one && !want.found && differs(one, now))
			want = (struct stale_found){true, now->level, now->gpa, one->entry,
						    now->entry};
		if (one && now->present)
			*one = *now;
		else if (one)
			drop(one);
		else if (now->present && ++news != fail_at)
			kept[kept_nr++] = *now;
	}
	assert_int_equal(found.found, want.found);
	assert_int_equal(found.level, want.level);
	assert_int_equal(found.gpa, want.gpa);
	assert_int_equal(found.old, want.old);
	assert_int_equal(found.now, want.now);
	finds += want.found;
}

static void compare(enum pt_format format)
{
	struct check_stale *check = NULL;

	countdown = 1;
	assert_int_equal(check_stale_new(&check), -ENOMEM);
	assert_null(check);
	assert_int_equal(check_stale_new(&check), 0);
	/* With nothing in it. */
	check_stale_destroy(check);
	assert_int_equal(check_stale_new(&check), 0);
	table = (struct pt_foreign){.format = format, .aw = 48, .update = true};
	kept_nr = finds = 0;
	for (unsigned i = 0; i < STEPS; i++)
		if (rnd(9))
			walk(check);
		else
			invalidate(check);
	assert_true(finds > 1000);
	check_stale_destroy(check);
}

static void tables_without_global_pages(void **state)
{
	compare(PT_X86_64_5L);
}

static void tables_with_global_pages(void **state)
{
	compare(PT_ARM_LPAE_S1_4K);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_without_global_pages),
		cmocka_unit_test(tables_with_global_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
