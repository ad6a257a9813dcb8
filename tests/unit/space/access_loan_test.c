/* SPDX-License-Identifier: MIT */
/*
 * Description: what an access lends of a pin is in as few spans as its memory has stretches,
 * wherever it begins and ends; without memory, or outside of the pin, nothing is lent.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <ioas/access.h>
#include "iommu.h"
#include "space/space.h"
#include "tests/unit/rnd.h"
#include "util/inject.h"

#define PAGE  4096ull
#define PAGES 40u
#define BASE  0x100000ull

/* After those, of which it makes use. */
#include "tests/unit/space/access_rig.h"

static struct ioas_access_pin *pin;
static unsigned at[PAGES], pages; /* which page of memory is mapped there; how many are */
static uint64_t seed = 3;

static unsigned rnd(unsigned below)
{
	return (unsigned)(rnd_next(&seed) % below);
}

static void told(void *arg, iova_t first, iova_t last)
{
	ioas_access_unpin(pin);
	pin = NULL;
}

static const struct ioas_access_ops ops = {.unmap = told};

static int setup(void **state)
{
	rig_start(&ops);
	return 0;
}

/* Mappings of a few pages side by side, some of memory that goes on from the one before. */
static void map_any(void)
{
	unsigned from = rnd(PAGES - 4);

	for (pages = 0; pages < PAGES - 4;) {
		unsigned nr = 1 + rnd(4);
		iova_t iova = BASE + pages * PAGE;

		if (from + nr > PAGES || !rnd(3))
			from = rnd(PAGES - 4);
		assert_int_equal(ioas_space_map(space, NULL, &iova, (uintptr_t)mem + from * PAGE,
						nr * PAGE, IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
				 0);
		while (nr--)
			at[pages++] = from++;
	}
	assert_int_equal(ioas_access_pin(access_of, BASE, pages * PAGE, 0, &pin, NULL), 0);
}

/* Each span is as long as memory goes on. */
static void check(const struct ioas_access_loan *loan, uint64_t off, uint64_t len)
{
	unsigned i = 0;

	assert_int_equal(loan->len, len);
	while (len) {
		char *host = mem + at[off / PAGE] * PAGE + off % PAGE;
		uint64_t now = PAGE - off % PAGE;

		while (now < len && at[(off + now) / PAGE] == at[(off + now) / PAGE - 1] + 1)
			now += PAGE;
		now = now < len ? now : len;
		assert_true(i < loan->iov_nr);
		assert_ptr_equal(loan->iov[i].iov_base, host);
		assert_int_equal(loan->iov[i].iov_len, now);
		i++;
		off += now;
		len -= now;
	}
	assert_int_equal(i, loan->iov_nr);
}

static void spans_are_stretches_of_memory(void **state)
{
	struct ioas_access_loan loan = {0};

	for (unsigned round = 0; round < 60; round++) {
		map_any();
		for (unsigned i = 0; i < 60; i++) {
			uint64_t all = pages * PAGE, off = rnd((unsigned)all);
			uint64_t len = 1 + rnd((unsigned)(all - off));

			if (rnd(2))
				off &= ~(PAGE - 1);
			assert_int_equal(ioas_access_begin(pin, off, len, &loan), 0);
			check(&loan, off, len);
			ioas_access_end(&loan);
			assert_int_equal(loan.hold_nr, 0);
			assert_int_equal(loan.len, 0);
		}
		if (round % 4 == 0)
			ioas_access_loan_fini(&loan);
		assert_int_equal(ioas_space_unmap(space, 0, UINT64_MAX, NULL, NULL), 0);
		assert_null(pin);
	}
	ioas_access_loan_fini(&loan);
	assert_null(loan.iov);
	assert_null(loan.hold);
}

static void only_what_is_pinned_is_lent(void **state)
{
	struct ioas_access_loan loan = {0};
	uint64_t all;

	map_any();
	all = pages * PAGE;
	assert_int_equal(ioas_access_begin(pin, 0, 0, &loan), -EINVAL);
	assert_int_equal(ioas_access_begin(pin, all, 1, &loan), -EINVAL);
	assert_int_equal(ioas_access_begin(pin, all - 1, 2, &loan), -EINVAL);
	assert_int_equal(ioas_access_begin(pin, 1, UINT64_MAX, &loan), -EINVAL);
	assert_int_equal(ioas_access_begin(pin, 0, all + 1, &loan), -EINVAL);
	assert_int_equal(ioas_access_begin(pin, all - 1, 1, &loan), 0);
	check(&loan, all - 1, 1);
	ioas_access_end(&loan);
	assert_int_equal(ioas_access_begin(pin, 0, all, &loan), 0);
	check(&loan, 0, all);
	ioas_access_loan_fini(&loan);
}

/* And what was there to hold it is free: the mapping can go. */
static void without_memory_nothing_is_lent(void **state)
{
	unsigned failed = 0;
	int rc = 1;

	map_any();
	while (rc) {
		struct ioas_access_loan loan = {0};

		inject_arm(failed + 1);
		rc = ioas_access_begin(pin, 0, pages * PAGE, &loan);
		inject_arm(0);
		assert_true(!rc || rc == -ENOMEM);
		if (rc) {
			assert_int_equal(loan.len, 0);
			assert_int_equal(loan.hold_nr, 0);
			assert_int_equal(loan.iov_nr, 0);
			failed++;
		}
		ioas_access_loan_fini(&loan);
	}
	assert_true(failed >= 3);
	assert_int_equal(ioas_space_unmap(space, 0, UINT64_MAX, NULL, NULL), 0);
}

/* A model lends for each of its requests. */
static void what_is_lent_again_takes_no_memory(void **state)
{
	struct ioas_access_loan loan = {0};

	map_any();
	assert_int_equal(ioas_access_begin(pin, 0, pages * PAGE, &loan), 0);
	for (unsigned i = 0; i < 10; i++) {
		ioas_access_end(&loan);
		inject_arm(1);
		assert_int_equal(ioas_access_begin(pin, 0, pages * PAGE, &loan), 0);
		assert_int_equal(inject_remaining(), 1);
		inject_arm(0);
	}
	ioas_access_loan_fini(&loan);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, rig_stop)
	const struct CMUnitTest tests[] = {
		TEST(spans_are_stretches_of_memory),
		TEST(only_what_is_pinned_is_lent),
		TEST(without_memory_nothing_is_lent),
		TEST(what_is_lent_again_takes_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
