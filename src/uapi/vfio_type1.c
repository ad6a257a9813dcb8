/* SPDX-License-Identifier: MIT */
/* Type1's three ioctls: what can be mapped, MAP_DMA and UNMAP_DMA. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/uapi/vfio.h>
#include "space/space.h"
#include "uapi/handlers.h"
#include "uapi/type1.h"
#include "util/alloc.h"
#include "util/why.h"
#include "vfio/vfio.h"

/* Capabilities follow the struct: how many mappings are left, then the ranges, each 8-aligned. */
#define AVAIL_LEN ((sizeof(struct vfio_iommu_type1_info_dma_avail) + 7) & ~7ul)

struct caps {
	struct ioas_range *ranges;
	size_t ranges_nr;
	uint32_t len; /* of all capabilities */
	uint32_t avail;
	uint64_t pgsizes;
};

static int caps_get(struct type1 *type1, struct caps *out)
{
	size_t cap = 0;

	*out = (struct caps){.avail = (uint32_t)type1->avail, .pgsizes = type1->pgsizes};
	while ((out->ranges_nr = ioas_space_ranges(type1->space, out->ranges, cap)) > cap) {
		cap = out->ranges_nr;
		free(out->ranges);
		out->ranges = alloc_zero(cap, sizeof(*out->ranges));
		if (!out->ranges)
			return -ENOMEM;
	}
	out->len = (uint32_t)(AVAIL_LEN + sizeof(struct vfio_iommu_type1_info_cap_iova_range) +
			      out->ranges_nr * sizeof(struct vfio_iova_range));
	return 0;
}

static int caps_write(struct uapi_call *call, const struct caps *caps)
{
	uint32_t at = sizeof(struct vfio_iommu_type1_info);
	union {
		struct vfio_iommu_type1_info_dma_avail cap;
		char bytes[AVAIL_LEN];
	} avail = {
		.cap = {.header = {.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
				   .version = 1,
				   .next = at + AVAIL_LEN},
			.avail = caps->avail},
	};
	struct vfio_iommu_type1_info_cap_iova_range ranges = {
		.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1},
		.nr_iovas = (uint32_t)caps->ranges_nr,
	};
	int rc = uapi_copy_to(call, call->arg + at, &avail, sizeof(avail));

	_Static_assert(sizeof(struct vfio_iova_range) == sizeof(struct ioas_range), "same layout");
	at += sizeof(avail);
	if (!rc)
		rc = uapi_copy_to(call, call->arg + at, &ranges, sizeof(ranges));
	at += sizeof(ranges);
	if (!rc)
		rc = uapi_copy_to(call, call->arg + at, caps->ranges,
				  caps->ranges_nr * sizeof(*caps->ranges));
	return rc;
}

long vfio_iommu_get_info(struct uapi_call *call)
{
	struct vfio_iommu_type1_info *info = call->cmd;
	struct type1 type1;
	struct caps caps;
	uint32_t total;
	bool compat;
	int rc = type1_enter(call, &type1);

	if (rc)
		return rc;
	compat = type1.ioas;
	rc = caps_get(&type1, &caps);
	type1_leave(&type1);
	total = sizeof(*info) + caps.len;
	info->flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info->iova_pgsizes = caps.pgsizes;
	if (!rc && call->user_size >= total) {
		rc = caps_write(call, &caps);
		info->cap_offset = sizeof(*info);
	}
	free(caps.ranges);
	if (rc)
		return rc;
	if (compat || call->user_size < total)
		info->argsz = total;
	return uapi_respond(call);
}

#define MAP_FLAGS (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static int check_range(struct uapi_call *call, uint64_t start, uint64_t len, const char *what)
{
	if (!len)
		return why_set(call->why, -EINVAL, "size 0");
	if (start + (len - 1) < start)
		return why_set(call->why, -EOVERFLOW, "%s + size wraps", what);
	return 0;
}

/*
 * A container looks for an overlap, then for room, and only then whether the range can be mapped;
 * an IOAS has all its checks in one place.
 */
static int check_map(struct uapi_call *call, struct type1 *type1,
		     const struct vfio_iommu_type1_dma_map *map)
{
	struct space_area_info area;

	int rc;

	if (type1->ioas)
		return 0;
	rc = check_range(call, map->iova, map->size, "iova");
	if (!rc)
		rc = check_range(call, map->vaddr, map->size, "vaddr");
	if (rc)
		return rc;
	if (!map->flags)
		return why_set(call->why, -EINVAL, "neither READ nor WRITE");
	if ((map->size | map->iova | map->vaddr) & (ioas_space_alignment(type1->space) - 1))
		return why_set(call->why, -EINVAL, "iova, vaddr or size is not page aligned");
	if (!space_area_at_or_after(type1->space, map->iova, &area) &&
	    area.range.first <= map->iova + (map->size - 1))
		return why_set(call->why, -EEXIST, "overlaps the mapping at 0x%llx",
			       (unsigned long long)area.range.first);
	if (!type1->avail)
		return why_set(call->why, -ENOSPC, "the container has its %u mappings",
			       VFIO_CONTAINER_ENTRIES);
	return 0;
}

