/* SPDX-License-Identifier: MIT */
/* A page table with an id. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "obj/obj.h"
#include "space/space.h"
#include "util/lock.h"
#include "util/why.h"

int obj_hwpt_alloc_locked(struct obj_ioas *ioas, const struct obj_hwpt_request *request,
			  struct obj_hwpt **out, struct ioas_why *why)
{
	struct kind_device *kind = request->device->kind;
	uint32_t flags = request->flags & ~(uint32_t)IOMMU_HWPT_FAULT_ID_VALID;
	struct kind_paging paging = {0};
	struct obj *obj;
	struct obj_hwpt *hwpt;
	int rc = kind->ops->paging(kind, flags, request->data, !space_huge_pages(ioas->space),
				   &paging, why);

	lock_must_hold(&ioas->obj.ctx->lock);
	if (rc)
		return rc;
	rc = obj_alloc(ioas->obj.ctx, OBJ_HWPT, sizeof(*hwpt), &obj);
	if (rc)
		return why_set(why, rc, "no memory for a page table");
	hwpt = (struct obj_hwpt *)obj;
	paging.pt.dirty = paging.dirty;
	rc = pt_new(&paging.pt, &hwpt->pt);
	if (rc) {
		obj_abort(obj);
		return why_set(why, rc, "no memory for a page table");
	}
	pt_label(hwpt->pt, ioas->obj.id, obj->id);
	rc = space_domain_attach(ioas->space, hwpt->pt, why);
	if (rc) {
		pt_destroy(hwpt->pt);
		obj_abort(obj);
		return rc;
	}
	hwpt->ioas = ioas;
	hwpt->to = pt_target(hwpt->pt);
	hwpt->ops = kind->ops;
	hwpt->flags = request->flags;
	hwpt->dirty = paging.dirty;
	lock_init(&hwpt->dirty_lock, LOCK_DIRTY);
	hwpt->coherent = paging.coherent;
	hwpt->auto_domain = request->auto_domain;
	TAILQ_INSERT_TAIL(&ioas->hwpts, hwpt, in_ioas);
	obj_user_add(&ioas->obj);
	*out = hwpt;
	return 0;
}

void obj_hwpt_set_fault_locked(struct obj_hwpt *hwpt, struct obj_fault *fault)
{
	lock_must_hold(&hwpt->obj.ctx->lock);
	hwpt->fault = fault;
	obj_user_add(obj_of_fault(fault));
}

void obj_hwpt_destroy(struct obj *obj)
{
	struct obj_hwpt *hwpt = (struct obj_hwpt *)obj;

	TAILQ_REMOVE(&hwpt->ioas->hwpts, hwpt, in_ioas);
	space_domain_detach(hwpt->ioas->space, hwpt->pt);
	pt_destroy(hwpt->pt);
	pthread_mutex_destroy(&hwpt->dirty_lock);
	if (hwpt->fault)
		obj_user_drop(obj_of_fault(hwpt->fault));
	obj_user_drop(&hwpt->ioas->obj);
}
