/* SPDX-License-Identifier: MIT */
/* The program of `ioas run`: started with the door preloaded, waited for. */
#ifndef TOOLS_CHILD_H
#define TOOLS_CHILD_H

struct folder;

/*
 * Runs `program` (ends with NULL) with the run folder in its environment, passes signals on, and
 * waits. *status: its exit status, 128 + signal, or 126 or 127 as a shell gives when it cannot be
 * started; *sig the signal that ended it or 0. Returns 0, or -errno when nothing ran (after a
 * line on stderr).
 */
int child_run(const struct folder *folder, char **program, int *status, int *sig);

#endif
