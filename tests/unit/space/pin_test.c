/* SPDX-License-Identifier: MIT */
/*
 * Description: the pins of one page object, one of which is ending: its last user waits for what is
 * lent of it, and meanwhile others look for pins, and pin.
 * The linker puts the __wrap_ functions in front of that wait, and of what it calls for others (see
 * meson.build).
 */
#include "rig.h"
#include "space/pin.h"
#include "tlp/check_dirty.h"

#define AT(page) ((page)*PAGE)

void __real_mem_window_idle(struct mem_window *window);
void __wrap_mem_window_idle(struct mem_window *window);
void __real_mem_window_end(struct mem_map *map, struct mem_window *window);
void __wrap_mem_window_end(struct mem_map *map, struct mem_window *window);
void __wrap_check_dirty_forget(struct check_dirty *check, const struct pt *pt, iova_t first,
			       iova_t last);

static void (*wait_fn)(struct rig *rig); /* what others do while a pin is waited for */
static struct rig *wait_rig;
static unsigned waits;
static mem_hold_t lent; /* what is to come back, or 0 */

void __wrap_mem_window_idle(struct mem_window *window)
{
	if (lent)
		mem_lend_release(lent);
	lent = 0;
	__real_mem_window_idle(window);
	waits++;
	if (wait_fn)
		wait_fn(wait_rig);
}

static struct space_pages *pages;
static struct pages_pin *pins[4];

/* What two spaces may have is nobody's to look at just now. */
void __wrap_mem_window_end(struct mem_map *map, struct mem_window *window)
{
	if (pages && pages->refs > 1)
		assert_int_equal(pthread_mutex_trylock(&wait_rig->iommu.pages_lock), EBUSY);
	__real_mem_window_end(map, window);
}

static struct {
	const struct pt *pt;
	iova_t first, last;
	unsigned nr;
} forgotten;

void __wrap_check_dirty_forget(struct check_dirty *check, const struct pt *pt, iova_t first,
			       iova_t last)
{
	forgotten.pt = pt;
	forgotten.first = first;
	forgotten.last = last;
	forgotten.nr++;
}

static struct pages_pin *pin(struct rig *rig, unsigned page, unsigned nr)
{
	bool locked = pages_lock(&rig->iommu, pages);
	struct pages_pin *out = NULL;

	assert_int_equal(pages_pin(rig->space, pages, AT(page), nr * PAGE, 0, &out, NULL), 0);
	pages_unlock(&rig->iommu, locked);
	return out;
}

static void unpin(struct rig *rig, struct pages_pin *gone, void (*meanwhile)(struct rig *rig))
{
	waits = 0;
	wait_rig = rig;
	wait_fn = meanwhile;
	pages_unpin(rig->space, pages, gone);
	wait_fn = NULL;
}

static int setup(void **state)
{
	int rc = rig_setup(state);
	struct rig *rig = *state;

	assert_int_equal(rig_fixed(rig, 0, ARENA, AT(16)), 0);
	pages = area_pages(areas_find(&rig->space->areas, 0));
	pthread_mutex_lock(&rig->space->lock);
	return rc;
}

/* Pages that were mapped where there is a page table have room for the pin of all of them. */
static int setup_first(void **state)
{
	int rc = rig_setup(state);
	struct rig *rig = *state;
	struct pt *pt = rig_pt(48);

	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	assert_int_equal(rig_fixed(rig, 0, ARENA, AT(16)), 0);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	pages = area_pages(areas_find(&rig->space->areas, 0));
	assert_true(pages->has_first);
	pthread_mutex_lock(&rig->space->lock);
	return rc;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	pages = NULL;
	pthread_mutex_unlock(&rig->space->lock);
	return rig_teardown(state);
}

/* Byte 1 of a page is shown by `wanted`; or by nobody, up to page `next`. */
static void expect(unsigned page, const struct pages_pin *wanted, unsigned next)
{
	uint64_t end = AT(12);

	assert_ptr_equal(pages_pin_at(pages, AT(page) + 1, &end), wanted);
	assert_int_equal(end, wanted ? AT(12) : AT(next));
}

