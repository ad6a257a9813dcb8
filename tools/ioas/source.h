/* SPDX-License-Identifier: MIT */
/*
 * Where a topology comes from, as --from says:
 *
 *   sysfs, sysfs:ROOT   this machine, or a copied tree below ROOT
 *   lspci:FILE          an `lspci -xxxx` dump
 *   FILE                a machine file
 */
#ifndef TOOLS_SOURCE_H
#define TOOLS_SOURCE_H

#include <ioas/topology.h>

#define SOURCE_HELP                                                                             \
	"  --from SOURCE    sysfs (this machine; the default), sysfs:ROOT (a copy of /sys at\n" \
	"                   ROOT/sys), lspci:FILE (what `lspci -xxxx` printed as root), or a\n" \
	"                   machine file in YAML; --machine FILE is the same as --from FILE\n"

struct source {
	struct ioas_topology *topology; /* resolved */
	char *root;			/* of sysfs ("": /), else NULL */
};

/*
 * Reads it; `spec` NULL is the default. 0, or an exit status after a complaint on stderr; what is
 * dubious but usable is said there, too.
 */
int source_open(const char *spec, struct source *source);
void source_close(struct source *source);

/* The number that Linux gave the group of a function, from sysfs; -1: not known. */
long source_linux_group(const struct source *source, struct ioas_pci_addr addr);

#endif
