/* SPDX-License-Identifier: MIT */
/* What a guest has of an IOMMU: VIOMMU_ALLOC, VDEVICE_ALLOC, VEVENTQ_ALLOC, HW_QUEUE_ALLOC. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <ioas/uapi/iommufd.h>
#include "obj/viommu.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

/* Unread events of one queue. */
#define DEPTH_MAX (1u << 19)

/* These look an id up, with ctx->lock held; NULL has filled why. */
static struct obj_device *find_device(struct uapi_call *call, uint32_t id)
{
	struct obj *obj = obj_peek(call->file->priv, id, OBJ_DEVICE);

	if (!obj)
		why_set(call->why, -ENOENT, "no device has id %u", id);
	return (struct obj_device *)obj;
}

static struct obj_viommu *find_viommu(struct uapi_call *call, uint32_t id)
{
	struct obj *obj = obj_peek(call->file->priv, id, OBJ_VIOMMU);

	if (!obj)
		why_set(call->why, -ENOENT, "no viommu has id %u", id);
	return (struct obj_viommu *)obj;
}

/* Answers with the id of an object, which then can be found, or goes again. ctx->lock held. */
static int publish(struct uapi_call *call, struct obj *obj, uint32_t *out_id)
{
	int rc;

	*out_id = obj->id;
	rc = uapi_respond(call);
	if (rc)
		obj_remove_locked(obj);
	else
		obj_finalize(obj);
	return rc;
}

static int viommu_alloc_locked(struct uapi_call *call, struct iommu_viommu_alloc *cmd)
{
	struct obj_device *device = find_device(call, cmd->dev_id);
	const struct kind_viommu_ops *ops;
	const struct kind_ops *kind_ops;
	struct obj_viommu *viommu;
	struct uapi_data data;
	struct obj *parent;
	int rc;

	if (!device)
		return -ENOENT;
	kind_ops = device->kind->ops;
	ops = kind_ops->viommu ? kind_ops->viommu(device->kind, cmd->type) : NULL;
	if (!ops)
		return why_set(call->why, -EOPNOTSUPP,
			       "the device's IOMMU (%s) has no viommus of type 0x%x",
			       kind_ops->name, cmd->type);
	parent = obj_peek(call->file->priv, cmd->hwpt_id, OBJ_HWPT);
	if (!parent)
		return why_set(call->why, -ENOENT, "no page table on an IOAS has id %u",
			       cmd->hwpt_id);
	uapi_data_init(&data, call, cmd->type, cmd->data_uptr, cmd->data_len);
	rc = obj_viommu_alloc_locked(device->kind, ops, cmd->type, (struct obj_hwpt *)parent,
				     cmd->data_len ? &data.data : NULL, &viommu, call->why);
	return rc ? rc : publish(call, &viommu->obj, &cmd->out_viommu_id);
}

