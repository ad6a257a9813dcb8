/* SPDX-License-Identifier: MIT */
/* Are two addresses of this process one page of memory? */
#ifndef MEM_SAME_H
#define MEM_SAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Compares page frames where the system tells them (CAP_SYS_ADMIN), else addresses, else what
 * shared file mappings show. For tests: it may read all of /proc/self/maps.
 */
bool mem_same_page(const void *a, const void *b);

/* All of a file of /proc, ended by a NUL; free() frees it. NULL: no. */
char *mem_read_file(const char *path);

/* The shared mappings of files that this process has, as they were at one moment. */
struct mem_shared {
	struct mem_shared_at {
		unsigned long start, end, off, dev[2], inode;
	} * at;
	size_t nr;
};

/* 0; -ENOMEM. For tests. */
int mem_shared_read(struct mem_shared *out);
void mem_shared_free(struct mem_shared *shared);
/* The one that holds an address, or NULL. */
const struct mem_shared_at *mem_shared_find(const struct mem_shared *shared, uintptr_t at);
/* Where `other` shows what is at address `at` of `is`; 0: it does not. */
uintptr_t mem_shared_alias(const struct mem_shared_at *is, uintptr_t at,
			   const struct mem_shared_at *other);

#endif
