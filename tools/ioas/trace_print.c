/* SPDX-License-Identifier: MIT */
/*
 * A line of a trace for people: when, who, what; below it, indented, why.
 *
 * A trace holds text that programs made up, so nothing of it reaches a terminal as a control code.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>
#include "trace_print.h"

#define BELOW "\n                                " /* where what comes after begins */

const char *trace_string(const cJSON *line, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, key));
}

static const cJSON *get(const cJSON *line, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(line, key);
}

static void put_text(FILE *to, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		bool high = *c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f; /* C1, in UTF-8 */

		fputc(high || *c < 0x20 || *c == 0x7f ? '?' : *c, to);
		c += high;
	}
}

/* A member's text with something before it; nothing when it is not there. */
static void put_string(FILE *to, const char *before, const cJSON *line, const char *key)
{
	const char *text = trace_string(line, key);

	if (text) {
		fputs(before, to);
		put_text(to, text);
	}
}

static void put_value(FILE *to, const cJSON *value);

static void put_list(FILE *to, const cJSON *list, char between)
{
	const cJSON *item;
	bool more = false;

	cJSON_ArrayForEach(item, list)
	{
		if (more)
			fputc(between, to);
		more = true;
		put_value(to, item);
	}
	if (!more)
		fputs(between == '|' ? "0" : "none", to);
}

static void put_value(FILE *to, const cJSON *value)
{
	if (cJSON_IsString(value)) {
		put_text(to, value->valuestring);
	} else if (cJSON_IsNumber(value)) {
		fprintf(to, "%.0f", value->valuedouble);
	} else if (cJSON_IsArray(value)) {
		put_list(to, value, cJSON_IsNumber(value->child) ? ',' : '|');
	} else {
		char *text = cJSON_PrintUnformatted(value);

		put_text(to, text ? text : "?");
		free(text);
	}
}

/* The same with a key before it; nothing when it is not there. */
static void put(FILE *to, const char *before, const cJSON *line, const char *key)
{
	const cJSON *value = get(line, key);

	if (value) {
		fputs(before, to);
		put_value(to, value);
	}
}

static void put_result(FILE *to, const cJSON *line)
{
	put(to, " = ", line, "result");
	put(to, " = ", line, "error");
	put_string(to, BELOW "reason: ", line, "reason");
}

/* What says how long a struct is tells little, but where it was refused. */
static bool boring(const cJSON *line, const char *key)
{
	const char *name = trace_string(line, "name");

	if (get(line, "error"))
		return false;
	return !strcmp(key, "argsz") ||
	       (!strcmp(key, "size") && name && !strncmp(name, "IOMMU_", 6));
}

static void put_fields(FILE *to, const char *before, const cJSON *line, const char *side)
{
	const char *gap = before;
	const cJSON *field;

	cJSON_ArrayForEach(field, get(line, side))
	{
		if (boring(line, field->string))
			continue;
		fputs(gap, to);
		gap = " ";
		put_text(to, field->string);
		fputc('=', to);
		put_value(to, field);
	}
}

static void print_ioctl(FILE *to, const cJSON *line)
{
	const char *name = trace_string(line, "name");

	put_text(to, name ? name : "?");
	if (name && !strcmp(name, "unknown"))
		put(to, " ", line, "cmd");
	put_string(to, " ", line, get(line, "device") ? "device" : "path");
	put(to, " arg=", line, "arg");
	put_fields(to, " ", line, "in");
	put_fields(to, " -> ", line, "out");
	/* That it worked is plain where there is an answer. */
	if (!cJSON_GetArraySize(get(line, "out")) || get(line, "error") ||
	    cJSON_GetNumberValue(get(line, "result")) != 0)
		put_result(to, line);
}

static void print_open(FILE *to, const cJSON *line)
{
	put(to, "", line, "path");
	if (get(line, "device"))
		put(to, " ", line, "device");
	put(to, " ", line, "access");
	if (cJSON_GetArraySize(get(line, "flags")))
		put(to, "|", line, "flags");
	put_result(to, line);
}

static void print_place(FILE *to, const cJSON *line)
{
	put(to, "", line, get(line, "device") ? "device" : "path");
	put(to, " region ", line, "region");
	put(to, " offset ", line, "offset");
	put(to, " length ", line, "length");
	put(to, " ", line, "prot");
	put(to, " ", line, "flags");
	put_result(to, line);
}

static void put_requester(FILE *to, const cJSON *line)
{
	const cJSON *pasid = get(line, "pasid");

	put(to, " (RID ", line, "requester");
	put(to, " (StreamID ", line, "stream_id");
	if (cJSON_IsNumber(pasid))
		fprintf(to, ", PASID %.0f", pasid->valuedouble);
	else if (pasid)
		fputs(", no PASID", to);
	fputc(')', to);
}

static void put_target(FILE *to, const cJSON *target)
{
	const cJSON *ioas = get(target, "ioas_id"), *hwpt = get(target, "hwpt_id");

	if (!cJSON_IsObject(target)) {
		fputs("nowhere", to);
		return;
	}
	if (cJSON_IsNumber(ioas))
		fprintf(to, "IOAS %.0f", ioas->valuedouble);
	else
		fputs("a space without an id", to);
	if (cJSON_IsNumber(hwpt))
		fprintf(to, ", HWPT %.0f", hwpt->valuedouble);
}

static void print_route(FILE *to, const cJSON *line)
{
	put(to, "", line, "device");
	put(to, " ", line, "cause");
	put_requester(to, line);
	put(to, ": sends ", line, "forms");
	if (get(line, "from")) {
		fputs(": ", to);
		put_target(to, get(line, "from"));
		fputs(" -> ", to);
		put_target(to, get(line, "to"));
	}
}