static uint32_t space_flags(uint32_t flags)
{
	return IOAS_MAP_FIXED | (flags & VFIO_DMA_MAP_FLAG_READ ? IOAS_MAP_READ : 0u) |
	       (flags & VFIO_DMA_MAP_FLAG_WRITE ? IOAS_MAP_WRITE : 0u);
}

long vfio_iommu_map_dma(struct uapi_call *call)
{
	const struct vfio_iommu_type1_dma_map *map = call->cmd;
	struct type1 type1;
	iova_t iova = map->iova;
	int rc;

	if (map->flags & ~MAP_FLAGS)
		return why_set(call->why, -EINVAL, "flags 0x%x are not supported", map->flags);
	rc = type1_enter(call, &type1);
	if (rc)
		return rc;
	rc = check_map(call, &type1, map);
	if (!rc)
		rc = ioas_space_map(type1.space, call->caller, &iova, map->vaddr, map->size,
				    space_flags(map->flags), call->why);
	type1_leave(&type1);
	return rc;
}

/*
 * TYPE1v2: a range that cuts a mapping is refused. TYPE1: a range that begins inside one unmaps
 * nothing, one that ends inside another takes it whole.
 */
static int widen(struct uapi_call *call, struct type1 *type1, uint64_t first, uint64_t *last)
{
	struct space_area_info area;

	if (!space_area_at_or_after(type1->space, first, &area) && area.range.first < first) {
		if (type1->v2)
			return why_set(call->why, -EINVAL, "the mapping at 0x%llx would be cut",
				       (unsigned long long)area.range.first);
		return 1;
	}
	if (!space_area_at_or_after(type1->space, *last, &area) && area.range.first <= *last &&
	    area.range.last > *last) {
		if (type1->v2)
			return why_set(call->why, -EINVAL, "the mapping at 0x%llx would be cut",
				       (unsigned long long)area.range.first);
		*last = area.range.last;
	}
	return 0;
}

/* On /dev/iommu TYPE1 can unmap any page: where leaves are small, mappings are cut first. */
static int cut_ends(struct uapi_call *call, struct type1 *type1,
		    const struct vfio_iommu_type1_dma_unmap *cmd)
{
	int rc;

	if (!type1->ioas || cmd->flags & VFIO_DMA_UNMAP_FLAG_ALL)
		return 0;
	rc = space_cut(type1->space, cmd->iova + (cmd->size - 1), call->why);
	return !rc && cmd->iova ? space_cut(type1->space, cmd->iova - 1, call->why) : rc;
}

static int unmap_range(struct uapi_call *call, struct type1 *type1, uint64_t first, uint64_t last,
		       uint64_t *unmapped)
{
	int rc = 0;

	if (!type1->ioas)
		rc = widen(call, type1, first, &last);
	if (rc)
		return rc < 0 ? rc : 0;
	if (!space_maps_any(type1->space, first, last))
		return 0;
	return ioas_space_unmap(type1->space, first, last, unmapped, call->why);
}

static int check_unmap(struct uapi_call *call, const struct type1 *type1,
		       const struct vfio_iommu_type1_dma_unmap *cmd)
{
	uint64_t mask = ioas_space_alignment(type1->space) - 1;

	if (cmd->flags & VFIO_DMA_UNMAP_FLAG_ALL)
		return 0;
	if (!type1->ioas && (cmd->iova | cmd->size) & mask)
		return why_set(call->why, -EINVAL, "iova or size is not page aligned");
	return check_range(call, cmd->iova, cmd->size, "iova");
}

long vfio_iommu_unmap_dma(struct uapi_call *call)
{
	struct vfio_iommu_type1_dma_unmap *cmd = call->cmd;
	bool all = cmd->flags & VFIO_DMA_UNMAP_FLAG_ALL;
	uint64_t unmapped = 0;
	struct type1 type1;
	bool compat;
	int rc, cut, written;

	if (cmd->flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
		return why_set(call->why, -EINVAL, "flags 0x%x are not supported", cmd->flags);
	rc = type1_enter(call, &type1);
	if (rc)
		return rc;
	compat = type1.ioas;
	if (all && (cmd->iova || cmd->size)) {
		type1_leave(&type1);
		return why_set(call->why, -EINVAL, "UNMAP_ALL with an iova or size");
	}
	rc = check_unmap(call, &type1, cmd);
	cut = rc ? 0 : cut_ends(call, &type1, cmd);
	if (!rc && !cut)
		rc = unmap_range(call, &type1, all ? 0 : cmd->iova,
				 all ? UINT64_MAX : cmd->iova + cmd->size - 1, &unmapped);
	type1_leave(&type1);
	if (cut || (rc && !compat))
		return cut ? cut : rc;
	cmd->size = unmapped;
	written = uapi_respond_len(call, call->op->min);
	return rc ? rc : written;
}
