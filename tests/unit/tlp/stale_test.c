/* SPDX-License-Identifier: MIT */
/*
 * Description: what an IOMMU may have cached: which changes of an entry take something away, in
 * each format that programs keep, and which invalidation is of which table.
 */
#include "tests/unit/tlp/guest.h"
#include "tlp/check_stale.h"

#define G  (1ull << 8) /* x86 ignores what these are for, here: */
#define SW (1ull << 52)

static void what_takes_something_away(void **state)
{
	static const struct {
		unsigned level;
		uint64_t old, now;
		bool changed;
	} all[] = {
		{1, 0x1000 | ALL, 0x1000 | ALL, false},
		{1, 0x1000 | ALL, 0x1000 | ALL | A | D, false},
		{1, 0x1000 | ALL | A | D, 0x1000 | ALL, false},
		{1, 0x1000 | ALL, 0x1000 | ALL | G | SW, false},
		{1, 0x1000 | ALL, 0x2000 | ALL, true},
		{1, 0x1000 | ALL, 0x1000 | P | U, true},
		{1, 0x1000 | P | U, 0x1000 | ALL, false},
		{1, 0x1000 | ALL, 0x1000 | P | W, true},
		{1, 0x1000 | P | W, 0x1000 | ALL, false},
		{1, 0x1000 | ALL, 0x1000 | ALL | XD, true},
		{1, 0x1000 | ALL | XD, 0x1000 | ALL, false},
		{1, 0x1000 | ALL, 0, true},
		{2, 0x1000 | ALL, 0x2000 | ALL, true},
		{2, 0x1000 | ALL, 0x1000 | ALL | A, false},
		{2, 0x1000 | ALL, 0x1000 | P | W, true},
		{2, 0x1000 | P | W, 0x1000 | ALL, false},
		{2, 0x1000 | ALL, 0x1000 | ALL | XD, true},
		{2, 0x200000 | ALL | PS, 0x400000 | ALL | PS, true},
		{2, 0x200000 | ALL | PS, 0x200000 | ALL, true},
		{2, 0x200000 | ALL, 0x200000 | ALL | PS, true},
		{4, 0x1000 | ALL, 0x1000 | ALL | PS, true},
	};
	struct pt_foreign table = {.format = PT_X86_64, .aw = 48, .update = true};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_int_equal(pt_foreign_changed(&table, all[i].level, all[i].old, all[i].now),
				 all[i].changed);
}

/* Arm's AP[2] with DBM is a dirty bit, which another descriptor lets the walk clear. */
static void a_dirty_bit_is_no_change(void **state)
{
	const uint64_t page = 3 | 1 << 6 | 1 << 10 | 1ull << 51, clean = page | 1 << 7;
	struct pt_foreign table = {.format = PT_ARM_LPAE_S1_4K, .aw = 48};

	assert_false(pt_foreign_changed(&table, 1, clean, page));
	assert_false(pt_foreign_changed(&table, 1, page, clean));
	assert_true(pt_foreign_changed(&table, 1, page, 0x1000 | page));
	table.update = true;
	assert_false(pt_foreign_changed(&table, 1, clean, page));
	assert_true(pt_foreign_changed(&table, 1, page, clean & ~(1ull << 51)));
}