static void put_walk(FILE *to, const cJSON *walk)
{
	const cJSON *step;

	cJSON_ArrayForEach(step, walk)
	{
		put(to, BELOW "level ", step, "level");
		put(to, ", entry ", step, "index");
		put(to, ": ", step, "entry");
		put(to, " ", step, "kind");
	}
}

static void put_nearest(FILE *to, const cJSON *line)
{
	const cJSON *nearest = get(line, "nearest");
	bool read = cJSON_IsTrue(get(nearest, "read")), write = cJSON_IsTrue(get(nearest, "write"));

	if (!cJSON_IsObject(nearest)) {
		if (cJSON_GetArraySize(get(line, "walk")))
			fputs(BELOW "nothing is mapped", to);
		return;
	}
	put(to, BELOW "nearest mapping: ", nearest, "first");
	put(to, "..", nearest, "last");
	fprintf(to, " (%s%s%s)", read ? "read" : "", read && write ? ", " : "",
		write ? "write" : "");
}

static void print_fault(FILE *to, const cJSON *line)
{
	put(to, "", line, "device");
	put_requester(to, line);
	put(to, " ", line, "access");
	put(to, " of ", line, "tlp_bytes");
	put(to, " bytes at ", line, "tlp_iova");
	if (trace_string(line, "iova") && trace_string(line, "tlp_iova") &&
	    strcmp(trace_string(line, "iova"), trace_string(line, "tlp_iova")))
		put(to, ", failed at ", line, "iova");
	put(to, ": ", line, "reason");
	put(to, " (", line, "other");
	if (get(line, "other"))
		fputc(')', to);
	if (cJSON_IsNumber(get(line, "ioas_id")) && get(line, "ioas_id")->valuedouble > 0) {
		put(to, BELOW "IOAS ", line, "ioas_id");
		put(to, ", HWPT ", line, "hwpt_id");
	}
	put_walk(to, get(line, "walk"));
	put_nearest(to, line);
}

static void print_words(FILE *to, const char *before, const cJSON *list)
{
	if (!cJSON_GetArraySize(list))
		return;
	fputs(before, to);
	put_list(to, list, ' ');
}

static void print_run(FILE *to, const cJSON *line)
{
	print_words(to, "", get(line, "program"));
	print_words(to, BELOW "machine: ", get(line, "machine"));
	put(to, BELOW "ioas ", line, "ioas");
}

static void print_end(FILE *to, const cJSON *line)
{
	put(to, "status ", line, "status");
	if (cJSON_IsNumber(get(line, "signal")))
		put(to, ", signal ", line, "signal");
}

static void print_process(FILE *to, const cJSON *line)
{
	put(to, "", line, "program");
	put(to, "status ", line, "status");
	if (get(line, "parent")) {
		put(to, get(line, "program") ? " (parent " : "(parent ", line, "parent");
		fputc(')', to);
	}
}

static void print_refusal(FILE *to, const cJSON *line)
{
	put(to, "", line, "call");
	put(to, " of ", line, "path");
	put_result(to, line);
}

static void print_device(FILE *to, const cJSON *line)
{
	put(to, "", line, get(line, "device") ? "device" : "path");
}

static const struct {
	const char *event;
	void (*print)(FILE *to, const cJSON *line);
} printers[] = {
	{"ioctl", print_ioctl},	    {"open", print_open},    {"close", print_device},
	{"mmap", print_place},	    {"read", print_place},   {"write", print_place},
	{"route", print_route},	    {"reset", print_device}, {"fault", print_fault},
	{"run", print_run},	    {"end", print_end},	     {"start", print_process},
	{"exit", print_process},    {"fork", print_process}, {"takeover", print_device},
	{"refusal", print_refusal},
};

static void put_time(FILE *to, const cJSON *line)
{
	const cJSON *t = get(line, "t");
	const char *time = trace_string(line, "time");

	if (cJSON_IsNumber(t))
		fprintf(to, "%11.6f", t->valuedouble);
	else if (time && strlen(time) > 22)
		fprintf(to, "%.11s", time + 11);
	else
		fprintf(to, "%11s", "-");
}

static void put_who(FILE *to, const cJSON *line)
{
	const cJSON *pid = get(line, "pid"), *tid = get(line, "tid");
	char text[48] = "-";

	if (cJSON_IsNumber(pid))
		snprintf(text, sizeof(text), "%.0f", pid->valuedouble);
	if (cJSON_IsNumber(pid) && cJSON_IsNumber(tid) && pid->valuedouble != tid->valuedouble)
		snprintf(text, sizeof(text), "%.0f/%.0f", pid->valuedouble, tid->valuedouble);
	fprintf(to, " %-11s", text);
}

void trace_print(FILE *to, const cJSON *line)
{
	const char *event = trace_string(line, "event");
	size_t nr = sizeof(printers) / sizeof(printers[0]), i = 0;
	char kind[12];

	while (i < nr && strcmp(printers[i].event, event))
		i++;
	put_time(to, line);
	put_who(to, line);
	snprintf(kind, sizeof(kind), "%s", event);
	fputc(' ', to);
	put_text(to, kind);
	fprintf(to, "%*s", 8 - (int)strlen(kind), "");
	/* What is cut has nothing but its kind; a cut "run" has the first of its words. */
	if (i < nr && (!cJSON_IsTrue(get(line, "cut")) || printers[i].print == print_run))
		printers[i].print(to, line);
	else
		put_value(to, line);
	fputc('\n', to);
}
