/* SPDX-License-Identifier: MIT */
/*
 * What an IOMMU of a kind would report of a refused request. What a stage 1 of an SMMUv3's guest
 * refuses depends on the guest's own structures, so that one says itself what it would report
 * (stage1_ops.code).
 */
#include "kind/unit.h"
#include "kind/vtd.h"

/* Facts of a request that a row can ask for. */
enum {
	READ = 1 << 0,
	WRITE = 1 << 1,
	EXEC = 1 << 2,
	PASID = 1 << 3,
	PLAIN = 1 << 4, /* no PASID */
	ASKS = 1 << 5,	/* a translation request */
	TRANSLATED = 1 << 6,
	UNTRANSLATED = 1 << 7, /* neither */
	/* With a page table of the program's: */
	DATA = 1 << 8,	    /* stage 2 was asked for the request's address */
	TABLE = 1 << 9,	    /* for an entry of stage 1 */
	NO_ENTRY = 1 << 10, /* before any entry of stage 1 was read */
};

struct row {
	uint16_t reason;
	uint16_t when; /* all of these facts hold */
	uint16_t code;
};

static const struct row vtd_legacy[] = {
	{IOAS_FAULT_TRANSLATED, 0, 0x0d},
	{IOAS_FAULT_UNDECLARED, PASID, 0x31},
	{IOAS_FAULT_NO_ROUTE, 0, 0x02},
	{IOAS_FAULT_WIDTH, 0, 0x04},
	{IOAS_FAULT_NOT_MAPPED, WRITE, 0x05},
	{IOAS_FAULT_NOT_MAPPED, READ, 0x06},
	{IOAS_FAULT_NO_WRITE, 0, 0x05},
	{IOAS_FAULT_NO_READ, 0, 0x06},
	{0},
};

/* Second-stage entries have no present bit. Where R and W are both 0 that has a number here. */
static const struct row vtd_sm[] = {
	{IOAS_FAULT_TRANSLATED, 0, 0x44},
	{IOAS_FAULT_UNDECLARED, PASID, 0x45},
	{IOAS_FAULT_PASID_WIDTH, 0, 0x46},
	{IOAS_FAULT_NO_ROUTE, 0, 0x59},
	{IOAS_FAULT_WIDTH, 0, 0x84},
	{IOAS_FAULT_NOT_MAPPED, 0, 0x79},
	{IOAS_FAULT_NO_WRITE, 0, 0x85},
	{IOAS_FAULT_NO_READ, 0, 0x86},
	{0},
};

static const struct row vtd_first[] = {
	{IOAS_FAULT_NOT_MAPPED, 0, 0x71}, {IOAS_FAULT_RESERVED, 0, 0x72},
	{IOAS_FAULT_WIDTH, 0, 0x80},	  {IOAS_FAULT_PRIVILEGE, NO_ENTRY, 0x5d},
	{IOAS_FAULT_PRIVILEGE, 0, 0x81},  {IOAS_FAULT_NO_EXEC, 0, 0x82},
	{IOAS_FAULT_NO_WRITE, 0, 0x85},	  {0},
};

/* The second stage beneath it: also for the first one's entries, to read and to mark them. */
static const struct row vtd_second[] = {
	{IOAS_FAULT_NOT_MAPPED, 0, 0x79},
	{IOAS_FAULT_WIDTH, DATA, 0x84},
	{IOAS_FAULT_NO_WRITE, DATA, 0x85},
	{IOAS_FAULT_NO_READ, DATA, 0x86},
	{IOAS_FAULT_WIDTH, TABLE, 0x74},
	{IOAS_FAULT_NO_READ, TABLE | NO_ENTRY, 0x75},
	{IOAS_FAULT_NO_READ, TABLE, 0x76},
	{IOAS_FAULT_NO_WRITE, TABLE, 0x77},
	{0},
};

static const struct row amd[] = {
	{IOAS_FAULT_TRANSLATED, 0, 0x8},
	{IOAS_FAULT_UNDECLARED, PASID, 0x8},
	{IOAS_FAULT_NO_ROUTE, 0, 0x2},
	{IOAS_FAULT_WIDTH, 0, 0x2},
	{IOAS_FAULT_NOT_MAPPED, 0, 0x2},
	{IOAS_FAULT_NO_WRITE, 0, 0x2},
	{IOAS_FAULT_NO_READ, 0, 0x2},
	{IOAS_FAULT_ATS_TIMEOUT, 0, 0x7},
	{0},
};

/* Of tables: both stages have one number, and flags that say more. */
static const struct row amd_nested[] = {
	{IOAS_FAULT_WIDTH, 0, 0x2},    {IOAS_FAULT_NOT_MAPPED, 0, 0x2},
	{IOAS_FAULT_NO_WRITE, 0, 0x2}, {IOAS_FAULT_NO_READ, 0, 0x2},
	{IOAS_FAULT_NO_EXEC, 0, 0x2},  {IOAS_FAULT_PRIVILEGE, 0, 0x2},
	{IOAS_FAULT_RESERVED, 0, 0x2}, {0},
};

