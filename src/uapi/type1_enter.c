/* SPDX-License-Identifier: MIT */
/* Which address space a type1 ioctl acts on, and what is special of type1 on /dev/iommu. */
#include <errno.h>
#include <ioas/uapi/vfio.h>
#include "space/space.h"
#include "uapi/type1.h"
#include "util/lock.h"
#include "util/why.h"
#include "vfio/vfio.h"

static struct obj_ioas *compat_get(struct obj_ctx *ctx)
{
	uint32_t id = type1_compat_id(ctx);

	return id ? obj_ioas_get(ctx, id, NULL) : NULL;
}

static int no_compat(struct uapi_call *call)
{
	return why_set(call->why, -ENODEV,
		       "no IOAS was chosen for VFIO type1 ioctls (IOMMU_VFIO_IOAS)");
}

static int enter_compat(struct uapi_call *call, struct type1 *out)
{
	struct obj_ioas *ioas = compat_get(call->file->priv);

	if (!ioas)
		return no_compat(call);
	*out = (struct type1){
		.space = ioas->space,
		.v2 = true,
		.pgsizes = ~(ioas_space_alignment(ioas->space) - 1),
		.avail = UINT32_MAX,
		.ioas = ioas,
	};
	return 0;
}

int type1_enter(struct uapi_call *call, struct type1 *out)
{
	struct vfio_container *container = call->file->priv;
	uint64_t used;

	if (call->file->node.kind == IOAS_NODE_IOMMU)
		return enter_compat(call, out);
	pthread_mutex_lock(&container->lock);
	if (!container->type) {
		pthread_mutex_unlock(&container->lock);
		return why_set(call->why, -EINVAL, "the container has no IOMMU any more");
	}
	used = space_area_nr(container->space);
	*out = (struct type1){
		.space = container->space,
		.v2 = container->type == VFIO_TYPE1v2_IOMMU,
		.pgsizes = pt_page_sizes(container->pt),
		.avail = used < VFIO_CONTAINER_ENTRIES ? VFIO_CONTAINER_ENTRIES - used : 0,
		.container = container,
	};
	return 0;
}

void type1_leave(struct type1 *type1)
{
	if (type1->ioas)
		obj_put(&type1->ioas->obj);
	else
		pthread_mutex_unlock(&type1->container->lock);
}

static long all_coherent_locked(const struct obj_ioas *ioas)
{
	const struct obj_hwpt *hwpt;
	long all = 1;

	lock_must_hold(&ioas->obj.ctx->lock);
	TAILQ_FOREACH(hwpt, &ioas->hwpts, in_ioas) all &= hwpt->coherent;
	return all;
}

/* Do all page tables there enforce it? */
long type1_compat_coherent(struct uapi_call *call)
{
	struct obj_ctx *ctx = call->file->priv;
	struct obj_ioas *ioas = compat_get(ctx);
	long all;

	if (!ioas)
		return no_compat(call);
	pthread_mutex_lock(&ctx->lock);
	all = all_coherent_locked(ioas);
	pthread_mutex_unlock(&ctx->lock);
	obj_put(&ioas->obj);
	return all;
}

/* TYPE1 promises that any page can be unmapped, for which leaves must be small (space_cut). */
long type1_compat_set_iommu(struct uapi_call *call)
{
	struct obj_ioas *ioas;
	int rc = 0;

	if (call->arg != VFIO_TYPE1_IOMMU && call->arg != VFIO_TYPE1v2_IOMMU)
		return why_set(call->why, -EINVAL, "no IOMMU of type %llu",
			       (unsigned long long)call->arg);
	ioas = compat_get(call->file->priv);
	if (!ioas)
		return no_compat(call);
	if (call->arg == VFIO_TYPE1_IOMMU)
		rc = space_set_huge_pages(ioas->space, false, call->why);
	obj_put(&ioas->obj);
	return rc;
}

uint32_t type1_compat_id(struct obj_ctx *ctx)
{
	uint32_t id;

	pthread_mutex_lock(&ctx->ids_lock);
	id = ctx->compat ? ctx->compat->obj.id : 0;
	pthread_mutex_unlock(&ctx->ids_lock);
	return id;
}

int type1_compat_create(struct obj_ctx *ctx)
{
	struct obj_ioas *ioas;
	bool lost;
	int rc;

	if (type1_compat_id(ctx))
		return 0;
	rc = obj_ioas_alloc(ctx, &ioas);
	if (rc)
		return rc;
	pthread_mutex_lock(&ctx->ids_lock);
	lost = ctx->compat;
	/* Both in one step: once published, another thread may destroy it. */
	if (!lost) {
		ctx->compat = ioas;
		obj_finalize_locked(&ioas->obj);
	}
	pthread_mutex_unlock(&ctx->ids_lock);
	if (lost)
		obj_ioas_abort(ioas);
	return 0;
}
