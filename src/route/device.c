/* SPDX-License-Identifier: MIT */
/* A device's life as the IOMMU sees it: known, bound (its TLPs declared). Then attach.c's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/run.h>
#include "iommu.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/pri.h"
#include "trace/trace.h"
#include "util/alloc.h"
#include "util/why.h"

#define FORMS_KNOWN (IOAS_FORM_RID | IOAS_FORM_PASID | IOAS_FORM_SHARED_QUEUE)

static void leave_table(struct ioas_device *dev, size_t nr)
{
	while (nr--)
		route_remove(dev->iommu, dev->bus, dev->requester[nr]);
}

static int enter_table(struct ioas_device *dev, const struct route_identity *who)
{
	size_t nr = who->requester ? who->requester_nr : 1;
	int rc = 0;

	dev->requester = alloc_zero(nr, sizeof(*dev->requester));
	if (!dev->requester)
		return -ENOMEM;
	memcpy(dev->requester, who->requester ? who->requester : &who->id,
	       nr * sizeof(*dev->requester));
	for (size_t i = 0; !rc && i < nr; i++) {
		rc = route_insert(dev->set, dev->bus, dev->requester[i]);
		if (rc)
			leave_table(dev, i);
	}
	dev->requester_nr = nr;
	return rc;
}

static void device_free(struct ioas_device *dev)
{
	if (dev->counters)
		iommu_counters_free(dev->iommu, dev->counters);
	pri_free(dev->pri);
	ats_put(dev->ats);
	route_set_put(dev->set);
	free(dev->requester);
	free(dev);
}

static void join_set(struct ioas_device *dev)
{
	pthread_mutex_lock(&dev->set->lock);
	LIST_INSERT_HEAD(&dev->set->members, dev, in_set);
	pthread_mutex_unlock(&dev->set->lock);
}

int route_device_create(struct ioas_iommu *iommu, const struct route_identity *who,
			struct ioas_device **out)
{
	struct ioas_device *dev = alloc_zero(1, sizeof(*dev));
	char counters[IOAS_NAME_LEN + 4];
	int rc = 0;

	if (!dev)
		return -ENOMEM;
	dev->iommu = iommu;
	snprintf(dev->name, sizeof(dev->name), "%s", who->name);
	dev->bus = who->bus;
	dev->segment = who->segment;
	dev->id = who->id;
	dev->unit = who->unit ? who->unit : &iommu->own;
	dev->aw = dev->unit->table.aw;
	dev->pasid_0_same = dev->unit->pasid_0_same;
	dev->msi = who->bus == ROUTE_PCI ? dev->unit->msi : KIND_NOWHERE;
	mem_lend_init(&dev->lent);
	snprintf(counters, sizeof(counters), IOAS_RUN_DEVICE_PREFIX "%s", dev->name);
	if (who->set)
		dev->set = route_set_get(who->set);
	else
		rc = route_set_new(iommu, &dev->set);
	if (!rc)
		dev->counters = iommu_counters_alloc(iommu, counters, sizeof(*dev->counters));
	if (!rc && !dev->counters)
		rc = -ENOMEM;
	if (!rc && who->ats && dev->unit->spec.ats)
		rc = ats_add(dev, pt_format_page_lg2(dev->unit->table.format));
	if (!rc && dev->ats && who->page_request_nr && dev->unit->spec.pri)
		rc = pri_add(dev, who->page_request_nr);
	if (!rc && !*dev->set->name)
		memcpy(dev->set->name, dev->name, sizeof(dev->set->name));
	if (!rc)
		rc = enter_table(dev, who);
	if (rc) {
		device_free(dev);
		return rc;
	}
	join_set(dev);
	*out = dev;
	return 0;
}

int route_device_new(struct ioas_iommu *iommu, const char *name, uint16_t segment, rid_t rid,
		     struct ioas_device **out)
{
	struct route_identity who = {
		.name = name,
		.bus = ROUTE_PCI,
		.segment = segment,
		.id = route_pci_id(segment, rid),
	};

	return route_device_create(iommu, &who, out);
}

void route_device_destroy(struct ioas_device *dev)
{
	if (!dev)
		return;
	pthread_mutex_lock(&dev->set->lock);
	LIST_REMOVE(dev, in_set);
	pthread_mutex_unlock(&dev->set->lock);
	leave_table(dev, dev->requester_nr);
	inflight_wait(&dev->iommu->inflight);
	device_free(dev);
}

static int check_width(struct ioas_device *dev, uint32_t forms, unsigned pasid_lg2,
		       struct ioas_why *why)
{
	bool pasids = forms & (IOAS_FORM_PASID | IOAS_FORM_SHARED_QUEUE);

	if (!pasids && pasid_lg2)
		return why_set(why, -EINVAL, "%s: a PASID width is declared, but no PASIDs",
			       dev->name);
	if (pasids && (!pasid_lg2 || pasid_lg2 > IOAS_PASID_BITS))
		return why_set(why, -EINVAL,
			       "%s: PASIDs of %u bits are declared; they have 1 to %u", dev->name,
			       pasid_lg2, IOAS_PASID_BITS);
	return 0;
}

int ioas_device_bind(struct ioas_device *dev, uint32_t forms, unsigned pasid_lg2,
		     struct ioas_why *why)
{
	int rc = 0;

	if (forms & ~(uint32_t)FORMS_KNOWN)
		return why_set(why, -EINVAL, "%s: unknown forms of TLP %#x are declared", dev->name,
			       forms & ~(uint32_t)FORMS_KNOWN);
	rc = check_width(dev, forms, pasid_lg2, why);
	if (rc)
		return rc;
	pthread_mutex_lock(&dev->set->lock);
	if (dev->forms & ROUTE_BOUND) {
		rc = why_set(why, -EBUSY, "%s: a driver is bound to it already", dev->name);
	} else {
		atomic_store_explicit(&dev->pasid_lg2, pasid_lg2, memory_order_relaxed);
		atomic_store_explicit(&dev->forms, forms | ROUTE_BOUND, memory_order_seq_cst);
		route_set_declare(dev->set);
		trace_driver(dev, IOAS_TRACE_BIND);
	}
	pthread_mutex_unlock(&dev->set->lock);
	return rc;
}

void ioas_device_unbind(struct ioas_device *dev)
{
	pthread_mutex_lock(&dev->set->lock);
	atomic_store_explicit(&dev->forms, 0, memory_order_seq_cst);
	route_set_declare(dev->set);
	pthread_mutex_unlock(&dev->set->lock);
	route_drain(dev);
	trace_driver(dev, IOAS_TRACE_UNBIND);
}

void route_dma_enable(struct ioas_device *dev, bool on)
{
	bool was = atomic_exchange_explicit(&dev->dma_on, on, memory_order_seq_cst);

	if (!on)
		route_drain(dev);
	if (was != on)
		trace_driver(dev, on ? IOAS_TRACE_BUS_MASTER_ON : IOAS_TRACE_BUS_MASTER_OFF);
}

const char *ioas_device_name(const struct ioas_device *dev)
{
	return dev->name;
}

rid_t ioas_device_rid(const struct ioas_device *dev)
{
	return (rid_t)dev->id;
}

uint32_t ioas_device_id(const struct ioas_device *dev)
{
	return dev->bus == ROUTE_PCI ? (rid_t)dev->id : dev->id;
}

const struct ioas_device_counters *ioas_device_counters(const struct ioas_device *dev)
{
	return dev->counters;
}
