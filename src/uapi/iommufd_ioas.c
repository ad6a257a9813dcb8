/* SPDX-License-Identifier: MIT */
/* The ioctls of /dev/iommu that are about an IOAS. */
#include <errno.h>
#include <stdlib.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "uapi/handlers.h"
#include "uapi/ioas_map.h"
#include "uapi/uapi.h"
#include "util/alloc.h"
#include "util/why.h"

#define MAP_FLAGS (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)

static int reserved_set(struct uapi_call *call)
{
	return why_set(call->why, -EOPNOTSUPP, "a reserved field is not 0");
}

long iommu_ioas_alloc(struct uapi_call *call)
{
	struct obj_ctx *ctx = call->file->priv;
	struct iommu_ioas_alloc *cmd = call->cmd;
	struct obj_ioas *ioas;
	int rc;

	if (cmd->flags)
		return why_set(call->why, -EOPNOTSUPP, "unknown flags 0x%x", cmd->flags);
	rc = obj_ioas_alloc(ctx, &ioas);
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

/* Reads the caller's array in pieces, so that a lie about its length costs no memory. */
static int copy_ranges(struct uapi_call *call, uint64_t va, uint32_t nr, struct ioas_range **out)
{
	struct ioas_range *ranges = NULL;
	size_t cap = 0;

	_Static_assert(sizeof(struct ioas_range) == sizeof(struct iommu_iova_range), "same layout");
	for (uint32_t done = 0; done < nr; done = (uint32_t)cap) {
		size_t want = cap ? cap * 2 : 64;
		struct ioas_range *grown;
		int rc;

		if (want > nr)
			want = nr;
		grown = alloc_resize(ranges, want * sizeof(*ranges));
		rc = grown ? 0 : -ENOMEM;
		if (grown)
			ranges = grown;
		if (!rc)
			rc = uapi_copy_from(call, ranges + cap, va + cap * sizeof(*ranges),
					    (want - cap) * sizeof(*ranges));
		if (rc) {
			free(ranges);
			return rc;
		}
		cap = want;
	}
	*out = ranges;
	return 0;
}

long iommu_ioas_allow_iovas(struct uapi_call *call)
{
	const struct iommu_ioas_allow_iovas *cmd = call->cmd;
	struct ioas_range *ranges = NULL;
	struct obj_ioas *ioas;
	int rc;

	if (cmd->__reserved)
		return reserved_set(call);
	ioas = obj_ioas_get(call->file->priv, cmd->ioas_id, call->why);
	if (!ioas)
		return -ENOENT;
	rc = copy_ranges(call, cmd->allowed_iovas, cmd->num_iovas, &ranges);
	if (!rc)
		rc = ioas_space_allow(ioas->space, ranges, cmd->num_iovas, call->why);
	free(ranges);
	obj_put(&ioas->obj);
	return rc;
}

/* All ranges of the space at one moment: grows until they fit. */
static int all_ranges(struct ioas_space *space, struct ioas_range **out, size_t *nr)
{
	struct ioas_range *ranges = NULL;
	size_t cap = 0;

	for (;;) {
		*nr = ioas_space_ranges(space, ranges, cap);
		if (*nr <= cap)
			break;
		cap = *nr;
		free(ranges);
		ranges = alloc_zero(cap, sizeof(*ranges));
		if (!ranges)
			return -ENOMEM;
	}
	*out = ranges;
	return 0;
}

long iommu_ioas_iova_ranges(struct uapi_call *call)
{
	struct iommu_ioas_iova_ranges *cmd = call->cmd;
	uint32_t max = cmd->num_iovas;
	struct ioas_range *ranges = NULL;
	struct obj_ioas *ioas;
	size_t nr = 0;
	int rc;

	if (cmd->__reserved)
		return reserved_set(call);
	ioas = obj_ioas_get(call->file->priv, cmd->ioas_id, call->why);
	if (!ioas)
		return -ENOENT;
	rc = all_ranges(ioas->space, &ranges, &nr);
	cmd->out_iova_alignment = ioas_space_alignment(ioas->space);
	obj_put(&ioas->obj);
	if (!rc)
		rc = uapi_copy_to(call, cmd->allowed_iovas, ranges,
				  (nr < max ? nr : max) * sizeof(*ranges));
	free(ranges);
	if (rc)
		return rc;
	cmd->num_iovas = (uint32_t)nr;
	rc = uapi_respond(call);
	if (!rc && nr > max)
		rc = why_set(call->why, -EMSGSIZE, "there are %zu ranges, room for %u", nr, max);
	return rc;
}

int ioas_map_check(struct uapi_call *call, uint32_t flags, uint64_t iova, uint64_t iova2,
		   uint64_t len)
{
	if (flags & ~MAP_FLAGS)
		return why_set(call->why, -EOPNOTSUPP, "unknown flags 0x%x", flags & ~MAP_FLAGS);
	if (iova == UINT64_MAX || iova2 == UINT64_MAX || len == UINT64_MAX)
		return why_set(call->why, -EOVERFLOW, "an address or length is 2^64-1");
	if (!(flags & (IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)))
		return why_set(call->why, -EINVAL, "neither READABLE nor WRITEABLE");
	return 0;
}

uint32_t ioas_map_flags(uint32_t flags)
{
	return (flags & IOMMU_IOAS_MAP_FIXED_IOVA ? IOAS_MAP_FIXED : 0u) |
	       (flags & IOMMU_IOAS_MAP_WRITEABLE ? IOAS_MAP_WRITE : 0u) |
	       (flags & IOMMU_IOAS_MAP_READABLE ? IOAS_MAP_READ : 0u);
}

int ioas_map_respond(struct uapi_call *call, struct ioas_space *space, iova_t iova, uint64_t len)
{
	uint64_t unmapped;
	int rc = uapi_respond(call);

	if (rc)
		ioas_space_unmap(space, iova, iova + len - 1, &unmapped, NULL);
	return rc;
}

long iommu_ioas_map(struct uapi_call *call)
{
	struct iommu_ioas_map *cmd = call->cmd;
	iova_t iova = cmd->iova;
	struct obj_ioas *ioas;
	int rc;

	if (cmd->__reserved)
		return reserved_set(call);
	rc = ioas_map_check(call, cmd->flags, cmd->iova, 0, cmd->length);
	if (rc)
		return rc;
	ioas = obj_ioas_get(call->file->priv, cmd->ioas_id, call->why);
	if (!ioas)
		return -ENOENT;
	rc = ioas_space_map(ioas->space, call->caller, &iova, cmd->user_va, cmd->length,
			    ioas_map_flags(cmd->flags), call->why);
	if (!rc) {
		cmd->iova = iova;
		rc = ioas_map_respond(call, ioas->space, iova, cmd->length);
	}
	obj_put(&ioas->obj);
	return rc;
}

static int check_len(struct uapi_call *call, uint64_t iova, uint64_t len)
{
	if (!len)
		return why_set(call->why, -EINVAL, "length 0");
	if (iova + (len - 1) < iova)
		return why_set(call->why, -EOVERFLOW, "iova + length wraps");
	return 0;
}

static int copy_locked(struct uapi_call *call, struct iommu_ioas_copy *cmd, struct obj_ioas *src)
{
	struct obj_ioas *dst;
	iova_t iova = cmd->dst_iova;
	int rc = check_len(call, cmd->src_iova, cmd->length);

	if (rc)
		return rc;
	dst = obj_ioas_get(call->file->priv, cmd->dst_ioas_id, call->why);
	if (!dst)
		return -ENOENT;
	rc = ioas_space_copy(dst->space, &iova, src->space, cmd->src_iova, cmd->length,
			     ioas_map_flags(cmd->flags), call->why);
	if (!rc) {
		cmd->dst_iova = iova;
		rc = ioas_map_respond(call, dst->space, iova, cmd->length);
	}
	obj_put(&dst->obj);
	return rc;
}

long iommu_ioas_copy(struct uapi_call *call)
{
	struct iommu_ioas_copy *cmd = call->cmd;
	struct obj_ioas *src;
	int rc = ioas_map_check(call, cmd->flags, cmd->src_iova, cmd->dst_iova, cmd->length);

	if (rc)
		return rc;
	src = obj_ioas_get(call->file->priv, cmd->src_ioas_id, call->why);
	if (!src)
		return -ENOENT;
	rc = copy_locked(call, cmd, src);
	obj_put(&src->obj);
	return rc;
}

long iommu_ioas_unmap(struct uapi_call *call)
{
	struct iommu_ioas_unmap *cmd = call->cmd;
	bool all = !cmd->iova && cmd->length == UINT64_MAX;
	struct obj_ioas *ioas;
	uint64_t unmapped = 0;
	int rc = 0;

	ioas = obj_ioas_get(call->file->priv, cmd->ioas_id, call->why);
	if (!ioas)
		return -ENOENT;
	if (!all && (cmd->iova == UINT64_MAX || cmd->length == UINT64_MAX))
		rc = why_set(call->why, -EOVERFLOW, "an address or length is 2^64-1");
	else if (!all)
		rc = check_len(call, cmd->iova, cmd->length);
	if (!rc)
		rc = ioas_space_unmap(ioas->space, cmd->iova,
				      all ? UINT64_MAX : cmd->iova + cmd->length - 1, &unmapped,
				      call->why);
	obj_put(&ioas->obj);
	if (rc)
		return rc;
	cmd->length = unmapped;
	return uapi_respond(call);
}
