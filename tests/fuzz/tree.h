/* SPDX-License-Identifier: MIT */
/* What every tree that was read must hold, however it was written. */
#ifndef TESTS_FUZZ_TREE_H
#define TESTS_FUZZ_TREE_H

#include <ioas/topology.h>

/* Ends the program with a line. */
_Noreturn void tree_wrong(const char *what, const char *text);
/* A refusal has a known number, and one line that says why. */
void tree_check_refusal(int rc, const struct ioas_why *why);
/*
 * Looks at all of a resolved one: groups and share sets are numbered and complete, no share set
 * spans groups, and the lines it is written as make the same tree again.
 */
void tree_check(const struct ioas_topology *topology);

#endif
