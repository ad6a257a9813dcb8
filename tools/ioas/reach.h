/* SPDX-License-Identifier: MIT */
/* Can the preload door get into a program? */
#ifndef TOOLS_REACH_H
#define TOOLS_REACH_H

/*
 * Why the door cannot get into the program that execvp(3) would start for `name`, in words; NULL
 * when it can, or when nothing is known against it (a script: its interpreter decides).
 */
const char *reach_obstacle(const char *name);

#endif
