/* SPDX-License-Identifier: MIT */
/*
 * Attach, replace, detach. All of a share set is connected to one page table: the first attach
 * programs the IOMMU, a later one to the same page table has nothing to do, and a replace moves all
 * that are attached.
 *
 * Whatever closes or turns a route does it in this order: unpublish, wait for those in flight, wait
 * for what they were lent. Then nothing of the devices uses the old state.
 */
#include <errno.h>
#include <stdlib.h>
#include "iommu.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "trace/trace.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

/*
 * A PASID that whoever submits work to a shared queue picks is the submitter's on all devices that
 * have such queues: all have to route it alike. One set stands for the whole machine.
 */
struct route_wide {
	struct route_set *set;
};

int route_wide_new(struct ioas_iommu *iommu, struct route_wide **out)
{
	struct route_wide *wide = alloc_zero(1, sizeof(*wide));
	int rc = wide ? route_set_new(iommu, &wide->set) : -ENOMEM;

	if (rc) {
		free(wide);
		return rc;
	}
	lock_rank(&wide->set->lock, LOCK_WIDE);
	*out = wide;
	return 0;
}

void route_wide_destroy(struct route_wide *wide)
{
	if (!wide)
		return;
	route_set_put(wide->set);
	free(wide);
}

void route_drain(struct ioas_device *dev)
{
	inflight_wait(&dev->iommu->inflight);
	mem_lend_idle(&dev->lent);
}

static int check_pasid(struct ioas_device *dev, uint32_t forms, pasid_t pasid, struct ioas_why *why)
{
	unsigned lg2 = atomic_load_explicit(&dev->pasid_lg2, memory_order_relaxed);

	if (!(forms & (IOAS_FORM_PASID | IOAS_FORM_SHARED_QUEUE)))
		return why_set(why, -EINVAL, "%s: its driver declared no requests with PASIDs",
			       dev->name);
	if (pasid >> lg2)
		return why_set(why, -EINVAL, "%s: its PASIDs have %u bits, %u is beyond that",
			       dev->name, lg2, pasid);
	if (!pasid && !dev->unit->pasid_0_apart)
		return why_set(why, -EINVAL,
			       dev->pasid_0_same
				       ? "%s: this IOMMU takes PASID 0 for requests without a "
					 "PASID (attach those)"
				       : "%s: this IOMMU refuses requests with PASID 0",
			       dev->name);
	return 0;
}

int route_check(struct ioas_device *dev, const pasid_t *pasid, struct ioas_why *why)
{
	uint32_t forms = atomic_load_explicit(&dev->forms, memory_order_relaxed);

	if (!(forms & ROUTE_BOUND))
		return why_set(why, -EINVAL, "%s: no driver is bound to it", dev->name);
	if (pasid)
		return check_pasid(dev, forms, *pasid, why);
	if (!(forms & IOAS_FORM_RID))
		return why_set(why, -EINVAL,
			       "%s: its driver declared no requests with its requester ID",
			       dev->name);
	return 0;
}

/* An attach that has been checked as far as the device goes. set->lock. */
struct change {
	struct ioas_device *dev;
	const pasid_t *pasid;
	struct pt_target *to;
	struct route_shared *shared; /* the reference to it, which the entry takes over; or NULL */
	struct ioas_why *why;
};

/*
 * The same for all that an entry, which led to `old`, is for: what was translated by that way is
 * taken back, too. set->lock.
 */
static void drain_set(const struct change *c, const struct pt_target *old)
{
	struct route_set *set = c->dev->set;
	struct ioas_device *dev;

	inflight_wait(&set->iommu->inflight);
	LIST_FOREACH(dev, &set->members, in_set)
	{
		ats_take_route(dev, c->pasid, old,
			       c->to ? IOAS_ATS_BY_REPLACE : IOAS_ATS_BY_DETACH);
		mem_lend_idle(&dev->lent);
	}
}

/* Somebody else of the set is attached, and the device is not. */
static int join(const struct change *c, struct route_entry *entry)
{
	struct pt_target *to = atomic_load_explicit(&entry->to, memory_order_relaxed);

	if (to != c->to)
		return why_set(
			c->why, -EINVAL,
			"%s shares requester IDs with %s, which is attached elsewhere (address "
			"space %u, page table %u): the IOMMU cannot tell them apart",
			c->dev->name, entry->first->name, to ? pt_ioas_id(to->pt) : 0,
			to ? to->hwpt_id : 0);
	if (route_entry_add(entry, c->dev))
		return -ENOMEM;
	ats_attached(c->dev, true);
	trace_route(c->dev, c->pasid, to, to, IOAS_TRACE_NO_OP);
	return 1;
}

