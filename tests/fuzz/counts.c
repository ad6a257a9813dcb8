/* SPDX-License-Identifier: MIT */
/* What a run has tried. */
#include <stdio.h>
#include "fuzz.h"

struct fuzz_counts fuzz_counts;

void fuzz_print_counts(void)
{
	const struct fuzz_counts *c = &fuzz_counts;

	printf("fuzz-%s: %llu inputs, %llu operations (%llu refused, %llu bad inputs)", fuzz_name,
	       (unsigned long long)c->inputs, (unsigned long long)c->operations,
	       (unsigned long long)c->refused, (unsigned long long)c->bad);
	if (c->tlps)
		printf(", %llu TLPs (%llu faults, %llu around, %llu nested, %llu stale, %llu "
		       "events)",
		       (unsigned long long)c->tlps, (unsigned long long)c->faults,
		       (unsigned long long)c->around, (unsigned long long)c->nested,
		       (unsigned long long)c->stale, (unsigned long long)c->events);
	if (c->asked)
		printf(", ATS: %llu asked, %llu translated, %llu given back, %llu page requests",
		       (unsigned long long)c->asked, (unsigned long long)c->translated,
		       (unsigned long long)c->invalidations, (unsigned long long)c->page_requests);
	if (c->compared_len)
		printf(", %llu MiB compared", (unsigned long long)c->compared_len >> 20);
	putchar('\n');
}
