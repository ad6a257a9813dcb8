/* SPDX-License-Identifier: MIT */
/*
 * Description: ATS over two dimensions: what a device was handed out by way of a program's own page
 * table goes with the memory below it, wherever that lies, and by what the program names.
 */
#include <ioas/ats.h>
#include "tests/unit/tlp/guest.h"
#include "tlp/ats.h"

#define IOVA  0x7f0123456000ul
#define DATA  40
#define OTHER 41 /* the next IOVA's page */

static struct guest guest;
static struct ioas_device *dev;
static struct ioas_ats_invalidation asked[8]; /* in the order in which they came */
static unsigned asked_nr;

static pa_t late; /* a request to there is under way when the device is asked; 0: none */

static bool holds(pa_t pa, unsigned op);

static bool invalidate(void *arg, const struct ioas_ats_invalidation *what)
{
	assert_true(asked_nr < 8);
	asked[asked_nr++] = *what;
	if (late)
		assert_true(holds(late, IOAS_TLP_READ));
	return true;
}

static const struct ioas_ats_ops side = {.invalidate = invalidate};

static void begin(bool pasids)
{
	guest_start(&guest, 48, false);
	dev = guest.rig.dev;
	route_detach(dev, NULL);
	ioas_device_unbind(dev);
	assert_int_equal(ats_add(dev, 12), 0);
	assert_int_equal(ioas_ats_open(dev, &side, NULL), 0);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL), 0);
	guest.s1.stage1.pasids = pasids;
	assert_int_equal(route_attach_to(dev, NULL, &guest.s1.stage1.to, NULL), 0);
	for (unsigned i = 0; i < GUEST_PAGES; i++)
		guest_show(&guest, i, IOAS_PROT_READ | IOAS_PROT_WRITE);
	/* Two leaves in one table. */
	guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL | A | D, ALL | A);
	guest_lead(&guest, 4, 1, IOVA + PAGE, 1, OTHER * PAGE | ALL | A | D, ALL | A);
	asked_nr = 0;
}

static int start(void **state)
{
	begin(false);
	return 0;
}

static int start_with_pasids(void **state)
{
	begin(true);
	return 0;
}

static int stop(void **state)
{
	guest_stop(&guest);
	return 0;
}

/* Where it leads, for requests of a PASID, or of none (0). */
static pa_t ask(iova_t addr, unsigned op, pasid_t pasid)
{
	struct ioas_tlp tlp = {.addr = addr,
			       .len = 1,
			       .op = (uint8_t)op,
			       .flags = pasid ? IOAS_TLP_PASID : 0,
			       .pasid = pasid};
	struct ioas_ats_translation found;

	assert_int_equal(ioas_ats_translate(guest.rig.issuer, &tlp, &found, 1), 1);
	assert_true(found.flags & IOAS_ATS_READ);
	assert_int_equal(found.first, addr);
	assert_int_equal(found.len, PAGE);
	return found.addr;
}

static bool holds(pa_t pa, unsigned op)
{
	struct ioas_tlp tlp = {.addr = pa, .len = 1, .op = (uint8_t)op, .at = IOAS_TLP_TRANSLATED};
	char byte = 'x';

	return !ioas_tlp_issue(guest.rig.issuer, &tlp, &byte);
}

static void was_asked(unsigned nr, pasid_t pasid, iova_t first, iova_t last)
{
	assert_true(asked_nr > nr);
	assert_int_equal(asked[nr].has_pasid, pasid != 0);
	assert_int_equal(asked[nr].pasid, pasid);
	assert_int_equal(asked[nr].first, first);
	assert_int_equal(asked[nr].last, last);
}

static void take_gpa(unsigned page, bool writes)
{
	ats_take_back(guest.rig.iommu, guest.rig.pt, page * PAGE, page * PAGE + PAGE - 1, writes,
		      writes ? IOAS_ATS_BY_DIRTY : IOAS_ATS_BY_UNMAP);
}

