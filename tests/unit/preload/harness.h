/* SPDX-License-Identifier: MIT */
/*
 * A test program that runs inside the door: it makes a run folder as `ioas run` would, starts
 * itself again with the door preloaded, and removes the folder afterwards.
 */
#ifndef PRELOAD_HARNESS_H
#define PRELOAD_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "fake_engine.h"

/* The main function of a test program. `machine` is the text of that file. */
int harness_main(char **argv, const char *machine, int (*run)(void));
/* What the made-up engine has seen, all processes of the run together. */
struct fake_log *harness_log(void);
/* How many descriptors and threads this process has, as /proc shows them. */
int harness_count(const char *folder);
/* Runs `child` in a child process, which must exit with 0. */
void harness_child(int (*child)(void));
/* What the next lines on standard error are, until harness_stderr_end returns them. */
void harness_stderr_begin(void);
const char *harness_stderr_end(void);

#define check(x)                                                                                  \
	do {                                                                                      \
		if (!(x)) {                                                                       \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #x, errno); \
			return 1;                                                                 \
		}                                                                                 \
	} while (0)

#endif
