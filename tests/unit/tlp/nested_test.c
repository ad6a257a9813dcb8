/* SPDX-License-Identifier: MIT */
/*
 * Description: two dimensions. Each level of each stage refuses as it must, and says so;
 * permissions of both stages; accessed and dirty bits; what is remembered, and until when.
 */
#include "tests/unit/tlp/guest.h"
#include "tlp/check_dirty.h"

#define IOVA 0x7f0123456000ul
#define DATA 40 /* pages of data begin here */

static struct guest guest;

static int dma(unsigned op, iova_t addr, uint64_t *word, uint32_t flags)
{
	struct ioas_tlp tlp = {
		.addr = addr, .len = sizeof(*word), .op = (uint8_t)op, .flags = flags};

	return ioas_tlp_issue(guest.rig.issuer, &tlp, word);
}

static struct ioas_fault newest(void)
{
	return rig_fault(&guest.rig, ioas_device_counters(guest.rig.dev)->faults);
}

static void begin(unsigned aw, bool dirty)
{
	guest_start(&guest, aw, dirty);
	for (unsigned i = 0; i < GUEST_PAGES; i++)
		guest_show(&guest, i, IOAS_PROT_READ | IOAS_PROT_WRITE);
}

/* Both forms, leaves of all sizes: the bytes of the right page move. */
static void leads_to_the_page(void **state)
{
	for (unsigned levels = 4; levels <= 5; levels++)
		for (unsigned level = 1; level <= 3; level++) {
			uint64_t word = 0x1122334455667788, read = 0;
			pa_t off = level > 1 ? DATA * PAGE : 0;
			iova_t iova = (IOVA & ~((1ull << (12 + 9 * (level - 1))) - 1)) + off;

			begin(levels == 4 ? 48 : 57, false);
			guest_lead(&guest, levels, 1, iova, level, (DATA * PAGE - off) | ALL, ALL);
			assert_int_equal(dma(IOAS_TLP_WRITE, iova + 8, &word, 0), 0);
			assert_int_equal(guest_at(&guest, DATA * PAGE)[1], word);
			assert_int_equal(dma(IOAS_TLP_READ, iova + 8, &read, 0), 0);
			assert_int_equal(read, word);
			guest_stop(&guest);
		}
}

/* An entry of each level of stage 1 is missing, has reserved bits, or lies where stage 2 ends. */
static void each_level_of_stage_1_can_refuse(void **state)
{
	static const struct {
		uint64_t entry;
		enum ioas_fault_reason reason;
		uint16_t kind;
	} bad[] = {
		{0, IOAS_FAULT_NOT_MAPPED, IOAS_FAULT_ENTRY_EMPTY},
		{W | U, IOAS_FAULT_NOT_MAPPED, IOAS_FAULT_ENTRY_EMPTY},
		{P | PS | 1ull << 13, IOAS_FAULT_RESERVED, IOAS_FAULT_ENTRY_INVALID},
	};

	for (unsigned levels = 4; levels <= 5; levels++)
		for (unsigned level = levels; level; level--)
			for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
				struct ioas_fault fault;
				uint64_t word = 0, *entry;

				if (level == 1 && bad[i].reason == IOAS_FAULT_RESERVED)
					continue;
				begin(levels == 4 ? 48 : 57, false);
				entry = guest_lead(&guest, levels, 1, IOVA, level, 0, ALL);
				*entry = bad[i].entry;
				assert_int_equal(dma(IOAS_TLP_WRITE, IOVA, &word, 0), -EFAULT);
				fault = newest();
				assert_int_equal(fault.stage, 1);
				assert_int_equal(fault.reason, bad[i].reason);
				assert_int_equal(fault.addr, IOVA);
				assert_int_equal(fault.hwpt_id, 12);
				assert_int_equal(fault.ioas_id, 7);
				assert_int_equal(fault.stage1_nr, levels - level + 1);
				for (unsigned k = 0; k < fault.stage1_nr; k++)
					assert_int_equal(fault.stage1[k].level, levels - k);
				assert_int_equal(fault.stage1[levels - level].kind, bad[i].kind);
				assert_int_equal(fault.stage1[levels - level].entry, bad[i].entry);
				assert_int_equal(guest.memory + fault.stage1[levels - level].gpa,
						 entry);
				guest_stop(&guest);
			}
}

