/* SPDX-License-Identifier: MIT */
/*
 * Description: many translated requests at once, among others that are not; and requests for more
 * than one translation.
 */
#include <ioas/batch.h>
#include "tests/unit/tlp/ats_rig.h"

static char *memory;

/* So wide that addresses of memory are IOVAs, too. */
static int start(void **state)
{
	const struct ioas_iommu_config config = {.aw = 57};

	memory = rig_start_mapped(&config);
	return 0;
}

static int stop(void **state)
{
	rig_stop_mapped(memory);
	return 0;
}

/* No page table has anything to say of them, be it ahead. */
static void many_at_once_may_be_translated(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	struct ioas_tlp tlps[] = {
		{.addr = found.addr, .len = 8, .at = IOAS_TLP_TRANSLATED},
		{.addr = BASE + PAGE, .len = 8},
		{.addr = found.addr + 16, .len = 8, .at = IOAS_TLP_TRANSLATED},
	};
	struct ioas_batch batch;
	uint64_t lens[3];
	void *hosts[3];
	int rc;

	for (unsigned round = 0; round < 2; round++) {
		ioas_batch_begin(&batch, issuer);
		assert_int_equal(ioas_batch_at_many(&batch, tlps, 3, hosts, lens, &rc), 3);
		ioas_batch_end(&batch);
		assert_int_equal(rc, 0);
		assert_ptr_equal(hosts[0], memory);
		assert_ptr_equal(hosts[1], memory + PAGE);
		assert_ptr_equal(hosts[2], memory + 16);
	}
}

/* A translated address, and the same number as an IOVA, which leads elsewhere. */
static void of_many_each_is_what_its_type_says(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	char *other = rig_map(space, found.addr, PAGE, RW);
	struct ioas_tlp tlps[] = {
		{.addr = found.addr, .len = 8},
		{.addr = found.addr, .len = 8, .at = IOAS_TLP_TRANSLATED},
		{.addr = found.addr + 16, .len = 8},
		{.addr = found.addr + 16, .len = 8, .at = IOAS_TLP_TRANSLATED},
	};
	struct ioas_batch batch;
	uint64_t lens[4];
	void *hosts[4];
	int rc;

	for (unsigned round = 0; round < 2; round++) {
		ioas_batch_begin(&batch, issuer);
		assert_int_equal(ioas_batch_at_many(&batch, tlps, 4, hosts, lens, &rc), 4);
		ioas_batch_end(&batch);
		for (unsigned i = 0; i < 4; i++)
			assert_ptr_equal(hosts[i], (i & 1 ? memory : other) + (i / 2) * 16);
	}
	munmap(other, PAGE);
}

/* Wherever in it, all of a range is the answer; and a page alone where it is one. */
static void an_answer_is_all_of_a_range(void **state)
{
	char *page = rig_map(space, BASE + 65 * PAGE, PAGE, RW);
	struct ioas_ats_translation first = rig_ask(BASE, 1, IOAS_TLP_READ), found;

	assert_int_equal(first.first, BASE);
	assert_int_equal(first.len, 4 * PAGE);
	for (iova_t off = 5; off < 4 * PAGE; off += PAGE) {
		found = rig_ask(BASE + off, 1, IOAS_TLP_READ);
		assert_int_equal(found.first, BASE);
		assert_int_equal(found.len, 4 * PAGE);
		assert_int_equal(found.addr, first.addr);
	}
	found = rig_ask(BASE + 65 * PAGE + 5, 1, IOAS_TLP_READ);
	assert_int_equal(found.first, BASE + 65 * PAGE);
	assert_int_equal(found.len, PAGE);
	munmap(page, PAGE);
}

/* Two pages that touch, of memory that does not. */
static void the_last_byte_of_a_request_is_answered_and_none_behind(void **state)
{
	const iova_t at = BASE + 64 * PAGE;
	char *high = rig_map(space, at + PAGE, PAGE, RW), *low = rig_map(space, at, PAGE, RW);
	struct ioas_tlp tlp = {.addr = at + 8};
	struct ioas_ats_translation found[3];

	for (tlp.len = PAGE - 10; tlp.len < PAGE; tlp.len++)
		assert_int_equal(ioas_ats_translate(issuer, &tlp, found, 3),
				 tlp.len > PAGE - 8 ? 2 : 1);
	munmap(low, PAGE);
	munmap(high, PAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_at_once_may_be_translated),
		TEST(of_many_each_is_what_its_type_says),
		TEST(an_answer_is_all_of_a_range),
		TEST(the_last_byte_of_a_request_is_answered_and_none_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