long iommu_viommu_alloc(struct uapi_call *call)
{
	struct iommu_viommu_alloc *cmd = call->cmd;
	struct obj_ctx *ctx = call->file->priv;
	long rc;

	if (cmd->flags || cmd->type == IOMMU_VIOMMU_TYPE_DEFAULT)
		return why_set(call->why, -EOPNOTSUPP, "a viommu has a type and no flags");
	pthread_mutex_lock(&ctx->lock);
	rc = viommu_alloc_locked(call, cmd);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

static int vdevice_alloc_locked(struct uapi_call *call, struct iommu_vdevice_alloc *cmd)
{
	struct obj_viommu *viommu = find_viommu(call, cmd->viommu_id);
	struct obj_device *device = viommu ? find_device(call, cmd->dev_id) : NULL;
	struct obj_vdevice *vdevice;
	int rc;

	if (!device)
		return -ENOENT;
	rc = obj_vdevice_alloc_locked(viommu, device, cmd->virt_id, &vdevice, call->why);
	return rc ? rc : publish(call, &vdevice->obj, &cmd->out_vdevice_id);
}

long iommu_vdevice_alloc(struct uapi_call *call)
{
	struct obj_ctx *ctx = call->file->priv;
	long rc;

	pthread_mutex_lock(&ctx->lock);
	rc = vdevice_alloc_locked(call, call->cmd);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

static void notify(void *arg, bool ready)
{
	struct ioas_file *file = arg;

	if (file->caller->ops->file_ready)
		file->caller->ops->file_ready(file->caller, file, ready);
}

/* A user of the queue, which its release ends. NULL: no memory. ctx->lock held. */
static struct ioas_file *veventq_file_new(struct uapi_call *call, struct obj_veventq *veventq)
{
	struct ioas_node node = {.kind = IOAS_NODE_VEVENTQ};
	struct obj *obj = obj_of_veventq(veventq);
	struct ioas_file *file;

	snprintf(node.path, sizeof(node.path), "anon_inode:[iommufd-viommu-event]");
	file = uapi_file_new(call->file->iommu, call->caller, &node, &veventq_file_ops);
	if (!file)
		return NULL;
	file->priv = veventq;
	obj_ctx_get(obj->ctx);
	obj_user_add(obj);
	obj_veventq_watch(veventq, notify, file);
	return file;
}

static int veventq_alloc_locked(struct uapi_call *call, const struct iommu_veventq_alloc *cmd,
				struct obj_veventq **veventq, struct ioas_file **file)
{
	struct obj_viommu *viommu = find_viommu(call, cmd->viommu_id);
	int rc;

	if (!viommu)
		return -ENOENT;
	rc = obj_veventq_alloc_locked(viommu, cmd->type, cmd->veventq_depth, veventq, call->why);
	if (rc)
		return rc;
	*file = veventq_file_new(call, *veventq);
	if (*file)
		return 0;
	obj_remove_locked(obj_of_veventq(*veventq));
	return why_set(call->why, -ENOMEM, "no memory for the file of a queue of events");
}

/*
 * The descriptor is given without the lock: until then nobody finds the queue but its viommu. An
 * answer that cannot be written after that leaves both to the program.
 */
static int veventq_alloc(struct uapi_call *call, struct iommu_veventq_alloc *cmd)
{
	struct obj_ctx *ctx = call->file->priv;
	struct obj_veventq *veventq;
	struct ioas_file *file;
	int rc;

	pthread_mutex_lock(&ctx->lock);
	rc = veventq_alloc_locked(call, cmd, &veventq, &file);
	pthread_mutex_unlock(&ctx->lock);
	if (rc)
		return rc;
	cmd->out_veventq_id = obj_of_veventq(veventq)->id;
	cmd->out_veventq_fd = UINT32_MAX;
	rc = uapi_file_answer(call, file, &cmd->out_veventq_fd);
	pthread_mutex_lock(&ctx->lock);
	if (cmd->out_veventq_fd == UINT32_MAX)
		obj_remove_locked(obj_of_veventq(veventq));
	else
		obj_finalize(obj_of_veventq(veventq));
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

long iommu_veventq_alloc(struct uapi_call *call)
{
	struct iommu_veventq_alloc *cmd = call->cmd;

	if (cmd->flags || cmd->__reserved || cmd->type == IOMMU_VEVENTQ_TYPE_DEFAULT)
		return why_set(call->why, -EOPNOTSUPP,
			       "a queue of events has a type, no flags, and its reserved field 0");
	if (!cmd->veventq_depth || cmd->veventq_depth > DEPTH_MAX)
		return why_set(call->why, -EINVAL, "a queue holds 1 to %u events, not %u",
			       DEPTH_MAX, cmd->veventq_depth);
	return veventq_alloc(call, cmd);
}

static int hw_queue_alloc_locked(struct uapi_call *call, struct iommu_hw_queue_alloc *cmd)
{
	struct obj_viommu *viommu = find_viommu(call, cmd->viommu_id);
	struct obj_hw_queue *queue;
	int rc;

	if (!viommu)
		return -ENOENT;
	rc = obj_hw_queue_alloc_locked(viommu, cmd->type, cmd->index, cmd->nesting_parent_iova,
				       cmd->length, &queue, call->why);
	return rc ? rc : publish(call, &queue->obj, &cmd->out_hw_queue_id);
}

long iommu_hw_queue_alloc(struct uapi_call *call)
{
	struct iommu_hw_queue_alloc *cmd = call->cmd;
	struct obj_ctx *ctx = call->file->priv;
	long rc;

	if (cmd->flags || cmd->type == IOMMU_HW_QUEUE_TYPE_DEFAULT)
		return why_set(call->why, -EOPNOTSUPP, "a hardware queue has a type and no flags");
	if (!cmd->length)
		return why_set(call->why, -EINVAL, "length 0");
	if (cmd->nesting_parent_iova + (cmd->length - 1) < cmd->nesting_parent_iova)
		return why_set(call->why, -EOVERFLOW, "%#" PRIx64 " + %#" PRIx64 " wraps",
			       (uint64_t)cmd->nesting_parent_iova, (uint64_t)cmd->length);
	pthread_mutex_lock(&ctx->lock);
	rc = hw_queue_alloc_locked(call, cmd);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}
