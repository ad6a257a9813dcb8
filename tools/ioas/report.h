/* SPDX-License-Identifier: MIT */
/* What happened during a run, from the run folder's counters and fault records. */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <stdint.h>
#include <stdio.h>

struct folder;
struct machine;

struct run_result {
	char **program; /* ends with NULL */
	int status;	/* exit status as the tool passes it on */
	int signal;	/* that ended the program, or 0 */
	double seconds;
};

/* Writes the report (docs/report.md) to `to`. Works for a program that was killed, too. */
void report_write(FILE *to, const struct folder *folder, const struct machine *machine,
		  const struct run_result *result);

/*
 * One line on stderr for each refused transaction, the first few of them, so that a wild DMA is
 * seen even without a report.
 */
void report_faults(const struct folder *folder);

/*
 * One line on stderr about what was checked, if anything was. How many pages were missing.
 */
uint64_t report_checks(const struct folder *folder);

#endif
