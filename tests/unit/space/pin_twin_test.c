/* SPDX-License-Identifier: MIT */
/*
 * Description: many pins of one page object, overlapping, nested, equal and apart, that come and go
 * at random: who is found where, what lies between, and how much is pinned, against an array.
 */
#include "rig.h"
#include "space/pin.h"
#include "tests/unit/rnd.h"

#define PAGES	 200u
#define MOST	 64u
#define AT(page) ((page)*PAGE)

static struct {
	unsigned first, nr, users;
	struct pages_pin *pin;
} model[MOST];
static unsigned model_nr;
static struct space_pages *pages;
static uint64_t seed;

static unsigned rnd(unsigned below)
{
	return (unsigned)(rnd_next(&seed) % below);
}

/* With or without room for a first pin. */
static int begin(void **state, bool first)
{
	int rc = rig_setup(state);
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	if (first)
		assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	assert_int_equal(rig_fixed(rig, 0, ARENA, AT(PAGES)), 0);
	if (first)
		space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	pages = area_pages(areas_find(&rig->space->areas, 0));
	assert_int_equal(pages->has_first, first);
	pthread_mutex_lock(&rig->space->lock);
	seed = 20261201;
	model_nr = 0;
	return rc;
}

static int setup(void **state)
{
	return begin(state, false);
}

static int setup_first(void **state)
{
	return begin(state, true);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	pthread_mutex_unlock(&rig->space->lock);
	return rig_teardown(state);
}

/* In order: by where it begins, then by length. */
static bool is_before(unsigned a, unsigned b)
{
	return model[a].first < model[b].first ||
	       (model[a].first == model[b].first && model[a].nr < model[b].nr);
}

/* The first in order that ends beyond the page's begin, or MOST. */
static unsigned first_beyond(unsigned page)
{
	unsigned found = MOST;

	for (unsigned i = 0; i < model_nr; i++)
		if (model[i].first + model[i].nr > page && (found == MOST || is_before(i, found)))
			found = i;
	return found;
}

static void add(struct rig *rig)
{
	unsigned first = rnd(PAGES), nr = 1 + rnd(rnd(4) ? 8 : PAGES), i;
	struct pages_pin *pin;
	bool locked;

	/* All of it, now and then: that is the first one's. */
	if (!rnd(20) || first + nr > PAGES) {
		first = rnd(2) ? 0 : first;
		nr = PAGES - first;
	}
	locked = pages_lock(&rig->iommu, pages);
	assert_int_equal(pages_pin(rig->space, pages, AT(first), AT(nr), 0, &pin, NULL), 0);
	pages_unlock(&rig->iommu, locked);
	for (i = 0; i < model_nr; i++)
		if (model[i].first == first && model[i].nr == nr)
			break;
	/* One that is there already has one user more. */
	if (i < model_nr) {
		assert_ptr_equal(model[i].pin, pin);
		model[i].users++;
		return;
	}
	model[model_nr].first = first;
	model[model_nr].nr = nr;
	model[model_nr].users = 1;
	model[model_nr++].pin = pin;
}

static void drop(struct rig *rig)
{
	unsigned i = rnd(model_nr);

	pages_unpin(rig->space, pages, model[i].pin);
	if (!--model[i].users)
		model[i] = model[--model_nr];
}

static void check_places(void)
{
	for (unsigned page = 0; page < PAGES; page++) {
		uint64_t end = AT(PAGES) + 1, at = AT(page) + rnd((unsigned)PAGE);
		const struct pages_pin *found = pages_pin_at(pages, at, &end);
		unsigned i = first_beyond(page);

		if (i < MOST && model[i].first <= page) {
			assert_ptr_equal(found, model[i].pin);
			assert_int_equal(end, AT(PAGES) + 1);
		} else {
			assert_null(found);
			assert_int_equal(end, i < MOST ? AT(model[i].first) : AT(PAGES) + 1);
		}
	}
}

/* From one page to another, piece by piece: each is covered, or is not, from its begin to its end.
 */
static void check_walk(unsigned first, unsigned last)
{
	struct pin_walk walk = pin_walk_begin(pages, NULL, AT(first), AT(last - first));
	unsigned page = first;
	struct pages_pin *pin;
	uint64_t len;

	while ((len = pin_walk_step(&walk, &pin))) {
		assert_int_equal(len % PAGE, 0);
		for (; len; len -= PAGE, page++) {
			unsigned i = first_beyond(page);

			assert_true(page < last);
			assert_int_equal(pin != NULL, i < MOST && model[i].first <= page);
			if (pin)
				assert_in_range(AT(page), pin_start(pin), pin_end(pin) - 1);
		}
	}
	assert_int_equal(page, last);
}

static void check(void)
{
	unsigned first = rnd(PAGES), covered = 0;

	check_places();
	check_walk(0, PAGES);
	check_walk(first, first + rnd(PAGES - first));
	for (unsigned page = 0; page < PAGES; page++) {
		unsigned i = first_beyond(page);

		covered += i < MOST && model[i].first <= page;
	}
	assert_int_equal(pages_pinned(pages), AT(covered));
	for (unsigned i = 0; i < model_nr; i++)
		assert_ptr_equal(pin_find(pages, AT(model[i].first), AT(model[i].nr)),
				 model[i].pin);
	assert_int_equal(pins_none(pages), !model_nr);
}

/* Few of them, then many, then few. */
static void pins_come_and_go(void **state)
{
	for (unsigned step = 0; step < 1200; step++) {
		unsigned wave = step / 200 % 2 ? 3 : 7;

		if (model_nr < MOST && (!model_nr || rnd(10) < wave))
			add(*state);
		else
			drop(*state);
		check();
	}
	while (model_nr) {
		drop(*state);
		check();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pins_come_and_go, setup, teardown),
		{"pins_come_and_go_beside_a_first_one", pins_come_and_go, setup_first, teardown,
		 NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
