/* SPDX-License-Identifier: MIT */
/* The engine's allocations: the C library's, but that a test can make the nth one fail. */
#ifndef UTIL_ALLOC_H
#define UTIL_ALLOC_H

#include <stdlib.h>
#include <string.h>
#include "util/inject.h"

/* Each as its namesake in <stdlib.h>; NULL, or an errno value: no memory. free() frees. */
static inline void *alloc_zero(size_t nr, size_t size)
{
	return inject() ? NULL : calloc(nr, size);
}

static inline void *alloc_raw(size_t size)
{
	return inject() ? NULL : malloc(size);
}

static inline void *alloc_resize(void *old, size_t size)
{
	return inject() ? NULL : realloc(old, size);
}

static inline char *alloc_string(const char *text)
{
	return inject() ? NULL : strdup(text);
}

#endif
