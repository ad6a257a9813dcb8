/* SPDX-License-Identifier: MIT */
/* The run folder (ioas/run.h) on the tool's side: made, filled, removed. */
#ifndef TOOLS_FOLDER_H
#define TOOLS_FOLDER_H

#include <limits.h>
#include <stdio.h>

struct machine;

struct folder {
	char path[PATH_MAX / 2];
};

/*
 * Makes the folder, for this user alone, with everything a door needs to show `machine`, which
 * has been built. 0, or -errno after a line on stderr; then nothing is left behind.
 */
int folder_new(struct folder *folder, const struct machine *machine);
/* Opens a file of the folder, or NULL with errno. */
FILE *folder_open(const struct folder *folder, const char *name, const char *mode);
/* Removes it with all it holds. */
void folder_remove(struct folder *folder);

#endif
