/* SPDX-License-Identifier: MIT */
/* Devices of a platform bus: who they are is a StreamID, and what goes with PASIDs SubstreamIDs. */
#include "iommu.h"
#include "route/route.h"

int ioas_stream_new(struct ioas_iommu *iommu, const char *name, uint32_t stream_id,
		    struct ioas_device **out)
{
	struct route_identity who = {
		.name = name,
		.bus = ROUTE_STREAM,
		.id = stream_id,
	};
	int rc = route_device_create(iommu, &who, out);

	if (!rc)
		route_dma_enable(*out, true);
	return rc;
}

void ioas_stream_destroy(struct ioas_device *dev)
{
	if (!dev)
		return;
	route_dma_enable(dev, false);
	route_device_destroy(dev);
}