/* Nobody knows which IOVAs lead there: the page of data, or one with a table. */
static void what_goes_from_the_parent_takes_all_above(void **state)
{
	static const unsigned pages[] = {DATA, 2, 63};

	for (unsigned i = 0; i < 3; i++) {
		pa_t data = ask(IOVA, IOAS_TLP_WRITE, 0), other = ask(IOVA + PAGE, 0, 0);

		assert_true(holds(data, IOAS_TLP_WRITE) && holds(other, IOAS_TLP_READ));
		asked_nr = 0;
		take_gpa(pages[i], false);
		assert_int_equal(asked_nr, 1);
		was_asked(0, 0, IOVA, IOVA + 2 * PAGE - 1);
		assert_false(holds(data, IOAS_TLP_WRITE));
		assert_false(holds(other, IOAS_TLP_READ));
		take_gpa(pages[i], false);
		assert_int_equal(asked_nr, 1);
	}
}

/* Its IOMMU would not: requests go by it, translation requests do not. */
static void a_table_can_be_without_ats(void **state)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = 1};
	struct ioas_ats_translation found;
	uint64_t seq;
	char byte;

	guest.s1.stage1.no_ats = true;
	assert_int_equal(ioas_ats_translate(guest.rig.issuer, &tlp, &found, 1), -EFAULT);
	assert_int_equal(ioas_issuer_fault(guest.rig.issuer, &seq), IOAS_FAULT_TRANSLATED);
	assert_int_equal(ioas_tlp_issue(guest.rig.issuer, &tlp, &byte), 0);
	guest.s1.stage1.no_ats = false;
	assert_int_equal(ioas_ats_translate(guest.rig.issuer, &tlp, &found, 1), 1);
}

/* Who asks to write what may be read has that, and no bit is set for the write. */
static void less_than_asked_for_is_handed_out(void **state)
{
	uint64_t *leaf = guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | P | U | A, ALL | A);
	pa_t pa = ask(IOVA, IOAS_TLP_WRITE, 0);

	assert_true(holds(pa, IOAS_TLP_READ));
	assert_false(holds(pa, IOAS_TLP_WRITE));
	assert_int_equal(*leaf & D, 0);
}

/* A guest's large page that it has split, and not invalidated: the range has all of both. */
static void a_part_of_what_is_held_may_be_held_too(void **state)
{
	const iova_t at = IOVA & ~(PAGE * 512 - 1);
	struct ioas_tlp tlp = {.addr = at + DATA * PAGE, .len = 1};
	struct ioas_ats_translation found[2];
	struct mem_window *large;

	for (unsigned i = 0; i < 4; i++)
		guest_hide(&guest, DATA + i);
	large = rig_map(&guest.rig, DATA * PAGE, guest.memory + DATA * PAGE, 4 * PAGE,
			IOAS_PROT_READ | IOAS_PROT_WRITE);
	guest_lead(&guest, 4, 1, at, 2, ALL | A, ALL | A);
	assert_int_equal(ioas_ats_translate(guest.rig.issuer, &tlp, &found[0], 1), 1);
	assert_int_equal(found[0].first, at + DATA * PAGE);
	assert_int_equal(found[0].len, 4 * PAGE);
	tlp.addr = at + OTHER * PAGE;
	guest_lead(&guest, 4, 1, tlp.addr, 1, OTHER * PAGE | ALL | A, ALL | A);
	guest_invalidate(&guest);
	assert_int_equal(ioas_ats_translate(guest.rig.issuer, &tlp, &found[1], 1), 1);
	assert_int_equal(found[1].first, tlp.addr);
	assert_int_equal(found[1].len, PAGE);
	assert_int_equal(found[1].addr, found[0].addr + PAGE);
	take_gpa(DATA, false);
	assert_int_equal(asked_nr, 1);
	was_asked(0, 0, at + DATA * PAGE, at + (DATA + 4) * PAGE - 1);
	assert_false(holds(found[0].addr, IOAS_TLP_READ));
	rig_unmap(&guest.rig, DATA * PAGE, large);
}

