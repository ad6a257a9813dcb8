/* SPDX-License-Identifier: MIT */
/* Descriptors of dma-bufs: file->priv is their memory. */
#include <errno.h>
#include <stdio.h>
#include "mem/file.h"
#include "space/space.h"
#include "uapi/dmabuf_file.h"
#include "uapi/uapi.h"
#include "util/why.h"

static void dmabuf_release(struct ioas_file *file)
{
	mem_file_put(file->priv);
}

/* None of the ioctls of a dma-buf is one of ours to answer. */
static long dmabuf_ioctl(struct uapi_call *call, uint32_t cmd)
{
	return why_set(call->why, -ENOTTY, "a dma-buf of the engine has no ioctls");
}

static int dmabuf_mmap(struct ioas_file *file, uint64_t off, uint64_t len, int prot, int flags,
		       struct ioas_mapping *out, struct ioas_why *why)
{
	return why_set(why, -EINVAL, "its exporter does not let a dma-buf be mapped");
}

static const struct uapi_file_ops dmabuf_file_ops = {
	.release = dmabuf_release,
	.ioctl = dmabuf_ioctl,
	.mmap = dmabuf_mmap,
};

int uapi_dmabuf_new(struct ioas_iommu *iommu, struct ioas_caller *caller, uint64_t len,
		    struct ioas_file **out)
{
	struct ioas_node node = {.kind = IOAS_NODE_DMABUF};
	struct ioas_file *file;

	snprintf(node.path, sizeof(node.path), "/dmabuf:");
	file = uapi_file_new(iommu, caller, &node, &dmabuf_file_ops);
	if (!file)
		return -ENOMEM;
	if (mem_dmabuf_new(iommu->files, len, (struct mem_file **)&file->priv)) {
		file->priv = NULL;
		ioas_file_put(file);
		return -ENOMEM;
	}
	*out = file;
	return 0;
}

int uapi_dmabuf_memory(struct ioas_file *file, struct mem_file **out)
{
	if (file->ops != &dmabuf_file_ops)
		return -EINVAL;
	*out = mem_file_get(file->priv);
	return 0;
}

int uapi_dmabuf_revoke(struct ioas_iommu *iommu, struct ioas_caller *caller, int fd, bool revoked,
		       struct ioas_why *why)
{
	struct mem_file *memory;
	struct ioas_file *file;
	int rc = caller->ops->file_get(caller, fd, &file);

	if (rc == -EBADF)
		return why_set(why, rc, "descriptor %d is not open", fd);
	if (!rc) {
		rc = uapi_dmabuf_memory(file, &memory);
		ioas_file_put(file);
	}
	if (rc)
		return why_set(why, -EINVAL, "descriptor %d is no dma-buf", fd);
	space_dmabuf_revoke(iommu, memory, revoked);
	mem_file_put(memory);
	return 0;
}
