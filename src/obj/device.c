/* SPDX-License-Identifier: MIT */
/*
 * A device in a context: where its untagged requests go. Attachment is per device; what a group
 * shares is ownership, not routing.
 */
#include <errno.h>
#include "obj/obj.h"
#include "route/route.h"
#include "space/space.h"
#include "util/why.h"

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
	device->rid.device = device;
	device->reserved = reserved;
	device->reserved_nr = reserved_nr;
	obj_ctx_get(ctx);
	obj_finalize(obj);
	*out = device;
	return 0;
}

/* Frees a page table that was made by an attach and is not needed any more. */
static void hwpt_unuse(struct obj_hwpt *hwpt)
{
	hwpt->obj.users--;
	if (hwpt->auto_domain && !hwpt->obj.users)
		obj_remove_locked(&hwpt->obj);
}

static int reserve(struct obj_device *device, struct obj_ioas *ioas, struct ioas_why *why)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < device->reserved_nr; i++)
		rc = space_reserve(ioas->space, device->reserved[i].first, device->reserved[i].last,
				   device, why);
	if (rc)
		space_unreserve(ioas->space, device);
	return rc;
}

/* The new route is in place before the old one's page table can go. */
static int attach_hwpt(struct obj_device *device, struct obj_hwpt *hwpt, struct ioas_why *why)
{
	struct obj_hwpt *old = device->rid.hwpt;
	bool new_space = !old || old->ioas != hwpt->ioas;
	int rc = 0;

	if (old == hwpt)
		return 0;
	if (new_space)
		rc = reserve(device, hwpt->ioas, why);
	if (rc)
		return rc;
	rc = device->dev ? route_attach(device->dev, hwpt->pt, why) : 0;
	if (rc) {
		if (new_space)
			space_unreserve(hwpt->ioas->space, device);
		return rc;
	}
	hwpt->obj.users++;
	device->rid.hwpt = hwpt;
	if (!old)
		return 0;
	if (new_space)
		space_unreserve(old->ioas->space, device);
	hwpt_unuse(old);
	return 0;
}

/* Any page table that an earlier attach made serves: all devices here see the same table format. */
static int attach_ioas(struct obj_device *device, struct obj_ioas *ioas, struct ioas_why *why)
{
	struct obj_hwpt_request request = {.device = device, .auto_domain = true};
	struct obj_hwpt *hwpt = ioas->hwpts;
	int rc;

	while (hwpt && !hwpt->auto_domain)
		hwpt = hwpt->next;
	if (hwpt)
		return attach_hwpt(device, hwpt, why);
	rc = obj_hwpt_alloc_locked(ioas, &request, &hwpt, why);
	if (rc)
		return rc;
	obj_finalize(&hwpt->obj);
	rc = attach_hwpt(device, hwpt, why);
	if (rc)
		obj_remove_locked(&hwpt->obj);
	return rc;
}

int obj_device_attach_locked(struct obj_device *device, uint32_t *pt_id, struct ioas_why *why)
{
	struct obj_ctx *ctx = device->obj.ctx;
	struct obj *obj;
	int rc;

	obj = obj_peek(ctx, *pt_id, OBJ_ANY);
	if (!obj)
		rc = why_set(why, -ENOENT, "no IOAS or page table has id %u", *pt_id);
	else if (obj->type == OBJ_IOAS)
		rc = attach_ioas(device, (struct obj_ioas *)obj, why);
	else if (obj->type == OBJ_HWPT)
		rc = attach_hwpt(device, (struct obj_hwpt *)obj, why);
	else
		rc = why_set(why, -EINVAL, "id %u is a %s, not an IOAS or a page table", *pt_id,
			     obj_type_name(obj->type));
	if (!rc)
		*pt_id = device->rid.hwpt->obj.id;
	return rc;
}

int obj_device_attach(struct obj_device *device, uint32_t *pt_id, struct ioas_why *why)
{
	struct obj_ctx *ctx = device->obj.ctx;
	int rc;

	pthread_mutex_lock(&ctx->lock);
	rc = obj_device_attach_locked(device, pt_id, why);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

static void detach_locked(struct obj_device *device)
{
	struct obj_hwpt *hwpt = device->rid.hwpt;

	if (!hwpt)
		return;
	if (device->dev)
		route_detach(device->dev);
	space_unreserve(hwpt->ioas->space, device);
	device->rid.hwpt = NULL;
	hwpt_unuse(hwpt);
}

void obj_device_detach(struct obj_device *device)
{
	struct obj_ctx *ctx = device->obj.ctx;

	pthread_mutex_lock(&ctx->lock);
	detach_locked(device);
	pthread_mutex_unlock(&ctx->lock);
}

void obj_device_unbind_locked(struct obj_device *device)
{
	detach_locked(device);
	obj_remove_locked(&device->obj);
}

void obj_device_unbind(struct obj_device *device)
{
	struct obj_ctx *ctx = device->obj.ctx;

	pthread_mutex_lock(&ctx->lock);
	obj_device_unbind_locked(device);
	pthread_mutex_unlock(&ctx->lock);
	obj_ctx_put(ctx);
}
