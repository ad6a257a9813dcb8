/* SPDX-License-Identifier: MIT */
/* Finding a VFIO device and taking the first steps with it. */
#ifndef TESTS_UAPI_VFIO_H
#define TESTS_UAPI_VFIO_H

#include <dirent.h>
#include <limits.h>
#include <ioas/uapi/vfio.h>
#include "check.h"

/* Opens the first /dev/vfio/devices/vfioN, or skips the test. */
static inline int open_cdev(void)
{
	DIR *dir = opendir("/dev/vfio/devices");
	struct dirent *entry;
	char path[PATH_MAX];

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4)) {
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
			closedir(dir);
			return open_or_skip(path);
		}
	puts("SKIP: no /dev/vfio/devices/vfioN");
	exit(EXIT_SKIP);
}

/* Opens the group of the first device that vfio-pci drives, and names that, or skips the test. */
static inline int open_group(char *bdf, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	DIR *dir = opendir("/sys/bus/pci/devices");
	ssize_t n = 0;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", entry->d_name);
		if (access(path, F_OK))
			continue;
		snprintf(bdf, len, "%.12s", entry->d_name);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
		n = readlink(path, target, sizeof(target) - 1);
		break;
	}
	if (n <= 0) {
		puts("SKIP: no device bound to vfio-pci");
		exit(EXIT_SKIP);
	}
	target[n] = 0;
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(target, '/'));
	return open_or_skip(path);
}

static inline long bind_iommufd(int dev, int iommufd, uint32_t *id)
{
	struct vfio_device_bind_iommufd cmd = {.argsz = sizeof(cmd), .iommufd = iommufd};
	long rc = call(dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd);

	if (id)
		*id = cmd.out_devid;
	return rc;
}

static inline long attach(int dev, uint32_t *pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = sizeof(cmd), .pt_id = *pt};
	long rc = call(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);

	if (!rc)
		*pt = cmd.pt_id;
	return rc;
}

static inline long detach(int dev)
{
	struct vfio_device_detach_iommufd_pt cmd = {.argsz = sizeof(cmd)};

	return call(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

#endif
