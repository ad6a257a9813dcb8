/* SPDX-License-Identifier: MIT */
/* One fault record of the report: the members that it has in a trace, when it was, and the text. */
#include "report_fault.h"
#include "trace/event.h"

void report_fault(struct json *json, const struct ioas_fault *fault)
{
	char text[2048], members[2 * IOAS_TRACE_LINE_MAX];
	struct trace_line line = {.buf = members, .cap = sizeof(members)};

	line_number(&line, "seq", fault->seq);
	line_time(&line, "time", fault->time_ns);
	trace_fault_line(&line, fault);
	ioas_fault_format(fault, text, sizeof(text));
	json_open(json, NULL, '{');
	json_members(json, members, line.len);
	json_string(json, "text", text);
	json_close(json, '}');
}
