/* SPDX-License-Identifier: MIT */
/*
 * Telling the host what happens (ioas/trace.h). Each call is one load and one branch while nobody
 * wants to know.
 *
 * Called with whatever locks their callers hold: the hook must not call back, and what it waits for
 * (a write to a file) keeps those locks. No call is made in flight.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <string.h>
#include <ioas/trace.h>
#include "iommu.h"
#include "route/route.h"

/* As much of an ioctl's argument as is kept. */
#define TRACE_ARGS_LEN 128

/* What the engine copied from the caller's argument, and to it, by offset. */
struct ioas_trace_args {
	uint8_t in[TRACE_ARGS_LEN], out[TRACE_ARGS_LEN];
	uint64_t read[TRACE_ARGS_LEN / 64], written[TRACE_ARGS_LEN / 64]; /* a bit a byte */
};

static inline bool trace_on(const struct ioas_iommu *iommu)
{
	const struct ioas_host_ops *ops = iommu->config.host_ops;

	return __builtin_expect(ops && ops->trace, 0);
}

/* `len` bytes at caller address `va` were copied; `arg` is where the ioctl's argument is. */
void trace_copied(struct ioas_trace_args *args, uint64_t arg, uint64_t va, const void *bytes,
		  size_t len, bool written);

/* CLOCK_MONOTONIC, to say how long an ioctl took. */
uint64_t trace_now(void);

void trace_event(struct ioas_iommu *iommu, const struct ioas_trace_event *event);
void trace_route_event(struct ioas_device *dev, const pasid_t *pasid, const struct pt_target *from,
		       const struct pt_target *to, enum ioas_trace_cause cause);

/*
 * A device's route changed: requests with `pasid` (NULL: those without one) went to `from` and go
 * to `to` (NULL: they are blocked). `from` must not have ended yet.
 */
static inline void trace_route(struct ioas_device *dev, const pasid_t *pasid,
			       const struct pt_target *from, const struct pt_target *to,
			       enum ioas_trace_cause cause)
{
	if (trace_on(dev->iommu))
		trace_route_event(dev, pasid, from, to, cause);
}

/* Bind, unbind, bus master on and off. */
static inline void trace_driver(struct ioas_device *dev, enum ioas_trace_cause cause)
{
	trace_route(dev, NULL, NULL, NULL, cause);
}

static inline void trace_reset(struct ioas_iommu *iommu, const char *device)
{
	struct ioas_trace_event event = {.kind = IOAS_TRACE_RESET, .device = device};

	if (trace_on(iommu))
		trace_event(iommu, &event);
}

static inline void trace_fault(struct ioas_iommu *iommu, const struct ioas_fault *fault)
{
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_FAULT, .device = fault->device, .fault = fault};

	if (trace_on(iommu))
		trace_event(iommu, &event);
}

#endif
