/* SPDX-License-Identifier: MIT */
/*
 * What a guest is told of faults in tables of its own. The record of a fault has all that an event
 * is made of; what it does not have, the stage 1 itself, is looked for again. If the device's
 * requests go elsewhere by now, there is nobody to tell.
 */
#include "iommu.h"
#include "route/route.h"
#include "tlp/nested.h"
#include "tlp/tlp.h"

static void make(struct ioas_device *dev, const struct ioas_fault *fault, struct stage1_event *out)
{
	const struct stage1 *stage1;
	struct tlp_route route;
	uint64_t guest_id;

	if (tlp_find_route(dev, &fault->tlp, &route) || !route.stage1)
		return;
	stage1 = route.stage1;
	guest_id = atomic_load_explicit(&route.set->guest_id, memory_order_relaxed);
	if (stage1->ops->event && stage1->to.hwpt_id == fault->hwpt_id &&
	    guest_id != ROUTE_NO_GUEST)
		stage1->ops->event(stage1, fault, guest_id, out);
}

void nested_tell(struct ioas_issuer *issuer, const struct ioas_fault *fault)
{
	/* A batch is in flight all the time. */
	bool entered = inflight_entered(&issuer->mark);
	struct stage1_event event = {0};

	if (!entered)
		tlp_enter(issuer);
	make(issuer->dev, fault, &event);
	if (!entered)
		tlp_leave(issuer);
	if (event.deliver)
		event.deliver(&event);
}
