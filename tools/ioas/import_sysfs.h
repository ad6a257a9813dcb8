/* SPDX-License-Identifier: MIT */
/* A topology from sysfs: of this machine, or of a copied tree. */
#ifndef TOOLS_IMPORT_SYSFS_H
#define TOOLS_IMPORT_SYSFS_H

#include <ioas/topology.h>

/*
 * Reads ROOT/sys/bus/pci/devices ("/" or a folder) and resolves what it describes. Where the kernel
 * has an IOMMU, functions of a root bus without a group have none; where it has none, all count as
 * behind one. 0; -errno with a line; -ENOMEM. *warning (may be NULL) gets a line on what could not
 * be seen and taken on trust, and whether the kernel's own groups differ; "" for nothing.
 */
int import_sysfs(const char *root, struct ioas_topology **out, struct ioas_why *warning,
		 struct ioas_why *why);

#endif
