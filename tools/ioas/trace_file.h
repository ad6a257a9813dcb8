/* SPDX-License-Identifier: MIT */
/* The file of `ioas run --trace FILE` on the tool's side: opened, begun, ended. */
#ifndef TOOLS_TRACE_FILE_H
#define TOOLS_TRACE_FILE_H

#include <stdint.h>

struct folder;
struct machine;
struct run_result;

struct trace_file {
	const char *name;
	int fd;
	uint64_t start_ns;
};

/* Opens `name` and empties it. 0, or an exit status after a line on stderr. */
int trace_file_open(struct trace_file *trace, const char *name);
/* Tells the doors of the run where to write, and writes the first line. 0, or likewise. */
int trace_file_begin(struct trace_file *trace, const struct folder *folder,
		     const struct machine *machine, char **program);
/* Writes the last line and closes; says how many lines are missing, if any. */
void trace_file_end(struct trace_file *trace, const struct folder *folder,
		    const struct run_result *result);

#endif
