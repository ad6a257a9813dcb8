/* SPDX-License-Identifier: MIT */
/* Filling in why something was refused. */
#ifndef UTIL_WHY_H
#define UTIL_WHY_H

#include <ioas/types.h>

/*
 * Writes the reason (cut to fit, '?' for what is no character to read) and returns `err`, so that a
 * refusal is one line: return why_set(why, -EINVAL, "length 0");  `why` may be NULL.
 */
int why_set(struct ioas_why *why, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