/* The range that goes is the parent's: what lies below it in the guest's addresses goes, too. */
static void addresses_of_the_parent_are_not_the_guests(void **state)
{
	pa_t low;

	guest_lead(&guest, 4, 1, PAGE, 1, DATA * PAGE | ALL | A | D, ALL | A);
	low = ask(PAGE, IOAS_TLP_READ, 0);
	take_gpa(DATA, false);
	assert_int_equal(asked_nr, 1);
	was_asked(0, 0, PAGE, 2 * PAGE - 1);
	assert_false(holds(low, IOAS_TLP_READ));
}

/* Dirty bits of the parent were cleared: who may only read stays. */
static void what_may_not_write_stays(void **state)
{
	pa_t data = ask(IOVA, IOAS_TLP_WRITE, 0), other = ask(IOVA + PAGE, IOAS_TLP_READ, 0);

	take_gpa(DATA, true);
	assert_int_equal(asked_nr, 1);
	was_asked(0, 0, IOVA, IOVA + PAGE - 1);
	assert_false(holds(data, IOAS_TLP_WRITE));
	assert_true(holds(other, IOAS_TLP_READ));
}

/* What is the parent's own goes by its address, beside what is nested on it. */
static void the_parents_own_goes_by_its_address(void **state)
{
	const pasid_t pasid = 5;
	pa_t nested = ask(IOVA, IOAS_TLP_READ, 0), own;

	assert_int_equal(route_attach(dev, &pasid, guest.rig.pt, NULL), 0);
	own = ask(OTHER * PAGE, IOAS_TLP_READ, pasid);
	take_gpa(3, false);
	assert_int_equal(asked_nr, 1);
	was_asked(0, 0, IOVA, IOVA + PAGE - 1);
	assert_false(holds(nested, IOAS_TLP_READ));
	assert_true(holds(own, IOAS_TLP_READ));
	take_gpa(OTHER, false);
	assert_int_equal(asked_nr, 2);
	was_asked(1, pasid, OTHER * PAGE, OTHER * PAGE + PAGE - 1);
	assert_false(holds(own, IOAS_TLP_READ));
	route_detach(dev, &pasid);
}

static void take_named(iova_t first, iova_t last, bool one, bool any, pasid_t pasid)
{
	const struct ats_named what = {first, last, one, any, pasid};

	asked_nr = 0;
	ats_take_named(dev, &guest.s1.stage1.to, &what);
}

/* By address, and by which of its address spaces: one, all that have a PASID, all. */
static void a_guest_names_what_it_wants_back(void **state)
{
	pa_t data, other;

	for (unsigned i = 0; i < 2; i++) {
		data = ask(IOVA, IOAS_TLP_READ, i ? 9 : 0);
		other = ask(IOVA + PAGE, IOAS_TLP_READ, i ? 9 : 0);
		take_named(IOVA + PAGE, IOVA + PAGE, i, false, 9);
		assert_int_equal(asked_nr, 1);
		was_asked(0, i ? 9 : 0, IOVA + PAGE, IOVA + 2 * PAGE - 1);
		assert_true(holds(data, IOAS_TLP_READ));
		assert_false(holds(other, IOAS_TLP_READ));
	}
	ask(IOVA, IOAS_TLP_READ, 4);
	take_named(0, UINT64_MAX, true, false, 8);
	assert_int_equal(asked_nr, 0);
	take_named(0, IOVA - 1, false, false, 0);
	assert_int_equal(asked_nr, 0);
	take_named(0, UINT64_MAX, true, false, 4);
	assert_int_equal(asked_nr, 1);
	was_asked(0, 4, IOVA, IOVA + PAGE - 1);
	ask(IOVA, IOAS_TLP_READ, 4);
	take_named(0, UINT64_MAX, false, true, 0);
	assert_int_equal(asked_nr, 2);
	was_asked(0, 4, IOVA, IOVA + PAGE - 1);
	was_asked(1, 9, IOVA, IOVA + PAGE - 1);
	assert_true(holds(data, IOAS_TLP_READ));
	ask(IOVA, IOAS_TLP_READ, 4);
	take_named(0, UINT64_MAX, false, false, 0);
	assert_int_equal(asked_nr, 2);
	was_asked(0, 4, IOVA, IOVA + PAGE - 1);
	was_asked(1, 0, IOVA, IOVA + PAGE - 1);
	assert_false(holds(data, IOAS_TLP_READ));
	/* Of what it has no part in, or of nothing, there is nothing to say. */
	ask(IOVA, IOAS_TLP_READ, 0);
	asked_nr = 0;
	ats_take_named(dev, NULL, &(struct ats_named){.last = UINT64_MAX});
	ats_take_named(dev, pt_target(guest.rig.pt), &(struct ats_named){.last = UINT64_MAX});
	assert_int_equal(asked_nr, 0);
}

