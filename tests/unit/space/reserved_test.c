/* SPDX-License-Identifier: MIT */
/* Description: reserved ranges with owners against a plain array of bytes, address by address. */
#include "rig.h"
#include "tests/unit/rnd.h"

#define SPAN 96
#define MAX  24

struct range {
	iova_t first, last;
	int owner;
};

static struct range ranges[MAX];
static unsigned nr;
static int owners[5];
static uint64_t seed = 4711;

static unsigned rnd(unsigned below)
{
	return (unsigned)(rnd_next(&seed) % below);
}

static bool covered(iova_t first, iova_t last)
{
	for (unsigned i = 0; i < nr; i++)
		if (ranges[i].first <= last && ranges[i].last >= first)
			return true;
	return false;
}

static bool is_one(const struct ioas_range *hit)
{
	for (unsigned i = 0; i < nr; i++)
		if (ranges[i].first == hit->first && ranges[i].last == hit->last)
			return true;
	return false;
}

static void check_hits(const struct reserved *reserved)
{
	struct ioas_range hit;

	for (iova_t first = 0; first < SPAN; first++) {
		iova_t last = first + rnd(4);

		assert_int_equal(reserved_hit(reserved, first, first, &hit), covered(first, first));
		assert_int_equal(reserved_hit(reserved, first, last, &hit), covered(first, last));
		if (covered(first, last))
			assert_true(hit.first <= last && hit.last >= first && is_one(&hit));
	}
}

static void check_holes(const struct reserved *reserved)
{
	struct ioas_range holes[MAX + 1];
	size_t holes_nr = reserved_holes(reserved, holes, MAX + 1), n = 0;
	struct ioas_range some[MAX + 2];
	size_t room = rnd((unsigned)holes_nr + 1);

	assert_true(holes_nr <= reserved->nr + 1);
	assert_int_equal(holes[holes_nr - 1].last, UINT64_MAX);
	/* As many as there is room for, and all are counted. */
	memset(some, 0x5a, sizeof(some));
	assert_int_equal(reserved_holes(reserved, some, room), holes_nr);
	assert_memory_equal(some, holes, room * sizeof(*some));
	for (; room < MAX + 2; room++)
		assert_int_equal(some[room].first, 0x5a5a5a5a5a5a5a5a);
	for (iova_t at = 0; at < SPAN; at++) {
		if (n < holes_nr && at > holes[n].last)
			n++;
		assert_int_equal(n < holes_nr && at >= holes[n].first, !covered(at, at));
		/* No two holes touch. */
		assert_true(!n || holes[n - 1].last + 1 < holes[n].first || n == holes_nr);
	}
}

static void hits_and_holes_agree_with_the_array(void **state)
{
	struct reserved reserved;

	reserved_init(&reserved);
	for (unsigned round = 0; round < 3000; round++) {
		int owner = (int)rnd(5);

		if (nr < MAX && rnd(3)) {
			iova_t first = rnd(SPAN - 8), last = first + rnd(8);

			ranges[nr++] = (struct range){first, last, owner};
			assert_int_equal(reserved_add(&reserved, first, last, &owners[owner]), 0);
		} else if (!rnd(3)) {
			unsigned kept = 0;

			reserved_drop(&reserved, &owners[owner]);
			for (unsigned i = 0; i < nr; i++)
				if (ranges[i].owner != owner)
					ranges[kept++] = ranges[i];
			nr = kept;
		}
		assert_int_equal(reserved.nr, nr);
		check_hits(&reserved);
		check_holes(&reserved);
	}
	reserved_fini(&reserved);
}

static void the_last_address_can_be_reserved(void **state)
{
	struct reserved reserved;
	struct ioas_range hole;

	reserved_init(&reserved);
	assert_int_equal(reserved_add(&reserved, 0, UINT64_MAX, owners), 0);
	assert_int_equal(reserved_holes(&reserved, &hole, 1), 0);
	reserved_drop(&reserved, owners);
	assert_int_equal(reserved_holes(&reserved, &hole, 1), 1);
	reserved_fini(&reserved);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hits_and_holes_agree_with_the_array),
		cmocka_unit_test(the_last_address_can_be_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
