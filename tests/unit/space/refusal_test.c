/* SPDX-License-Identifier: MIT */
/*
 * Description: what a space says when it refuses, word by word: each number in it is that of what
 * was asked for or of what stands in the way, to the byte.
 */
#include <ioas/access.h>
#include "rig.h"

static struct rig *rig;
static struct ioas_space *other;
static struct ioas_access *user;
static struct {
	iova_t first, last;
	unsigned calls;
} told;

static int no_copy_from(struct ioas_caller *caller, void *to, uint64_t from, size_t len)
{
	return -EFAULT;
}

static int no_copy_to(struct ioas_caller *caller, uint64_t to, const void *from, size_t len)
{
	return -EFAULT;
}

static const struct ioas_caller_ops ops = {
	.pin = rig_pin, .unpin = rig_unpin, .copy_from = no_copy_from, .copy_to = no_copy_to};

/* Lets nothing go by itself. */
static void asked(void *arg, iova_t first, iova_t last)
{
	told.first = first;
	told.last = last;
	told.calls++;
}

static int setup(void **state)
{
	static const struct ioas_access_ops access_ops = {.unmap = asked};
	int rc = rig_setup(state);

	rig = *state;
	rig->caller.ops = &ops;
	assert_int_equal(ioas_space_new(&rig->iommu, &other), 0);
	assert_int_equal(ioas_access_new(&rig->iommu, &access_ops, NULL, IOAS_ACCESS_PINS, &user),
			 0);
	return rc;
}

static int teardown(void **state)
{
	ioas_access_destroy(user);
	ioas_space_put(other);
	return rig_teardown(state);
}

#define SAYS(call, error, words)                           \
	do {                                               \
		rig->why.text[0] = '\0';                   \
		assert_int_equal(call, error);             \
		assert_string_equal(rig->why.text, words); \
	} while (0)

static int map(iova_t iova, uint64_t va, uint64_t len, uint32_t flags)
{
	return ioas_space_map(rig->space, &rig->caller, &iova, va, len, flags, &rig->why);
}

static int copy(iova_t iova, iova_t from, uint64_t len, uint32_t flags)
{
	return ioas_space_copy(other, &iova, rig->space, from, len, flags, &rig->why);
}

static int unmap(iova_t first, iova_t last)
{
	return ioas_space_unmap(rig->space, first, last, NULL, &rig->why);
}

#define FIXED (RW | IOAS_MAP_FIXED)

static void a_map_says_what_is_wrong_with_it(void **state)
{
	const struct ioas_range allowed[] = {{0x10000, 0x10fff}};

	SAYS(map(0x1000, ARENA, PAGE, RW | 0x18), -EOPNOTSUPP, "unknown map flags 0x18");
	SAYS(map(0x1000, -PAGE, 2 * PAGE, FIXED), -EOVERFLOW,
	     "address 0xfffffffffffff000 + length 0x2000 wraps");
	SAYS(map(0x1000, ARENA, 0, FIXED), -EINVAL, "length 0");
	SAYS(map(0x1000, 0, -PAGE + 1, FIXED), -EINVAL, "length 0xfffffffffffff001");
	SAYS(map(0x1000, 0, -PAGE - 1, FIXED), 0, "");
	assert_int_equal(unmap(0, UINT64_MAX), 0);
	SAYS(map(0, ARENA, 0x7fffffffffffffff, RW), -EOVERFLOW,
	     "length 0x7fffffffffffffff: too long to choose an IOVA");
	SAYS(map(-PAGE, ARENA, PAGE + 1, FIXED), -EOVERFLOW,
	     "IOVA 0xfffffffffffff000 + length 0x1001 wraps");
	assert_int_equal(space_reserve(rig->space, 0x2000, 0x2fff, rig, NULL), 0);
	SAYS(map(0x1001, ARENA, PAGE, FIXED), -EINVAL,
	     "0x1001-0x2000 touches the reserved range 0x2000-0x2fff");
	assert_int_equal(map(0x4000, ARENA, PAGE, FIXED), 0);
	SAYS(map(0x3001, ARENA, PAGE, FIXED), -EEXIST,
	     "0x3001-0x4000 overlaps mapping 0x4000-0x4fff");
	SAYS(map(0x4fff, ARENA, PAGE, FIXED), -EEXIST,
	     "0x4fff-0x5ffe overlaps mapping 0x4000-0x4fff");
	space_unreserve(rig->space, rig);
	assert_int_equal(ioas_space_allow(rig->space, allowed, 1, NULL), 0);
	SAYS(map(0, ARENA, 0x1001, RW), -ENOSPC,
	     "no free range of 0x1001 bytes aligned to 0x2000 in the allowed ranges");
	assert_int_equal(ioas_space_allow(rig->space, NULL, 0, NULL), 0);
	assert_int_equal(space_reserve(rig->space, 0x5000, UINT64_MAX, rig, NULL), 0);
	SAYS(map(0, ARENA + 0x100, 0x8000, RW), -ENOSPC,
	     "no free range of 0x8000 bytes aligned to 0x100");
	space_unreserve(rig->space, rig);
}

