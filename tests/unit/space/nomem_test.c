/* SPDX-License-Identifier: MIT */
/*
 * Description: each call is repeated with the first, second, ... allocation failing until none
 * fails any more: every failure is -ENOMEM and leaves mappings, tables and pins as they were,
 * and no memory behind.
 * The linker puts the __wrap_ functions in front of the allocator (see meson.build).
 */
#include "rig.h"

void *__real_malloc(size_t len);
void *__real_calloc(size_t nr, size_t len);
void *__real_realloc(void *ptr, size_t len);
int __real_posix_memalign(void **out, size_t align, size_t len);
void __real_free(void *ptr);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t nr, size_t len);
void *__wrap_realloc(void *ptr, size_t len);
int __wrap_posix_memalign(void **out, size_t align, size_t len);
void __wrap_free(void *ptr);
void *__real_pool_shelf_take(struct pool *pool, struct pool_shelf *shelf);
void __real_pool_shelf_give(struct pool *pool, struct pool_shelf *shelf, void *item);
void *__wrap_pool_shelf_take(struct pool *pool, struct pool_shelf *shelf);
void __wrap_pool_shelf_give(struct pool *pool, struct pool_shelf *shelf, void *item);
void *__real_pool_take(struct pool *pool);
void __real_pool_give(struct pool *pool, void *item);
void *__wrap_pool_take(struct pool *pool);
void __wrap_pool_give(struct pool *pool, void *item);

static int fuse; /* allocations until one fails; 0: none does */

static long live; /* allocations that nobody has freed */

static bool blown(void)
{
	return fuse && !--fuse;
}

static void *counted(void *ptr)
{
	live += ptr != NULL;
	return ptr;
}

void *__wrap_malloc(size_t len)
{
	return blown() ? NULL : counted(__real_malloc(len));
}

void *__wrap_calloc(size_t nr, size_t len)
{
	return blown() ? NULL : counted(__real_calloc(nr, len));
}

void *__wrap_realloc(void *ptr, size_t len)
{
	void *moved = blown() ? NULL : __real_realloc(ptr, len);

	live += moved && !ptr;
	return moved;
}

int __wrap_posix_memalign(void **out, size_t align, size_t len)
{
	int rc = blown() ? ENOMEM : __real_posix_memalign(out, align, len);

	live += !rc;
	return rc;
}

void __wrap_free(void *ptr)
{
	live -= ptr != NULL;
	__real_free(ptr);
}

void *__wrap_pool_shelf_take(struct pool *pool, struct pool_shelf *shelf)
{
	return blown() ? NULL : counted(__real_pool_shelf_take(pool, shelf));
}

void __wrap_pool_shelf_give(struct pool *pool, struct pool_shelf *shelf, void *item)
{
	live--;
	__real_pool_shelf_give(pool, shelf, item);
}

void *__wrap_pool_take(struct pool *pool)
{
	return blown() ? NULL : counted(__real_pool_take(pool));
}

void __wrap_pool_give(struct pool *pool, void *item)
{
	live--;
	__real_pool_give(pool, item);
}

/* What must not change when a call fails. */
struct picture {
	uint64_t areas, pins, leaves, tables;
	size_t ranges;
	iova_t room; /* where a page would be mapped */
};

static struct picture take(struct rig *rig, struct pt *pt)
{
	struct areas_request req = {.len = PAGE, .align = PAGE};
	struct picture picture = {.areas = space_area_nr(rig->space), .pins = rig->pins};
	struct pt_stats stats;

	pt_stats(pt, &stats);
	picture.leaves = stats.leaves;
	picture.tables = stats.tables;
	picture.ranges = ioas_space_ranges(rig->space, NULL, 0);
	zones_room(&rig->space->zones, &rig->space->areas, &req, &picture.room);
	return picture;
}

typedef int call_fn(struct rig *rig, struct pt *pt);

