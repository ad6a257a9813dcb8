/* SPDX-License-Identifier: MIT */
/* Description: a fault's whole text, for each kind of fault: each line is there where it belongs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/ats.h>

static void reads(const struct ioas_fault *fault, const char *want)
{
	char text[2048];
	int len = ioas_fault_format(fault, text, sizeof(text));

	assert_string_equal(text, want);
	assert_int_equal(len, strlen(want));
}

/* Reads 1 byte at 0x5000. */
static struct ioas_fault fault_of(enum ioas_fault_reason reason)
{
	struct ioas_fault fault = {
		.seq = 3,
		.tlp = {.addr = 0x5000, .len = 1, .op = IOAS_TLP_READ},
		.addr = 0x5000,
		.device = "dev",
		.id = 0x1a3,
		.reason = (uint16_t)reason,
	};

	return fault;
}

#define HEAD "fault 3: dev (RID 01:14.3, no PASID) read of 1 byte at IOVA 0x5000: "

static void how_a_request_was_made(void **state)
{
	struct ioas_fault fault = fault_of(IOAS_FAULT_NO_ROUTE);

	reads(&fault, HEAD "attached to no address space");
	fault.addr = 0x5010;
	fault.tlp.len = 32;
	fault.tlp.op = IOAS_TLP_WRITE;
	fault.tlp.flags = IOAS_TLP_PRIV | IOAS_TLP_PASID;
	fault.tlp.pasid = 0x12;
	reads(&fault, "fault 3: dev (RID 01:14.3, PASID 0x12) privileged write of 32 bytes at IOVA "
		      "0x5000, failed at 0x5010: attached to no address space");
	fault = fault_of(IOAS_FAULT_NO_ROUTE);
	fault.stream = true;
	fault.tlp.flags = IOAS_TLP_EXEC;
	reads(&fault, "fault 3: dev (StreamID 0x1a3, no SubstreamID) instruction read of 1 byte at "
		      "IOVA 0x5000: attached to no address space");
	fault = fault_of(IOAS_FAULT_TRANSLATED);
	fault.tlp.at = IOAS_TLP_TRANSLATION_REQUEST;
	reads(&fault, "fault 3: dev (RID 01:14.3, no PASID, translation request) read of 1 byte at "
		      "IOVA 0x5000: its address type needs ATS, which is not enabled");
}

/* Of those that met a table even an empty one is told of; of others nothing is. */
static void which_reasons_are_of_a_table(void **state)
{
	for (int reason = IOAS_FAULT_BUS_MASTER; reason <= IOAS_FAULT_PAGE_TIMEOUT; reason++) {
		struct ioas_fault fault = fault_of((enum ioas_fault_reason)reason);
		bool of_ats = reason == IOAS_FAULT_NOT_HELD || reason == IOAS_FAULT_ATS_BLOCKED ||
			      reason == IOAS_FAULT_ATS_TIMEOUT || reason == IOAS_FAULT_PAGE_TIMEOUT;
		char text[512];

		ioas_fault_format(&fault, text, sizeof(text));
		assert_int_equal(strstr(text, "\n  address space without an id\n") != NULL,
				 reason >= IOAS_FAULT_WIDTH && !of_ats);
		/* A translated request meets none, whatever became of it. */
		fault.tlp.at = IOAS_TLP_TRANSLATED;
		fault.level_nr = 1;
		ioas_fault_format(&fault, text, sizeof(text));
		assert_null(strstr(text, "address space without"));
	}
}

static void where_the_nearest_mapping_is(void **state)
{
	struct ioas_fault fault = fault_of(IOAS_FAULT_NO_ROUTE);

	fault.has_nearest = 1;
	fault.nearest = (struct ioas_range){0x5001, 0x5fff};
	reads(&fault, HEAD "attached to no address space\n  address space without an id\n"
			   "  nearest mapping: 0x5001..0x5fff (no access), which starts 0x1 bytes "
			   "after");
	fault.nearest = (struct ioas_range){0x5000, 0x5fff};
	fault.nearest_prot = IOAS_PROT_WRITE;
	reads(&fault, HEAD "attached to no address space\n  address space without an id\n"
			   "  nearest mapping: 0x5000..0x5fff (write only), which holds the "
			   "address");
	fault.nearest = (struct ioas_range){0x4000, 0x5000};
	fault.nearest_prot = IOAS_PROT_READ;
	fault.ioas_id = 2;
	reads(&fault,
	      HEAD "attached to no address space\n  address space 2\n"
		   "  nearest mapping: 0x4000..0x5000 (read only), which holds the address");
	fault.nearest.last = 0x4ffe;
	fault.nearest_prot |= IOAS_PROT_WRITE;
	fault.hwpt_id = 6;
	reads(&fault, HEAD "attached to no address space\n  address space 2, page table (HWPT) 6\n"
			   "  nearest mapping: 0x4000..0x4ffe (read, write), which ends 0x1 bytes "
			   "before");
	/* With a stage before it, the address that counts is the one which that led to. */
	fault.gpa = 0x4800;
	fault.stage = 2;
	reads(&fault, HEAD "stage 2: attached to no address space\n  address space 2, page table "
			   "(HWPT) 6\n  stage 2, of GPA 0x4800, of the request\n"
			   "  nearest mapping: 0x4000..0x4ffe (read, write), which holds the "
			   "address");
}

