/* SPDX-License-Identifier: MIT */
/*
 * Machine files: a topology as YAML, for people to write (docs/machine.md). Read through libcyaml,
 * so this is in the tool and not in the library.
 */
#ifndef TOOLS_MACHINE_FILE_H
#define TOOLS_MACHINE_FILE_H

#include <stdio.h>
#include <ioas/topology.h>

/*
 * Reads a machine file and resolves what it describes. 0 with *out, which the caller destroys;
 * -EINVAL with "FILE:LINE: reason" for what is wrong in it; -errno with "FILE: reason" when it
 * cannot be read; -ENOMEM.
 */
int machine_file_read(const char *path, struct ioas_topology **out, struct ioas_why *why);
/* The same of a text; `name` is the file's in complaints. */
int machine_file_parse(const char *name, const char *text, size_t len, struct ioas_topology **out,
		       struct ioas_why *why);

/*
 * Writes a topology as a machine file that reads back as the same one: every address is there, and
 * nothing that reading assumes anyway. `describe`, may be NULL, gives a comment for a function, ""
 * for none. 0; -ENOMEM.
 */
int machine_file_write(const struct ioas_topology *topology, FILE *to,
		       const char *(*describe)(const struct ioas_topology_function *function,
					       void *arg),
		       void *arg);

#endif
