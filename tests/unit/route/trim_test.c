/* SPDX-License-Identifier: MIT */
/*
 * Description: a PASID's place takes memory as long as something is attached by it: detached,
 * refused, or without memory for the rest, it leaves nothing.
 */
#include "tests/unit/heap.h"
#include "tests/unit/route/attach.h"
#include "util/inject.h"

/* Near one another, and far: of one leaf, of one level, of none. */
static const int pasids[] = {1, 2, 63, 64, 127, 8191, 8192, 0x80000, 0xfffff};

#define NR (sizeof(pasids) / sizeof(pasids[0]))

/* The last that comes is the first that goes, but for the first of all. */
static void come_and_go(struct ioas_device *dev)
{
	for (size_t i = 0; i < NR; i++)
		assert_int_equal(attach(dev, pasids[i], i % 3, NULL), 0);
	detach(dev, pasids[0]);
	for (size_t i = NR - 1; i > 0; i--) {
		assert_ptr_equal(route_of(dev, pasids[i]), pt[i % 3]);
		detach(dev, pasids[i]);
		assert_null(route_of(dev, pasids[i]));
	}
	for (size_t i = 0; i < NR; i++)
		assert_null(route_entry_find(dev->set, &(pasid_t){(pasid_t)pasids[i]}));
}

/* Each with the 1st, 2nd, ... allocation failing, and none that has all it needs afterwards. */
static void run_out_of_memory(struct ioas_device *dev)
{
	/* The first level stays. */
	assert_int_equal(attach(dev, 5, 0, NULL), 0);
	detach(dev, 5);
	for (size_t i = 0; i < NR; i++) {
		unsigned needed;

		inject_arm(100);
		assert_int_equal(attach(dev, pasids[i], 0, NULL), 0);
		needed = 100 - inject_remaining();
		inject_arm(0);
		detach(dev, pasids[i]);
		assert_true(needed >= 2);
		for (unsigned n = needed; n > 0; n--) {
			inject_arm(n);
			assert_int_equal(attach(dev, pasids[i], 0, NULL), -ENOMEM);
			assert_int_equal(inject_remaining(), 0);
			assert_null(route_entry_find(dev->set, &(pasid_t){(pasid_t)pasids[i]}));
		}
	}
}

static struct ioas_device *other;

/* Another device has the machine-wide PASID, and leads it elsewhere. */
static void be_refused(struct ioas_device *dev)
{
	for (size_t i = 0; i < NR; i++) {
		assert_int_equal(attach(other, pasids[i], 1, NULL), 0);
		assert_int_equal(attach(dev, pasids[i], 2, NULL), -EINVAL);
		assert_null(route_entry_find(dev->set, &(pasid_t){(pasid_t)pasids[i]}));
		detach(other, pasids[i]);
	}
}

/*
 * What is left over in a set is found by the next PASID, and lost with the set: a new machine each
 * time.
 */
static void assert_leaves_nothing(void (*what)(struct ioas_device *dev), uint32_t forms)
{
	size_t used = 0;

	for (unsigned i = 0; i < 30; i++) {
		struct ioas_device *dev;

		setup(NULL);
		dev = device(0x100, NULL, forms, 20);
		other = device(0x200, NULL, forms, 20);
		what(dev);
		end(other);
		end(dev);
		teardown(NULL);
		if (i == 10)
			used = heap_used();
	}
	assert_false(heap_grew(used, 19));
}

#define WIDE (IOAS_FORM_RID | IOAS_FORM_SHARED_QUEUE)

static void what_goes_leaves_nothing(void **arg)
{
	assert_leaves_nothing(come_and_go, BOTH);
	assert_leaves_nothing(come_and_go, WIDE);
}

static void what_there_is_no_memory_for_leaves_nothing(void **arg)
{
	assert_leaves_nothing(run_out_of_memory, BOTH);
	assert_leaves_nothing(run_out_of_memory, WIDE);
}

static void what_is_refused_leaves_nothing(void **arg)
{
	assert_leaves_nothing(be_refused, WIDE);
}

void __real_inflight_wait(struct inflight *inflight);
void __wrap_inflight_wait(struct inflight *inflight);

static struct route_set *watched; /* NULL: none */
static unsigned waits_after;	  /* with the place of PASID 5 gone */

void __wrap_inflight_wait(struct inflight *inflight)
{
	if (watched && !route_entry_find(watched, &(pasid_t){5}))
		waits_after++;
	__real_inflight_wait(inflight);
}

/* Others may just be passing through it: they are waited for once it cannot be found any more. */
static void a_place_is_not_freed_under_who_looks_at_it(void **arg)
{
	struct ioas_device *dev;

	setup(NULL);
	dev = device(0x100, NULL, BOTH, 20);
	assert_int_equal(attach(dev, 5, 0, NULL), 0);
	assert_int_equal(attach(dev, 6, 0, NULL), 0);
	watched = dev->set;
	waits_after = 0;
	detach(dev, 5);
	assert_int_equal(waits_after, 0); /* the place of 6 is beside it */
	detach(dev, 6);
	assert_int_equal(waits_after, 1);
	watched = NULL;
	end(dev);
	teardown(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_leaves_nothing),
		cmocka_unit_test(what_there_is_no_memory_for_leaves_nothing),
		cmocka_unit_test(a_place_is_not_freed_under_who_looks_at_it),
		cmocka_unit_test(what_is_refused_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