/* A guest may name what it likes of a device that has no ATS. */
static void of_a_device_without_ats_nothing_is_taken(void **state)
{
	guest_start(&guest, 48, false);
	dev = guest.rig.dev;
	asked_nr = 0;
	take_named(0, UINT64_MAX, false, false, 0);
	take_named(0, UINT64_MAX, true, false, 1);
	assert_int_equal(asked_nr, 0);
	guest_stop(&guest);
}

/* Where PASID 0 stands for requests without one, that is who it names. */
static void pasid_0_may_name_those_without_one(void **state)
{
	pa_t data = ask(IOVA, IOAS_TLP_READ, 0);

	ask(IOVA, IOAS_TLP_READ, 9);
	take_named(0, UINT64_MAX, true, false, 0);
	assert_int_equal(asked_nr, 0);
	dev->pasid_0_same = true;
	take_named(0, UINT64_MAX, true, false, 0);
	assert_int_equal(asked_nr, 1);
	was_asked(0, 0, IOVA, IOVA + PAGE - 1);
	take_named(0, UINT64_MAX, true, false, 9);
	assert_int_equal(asked_nr, 1);
	was_asked(0, 9, IOVA, IOVA + PAGE - 1);
	assert_false(holds(data, IOAS_TLP_READ));
}

/* A table of PASIDs was all of theirs. */
static void a_table_of_pasids_takes_all_forms(void **state)
{
	pa_t data = ask(IOVA, IOAS_TLP_READ, 0);

	ask(IOVA, IOAS_TLP_READ, 1);
	ask(IOVA + PAGE, IOAS_TLP_READ, 0xfffff);
	ask(IOVA + PAGE, IOAS_TLP_READ, 0);
	route_detach(dev, NULL);
	assert_int_equal(asked_nr, 3);
	was_asked(0, 0, IOVA, IOVA + 2 * PAGE - 1);
	was_asked(1, 1, IOVA, IOVA + PAGE - 1);
	was_asked(2, 0xfffff, IOVA + PAGE, IOVA + 2 * PAGE - 1);
	assert_false(holds(data, IOAS_TLP_READ));
}

static unsigned records(void)
{
	struct ioas_fault fault[4];
	uint64_t seq = 0;

	return (unsigned)ioas_fault_read(guest.rig.iommu, &seq, fault, 4);
}

/* --check-invalidation: a guest that takes it back has forgotten nothing, while the device answers.
 */