/* A table of each level, and the page itself, is where stage 2 has nothing, or may not be read. */
static void stage_2_can_refuse_each_address(void **state)
{
	for (unsigned lost = 1; lost <= 5; lost++)
		for (unsigned how = 0; how < 2; how++) {
			unsigned page = lost == 5 ? DATA : lost;
			struct ioas_fault fault;
			uint64_t word = 0;

			begin(48, false);
			guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL | A | D, ALL | A);
			guest_hide(&guest, page);
			if (how)
				guest_show(&guest, page,
					   lost == 5 ? IOAS_PROT_READ : IOAS_PROT_WRITE);
			assert_int_equal(dma(IOAS_TLP_WRITE, IOVA + 16, &word, 0), -EFAULT);
			fault = newest();
			assert_int_equal(fault.stage, 2);
			assert_int_equal(fault.reason, !how	   ? IOAS_FAULT_NOT_MAPPED
						       : lost == 5 ? IOAS_FAULT_NO_WRITE
								   : IOAS_FAULT_NO_READ);
			assert_int_equal(fault.during, lost == 5 ? IOAS_FAULT_DURING_DATA
								 : IOAS_FAULT_DURING_TABLE);
			assert_int_equal(fault.gpa / PAGE, page);
			if (lost == 5)
				assert_int_equal(fault.gpa, DATA * PAGE + 16);
			assert_int_equal(fault.stage1_nr, lost - 1);
			for (unsigned k = 0; k < fault.stage1_nr; k++)
				assert_int_equal(fault.stage1[k].level, 4 - k);
			assert_true(fault.level_nr > 0);
			assert_true(fault.has_nearest);
			guest_stop(&guest);
		}
}

/* Reading is what P gives; writing, privilege and execution each need both stages' consent. */
static void both_stages_must_permit(void **state)
{
	for (unsigned bits = 0; bits < 64; bits++) {
		bool w = bits & 1, u = bits & 2, xd = bits & 4, r2 = bits & 8, w2 = bits & 16;
		bool upper = bits & 32; /* it is the entry above that takes away */
		uint64_t leaf = P | A | D | (w ? W : 0) | (u ? U : 0) | (xd ? XD : 0);
		uint64_t all = ALL | A;

		if (!r2 && !w2)
			continue;
		begin(48, false);
		guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | (upper ? all | D : leaf), all);
		if (upper)
			guest_at(&guest, 3 * PAGE)[IOVA >> 21 & 511] = 4 * PAGE | leaf;
		guest_hide(&guest, DATA);
		guest_show(&guest, DATA, (r2 ? IOAS_PROT_READ : 0u) | (w2 ? IOAS_PROT_WRITE : 0u));
		for (unsigned form = 0; form < 6; form++) {
			unsigned op = form & 1;
			uint32_t flags =
				(form & 2 ? IOAS_TLP_PRIV : 0u) | (form >= 4 ? IOAS_TLP_EXEC : 0u);
			bool priv = flags & IOAS_TLP_PRIV, exec = form >= 4 && op == IOAS_TLP_READ;
			bool first = (priv || u) && (op == IOAS_TLP_READ || w) && !(exec && xd);
			bool second = op == IOAS_TLP_READ ? r2 : w2;
			uint64_t word = 0;
			int rc = dma(op, IOVA, &word, flags);

			guest_invalidate(&guest);
			assert_int_equal(rc, first && second ? 0 : -EFAULT);
			if (rc)
				assert_int_equal(newest().stage, first ? 2 : 1);
		}
		guest_stop(&guest);
	}
}

static void privileged_writes_may_pass_what_is_read_only(void **state)
{
	uint64_t word = 5;

	begin(48, false);
	guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | P | U | A, ALL | A);
	assert_int_equal(dma(IOAS_TLP_WRITE, IOVA, &word, IOAS_TLP_PRIV), -EFAULT);
	assert_int_equal(newest().reason, IOAS_FAULT_NO_WRITE);
	guest.s1.table.priv_writes = true;
	assert_int_equal(dma(IOAS_TLP_WRITE, IOVA, &word, IOAS_TLP_PRIV), 0);
	assert_int_equal(dma(IOAS_TLP_WRITE, IOVA, &word, 0), -EFAULT);
	guest_stop(&guest);
}

/* Bits are set by the first use that needs them, those of tables too; and once. */
static void accessed_and_dirty_bits_are_set(void **state)
{
	iova_t iova = IOVA;
	uint64_t word = 1, *leaf, *top;

	begin(48, false);
	guest.s1.table.used = EA;
	leaf = guest_lead(&guest, 4, 1, iova, 1, DATA * PAGE | ALL, ALL);
	top = guest_at(&guest, PAGE) + (iova >> 39 & 511);
	assert_int_equal(dma(IOAS_TLP_READ, iova, &word, 0), 0);
	assert_int_equal(*leaf & (A | D | EA), A | EA);
	assert_int_equal(*top & (A | D | EA), A | EA);
	/* The read is remembered, but not for writing. */
	assert_int_equal(dma(IOAS_TLP_WRITE, iova, &word, 0), 0);
	assert_int_equal(*leaf & (A | D | EA), A | D | EA);
	assert_int_equal(*top & D, 0);
	/* Cleared without saying so, it need not be set again; afterwards it is. */
	*leaf &= ~D;
	guest_invalidate(&guest);
	assert_int_equal(dma(IOAS_TLP_WRITE, iova, &word, 0), 0);
	assert_true(*leaf & D);
	guest_stop(&guest);
}