/* The entry has been turned from `old` to c->to, for all who are attached by way of it. */
static void tell(const struct change *c, const struct route_entry *entry,
		 const struct pt_target *old, enum ioas_trace_cause cause)
{
	if (!entry->first)
		trace_route(c->dev, c->pasid, old, NULL, IOAS_TRACE_DETACH);
	else
		trace_route(entry->first, c->pasid, old, c->to, cause);
	for (const struct route_user *user = entry->more; user; user = user->next)
		trace_route(user->dev, c->pasid, old, c->to, cause);
}

static void point(const struct change *c, struct route_entry *entry, bool attached)
{
	struct pt_target *old = atomic_exchange_explicit(&entry->to, c->to, memory_order_seq_cst);
	struct route_shared *shared = entry->shared;

	if (old && old != c->to)
		drain_set(c, old);
	if (trace_on(c->dev->iommu))
		tell(c, entry, old,
		     !attached	    ? IOAS_TRACE_ATTACH
		     : old == c->to ? IOAS_TRACE_NO_OP
				    : IOAS_TRACE_REPLACE);
	entry->shared = c->shared;
	if (shared)
		route_shared_put(c->dev->iommu, shared);
}

/* 0 the entry has taken c->shared over; 1 it had it already. */
static int change(const struct change *c)
{
	struct route_entry *entry = route_entry_get(c->dev->set, c->pasid);
	bool attached;

	if (!entry)
		return -ENOMEM;
	attached = route_entry_has(entry, c->dev);
	if (!attached) {
		if (entry->first)
			return join(c, entry);
		route_entry_add(entry, c->dev);
		ats_attached(c->dev, true);
	}
	point(c, entry, attached);
	return 0;
}

static bool is_wide(const struct ioas_device *dev, const pasid_t *pasid)
{
	return pasid && dev->forms & IOAS_FORM_SHARED_QUEUE;
}

/* Does the PASID mean that page table machine-wide, too? The wide set's lock is held. */
static int wide_enter(struct route_set *wide, const struct change *c)
{
	struct route_entry *entry = route_entry_get(wide, c->pasid);

	if (!entry)
		return -ENOMEM;
	if (entry->first && entry->to != c->to && !(entry->first == c->dev && !entry->more)) {
		const struct ioas_device *other =
			entry->first == c->dev ? entry->more->dev : entry->first;

		return why_set(c->why, -EINVAL,
			       "PASID %u of shared work queues is machine-wide, and %s routes it "
			       "elsewhere (page table %u)",
			       *c->pasid, other->name, entry->to ? entry->to->hwpt_id : 0);
	}
	if (!route_entry_has(entry, c->dev) && route_entry_add(entry, c->dev))
		return -ENOMEM;
	entry->to = c->to;
	return 0;
}

static void wide_leave(struct route_set *wide, const struct change *c)
{
	struct route_entry *entry = route_entry_find(wide, c->pasid);

	lock_must_hold(&wide->lock);
	if (entry)
		route_entry_del(entry, c->dev);
	if (entry && !entry->first)
		entry->to = NULL;
	route_entry_trim(wide, c->pasid);
}

/* The change, with machine-wide PASIDs agreed on before. */
static int change_wide(const struct change *c)
{
	struct route_set *wide = route_wide(c->dev->iommu)->set;
	struct route_entry *entry;
	struct pt_target *was;
	int rc;

	pthread_mutex_lock(&wide->lock);
	entry = route_entry_find(wide, c->pasid);
	was = entry && route_entry_has(entry, c->dev) ? entry->to : NULL;
	rc = wide_enter(wide, c);
	if (!rc) {
		rc = change(c);
		if (rc < 0 && was)
			route_entry_find(wide, c->pasid)->to = was;
		else if (rc < 0)
			wide_leave(wide, c);
	}
	pthread_mutex_unlock(&wide->lock);
	return rc;
}

