/* SPDX-License-Identifier: MIT */
/* Are two addresses of this process one page of memory? */
#ifndef MEM_SAME_H
#define MEM_SAME_H

#include <stdbool.h>

/*
 * Compares page frames where the system tells them (CAP_SYS_ADMIN), else addresses, else what
 * shared file mappings show. For tests: it may read all of /proc/self/maps.
 */
bool mem_same_page(const void *a, const void *b);

#endif
