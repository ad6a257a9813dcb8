/* SPDX-License-Identifier: MIT */
/*
 * Description: what each vendor's IOMMU would report of a refused request, from the request to the
 * record and its text: one table of what is sent and what must come, kind by kind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/space.h>
#include "iommu.h"
#include "route/route.h"
#include "units.h"

#define PAGE 4096ul
#define BASE 0x40000000ul /* a page that can be read; the next one is not mapped */

struct sent {
	const char *what;
	uint64_t addr;
	uint32_t flags;
	pasid_t pasid;
	uint8_t op, at;
};

static const struct sent sent[] = {
	{"read of what is not mapped", BASE + PAGE, 0, 0, IOAS_TLP_READ, 0},
	{"write of what is not mapped", BASE + PAGE, 0, 0, IOAS_TLP_WRITE, 0},
	{"write of what is read-only", BASE, 0, 0, IOAS_TLP_WRITE, 0},
	{"beyond the width", 1ull << 60, 0, 0, IOAS_TLP_READ, 0},
	{"a PASID that is attached to nothing", BASE, IOAS_TLP_PASID, 3, IOAS_TLP_READ, 0},
	{"a PASID beyond the width", BASE, IOAS_TLP_PASID, 1 << 8, IOAS_TLP_READ, 0},
	{"a translation request", BASE, 0, 0, IOAS_TLP_READ, IOAS_TLP_TRANSLATION_REQUEST},
	{"a translated one", BASE, 0, 0, IOAS_TLP_READ, IOAS_TLP_TRANSLATED},
};
#define SENT_NR (sizeof(sent) / sizeof(sent[0]))

/* In that order; the text is of the first one. 0: nothing. */
static const struct {
	const char *kind;
	unsigned code[SENT_NR];
	const char *text;
} kinds[] = {
	{"soft", {0}, NULL},
	{"vtd",
	 {0x79, 0x79, 0x85, 0x84, 0x59, 0x46, 0x44, 0x44},
	 "VT-d fault reason 0x79 (scalable mode: second-stage entry not present)"},
	{"amd", {2, 2, 2, 2, 2, 0, 8, 8}, "AMD event code 0x2 (IO_PAGE_FAULT)"},
	{"smmuv3",
	 {0x10, 0x10, 0x13, 0x10, 0x0a, 0x08, 0x05, 0x07},
	 "SMMUv3 event 0x10 (F_TRANSLATION)"},
	{"riscv", {13, 15, 15, 13, 266, 260, 260, 260}, "RISC-V cause 13 (read page fault)"},
};

static struct ioas_iommu *iommu;
static struct ioas_device *dev;
static struct ioas_issuer *issuer;
static struct ioas_space *space;

static void start(const char *kind, void *page)
{
	const struct ioas_iommu_config config = {.kind = kind};
	iova_t iova = BASE;

	assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
	assert_int_equal(ioas_space_new(iommu, &space), 0);
	assert_int_equal(ioas_space_map(space, NULL, &iova, (uintptr_t)page, PAGE,
					IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(route_device_new(iommu, "0000:01:00.0", 0, 0x100, &dev), 0);
	assert_int_equal(ioas_issuer_new(dev, &issuer), 0);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 8, NULL), 0);
	route_dma_enable(dev, true);
}

static void stop(void)
{
	ioas_device_detach(dev);
	ioas_device_unbind(dev);
	ioas_issuer_destroy(issuer);
	route_device_destroy(dev);
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
}

static struct ioas_fault fault_of(const struct sent *what, uint64_t *seq)
{
	struct ioas_tlp tlp = {
		.addr = what->addr,
		.len = 8,
		.flags = what->flags,
		.pasid = what->pasid,
		.op = what->op,
		.at = what->at,
	};
	struct ioas_fault fault;
	char buf[8] = {0};

	assert_int_equal(ioas_tlp_issue(issuer, &tlp, buf), -EFAULT);
	assert_int_equal(ioas_fault_read(iommu, seq, &fault, 1), 1);
	return fault;
}

static void each_kind_has_its_numbers(void **state)
{
	void *page = aligned_alloc(PAGE, PAGE);
	char text[2048];

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		uint64_t seq = 0;

		start(kinds[k].kind, page);
		assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
		for (size_t i = 0; i < SENT_NR; i++) {
			struct ioas_fault fault = fault_of(&sent[i], &seq);

			if (fault.code != kinds[k].code[i])
				fail_msg("%s: %s is %#x", kinds[k].kind, sent[i].what, fault.code);
			assert_int_equal(fault.vendor == IOAS_FAULT_OF_NOBODY, !fault.code);
			/* Every number that is given has a name. */
			assert_int_equal(ioas_fault_code_name(fault.vendor, fault.code) != NULL,
					 fault.code != 0);
			ioas_fault_format(&fault, text, sizeof(text));
			if (!i && kinds[k].text && !strstr(text, kinds[k].text))
				fail_msg("not \"%s\" in:\n%s", kinds[k].text, text);
		}
		stop();
	}
	free(page);
}

