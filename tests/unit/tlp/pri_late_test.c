/* SPDX-License-Identifier: MIT */
/*
 * Description: a page request that the program leaves unanswered has a time, if the instance sets
 * one; an answer is for the group that it was read of.
 */
#include "tests/unit/tlp/pri_rig.h"

static int start_hurried(void **state)
{
	return start_with(1);
}

static int start_patient(void **state)
{
	return start_with(3600 * 1000);
}

/* A number is used again: an answer is for the group that it was read of. */
static void an_answer_is_for_its_own_group(void **state)
{
	uint64_t before;

	assert_int_equal(ask(5, true), 0);
	before = served.tag;
	pri_answer(dev, before, 5, IOAS_PAGE_INVALID);
	assert_int_equal(ask(5, true), 0);
	pri_answer(dev, before, 5, IOAS_PAGE_SUCCESS);
	assert_int_equal(heard.nr, 1);
	assert_int_equal(stats().outstanding, 1);
	pri_answer(dev, served.tag, 5, IOAS_PAGE_SUCCESS);
	assert_int_equal(heard.nr, 2);
}

static void await(unsigned nr)
{
	while (heard.nr < nr) {
		ioas_pri_expire(dev);
		usleep(1000);
	}
}

static void who_answers_too_late_is_not_heard(void **state)
{
	struct ioas_page_request wants = {
		.addr = BASE + 7 * PAGE,
		.flags = IOAS_PAGE_WRITE | IOAS_PAGE_PASID | IOAS_PAGE_LAST,
		.pasid = 9,
		.group = 7,
	};
	struct ioas_fault fault[3];
	uint64_t seq = 0;

	assert_int_equal(ask(3, false), 0);
	usleep(2000);
	/* A group's time begins when it is whole. */
	assert_int_equal(ioas_pri_expire(dev), 0);
	assert_int_equal(heard.nr, 0);
	assert_int_equal(ask(3, true), 0);
	await(1);
	assert_int_equal(heard.group, 3);
	assert_int_equal(heard.code, IOAS_PAGE_INVALID);
	assert_int_equal(served.dropped, 1);
	assert_int_equal(served.drop.group, 3);
	assert_int_equal(served.drop.flags & IOAS_PAGE_PASID, 0);
	assert_int_equal(served.drop_tag, served.tag);
	pri_answer(dev, served.tag, 3, IOAS_PAGE_SUCCESS);
	assert_int_equal(heard.nr, 1);
	assert_int_equal(stats().outstanding, 0);
	assert_int_equal(stats().invalid, 1);
	assert_int_equal(stats().unserved, 0);
	/* It is no failure: requests go on. */
	assert_int_equal(ioas_page_request(dev, &wants), 0);
	await(2);
	assert_int_equal(served.drop.flags & IOAS_PAGE_PASID, IOAS_PAGE_PASID);
	assert_int_equal(served.drop.pasid, 9);
	assert_int_equal(ioas_fault_read(iommu, &seq, fault, 3), 2);
	assert_int_equal(fault[0].reason, IOAS_FAULT_PAGE_TIMEOUT);
	assert_int_equal(fault[0].addr, BASE + 3 * PAGE);
	assert_int_equal(fault[0].tlp.op, IOAS_TLP_READ);
	assert_int_equal(fault[0].tlp.flags & IOAS_TLP_PASID, 0);
	assert_int_equal(fault[1].addr, wants.addr);
	assert_int_equal(fault[1].tlp.op, IOAS_TLP_WRITE);
	assert_int_equal(fault[1].tlp.pasid, 9);
	assert_int_equal(ioas_pri_expire(dev), 0);
}

/* The program answers just then: its answer counts, and is the only one. */
static void an_answer_on_its_way_is_waited_for(void **state)
{
	struct ioas_fault fault;
	uint64_t seq = 0;

	served.keeps = true;
	assert_int_equal(ask(3, true), 0);
	while (!served.drop_tag) {
		ioas_pri_expire(dev);
		usleep(1000);
	}
	assert_int_equal(heard.nr, 0);
	assert_int_equal(ioas_pri_expire(dev), 0);
	pri_answer(dev, served.tag, 3, IOAS_PAGE_SUCCESS);
	assert_int_equal(heard.nr, 1);
	assert_int_equal(heard.code, IOAS_PAGE_SUCCESS);
	assert_int_equal(ioas_fault_read(iommu, &seq, &fault, 1), 0);
}

static void who_is_in_time_is_heard(void **state)
{
	assert_int_equal(ioas_pri_expire(dev), 0);
	assert_int_equal(ask(3, true), 0);
	assert_int_equal(ask(4, true), 0);
	assert_in_range(ioas_pri_expire(dev), 1, 3600 * 1000);
	pri_answer(dev, served.of[3], 3, IOAS_PAGE_SUCCESS);
	assert_int_equal(heard.code, IOAS_PAGE_SUCCESS);
	assert_in_range(ioas_pri_expire(dev), 1, 3600 * 1000);
	pci_reset(pci);
	assert_int_equal(ioas_pri_expire(dev), 0);
	assert_int_equal(heard.nr, 1);
	/* What nobody takes has its answer, and does not wait. */
	served.rc = 1;
	assert_int_equal(ask(5, true), 0);
	assert_int_equal(ioas_pri_expire(dev), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_is_for_its_own_group, start, stop),
		cmocka_unit_test_setup_teardown(who_answers_too_late_is_not_heard, start_hurried,
						stop),
		cmocka_unit_test_setup_teardown(an_answer_on_its_way_is_waited_for, start_hurried,
						stop),
		cmocka_unit_test_setup_teardown(who_is_in_time_is_heard, start_patient, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