/* Setting a bit is a write to the table. Where none is to be set there is none. */
static void stage_2_must_let_bits_be_set(void **state)
{
	struct ioas_fault fault;
	uint64_t word = 1, *leaf;

	begin(48, false);
	leaf = guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL | A, ALL | A);
	guest_hide(&guest, 4);
	guest_show(&guest, 4, IOAS_PROT_READ);
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), 0);
	assert_int_equal(dma(IOAS_TLP_WRITE, IOVA, &word, 0), -EFAULT);
	fault = newest();
	assert_int_equal(fault.stage, 2);
	assert_int_equal(fault.reason, IOAS_FAULT_NO_WRITE);
	assert_int_equal(fault.during, IOAS_FAULT_DURING_TABLE);
	assert_int_equal(guest.memory + fault.gpa, leaf);
	assert_int_equal(fault.stage1_nr, 4);
	assert_int_equal(fault.stage1[3].level, 1);
	assert_false(*leaf & D);
	/* A record itself sets none either. */
	guest_at(&guest, PAGE)[IOVA >> 39 & 511] &= ~A;
	assert_int_equal(dma(IOAS_TLP_WRITE, IOVA + 8, &word, 0), -EFAULT);
	assert_false(*leaf & D);
	guest_stop(&guest);
}

/* Where the parent tracks, pages of tables become dirty by that, and data by its GPA. */
static void the_parent_tracks_both(void **state)
{
	struct pt_dirty read = {.max = 8};
	struct ioas_range runs[8];
	uint64_t word = 1;
	struct ioas_dma lent;
	struct ioas_tlp tlp = {.addr = IOVA, .len = 8, .op = IOAS_TLP_WRITE};

	read.runs = runs;
	begin(48, true);
	guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL | A, ALL | A);
	pt_dirty_track(guest.rig.pt, true);
	guest_invalidate(&guest);
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), 0);
	read.last = UINT32_MAX;
	assert_true(pt_dirty_read(guest.rig.pt, &read));
	assert_int_equal(read.nr, 0);
	assert_int_equal(dma(IOAS_TLP_WRITE, IOVA, &word, 0), 0);
	read = (struct pt_dirty){.max = 8, .runs = runs, .last = UINT32_MAX, .clear = true};
	assert_true(pt_dirty_read(guest.rig.pt, &read));
	assert_int_equal(read.nr, 2);
	assert_int_equal(runs[0].first, 4 * PAGE);
	assert_int_equal(runs[1].first, DATA * PAGE);
	guest_invalidate(&guest);
	/* What is lent is dirty once more at its end. */
	ioas_dma_init(&lent, guest.rig.issuer);
	assert_int_equal(ioas_dma_add(&lent, &tlp), 0);
	read = (struct pt_dirty){.max = 8, .runs = runs, .last = UINT32_MAX, .clear = true};
	assert_true(pt_dirty_read(guest.rig.pt, &read));
	guest_invalidate(&guest);
	ioas_dma_end(&lent);
	read = (struct pt_dirty){.max = 8, .runs = runs, .last = UINT32_MAX, .clear = true};
	assert_true(pt_dirty_read(guest.rig.pt, &read));
	assert_int_equal(read.nr, 1);
	assert_int_equal(runs[0].first, DATA * PAGE);
	ioas_dma_fini(&lent);
	guest_stop(&guest);
}

/* --check-dirty: the walk's own writes are a device's, too. */
static void writes_of_the_walk_are_noted(void **state)
{
	struct check_dirty *check;
	struct check_reading reading;
	struct ioas_fault fault[4];
	uint64_t word = 1, seq = 0;

	begin(48, true);
	check = guest.rig.iommu->check_dirty;
	guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL | A, ALL | A);
	pt_dirty_track(guest.rig.pt, true);
	check_dirty_track(check, guest.rig.pt, true,
			  inflight_generation(&guest.rig.iommu->inflight));
	guest_invalidate(&guest);
	assert_int_equal(dma(IOAS_TLP_WRITE, IOVA + 8, &word, 0), 0);
	/* A reading that tells of nothing misses the page of the leaf's entry, and the data. */
	check_dirty_begin(check, &reading);
	check_dirty_end(check, &reading, guest.rig.pt, 0, UINT32_MAX, 0);
	assert_int_equal(ioas_fault_read(guest.rig.iommu, &seq, fault, 4), 2);
	assert_int_equal(fault[0].reason, IOAS_PASSED_UNTOLD);
	assert_int_equal(fault[0].addr, 4 * PAGE);
	assert_int_equal(fault[1].addr, DATA * PAGE);
	assert_string_equal(fault[0].device, guest.rig.dev->name);
	guest_stop(&guest);
}

