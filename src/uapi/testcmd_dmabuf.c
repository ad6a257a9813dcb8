/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD makes dma-bufs, and takes their memory away. */
#include <errno.h>
#include "uapi/dmabuf_file.h"
#include "uapi/testcmd.h"
#include "util/why.h"

#define PAGE	  4096u
#define PAGES_MAX 512u

/* Unlike every other operation's, its result is the ioctl's. */
long testcmd_dmabuf(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint64_t len = ((uint64_t)cmd->dmabuf.length + (PAGE - 1)) / PAGE * PAGE;
	struct ioas_file *file;
	long rc;

	if (!len || len > PAGES_MAX * PAGE)
		return why_set(call->why, -EINVAL, "a dma-buf has 1 to %u pages", PAGES_MAX);
	rc = uapi_dmabuf_new(call->file->iommu, call->caller, len, &file);
	if (rc)
		return why_set(call->why, (int)rc, "no memory for a dma-buf");
	rc = call->caller->ops->file_install(call->caller, file);
	if (rc < 0)
		ioas_file_put(file);
	return rc;
}

long testcmd_dmabuf_revoke(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;

	return uapi_dmabuf_revoke(call->file->iommu, call->caller, cmd->dmabuf_revoke.fd,
				  cmd->dmabuf_revoke.revoked, call->why);
}
