/* SPDX-License-Identifier: MIT */
/*
 * Description: the first area of pages lies in their struct, if nobody else can look at that, it is
 * free, and has room for where the area begins; all others have one of their own. Each knows its
 * pages, and where it begins in them.
 */
#include "rig.h"

static struct rig *rig;

static int setup(void **state)
{
	int rc = rig_setup(state);

	rig = *state;
	pthread_mutex_lock(&rig->space->lock);
	return rc;
}

static int teardown(void **state)
{
	pthread_mutex_unlock(&rig->space->lock);
	return rig_teardown(state);
}

/* With one reference. */
static struct space_pages *fresh(void)
{
	const struct pages_spec spec = {
		.caller = &rig->caller, .va = ARENA, .len = 64 * PAGE, .writable = true};
	struct space_pages *pages;

	assert_int_equal(pages_new(rig->space, &spec, &pages), 0);
	return pages;
}

/* Takes over a reference. */
static struct space_area *show(struct space_pages *pages, uint64_t offset, bool apart)
{
	struct space_area *area = area_new(pages, offset);

	assert_non_null(area);
	assert_int_equal(area->apart, apart);
	assert_ptr_equal(area_pages(area), pages);
	assert_int_equal(area_offset(area), offset);
	assert_false(area->pinned);
	assert_null(area_pinned(area));
	return area;
}

static void the_first_lies_in_its_pages(void **state)
{
	struct space_pages *pages = fresh();
	struct space_area *first = show(pages, 12, false);
	struct space_area *second = show(pages_get(pages), 12, true);

	assert_ptr_equal(first, &pages->area);
	area_free(rig->space, second);
	assert_int_equal(area_offset(first), 12);
	area_free(rig->space, first);
}

/* Its own field for that is 16 bits, and says less than a page. */
static void one_that_begins_further_on_is_apart(void **state)
{
	static const struct {
		uint64_t offset;
		bool apart;
	} cases[] = {{0, false}, {1, false}, {PAGE - 1, false}, {PAGE, true}, {17 * PAGE, true}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		area_free(rig->space, show(fresh(), cases[i].offset, cases[i].apart));
}

/* They might be making their own area at the same time. */
static void where_others_have_the_pages_it_is_apart(void **state)
{
	struct space_pages *pages = pages_get(fresh());
	struct space_area *area = show(pages, 0, true);

	area_free(rig->space, area);
	area_free(rig->space, show(pages, 0, false));
}

/* It stays taken, when it is free: nobody has to say when. */
static void after_the_first_all_are_apart(void **state)
{
	struct space_pages *pages = fresh();
	struct space_area *first = show(pages, 0, false);

	pages_get(pages);
	area_free(rig->space, first);
	assert_int_equal(atomic_load(&pages->refs), 1);
	area_free(rig->space, show(pages_get(pages), 5 * PAGE, true));
	area_free(rig->space, show(pages, 0, true));
}

/* What is left of their pages is found at the end. */
static void a_list_of_them_goes_at_once(void **state)
{
	struct space_pages *pages = fresh();
	struct space_area *first = show(pages, 0, false), *second, *third;

	second = show(pages_get(pages), 3 * PAGE, true);
	third = show(fresh(), PAGE - 1, false);
	first->next = second;
	second->next = third;
	third->next = NULL;
	areas_free(rig->space, first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_lies_in_its_pages),
		TEST(one_that_begins_further_on_is_apart),
		TEST(where_others_have_the_pages_it_is_apart),
		TEST(after_the_first_all_are_apart),
		TEST(a_list_of_them_goes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