/* Of any format: an entry of ours is as itself, and not as one that leads elsewhere or to less. */
static void of_each_format(void **state)
{
	for (unsigned f = 0; f < PT_FORMAT_NR_VENDOR; f++) {
		struct pt_foreign table = {.format = f, .update = false};
		unsigned aw = 32, lg2 = pt_format_page_lg2(f);
		struct pt_step a[6], b[6], c[6];
		struct pt *pt;
		unsigned nr;

		while (!pt_foreign_root_len(f, aw))
			aw++;
		table.aw = aw;
		assert_int_equal(
			pt_new(&(struct pt_config){.format = f, .aw = aw > 57 ? 57 : aw}, &pt), 0);
		assert_int_equal(pt_map(pt, 0, 1ull << 30, 1ull << lg2, 3), 0);
		assert_int_equal(pt_map(pt, 1ull << lg2, 1ull << 31, 1ull << lg2, 3), 0);
		assert_int_equal(pt_map(pt, 2ull << lg2, 1ull << 30, 1ull << lg2, 1), 0);
		nr = pt_trace(pt, 0, a, 6);
		assert_int_equal(pt_trace(pt, 1ull << lg2, b, 6), nr);
		assert_int_equal(pt_trace(pt, 2ull << lg2, c, 6), nr);
		for (unsigned i = 0; i < nr; i++) {
			assert_true(pt_foreign_present(&table, a[i].entry));
			assert_int_equal(pt_foreign_is_leaf(&table, a[i].level, a[i].entry),
					 i == nr - 1);
			assert_false(
				pt_foreign_changed(&table, a[i].level, a[i].entry, a[i].entry));
		}
		nr--;
		assert_true(pt_foreign_changed(&table, 1, a[nr].entry, b[nr].entry));
		assert_true(pt_foreign_changed(&table, 1, a[nr].entry, c[nr].entry));
		/* On Arm the kernel does not execute what users may write. */
		assert_int_equal(pt_foreign_changed(&table, 1, c[nr].entry, a[nr].entry),
				 f >= PT_ARM_LPAE_S1_4K && f <= PT_ARM_LPAE_S1_64K);
		assert_true(pt_foreign_changed(&table, 1, a[nr].entry, 0));
		pt_destroy(pt);
	}
}

/* A table for each PASID, and for each half of addresses, as Arm's SMMU has them. */
static enum ioas_fault_reason find_by_half(const struct stage1 *stage1, struct nested *nested,
					   const struct nested_request *request,
					   struct nested_table *out)
{
	const struct guest_stage1 *own = (const struct guest_stage1 *)stage1;

	out->table = own->table;
	out->table.root = PAGE * (1 + 8 * (request->iova >> 63) + 16 * request->pasid);
	out->input = request->iova & UINT64_MAX >> 17;
	return IOAS_FAULT_NONE;
}

static void pasids_and_halves_are_apart(void **state)
{
	static const struct stage1_ops by_half = {.find = find_by_half};
	static struct guest guest;
	struct ioas_tlp tlp = {.len = 8, .flags = IOAS_TLP_PASID};
	uint64_t seq, word, *entry[4];

	guest_start(&guest, 48, false);
	for (unsigned i = 0; i < GUEST_PAGES; i++)
		guest_show(&guest, i, IOAS_PROT_READ | IOAS_PROT_WRITE);
	ioas_device_unbind(guest.rig.dev);
	assert_int_equal(ioas_device_bind(guest.rig.dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL),
			 0);
	guest.s1.stage1.ops = &by_half;
	guest.s1.stage1.pasids = true;
	assert_int_equal(check_stale_new(&guest.s1.stage1.check), 0);
	for (unsigned i = 0; i < 4; i++)
		entry[i] = guest_lead(&guest, 4, 1 + 8 * i, 0, 1, (50 + i) * PAGE | ALL, ALL);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 4; i++) {
			tlp.pasid = i >> 1;
			tlp.addr = i & 1 ? UINT64_MAX << 48 : 0;
			assert_int_equal(ioas_tlp_issue(guest.rig.issuer, &tlp, &word), 0);
			assert_int_equal(ioas_issuer_fault(guest.rig.issuer, &seq),
					 IOAS_FAULT_NONE);
		}
	/* And each by itself is watched. */
	for (unsigned i = 0; i < 4; i++) {
		*entry[i] = (40 + i) * PAGE | ALL;
		tlp.pasid = i >> 1;
		tlp.addr = i & 1 ? UINT64_MAX << 48 : 0;
		assert_int_equal(ioas_tlp_issue(guest.rig.issuer, &tlp, &word), 0);
		assert_int_equal(ioas_issuer_fault(guest.rig.issuer, &seq), IOAS_PASSED_STALE);
		assert_int_equal(seq, i + 1);
	}
	check_stale_destroy(guest.s1.stage1.check);
	guest_stop(&guest);
}