/* Lets the 1st, 2nd, ... allocation of a call fail. Returns how many there were. */
static int sweep(struct rig *rig, struct pt *pt, call_fn *call)
{
	struct picture before = take(rig, pt), after;

	for (int n = 1;; n++) {
		int rc, left;

		fuse = n;
		rc = call(rig, pt);
		left = fuse;
		fuse = 0;
		if (left) {
			assert_int_equal(rc, 0);
			return n - 1;
		}
		assert_int_equal(rc, -ENOMEM);
		after = take(rig, pt);
		assert_memory_equal(&before, &after, sizeof(before));
	}
}

static int call_map(struct rig *rig, struct pt *pt)
{
	iova_t iova = 0x12345000;

	/* Crooked ends, so that tables of all levels are made. */
	return ioas_space_map(rig->space, &rig->caller, &iova, ARENA, 10 << 20, RW | IOAS_MAP_FIXED,
			      NULL);
}

static int call_copy(struct rig *rig, struct pt *pt)
{
	iova_t iova = 0x700000001000;

	return ioas_space_copy(rig->space, &iova, rig->space, 0x1000, 8 * PAGE, RW | IOAS_MAP_FIXED,
			       NULL);
}

static int call_reserve(struct rig *rig, struct pt *pt)
{
	return space_reserve(rig->space, 0x1000, 0x1fff, rig, NULL);
}

static int call_allow(struct rig *rig, struct pt *pt)
{
	struct ioas_range ranges[40];

	for (unsigned i = 0; i < 40; i++)
		ranges[i] = (struct ioas_range){(i + 1) * 0x10000, (i + 1) * 0x10000 + 0xfff};
	return ioas_space_allow(rig->space, ranges, 40, NULL);
}

static int call_attach(struct rig *rig, struct pt *pt)
{
	return space_domain_attach(rig->space, pt, NULL);
}

static void map_of_many_tables(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48), *second = rig_pt(48);

	assert_int_equal(space_domain_attach(rig->space, second, NULL), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	assert_true(sweep(rig, pt, call_map) >= 3);
	assert_int_equal(rig_unmap(rig, 0, 0, 10 << 20), 0);
	space_domain_detach(rig->space, second);
	space_domain_detach(rig->space, pt);
	pt_destroy(second);
	pt_destroy(pt);
}

