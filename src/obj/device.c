/* SPDX-License-Identifier: MIT */
/* A device in a context: from its driver's bind to its unbind. Where it is attached: attach.c. */
#include "obj/obj.h"
#include "obj/viommu.h"
#include "route/route.h"
#include "util/lock.h"

/*
 * All of a share set are in one group, and a group is in one context at a time, whose lock so
 * protects the list.
 */
static void join_peers(struct obj_device *device)
{
	lock_must_hold(&device->obj.ctx->lock);
	if (device->dev)
		LIST_INSERT_HEAD((struct obj_peers *)&device->dev->set->peers, device, in_set);
}

static void leave_peers(struct obj_device *device)
{
	if (device->dev)
		LIST_REMOVE(device, in_set);
}

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
	lock_init(&device->requests_lock, LOCK_REQUESTS);
	lock_guards(&device->requests_lock, &device->takers, &device->in_set);
	obj_fault_serve(device, true);
	obj_ctx_get(ctx);
	pthread_mutex_lock(&ctx->lock);
	join_peers(device);
	pthread_mutex_unlock(&ctx->lock);
	obj_finalize(obj);
	*out = device;
	return 0;
}

void obj_device_unbind_locked(struct obj_device *device)
{
	lock_must_hold(&device->obj.ctx->lock);
	obj_device_detach_all_locked(device);
	obj_fault_serve(device, false);
	pthread_mutex_destroy(&device->requests_lock);
	leave_peers(device);
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
