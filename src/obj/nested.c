/* SPDX-License-Identifier: MIT */
/* A page table of the program's own, on top of one that a space keeps filled. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "obj/obj.h"
#include "obj/viommu.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/nested.h"
#include "util/lock.h"
#include "util/why.h"

#define FLAGS_KNOWN (IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID)

static bool can_nest(const struct obj_hwpt_request *request, const struct obj_viommu *viommu)
{
	return viommu ? viommu->ops->nested != NULL : request->device->kind->ops->nested != NULL;
}

/* A viommu was made on a parent that is one. */
static int check(const struct obj_hwpt *parent, const struct obj_viommu *viommu,
		 const struct obj_hwpt_request *request, struct ioas_why *why)
{
	if (request->flags & ~(uint32_t)FLAGS_KNOWN)
		return why_set(why, -EOPNOTSUPP, "a nested page table has no flags 0x%x",
			       request->flags & ~(uint32_t)FLAGS_KNOWN);
	if (!request->data)
		return why_set(why, -EOPNOTSUPP, "a nested page table needs data");
	if (!can_nest(request, viommu))
		return why_set(why, -EOPNOTSUPP, "the device's IOMMU (%s) cannot nest page tables",
			       request->device->kind->ops->name);
	if (viommu)
		return 0;
	if (parent->auto_domain || !(parent->flags & IOMMU_HWPT_ALLOC_NEST_PARENT))
		return why_set(why, -EINVAL,
			       "page table %u was not made with IOMMU_HWPT_ALLOC_NEST_PARENT",
			       parent->obj.id);
	if (parent->ops != request->device->kind->ops)
		return why_set(why, -EINVAL, "page table %u is for a %s, the device's is a %s",
			       parent->obj.id, parent->ops->name, request->device->kind->ops->name);
	return 0;
}

static int build(struct obj_hwpt *hwpt, const struct obj_hwpt_request *request,
		 struct ioas_why *why)
{
	struct kind_device *kind = request->device->kind;
	struct obj_viommu *viommu = hwpt->viommu;
	uint32_t flags = request->flags & ~(uint32_t)IOMMU_HWPT_FAULT_ID_VALID;

	return viommu ? viommu->ops->nested(viommu, hwpt, flags, request->data, why)
		      : kind->ops->nested(kind, hwpt, flags, request->data, why);
}

int obj_nested_alloc_locked(struct obj_hwpt *parent, struct obj_viommu *viommu,
			    const struct obj_hwpt_request *request, struct obj_hwpt **out,
			    struct ioas_why *why)
{
	struct obj *obj;
	struct obj_hwpt *hwpt;
	int rc = check(parent, viommu, request, why);

	lock_must_hold(&parent->obj.ctx->lock);
	if (rc)
		return rc;
	rc = obj_alloc(parent->obj.ctx, OBJ_NESTED, sizeof(*hwpt), &obj);
	if (rc)
		return why_set(why, rc, "no memory for a page table");
	hwpt = (struct obj_hwpt *)obj;
	hwpt->ops = viommu ? viommu->kind_ops : request->device->kind->ops;
	hwpt->flags = request->flags;
	hwpt->parent = parent;
	hwpt->viommu = viommu;
	LIST_INIT(&hwpt->attached);
	rc = build(hwpt, request, why);
	if (rc) {
		obj_abort(obj);
		return rc;
	}
	if (hwpt->to && parent->obj.ctx->iommu->config.check_invalidation)
		rc = check_stale_new(&hwpt->to->stage1->check);
	if (viommu)
		obj_user_add(&viommu->obj);
	else
		obj_user_add(&parent->obj);
	if (rc) {
		obj_remove_locked(obj);
		return why_set(why, rc, "no memory for a check of invalidations");
	}
	*out = hwpt;
	return 0;
}

void obj_hwpt_drain_locked(struct obj_hwpt *hwpt)
{
	struct obj_attach *attach;

	lock_must_hold(&hwpt->obj.ctx->lock);
	inflight_wait(&hwpt->obj.ctx->iommu->inflight);
	LIST_FOREACH(attach, &hwpt->attached, in_hwpt)
	{
		struct ioas_device *dev = attach->device->dev;

		if (!dev)
			continue;
		ats_take_route(dev, attach->has_pasid ? &attach->pasid : NULL, hwpt->to,
			       IOAS_ATS_BY_GUEST);
		mem_lend_idle(&dev->lent);
	}
}

void obj_nested_destroy(struct obj *obj)
{
	struct obj_hwpt *hwpt = (struct obj_hwpt *)obj;

	if (hwpt->to)
		check_stale_destroy(hwpt->to->stage1->check);
	if (hwpt->ops->nested_free)
		hwpt->ops->nested_free(hwpt);
	if (hwpt->fault)
		obj_user_drop(obj_of_fault(hwpt->fault));
	if (hwpt->viommu)
		obj_user_drop(&hwpt->viommu->obj);
	else
		obj_user_drop(&hwpt->parent->obj);
}