static void what_is_being_taken_back_is_not_stale(void **state)
{
	uint64_t *leaf;

	guest.rig.iommu->config.check_invalidation = true;
	late = ask(IOVA, IOAS_TLP_READ, 0);
	leaf = guest_lead(&guest, 4, 1, IOVA, 1, OTHER * PAGE | ALL | A | D, ALL | A);
	take_named(0, UINT64_MAX, false, false, 0);
	assert_int_equal(asked_nr, 1);
	assert_int_equal(records(), 0);
	late = 0;
	/* It would have been one without. */
	ask(IOVA, IOAS_TLP_READ, 0);
	*leaf = DATA * PAGE | ALL | A | D;
	assert_true(holds(ask(IOVA + PAGE, IOAS_TLP_READ, 0), IOAS_TLP_READ));
	assert_int_equal(records(), 0);
	guest_lead(&guest, 4, 1, IOVA + PAGE, 1, DATA * PAGE | ALL | A | D, ALL | A);
	assert_true(holds(guest.window[OTHER]->pa, IOAS_TLP_READ));
	assert_int_equal(records(), 1);
}

/* By the operation, the privilege that it was asked for with, and the byte. */
static void what_is_stale_is_told_of_what_it_was_handed_out_for(void **state)
{
	static const struct {
		uint32_t flags; /* it is asked for with */
		unsigned op;	/* it is used for */
		uint64_t now;	/* what its leaf says by then */
		bool stale, refused;
	} all[] = {
		{0, IOAS_TLP_READ, DATA * PAGE | P | U, false, false},
		{IOAS_TLP_EXEC, IOAS_TLP_READ, DATA * PAGE | P | U, false, false},
		{IOAS_TLP_EXEC, IOAS_TLP_READ, DATA * PAGE | P | W, true, true},
		{0, IOAS_TLP_WRITE, DATA * PAGE | P | U, true, true},
		{0, IOAS_TLP_READ, DATA * PAGE | P | W, true, true},
		{IOAS_TLP_PRIV, IOAS_TLP_READ, DATA * PAGE | P | W, false, false},
		{IOAS_TLP_PRIV, IOAS_TLP_WRITE, DATA * PAGE | P | W, false, false},
		{IOAS_TLP_PRIV, IOAS_TLP_READ, OTHER * PAGE | ALL, true, false},
		{0, IOAS_TLP_READ, OTHER * PAGE | ALL, true, false},
		{0, IOAS_TLP_READ, 0, true, true},
	};
	const struct ioas_device_counters *counters = ioas_device_counters(dev);
	unsigned told = 0;

	guest.rig.iommu->config.check_invalidation = true;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		uint64_t *leaf =
			guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL | A | D, ALL | A);
		struct ioas_tlp tlp = {
			.addr = IOVA, .len = 1, .op = IOAS_TLP_WRITE, .flags = all[i].flags};
		struct ioas_ats_translation found;
		struct ioas_fault fault[2];
		uint64_t seq = told;

		guest_invalidate(&guest);
		/* Once for each time that it was handed out, of which the second is no other. */
		for (unsigned times = 0; times < 2; times++) {
			*leaf = DATA * PAGE | ALL | A | D;
			guest_invalidate(&guest);
			assert_int_equal(ioas_ats_translate(guest.rig.issuer, &tlp, &found, 1), 1);
			assert_int_equal(found.first, IOVA);
			*leaf = all[i].now ? all[i].now | A | D : 0;
			guest_invalidate(&guest);
			assert_true(holds(found.addr + 0x123, all[i].op));
			assert_true(holds(found.addr + 0x124, all[i].op));
			told += all[i].stale;
			assert_int_equal(ioas_fault_read(guest.rig.iommu, &seq, fault, 2),
					 all[i].stale);
			if (!all[i].stale)
				continue;
			assert_int_equal(fault[0].reason, IOAS_PASSED_ATS_STALE);
			assert_int_equal(fault[0].addr, found.addr + 0x123);
			assert_int_equal(fault[0].tlp.op, all[i].op);
			assert_int_equal(fault[0].taken.first, IOVA);
			assert_int_equal(fault[0].taken.last, IOVA + PAGE - 1);
			assert_int_equal(fault[0].ioas_id, 7);
			assert_int_equal(fault[0].hwpt_id, 12);
			assert_int_equal(fault[0].stage, all[i].refused ? 1 : 0);
			assert_int_equal(fault[0].stage1_nr, 4);
			assert_int_equal(fault[0].stage1[3].entry, *leaf);
		}
		take_named(0, UINT64_MAX, false, false, 0);
		assert_false(holds(found.addr, all[i].op));
		told++;
	}
	assert_int_equal(counters->around, 0);
}

