/* SPDX-License-Identifier: MIT */
/* Page tables as objects: HWPT_ALLOC, HWPT_INVALIDATE, GET_HW_INFO. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "obj/obj.h"
#include "obj/viommu.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

/* Bounds of one INVALIDATE, so that a call cannot go on for ever. */
#define ENTRY_LEN_MAX 4096u
#define ENTRY_NR_MAX  (1u << 19)

/* On an IOAS. Linux 6.12 knows neither of these flags here. */
static int alloc_paging(struct uapi_call *call, struct obj_ioas *ioas,
			const struct obj_hwpt_request *request, struct obj_hwpt **out)
{
	uint32_t known = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING;

	if (!call->file->iommu->config.abi_6_12)
		known |= IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID;
	if (request->flags & ~known)
		return why_set(call->why, -EOPNOTSUPP, "unknown flags 0x%x",
			       request->flags & ~known);
	if (request->flags & IOMMU_HWPT_FAULT_ID_VALID &&
	    request->flags & IOMMU_HWPT_ALLOC_NEST_PARENT)
		return why_set(call->why, -EOPNOTSUPP,
			       "a page table to nest on takes no page requests");
	return obj_hwpt_alloc_locked(ioas, request, out, call->why);
}

static int alloc_locked(struct uapi_call *call, const struct iommu_hwpt_alloc *cmd,
			const struct kind_data *data, struct obj_hwpt **out)
{
	struct obj_ctx *ctx = call->file->priv;
	struct obj_hwpt_request request = {.flags = cmd->flags, .data = data};
	struct obj *dev = obj_peek(ctx, cmd->dev_id, OBJ_DEVICE), *pt;
	struct obj_viommu *viommu;

	if (!dev)
		return why_set(call->why, -ENOENT, "no device has id %u", cmd->dev_id);
	pt = obj_peek(ctx, cmd->pt_id, OBJ_ANY);
	if (!pt)
		return why_set(call->why, -EINVAL, "nothing has id %u (pt_id)", cmd->pt_id);
	request.device = (struct obj_device *)dev;
	switch (pt->type) {
	case OBJ_IOAS:
		return alloc_paging(call, (struct obj_ioas *)pt, &request, out);
	case OBJ_HWPT:
		return obj_nested_alloc_locked((struct obj_hwpt *)pt, NULL, &request, out,
					       call->why);
	case OBJ_VIOMMU:
		viommu = (struct obj_viommu *)pt;
		return obj_nested_alloc_locked(viommu->parent, viommu, &request, out, call->why);
	default:
		return why_set(call->why, -EINVAL,
			       "pt_id %u is a %s, not an IOAS, a page table on one or a viommu",
			       cmd->pt_id, obj_type_name(pt->type));
	}
}

/* The fault queue is looked for after the page table was made, as in Linux. */
static int finish_locked(struct uapi_call *call, struct iommu_hwpt_alloc *cmd,
			 struct obj_hwpt *hwpt)
{
	if (cmd->flags & IOMMU_HWPT_FAULT_ID_VALID) {
		struct obj *fault = obj_peek(call->file->priv, cmd->fault_id, OBJ_FAULT);

		if (!fault)
			return why_set(call->why, -ENOENT, "no fault queue has id %u",
				       cmd->fault_id);
		obj_hwpt_set_fault_locked(hwpt, (struct obj_fault *)fault);
	}
	cmd->out_hwpt_id = hwpt->obj.id;
	return uapi_respond(call);
}

