/* SPDX-License-Identifier: MIT */
/* What the files that make lines of events share. */
#ifndef TRACE_EVENT_H
#define TRACE_EVENT_H

#include <ioas/trace.h>
#include "trace/line.h"

struct trace_name;

/* A list of names; what has none is one number in hex at its end. */
void trace_flags(struct trace_line *line, const char *key, uint64_t value,
		 const struct trace_name *names);
/* "requester": "01:00.0", or "stream_id": "0x12" */
void trace_requester(struct trace_line *line, bool stream, uint32_t id);

/* ioctl_line.c: name and arguments. */
void trace_ioctl_line(struct trace_line *line, const struct ioas_trace_event *event);
/* fault_line.c: the members of a record, but for its number and time. */
void trace_fault_line(struct trace_line *line, const struct ioas_fault *fault);

#endif