/* The byte where it begins to be stale; and the last of the walks that were tried. */
static void what_is_stale_is_told_of_where_it_is(void **state)
{
	struct ioas_tlp tlp = {.addr = IOVA + PAGE, .len = 1, .flags = IOAS_TLP_PRIV}, use = {0};
	struct ioas_ats_translation found;
	struct ioas_fault fault[2];
	struct mem_window *large;
	static char buf[2 * PAGE];
	uint64_t seq = 0, *leaf;

	guest.rig.iommu->config.check_invalidation = true;
	for (unsigned i = 0; i < 4; i++)
		guest_hide(&guest, DATA + i);
	large = rig_map(&guest.rig, DATA * PAGE, guest.memory + DATA * PAGE, 4 * PAGE,
			IOAS_PROT_READ | IOAS_PROT_WRITE);
	guest_invalidate(&guest);
	use = (struct ioas_tlp){
		.addr = ask(IOVA, IOAS_TLP_READ, 0), .len = 2 * PAGE, .at = IOAS_TLP_TRANSLATED};
	assert_int_equal(ask(IOVA + PAGE, IOAS_TLP_READ, 0), use.addr + PAGE);
	assert_int_equal(ioas_ats_translate(guest.rig.issuer, &tlp, &found, 1), 1);
	assert_int_equal(found.addr, use.addr + PAGE);
	leaf = guest_lead(&guest, 4, 1, IOVA + PAGE, 1, (DATA + 2) * PAGE | ALL | A, ALL | A);
	guest_invalidate(&guest);
	assert_int_equal(ioas_tlp_issue(guest.rig.issuer, &use, buf), 0);
	assert_int_equal(ioas_fault_read(guest.rig.iommu, &seq, fault, 2), 1);
	assert_int_equal(fault[0].reason, IOAS_PASSED_ATS_STALE);
	assert_int_equal(fault[0].tlp.addr, use.addr);
	assert_int_equal(fault[0].addr, use.addr + PAGE);
	assert_int_equal(fault[0].taken.first, IOVA + PAGE);
	assert_int_equal(fault[0].stage1_nr, 4);
	assert_int_equal(fault[0].stage1[3].entry, *leaf);
	take_gpa(DATA, false);
	rig_unmap(&guest.rig, DATA * PAGE, large);
}

#define TEST(name, how) cmocka_unit_test_setup_teardown(name, how, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_goes_from_the_parent_takes_all_above, start),
		TEST(a_table_can_be_without_ats, start),
		TEST(less_than_asked_for_is_handed_out, start),
		TEST(a_part_of_what_is_held_may_be_held_too, start),
		TEST(addresses_of_the_parent_are_not_the_guests, start),
		TEST(what_may_not_write_stays, start),
		TEST(the_parents_own_goes_by_its_address, start),
		TEST(a_guest_names_what_it_wants_back, start_with_pasids),
		cmocka_unit_test(of_a_device_without_ats_nothing_is_taken),
		TEST(pasid_0_may_name_those_without_one, start_with_pasids),
		TEST(what_is_being_taken_back_is_not_stale, start),
		TEST(what_is_stale_is_told_of_what_it_was_handed_out_for, start),
		TEST(what_is_stale_is_told_of_where_it_is, start),
		TEST(a_table_of_pasids_takes_all_forms, start_with_pasids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
