/* SPDX-License-Identifier: MIT */
/* Page tables as objects: HWPT_ALLOC, HWPT_INVALIDATE, GET_HW_INFO. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

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
	struct obj_hwpt_request request = {.flags = cmd->flags};
	struct obj_hwpt *hwpt;
	int rc;

	if (!obj_peek(ctx, cmd->dev_id, OBJ_DEVICE))
		return why_set(call->why, -ENOENT, "no device has id %u", cmd->dev_id);
	if (pt && pt->type == OBJ_HWPT)
		return check_nested(call, cmd);
	if (!pt || pt->type != OBJ_IOAS)
		return why_set(call->why, -EINVAL, "pt_id %u is not an IOAS", cmd->pt_id);
	request.device = (struct obj_device *)obj_peek(ctx, cmd->dev_id, OBJ_DEVICE);
	rc = obj_hwpt_alloc_locked((struct obj_ioas *)pt, &request, &hwpt, call->why);
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

long iommu_hwpt_invalidate(struct uapi_call *call)
{
	return iommu_unsupported(call);
}
