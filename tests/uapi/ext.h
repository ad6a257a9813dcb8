/* SPDX-License-Identifier: MIT */
/* For the programs about ioctls that Linux does not have: the functions of machines/tree.yaml. */
#ifndef TESTS_UAPI_EXT_H
#define TESTS_UAPI_EXT_H

#include <ioas/uapi_ext.h>
#include "iommufd.h"
#include "vfio.h"

/* Addresses as uapi_ext.h has them. */
#define FN(segment, bus, dev, fn) \
	((uint32_t)(segment) << 16 | (uint32_t)(bus) << 8 | (uint32_t)(dev) << 3 | (fn))
#define FIRST	    FN(0, 1, 0, 0) /* two functions of one device, without ACS */
#define SECOND	    FN(0, 1, 0, 1)
#define BRIDGE	    FN(0, 2, 0, 0) /* from PCI Express to PCI, */
#define BEHIND	    FN(0, 3, 0, 0) /* and what is behind it */
#define ALSO_BEHIND FN(0, 3, 1, 0)
#define BESIDE	    FN(0, 4, 0, 0) /* the host has its neighbour */
#define HOSTS	    FN(0, 4, 0, 1)
#define OTHER	    FN(1, 1, 0, 0) /* its IOMMU takes PASID 0 for none */

/* The cdev of a function, opened. */
static inline int open_function(uint32_t function)
{
	char path[PATH_MAX], dev[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%04x:%02x:%02x.%x/vfio-dev",
		 function >> 16, function >> 8 & 0xff, function >> 3 & 0x1f, function & 7);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4)) {
			snprintf(dev, sizeof(dev), "/dev/vfio/devices/%s", entry->d_name);
			closedir(dir);
			return open_or_skip(dev);
		}
	printf("SKIP: no %s: not the machine that this is for\n", path);
	exit(EXIT_SKIP);
}

/* A page table that requests with PASIDs may go to. */
static inline uint32_t pasid_hwpt(int fd, uint32_t dev_id, uint32_t ioas)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = dev_id,
		.pt_id = ioas,
	};

	check("a page table for PASIDs", call(fd, IOMMU_HWPT_ALLOC, &cmd), 0);
	return cmd.out_hwpt_id;
}

/* Sizes, flags and pointers, which are the same for all; `cmd` begins with size and flags. */
static inline void check_struct(int fd, unsigned long nr, void *cmd, uint32_t size)
{
	struct {
		uint32_t words[32];
	} longer = {0};
	uint32_t *words = cmd;

	memcpy(&longer, cmd, size);
	check("wild", call(fd, nr, WILD), -EFAULT);
	words[0] = size - 1;
	check("short", call(fd, nr, cmd), -EINVAL);
	words[0] = size;
	words[1] = 1u << 31;
	check("unknown flag", call(fd, nr, cmd), -EOPNOTSUPP);
	words[1] = 0;
	longer.words[0] = sizeof(longer);
	longer.words[31] = 1;
	check("a tail that is not zero", call(fd, nr, &longer), -E2BIG);
}

#endif
