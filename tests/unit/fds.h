/* SPDX-License-Identifier: MIT */
/* How many descriptors are open: what a test's setup counted, its teardown has to find again. */
#ifndef TESTS_FDS_H
#define TESTS_FDS_H

#include <dirent.h>

/* The one it takes to look is among them, each time. */
static inline unsigned fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

#endif
