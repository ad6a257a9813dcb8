/* SPDX-License-Identifier: MIT */
/*
 * Description: threads map and unmap at once in a parent, in children that come and go, and in
 * their child. When all have stopped each page table shows the composition, as a walk down the
 * levels has it; and what a parent's UNMAP has returned from is in no child's table.
 */
#include <pthread.h>
#include "tests/unit/rnd.h"
#include "tests/unit/space/rig.h"
#include "util/lock.h"

#define PAGES  16
#define ROUNDS 600
#define BASE   0x10000000ull

static struct rig *rig;
static struct ioas_space *space[3];
static struct pt *pt[3];

static iova_t address(unsigned page)
{
	return BASE + page * PAGE;
}

struct worker {
	pthread_t thread;
	unsigned level;
	uint64_t rnd;
};

static uint64_t rnd(struct worker *worker, uint64_t below)
{
	rnd_next(&worker->rnd);
	return (worker->rnd >> 11) % below;
}

/* Two maps of half of the pages each, of changing memory, so that neighbours may be any. */
static void *change(void *arg)
{
	struct worker *worker = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned first = (unsigned)rnd(worker, 4) * (PAGES / 4);
		unsigned below = (unsigned)rnd(worker, 4) * (PAGES / 4);
		iova_t iova = address(first);

		if (rnd(worker, 2))
			ioas_space_unmap(space[worker->level], iova, iova + PAGES / 4 * PAGE - 1,
					 NULL, NULL);
		else if (worker->level)
			ioas_space_nest_map(space[worker->level], iova, address(below),
					    PAGES / 4 * PAGE, RW, NULL);
		else
			ioas_space_map(space[0], &rig->caller, &iova, ARENA + below * PAGE,
				       PAGES / 4 * PAGE, RW | IOAS_MAP_FIXED, NULL);
	}
	return NULL;
}

/* Children that come while the parent changes, and go with all they have. */
static void *come_and_go(void *arg)
{
	for (unsigned i = 0; i < ROUNDS / 4; i++) {
		struct ioas_space *child;

		if (ioas_space_new_nested(space[0], &child, NULL))
			continue;
		ioas_space_nest_map(child, BASE, BASE, PAGES * PAGE, RW, NULL);
		ioas_space_put(child);
	}
	return NULL;
}

/* Where a level leads, one level down: the maps are looked up by what the tables show below. */
static void compare(unsigned level)
{
	struct ioas_nest_info info;
	uint64_t shown = 0;
	uint32_t prot;

	for (unsigned p = 0; p < PAGES; p++)
		shown += rig_lookup(rig, pt[level], address(p), &prot) ? PAGE : 0;
	assert_int_equal(ioas_space_nest_info(space[level], &info), 0);
	assert_int_equal(info.shown_len, shown);
	assert_true(info.len >= shown);
	/* Each map once more: taken out and put in again it shows the same. */
	for (unsigned p = 0; p < PAGES; p += PAGES / 4) {
		uint64_t before[PAGES / 4], len;
		uint32_t ignored;

		for (unsigned k = 0; k < PAGES / 4; k++)
			before[k] = rig_lookup(rig, pt[level], address(p + k), &ignored);
		if (ioas_space_unmap(space[level], address(p), address(p + PAGES / 4) - 1, &len,
				     NULL))
			continue;
		for (unsigned below = 0; below < PAGES; below += PAGES / 4) {
			bool same = true, any = false;

			assert_int_equal(ioas_space_nest_map(space[level], address(p),
							     address(below), len, RW, NULL),
					 0);
			for (unsigned k = 0; k < PAGES / 4; k++) {
				uint64_t now = rig_lookup(rig, pt[level], address(p + k), &ignored);

				same = same && now == before[k];
				any = any || before[k];
			}
			assert_int_equal(ioas_space_unmap(space[level], address(p),
							  address(p + PAGES / 4) - 1, &len, NULL),
					 0);
			if (same || !any)
				break;
			/* What was shown is what some place of the parent shows. */
			assert_true(below + PAGES / 4 < PAGES);
		}
	}
}

static void all_is_in_step_at_the_end(void **state)
{
	struct worker workers[6];
	pthread_t comer;

	rig_setup(state);
	rig = *state;
	lock_init(&rig->iommu.nest_lock, LOCK_NEST);
	for (unsigned i = 0; i < 3; i++) {
		if (i)
			assert_int_equal(ioas_space_new_nested(space[i - 1], &space[i], NULL), 0);
		else
			space[0] = ioas_space_get(rig->space);
		pt[i] = rig_pt(48);
		assert_int_equal(space_domain_attach(space[i], pt[i], NULL), 0);
	}
	pthread_create(&comer, NULL, come_and_go, NULL);
	for (unsigned i = 0; i < 6; i++) {
		workers[i] = (struct worker){.level = i / 2, .rnd = 88172645463325252ull + i};
		pthread_create(&workers[i].thread, NULL, change, &workers[i]);
	}
	for (unsigned i = 0; i < 6; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_join(comer, NULL);
	compare(2);
	compare(1);
	/* The parent's end is in all tables. */
	assert_int_equal(ioas_space_unmap(space[0], 0, UINT64_MAX, NULL, NULL), 0);
	for (unsigned i = 3; i--;) {
		uint32_t prot;

		for (unsigned p = 0; p < PAGES; p++)
			assert_int_equal(rig_lookup(rig, pt[i], address(p), &prot), 0);
		space_domain_detach(space[i], pt[i]);
		pt_destroy(pt[i]);
		ioas_space_put(space[i]);
	}
	rig_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_in_step_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