static int hwpt_alloc_locked(struct uapi_call *call, struct iommu_hwpt_alloc *cmd)
{
	struct uapi_data data;
	struct obj_hwpt *hwpt;
	int rc;

	uapi_data_init(&data, call, cmd->data_type, cmd->data_uptr, cmd->data_len);
	rc = alloc_locked(call, cmd, cmd->data_len ? &data.data : NULL, &hwpt);
	if (rc)
		return rc;
	rc = finish_locked(call, cmd, hwpt);
	if (rc)
		obj_remove_locked(&hwpt->obj);
	else
		obj_finalize(&hwpt->obj);
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
	rc = hwpt_alloc_locked(call, cmd);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

/* Where the largest PASID is answered lay, in Linux 6.12, another reserved byte. */
static bool hw_info_known(struct uapi_call *call, const struct iommu_hw_info *cmd)
{
	bool old = call->file->iommu->config.abi_6_12;

	for (size_t i = 0; i < sizeof(cmd->__reserved); i++)
		if (cmd->__reserved[i])
			return false;
	if (old && cmd->out_max_pasid_log2)
		return false;
	return !(cmd->flags & ~(uint32_t)(old ? 0 : IOMMU_HW_INFO_FLAG_INPUT_TYPE));
}

static int hw_info_get(struct uapi_call *call, uint32_t dev_id, uint32_t type,
		       struct kind_hw_info *info)
{
	struct obj_ctx *ctx = call->file->priv;
	struct obj_device *device;
	int rc;

	pthread_mutex_lock(&ctx->lock);
	device = (struct obj_device *)obj_peek(ctx, dev_id, OBJ_DEVICE);
	if (device)
		rc = device->kind->ops->hw_info(device->kind, type, info, call->why);
	else
		rc = why_set(call->why, -ENOENT, "no device has id %u", dev_id);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

/* What the caller's buffer has beyond the data is zeroed; data_len says how much there is. */
long iommu_get_hw_info(struct uapi_call *call)
{
	struct iommu_hw_info *cmd = call->cmd;
	struct kind_hw_info info = {0};
	uint32_t type = IOMMU_HW_INFO_TYPE_DEFAULT, len;
	int rc;

	if (!hw_info_known(call, cmd))
		return why_set(call->why, -EOPNOTSUPP, "a flag or reserved field is not known");
	if (cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		type = cmd->in_data_type;
	rc = hw_info_get(call, cmd->dev_id, type, &info);
	if (rc)
		return rc;
	len = cmd->data_len < info.len ? cmd->data_len : info.len;
	rc = uapi_copy_to(call, cmd->data_uptr, info.data, len);
	if (!rc)
		rc = uapi_zero(call, cmd->data_uptr + len, cmd->data_len - len);
	if (rc)
		return rc;
	cmd->data_len = info.len;
	cmd->out_data_type = info.type;
	cmd->out_max_pasid_log2 = info.max_pasid_lg2;
	cmd->out_capabilities = info.capabilities;
	return uapi_respond(call);
}

static int invalidate_viommu(struct uapi_call *call, struct obj_viommu *viommu,
			     struct kind_array *array)
{
	if (!viommu->ops->invalidate)
		return why_set(call->why, -EOPNOTSUPP, "viommu %u has nothing to invalidate",
			       viommu->obj.id);
	return viommu->ops->invalidate(viommu, array, call->why);
}

static int invalidate_nested(struct uapi_call *call, struct obj_hwpt *hwpt,
			     struct kind_array *array)
{
	if (!hwpt->ops->nested_invalidate)
		return why_set(call->why, -EOPNOTSUPP, "page table %u has nothing to invalidate",
			       hwpt->obj.id);
	if (array->entry_nr)
		obj_hwpt_drain_locked(hwpt);
	return hwpt->ops->nested_invalidate(hwpt, array, call->why);
}

static int invalidate_locked(struct uapi_call *call, uint32_t id, struct kind_array *array)
{
	struct obj *obj = obj_peek(call->file->priv, id, OBJ_ANY);

	if (!obj)
		return why_set(call->why, -ENOENT, "no page table or viommu has id %u", id);
	if (obj->type == OBJ_VIOMMU)
		return invalidate_viommu(call, (struct obj_viommu *)obj, array);
	if (obj->type == OBJ_NESTED)
		return invalidate_nested(call, (struct obj_hwpt *)obj, array);
	return why_set(call->why, call->file->iommu->config.abi_6_12 ? -ENOENT : -EINVAL,
		       "id %u is a %s, not a nested page table or a viommu", id,
		       obj_type_name(obj->type));
}

static int invalidate(struct uapi_call *call, const struct iommu_hwpt_invalidate *cmd,
		      struct kind_array *array)
{
	struct obj_ctx *ctx = call->file->priv;
	int rc;

	if (cmd->__reserved)
		return why_set(call->why, -EOPNOTSUPP, "a reserved field is not 0");
	if (cmd->entry_num && (!cmd->data_uptr || !cmd->entry_len ||
			       cmd->entry_len > ENTRY_LEN_MAX || cmd->entry_num > ENTRY_NR_MAX))
		return why_set(call->why, -EINVAL, "no array of %u entries of %u bytes at 0x%llx",
			       cmd->entry_num, cmd->entry_len, (unsigned long long)cmd->data_uptr);
	pthread_mutex_lock(&ctx->lock);
	rc = invalidate_locked(call, cmd->hwpt_id, array);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

/* How far it came is answered on errors, too. */
long iommu_hwpt_invalidate(struct uapi_call *call)
{
	struct iommu_hwpt_invalidate *cmd = call->cmd;
	struct uapi_array array;
	int rc, answer;

	uapi_array_init(&array, call, cmd->data_type, cmd->data_uptr, cmd->entry_len,
			cmd->entry_num);
	rc = invalidate(call, cmd, &array.array);
	cmd->entry_num = array.array.done;
	answer = uapi_respond(call);
	return answer ? answer : rc;
}
