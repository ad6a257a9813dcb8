/* SPDX-License-Identifier: MIT */
/*
 * The command line tool: one table of commands (main.c), each in a file of its own.
 *
 * Exit status: what the command says, 2 when it was asked for something it does not understand.
 * Refusals are one line on stderr that starts with "ioas: ".
 */
#ifndef TOOLS_IOAS_H
#define TOOLS_IOAS_H

#include <stddef.h>

struct ioas_why;

#define EXIT_USAGE 2

struct command {
	const char *name;
	const char *help; /* one line */
	/* argv[0] is the command's name. Returns the exit status. */
	int (*main)(int argc, char **argv);
	/* Prints the full help on stdout. */
	void (*usage)(void);
};

extern const struct command commands[]; /* ends with name NULL */

int run_main(int argc, char **argv);
void run_usage(void);
int ls_main(int argc, char **argv);
void ls_usage(void);
int trace_main(int argc, char **argv);
void trace_usage(void);
int topology_main(int argc, char **argv);
void topology_usage(void);
int why_main(int argc, char **argv);
void why_usage(void);

/* One line on stderr, after "ioas: ". Returns EXIT_USAGE, so that a refusal is one statement. */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The models and their keys, for help. */
void print_models(void);

#endif
