/* SPDX-License-Identifier: MIT */
/*
 * Where a device's requests go: those without a PASID (RID), and those of each PASID. Attachment is
 * per device; what a group shares is ownership, not routing. Only devices whose requests can carry
 * a common requester ID, a share set, go to one page table: src/route has that rule, and a replace
 * moves all of them.
 *
 * A change is checked in Linux's order, the route is the last step that can fail: the new one is in
 * place before the old page table can go.
 */
#include <errno.h>
#include <stdlib.h>
#include <ioas/uapi/iommufd.h>
#include "obj/attach.h"
#include "obj/obj.h"
#include "obj/viommu.h"
#include "route/route.h"
#include "space/space.h"
#include "tlp/nested.h"
#include "trace/trace.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

/* A change in progress. */
struct change {
	struct obj_attach *attach;
	enum obj_attach_how how;
	struct ioas_why *why;
};

void obj_attach_init(struct obj_attach *attach, struct obj_device *device)
{
	attach->device = device;
	TAILQ_INIT(&attach->groups);
}

static const pasid_t *pasid_of(const struct obj_attach *attach)
{
	return attach->has_pasid ? &attach->pasid : NULL;
}

/* A page table that an attach made ends with its last user. */
static void hwpt_unuse(struct obj_hwpt *hwpt)
{
	obj_user_drop(&hwpt->obj);
	if (hwpt->auto_domain && !hwpt->obj.users)
		obj_remove_locked(&hwpt->obj);
}

static int check_before(struct change *c)
{
	if (c->how == OBJ_ATTACH && c->attach->hwpt)
		return why_set(c->why, -EBUSY, "PASID %u is attached to page table %u already",
			       c->attach->pasid, c->attach->hwpt->obj.id);
	if (c->how == OBJ_REPLACE && !c->attach->hwpt)
		return why_set(c->why, -EINVAL, "PASID %u is attached to nothing",
			       c->attach->pasid);
	return 0;
}

static int check_pasid_range(struct change *c)
{
	struct kind_device *kind = c->attach->device->kind;
	struct kind_hw_info info = {0};
	int rc = kind->ops->hw_info(kind, 0, &info, c->why);

	if (rc)
		return rc;
	if (!info.max_pasid_lg2)
		return why_set(c->why, -EINVAL, "the device sends no PASIDs");
	if (!c->attach->pasid && !info.pasid_0_apart)
		return why_set(c->why, -EINVAL,
			       "this IOMMU does not tell PASID 0 from requests without a PASID: "
			       "attach those");
	if (c->attach->pasid >> info.max_pasid_lg2)
		return why_set(c->why, -EINVAL, "the device's PASIDs are 0 to %llu",
			       (1ull << info.max_pasid_lg2) - 1);
	return 0;
}

/*
 * Once a PASID is attached, all of the device's requests must go to page tables that were made for
 * that. `flags` are those of the page table to come.
 */
static int check_pasid(struct change *c, uint32_t flags)
{
	struct obj_device *device = c->attach->device;
	bool made_for = flags & IOMMU_HWPT_ALLOC_PASID;
	struct obj_hwpt *rid = device->rid.hwpt;
	uint32_t first = 0;

	if (!made_for && c->attach->has_pasid)
		return why_set(c->why, -EINVAL,
			       "a PASID needs a page table made with IOMMU_HWPT_ALLOC_PASID");
	if (!made_for && ids_next(&device->pasids, &first))
		return why_set(c->why, -EINVAL,
			       "PASID %u is attached: the page table must have been made with "
			       "IOMMU_HWPT_ALLOC_PASID",
			       first);
	if (!c->attach->has_pasid)
		return 0;
	if (rid && !(rid->flags & IOMMU_HWPT_ALLOC_PASID))
		return why_set(c->why, -EINVAL,
			       "page table %u, for requests without a PASID, was not made with "
			       "IOMMU_HWPT_ALLOC_PASID",
			       rid->obj.id);
	return check_pasid_range(c);
}

static int check_hwpt(struct change *c, struct obj_hwpt *hwpt)
{
	struct obj_device *device = c->attach->device;
	const struct kind_ops *ops = device->kind->ops;
	int rc = check_pasid(c, hwpt->flags);

	if (rc)
		return rc;
	if (hwpt->ops != ops)
		return why_set(c->why, -EINVAL, "page table %u is for a %s, the device's is a %s",
			       hwpt->obj.id, hwpt->ops->name, ops->name);
	if (hwpt->viommu && !hwpt->any_device && !c->attach->has_pasid &&
	    !obj_vdevice_in(device, hwpt->viommu))
		return why_set(c->why, -ENOENT, "viommu %u does not know the device",
			       hwpt->viommu->obj.id);
	return ops->attach ? ops->attach(device->kind, pasid_of(c->attach), hwpt, c->attach->hwpt,
					 c->why)
			   : 0;
}

/* Whoever programs an IOMMU anew drops what it has cached: --check-invalidation. */
static void forget(struct obj_hwpt *hwpt)
{
	const struct stale_forget all = {.any_space = true, .last = UINT64_MAX, .structures = true};

	if (hwpt->to)
		check_stale_forget(hwpt->to->stage1->check, &all);
}

