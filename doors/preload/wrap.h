/* SPDX-License-Identifier: MIT */
/* For the files of interposed functions only: other names of a function, libc's fortify hook. */
#ifndef PRELOAD_WRAP_H
#define PRELOAD_WRAP_H

#pragma GCC diagnostic ignored "-Wattribute-alias"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-attributes"
/* libc declares arguments non-NULL; a program may hand in NULL all the same. */
#pragma GCC diagnostic ignored "-Wnonnull-compare"

/* `name`, which libc's headers declare, is `target` under its 64-bit name: one ABI on LP64. */
#define ALIAS(name, target) extern __typeof__(name) name __attribute__((alias(#target)));
/* The same for a name they do not declare. */
#define ALIAS_NEW(name, target) extern __typeof__(target) name __attribute__((alias(#target)));

/* libc's "*** buffer overflow detected ***". */
void __chk_fail(void) __attribute__((noreturn));

#endif
