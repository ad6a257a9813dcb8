/* SPDX-License-Identifier: MIT */
/*
 * <linux/iommufd.h> and <linux/vfio.h>, or, where the system's headers are older than these parts
 * (Debian 12: Linux 6.1), our declarations of the same ABI.
 */
#ifndef EXAMPLES_LINUX_UAPI_H
#define EXAMPLES_LINUX_UAPI_H

#include <stdint.h>
#include <sys/ioctl.h>

#if __has_include(<linux/iommufd.h>)
#include <linux/iommufd.h>
#else
#include <ioas/uapi/iommufd.h>
#endif

#if __has_include(<linux/vfio.h>) && __has_include(<linux/iommufd.h>)
#include <linux/vfio.h>
#else
#include <ioas/uapi/vfio.h>
#endif

#endif