static void of_nothing_attached(void **state)
{
	static const struct {
		const char *kind;
		unsigned code;
	} table[] = {{"vtd", 0x59}, {"amd", 2}, {"smmuv3", 0}, {"riscv", 258}};
	void *page = aligned_alloc(PAGE, PAGE);

	for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++) {
		uint64_t seq = 0;

		start(table[k].kind, page);
		assert_int_equal(fault_of(&sent[0], &seq).code, table[k].code);
		stop();
	}
	free(page);
}

/* By a record alone, of a unit that a machine file describes so. */
struct told {
	struct ioas_topology_iommu spec;
	struct ioas_fault fault;
	unsigned code;
};

static void check_told(const struct told *told, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct ioas_fault fault = told[i].fault;
		struct rig rig;

		rig_begin(&rig, &told[i].spec);
		kind_unit_code(&rig.unit, &fault);
		if (fault.code != told[i].code)
			fail_msg("%zu: %#x, not %#x", i, fault.code, told[i].code);
		assert_int_equal(fault.vendor == IOAS_FAULT_OF_NOBODY, !fault.code);
		assert_int_equal(ioas_fault_code_name(fault.vendor, fault.code) != NULL,
				 fault.code != 0);
		rig_end(&rig);
	}
}

#define NR_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Any of PASIDs, dirty bits and nesting takes VT-d's scalable mode. */
static void of_both_modes(void **state)
{
	static const struct told told[] = {
		{{.kind = "vtd", .aw = 48}, {.reason = IOAS_FAULT_NOT_MAPPED}, 0x06},
		{{.kind = "vtd", .aw = 48},
		 {.reason = IOAS_FAULT_NOT_MAPPED, .tlp.op = IOAS_TLP_WRITE},
		 0x05},
		{{.kind = "vtd", .aw = 48}, {.reason = IOAS_FAULT_WIDTH}, 0x04},
		{{.kind = "vtd", .aw = 48},
		 {.reason = IOAS_FAULT_UNDECLARED, .tlp.flags = IOAS_TLP_PASID},
		 0x31},
		{{.kind = "vtd", .aw = 48}, {.reason = IOAS_FAULT_UNDECLARED}, 0},
		{{.kind = "vtd", .aw = 48, .pasid_lg2 = 8}, {.reason = IOAS_FAULT_WIDTH}, 0x84},
		{{.kind = "vtd", .aw = 48, .dirty = true}, {.reason = IOAS_FAULT_WIDTH}, 0x84},
		{{.kind = "vtd", .aw = 48, .nested = true}, {.reason = IOAS_FAULT_WIDTH}, 0x84},
		{{.kind = "vtd", .aw = 48, .nested = true}, {.reason = IOAS_FAULT_NO_READ}, 0x86},
	};

	check_told(told, NR_OF(told));
}

/* An SMMUv3 tells of a translation request nothing but that it is not allowed. */
static void of_translation_requests(void **state)
{
	const struct ioas_topology_iommu smmuv3 = {.kind = "smmuv3", .pasid_lg2 = 8, .ats = true};
	const struct ioas_tlp ask = {.at = IOAS_TLP_TRANSLATION_REQUEST, .flags = IOAS_TLP_PASID};
	const struct ioas_tlp plain = {.flags = IOAS_TLP_PASID};
	const struct told told[] = {
		{smmuv3, {.reason = IOAS_FAULT_TRANSLATED, .tlp = ask}, 0x05},
		{smmuv3, {.reason = IOAS_FAULT_PASID_WIDTH, .tlp = ask}, 0},
		{smmuv3, {.reason = IOAS_FAULT_PASID_WIDTH, .tlp = plain}, 0x08},
		{smmuv3, {.reason = IOAS_FAULT_NO_ROUTE, .tlp = ask}, 0},
		{smmuv3, {.reason = IOAS_FAULT_NO_ROUTE, .tlp = plain}, 0x0a},
		{smmuv3, {.reason = IOAS_FAULT_WIDTH, .tlp = ask}, 0},
	};

	check_told(told, NR_OF(told));
}

/* A fetch is a read that says so, and no other flag does. */
static void only_a_fetch_is_one(void **state)
{
	static const uint32_t others[] = {0, IOAS_TLP_PASID, IOAS_TLP_PRIV,
					  IOAS_TLP_PASID | IOAS_TLP_PRIV};
	static const uint16_t reasons[] = {IOAS_FAULT_NOT_MAPPED, IOAS_FAULT_WIDTH,
					   IOAS_FAULT_NO_READ};

	for (unsigned i = 0; i < 24; i++) {
		uint32_t fetch = i & 1 ? IOAS_TLP_EXEC : 0;
		const struct told told = {
			{.kind = "riscv", .pasid_lg2 = 8},
			{.reason = reasons[i / 2 % 3], .tlp.flags = fetch | others[i / 6]},
			fetch ? 12 : 13};

		check_told(&told, 1);
		if (reasons[i / 2 % 3] != IOAS_FAULT_NO_READ) {
			struct told write = told;

			write.fault.tlp.op = IOAS_TLP_WRITE;
			write.code = 15;
			check_told(&write, 1);
		}
	}
}

