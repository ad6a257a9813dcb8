/* SPDX-License-Identifier: MIT */
/* Memory of files, and who is charged for memory: IOAS_MAP_FILE, IOAS_CHANGE_PROCESS. */
#include <errno.h>
#include <stdlib.h>
#include <ioas/uapi/iommufd.h>
#include "mem/file.h"
#include "obj/obj.h"
#include "space/space.h"
#include "uapi/dmabuf_file.h"
#include "uapi/handlers.h"
#include "uapi/ioas_map.h"
#include "uapi/uapi.h"
#include "util/alloc.h"
#include "util/why.h"

/* One of ours that is no dma-buf is a file without memory, like any device node. */
static int file_of_ours(struct uapi_call *call, struct ioas_file *file, struct mem_file **out)
{
	int rc = uapi_dmabuf_memory(file, out);

	if (rc == -EINVAL)
		rc = mem_file_open(call->file->iommu->files, -1, out);
	ioas_file_put(file);
	return rc;
}

static int find_file(struct uapi_call *call, int fd, struct mem_file **out)
{
	struct ioas_caller *caller = call->caller;
	struct ioas_file *ours;
	int copy;

	if (!caller->ops->file_get(caller, fd, &ours))
		return file_of_ours(call, ours, out);
	copy = caller->ops->fd_get(caller, fd);
	if (copy < 0)
		return why_set(call->why, copy, "descriptor %d is not open", fd);
	return mem_file_open(call->file->iommu->files, copy, out);
}

static int check_range(struct uapi_call *call, uint64_t start, uint64_t len)
{
	if (!len)
		return why_set(call->why, -EINVAL, "length 0");
	if (start + (len - 1) < start)
		return why_set(call->why, -EOVERFLOW, "start + length wraps");
	return 0;
}

static int map_file(struct uapi_call *call, struct iommu_ioas_map_file *cmd,
		    struct ioas_space *space)
{
	iova_t iova = cmd->iova;
	struct mem_file *file;
	int rc = check_range(call, cmd->start, cmd->length);

	if (!rc)
		rc = find_file(call, cmd->fd, &file);
	if (rc)
		return rc;
	rc = space_map_file(space, call->caller, file, &iova, cmd->start, cmd->length,
			    ioas_map_flags(cmd->flags), call->why);
	mem_file_put(file);
	if (rc)
		return rc;
	cmd->iova = iova;
	return ioas_map_respond(call, space, iova, cmd->length);
}

/* Unlike MAP it has no reserved field. */
long iommu_ioas_map_file(struct uapi_call *call)
{
	struct iommu_ioas_map_file *cmd = call->cmd;
	struct obj_ioas *ioas;
	int rc = ioas_map_check(call, cmd->flags, cmd->iova, 0, cmd->length);

	if (rc)
		return rc;
	ioas = obj_ioas_get(call->file->priv, cmd->ioas_id, call->why);
	if (!ioas)
		return -ENOENT;
	rc = map_file(call, cmd, ioas->space);
	obj_put(&ioas->obj);
	return rc;
}

/* All address spaces of the context by rising id; valid while ctx->lock is held. */
static int all_spaces(struct obj_ctx *ctx, struct ioas_space ***out, size_t *nr)
{
	struct ioas_space **spaces;
	struct obj *obj;

	*nr = 0;
	pthread_mutex_lock(&ctx->ids_lock);
	spaces = alloc_zero((size_t)ctx->ids_nr + 1, sizeof(struct ioas_space *));
	for (uint32_t id = 0; spaces && (obj = ids_next(&ctx->ids, &id)); id++)
		if (obj->type == OBJ_IOAS)
			spaces[(*nr)++] = ((struct obj_ioas *)obj)->space;
	pthread_mutex_unlock(&ctx->ids_lock);
	*out = spaces;
	return spaces ? 0 : -ENOMEM;
}

long iommu_ioas_change_process(struct uapi_call *call)
{
	const struct iommu_ioas_change_process *cmd = call->cmd;
	struct obj_ctx *ctx = call->file->priv;
	struct ioas_space **spaces;
	size_t nr;
	int rc;

	if (cmd->__reserved)
		return why_set(call->why, -EOPNOTSUPP, "a reserved field is not 0");
	pthread_mutex_lock(&ctx->lock);
	rc = all_spaces(ctx, &spaces, &nr);
	if (!rc)
		rc = space_change_process(spaces, nr, call->caller, call->why);
	pthread_mutex_unlock(&ctx->lock);
	free(spaces);
	return rc;
}