#define ROUTE "\n  address space 2, page table (HWPT) 6"

static struct ioas_fault nested_fault(enum ioas_fault_reason reason)
{
	struct ioas_fault fault = fault_of(reason);

	fault.ioas_id = 2;
	fault.hwpt_id = 6;
	fault.gpa = 0x7000;
	fault.stage1_nr = 2;
	fault.stage1[0].kind = IOAS_FAULT_ENTRY_STRUCTURE;
	fault.stage1[0].gpa = 0x100;
	fault.stage1[0].entry = 0x1001;
	fault.stage1[1].kind = IOAS_FAULT_ENTRY_INVALID;
	fault.stage1[1].level = 3;
	fault.stage1[1].gpa = 0x1008;
	fault.stage1[1].entry = 0xff;
	return fault;
}

#define STAGE1                                                                    \
	"\n  before stage 1, at GPA 0x100: 0x0000000000001001 leads to the page " \
	"table\n  stage 1, level 3, at GPA 0x1008: 0x00000000000000ff not valid"

static void what_each_stage_says(void **state)
{
	static const char *const during[] = {"of the request", "of an entry of stage 1",
					     "of what leads to stage 1", "unknown"};
	struct ioas_fault fault = nested_fault(IOAS_FAULT_RESERVED);
	char want[1024];

	fault.stage = 1;
	reads(&fault, HEAD "stage 1: an entry has reserved bits set" ROUTE STAGE1);
	fault.stage = 2;
	for (uint16_t i = 0; i < 4; i++) {
		fault.during = i;
		snprintf(want, sizeof(want),
			 HEAD "stage 2: an entry has reserved bits set" ROUTE STAGE1
			      "\n  stage 2, of GPA 0x7000, %s\n  nothing is mapped",
			 during[i]);
		reads(&fault, want);
	}
	fault.stage = 0;
	fault.level_nr = 1;
	fault.level[0].level = 4;
	fault.level[0].index = 12;
	fault.level[0].kind = IOAS_FAULT_ENTRY_STRUCTURE + 1;
	reads(&fault, HEAD "an entry has reserved bits set" ROUTE STAGE1
			   "\n  stage 2, of GPA 0x7000\n  level 4, entry  12: 0x0000000000000000 "
			   "unknown\n  nothing is mapped");
}

#define PASSED "passed by 3: dev (RID 01:14.3, no PASID) read of 1 byte at IOVA 0x5000: "

static void what_was_remembered_and_is_no_longer_so(void **state)
{
	struct ioas_fault fault = nested_fault(IOAS_PASSED_STALE);

	fault.stage1_nr = 0;
	fault.stage = 1;
	fault.stale_gpa = 0x1008;
	fault.stale_old = 0xff;
	fault.stale_now = 0xfe;
	reads(&fault, PASSED "may have passed by an entry that was changed and not "
			     "invalidated" ROUTE
			     "\n  before stage 1, at GPA 0x1008: was 0x00000000000000ff, is "
			     "0x00000000000000fe, without IOMMU_HWPT_INVALIDATE of it between");
	fault.stale_level = 3;
	reads(&fault, PASSED "may have passed by an entry that was changed and not "
			     "invalidated" ROUTE
			     "\n  stage 1, level 3, at GPA 0x1008: was 0x00000000000000ff, is "
			     "0x00000000000000fe, without IOMMU_HWPT_INVALIDATE of it between");
	fault = nested_fault(IOAS_PASSED_ATS_STALE);
	fault.stage = 1;
	fault.taken = (struct ioas_range){0x5000, 0x5fff};
	reads(&fault, PASSED "passed by a translation that was changed and not invalidated in the "
			     "device" ROUTE
			     "\n  translation of 0x5000..0x5fff handed out to the device before, "
			     "and not taken back since; what is there now:" STAGE1);
}

