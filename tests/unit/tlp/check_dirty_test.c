/* SPDX-License-Identifier: MIT */
/*
 * Description: --check-dirty, its own part: which writes a reading has to tell of, when there are
 * several, and others before, beside and after it.
 */
#include "tests/unit/tlp/rig.h"
#include "tlp/check_dirty.h"

#define IOVA 0x200000ul

static struct rig rig;
static struct check_dirty *check;
static struct pt *pt;
static uint64_t now;  /* the generation of what is written */
static uint64_t seen; /* records */

static int setup(void **state)
{
	const struct pt_config config = {
		.format = PT_AMDV1, .aw = 48, .max_leaf_lg2 = 12, .dirty = true};

	rig_start(&rig, &(struct ioas_iommu_config){.check_dirty = true});
	check = rig.iommu->check_dirty;
	assert_int_equal(pt_new(&config, &pt), 0);
	pt_dirty_track(pt, true);
	now = 10;
	seen = 0;
	check_dirty_track(check, pt, true, now);
	now++;
	return 0;
}

static int teardown(void **state)
{
	check_dirty_track(check, pt, false, now);
	pt_destroy(pt);
	rig_stop(&rig);
	return 0;
}

static void wrote(unsigned page)
{
	check_dirty_wrote(check, rig.dev, pt, IOVA + page * PAGE, 8, now);
}

static struct check_reading begin(void)
{
	struct check_reading reading;

	check_dirty_begin(check, &reading);
	return reading;
}

static void told(const struct check_reading *reading, unsigned page)
{
	check_dirty_told(check, reading, pt, IOVA + page * PAGE, IOVA + page * PAGE + PAGE - 1);
}

/* How many pages it has missed; `turned`: it cleared, and what is written now is of the next. */
static unsigned end(const struct check_reading *reading, bool turned)
{
	struct ioas_fault fault[16];
	size_t nr;

	check_dirty_end(check, reading, pt, IOVA, IOVA + 16 * PAGE - 1, turned ? now : 0);
	now += turned;
	nr = ioas_fault_read(rig.iommu, &seen, fault, 16);
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(fault[i].reason, IOAS_PASSED_UNTOLD);
	return (unsigned)nr;
}

static void a_write_is_told_or_missing(void **state)
{
	struct check_reading reading;

	wrote(1);
	wrote(3);
	reading = begin();
	told(&reading, 3);
	assert_int_equal(end(&reading, true), 1);
	/* Each is said once. */
	reading = begin();
	assert_int_equal(end(&reading, true), 0);
}

static void what_does_not_clear_tells_again(void **state)
{
	struct check_reading reading;

	wrote(1);
	for (unsigned i = 0; i < 2; i++) {
		reading = begin();
		told(&reading, 1);
		assert_int_equal(end(&reading, false), 0);
	}
	reading = begin();
	assert_int_equal(end(&reading, true), 1);
}

static void what_comes_during_a_reading_may_be_the_nexts(void **state)
{
	struct check_reading reading = begin();

	wrote(1);
	assert_int_equal(end(&reading, true), 0);
	reading = begin();
	assert_int_equal(end(&reading, true), 1);
}

/* Between the clearing and the end: told or not, it is the next one's. */
static void what_comes_after_the_clearing_is_the_nexts(void **state)
{
	struct check_reading reading;

	for (unsigned tells = 0; tells < 2; tells++) {
		wrote(1);
		reading = begin();
		told(&reading, 1);
		now++;
		wrote(1);
		now--;
		assert_int_equal(end(&reading, true), 0);
		reading = begin();
		if (tells)
			told(&reading, 1);
		assert_int_equal(end(&reading, true), !tells);
	}
}

/*
 * Of two readings at a time each has to tell of what came before it began: that the other one has
 * told of the page, or has cleared others, takes nothing from that.
 */
static void readings_at_a_time_are_judged_apart(void **state)
{
	struct check_reading first, second;

	wrote(1);
	first = begin();
	second = begin();
	wrote(1);
	told(&first, 1);
	assert_int_equal(end(&first, false), 0);
	assert_int_equal(end(&second, false), 1);
	first = begin();
	wrote(2);
	second = begin();
	wrote(2);
	assert_int_equal(end(&first, true), 0);
	assert_int_equal(end(&second, false), 1);
	/* But what one has told of and cleared is gone for the other. */
	wrote(3);
	first = begin();
	second = begin();
	told(&first, 3);
	now++;
	wrote(3);
	now--;
	assert_int_equal(end(&first, true), 0);
	assert_int_equal(end(&second, false), 0);
	first = begin();
	assert_int_equal(end(&first, false), 1);
}

