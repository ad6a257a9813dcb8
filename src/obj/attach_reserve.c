/* SPDX-License-Identifier: MIT */
/* Who moves together, and what that keeps out of a space. */
#include "obj/attach.h"
#include "route/route.h"
#include "space/space.h"
#include "util/lock.h"

void attach_unreserve(const struct obj_attach *attach, struct obj_ioas *ioas)
{
	if (!attach->has_pasid)
		space_unreserve(ioas->space, attach->device);
}

static int reserve_one(struct obj_attach *attach, struct obj_ioas *ioas, struct ioas_why *why)
{
	struct obj_device *device = attach->device;
	int rc = 0;

	if (attach->has_pasid || attach_ioas_of(attach->hwpt) == ioas)
		return 0;
	for (size_t i = 0; !rc && i < device->reserved_nr; i++)
		rc = space_reserve(ioas->space, device->reserved[i].first, device->reserved[i].last,
				   device, why);
	if (rc)
		space_unreserve(ioas->space, device);
	return rc;
}

static void give_back_one(struct obj_attach *attach, struct obj_ioas *ioas)
{
	if (attach_ioas_of(attach->hwpt) != ioas)
		attach_unreserve(attach, ioas);
}

/* What of `device` goes the same way as `attach`: the same PASID, or requests without one. */
static struct obj_attach *same_form(const struct obj_attach *attach, struct obj_device *device)
{
	struct obj_attach *other =
		attach->has_pasid ? ids_get(&device->pasids, attach->pasid) : &device->rid;

	return other && other->hwpt ? other : NULL;
}

struct obj_attach *attach_next_peer(const struct obj_attach *attach, const struct obj_attach *prev)
{
	struct obj_device *device = attach->device, *peer;

	lock_must_hold(&device->obj.ctx->lock);
	if (!device->dev || !attach->hwpt)
		return NULL;
	peer = prev ? LIST_NEXT(prev->device, in_set)
		    : LIST_FIRST((struct obj_peers *)&device->dev->set->peers);
	for (; peer; peer = LIST_NEXT(peer, in_set))
		if (peer != device && same_form(attach, peer))
			return same_form(attach, peer);
	return NULL;
}

void attach_give_back(struct obj_attach *attach, struct obj_ioas *ioas)
{
	struct obj_attach *peer = NULL;

	while ((peer = attach_next_peer(attach, peer)))
		give_back_one(peer, ioas);
	give_back_one(attach, ioas);
}

int attach_reserve(struct obj_attach *attach, struct obj_ioas *ioas, struct ioas_why *why)
{
	struct obj_attach *peer = NULL;
	int rc = reserve_one(attach, ioas, why);

	while (!rc && (peer = attach_next_peer(attach, peer)))
		rc = reserve_one(peer, ioas, why);
	if (rc)
		attach_give_back(attach, ioas);
	return rc;
}
