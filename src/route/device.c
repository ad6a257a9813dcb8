/* SPDX-License-Identifier: MIT */
/*
 * A device's life as the IOMMU sees it: known, bound (its TLPs declared), attached (routed).
 *
 * Whatever closes or turns a route does it in this order: unpublish, wait for those in flight, wait
 * for what they were lent. Then nothing of the device uses the old state.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/run.h>
#include "iommu.h"
#include "route/route.h"
#include "util/alloc.h"
#include "util/why.h"

#define FORMS_KNOWN IOAS_FORM_RID

int route_device_new(struct ioas_iommu *iommu, const char *name, uint16_t segment, rid_t rid,
		     struct ioas_device **out)
{
	struct ioas_device *dev = alloc_zero(1, sizeof(*dev));
	char counters[IOAS_NAME_LEN + 4];
	int rc = -ENOMEM;

	if (!dev)
		return -ENOMEM;
	dev->iommu = iommu;
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	dev->segment = segment;
	dev->rid = rid;
	mem_lend_init(&dev->lent);
	pthread_mutex_init(&dev->lock, NULL);
	snprintf(counters, sizeof(counters), IOAS_RUN_DEVICE_PREFIX "%s", dev->name);
	dev->counters = iommu_counters_alloc(iommu, counters, sizeof(*dev->counters));
	if (dev->counters)
		rc = route_insert(dev);
	if (!rc) {
		*out = dev;
		return 0;
	}
	if (dev->counters)
		iommu_counters_free(iommu, dev->counters);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
	return rc;
}

void route_device_destroy(struct ioas_device *dev)
{
	if (!dev)
		return;
	route_remove(dev);
	inflight_wait(&dev->iommu->inflight);
	iommu_counters_free(dev->iommu, dev->counters);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

/* After something was unpublished. */
static void drain(struct ioas_device *dev)
{
	inflight_wait(&dev->iommu->inflight);
	mem_lend_idle(&dev->lent);
}

int ioas_device_bind(struct ioas_device *dev, uint32_t forms, struct ioas_why *why)
{
	uint32_t unbound = 0;

	if (forms & ~(uint32_t)FORMS_KNOWN)
		return why_set(why, -EINVAL, "%s: unknown forms of TLP %#x are declared", dev->name,
			       forms & ~(uint32_t)FORMS_KNOWN);
	if (!atomic_compare_exchange_strong(&dev->forms, &unbound, forms | ROUTE_BOUND))
		return why_set(why, -EBUSY, "%s: a driver is bound to it already", dev->name);
	return 0;
}

void ioas_device_unbind(struct ioas_device *dev)
{
	atomic_store_explicit(&dev->forms, 0, memory_order_seq_cst);
	drain(dev);
}

/* Routes untagged requests to pt (NULL: nowhere). dev->lock is held. */
static void point_at(struct ioas_device *dev, struct pt *pt)
{
	struct pt *old = atomic_exchange_explicit(&dev->pt, pt, memory_order_seq_cst);

	if (old && old != pt)
		drain(dev);
}

int route_check(struct ioas_device *dev, struct ioas_why *why)
{
	uint32_t forms = atomic_load_explicit(&dev->forms, memory_order_relaxed);

	if (!(forms & ROUTE_BOUND))
		return why_set(why, -EINVAL, "%s: no driver is bound to it", dev->name);
	if (!(forms & IOAS_FORM_RID))
		return why_set(why, -EINVAL,
			       "%s: its driver declared no requests with its requester ID",
			       dev->name);
	return 0;
}

/* Points at pt, for which `shared` (or NULL) holds a reference, and drops the old one's. Locked. */
static void attach_locked(struct ioas_device *dev, struct pt *pt, struct route_shared *shared)
{
	struct route_shared *old = dev->shared;

	point_at(dev, pt);
	dev->shared = shared;
	if (old)
		route_shared_put(dev->iommu, old);
}

int route_attach(struct ioas_device *dev, struct pt *pt, struct ioas_why *why)
{
	int rc;

	pthread_mutex_lock(&dev->lock);
	rc = route_check(dev, why);
	if (!rc)
		attach_locked(dev, pt, NULL);
	pthread_mutex_unlock(&dev->lock);
	return rc;
}

void route_detach(struct ioas_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	attach_locked(dev, NULL, NULL);
	pthread_mutex_unlock(&dev->lock);
}

int ioas_device_attach(struct ioas_device *dev, struct ioas_space *space, struct ioas_why *why)
{
	struct route_shared *shared;
	int rc;

	pthread_mutex_lock(&dev->lock);
	rc = route_check(dev, why);
	if (!rc)
		rc = route_shared_get(dev->iommu, space, &shared, why);
	if (!rc)
		attach_locked(dev, route_shared_pt(shared), shared);
	pthread_mutex_unlock(&dev->lock);
	return rc;
}

void ioas_device_detach(struct ioas_device *dev)
{
	route_detach(dev);
}

void route_dma_enable(struct ioas_device *dev, bool on)
{
	atomic_store_explicit(&dev->dma_on, on, memory_order_seq_cst);
	if (!on)
		drain(dev);
}

const char *ioas_device_name(const struct ioas_device *dev)
{
	return dev->name;
}

rid_t ioas_device_rid(const struct ioas_device *dev)
{
	return dev->rid;
}

const struct ioas_device_counters *ioas_device_counters(const struct ioas_device *dev)
{
	return dev->counters;
}
