/* SPDX-License-Identifier: MIT */
/* IOASes nested in software: IOAS_NEST_ALLOC, IOAS_NEST_MAP, IOAS_NEST_INFO. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi_ext.h>
#include "obj/obj.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

static int check(struct uapi_call *call, uint32_t flags, uint32_t reserved)
{
	if (call->file->ops != &iommufd_file_ops)
		return why_set(call->why, -ENOTTY, "only /dev/iommu has this ioctl");
	if (flags || reserved)
		return why_set(call->why, -EOPNOTSUPP,
			       "unknown flags 0x%x, or a reserved field is not 0", flags);
	return 0;
}

static int alloc_locked(struct uapi_call *call, struct ioas_nest_alloc *cmd)
{
	struct obj_ctx *ctx = call->file->priv;
	struct obj *parent = obj_peek(ctx, cmd->ioas_id, OBJ_IOAS);
	struct obj_ioas *ioas;
	int rc;

	if (!parent)
		return why_set(call->why, -ENOENT, "no IOAS has id %u", cmd->ioas_id);
	rc = obj_ioas_alloc_nested_locked((struct obj_ioas *)parent, &ioas, call->why);
	if (rc)
		return rc;
	cmd->out_ioas_id = ioas->obj.id;
	rc = uapi_respond(call);
	if (rc)
		obj_ioas_abort(ioas);
	else
		obj_finalize(&ioas->obj);
	return rc;
}

long ioas_nest_alloc(struct uapi_call *call)
{
	struct ioas_nest_alloc *cmd = call->cmd;
	struct obj_ctx *ctx = call->file->priv;
	long rc = check(call, cmd->flags, 0);

	if (rc)
		return rc;
	pthread_mutex_lock(&ctx->lock);
	rc = alloc_locked(call, cmd);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

long ioas_nest_map(struct uapi_call *call)
{
	const struct ioas_nest_map *cmd = call->cmd;
	uint32_t known = IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE;
	struct obj_ioas *ioas;
	long rc = check(call, cmd->flags & ~known, cmd->__reserved);

	if (rc)
		return rc;
	ioas = obj_ioas_get(call->file->priv, cmd->ioas_id, call->why);
	if (!ioas)
		return -ENOENT;
	rc = ioas_space_nest_map(
		ioas->space, cmd->iova, cmd->parent_iova, cmd->length,
		(cmd->flags & IOMMU_IOAS_MAP_READABLE ? IOAS_MAP_READ : 0u) |
			(cmd->flags & IOMMU_IOAS_MAP_WRITEABLE ? IOAS_MAP_WRITE : 0u),
		call->why);
	obj_put(&ioas->obj);
	return rc;
}

long ioas_nest_info(struct uapi_call *call)
{
	struct ioas_nest_info_cmd *cmd = call->cmd;
	struct ioas_nest_info info;
	struct obj_ioas *ioas;
	long rc = check(call, cmd->flags, cmd->__reserved);

	if (rc)
		return rc;
	ioas = obj_ioas_get(call->file->priv, cmd->ioas_id, call->why);
	if (!ioas)
		return -ENOENT;
	rc = ioas_space_nest_info(ioas->space, &info);
	obj_put(&ioas->obj);
	if (rc)
		return why_set(call->why, (int)rc, "IOAS %u is not nested", cmd->ioas_id);
	cmd->out_maps = info.maps;
	cmd->out_length = info.len;
	cmd->out_shown_length = info.shown_len;
	return uapi_respond(call);
}
