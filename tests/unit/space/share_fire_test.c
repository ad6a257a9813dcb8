/* SPDX-License-Identifier: MIT */
/*
 * Description: two spaces show the same page objects, of which COPY took all or a part, and each
 * pins them and gives them up as it likes: both tables lead to the same memory all the time, and at
 * the end nothing is pinned or paid for.
 */
#include <pthread.h>
#include "rig.h"

#define NR     48
#define ROUNDS 6
#define TIMES  40 /* with new page objects */
#define LEN    (4 * PAGE)

static iova_t at(unsigned i)
{
	return 0x100000 + i * 2 * LEN;
}

/* What of a mapping the other space shows. */
static iova_t part(unsigned i)
{
	return i % 2 ? PAGE : 0;
}

static uint64_t part_len(unsigned i)
{
	return i % 2 ? 2 * PAGE : LEN;
}

static void copy(struct rig *rig, struct ioas_space *to, unsigned i)
{
	iova_t iova = at(i) + part(i);

	assert_int_equal(ioas_space_copy(to, &iova, rig->space, iova, part_len(i),
					 RW | IOAS_MAP_FIXED, NULL),
			 0);
}

/* With a table of its own: does all lead where it should? Then without. */
static void once(struct rig *rig, struct ioas_space *space, bool parts)
{
	struct pt *pt = rig_pt(48);

	assert_int_equal(space_domain_attach(space, pt, NULL), 0);
	for (unsigned i = 0; i < NR; i++) {
		uint64_t start = parts ? part(i) : 0, len = parts ? part_len(i) : LEN;

		for (uint64_t off = start; off < start + len; off += PAGE) {
			uint32_t prot;

			assert_int_equal(rig_lookup(rig, pt, at(i) + off, &prot),
					 ARENA + i * LEN + off);
		}
	}
	space_domain_detach(space, pt);
	pt_destroy(pt);
}

struct other {
	struct rig *rig;
	struct ioas_space *space;
};

static void *run_other(void *arg)
{
	struct other *other = arg;

	for (unsigned round = 0; round < ROUNDS; round++) {
		once(other->rig, other->space, true);
		if (round % 3)
			continue;
		assert_int_equal(ioas_space_unmap(other->space, 0, UINT64_MAX, NULL, NULL), 0);
		for (unsigned i = 0; i < NR; i++)
			copy(other->rig, other->space, i);
	}
	return NULL;
}

/* `first`: the pages have room for the pin of all of them. */
static void share(struct rig *rig, bool first)
{
	struct other other = {.rig = rig};
	struct pt *pt = rig_pt(48);
	pthread_t thread;

	if (first)
		assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(rig_fixed(rig, at(i), ARENA + i * LEN, LEN), 0);
	if (first)
		space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	assert_int_equal(ioas_space_new(&rig->iommu, &other.space), 0);
	for (unsigned i = 0; i < NR; i++)
		copy(rig, other.space, i);
	assert_int_equal(pthread_create(&thread, NULL, run_other, &other), 0);
	for (unsigned round = 0; round < ROUNDS; round++)
		once(rig, rig->space, false);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(rig_charged(rig), 0);
	ioas_space_put(other.space);
	once(rig, rig->space, false);
	assert_int_equal(rig_unmap(rig, at(0), NR * 2 * LEN, NR * LEN), 0);
}

static void each_with_its_own_table(void **state)
{
	for (unsigned i = 0; i < TIMES; i++)
		share(*state, true);
}

static void without_a_first_pin(void **state)
{
	for (unsigned i = 0; i < TIMES; i++)
		share(*state, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_with_its_own_table, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(without_a_first_pin, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
