/* SPDX-License-Identifier: MIT */
/* A fault record, in a trace and in the report. */
#include <ioas/ats.h>
#include "trace/event.h"
#include "trace/fields.h"

static const struct trace_name tlp_flags[] = {
	{IOAS_TLP_PRIV, "PRIV"},
	{IOAS_TLP_EXEC, "EXEC"},
	{IOAS_TLP_NO_SNOOP, "NO_SNOOP"},
	{0, NULL},
};

/* Of page tables of the program's own. */
static void add_stages(struct trace_line *line, const struct ioas_fault *fault)
{
	static const char *const during[] = {"data", "table", "structure"};

	if (!fault->stage && !fault->stage1_nr)
		return;
	line_number(line, "stage", fault->stage);
	if (fault->stage == 2 && fault->during <= IOAS_FAULT_DURING_STRUCTURE)
		line_string(line, "during", during[fault->during]);
	if (fault->stage != 1)
		line_hex(line, "gpa", fault->gpa);
	line_open(line, "stage1", '[');
	for (uint32_t i = 0; i < fault->stage1_nr && i < IOAS_FAULT_STAGE1; i++) {
		line_open(line, NULL, '{');
		line_number(line, "level", fault->stage1[i].level);
		line_hex(line, "gpa", fault->stage1[i].gpa);
		line_hex(line, "entry", fault->stage1[i].entry);
		line_string(line, "kind", ioas_fault_entry_name(fault->stage1[i].kind));
		line_close(line, '}');
	}
	line_close(line, ']');
}

/* Of translated requests: what the translation was good for, and what took it back, if anything. */
static void add_taken(struct trace_line *line, const struct ioas_fault *fault)
{
	if (!fault->taken_by && fault->reason != IOAS_PASSED_ATS_STALE)
		return;
	if (fault->taken_by)
		line_string(line, "taken_by", ioas_ats_cause_name(fault->taken_by));
	line_open(line, "taken", '{');
	line_hex(line, "first", fault->taken.first);
	line_hex(line, "last", fault->taken.last);
	line_close(line, '}');
}

/* What an IOMMU of its kind would have said. */
static void add_code(struct trace_line *line, const struct ioas_fault *fault)
{
	const char *name = ioas_fault_code_name(fault->vendor, fault->code);

	if (!name)
		return;
	line_number(line, "vendor_code", fault->code);
	line_string(line, "vendor_text", name);
}

static void add_walk(struct trace_line *line, const struct ioas_fault *fault)
{
	line_open(line, "walk", '[');
	for (uint32_t i = 0; i < fault->level_nr && i < IOAS_FAULT_LEVELS; i++) {
		line_open(line, NULL, '{');
		line_number(line, "level", fault->level[i].level);
		line_number(line, "index", fault->level[i].index);
		line_hex(line, "entry", fault->level[i].entry);
		line_string(line, "kind", ioas_fault_entry_name(fault->level[i].kind));
		line_close(line, '}');
	}
	line_close(line, ']');
}

static void add_nearest(struct trace_line *line, const struct ioas_fault *fault)
{
	if (!fault->has_nearest) {
		line_null(line, "nearest");
		return;
	}
	line_open(line, "nearest", '{');
	line_hex(line, "first", fault->nearest.first);
	line_hex(line, "last", fault->nearest.last);
	line_bool(line, "read", fault->nearest_prot & IOAS_PROT_READ);
	line_bool(line, "write", fault->nearest_prot & IOAS_PROT_WRITE);
	line_close(line, '}');
}

void trace_fault_line(struct trace_line *line, const struct ioas_fault *fault)
{
	const struct ioas_tlp *tlp = &fault->tlp;

	trace_requester(line, fault->stream, fault->id);
	if (tlp->flags & IOAS_TLP_PASID)
		line_number(line, "pasid", tlp->pasid);
	else
		line_null(line, "pasid");
	if (*fault->other)
		line_text(line, "other", fault->other, sizeof(fault->other), IOAS_NAME_LEN * 6);
	line_string(line, "access", tlp->op == IOAS_TLP_WRITE ? "write" : "read");
	trace_flags(line, "tlp_flags", tlp->flags & ~(uint32_t)(IOAS_TLP_PASID | IOAS_TLP_RID),
		    tlp_flags);
	if (tlp->at)
		line_string(line, "at",
			    tlp->at == IOAS_TLP_TRANSLATED ? "translated" : "translation request");
	line_hex(line, "iova", fault->addr);
	line_hex(line, "tlp_iova", tlp->addr);
	line_number(line, "tlp_bytes", tlp->len);
	line_bool(line, "passed", ioas_fault_passed(fault->reason));
	line_string(line, "reason", ioas_fault_reason_name(fault->reason));
	line_number(line, "ioas_id", fault->ioas_id);
	line_number(line, "hwpt_id", fault->hwpt_id);
	if (fault->reason == IOAS_PASSED_STALE) {
		line_number(line, "stale_level", fault->stale_level);
		line_hex(line, "stale_gpa", fault->stale_gpa);
		line_hex(line, "stale_old", fault->stale_old);
		line_hex(line, "stale_now", fault->stale_now);
	}
	add_code(line, fault);
	add_taken(line, fault);
	add_stages(line, fault);
	add_walk(line, fault);
	add_nearest(line, fault);
}