static void leave_list(struct obj_attach *attach)
{
	if (!attach->hwpt || !attach->hwpt->parent)
		return;
	LIST_REMOVE(attach, in_hwpt);
	forget(attach->hwpt);
}

static void join_list(struct obj_attach *attach)
{
	if (!attach->hwpt->parent)
		return;
	LIST_INSERT_HEAD(&attach->hwpt->attached, attach, in_hwpt);
	forget(attach->hwpt);
}

/* The books of a route that has changed. */
static void settle(struct obj_attach *attach, struct obj_hwpt *hwpt)
{
	struct obj_hwpt *old = attach->hwpt;

	obj_vdevice_name(attach, hwpt);
	obj_user_add(&hwpt->obj);
	leave_list(attach);
	attach->hwpt = hwpt;
	join_list(attach);
	obj_fault_move_locked(attach, old, hwpt);
	if (!old)
		return;
	if (attach_ioas_of(old) != attach_ioas_of(hwpt))
		attach_unreserve(attach, attach_ioas_of(old));
	hwpt_unuse(old);
}

/*
 * attach_reserve() has been done. The attach of a kind that has TLPs has nothing to undo when the
 * route fails.
 */
static int move(struct change *c, struct obj_hwpt *hwpt)
{
	struct obj_attach *attach = c->attach, *peer = NULL;
	struct ioas_device *dev = attach->device->dev;
	int rc = check_hwpt(c, hwpt);

	if (!rc && dev)
		rc = route_attach_to(dev, pasid_of(attach), hwpt->to, c->why);
	if (rc < 0)
		return rc;
	while ((peer = attach_next_peer(c->attach, peer)))
		settle(peer, hwpt);
	settle(attach, hwpt);
	return rc;
}

static int change_hwpt(struct change *c, struct obj_hwpt *hwpt)
{
	struct ioas_device *dev = c->attach->device->dev;
	struct obj_ioas *ioas = attach_ioas_of(hwpt);
	int rc;

	if (c->attach->hwpt == hwpt) {
		if (dev)
			trace_route(dev, pasid_of(c->attach), hwpt->to, hwpt->to, IOAS_TRACE_NO_OP);
		return 1;
	}
	rc = attach_reserve(c->attach, ioas, c->why);
	if (rc)
		return rc;
	rc = move(c, hwpt);
	if (rc < 0)
		attach_give_back(c->attach, ioas);
	return rc;
}

/* Makes a page table and attaches to it. */
static int change_new(struct change *c, struct obj_ioas *ioas)
{
	struct obj_hwpt_request request = {.device = c->attach->device, .auto_domain = true};
	struct obj_hwpt *hwpt;
	int rc = attach_reserve(c->attach, ioas, c->why);

	if (rc)
		return rc;
	rc = check_pasid(c, 0);
	if (!rc)
		rc = obj_hwpt_alloc_locked(ioas, &request, &hwpt, c->why);
	if (rc)
		goto err_leave;
	rc = move(c, hwpt);
	if (rc < 0)
		goto err_remove;
	obj_finalize(&hwpt->obj);
	return rc;

err_remove:
	obj_remove_locked(&hwpt->obj);
err_leave:
	attach_give_back(c->attach, ioas);
	return rc;
}

/*
 * Any page table that an attach made serves, the oldest first, unless it cannot serve this device:
 * EINVAL.
 */
static int change_ioas(struct change *c, struct obj_ioas *ioas)
{
	struct obj_hwpt *hwpt;
	int rc;

	TAILQ_FOREACH(hwpt, &ioas->hwpts, in_ioas)
	{
		if (!hwpt->auto_domain)
			continue;
		rc = change_hwpt(c, hwpt);
		if (rc != -EINVAL)
			return rc;
	}
	return change_new(c, ioas);
}

static int change_to(struct change *c, struct obj *obj, uint32_t pt_id)
{
	int rc;

	if (obj->type != OBJ_IOAS && obj->type != OBJ_HWPT && obj->type != OBJ_NESTED)
		return why_set(c->why, -EINVAL, "id %u is a %s, not an IOAS or a page table", pt_id,
			       obj_type_name(obj->type));
	rc = check_before(c);
	if (rc)
		return rc;
	return obj->type == OBJ_IOAS ? change_ioas(c, (struct obj_ioas *)obj)
				     : change_hwpt(c, (struct obj_hwpt *)obj);
}

static int change_locked(struct change *c, uint32_t *pt_id)
{
	struct obj *obj = obj_peek(c->attach->device->obj.ctx, *pt_id, OBJ_ANY);
	int rc;

	lock_must_hold(&c->attach->device->obj.ctx->lock);
	if (!obj)
		return why_set(c->why, -ENOENT, "no IOAS or page table has id %u", *pt_id);
	rc = change_to(c, obj, *pt_id);
	if (rc >= 0)
		*pt_id = c->attach->hwpt->obj.id;
	return rc;
}

