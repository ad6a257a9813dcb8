/* SPDX-License-Identifier: MIT */
/* What a device's routes are, for who asks. A cursor is 0, then one above the last PASID. */
#include "route/route.h"

static void describe(const struct ioas_device *dev, const struct route_entry *entry,
		     struct ioas_route *out)
{
	const struct pt_target *to = atomic_load_explicit(&entry->to, memory_order_relaxed);

	*out = (struct ioas_route){0};
	if (route_entry_has(entry, dev))
		out->flags |= IOAS_ROUTE_ATTACHED;
	if (out->flags && entry->first != dev)
		out->flags |= IOAS_ROUTE_NO_OP;
	if (entry->more || !out->flags)
		out->flags |= IOAS_ROUTE_OTHERS;
	if (entry->shared)
		out->space = route_shared_space(entry->shared);
	if (to) {
		out->ioas_id = pt_ioas_id(to->pt);
		out->pt_id = to->hwpt_id;
	} else {
		out->flags |= IOAS_ROUTE_BLOCKED;
	}
}

size_t ioas_device_routes(struct ioas_device *dev, uint64_t *cursor, struct ioas_route *out,
			  size_t max)
{
	struct route_set *set = dev->set;
	struct route_entry *entry = &set->untagged;
	size_t nr = 0;

	pthread_mutex_lock(&set->lock);
	if (!*cursor && max) {
		if (entry->first)
			describe(dev, entry, &out[nr++]);
		*cursor = 1;
	}
	while (nr < max && *cursor <= 1u << IOAS_PASID_BITS) {
		pasid_t pasid = (pasid_t)(*cursor - 1);

		entry = route_entry_next(set, &pasid);
		if (!entry) {
			*cursor = (1u << IOAS_PASID_BITS) + 1;
			break;
		}
		describe(dev, entry, &out[nr]);
		out[nr].has_pasid = true;
		out[nr].flags |= IOAS_ROUTE_PASID;
		out[nr++].pasid = pasid;
		*cursor = (uint64_t)pasid + 2;
	}
	pthread_mutex_unlock(&set->lock);
	return nr;
}

uint32_t ioas_device_forms(const struct ioas_device *dev, unsigned *pasid_lg2)
{
	if (pasid_lg2)
		*pasid_lg2 = atomic_load_explicit(&dev->pasid_lg2, memory_order_relaxed);
	return atomic_load_explicit(&dev->forms, memory_order_relaxed) & ~ROUTE_BOUND;
}
