/* SPDX-License-Identifier: MIT */
/* One fault record of the report: all that src/trace/fault_line.c has in its line, and the text. */
#include <stdio.h>
#include <time.h>
#include <ioas/ats.h>
#include "report_fault.h"

static void write_time(struct json *json, uint64_t time_ns)
{
	char text[64], all[96];
	time_t seconds = (time_t)(time_ns / 1000000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(all, sizeof(all), "%s.%09uZ", text, (unsigned)(time_ns % 1000000000));
	json_string(json, "time", all);
}

static void write_requester(struct json *json, const struct ioas_fault *fault)
{
	char rid[16];

	if (fault->stream) {
		json_number(json, "stream_id", fault->id);
	} else {
		snprintf(rid, sizeof(rid), "%02x:%02x.%x", fault->id >> 8 & 255,
			 fault->id >> 3 & 31, fault->id & 7);
		json_string(json, "requester", rid);
	}
	if (fault->tlp.flags & IOAS_TLP_PASID)
		json_number(json, "pasid", fault->tlp.pasid);
	else
		json_null(json, "pasid");
	if (*fault->other)
		json_string(json, "other", fault->other);
}

static void write_flags(struct json *json, const struct ioas_tlp *tlp)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} flags[] = {
		{IOAS_TLP_PRIV, "PRIV"},
		{IOAS_TLP_EXEC, "EXEC"},
		{IOAS_TLP_NO_SNOOP, "NO_SNOOP"},
	};

	json_open(json, "tlp_flags", '[');
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (tlp->flags & flags[i].flag)
			json_string(json, NULL, flags[i].name);
	json_close(json, ']');
	if (tlp->at)
		json_string(json, "at",
			    tlp->at == IOAS_TLP_TRANSLATED ? "translated" : "translation request");
}

static void write_code(struct json *json, const struct ioas_fault *fault)
{
	const char *name = ioas_fault_code_name(fault->vendor, fault->code);

	if (!name)
		return;
	json_number(json, "vendor_code", fault->code);
	json_string(json, "vendor_text", name);
}

static void write_stale(struct json *json, const struct ioas_fault *fault)
{
	if (fault->reason != IOAS_PASSED_STALE)
		return;
	json_number(json, "stale_level", fault->stale_level);
	json_address(json, "stale_gpa", fault->stale_gpa);
	json_address(json, "stale_old", fault->stale_old);
	json_address(json, "stale_now", fault->stale_now);
}

static void write_taken(struct json *json, const struct ioas_fault *fault)
{
	if (!fault->taken_by)
		return;
	json_string(json, "taken_by", ioas_ats_cause_name(fault->taken_by));
	json_open(json, "taken", '{');
	json_address(json, "first", fault->taken.first);
	json_address(json, "last", fault->taken.last);
	json_close(json, '}');
}

/* Of page tables of the program's own. */
static void write_stages(struct json *json, const struct ioas_fault *fault)
{
	static const char *const during[] = {"data", "table", "structure"};

	if (!fault->stage && !fault->stage1_nr)
		return;
	json_number(json, "stage", fault->stage);
	if (fault->stage == 2 && fault->during <= IOAS_FAULT_DURING_STRUCTURE)
		json_string(json, "during", during[fault->during]);
	if (fault->stage != 1)
		json_address(json, "gpa", fault->gpa);
	json_open(json, "stage1", '[');
	for (uint32_t i = 0; i < fault->stage1_nr && i < IOAS_FAULT_STAGE1; i++) {
		json_open(json, NULL, '{');
		json_number(json, "level", fault->stage1[i].level);
		json_address(json, "gpa", fault->stage1[i].gpa);
		json_address(json, "entry", fault->stage1[i].entry);
		json_string(json, "kind", ioas_fault_entry_name(fault->stage1[i].kind));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_walk(struct json *json, const struct ioas_fault *fault)
{
	json_open(json, "walk", '[');
	for (uint32_t i = 0; i < fault->level_nr && i < IOAS_FAULT_LEVELS; i++) {
		json_open(json, NULL, '{');
		json_number(json, "level", fault->level[i].level);
		json_number(json, "index", fault->level[i].index);
		json_address(json, "entry", fault->level[i].entry);
		json_string(json, "kind", ioas_fault_entry_name(fault->level[i].kind));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_nearest(struct json *json, const struct ioas_fault *fault)
{
	if (!fault->has_nearest) {
		json_null(json, "nearest");
		return;
	}
	json_open(json, "nearest", '{');
	json_address(json, "first", fault->nearest.first);
	json_address(json, "last", fault->nearest.last);
	json_bool(json, "read", fault->nearest_prot & IOAS_PROT_READ);
	json_bool(json, "write", fault->nearest_prot & IOAS_PROT_WRITE);
	json_close(json, '}');
}

void report_fault(struct json *json, const struct ioas_fault *fault)
{
	char text[2048];

	ioas_fault_format(fault, text, sizeof(text));
	json_open(json, NULL, '{');
	json_number(json, "seq", fault->seq);
	write_time(json, fault->time_ns);
	write_requester(json, fault);
	json_string(json, "access", fault->tlp.op == IOAS_TLP_WRITE ? "write" : "read");
	write_flags(json, &fault->tlp);
	json_address(json, "iova", fault->addr);
	json_address(json, "tlp_iova", fault->tlp.addr);
	json_number(json, "tlp_bytes", fault->tlp.len);
	json_bool(json, "passed", ioas_fault_passed(fault->reason));
	json_string(json, "reason", ioas_fault_reason_name(fault->reason));
	write_code(json, fault);
	json_number(json, "ioas_id", fault->ioas_id);
	json_number(json, "hwpt_id", fault->hwpt_id);
	write_stale(json, fault);
	write_taken(json, fault);
	write_stages(json, fault);
	write_walk(json, fault);
	write_nearest(json, fault);
	json_string(json, "text", text);
	json_close(json, '}');
}