int obj_device_attach_locked(struct obj_device *device, uint32_t *pt_id, struct ioas_why *why)
{
	struct change c = {.attach = &device->rid, .how = OBJ_ATTACH_OR_REPLACE, .why = why};

	lock_must_hold(&device->obj.ctx->lock);
	return change_locked(&c, pt_id);
}

int obj_device_attach(struct obj_device *device, uint32_t *pt_id, struct ioas_why *why)
{
	struct obj_ctx *ctx = device->obj.ctx;
	int rc;

	pthread_mutex_lock(&ctx->lock);
	rc = obj_device_attach_locked(device, pt_id, why);
	obj_ctx_unlock(ctx);
	return rc;
}

static void detach_locked(struct obj_attach *attach)
{
	struct obj_device *device = attach->device;
	const struct kind_ops *ops = device->kind->ops;
	struct obj_hwpt *hwpt = attach->hwpt;

	lock_must_hold(&device->obj.ctx->lock);
	if (!hwpt)
		return;
	if (device->dev)
		route_detach(device->dev, pasid_of(attach));
	if (ops->detach)
		ops->detach(device->kind, pasid_of(attach));
	leave_list(attach);
	attach->hwpt = NULL;
	obj_fault_move_locked(attach, hwpt, NULL);
	attach_unreserve(attach, attach_ioas_of(hwpt));
	hwpt_unuse(hwpt);
}

void obj_device_detach(struct obj_device *device)
{
	struct obj_ctx *ctx = device->obj.ctx;

	pthread_mutex_lock(&ctx->lock);
	detach_locked(&device->rid);
	obj_ctx_unlock(ctx);
}

static void pasid_free(struct obj_attach *attach)
{
	ids_drop(&attach->device->pasids, attach->pasid);
	free(attach);
}

/* The PASID's attachment, to nothing if it is new. */
static int pasid_get(struct obj_device *device, pasid_t pasid, struct obj_attach **out)
{
	struct obj_attach *attach = ids_get(&device->pasids, pasid);
	int rc;

	*out = attach;
	if (attach)
		return 0;
	attach = alloc_zero(1, sizeof(*attach));
	if (!attach)
		return -ENOMEM;
	rc = ids_take_at(&device->pasids, pasid);
	if (rc) {
		free(attach);
		return rc;
	}
	obj_attach_init(attach, device);
	attach->has_pasid = true;
	attach->pasid = pasid;
	*out = attach;
	return 0;
}

/* In the table with a value are only those that are attached. */
static int change_pasid(struct change *c, struct obj_device *device, pasid_t pasid, uint32_t *pt_id)
{
	bool is_new;
	int rc = pasid_get(device, pasid, &c->attach);

	if (rc)
		return why_set(c->why, -ENOMEM, "no memory for an attachment");
	is_new = !c->attach->hwpt;
	rc = change_locked(c, pt_id);
	if (rc >= 0)
		ids_set(&device->pasids, pasid, c->attach);
	else if (is_new)
		pasid_free(c->attach);
	return rc;
}

int obj_device_attach_pasid_locked(struct obj_device *device, pasid_t pasid,
				   enum obj_attach_how how, uint32_t *pt_id, struct ioas_why *why)
{
	struct change c = {.how = how, .why = why};

	lock_must_hold(&device->obj.ctx->lock);
	if (pasid > IDS_MAX)
		return why_set(why, -EINVAL, "no device has a PASID %u", pasid);
	return change_pasid(&c, device, pasid, pt_id);
}

int obj_device_attach_pasid(struct obj_device *device, pasid_t pasid, enum obj_attach_how how,
			    uint32_t *pt_id, struct ioas_why *why)
{
	struct obj_ctx *ctx = device->obj.ctx;
	int rc;

	pthread_mutex_lock(&ctx->lock);
	rc = obj_device_attach_pasid_locked(device, pasid, how, pt_id, why);
	obj_ctx_unlock(ctx);
	return rc;
}

static void pasid_end(struct obj_attach *attach)
{
	detach_locked(attach);
	pasid_free(attach);
}

void obj_device_detach_pasid_locked(struct obj_device *device, pasid_t pasid)
{
	struct obj_attach *attach = ids_get(&device->pasids, pasid);

	lock_must_hold(&device->obj.ctx->lock);
	if (attach)
		pasid_end(attach);
}

void obj_device_detach_pasid(struct obj_device *device, pasid_t pasid)
{
	struct obj_ctx *ctx = device->obj.ctx;

	pthread_mutex_lock(&ctx->lock);
	obj_device_detach_pasid_locked(device, pasid);
	obj_ctx_unlock(ctx);
}

void obj_device_detach_all_locked(struct obj_device *device)
{
	struct obj_attach *attach;
	uint32_t pasid = 0;

	lock_must_hold(&device->obj.ctx->lock);
	while ((attach = ids_next(&device->pasids, &pasid)))
		pasid_end(attach);
	detach_locked(&device->rid);
}

struct obj_hwpt *obj_device_hwpt_locked(struct obj_device *device, bool has_pasid, pasid_t pasid)
{
	const struct obj_attach *attach =
		has_pasid ? ids_get(&device->pasids, pasid) : &device->rid;

	lock_must_hold(&device->obj.ctx->lock);
	return attach ? attach->hwpt : NULL;
}
