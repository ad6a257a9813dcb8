/* SPDX-License-Identifier: MIT */
/* A guest's share of an IOMMU. */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "obj/viommu.h"
#include "route/route.h"
#include "util/lock.h"
#include "util/why.h"

static void free_regions(struct obj_viommu *viommu)
{
	struct obj_region *region;

	while ((region = LIST_FIRST(&viommu->regions)))
		obj_region_free_locked(region);
}

int obj_viommu_alloc_locked(struct kind_device *dev, const struct kind_viommu_ops *ops,
			    uint32_t type, struct obj_hwpt *parent, const struct kind_data *data,
			    struct obj_viommu **out, struct ioas_why *why)
{
	struct obj *obj;
	struct obj_viommu *viommu;
	int rc;

	lock_must_hold(&parent->obj.ctx->lock);
	if (parent->auto_domain || !(parent->flags & IOMMU_HWPT_ALLOC_NEST_PARENT))
		return why_set(why, -EINVAL,
			       "page table %u was not made with IOMMU_HWPT_ALLOC_NEST_PARENT",
			       parent->obj.id);
	if (parent->ops != dev->ops)
		return why_set(why, -EINVAL, "page table %u is for a %s, the device's is a %s",
			       parent->obj.id, parent->ops->name, dev->ops->name);
	rc = obj_alloc(parent->obj.ctx, OBJ_VIOMMU, sizeof(*viommu), &obj);
	if (rc)
		return why_set(why, rc, "no memory for a viommu");
	viommu = (struct obj_viommu *)obj;
	viommu->ops = ops;
	viommu->kind_ops = dev->ops;
	viommu->type = type;
	viommu->parent = parent;
	LIST_INIT(&viommu->regions);
	viommu->events = obj_events_new();
	rc = viommu->events ? 0 : why_set(why, -ENOMEM, "no memory for a viommu");
	if (!rc && ops->init)
		rc = ops->init(viommu, dev, data, why);
	if (rc) {
		free_regions(viommu);
		obj_events_put(viommu->events);
		obj_abort(obj);
		return rc;
	}
	obj_user_add(&parent->obj);
	*out = viommu;
	return 0;
}

void obj_viommu_destroy(struct obj *obj)
{
	struct obj_viommu *viommu = (struct obj_viommu *)obj;

	if (viommu->ops->fini)
		viommu->ops->fini(viommu);
	free_regions(viommu);
	obj_events_put(viommu->events);
	obj_user_drop(&viommu->parent->obj);
}

void obj_viommu_drain_locked(struct obj_viommu *viommu)
{
	struct tree_node *node = tree_end(&viommu->vdevices, 0);

	lock_must_hold(&viommu->obj.ctx->lock);
	inflight_wait(&viommu->obj.ctx->iommu->inflight);
	for (; node; node = tree_step(node, 1)) {
		struct obj_vdevice *vdevice = tree_entry(node, struct obj_vdevice, by_virt_id.node);

		if (vdevice->device->dev)
			mem_lend_idle(&vdevice->device->dev->lent);
	}
}
