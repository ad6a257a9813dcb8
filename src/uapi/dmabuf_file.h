/* SPDX-License-Identifier: MIT */
/*
 * The stand-in for a dma-buf: a descriptor that can be mapped for DMA and does nothing else. Only
 * IOMMU_TEST_CMD makes any.
 */
#ifndef UAPI_DMABUF_FILE_H
#define UAPI_DMABUF_FILE_H

#include <ioas/door.h>

struct mem_file;

/* Makes one of `len` bytes (> 0). 0 and a reference, for file_install or ioas_file_put; -ENOMEM. */
int uapi_dmabuf_new(struct ioas_iommu *iommu, struct ioas_caller *caller, uint64_t len,
		    struct ioas_file **out);
/* Its memory, with a reference. 0; -EINVAL the file is no dma-buf. */
int uapi_dmabuf_memory(struct ioas_file *file, struct mem_file **out);
/*
 * Revokes it: no table shows it any more on return, and MAP_FILE is ENODEV; or lets it be mapped
 * anew, which brings no old mapping back. 0; -EBADF; -EINVAL it is no dma-buf. Without locks.
 */
int uapi_dmabuf_revoke(struct ioas_iommu *iommu, struct ioas_caller *caller, int fd, bool revoked,
		       struct ioas_why *why);

#endif