static void a_map_says_what_is_not_aligned(void **state)
{
	iova_t iova = 0x6000;

	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	SAYS(map(0x1000, ARENA, 0x1001, FIXED), -EINVAL, "length 0x1001: not a multiple of 4096");
	SAYS(map(0x1001, ARENA, PAGE, FIXED), -EINVAL, "IOVA 0x1001: not a multiple of 4096");
	SAYS(map(0x1000, ARENA + 0x10, PAGE, FIXED), -EINVAL,
	     "memory at 0x40000010 or its IOVA 0x1000 is not a multiple of 4096");
	SAYS(map(0, ARENA + 0x10, PAGE, RW), -EINVAL,
	     "memory at 0x40000010 is aligned to 16 only, the space to 4096");
	/* Of a copy it is the piece that is named. */
	assert_int_equal(ioas_space_map(other, &rig->caller, &iova, ARENA, PAGE, FIXED, NULL), 0);
	iova = 0x7000;
	assert_int_equal(ioas_space_map(other, &rig->caller, &iova, ARENA + 0x2010, PAGE,
					IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
			 0);
	iova = 0x1000;
	SAYS(ioas_space_copy(rig->space, &iova, other, 0x6000, 2 * PAGE,
			     IOAS_MAP_READ | IOAS_MAP_FIXED, &rig->why),
	     -EINVAL, "memory at 0x40002010 or its IOVA 0x2000 is not a multiple of 4096");
	SAYS(ioas_space_copy(rig->space, &iova, other, 0x6000, 2 * PAGE, FIXED, &rig->why), -EPERM,
	     "write permission wanted for memory at 0x40002010 that was mapped read-only");
}

static void a_copy_says_what_is_not_there(void **state)
{
	assert_int_equal(map(0x1000, ARENA, 2 * PAGE, IOAS_MAP_READ | IOAS_MAP_FIXED), 0);
	SAYS(copy(0x1000, 0x1000, 0, FIXED), -EINVAL, "length 0");
	SAYS(copy(0x1000, -PAGE, PAGE + 1, FIXED), -EOVERFLOW,
	     "source IOVA 0xfffffffffffff000 + length 0x1001 wraps");
	SAYS(copy(0x1000, 0x800, PAGE, FIXED), -ENOENT, "nothing is mapped at source IOVA 0x800");
	SAYS(copy(0x1000, 0x2000, PAGE + 1, FIXED), -ENOENT,
	     "nothing is mapped at source IOVA 0x3000");
	SAYS(copy(0x1000, 0x2fff, 1, FIXED), -EPERM,
	     "write permission wanted for memory at 0x40001fff that was mapped read-only");
}

static void memory_that_is_not_there_is_named(void **state)
{
	struct pt *pt = rig_pt(48);

	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	SAYS(space_domain_attach(rig->space, pt, &rig->why), -EEXIST,
	     "the page table is attached already");
	SAYS(map(0x1000, ARENA - PAGE, 3 * PAGE, IOAS_MAP_READ | IOAS_MAP_FIXED), -EFAULT,
	     "memory 0x3ffff000-0x40001fff is not all there");
	SAYS(map(0x1000, ARENA - PAGE, 3 * PAGE, FIXED), -EFAULT,
	     "memory 0x3ffff000-0x40001fff is not all there and writable");
	rig->pins_left = 0;
	SAYS(map(0x1000, ARENA, PAGE, FIXED), -ENOMEM, "out of memory");
	rig->pins_left = -1;
	space_domain_detach(rig->space, pt);
	assert_int_equal(map(0x1000, ARENA, PAGE, FIXED), 0);
	assert_int_equal(map(0x3000, ARENA - PAGE, 2 * PAGE, FIXED), 0);
	assert_int_equal(map(0x6000, ARENA, PAGE, FIXED), 0);
	SAYS(space_domain_attach(rig->space, pt, &rig->why), -EFAULT,
	     "memory of mapping 0x3000-0x4fff is not all there and writable");
	assert_int_equal(unmap(0x3000, 0x4fff), 0);
	assert_int_equal(map(0x3000, ARENA - PAGE, 2 * PAGE, IOAS_MAP_READ | IOAS_MAP_FIXED), 0);
	SAYS(space_domain_attach(rig->space, pt, &rig->why), -EFAULT,
	     "memory of mapping 0x3000-0x4fff is not all there");
	assert_int_equal(unmap(0x3000, 0x4fff), 0);
	rig->pins_left = 1;
	SAYS(space_domain_attach(rig->space, pt, &rig->why), -ENOMEM,
	     "out of memory at mapping 0x6000-0x6fff");
	rig->pins_left = -1;
	pt_destroy(pt);
}

static void stops(void)
{
	struct pt *pt = rig_pt(48);
	pa_t pa;

	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	SAYS(unmap(0x1000, 0x1fff), -ENOENT, "nothing is mapped in 0x1000-0x1fff");
	SAYS(unmap(0, UINT64_MAX - 1), -ENOENT, "nothing is mapped in 0-0xfffffffffffffffe");
	SAYS(unmap(1, UINT64_MAX), -ENOENT, "nothing is mapped in 0x1-0xffffffffffffffff");
	SAYS(unmap(0, UINT64_MAX), 0, "");
	assert_int_equal(map(0x1000, ARENA, PAGE, FIXED), 0);
	assert_int_equal(map(0x2000, ARENA + PAGE, 2 * PAGE, FIXED), 0);
	SAYS(unmap(0x1001, 0x3fff), -ENOENT, "0x1001-0x3fff would cut mapping 0x1000-0x1fff");
	assert_int_equal(space_area_nr(rig->space), 2);
	SAYS(unmap(0x1000, 0x3ffe), -ENOENT, "0x1000-0x3ffe would cut mapping 0x2000-0x3fff");
	assert_int_equal(space_area_nr(rig->space), 1);
	assert_int_equal(space_lock_range(rig->space, 0x3000, 0x3fff, &pa, NULL), 0);
	SAYS(unmap(0x2000, 0x3fff), -EBUSY, "mapping 0x2000-0x3fff has a hardware queue in it");
	/* The one before it goes all the same. */
	assert_int_equal(map(0x1000, ARENA, PAGE, FIXED), 0);
	SAYS(unmap(0, UINT64_MAX), -EBUSY, "mapping 0x2000-0x3fff has a hardware queue in it");
	assert_int_equal(space_area_nr(rig->space), 1);
	space_unlock_range(rig->space, 0x3000, 0x3fff);
	SAYS(unmap(0x2000, 0x3fff), 0, "");
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

/* Of a space that others are nested on, too. */
static void an_unmap_says_what_it_stops_at(void **state)
{
	struct ioas_space *nested;

	stops();
	lock_init(&rig->iommu.nest_lock, LOCK_NEST);
	assert_int_equal(ioas_space_new_nested(rig->space, &nested, NULL), 0);
	stops();
	ioas_space_put(nested);
}

static int pin(iova_t iova, uint64_t len, uint32_t flags)
{
	struct ioas_access_pin *none;

	return ioas_access_pin(user, iova, len, flags, &none, &rig->why);
}

static int rw(iova_t iova, uint64_t len, uint32_t flags)
{
	static char buf[4 * PAGE];

	return ioas_access_rw(user, iova, buf, len, flags, &rig->why);
}

static void an_access_says_what_it_cannot_have(void **state)
{
	static int (*const call[])(iova_t, uint64_t, uint32_t) = {pin, rw};
	uint64_t ever;

	SAYS(pin(0x1000, PAGE, 0), -ENOENT, "the access is attached to no space");
	assert_int_equal(ioas_access_attach(user, rig->space, NULL), 0);
	assert_int_equal(map(0x1000, ARENA, PAGE, IOAS_MAP_READ | IOAS_MAP_FIXED), 0);
	assert_int_equal(map(0x2000, ARENA + PAGE, PAGE, IOAS_MAP_WRITE | IOAS_MAP_FIXED), 0);
	assert_int_equal(map(0x4000, ARENA - PAGE, PAGE, FIXED), 0);
	for (unsigned i = 0; i < 2; i++) {
		SAYS(call[i](0x1000, 1, 0x14), -EINVAL, "unknown flags 0x14");
		SAYS(call[i](0x1000, 0, 0), -EINVAL, "length 0");
		SAYS(call[i](-PAGE, PAGE + 1, 0), -EOVERFLOW,
		     "IOVA 0xfffffffffffff000 + length 0x1001 wraps");
		SAYS(call[i](0x3000, PAGE, 0), -ENOENT, "nothing is mapped at 0x3000");
		SAYS(call[i](0x1000, PAGE, IOAS_ACCESS_WRITE), -EPERM,
		     "mapping 0x1000-0x1fff does not allow to write it");
		SAYS(call[i](0x2000, PAGE, 0), -EPERM,
		     "mapping 0x2000-0x2fff does not allow to read it");
	}
	SAYS(pin(0x1010, 1, 0), -EINVAL, "IOVA 0x1010 is inside a page");
	SAYS(pin(0x4000, PAGE, 0), -EFAULT, "memory of the mapping is not all there");
	SAYS(rw(0x4010, 0x20, 0), -EFAULT, "cannot read the memory of IOVA 0x4010-0x402f");
	SAYS(rw(0x4010, 0xff0, IOAS_ACCESS_WRITE), -EFAULT,
	     "cannot write the memory of IOVA 0x4010-0x4fff");
	/* To copy nothing is pinned. */
	ever = rig->pins_ever;
	SAYS(rw(0x1000, PAGE, 0), -EFAULT, "cannot read the memory of IOVA 0x1000-0x1fff");
	assert_int_equal(rig->pins_ever, ever);
	assert_int_equal(map(0x5000, ARENA, PAGE, FIXED), 0);
	SAYS(rw(0x4ffe, 3, 0), -EFAULT, "cannot read the memory of IOVA 0x4ffe-0x4fff");
	rig->pins_left = 0;
	SAYS(pin(0x1000, PAGE, 0), -ENOMEM, "out of memory");
	rig->pins_left = -1;
	assert_int_equal(rig->pins, 0);
}

static void pinning_wants_whole_pages(void **state)
{
	assert_int_equal(map(0x1001, ARENA + 1, 10, FIXED), 0);
	SAYS(ioas_access_attach(user, rig->space, &rig->why), -EADDRINUSE,
	     "mapping 0x1001-0x100a or its memory is not aligned to 4096");
	assert_int_equal(unmap(0, UINT64_MAX), 0);
	assert_int_equal(ioas_access_attach(user, rig->space, NULL), 0);
	assert_int_equal(ioas_space_alignment(rig->space), PAGE);
	SAYS(map(0x1001, ARENA + 1, 10, FIXED), -EINVAL, "length 0xa: not a multiple of 4096");
	ioas_access_detach(user);
	assert_int_equal(ioas_space_alignment(rig->space), 1);
}

/* Of a pin of a page's, each time of the whole mapping, a hundred times; and then it is as it was.
 */
static void an_access_that_does_not_let_go_is_a_deadlock(void **state)
{
	struct ioas_access_pin *kept, *again;
	uint64_t len;

	assert_int_equal(ioas_access_attach(user, rig->space, NULL), 0);
	assert_int_equal(map(0x1000, ARENA, PAGE, FIXED), 0);
	assert_int_equal(map(0x2000, ARENA, 3 * PAGE, FIXED), 0);
	assert_int_equal(ioas_access_pin(user, 0x3000, PAGE, 0, &kept, NULL), 0);
	told.calls = 0;
	SAYS(ioas_space_unmap(rig->space, 0x1000, 0x4fff, &len, &rig->why), -EDEADLOCK,
	     "an access does not let mapping 0x2000-0x4fff go");
	assert_int_equal(len, PAGE);
	assert_int_equal(told.calls, 100);
	assert_true(told.first == 0x2000 && told.last == 0x4fff);
	assert_int_equal(ioas_access_pin(user, 0x2000, 3 * PAGE, 0, &again, NULL), 0);
	ioas_access_unpin(again);
	ioas_access_unpin(kept);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(unmap(0x1000, 0x4fff), 0);
	assert_int_equal(told.calls, 100);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_map_says_what_is_wrong_with_it),
		TEST(a_map_says_what_is_not_aligned),
		TEST(a_copy_says_what_is_not_there),
		TEST(memory_that_is_not_there_is_named),
		TEST(an_unmap_says_what_it_stops_at),
		TEST(an_access_says_what_it_cannot_have),
		TEST(pinning_wants_whole_pages),
		TEST(an_access_that_does_not_let_go_is_a_deadlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