/*
 * Of a stream that is not attached nothing is reported: its stream table entry aborts. Of a
 * translation request only that it is none's to make.
 */
static const struct row smmuv3[] = {
	{IOAS_FAULT_TRANSLATED, ASKS, 0x05},
	{IOAS_FAULT_TRANSLATED, TRANSLATED, 0x07},
	{IOAS_FAULT_UNDECLARED, PASID | UNTRANSLATED, 0x08},
	{IOAS_FAULT_PASID_WIDTH, UNTRANSLATED, 0x08},
	{IOAS_FAULT_NO_ROUTE, PASID | UNTRANSLATED, 0x0a},
	{IOAS_FAULT_WIDTH, UNTRANSLATED, 0x10},
	{IOAS_FAULT_NOT_MAPPED, UNTRANSLATED, 0x10},
	{IOAS_FAULT_NO_WRITE, UNTRANSLATED, 0x13},
	{IOAS_FAULT_NO_READ, UNTRANSLATED, 0x13},
	{0},
};

static const struct row riscv[] = {
	{IOAS_FAULT_TRANSLATED, 0, 260},
	{IOAS_FAULT_UNDECLARED, PASID, 260},
	{IOAS_FAULT_PASID_WIDTH, 0, 260},
	{IOAS_FAULT_NO_ROUTE, PLAIN, 258},
	{IOAS_FAULT_NO_ROUTE, PASID, 266},
	{IOAS_FAULT_WIDTH, WRITE, 15},
	{IOAS_FAULT_WIDTH, EXEC, 12},
	{IOAS_FAULT_WIDTH, READ, 13},
	{IOAS_FAULT_NOT_MAPPED, WRITE, 15},
	{IOAS_FAULT_NOT_MAPPED, EXEC, 12},
	{IOAS_FAULT_NOT_MAPPED, READ, 13},
	{IOAS_FAULT_NO_WRITE, 0, 15},
	{IOAS_FAULT_NO_READ, EXEC, 12},
	{IOAS_FAULT_NO_READ, READ, 13},
	{0},
};

/* By stage: 0 the engine's own table, or none. */
static const struct row *rows_of(const struct kind_unit *unit, unsigned stage, uint16_t *vendor)
{
	if (unit->type == &kind_vtd) {
		*vendor = IOAS_FAULT_OF_VTD;
		return stage == 1	    ? vtd_first
		       : stage == 2	    ? vtd_second
		       : vtd_scalable(unit) ? vtd_sm
					    : vtd_legacy;
	}
	if (unit->type == &kind_amd) {
		*vendor = IOAS_FAULT_OF_AMD;
		return stage ? amd_nested : amd;
	}
	if (unit->type == &kind_smmuv3) {
		*vendor = IOAS_FAULT_OF_SMMUV3;
		return stage == 1 ? NULL : smmuv3;
	}
	if (unit->type == &kind_riscv) {
		*vendor = IOAS_FAULT_OF_RISCV;
		return stage ? NULL : riscv;
	}
	return NULL;
}

static unsigned facts_of(const struct ioas_fault *fault)
{
	static const uint16_t during[] = {
		[IOAS_FAULT_DURING_DATA] = DATA,
		[IOAS_FAULT_DURING_TABLE] = TABLE,
		[IOAS_FAULT_DURING_STRUCTURE] = 0,
	};
	const struct ioas_tlp *tlp = &fault->tlp;

	return (tlp->op == IOAS_TLP_WRITE ? WRITE : READ) |
	       (tlp->flags & IOAS_TLP_EXEC && tlp->op != IOAS_TLP_WRITE ? EXEC : 0) |
	       (tlp->flags & IOAS_TLP_PASID ? PASID : PLAIN) |
	       (tlp->at == IOAS_TLP_TRANSLATION_REQUEST ? ASKS : 0) |
	       (tlp->at == IOAS_TLP_TRANSLATED ? TRANSLATED : 0) |
	       (tlp->at == IOAS_TLP_UNTRANSLATED ? UNTRANSLATED : 0) |
	       (fault->during <= IOAS_FAULT_DURING_STRUCTURE ? during[fault->during] : 0) |
	       (fault->stage1_nr ? 0 : NO_ENTRY);
}

void kind_unit_code(const struct kind_unit *unit, struct ioas_fault *fault)
{
	unsigned facts = facts_of(fault);
	const struct row *row = rows_of(unit, fault->stage, &fault->vendor);

	for (; row && row->reason; row++)
		if (row->reason == fault->reason && !(row->when & ~facts)) {
			fault->code = row->code;
			return;
		}
	if (!fault->code)
		fault->vendor = IOAS_FAULT_OF_NOBODY;
}
