/* SPDX-License-Identifier: MIT */
/*
 * Writing a tree of files, folders and relative links, as /sys is made of.
 *
 * Paths are relative to the tree's root ("sys/bus/pci") and formatted as printf does. The first
 * error sticks: later calls do nothing, so that a whole tree is written without a check a line.
 */
#ifndef PCI_SYSFS_H
#define PCI_SYSFS_H

#include <limits.h>
#include <stddef.h>
#include "pci/pci.h"

struct sysfs_tree {
	struct ioas_iommu *iommu; /* whose machine it shows */
	int root;		  /* descriptor of the folder */
	int error;
	char path[PATH_MAX]; /* of sysfs_at, with its final '/' */
	size_t path_len;
};

/* Makes a folder and those above it, and makes it the place where names without '/' go. */
void sysfs_at(struct sysfs_tree *tree, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A file in the current folder with this text and, when it has none at its end, a newline. */
void sysfs_text(struct sysfs_tree *tree, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A file with these bytes. */
void sysfs_bytes(struct sysfs_tree *tree, const char *name, const void *bytes, size_t len);
/* A folder below the current one. */
void sysfs_dir(struct sysfs_tree *tree, const char *name);
/* A link in the current folder to a path from the root of the tree, made relative. */
void sysfs_link(struct sysfs_tree *tree, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The folder power/ of a device that nobody manages. */
void sysfs_power(struct sysfs_tree *tree);

/* sysfs_class.c: all that is not below sys/devices/pciSSSS:00 or sys/bus/pci. */
void sysfs_group(struct sysfs_tree *tree, struct pci_group *group);
void sysfs_group_empty(struct sysfs_tree *tree, uint32_t number);
void sysfs_group_member(struct sysfs_tree *tree, uint32_t number, const char *name,
			const char *device_path);
void sysfs_machine(struct sysfs_tree *tree);

/* Character device numbers of groups and cdevs (include/ioas/door.h). */
#define SYSFS_GROUP_MAJOR 511
#define SYSFS_CDEV_MAJOR  510

/* Where an IOMMU's folder is, by its name. */
#define SYSFS_IOMMU "sys/devices/virtual/iommu/%s"

#endif
