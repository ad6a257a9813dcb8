/* SPDX-License-Identifier: MIT */
/*
 * Description: the pins of one page object, one of which is ending: its last user waits for what is
 * lent of it, and meanwhile others look for pins, and pin.
 * The linker puts __wrap_mem_window_idle in front of that wait (see meson.build).
 */
#include "rig.h"
#include "space/pin.h"

#define AT(page) ((page)*PAGE)

void __real_mem_window_idle(struct mem_window *window);
void __wrap_mem_window_idle(struct mem_window *window);

static void (*wait_fn)(struct rig *rig); /* what others do while a pin is waited for */
static struct rig *wait_rig;
static unsigned waits;

void __wrap_mem_window_idle(struct mem_window *window)
{
	__real_mem_window_idle(window);
	waits++;
	if (wait_fn)
		wait_fn(wait_rig);
}

static struct space_pages *pages;
static struct pages_pin *pins[4];

static struct pages_pin *pin(struct rig *rig, unsigned page, unsigned nr)
{
	struct pages_pin *out = NULL;

	assert_int_equal(pages_pin(rig->space, pages, AT(page), nr * PAGE, 0, &out, NULL), 0);
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
	pages = areas_find(&rig->space->areas, 0)->pages;
	pthread_mutex_lock(&rig->space->lock);
	return rc;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

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
	assert_int_equal(pages->charged, 4 * PAGE);
	expect(0, pins[1], 0);
}

/* The memory is the same, and is not given back with the pin that ends. */
static void what_ends_is_pinned_anew(void **state)
{
	struct rig *rig = *state;

	pins[0] = pin(rig, 0, 4);
	unpin(rig, pins[0], pin_again);
	assert_int_equal(rig->pins, 4);
	assert_int_equal(pages->charged, 4 * PAGE);
	expect(0, pins[1], 0);
	unpin(rig, pins[1], NULL);
	assert_int_equal(rig->pins, 0);
	assert_int_equal(pages->charged, 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_byte_is_shown_by_the_first_pin_that_covers_it),
		TEST(a_pin_that_ends_is_shown_to_nobody_new),
		TEST(several_may_end_at_once),
		TEST(what_ends_is_pinned_anew),
		TEST(a_pin_lasts_as_long_as_its_last_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
