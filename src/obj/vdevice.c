/* SPDX-License-Identifier: MIT */
/* A device as a guest knows it. */
#include <errno.h>
#include <inttypes.h>
#include "obj/viommu.h"
#include "route/route.h"
#include "util/lock.h"
#include "util/why.h"

int obj_vdevice_alloc_locked(struct obj_viommu *viommu, struct obj_device *device, uint64_t virt_id,
			     struct obj_vdevice **out, struct ioas_why *why)
{
	struct obj *obj;
	struct obj_vdevice *vdevice;
	int rc;

	lock_must_hold(&viommu->obj.ctx->lock);
	if (device->kind->ops != viommu->kind_ops)
		return why_set(why, -EINVAL, "device %u is behind another IOMMU than viommu %u",
			       device->obj.id, viommu->obj.id);
	rc = viommu->ops->vdevice ? viommu->ops->vdevice(viommu, device->kind, why) : 0;
	if (rc)
		return rc;
	if (device->vdevice)
		return why_set(why, -EEXIST, "device %u is vdevice %u already", device->obj.id,
			       device->vdevice->obj.id);
	rc = obj_alloc(viommu->obj.ctx, OBJ_VDEVICE, sizeof(*vdevice), &obj);
	if (rc)
		return why_set(why, rc, "no memory for a vdevice");
	vdevice = (struct obj_vdevice *)obj;
	vdevice->viommu = viommu;
	vdevice->device = device;
	vdevice->by_virt_id.key = virt_id;
	if (keys_insert(&viommu->vdevices, &vdevice->by_virt_id)) {
		obj_abort(obj);
		return why_set(why, -EEXIST, "viommu %u has a device of id %#" PRIx64 " already",
			       viommu->obj.id, virt_id);
	}
	device->vdevice = vdevice;
	obj_user_add(&viommu->obj);
	*out = vdevice;
	return 0;
}

void obj_vdevice_destroy(struct obj *obj)
{
	struct obj_vdevice *vdevice = (struct obj_vdevice *)obj;

	keys_remove(&vdevice->viommu->vdevices, &vdevice->by_virt_id);
	vdevice->device->vdevice = NULL;
	obj_user_drop(&vdevice->viommu->obj);
}

void obj_vdevice_end_locked(struct obj_device *device)
{
	lock_must_hold(&device->obj.ctx->lock);
	if (device->vdevice)
		obj_tombstone_locked(&device->vdevice->obj);
}

struct obj_vdevice *obj_vdevice_find_locked(struct obj_viommu *viommu, uint64_t virt_id)
{
	struct key_node *found = keys_find(&viommu->vdevices, virt_id);

	lock_must_hold(&viommu->obj.ctx->lock);
	return found ? tree_entry(found, struct obj_vdevice, by_virt_id) : NULL;
}

bool obj_vdevice_in(const struct obj_device *device, const struct obj_viommu *viommu)
{
	return device->vdevice && device->vdevice->viommu == viommu;
}

void obj_vdevice_name(const struct obj_attach *attach, const struct obj_hwpt *hwpt)
{
	const struct obj_device *device = attach->device;
	bool known = hwpt->viommu && obj_vdevice_in(device, hwpt->viommu);

	if (attach->has_pasid || !device->dev)
		return;
	atomic_store_explicit(&device->dev->set->guest_id,
			      known ? device->vdevice->by_virt_id.key : ROUTE_NO_GUEST,
			      memory_order_relaxed);
}