static void each_byte_is_shown_by_the_first_pin_that_covers_it(void **state)
{
	struct rig *rig = *state;
	uint64_t end = AT(5);

	expect(0, NULL, 12);
	pins[0] = pin(rig, 2, 4);
	pins[1] = pin(rig, 4, 4);
	pins[2] = pin(rig, 10, 1);
	pins[3] = pin(rig, 3, 1);
	expect(1, NULL, 2);
	for (unsigned page = 2; page < 6; page++)
		expect(page, pins[0], 0);
	expect(6, pins[1], 0);
	expect(7, pins[1], 0);
	expect(8, NULL, 10);
	expect(10, pins[2], 0);
	expect(11, NULL, 12);
	assert_null(pages_pin_at(pages, AT(1), &(uint64_t){AT(1)}));
	assert_ptr_equal(pages_pin_at(pages, AT(2), &end), pins[0]);
	for (unsigned i = 0; i < 4; i++)
		unpin(rig, pins[i], NULL);
	assert_int_equal(rig->pins, 0);
}

/* First what was lent is waited for, while the pin is like any other; then it is closed. */
static void look_beside_one(struct rig *rig)
{
	if (waits == 1) {
		expect(0, pins[0], 0);
		expect(2, pins[0], 0);
		return;
	}
	expect(0, NULL, 2);
	expect(2, pins[1], 0);
	expect(3, pins[1], 0);
	expect(4, pins[1], 0);
	expect(6, NULL, 8);
	assert_int_equal(rig->pins, 7);
}

static void a_pin_that_ends_is_shown_to_nobody_new(void **state)
{
	struct rig *rig = *state;

	pins[0] = pin(rig, 0, 4);
	pins[1] = pin(rig, 2, 4);
	pins[2] = pin(rig, 8, 1);
	unpin(rig, pins[0], look_beside_one);
	assert_int_equal(waits, 2);
	assert_int_equal(rig->pins, 5);
	unpin(rig, pins[1], NULL);
	unpin(rig, pins[2], NULL);
	assert_int_equal(rig->pins, 0);
}

static void look_beside_two(struct rig *rig)
{
	if (waits != 2)
		return;
	expect(0, NULL, 6);
	expect(3, NULL, 6);
	expect(6, pins[2], 0);
}

/* Another user's pin ends at that moment, too. */
static void end_another(struct rig *rig)
{
	if (waits != 2)
		return;
	expect(1, pins[1], 0);
	unpin(rig, pins[1], look_beside_two);
	expect(1, NULL, 6);
}

static void several_may_end_at_once(void **state)
{
	struct rig *rig = *state;

	pins[0] = pin(rig, 0, 4);
	pins[1] = pin(rig, 0, 5);
	pins[2] = pin(rig, 6, 1);
	unpin(rig, pins[0], end_another);
	assert_int_equal(rig->pins, 1);
	unpin(rig, pins[2], NULL);
	assert_int_equal(rig->pins, 0);
}

static void pin_again(struct rig *rig)
{
	uint64_t ever = rig->pins_ever;

	if (waits != 2)
		return;
	pins[1] = pin(rig, 0, 4);
	assert_ptr_not_equal(pins[1], pins[0]);
	assert_int_equal(rig->pins_ever, ever);
	assert_int_equal(pages_pinned(pages), 4 * PAGE);
	assert_int_equal(rig_charged(rig), 4 * PAGE);
	expect(0, pins[1], 0);
}

/* The memory is the same, and is not given back with the pin that ends. */
static void what_ends_is_pinned_anew(void **state)
{
	struct rig *rig = *state;

	pins[0] = pin(rig, 0, 4);
	unpin(rig, pins[0], pin_again);
	assert_int_equal(rig->pins, 4);
	assert_int_equal(pages_pinned(pages), 4 * PAGE);
	assert_int_equal(rig_charged(rig), 4 * PAGE);
	expect(0, pins[1], 0);
	unpin(rig, pins[1], NULL);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(pages_pinned(pages), 0);
	assert_int_equal(rig_charged(rig), 0);
}

/* A user more is one wait, and the pin stays as it is. */
static void a_pin_lasts_as_long_as_its_last_user(void **state)
{
	struct rig *rig = *state;

	pins[0] = pin(rig, 0, 4);
	assert_ptr_equal(pin(rig, 0, 4), pins[0]);
	unpin(rig, pins[0], NULL);
	assert_int_equal(waits, 1);
	expect(3, pins[0], 0);
	assert_int_equal(rig->pins, 4);
	unpin(rig, pins[0], NULL);
	assert_int_equal(waits, 2);
	assert_int_equal(rig->pins, 0);
	expect(3, NULL, 12);
}

