/* SPDX-License-Identifier: MIT */
/* Making events of what the engine does. */
#include <time.h>
#include "trace/trace.h"

uint64_t trace_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void trace_copied(struct ioas_trace_args *args, uint64_t arg, uint64_t va, const void *bytes,
		  size_t len, bool written)
{
	uint64_t *known = written ? args->written : args->read;
	uint8_t *to = written ? args->out : args->in;
	uint64_t at = va - arg;

	if (va < arg || at >= TRACE_ARGS_LEN)
		return;
	if (len > TRACE_ARGS_LEN - at)
		len = TRACE_ARGS_LEN - at;
	memcpy(to + at, bytes, len);
	for (uint64_t i = at; i < at + len; i++)
		known[i / 64] |= 1ull << i % 64;
}

void trace_event(struct ioas_iommu *iommu, const struct ioas_trace_event *event)
{
	iommu->config.host_ops->trace(iommu->config.host, event);
}

static struct ioas_trace_target target(const struct pt_target *at)
{
	struct ioas_trace_target to = {.there = at};

	if (at) {
		to.ioas_id = pt_ioas_id(at->pt);
		to.hwpt_id = at->hwpt_id;
	}
	return to;
}

void trace_route_event(struct ioas_device *dev, const pasid_t *pasid, const struct pt_target *from,
		       const struct pt_target *to, enum ioas_trace_cause cause)
{
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_ROUTE,
		.device = ioas_device_name(dev),
		.route =
			{
				.cause = cause,
				.id = ioas_device_id(dev),
				.stream = dev->bus == ROUTE_STREAM,
				.pasid = pasid,
				.from = target(from),
				.to = target(to),
			},
	};

	if (cause == IOAS_TRACE_BIND) {
		event.route.forms = dev->forms & ~ROUTE_BOUND;
		event.route.pasid_lg2 = (uint8_t)dev->pasid_lg2;
	}
	trace_event(dev->iommu, &event);
}
