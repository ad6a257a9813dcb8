/* SPDX-License-Identifier: MIT */
/* Names of devices from the system's pci.ids, through libpci. Without that file: none. */
#ifndef TOOLS_NAMES_H
#define TOOLS_NAMES_H

#include <ioas/topology.h>

struct names;

/* NULL: no memory; all others take that for "no names". */
struct names *names_open(void);
void names_close(struct names *names);
/*
 * What a function is, for people: the topology's own name for it, else vendor and device as
 * pci.ids has them, else "". Valid until the next call.
 */
const char *names_of(struct names *names, const struct ioas_topology_function *function);

#endif
