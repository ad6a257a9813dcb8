/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of the engine asks the test whether it is to fail: should_fail, which the test
 * defines. The linker puts these functions in front of the allocator (wrap_alloc in meson.build).
 */
#ifndef TESTS_UNIT_ALLOC_FAIL_H
#define TESTS_UNIT_ALLOC_FAIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static bool should_fail(void);

void *__real_malloc(size_t len);
void *__real_calloc(size_t nr, size_t len);
void *__real_realloc(void *ptr, size_t len);
int __real_posix_memalign(void **out, size_t align, size_t len);
void *__real_aligned_alloc(size_t align, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t nr, size_t len);
void *__wrap_realloc(void *ptr, size_t len);
int __wrap_posix_memalign(void **out, size_t align, size_t len);
void *__wrap_aligned_alloc(size_t align, size_t len);

void *__wrap_malloc(size_t len)
{
	return should_fail() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t nr, size_t len)
{
	return should_fail() ? NULL : __real_calloc(nr, len);
}

void *__wrap_realloc(void *ptr, size_t len)
{
	return should_fail() ? NULL : __real_realloc(ptr, len);
}

int __wrap_posix_memalign(void **out, size_t align, size_t len)
{
	return should_fail() ? ENOMEM : __real_posix_memalign(out, align, len);
}

void *__wrap_aligned_alloc(size_t align, size_t len)
{
	return should_fail() ? NULL : __real_aligned_alloc(align, len);
}

#endif