static void what_is_gone_or_not_tracked_needs_no_telling(void **state)
{
	struct check_reading reading;

	wrote(1);
	wrote(2);
	check_dirty_forget(check, pt, IOVA + PAGE, IOVA + 2 * PAGE - 1);
	reading = begin();
	assert_int_equal(end(&reading, false), 1);
	wrote(1);
	check_dirty_track(check, pt, false, now);
	wrote(2);
	reading = begin();
	assert_int_equal(end(&reading, false), 0);
	check_dirty_track(check, pt, true, ++now);
	reading = begin();
	assert_int_equal(end(&reading, false), 0);
	/* Who got its address before that marked nothing. */
	now--;
	wrote(1);
	now += 2;
	wrote(2);
	reading = begin();
	assert_int_equal(end(&reading, false), 1);
}

static void a_spoilt_reading_says_nothing(void **state)
{
	struct check_reading reading;

	wrote(1);
	reading = begin();
	reading.spoilt = true;
	assert_int_equal(end(&reading, true), 0);
	reading = begin();
	assert_int_equal(end(&reading, true), 1);
	/* But what it told of before it was is told, and cleared. */
	wrote(1);
	wrote(2);
	reading = begin();
	told(&reading, 1);
	reading.spoilt = true;
	assert_int_equal(end(&reading, true), 0);
	reading = begin();
	assert_int_equal(end(&reading, true), 1);
}

/* By the page, however much of the page table one walk has found. */
static void each_page_that_a_tlp_writes_is_noted(void **state)
{
	struct ioas_tlp pages = {.len = 2 * PAGE + 8, .op = IOAS_TLP_WRITE};
	static char data[3 * PAGE];
	struct pt *large;
	struct mem_window *window;
	struct check_reading reading;
	struct pt *plain = rig.pt;
	struct ioas_fault fault[8];
	uint64_t seq = 0;

	assert_int_equal(
		pt_new(&(struct pt_config){.format = PT_AMDV1, .aw = 48, .dirty = true}, &large),
		0);
	assert_int_equal(route_attach(rig.dev, NULL, large, NULL), 0);
	rig.pt = large;
	window = rig_map(&rig, IOVA, rig_pages(8), 8 * PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	pt_dirty_track(large, true);
	check_dirty_track(check, large, true, inflight_generation(&rig.iommu->inflight));
	inflight_wait(&rig.iommu->inflight);
	assert_int_equal(ioas_dma_read(rig.issuer, IOVA + 6 * PAGE, data, 8), 0);
	assert_int_equal(ioas_dma_write(rig.issuer, IOVA, data, 8), 0);
	assert_int_equal(ioas_dma_store(rig.issuer, IOVA + PAGE, 1, 8), 0);
	pages.addr = IOVA + 3 * PAGE;
	assert_int_equal(ioas_tlp_issue(rig.issuer, &pages, data), 0);
	check_dirty_begin(check, &reading);
	check_dirty_end(check, &reading, large, IOVA, IOVA + 8 * PAGE - 1, 0);
	assert_int_equal(ioas_fault_read(rig.iommu, &seq, fault, 8), 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(fault[i].addr, IOVA + (i < 2 ? i : i + 1) * PAGE);
		assert_string_equal(fault[i].device, "0000:01:00.0");
		assert_int_equal(fault[i].id, 0x100);
	}
	check_dirty_track(check, large, false, 0);
	rig_unmap(&rig, IOVA, window);
	route_detach(rig.dev, NULL);
	pt_destroy(plain);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_write_is_told_or_missing),
		TEST(what_does_not_clear_tells_again),
		TEST(what_comes_during_a_reading_may_be_the_nexts),
		TEST(what_comes_after_the_clearing_is_the_nexts),
		TEST(readings_at_a_time_are_judged_apart),
		TEST(what_is_gone_or_not_tracked_needs_no_telling),
		TEST(a_spoilt_reading_says_nothing),
		TEST(each_page_that_a_tlp_writes_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
