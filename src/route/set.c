/* SPDX-License-Identifier: MIT */
/*
 * What the IOMMU is programmed with for a share set.
 *
 * PASIDs are in three levels of 7, 7 and 6 bits. A level comes with the first PASID below it and
 * goes with the last, so that nothing is reserved for PASIDs that are not attached; a lookup is
 * three loads however many there are.
 */
#include <errno.h>
#include <stdlib.h>
#include "iommu.h"
#include "route/route.h"
#include "util/alloc.h"
#include "util/lock.h"

#define LEAF_LG2 6
#define MID_LG2	 7
#define TOP_LG2	 7

struct leaf {
	struct route_entry entry[1 << LEAF_LG2];
};

struct mid {
	struct leaf *_Atomic leaf[1 << MID_LG2];
	unsigned used; /* (set->lock) */
};

struct route_pasids {
	struct mid *_Atomic mid[1 << TOP_LG2];
};

static unsigned top_index(pasid_t pasid)
{
	return pasid >> (LEAF_LG2 + MID_LG2);
}

static unsigned mid_index(pasid_t pasid)
{
	return pasid >> LEAF_LG2 & ((1 << MID_LG2) - 1);
}

static unsigned leaf_index(pasid_t pasid)
{
	return pasid & ((1 << LEAF_LG2) - 1);
}

int route_set_new(struct ioas_iommu *iommu, struct route_set **out)
{
	struct route_set *set = alloc_zero(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->iommu = iommu;
	set->refs = 1;
	set->guest_id = ROUTE_NO_GUEST;
	lock_init(&set->lock, LOCK_SET);
	lock_guards(&set->lock, &set->members, &set->peers);
	LIST_INIT(&set->members);
	*out = set;
	return 0;
}

struct route_set *route_set_get(struct route_set *set)
{
	atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void route_set_put(struct route_set *set)
{
	if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
		return;
	free(set->pasids);
	pthread_mutex_destroy(&set->lock);
	free(set);
}

void route_set_declare(struct route_set *set)
{
	struct ioas_device *dev;
	uint32_t forms = 0;

	lock_must_hold(&set->lock);
	LIST_FOREACH(dev, &set->members, in_set)
	{
		forms |= dev->forms;
	}
	atomic_store_explicit(&set->forms, forms, memory_order_seq_cst);
}

struct route_entry *route_entry_find(struct route_set *set, const pasid_t *pasid)
{
	struct route_pasids *top;
	struct mid *mid;
	struct leaf *leaf;

	if (!pasid)
		return &set->untagged;
	top = *pasid >> IOAS_PASID_BITS ? NULL
					: atomic_load_explicit(&set->pasids, memory_order_acquire);
	mid = top ? atomic_load_explicit(&top->mid[top_index(*pasid)], memory_order_acquire) : NULL;
	leaf = mid ? atomic_load_explicit(&mid->leaf[mid_index(*pasid)], memory_order_acquire)
		   : NULL;
	return leaf ? &leaf->entry[leaf_index(*pasid)] : NULL;
}

/* Levels that turn out not to be needed, because a later one has no memory, go again. */
struct route_entry *route_entry_get(struct route_set *set, const pasid_t *pasid)
{
	struct route_pasids *top;
	struct mid *mid;
	struct leaf *leaf;

	if (!pasid)
		return &set->untagged;
	top = set->pasids;
	if (!top) {
		top = alloc_zero(1, sizeof(*top));
		if (!top)
			return NULL;
		atomic_store_explicit(&set->pasids, top, memory_order_release);
	}
	mid = top->mid[top_index(*pasid)];
	if (!mid) {
		mid = alloc_zero(1, sizeof(*mid));
		if (!mid)
			return NULL;
		atomic_store_explicit(&top->mid[top_index(*pasid)], mid, memory_order_release);
	}
	leaf = mid->leaf[mid_index(*pasid)];
	if (!leaf) {
		leaf = alloc_zero(1, sizeof(*leaf));
		if (!leaf) {
			route_entry_trim(set, pasid);
			return NULL;
		}
		mid->used++;
		atomic_store_explicit(&mid->leaf[mid_index(*pasid)], leaf, memory_order_release);
	}
	return &leaf->entry[leaf_index(*pasid)];
}

static bool leaf_used(const struct leaf *leaf)
{
	for (unsigned i = 0; i < 1 << LEAF_LG2; i++)
		if (leaf->entry[i].first)
			return true;
	return false;
}

void route_entry_trim(struct route_set *set, const pasid_t *pasid)
{
	struct route_pasids *top = set->pasids;
	struct mid *mid = pasid && top ? top->mid[top_index(*pasid)] : NULL;
	struct leaf *leaf = mid ? mid->leaf[mid_index(*pasid)] : NULL;

	lock_must_hold(&set->lock);
	if (!mid || (leaf ? leaf_used(leaf) : mid->used))
		return;
	if (leaf) {
		atomic_store_explicit(&mid->leaf[mid_index(*pasid)], NULL, memory_order_seq_cst);
		mid->used--;
	}
	if (!mid->used)
		atomic_store_explicit(&top->mid[top_index(*pasid)], NULL, memory_order_seq_cst);
	/* A TLP of another PASID may just be passing through these levels. */
	inflight_wait(&set->iommu->inflight);
	free(leaf);
	if (!mid->used)
		free(mid);
}

struct route_entry *route_entry_next(struct route_set *set, pasid_t *pasid)
{
	struct route_pasids *top = set->pasids;

	for (uint64_t at = *pasid; top && at < 1u << IOAS_PASID_BITS;) {
		struct mid *mid = top->mid[top_index((pasid_t)at)];
		struct leaf *leaf = mid ? mid->leaf[mid_index((pasid_t)at)] : NULL;
		unsigned step = mid ? LEAF_LG2 : LEAF_LG2 + MID_LG2;

		for (unsigned i = leaf_index((pasid_t)at); leaf && i < 1 << LEAF_LG2; i++) {
			if (!leaf->entry[i].first)
				continue;
			*pasid = (pasid_t)((at & ~(uint64_t)((1 << LEAF_LG2) - 1)) + i);
			return &leaf->entry[i];
		}
		at = ((at >> step) + 1) << step;
	}
	return NULL;
}

bool route_entry_has(const struct route_entry *entry, const struct ioas_device *dev)
{
	if (entry->first == dev)
		return true;
	for (const struct route_user *user = entry->more; user; user = user->next)
		if (user->dev == dev)
			return true;
	return false;
}

int route_entry_add(struct route_entry *entry, struct ioas_device *dev)
{
	struct route_user *user;

	if (!entry->first) {
		entry->first = dev;
		return 0;
	}
	user = alloc_zero(1, sizeof(*user));
	if (!user)
		return -ENOMEM;
	*user = (struct route_user){.dev = dev, .next = entry->more};
	entry->more = user;
	return 0;
}

void route_entry_del(struct route_entry *entry, const struct ioas_device *dev)
{
	struct route_user **link = &entry->more, *user = entry->more;

	if (entry->first != dev)
		while ((user = *link) && user->dev != dev)
			link = &user->next;
	else if (!user)
		entry->first = NULL;
	else
		entry->first = user->dev;
	if (user) {
		*link = user->next;
		free(user);
	}
}
