/* SPDX-License-Identifier: MIT */
/* A page table with an id. */
#include <errno.h>
#include "iommu.h"
#include "obj/obj.h"
#include "space/space.h"
#include "util/why.h"

#define PAGE_LG2 12

int obj_hwpt_alloc_locked(struct obj_ioas *ioas, bool auto_domain, struct obj_hwpt **out,
			  struct ioas_why *why)
{
	struct obj_ctx *ctx = ioas->obj.ctx;
	struct pt_config config = {
		.format = PT_AMDV1,
		.aw = ctx->iommu->config.aw,
		.max_leaf_lg2 = space_huge_pages(ioas->space) ? 0 : PAGE_LG2,
	};
	struct obj *obj;
	struct obj_hwpt *hwpt;
	int rc = obj_alloc(ctx, OBJ_HWPT, sizeof(*hwpt), &obj);

	if (rc)
		return why_set(why, rc, "no memory for a page table");
	hwpt = (struct obj_hwpt *)obj;
	rc = pt_new(&config, &hwpt->pt);
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
	hwpt->auto_domain = auto_domain;
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
