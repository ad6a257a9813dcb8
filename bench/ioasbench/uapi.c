/* SPDX-License-Identifier: MIT */
/* ioasbench: thin wrappers over the uAPI. */
#include "ioasbench.h"
#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>

int fd = -1, devfd = -1;

void die(const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "ioasbench: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, ": %s\n", strerror(e));
	va_end(ap);
	exit(1);
}

int destroy(uint32_t id)
{
	struct iommu_destroy c = {.size = sizeof(c), .id = id};

	return ioctl(fd, IOMMU_DESTROY, &c);
}

uint32_t ioas_alloc(void)
{
	struct iommu_ioas_alloc c = {.size = sizeof(c)};

	if (ioctl(fd, IOMMU_IOAS_ALLOC, &c))
		die("IOAS_ALLOC");
	return c.out_ioas_id;
}

int map(uint32_t ioas, uint32_t flags, void *va, uint64_t len, uint64_t *iova)
{
	struct iommu_ioas_map c = {
		.size = sizeof(c),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = *iova,
	};

	if (ioctl(fd, IOMMU_IOAS_MAP, &c))
		return -1;
	*iova = c.iova;
	return 0;
}

int unmap(uint32_t ioas, uint64_t iova, uint64_t len, uint64_t *done)
{
	struct iommu_ioas_unmap c = {
		.size = sizeof(c),
		.ioas_id = ioas,
		.iova = iova,
		.length = len,
	};

	if (ioctl(fd, IOMMU_IOAS_UNMAP, &c))
		return -1;
	if (done)
		*done = c.length;
	return 0;
}

int copy(uint32_t dst, uint64_t *dst_iova, uint32_t src, uint64_t src_iova, uint64_t len,
	 uint32_t flags)
{
	struct iommu_ioas_copy c = {
		.size = sizeof(c),
		.flags = flags,
		.dst_ioas_id = dst,
		.src_ioas_id = src,
		.length = len,
		.dst_iova = *dst_iova,
		.src_iova = src_iova,
	};

	if (ioctl(fd, IOMMU_IOAS_COPY, &c))
		return -1;
	*dst_iova = c.dst_iova;
	return 0;
}

int set_huge(uint32_t ioas, uint64_t on)
{
	struct iommu_option c = {
		.size = sizeof(c),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = ioas,
		.val64 = on,
	};

	return ioctl(fd, IOMMU_OPTION, &c);
}

int attach(uint32_t pt, uint32_t *out)
{
	struct vfio_device_attach_iommufd_pt a = {
		.argsz = sizeof(a),
		.pt_id = pt,
	};

	if (ioctl(devfd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a))
		return -1;
	if (out)
		*out = a.pt_id;
	return 0;
}

int detach(void)
{
	struct vfio_device_detach_iommufd_pt d = {.argsz = sizeof(d)};

	return ioctl(devfd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &d);
}

int hwpt_alloc(uint32_t dev, uint32_t pt, uint32_t flags, uint32_t *out)
{
	struct iommu_hwpt_alloc c = {
		.size = sizeof(c),
		.flags = flags,
		.dev_id = dev,
		.pt_id = pt,
	};

	if (ioctl(fd, IOMMU_HWPT_ALLOC, &c))
		return -1;
	*out = c.out_hwpt_id;
	return 0;
}

int ranges(uint32_t ioas, struct iommu_iova_range *r, uint32_t *n, uint64_t *align)
{
	struct iommu_ioas_iova_ranges c = {
		.size = sizeof(c),
		.ioas_id = ioas,
		.num_iovas = *n,
		.allowed_iovas = (uintptr_t)r,
	};
	int rc = ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &c);

	*n = c.num_iovas;
	if (align)
		*align = c.out_iova_alignment;
	return rc;
}