static void map_page_by_page(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	assert_true(sweep(rig, pt, call_map) >= 3);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

static void copy_of_several_mappings(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(rig_fixed(rig, 0x1000 + i * PAGE, ARENA + i * PAGE, PAGE), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	assert_true(sweep(rig, pt, call_copy) >= 10);
	assert_int_equal(rig->pins, 8);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

static void attach_to_a_full_space(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(rig_fixed(rig, i << 32, ARENA + i * PAGE, PAGE), 0);
	assert_true(sweep(rig, pt, call_attach) >= 10);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

static int call_cut(struct rig *rig, struct pt *pt)
{
	return space_cut(rig->space, 0x1000 + 3 * PAGE - 1, NULL);
}

/* The halves, the pin of the whole among others, the pieces of its window. */
static void cut_a_mapping(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	assert_int_equal(rig_fixed(rig, 0x1000, ARENA, 8 * PAGE), 0);
	assert_true(sweep(rig, pt, call_cut) >= 5);
	assert_int_equal(space_area_nr(rig->space), 2);
	assert_int_equal(rig_unmap(rig, 0x1000, 3 * PAGE, 3 * PAGE), 0);
	assert_int_equal(rig->pins, 5);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
}

static void reserve_and_allow(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	assert_true(sweep(rig, pt, call_reserve) >= 1);
	space_unreserve(rig->space, rig);
	assert_true(sweep(rig, pt, call_allow) >= 3);
	pt_destroy(pt);
}

static void a_table_is_made_whole_or_not_at_all(void **state)
{
	for (unsigned dirty = 0; dirty < 2; dirty++) {
		const struct pt_config config = {.format = PT_AMDV1, .aw = 48, .dirty = dirty};
		int rc = -ENOMEM, n;

		for (n = 0; rc; n++) {
			long before = live;
			struct pt *pt;

			fuse = n + 1;
			rc = pt_new(&config, &pt);
			fuse = 0;
			assert_true(!rc || rc == -ENOMEM);
			if (!rc)
				pt_destroy(pt);
			assert_int_equal(live, before);
		}
		assert_true(n > 2);
	}
}

static void a_space_is_made_whole_or_not_at_all(void **state)
{
	struct rig *rig = *state;
	int rc = -ENOMEM, n;

	for (n = 0; rc; n++) {
		long before = live;
		struct ioas_space *space;

		fuse = n + 1;
		rc = ioas_space_new(&rig->iommu, &space);
		fuse = 0;
		assert_true(!rc || rc == -ENOMEM);
		if (!rc)
			ioas_space_put(space);
		assert_int_equal(live, before);
	}
	assert_true(n > 2);
}

/* A nested space that ends with maps in it leaves none of them, and its parent is free to end. */
static void a_nested_space_is_made_whole_or_not_at_all(void **state)
{
	struct rig *rig = *state;
	int rc = -ENOMEM, n;

	lock_init(&rig->iommu.nest_lock, LOCK_NEST);
	for (n = 0; rc; n++) {
		long before = live;
		struct ioas_space *parent, *child = NULL;

		assert_int_equal(ioas_space_new(&rig->iommu, &parent), 0);
		fuse = n + 1;
		rc = ioas_space_new_nested(parent, &child, &rig->why);
		fuse = 0;
		assert_true(!rc == !!child);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			assert_string_equal(rig->why.text, "out of memory");
			assert_null(parent->children);
		} else {
			for (iova_t iova = 0; iova < 4 * PAGE; iova += PAGE)
				assert_int_equal(
					ioas_space_nest_map(child, iova, 0, PAGE, RW, NULL), 0);
		}
		ioas_space_put(parent);
		ioas_space_put(child);
		assert_int_equal(live, before);
	}
	assert_true(n > 2);
}

static struct ioas_space *nested;

static int call_nest_map(struct rig *rig, struct pt *pt)
{
	return ioas_space_nest_map(nested, 0, 0, 8 * PAGE, RW, NULL);
}

/* As many areas as the parent has there, in a table that had none: all or nothing. */
static void a_nested_map_is_made_whole_or_not_at_all(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);
	struct ioas_nest_info info;

	lock_init(&rig->iommu.nest_lock, LOCK_NEST);
	assert_int_equal(ioas_space_new_nested(rig->space, &nested, NULL), 0);
	assert_int_equal(space_domain_attach(nested, pt, NULL), 0);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(rig_fixed(rig, i * PAGE, ARENA + i * PAGE, PAGE), 0);
	assert_true(sweep(rig, pt, call_nest_map) >= 10);
	assert_int_equal(ioas_space_nest_info(nested, &info), 0);
	assert_int_equal(info.shown_len, 8 * PAGE);
	assert_int_equal(ioas_space_unmap(nested, 0, 8 * PAGE - 1, NULL, NULL), 0);
	space_domain_detach(nested, pt);
	ioas_space_put(nested);
	pt_destroy(pt);
}

static void unmap_asks_for_no_memory(void **state)
{
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	assert_int_equal(call_map(rig, pt), 0);
	fuse = 1;
	assert_int_equal(rig_unmap(rig, 0x12345000, 10 << 20, 10 << 20), 0);
	space_unreserve(rig->space, rig);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	assert_int_equal(fuse, 1);
	fuse = 0;
}

static long live_before;

static int setup(void **state)
{
	live_before = live;
	return rig_setup(state);
}

/* Nothing is left of what failed. */
static int teardown(void **state)
{
	int rc = rig_teardown(state);

	return rc ? rc : live != live_before;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(map_of_many_tables),
		TEST(map_page_by_page),
		TEST(copy_of_several_mappings),
		TEST(attach_to_a_full_space),
		TEST(cut_a_mapping),
		TEST(a_table_is_made_whole_or_not_at_all),
		TEST(a_space_is_made_whole_or_not_at_all),
		TEST(reserve_and_allow),
		TEST(a_nested_space_is_made_whole_or_not_at_all),
		TEST(a_nested_map_is_made_whole_or_not_at_all),
		TEST(unmap_asks_for_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
