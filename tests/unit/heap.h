/* SPDX-License-Identifier: MIT */
/* How many bytes of the heap are in use. Under sanitizers always 0: they look themselves. */
#ifndef TESTS_UNIT_HEAP_H
#define TESTS_UNIT_HEAP_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>

static inline size_t heap_used(void)
{
	return mallinfo2().uordblks;
}

/* The least that malloc takes. */
#define HEAP_LEAST 32

/*
 * Has each of so many times left something behind since `used`? glibc keeps some of what is freed
 * as if it were in use, now more, now less: it takes some ten times to tell the one from the other.
 */
static inline bool heap_grew(size_t used, size_t times)
{
	return heap_used() >= used + times * HEAP_LEAST;
}

#endif