static void what_was_handed_out(void **state)
{
	struct ioas_fault fault = fault_of(IOAS_FAULT_NOT_HELD);

	fault.tlp.at = IOAS_TLP_TRANSLATED;
	reads(&fault, "fault 3: dev (RID 01:14.3, no PASID, translated) read of 1 byte at PA "
		      "0x5000: translated, but the device holds no such translation\n"
		      "  nothing that is there was handed out to it");
	fault.taken = (struct ioas_range){0x8000, 0x8fff};
	fault.taken_by = IOAS_ATS_BY_UNMAP;
	reads(&fault, "fault 3: dev (RID 01:14.3, no PASID, translated) read of 1 byte at PA "
		      "0x5000: translated, but the device holds no such translation\n"
		      "  translation of 0x8000..0x8fff invalidated by UNMAP, and used after that");
	fault.reason = IOAS_FAULT_ATS_TIMEOUT;
	reads(&fault, "fault 3: dev (RID 01:14.3, no PASID, translated) read of 1 byte at IOVA "
		      "0x5000: the device did not answer an invalidation in time\n"
		      "  it was asked to give back 0x8000..0x8fff for UNMAP");
}

/* Names of numbers that there are, and of the first that there is not. */
static void numbers_have_names(void **state)
{
	for (int i = IOAS_ATS_BY_NOTHING; i <= IOAS_ATS_BY_RESET; i++)
		assert_string_not_equal(ioas_ats_cause_name((enum ioas_ats_cause)i),
					"something unknown");
	assert_string_equal(ioas_ats_cause_name((enum ioas_ats_cause)(IOAS_ATS_BY_RESET + 1)),
			    "something unknown");
	for (int i = IOAS_FAULT_ENTRY_EMPTY; i <= IOAS_FAULT_ENTRY_STRUCTURE; i++)
		assert_string_not_equal(ioas_fault_entry_name((enum ioas_fault_entry)i), "unknown");
	assert_string_equal(
		ioas_fault_entry_name((enum ioas_fault_entry)(IOAS_FAULT_ENTRY_STRUCTURE + 1)),
		"unknown");
	for (int i = IOAS_FAULT_NONE; i <= IOAS_PASSED_ATS_STALE; i++)
		assert_int_equal(
			ioas_fault_passed((enum ioas_fault_reason)i),
			!strncmp(ioas_fault_reason_name((enum ioas_fault_reason)i), "passed", 6) ||
				i == IOAS_PASSED_STALE);
	assert_string_equal(
		ioas_fault_reason_name((enum ioas_fault_reason)(IOAS_PASSED_ATS_STALE + 1)),
		"unknown reason");
}

/* What a vendor's IOMMU would have said, in hexadecimal but of RISC-V. */
static void a_vendors_code_has_a_line(void **state)
{
	struct ioas_fault fault = fault_of(IOAS_FAULT_NO_ROUTE);
	char want[512];

	fault.vendor = IOAS_FAULT_OF_SMMUV3;
	fault.code = 0x10;
	reads(&fault, HEAD "attached to no address space\n  SMMUv3 event 0x10 (F_TRANSLATION)");
	fault.vendor = IOAS_FAULT_OF_RISCV;
	fault.code = 13;
	snprintf(want, sizeof(want), HEAD "attached to no address space\n  RISC-V cause 13 (%s)",
		 ioas_fault_code_name(IOAS_FAULT_OF_RISCV, 13));
	reads(&fault, want);
}

static void no_list_is_longer_than_its_record(void **state)
{
	struct ioas_fault fault = nested_fault(IOAS_FAULT_NOT_MAPPED);
	char text[4096];
	unsigned lines = 0;

	fault.stage1_nr = fault.level_nr = 99;
	ioas_fault_format(&fault, text, sizeof(text));
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	/* Where it goes, where stage 2 begins, and what is near. */
	assert_int_equal(lines, IOAS_FAULT_STAGE1 + IOAS_FAULT_LEVELS + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_a_request_was_made),
		cmocka_unit_test(which_reasons_are_of_a_table),
		cmocka_unit_test(where_the_nearest_mapping_is),
		cmocka_unit_test(what_each_stage_says),
		cmocka_unit_test(what_was_remembered_and_is_no_longer_so),
		cmocka_unit_test(what_was_handed_out),
		cmocka_unit_test(numbers_have_names),
		cmocka_unit_test(a_vendors_code_has_a_line),
		cmocka_unit_test(no_list_is_longer_than_its_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