/* What hardware would report of a stage 1 that has a say in it. */
static void a_record_has_the_number_of_its_stage(void **state)
{
	uint64_t word, *leaf;

	begin(48, false);
	leaf = guest_lead(&guest, 4, 1, IOVA, 1, 0, ALL | A);
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), -EFAULT);
	assert_int_equal(newest().stage, 1);
	assert_int_equal(newest().code, 0x10);
	*leaf = 99 * PAGE | ALL | A;
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), -EFAULT);
	assert_int_equal(newest().stage, 2);
	assert_int_equal(newest().code, 0);
	guest_stop(&guest);
}

/* What the program changed is used from its invalidation on, at the latest. */
static void an_invalidation_ends_what_is_remembered(void **state)
{
	uint64_t word, *leaf;

	begin(48, false);
	leaf = guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL, ALL);
	*guest_at(&guest, DATA * PAGE) = 1;
	*guest_at(&guest, (DATA + 1) * PAGE) = 2;
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), 0);
	assert_int_equal(word, 1);
	*leaf = (DATA + 1) * PAGE | ALL;
	guest_invalidate(&guest);
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), 0);
	assert_int_equal(word, 2);
	*leaf = 0;
	guest_invalidate(&guest);
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), -EFAULT);
	/* Nothing that was refused is remembered. */
	*leaf = DATA * PAGE | ALL;
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), 0);
	assert_int_equal(word, 1);
	guest_stop(&guest);
}

/*
 * What was remembered by a write is not for fetches, whose permission is another, whatever a device
 * says of its writes.
 */
static void a_write_lets_no_fetch_in(void **state)
{
	uint64_t word = 0;

	begin(48, false);
	guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL | XD, ALL);
	assert_int_equal(dma(IOAS_TLP_WRITE, IOVA, &word, IOAS_TLP_EXEC), 0);
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, IOAS_TLP_EXEC), -EFAULT);
	assert_int_equal(newest().reason, IOAS_FAULT_NO_EXEC);
	guest_stop(&guest);
}

/* --check-invalidation: an entry that is not valid is not cached, and has not changed by itself. */
static void what_is_reserved_is_not_stale(void **state)
{
	uint64_t word = 0, *entry;

	begin(48, false);
	assert_int_equal(check_stale_new(&guest.s1.stage1.check), 0);
	entry = guest_lead(&guest, 4, 1, IOVA, 4, 0, ALL);
	*entry = P | PS;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(dma(IOAS_TLP_WRITE, IOVA, &word, 0), -EFAULT);
		assert_int_equal(ioas_device_counters(guest.rig.dev)->faults, i);
		assert_int_equal(newest().reason, IOAS_FAULT_RESERVED);
	}
	check_stale_destroy(guest.s1.stage1.check);
	guest.s1.stage1.check = NULL;
	guest_stop(&guest);
}

/* A table of PASIDs takes requests with one by the route of those without. */
static void a_table_of_pasids_has_them_all(void **state)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = 8, .flags = IOAS_TLP_PASID, .pasid = 77};
	uint64_t word;

	begin(48, false);
	ioas_device_unbind(guest.rig.dev);
	assert_int_equal(ioas_device_bind(guest.rig.dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL),
			 0);
	guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL, ALL);
	assert_int_equal(ioas_tlp_issue(guest.rig.issuer, &tlp, &word), -EFAULT);
	assert_int_equal(newest().reason, IOAS_FAULT_NO_ROUTE);
	guest.s1.stage1.pasids = true;
	assert_int_equal(ioas_tlp_issue(guest.rig.issuer, &tlp, &word), 0);
	/* What leads to the table can refuse, by itself and by where it lies. */
	guest.s1.refuse = IOAS_FAULT_NO_PASID;
	guest.s1.structure = 9 * PAGE;
	guest_invalidate(&guest);
	assert_int_equal(ioas_tlp_issue(guest.rig.issuer, &tlp, &word), -EFAULT);
	assert_int_equal(newest().reason, IOAS_FAULT_NO_PASID);
	assert_int_equal(newest().stage, 1);
	assert_int_equal(newest().stage1_nr, 1);
	assert_int_equal(newest().stage1[0].kind, IOAS_FAULT_ENTRY_STRUCTURE);
	guest_hide(&guest, 9);
	assert_int_equal(ioas_tlp_issue(guest.rig.issuer, &tlp, &word), -EFAULT);
	assert_int_equal(newest().reason, IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(newest().stage, 2);
	assert_int_equal(newest().during, IOAS_FAULT_DURING_STRUCTURE);
	assert_int_equal(newest().gpa, 9 * PAGE);
	guest_stop(&guest);
}

