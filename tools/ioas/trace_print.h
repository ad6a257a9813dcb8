/* SPDX-License-Identifier: MIT */
/* A line of a trace (docs/trace.md) for people. */
#ifndef TOOLS_TRACE_PRINT_H
#define TOOLS_TRACE_PRINT_H

#include <stdio.h>

struct cJSON;

/* `line` is an object with "event". What is not understood is shown as it is. */
void trace_print(FILE *to, const struct cJSON *line);

/* A member that is a string; NULL: there is none. */
const char *trace_string(const struct cJSON *line, const char *key);

#endif