static void expect_pinned(struct rig *rig, unsigned nr)
{
	assert_int_equal(rig->pins, nr);
	assert_int_equal(pages_pinned(pages), nr * PAGE);
	assert_int_equal(rig_charged(rig), nr * PAGE);
}

/* The pin of all the pages comes first, last, or between others. */
static void all_of_it_is_a_pin_like_others(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 2; i++) {
		pins[0] = pin(rig, 0, 16);
		assert_ptr_equal(pin(rig, 0, 16), pins[0]);
		unpin(rig, pins[0], NULL);
		expect(11, pins[0], 0);
		expect_pinned(rig, 16);
		pins[1] = pin(rig, 4, 2);
		assert_ptr_not_equal(pins[1], pins[0]);
		assert_int_equal(pin_window(pins[1])->len, 2 * PAGE);
		assert_ptr_equal(pin(rig, 0, 16), pins[0]);
		unpin(rig, pins[0], NULL);
		expect(5, pins[0], 0);
		expect_pinned(rig, 16);
		unpin(rig, pins[0], NULL);
		expect(3, NULL, 4);
		expect(5, pins[1], 0);
		expect(6, NULL, 12);
		expect_pinned(rig, 2);
		pins[2] = pin(rig, 0, 16);
		assert_ptr_not_equal(pins[2], pins[0]);
		assert_int_equal(pin_start(pins[2]), 0);
		assert_int_equal(pin_len(pins[2]), AT(16));
		expect(11, pins[2], 0);
		expect_pinned(rig, 16);
		unpin(rig, pins[i ? 2 : 1], NULL);
		expect_pinned(rig, i ? 2 : 16);
		unpin(rig, pins[i ? 1 : 2], NULL);
		expect_pinned(rig, 0);
	}
}

/* Both halves show the window of the whole, whichever goes first, and others what they show. */
static void halves_share_what_was_whole(void **state)
{
	struct rig *rig = *state;
	struct mem_window *window;

	for (unsigned i = 0; i < 2; i++) {
		struct pages_pin *half[2];

		pins[0] = pin(rig, 0, 16);
		pin(rig, 0, 16);
		window = pin_window(pins[0]);
		assert_int_equal(pages_cut(rig->space, pages, pins[0], AT(6), half), 0);
		assert_ptr_equal(pin(rig, 0, 16), pins[0]);
		unpin(rig, pins[0], NULL);
		unpin(rig, pins[0], NULL);
		assert_ptr_equal(pin_window(half[0]), window);
		assert_ptr_equal(pin_window(half[1]), window);
		assert_int_equal(pin_skip(half[0]), 0);
		assert_int_equal(pin_skip(half[1]), AT(6));
		expect(5, half[0], 0);
		expect(6, half[1], 0);
		expect_pinned(rig, 16);
		unpin(rig, half[i], NULL);
		expect_pinned(rig, i ? 6 : 10);
		/* A third of the same window. */
		assert_int_equal(pages_cut(rig->space, pages, half[!i], i ? AT(3) : AT(9), half),
				 0);
		pins[1] = pin(rig, 0, 16);
		assert_ptr_not_equal(pin_window(pins[1]), window);
		expect_pinned(rig, 16);
		unpin(rig, half[0], NULL);
		unpin(rig, half[1], NULL);
		expect_pinned(rig, 16);
		unpin(rig, pins[1], NULL);
		expect_pinned(rig, 0);
	}
}

static void pin_all_again(struct rig *rig)
{
	if (waits == 2)
		pins[1] = pin(rig, 0, 16);
}

/* Who wants all of it while its pin ends gets another, and the same memory. */
static void all_that_ends_is_pinned_anew(void **state)
{
	struct rig *rig = *state;

	pages_get(pages);
	pins[0] = pin(rig, 0, 16);
	unpin(rig, pins[0], pin_all_again);
	assert_ptr_not_equal(pins[1], pins[0]);
	expect(3, pins[1], 0);
	expect_pinned(rig, 16);
	unpin(rig, pins[1], NULL);
	expect_pinned(rig, 0);
	pages_put_locked(rig->space, pages);
}

/* Nobody else can have it: the wait is one, and for what is lent. */
static void all_that_nobody_else_has_ends_at_once(void **state)
{
	struct rig *rig = *state;
	struct space_area *area = areas_find(&rig->space->areas, 0);

	wait_rig = rig;
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(area_pin(rig->space, area, NULL), 0);
		expect_pinned(rig, 16);
		if (round == 1)
			lent = mem_window_hold(pin_window(area_pinned(area)));
		waits = 0;
		area_unpin(rig->space, area);
		assert_null(area_pinned(area));
		assert_int_equal(waits, round == 1);
		expect(3, NULL, 12);
		expect_pinned(rig, 0);
	}
}

