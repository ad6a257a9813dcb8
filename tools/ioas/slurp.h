/* SPDX-License-Identifier: MIT */
/* A whole file at once. */
#ifndef TOOLS_SLURP_H
#define TOOLS_SLURP_H

#include <stdbool.h>
#include <stddef.h>

#define SLURP_MAX (64 << 20)

/*
 * All of a file, with a NUL behind it; the caller frees it. "-" is standard input. 0; -EFBIG beyond
 * SLURP_MAX; -errno of open and read.
 */
int slurp(const char *path, char **text, size_t *len);

#endif