#define OF_TABLE(_stage, _reason, ...)                                         \
	{                                                                      \
		.stage = (_stage), .reason = IOAS_FAULT_##_reason, __VA_ARGS__ \
	}

/* What a first stage of a program's refuses, and the second one beneath it. */
static void of_both_stages_of_vtd(void **state)
{
	const struct ioas_topology_iommu vtd = {.kind = "vtd", .nested = true};
	const struct told told[] = {
		{vtd, OF_TABLE(1, NOT_MAPPED, .stage1_nr = 1), 0x71},
		{vtd, OF_TABLE(1, RESERVED, .stage1_nr = 1), 0x72},
		{vtd, OF_TABLE(1, WIDTH), 0x80},
		{vtd, OF_TABLE(1, PRIVILEGE, .stage1_nr = 4), 0x81},
		/* Before any table: the PASID table entry has no SRE. */
		{vtd, OF_TABLE(1, PRIVILEGE), 0x5d},
		{vtd, OF_TABLE(1, NO_EXEC, .stage1_nr = 4), 0x82},
		{vtd, OF_TABLE(1, NO_WRITE, .stage1_nr = 4), 0x85},
		{vtd, OF_TABLE(2, NOT_MAPPED, .stage1_nr = 4), 0x79},
		{vtd, OF_TABLE(2, WIDTH, .stage1_nr = 4), 0x84},
		{vtd, OF_TABLE(2, NO_WRITE, .stage1_nr = 4), 0x85},
		{vtd, OF_TABLE(2, NO_READ, .stage1_nr = 4), 0x86},
		/* For an entry of the first stage: to read it, the root or another, or to set bits.
		 */
		{vtd, OF_TABLE(2, NOT_MAPPED, .during = IOAS_FAULT_DURING_TABLE), 0x79},
		{vtd, OF_TABLE(2, NO_READ, .during = IOAS_FAULT_DURING_TABLE), 0x75},
		{vtd, OF_TABLE(2, NO_READ, .during = IOAS_FAULT_DURING_TABLE, .stage1_nr = 1),
		 0x76},
		{vtd, OF_TABLE(2, NO_WRITE, .during = IOAS_FAULT_DURING_TABLE, .stage1_nr = 1),
		 0x77},
		{vtd, OF_TABLE(2, WIDTH, .during = IOAS_FAULT_DURING_TABLE, .stage1_nr = 1), 0x74},
		{vtd, OF_TABLE(2, MEMORY, .stage1_nr = 4), 0},
	};

	check_told(told, NR_OF(told));
}

static void of_both_stages_of_others(void **state)
{
	const struct ioas_topology_iommu amd = {.kind = "amd", .nested = true};
	const struct ioas_topology_iommu smmuv3 = {.kind = "smmuv3", .nested = true};
	const struct told told[] = {
		{amd, OF_TABLE(1, NOT_MAPPED), 0x2},
		{amd, OF_TABLE(1, RESERVED), 0x2},
		{amd, OF_TABLE(1, PRIVILEGE), 0x2},
		{amd, OF_TABLE(2, NOT_MAPPED), 0x2},
		{amd, OF_TABLE(2, NO_WRITE, .during = IOAS_FAULT_DURING_STRUCTURE), 0x2},
		{amd, OF_TABLE(2, MEMORY), 0},
		{smmuv3, OF_TABLE(2, NOT_MAPPED), 0x10},
		{smmuv3, OF_TABLE(2, WIDTH), 0x10},
		{smmuv3, OF_TABLE(2, NO_WRITE, .during = IOAS_FAULT_DURING_TABLE), 0x13},
		{smmuv3, OF_TABLE(2, NO_READ, .during = IOAS_FAULT_DURING_STRUCTURE), 0x13},
		/* A stage 1 says it itself. */
		{smmuv3, OF_TABLE(1, NOT_MAPPED, .code = 0x10), 0x10},
		{smmuv3, OF_TABLE(1, NOT_MAPPED), 0},
	};

	check_told(told, NR_OF(told));
}

static void what_has_no_name_is_null(void **state)
{
	assert_null(ioas_fault_code_name(IOAS_FAULT_OF_NOBODY, 0));
	assert_null(ioas_fault_code_name(IOAS_FAULT_OF_AMD, 0x59));
	assert_string_equal(ioas_fault_code_name(IOAS_FAULT_OF_VTD, 0x05), "no write permission");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_numbers),
		cmocka_unit_test(of_nothing_attached),
		cmocka_unit_test(of_both_modes),
		cmocka_unit_test(of_translation_requests),
		cmocka_unit_test(only_a_fetch_is_one),
		cmocka_unit_test(of_both_stages_of_vtd),
		cmocka_unit_test(of_both_stages_of_others),
		cmocka_unit_test(what_has_no_name_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