/* Whoever else has the pages is locked out while they change. */
static void pages_of_several_are_locked(void **state)
{
	struct rig *rig = *state;

	pages_get(pages);
	pins[0] = pin(rig, 0, 4);
	unpin(rig, pins[0], NULL);
	pages_put_locked(rig->space, pages);
	assert_false(pages_lock(&rig->iommu, pages));
	assert_int_equal(rig->pins, 0);
}

/* The last reference gives the memory back, with a space's lock or without. */
static void pages_go_with_the_last_reference(void **state)
{
	struct rig *rig = *state;
	const struct pages_spec spec = {.caller = &rig->caller, .va = ARENA, .len = PAGE};
	struct space_pages *own;

	for (unsigned locked = 0; locked < 2; locked++) {
		uint64_t used = rig->iommu.pages.used, taken;

		assert_int_equal(pages_new(rig->space, &spec, &own), 0);
		pages_get(own);
		taken = rig->iommu.pages.used;
		if (locked) {
			pages_put_locked(rig->space, own);
			pages_put_locked(rig->space, own);
			pool_shelf_clear(&rig->iommu.pages, &rig->space->pages_shelf);
			assert_true(rig->iommu.pages.used < used);
		} else {
			pages_put(&rig->iommu, own);
			assert_int_equal(rig->iommu.pages.used, taken);
			pages_put(&rig->iommu, own);
			assert_int_equal(rig->iommu.pages.used, taken - 1);
		}
	}
	pages_put(&rig->iommu, NULL);
}

/* For --check-dirty, of what a revoked dma-buf showed nothing is expected any more. */
static void a_revoked_dmabuf_is_forgotten_whole(void **state)
{
	struct rig *rig = *state;
	iova_t iova = 0x50000;
	struct pt *pt = rig_pt(48);
	struct mem_file *buf;

	pages = NULL;
	pthread_mutex_unlock(&rig->space->lock);
	assert_int_equal(mem_dmabuf_new(rig->iommu.files, 3 * PAGE, &buf), 0);
	assert_int_equal(space_domain_attach(rig->space, pt, NULL), 0);
	assert_int_equal(space_map_file(rig->space, &rig->caller, buf, &iova, 0, 3 * PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
	forgotten.nr = 0;
	space_dmabuf_revoke(&rig->iommu, buf, true);
	assert_int_equal(forgotten.nr, 1);
	assert_ptr_equal(forgotten.pt, pt);
	assert_int_equal(forgotten.first, 0x50000);
	assert_int_equal(forgotten.last, 0x50000 + 3 * PAGE - 1);
	/* As with what is unmapped. */
	rig->iommu.check_dirty = (struct check_dirty *)&forgotten;
	assert_int_equal(rig_unmap(rig, 0, AT(16), AT(16)), 0);
	rig->iommu.check_dirty = NULL;
	assert_int_equal(forgotten.nr, 2);
	assert_int_equal(forgotten.first, 0);
	assert_int_equal(forgotten.last, AT(16) - 1);
	mem_file_put(buf);
	space_domain_detach(rig->space, pt);
	pt_destroy(pt);
	assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, NULL, NULL), 0);
	pthread_mutex_lock(&rig->space->lock);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BOTH(name)                                                       \
	TEST(name),                                                      \
	{                                                                \
#name "_with_a_first", name, setup_first, teardown, NULL \
	}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		BOTH(each_byte_is_shown_by_the_first_pin_that_covers_it),
		BOTH(a_pin_that_ends_is_shown_to_nobody_new),
		BOTH(several_may_end_at_once),
		BOTH(what_ends_is_pinned_anew),
		BOTH(a_pin_lasts_as_long_as_its_last_user),
		BOTH(all_of_it_is_a_pin_like_others),
		BOTH(halves_share_what_was_whole),
		BOTH(all_that_ends_is_pinned_anew),
		cmocka_unit_test_setup_teardown(all_that_nobody_else_has_ends_at_once, setup_first,
						teardown),
		BOTH(pages_of_several_are_locked),
		TEST(pages_go_with_the_last_reference),
		TEST(a_revoked_dmabuf_is_forgotten_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
