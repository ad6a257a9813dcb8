/* SPDX-License-Identifier: MIT */
/* A topology from what `lspci -xxxx` printed, through libpci's reader of such dumps. */
#ifndef TOOLS_IMPORT_LSPCI_H
#define TOOLS_IMPORT_LSPCI_H

#include <ioas/topology.h>

/*
 * Reads a dump and resolves what it describes: all functions behind one IOMMU, since a dump does
 * not tell. "-" is standard input. 0; -EINVAL with "FILE:LINE: reason" or "FILE: reason" for what
 * is damaged or cut off; -errno with "FILE: reason" when it cannot be read; -ENOMEM. *warning gets
 * a line on what was taken on trust, "" for nothing.
 */
int import_lspci(const char *path, struct ioas_topology **out, struct ioas_why *warning,
		 struct ioas_why *why);
/* The same of a text; `name` is the file's in complaints. */
int import_lspci_text(const char *name, const char *text, size_t len, struct ioas_topology **out,
		      struct ioas_why *warning, struct ioas_why *why);

#endif
