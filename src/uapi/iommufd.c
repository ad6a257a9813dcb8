/* SPDX-License-Identifier: MIT */
/* /dev/iommu: the file, and the ioctls that are not about one IOAS. */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <ioas/uapi/iommufd.h>
#include "obj/viommu.h"
#include "space/space.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

#define PAGE 4096u

static int iommufd_open(struct ioas_file *file, struct ioas_why *why)
{
	struct obj_ctx *ctx;
	int rc = obj_ctx_new(file->iommu, file->caller, &ctx);

	if (!rc)
		file->priv = ctx;
	return rc;
}

static void iommufd_release(struct ioas_file *file)
{
	obj_ctx_put(file->priv);
}

/* Only what a viommu lends, and that only as a whole. */
static int iommufd_mmap(struct ioas_file *file, uint64_t off, uint64_t len, int prot, int flags,
			struct ioas_mapping *out, struct ioas_why *why)
{
	int type = flags & MAP_TYPE;

	if (off % PAGE || len % PAGE)
		return why_set(why, -EINVAL, "%#" PRIx64 " + %#" PRIx64 " is not of whole pages",
			       off, len);
	if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return why_set(why, -EINVAL, "an iommufd is mapped MAP_SHARED");
	if (prot & PROT_EXEC)
		return why_set(why, -EPERM, "an iommufd is not mapped for PROT_EXEC");
	return obj_region_map(file->priv, off, len, &out->fd, why);
}

static void iommufd_munmap(struct ioas_file *file, uint64_t off, uint64_t len)
{
	obj_region_unmap(file->priv, off, len);
}

const struct uapi_file_ops iommufd_file_ops = {
	.open = iommufd_open,
	.release = iommufd_release,
	.mmap = iommufd_mmap,
	.munmap = iommufd_munmap,
	.ioctl = uapi_dispatch_iommufd,
};

long iommu_unsupported(struct uapi_call *call)
{
	return why_set(call->why, -EOPNOTSUPP, "Linux has this ioctl, uiommufd does not yet");
}

long iommu_destroy(struct uapi_call *call)
{
	const struct iommu_destroy *cmd = call->cmd;

	return obj_destroy(call->file->priv, cmd->id, call->why);
}

static int unknown_op(struct uapi_call *call, unsigned op)
{
	return why_set(call->why, -EOPNOTSUPP, "unknown operation %u", op);
}

static int set_rlimit_mode(struct uapi_call *call, uint64_t mode)
{
	struct obj_ctx *ctx = call->file->priv;
	int rc = 0;

	if (!call->caller->ops->capable(call->caller, CAP_SYS_RESOURCE))
		return why_set(call->why, -EPERM, "changing RLIMIT_MODE needs CAP_SYS_RESOURCE");
	pthread_mutex_lock(&ctx->ids_lock);
	if (ctx->ids_nr)
		rc = why_set(call->why, -EBUSY, "RLIMIT_MODE must be set before any object exists");
	else if (mode > 1)
		rc = why_set(call->why, -EINVAL, "RLIMIT_MODE is 0 or 1");
	else
		ctx->rlimit_mm = mode;
	pthread_mutex_unlock(&ctx->ids_lock);
	return rc;
}

static int option_rlimit_mode(struct uapi_call *call, struct iommu_option *cmd)
{
	struct obj_ctx *ctx = call->file->priv;

	if (cmd->object_id)
		return why_set(call->why, -EOPNOTSUPP, "RLIMIT_MODE belongs to no object");
	switch (cmd->op) {
	case IOMMU_OPTION_OP_GET:
		pthread_mutex_lock(&ctx->ids_lock);
		cmd->val64 = ctx->rlimit_mm;
		pthread_mutex_unlock(&ctx->ids_lock);
		return 0;
	case IOMMU_OPTION_OP_SET:
		return set_rlimit_mode(call, cmd->val64);
	}
	return unknown_op(call, cmd->op);
}

static int option_huge_pages(struct uapi_call *call, struct iommu_option *cmd)
{
	struct obj_ioas *ioas = obj_ioas_get(call->file->priv, cmd->object_id, call->why);
	int rc = 0;

	if (!ioas)
		return -ENOENT;
	if (cmd->op == IOMMU_OPTION_OP_GET)
		cmd->val64 = space_huge_pages(ioas->space);
	else if (cmd->op != IOMMU_OPTION_OP_SET)
		rc = unknown_op(call, cmd->op);
	else if (cmd->val64 > 1)
		rc = why_set(call->why, -EINVAL, "HUGE_PAGES is 0 or 1");
	else
		rc = space_set_huge_pages(ioas->space, cmd->val64, call->why);
	obj_put(&ioas->obj);
	return rc;
}

long iommu_option(struct uapi_call *call)
{
	struct iommu_option *cmd = call->cmd;
	int rc;

	if (cmd->__reserved)
		return why_set(call->why, -EOPNOTSUPP, "a reserved field is not 0");
	switch (cmd->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		rc = option_rlimit_mode(call, cmd);
		break;
	case IOMMU_OPTION_HUGE_PAGES:
		rc = option_huge_pages(call, cmd);
		break;
	default:
		rc = why_set(call->why, -EOPNOTSUPP, "unknown option %u", cmd->option_id);
	}
	if (rc)
		return rc;
	return uapi_copy_to(call, call->arg + offsetof(struct iommu_option, val64), &cmd->val64,
			    sizeof(cmd->val64));
}

static long vfio_ioas_get(struct uapi_call *call, struct iommu_vfio_ioas *cmd)
{
	struct obj_ctx *ctx = call->file->priv;

	pthread_mutex_lock(&ctx->ids_lock);
	cmd->ioas_id = ctx->compat ? ctx->compat->obj.id : 0;
	pthread_mutex_unlock(&ctx->ids_lock);
	if (!cmd->ioas_id)
		return why_set(call->why, -ENODEV, "no IOAS was chosen for VFIO type1 ioctls");
	return uapi_respond(call);
}

static long vfio_ioas_set(struct uapi_call *call, uint32_t id)
{
	struct obj_ctx *ctx = call->file->priv;
	struct obj_ioas *ioas = NULL;

	if (id) {
		ioas = obj_ioas_get(ctx, id, call->why);
		if (!ioas)
			return -ENOENT;
	}
	pthread_mutex_lock(&ctx->ids_lock);
	ctx->compat = ioas;
	pthread_mutex_unlock(&ctx->ids_lock);
	if (ioas)
		obj_put(&ioas->obj);
	return 0;
}

long iommu_vfio_ioas(struct uapi_call *call)
{
	struct iommu_vfio_ioas *cmd = call->cmd;

	if (cmd->__reserved)
		return why_set(call->why, -EOPNOTSUPP, "a reserved field is not 0");
	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		return vfio_ioas_get(call, cmd);
	case IOMMU_VFIO_IOAS_SET:
		if (!cmd->ioas_id)
			return why_set(call->why, -ENOENT, "no IOAS has id 0");
		return vfio_ioas_set(call, cmd->ioas_id);
	case IOMMU_VFIO_IOAS_CLEAR:
		return vfio_ioas_set(call, 0);
	}
	return unknown_op(call, cmd->op);
}
