/* SPDX-License-Identifier: MIT */
/* How much address space this process has, in pages: what was mapped and is not unmapped. */
#ifndef TESTS_UNIT_MAPPED_H
#define TESTS_UNIT_MAPPED_H

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

/* Their own memory comes and goes as they like. */
static inline long mapped(void)
{
	return 0;
}

#else

static inline long mapped(void)
{
	char text[200];
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	return strtol(text, NULL, 10);
}

#endif

#endif