/* Where a guest says at the last moment which table it is, that is one nobody has checked. */
static void a_table_that_cannot_be_leads_nowhere(void **state)
{
	uint64_t word;

	begin(48, false);
	guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL, ALL);
	guest.s1.table.root += 8;
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), -EFAULT);
	assert_int_equal(newest().reason, IOAS_FAULT_RESERVED);
	assert_int_equal(newest().stage, 1);
	assert_int_equal(newest().stage1_nr, 0);
	guest_stop(&guest);
}

/* The program has taken memory away that a table is in: a fault, not a crash. */
static void a_table_in_lost_memory_is_a_fault(void **state)
{
	uint64_t word;

	begin(48, false);
	guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL, ALL);
	assert_int_equal(mprotect(guest.memory + 3 * PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), 0);
	munmap(guest.memory + 3 * PAGE, PAGE);
	guest_invalidate(&guest);
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), -EFAULT);
	assert_int_equal(newest().reason, IOAS_FAULT_MEMORY);
	assert_int_equal(newest().stage, 2);
	assert_int_equal(newest().gpa / PAGE, 3);
	guest_stop(&guest);
}

static void a_record_reads_as_text(void **state)
{
	struct ioas_fault fault;
	char text[2048];
	uint64_t word;

	begin(48, false);
	guest_lead(&guest, 4, 1, IOVA, 1, 99 * PAGE | ALL | A, ALL | A);
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), -EFAULT);
	fault = newest();
	ioas_fault_format(&fault, text, sizeof(text));
	assert_non_null(strstr(text, "at IOVA 0x7f0123456000: stage 2: not mapped\n"));
	assert_non_null(strstr(text, "page table (HWPT) 12\n"));
	assert_non_null(strstr(text,
			       "\n  stage 1, level 4, at GPA 0x17f0: 0x0000000000002027 leads "
			       "to a table\n  stage 1, level 3, at GPA 0x2020: "));
	assert_non_null(strstr(text,
			       "level 1, at GPA 0x42b0: 0x0000000000063027 leaf\n"
			       "  stage 2, of GPA 0x63000, of the request\n  level 4, entry"));
	assert_non_null(strstr(text, "nearest mapping: 0x3f000..0x3ffff (read, write), which ends "
				     "0x23000 bytes before"));
	*guest_at(&guest, 4 * PAGE + (IOVA >> 12 & 511) * 8) = 0;
	assert_int_equal(dma(IOAS_TLP_READ, IOVA, &word, 0), -EFAULT);
	fault = newest();
	ioas_fault_format(&fault, text, sizeof(text));
	assert_non_null(strstr(text, ": stage 1: not mapped\n"));
	assert_string_equal(strrchr(text, '\n'),
			    "\n  stage 1, level 1, at GPA 0x42b0: 0x0000000000000000 not present");
	guest_stop(&guest);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(leads_to_the_page),
		cmocka_unit_test(each_level_of_stage_1_can_refuse),
		cmocka_unit_test(stage_2_can_refuse_each_address),
		cmocka_unit_test(both_stages_must_permit),
		cmocka_unit_test(privileged_writes_may_pass_what_is_read_only),
		cmocka_unit_test(accessed_and_dirty_bits_are_set),
		cmocka_unit_test(stage_2_must_let_bits_be_set),
		cmocka_unit_test(the_parent_tracks_both),
		cmocka_unit_test(writes_of_the_walk_are_noted),
		cmocka_unit_test(an_invalidation_ends_what_is_remembered),
		cmocka_unit_test(a_write_lets_no_fetch_in),
		cmocka_unit_test(what_is_reserved_is_not_stale),
		cmocka_unit_test(a_table_of_pasids_has_them_all),
		cmocka_unit_test(a_table_that_cannot_be_leads_nowhere),
		cmocka_unit_test(a_table_in_lost_memory_is_a_fault),
		cmocka_unit_test(a_record_has_the_number_of_its_stage),
		cmocka_unit_test(a_record_reads_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