/* Arm's pages without nG are for all ASIDs, and no invalidation of one ASID alone drops them. */
static void pages_of_all_spaces(void **state)
{
	const uint64_t page = 3 | 1 << 6 | 1 << 10, ng = 1 << 11;
	const struct pt_foreign arm = {.format = PT_ARM_LPAE_S1_4K, .aw = 48};
	const struct pt_foreign stage2 = {.format = PT_ARM_LPAE_S2_4K, .aw = 48};
	const struct pt_foreign x86 = {.format = PT_X86_64, .aw = 48};
	static const struct {
		struct stale_forget what;
		bool drops[2]; /* a page of one space, and one of all */
	} all[] = {
		{{.space = 5, .last = UINT64_MAX}, {true, true}},
		{{.space = 5, .last = 0}, {true, true}}, /* the first byte alone, and the last */
		{{.space = 5, .first = PAGE - 1, .last = PAGE - 1}, {true, true}},
		{{.space = 5, .last = UINT64_MAX, .not_global = true}, {true, false}},
		{{.space = 6, .last = UINT64_MAX}, {false, false}},
		{{.space = 6, .last = UINT64_MAX, .global = true}, {false, true}},
		{{.space = 6, .first = PAGE, .last = UINT64_MAX, .global = true}, {false, false}},
		{{.space = 4, .last = PAGE - 1, .leaves = true, .global = true}, {false, true}},
		{{.any_space = true, .last = UINT64_MAX, .not_global = true}, {true, false}},
		{{.space = 6, .last = UINT64_MAX, .no_tables = true, .global = true},
		 {false, false}},
	};

	assert_true(pt_foreign_is_global(&arm, 1, page));
	assert_false(pt_foreign_is_global(&arm, 1, page | ng));
	assert_true(pt_foreign_is_global(&arm, 2, page & ~2ull));
	assert_false(pt_foreign_is_global(&arm, 2, page)); /* leads to a table */
	assert_false(pt_foreign_is_global(&stage2, 1, page));
	assert_false(pt_foreign_is_global(&x86, 1, page));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (unsigned g = 0; g < 2; g++) {
			struct stale_entry entry = {.space = 5,
						    .level = 1,
						    .entry = page | (g ? 0 : ng),
						    .present = true};
			struct check_stale *check;
			struct stale_found found;

			assert_int_equal(check_stale_new(&check), 0);
			check_stale_walk(check, &arm, &entry, 1, &found);
			check_stale_forget(check, &all[i].what);
			entry.entry |= PAGE;
			check_stale_walk(check, &arm, &entry, 1, &found);
			assert_int_equal(found.found, !all[i].drops[g]);
			check_stale_destroy(check);
		}
}

#define STRUCTURE (30 * PAGE) /* a word that leads to the table, whatever it says */

static enum ioas_fault_reason find_by_word(const struct stage1 *stage1, struct nested *nested,
					   const struct nested_request *request,
					   struct nested_table *out)
{
	enum ioas_fault_reason reason;
	uint64_t word;

	reason = nested_read(nested, STRUCTURE, &word);
	nested_seen(nested, STRUCTURE, word, true);
	out->table = ((const struct guest_stage1 *)stage1)->table;
	return reason;
}

/* Does a request with a PASID meet what was changed, and not invalidated by that name? */
static bool is_stale(struct guest *guest, uint64_t *entry, uint64_t change,
		     const struct stale_forget *what)
{
	struct ioas_tlp tlp = {.len = 8, .flags = IOAS_TLP_PASID, .pasid = 5};
	uint64_t before, after, word;

	assert_int_equal(ioas_tlp_issue(guest->rig.issuer, &tlp, &word), 0);
	ioas_issuer_fault(guest->rig.issuer, &before);
	*entry ^= change;
	guest_invalidate(guest);
	check_stale_forget(guest->s1.stage1.check, what);
	assert_int_equal(ioas_tlp_issue(guest->rig.issuer, &tlp, &word), 0);
	ioas_issuer_fault(guest->rig.issuer, &after);
	return after != before;
}

