/* SPDX-License-Identifier: MIT */
/* /dev/iommu: the file, and the ioctls that are not about one IOAS. */
#include <errno.h>
#include <linux/capability.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "space/space.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

static int iommufd_open(struct ioas_file *file, struct ioas_why *why)
{
	struct obj_ctx *ctx;
	int rc = obj_ctx_new(file->iommu, &ctx);

	if (!rc)
		file->priv = ctx;
	return rc;
}

static void iommufd_release(struct ioas_file *file)
{
	obj_ctx_put(file->priv);
}

const struct uapi_file_ops iommufd_file_ops = {
	.open = iommufd_open,
	.release = iommufd_release,
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

/* Flags of Linux for abilities that the one page table kind here does not have. */
static int check_paging(struct uapi_call *call, const struct iommu_hwpt_alloc *cmd)
{
	if (cmd->flags & IOMMU_HWPT_ALLOC_NEST_PARENT)
		return why_set(call->why, -EOPNOTSUPP, "page tables cannot be nested on yet");
	if (cmd->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING)
		return why_set(call->why, -EOPNOTSUPP,
			       "dirty tracking is not offered "
			       "(IOMMU_GET_HW_INFO does not list it)");
	if (cmd->flags)
		return why_set(call->why, -EOPNOTSUPP, "flags 0x%x are not supported", cmd->flags);
	if (cmd->data_len)
		return why_set(call->why, -EOPNOTSUPP, "no page table here takes data of type %u",
			       cmd->data_type);
	return 0;
}

static int check_nested(struct uapi_call *call, const struct iommu_hwpt_alloc *cmd)
{
	if (cmd->flags & ~(IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID) || !cmd->data_len)
		return why_set(call->why, -EOPNOTSUPP,
			       "a nested page table takes data and no such flags");
	return why_set(call->why, -EINVAL, "page table %u cannot be nested on", cmd->pt_id);
}

static long hwpt_alloc_locked(struct uapi_call *call, struct obj_ctx *ctx,
			      struct iommu_hwpt_alloc *cmd)
{
	struct obj *pt = obj_peek(ctx, cmd->pt_id, OBJ_ANY);
	struct obj_hwpt *hwpt;
	int rc;

	if (!obj_peek(ctx, cmd->dev_id, OBJ_DEVICE))
		return why_set(call->why, -ENOENT, "no device has id %u", cmd->dev_id);
	if (pt && pt->type == OBJ_HWPT)
		return check_nested(call, cmd);
	if (!pt || pt->type != OBJ_IOAS)
		return why_set(call->why, -EINVAL, "pt_id %u is not an IOAS", cmd->pt_id);
	rc = check_paging(call, cmd);
	if (!rc)
		rc = obj_hwpt_alloc_locked((struct obj_ioas *)pt, false, &hwpt, call->why);
	if (rc)
		return rc;
	cmd->out_hwpt_id = hwpt->obj.id;
	obj_finalize(&hwpt->obj);
	rc = uapi_respond(call);
	if (rc)
		obj_remove_locked(&hwpt->obj);
	return rc;
}

long iommu_hwpt_alloc(struct uapi_call *call)
{
	struct obj_ctx *ctx = call->file->priv;
	struct iommu_hwpt_alloc *cmd = call->cmd;
	long rc;

	if (cmd->__reserved)
		return why_set(call->why, -EOPNOTSUPP, "a reserved field is not 0");
	if (!cmd->data_type != !cmd->data_len)
		return why_set(call->why, -EINVAL, "data_type and data_len go together");
	pthread_mutex_lock(&ctx->lock);
	rc = hwpt_alloc_locked(call, ctx, cmd);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

static bool hw_info_known(const struct iommu_hw_info *cmd)
{
	for (size_t i = 0; i < sizeof(cmd->__reserved); i++)
		if (cmd->__reserved[i])
			return false;
	return !(cmd->flags & ~IOMMU_HW_INFO_FLAG_INPUT_TYPE);
}

long iommu_get_hw_info(struct uapi_call *call)
{
	struct iommu_hw_info *cmd = call->cmd;
	struct obj *dev;
	int rc;

	if (!hw_info_known(cmd))
		return why_set(call->why, -EOPNOTSUPP, "a flag or reserved field is not known");
	dev = obj_get(call->file->priv, cmd->dev_id, OBJ_DEVICE);
	if (!dev)
		return why_set(call->why, -ENOENT, "no device has id %u", cmd->dev_id);
	obj_put(dev);
	if (cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE && cmd->in_data_type)
		return why_set(call->why, -EOPNOTSUPP, "this IOMMU has no data of type %u",
			       cmd->in_data_type);
	rc = uapi_zero(call, cmd->data_uptr, cmd->data_len);
	if (rc)
		return rc;
	cmd->data_len = 0;
	cmd->out_data_type = IOMMU_HW_INFO_TYPE_NONE;
	cmd->out_max_pasid_log2 = 0;
	cmd->out_capabilities = 0;
	return uapi_respond(call);
}
