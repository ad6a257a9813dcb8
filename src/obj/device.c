/* SPDX-License-Identifier: MIT */
/* A device in a context: from its driver's bind to its unbind. Where it is attached: attach.c. */
#include "obj/obj.h"
#include "obj/viommu.h"

int obj_device_bind(struct obj_ctx *ctx, struct ioas_device *dev, struct kind_device *kind,
		    const struct ioas_range *reserved, size_t reserved_nr, struct obj_device **out)
{
	struct obj *obj;
	struct obj_device *device;
	int rc = obj_alloc(ctx, OBJ_DEVICE, sizeof(*device), &obj);

	if (rc)
		return rc;
	device = (struct obj_device *)obj;
	device->dev = dev;
	device->kind = kind;
	device->reserved = reserved;
	device->reserved_nr = reserved_nr;
	obj_attach_init(&device->rid, device);
	obj_ctx_get(ctx);
	obj_finalize(obj);
	*out = device;
	return 0;
}

void obj_device_unbind_locked(struct obj_device *device)
{
	obj_device_detach_all_locked(device);
	obj_vdevice_end_locked(device);
	obj_remove_locked(&device->obj);
}

void obj_device_unbind(struct obj_device *device)
{
	struct obj_ctx *ctx = device->obj.ctx;

	pthread_mutex_lock(&ctx->lock);
	obj_device_unbind_locked(device);
	obj_ctx_unlock(ctx);
	obj_ctx_put(ctx);
}