/* With a table of PASIDs each is a space of its own; else all that comes to a table is space 0. */
static void spaces_are_what_invalidations_name(void **state)
{
	static const struct stage1_ops by_word = {.find = find_by_word};
	static struct guest guest;
	const pasid_t pasid = 5;

	for (unsigned pasids = 0; pasids < 2; pasids++) {
		const uint32_t space = pasids ? pasid : 0, other = pasids ? 0 : pasid;
		uint64_t *leaf;

		guest_start(&guest, 48, false);
		for (unsigned i = 0; i < GUEST_PAGES; i++)
			guest_show(&guest, i, IOAS_PROT_READ | IOAS_PROT_WRITE);
		route_detach(guest.rig.dev, NULL);
		ioas_device_unbind(guest.rig.dev);
		assert_int_equal(
			ioas_device_bind(guest.rig.dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL),
			0);
		guest.s1.stage1.ops = &by_word;
		guest.s1.stage1.pasids = pasids;
		assert_int_equal(check_stale_new(&guest.s1.stage1.check), 0);
		assert_int_equal(route_attach_to(guest.rig.dev, pasids ? NULL : &pasid,
						 &guest.s1.stage1.to, NULL),
				 0);
		leaf = guest_lead(&guest, 4, 1, 0, 1, 40 * PAGE | ALL, ALL);
		assert_false(is_stale(&guest, leaf, PAGE,
				      &(struct stale_forget){.space = space, .last = UINT64_MAX}));
		assert_true(is_stale(&guest, leaf, PAGE,
				     &(struct stale_forget){.space = other, .last = UINT64_MAX}));
		assert_false(is_stale(&guest, guest_at(&guest, STRUCTURE), 1,
				      &(struct stale_forget){.space = space,
							     .last = UINT64_MAX,
							     .structures = true,
							     .no_tables = true}));
		assert_true(is_stale(&guest, guest_at(&guest, STRUCTURE), 1,
				     &(struct stale_forget){.space = other,
							    .last = UINT64_MAX,
							    .structures = true}));
		route_detach(guest.rig.dev, pasids ? NULL : &pasid);
		check_stale_destroy(guest.s1.stage1.check);
		guest_stop(&guest);
	}
}

/* Whatever makes it so, bits among them that no address has: what is no entry is another one. */
static void what_is_not_valid_any_more_is_told_once(void **state)
{
	struct pt_foreign table = {.format = PT_X86_64, .aw = 48, .update = true};
	struct stale_entry entry = {
		.level = 2, .first = 0x200000, .gpa = 0x3000, .entry = 0x200000 | ALL | PS};
	const uint64_t good = entry.entry, bad = good | 1ull << 13;
	struct check_stale *check;
	struct stale_found found;

	assert_int_equal(check_stale_new(&check), 0);
	for (unsigned level = 0; level <= 2; level += 2) {
		entry.level = level;
		entry.entry = good;
		entry.present = true;
		check_stale_walk(check, &table, &entry, 1, &found);
		assert_false(found.found);
		entry.entry = bad;
		entry.present = false;
		check_stale_walk(check, &table, &entry, 1, &found);
		assert_true(found.found);
		assert_int_equal(found.level, level);
		assert_int_equal(found.gpa, 0x3000);
		assert_int_equal(found.old, good);
		assert_int_equal(found.now, bad);
		check_stale_walk(check, &table, &entry, 1, &found);
		assert_false(found.found);
		entry.entry = good;
		entry.present = true;
		check_stale_walk(check, &table, &entry, 1, &found);
		assert_false(found.found);
	}
	check_stale_destroy(check);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_takes_something_away),
		cmocka_unit_test(a_dirty_bit_is_no_change),
		cmocka_unit_test(of_each_format),
		cmocka_unit_test(what_is_not_valid_any_more_is_told_once),
		cmocka_unit_test(pasids_and_halves_are_apart),
		cmocka_unit_test(pages_of_all_spaces),
		cmocka_unit_test(spaces_are_what_invalidations_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
