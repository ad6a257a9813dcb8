/* SPDX-License-Identifier: MIT */
/* A page table with an id. */
#include <errno.h>
#include "iommu.h"
#include "obj/obj.h"
#include "space/space.h"
#include "util/why.h"

int obj_hwpt_alloc_locked(struct obj_ioas *ioas, const struct obj_hwpt_request *request,
			  struct obj_hwpt **out, struct ioas_why *why)
{
	struct kind_device *kind = request->device->kind;
	struct kind_paging paging = {0};
	struct obj *obj;
	struct obj_hwpt *hwpt;
	int rc = kind->ops->paging(kind, request->flags, request->data,
				   !space_huge_pages(ioas->space), &paging, why);

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
	hwpt->ops = kind->ops;
	hwpt->flags = request->flags;
	hwpt->dirty = paging.dirty;
	hwpt->auto_domain = request->auto_domain;
	hwpt->next = ioas->hwpts;
	ioas->hwpts = hwpt;
	ioas->obj.users++;
	*out = hwpt;
	return 0;
}

void obj_hwpt_destroy(struct obj *obj)
{
	struct obj_hwpt *hwpt = (struct obj_hwpt *)obj;
	struct obj_ioas *ioas = hwpt->ioas;
	struct obj_hwpt **link = &ioas->hwpts;

	while (*link != hwpt)
		link = &(*link)->next;
	*link = hwpt->next;
	space_domain_detach(ioas->space, hwpt->pt);
	pt_destroy(hwpt->pt);
	ioas->obj.users--;
}
