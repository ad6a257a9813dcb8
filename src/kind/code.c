/* SPDX-License-Identifier: MIT */
/*
 * What an IOMMU of a kind would report of a refused request. Only of tables of the engine's own: a
 * guest is told of what its tables refuse by the kinds themselves, in whole records.
 */
#include "kind/unit.h"

/* Facts of a request that a row can ask for. */
enum {
	READ = 1 << 0,
	WRITE = 1 << 1,
	EXEC = 1 << 2,
	PASID = 1 << 3,
	PLAIN = 1 << 4, /* no PASID */
	ASKS = 1 << 5,	/* a translation request */
	TRANSLATED = 1 << 6,
};

struct row {
	uint16_t reason;
	uint16_t when; /* all of these facts hold */
	uint16_t code;
};

static const struct row vtd_legacy[] = {
	{IOAS_FAULT_TRANSLATED, 0, 0x0d},    {IOAS_FAULT_NO_ROUTE, 0, 0x02},
	{IOAS_FAULT_WIDTH, 0, 0x04},	     {IOAS_FAULT_NOT_MAPPED, WRITE, 0x05},
	{IOAS_FAULT_NOT_MAPPED, READ, 0x06}, {IOAS_FAULT_NO_WRITE, 0, 0x05},
	{IOAS_FAULT_NO_READ, 0, 0x06},	     {0},
};

/* Second-stage entries have no present bit: what is not mapped lacks permission. */
static const struct row vtd_scalable[] = {
	{IOAS_FAULT_TRANSLATED, 0, 0x44},
	{IOAS_FAULT_UNDECLARED, PASID, 0x45},
	{IOAS_FAULT_PASID_WIDTH, 0, 0x46},
	{IOAS_FAULT_NO_ROUTE, 0, 0x59},
	{IOAS_FAULT_NOT_MAPPED, WRITE, 0x85},
	{IOAS_FAULT_NOT_MAPPED, READ, 0x86},
	{IOAS_FAULT_NO_WRITE, 0, 0x85},
	{IOAS_FAULT_NO_READ, 0, 0x86},
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

/* Of a stream that is not attached nothing is reported: its stream table entry aborts. */
static const struct row smmuv3[] = {
	{IOAS_FAULT_TRANSLATED, ASKS, 0x05},  {IOAS_FAULT_TRANSLATED, TRANSLATED, 0x07},
	{IOAS_FAULT_UNDECLARED, PASID, 0x08}, {IOAS_FAULT_PASID_WIDTH, 0, 0x08},
	{IOAS_FAULT_NO_ROUTE, PASID, 0x0a},   {IOAS_FAULT_WIDTH, 0, 0x10},
	{IOAS_FAULT_NOT_MAPPED, 0, 0x10},     {IOAS_FAULT_NO_WRITE, 0, 0x13},
	{IOAS_FAULT_NO_READ, 0, 0x13},	      {0},
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

/* Accessed and dirty bits, as PASIDs, are of scalable mode (vtd.c). */
static const struct row *table_of(const struct kind_unit *unit, uint16_t *vendor)
{
	if (unit->type == &kind_vtd) {
		*vendor = IOAS_FAULT_OF_VTD;
		return unit->spec.pasid_lg2 || unit->spec.dirty ? vtd_scalable : vtd_legacy;
	}
	if (unit->type == &kind_amd) {
		*vendor = IOAS_FAULT_OF_AMD;
		return amd;
	}
	if (unit->type == &kind_smmuv3) {
		*vendor = IOAS_FAULT_OF_SMMUV3;
		return smmuv3;
	}
	if (unit->type == &kind_riscv) {
		*vendor = IOAS_FAULT_OF_RISCV;
		return riscv;
	}
	return NULL;
}

static unsigned facts_of(const struct ioas_tlp *tlp)
{
	return (tlp->op == IOAS_TLP_WRITE ? WRITE : READ) |
	       (tlp->flags & IOAS_TLP_EXEC && tlp->op != IOAS_TLP_WRITE ? EXEC : 0) |
	       (tlp->flags & IOAS_TLP_PASID ? PASID : PLAIN) |
	       (tlp->at == IOAS_TLP_TRANSLATION_REQUEST ? ASKS : 0) |
	       (tlp->at == IOAS_TLP_TRANSLATED ? TRANSLATED : 0);
}

void kind_unit_code(const struct kind_unit *unit, struct ioas_fault *fault)
{
	unsigned facts = facts_of(&fault->tlp);
	const struct row *row = fault->stage ? NULL : table_of(unit, &fault->vendor);

	for (; row && row->reason; row++)
		if (row->reason == fault->reason && !(row->when & ~facts)) {
			fault->code = row->code;
			return;
		}
	fault->vendor = IOAS_FAULT_OF_NOBODY;
}
