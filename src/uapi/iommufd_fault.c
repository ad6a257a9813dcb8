/* SPDX-License-Identifier: MIT */
/* FAULT_QUEUE_ALLOC: a queue of page requests, and the descriptor to read it by. */
#include <errno.h>
#include <stdio.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

static void notify(void *arg, bool ready)
{
	struct ioas_file *file = arg;

	if (file->caller->ops->file_ready)
		file->caller->ops->file_ready(file->caller, file, ready);
}

/* The file's release undoes it. NULL: no memory. */
static struct ioas_file *file_new(struct uapi_call *call, struct obj_fault *fault)
{
	struct ioas_node node = {.kind = IOAS_NODE_FAULT};
	struct obj *obj = obj_of_fault(fault);
	struct ioas_file *file;

	snprintf(node.path, sizeof(node.path), "anon_inode:[iommufd-pgfault]");
	file = uapi_file_new(call->file->iommu, call->caller, &node, &fault_file_ops);
	if (!file)
		return NULL;
	file->priv = fault;
	obj_ctx_get(obj->ctx);
	pthread_mutex_lock(&obj->ctx->lock);
	obj_user_add(obj);
	pthread_mutex_unlock(&obj->ctx->lock);
	obj_fault_watch(fault, notify, file);
	return file;
}

/*
 * An answer that cannot be written after the descriptor was given (another thread took the memory
 * away) leaves the descriptor to the program, and its queue with it.
 */
long iommu_fault_queue_alloc(struct uapi_call *call)
{
	struct iommu_fault_alloc *cmd = call->cmd;
	struct obj_fault *fault;
	struct ioas_file *file;
	int rc;

	if (cmd->flags)
		return why_set(call->why, -EOPNOTSUPP, "unknown flags 0x%x", cmd->flags);
	rc = obj_fault_alloc(call->file->priv, &fault);
	if (rc)
		return why_set(call->why, rc, "no memory for a fault queue");
	file = file_new(call, fault);
	if (!file) {
		obj_fault_abort(fault);
		return why_set(call->why, -ENOMEM, "no memory for a fault queue's file");
	}
	cmd->out_fault_id = obj_of_fault(fault)->id;
	cmd->out_fault_fd = UINT32_MAX;
	rc = uapi_file_answer(call, file, &cmd->out_fault_fd);
	if (cmd->out_fault_fd == UINT32_MAX)
		obj_fault_abort(fault);
	else
		obj_finalize(obj_of_fault(fault));
	return rc;
}
