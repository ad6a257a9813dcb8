/* SPDX-License-Identifier: MIT */
/*
 * What did not pass: records that say why, and the log that keeps the newest of them.
 *
 * Locks: a record is filled in flight, without a lock (fault_look); the log's lock is taken and the
 * host's hook is called after the mark is left (fault_record). So an UNMAP that waits for the
 * issuer never waits for a reader of the log, nor for what the hook waits for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "iommu.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/nested.h"
#include "tlp/tlp.h"
#include "trace/trace.h"
#include "util/alloc.h"
#include "util/lock.h"

#define KEPT 1024

struct fault_log {
	pthread_mutex_t lock;
	uint64_t seq;		       /* of the newest, 0: none yet (lock) */
	struct ioas_fault fault[KEPT]; /* number seq is at seq % KEPT (lock) */
};

int fault_log_new(struct fault_log **out)
{
	struct fault_log *log = alloc_zero(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	lock_init(&log->lock, LOCK_FAULTS);
	lock_guards(&log->lock, &log->seq, log->fault + 1); /* of the records one is enough */
	*out = log;
	return 0;
}

void fault_log_destroy(struct fault_log *log)
{
	if (!log)
		return;
	pthread_mutex_destroy(&log->lock);
	free(log);
}

/* What the page table says of the address. In flight. */
static void look_in(struct ioas_fault *fault, const struct pt *pt, iova_t addr)
{
	struct pt_step steps[IOAS_FAULT_LEVELS];

	fault->level_nr = pt_trace(pt, addr, steps, IOAS_FAULT_LEVELS);
	for (uint32_t i = 0; i < fault->level_nr; i++) {
		fault->level[i].level = steps[i].level;
		fault->level[i].kind = steps[i].kind;
		fault->level[i].index = steps[i].index;
		fault->level[i].entry = steps[i].entry;
	}
	fault->has_nearest = !pt_nearest(pt, addr, &fault->nearest, &fault->nearest_prot);
}

/* The same of both dimensions. When stage 1 has refused, stage 2 was not asked for the address. */
static void look_nested(struct ioas_fault *fault, struct ioas_iommu *iommu,
			const struct tlp_route *route)
{
	struct nested_request request = nested_request_of(route->tlp, fault->addr);
	struct nested_found found;

	fault->hwpt_id = route->stage1->to.hwpt_id;
	if (nested_walk(iommu, route->stage1, &request, &found, fault) == TLP_MOVING)
		fault->stage = 0;
	if (fault->stage != 1)
		look_in(fault, route->pt, fault->gpa);
	else if (route->stage1->ops->code)
		fault->code = route->stage1->ops->code(route->stage1, fault);
}

static void look_up(struct ioas_fault *fault, struct ioas_iommu *iommu,
		    const struct tlp_route *route)
{
	fault->ioas_id = pt_ioas_id(route->pt);
	fault->hwpt_id = pt_hwpt_id(route->pt);
	if (route->stage1)
		look_nested(fault, iommu, route);
	else
		look_in(fault, route->pt, fault->addr);
}

/* Whose requester ID it is, as far as that can be said: who is attached there. */
static void name_owner(struct ioas_fault *fault, struct route_set *set, const struct ioas_tlp *tlp)
{
	snprintf(fault->other, sizeof(fault->other), "%s", set->name);
}

void fault_note(struct ioas_fault *fault, struct ioas_device *dev, const struct ioas_tlp *tlp,
		enum ioas_fault_reason reason)
{
	struct timespec now;

	memset(fault, 0, sizeof(*fault));
	clock_gettime(CLOCK_REALTIME, &now);
	fault->time_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	fault->tlp = *tlp;
	fault->addr = tlp->addr;
	memcpy(fault->device, dev->name, sizeof(fault->device));
	fault->stream = dev->bus == ROUTE_STREAM;
	fault->id = ioas_device_id(dev);
	fault->reason = (uint16_t)reason;
}

void fault_look(struct ioas_fault *fault, struct ioas_device *dev, const struct ioas_tlp *tlp,
		iova_t addr, enum ioas_fault_reason reason)
{
	struct tlp_route route;
	bool routed;

	fault_note(fault, dev, tlp, reason);
	fault->addr = addr;
	routed = !tlp_find_route(dev, tlp, &route);
	if (dev->bus == ROUTE_PCI)
		fault->id = (rid_t)route.id;
	if (tlp->at == IOAS_TLP_TRANSLATED)
		ats_explain(fault, dev, addr);
	else if (routed)
		look_up(fault, dev->iommu, &route);
	if (route.claimed && route.set)
		name_owner(fault, route.set, tlp);
}

void fault_add(struct ioas_iommu *iommu, struct ioas_fault *fault)
{
	const struct ioas_iommu_config *config = &iommu->config;
	struct fault_log *log = iommu->faults;

	pthread_mutex_lock(&log->lock);
	fault->seq = ++log->seq;
	log->fault[fault->seq % KEPT] = *fault;
	pthread_mutex_unlock(&log->lock);
	if (config->host_ops && config->host_ops->fault)
		config->host_ops->fault(config->host, fault);
	trace_fault(iommu, fault);
}

void fault_keep(struct ioas_device *dev, struct ioas_fault *fault)
{
	kind_unit_code(dev->unit, fault);
	if (fault->reason != IOAS_PASSED_STALE && fault->reason != IOAS_PASSED_ATS_STALE)
		__atomic_fetch_add(ioas_fault_passed(fault->reason) ? &dev->counters->around
								    : &dev->counters->faults,
				   1, __ATOMIC_RELAXED);
	fault_add(dev->iommu, fault);
}

int fault_record(struct ioas_issuer *issuer, struct ioas_fault *fault)
{
	fault_keep(issuer->dev, fault);
	issuer->recorded = fault->seq;
	issuer->reason = fault->reason;
	/* Its guest is told of what did not pass. */
	if (__builtin_expect(fault->stage != 0, 0) && !ioas_fault_passed(fault->reason))
		nested_tell(issuer, fault);
	return ioas_fault_passed(fault->reason) ? 0 : -EFAULT;
}

enum ioas_fault_reason ioas_issuer_fault(const struct ioas_issuer *issuer, uint64_t *seq)
{
	*seq = issuer->recorded;
	return issuer->reason;
}

size_t ioas_fault_read(struct ioas_iommu *iommu, uint64_t *seq, struct ioas_fault *out, size_t max)
{
	struct fault_log *log = iommu->faults;
	size_t nr = 0;

	pthread_mutex_lock(&log->lock);
	if (log->seq > KEPT && *seq < log->seq - KEPT)
		*seq = log->seq - KEPT;
	while (nr < max && *seq < log->seq)
		out[nr++] = log->fault[++*seq % KEPT];
	pthread_mutex_unlock(&log->lock);
	return nr;
}