static int attach_locked(const struct change *c)
{
	int rc = route_check(c->dev, c->pasid, c->why);

	lock_must_hold(&c->dev->set->lock);
	if (rc)
		return rc;
	if (c->to && pt_aw(c->to->pt) > c->dev->aw)
		return why_set(c->why, -EINVAL,
			       "%s: its IOMMU has %u address bits, the page table %u", c->dev->name,
			       c->dev->aw, pt_aw(c->to->pt));
	if (c->to && !is_wide(c->dev, c->pasid)) {
		rc = kind_unit_check_table(c->dev->unit, c->pasid, c->to, c->why);
		if (rc)
			return rc;
	}
	rc = is_wide(c->dev, c->pasid) ? change_wide(c) : change(c);
	return rc == -ENOMEM ? why_set(c->why, rc, "%s: no memory for a route", c->dev->name) : rc;
}

int route_attach(struct ioas_device *dev, const pasid_t *pasid, struct pt *pt, struct ioas_why *why)
{
	return route_attach_to(dev, pasid, pt_target(pt), why);
}

int route_attach_to(struct ioas_device *dev, const pasid_t *pasid, struct pt_target *to,
		    struct ioas_why *why)
{
	struct change c = {.dev = dev, .pasid = pasid, .to = to, .why = why};
	int rc;

	pthread_mutex_lock(&dev->set->lock);
	rc = attach_locked(&c);
	pthread_mutex_unlock(&dev->set->lock);
	return rc;
}

static void wide_detach(const struct change *c)
{
	struct route_set *wide = route_wide(c->dev->iommu)->set;

	pthread_mutex_lock(&wide->lock);
	wide_leave(wide, c);
	pthread_mutex_unlock(&wide->lock);
}

/* Others of its set go on. What the device asks for between the two is taken back, too. */
static void leave(const struct change *c, struct route_entry *entry)
{
	ats_take_route(c->dev, c->pasid, entry->to, IOAS_ATS_BY_DETACH);
	trace_route(c->dev, c->pasid, entry->to, entry->to, IOAS_TRACE_LEAVE);
}

void route_detach(struct ioas_device *dev, const pasid_t *pasid)
{
	struct change c = {.dev = dev, .pasid = pasid};
	struct route_entry *entry;

	pthread_mutex_lock(&dev->set->lock);
	entry = route_entry_find(dev->set, pasid);
	if (entry && route_entry_has(entry, dev)) {
		if (is_wide(dev, pasid))
			wide_detach(&c);
		route_entry_del(entry, dev);
		if (!entry->first)
			point(&c, entry, true);
		else
			leave(&c, entry);
		ats_attached(dev, false);
		route_entry_trim(dev->set, pasid);
	}
	pthread_mutex_unlock(&dev->set->lock);
}

static int attach_space(struct ioas_device *dev, const pasid_t *pasid, struct ioas_space *space,
			struct ioas_why *why)
{
	struct change c = {.dev = dev, .pasid = pasid, .why = why};
	const struct pt_config *config = kind_unit_table(dev->unit, pasid);
	struct pt_config wide;
	int rc;

	/* A machine-wide PASID means one page table, behind whatever IOMMU. */
	if (is_wide(dev, pasid)) {
		wide = *kind_unit_table(dev->iommu->unit, true);
		wide.aw = dev->iommu->aw;
		config = &wide;
	}
	pthread_mutex_lock(&dev->set->lock);
	rc = route_check(dev, pasid, why);
	if (!rc)
		rc = route_shared_get(dev->iommu, space, config, &c.shared, why);
	if (!rc) {
		c.to = pt_target(route_shared_pt(c.shared));
		rc = attach_locked(&c);
		if (rc)
			route_shared_put(dev->iommu, c.shared);
	}
	pthread_mutex_unlock(&dev->set->lock);
	return rc;
}

int ioas_device_attach(struct ioas_device *dev, struct ioas_space *space, struct ioas_why *why)
{
	return attach_space(dev, NULL, space, why);
}

void ioas_device_detach(struct ioas_device *dev)
{
	route_detach(dev, NULL);
}

int ioas_device_attach_pasid(struct ioas_device *dev, pasid_t pasid, struct ioas_space *space,
			     struct ioas_why *why)
{
	return attach_space(dev, &pasid, space, why);
}

void ioas_device_detach_pasid(struct ioas_device *dev, pasid_t pasid)
{
	route_detach(dev, &pasid);
}
