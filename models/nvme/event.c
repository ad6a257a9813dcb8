/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous events (5.2): requests are held until there is something to tell. What was told of
 * one type is not told again until the program has read the log page that goes with it.
 */
#include "nvme/nvme.h"

static const uint8_t log_of[NVME_EVENT_TYPES] = {
	[NVME_EVENT_ERROR] = NVME_LOG_ERROR,
	[NVME_EVENT_SMART] = NVME_LOG_SMART,
};

void nvme_event_deliver(struct nvme *nvme)
{
	for (unsigned type = 0; type < NVME_EVENT_TYPES; type++) {
		struct nvme_req *req;
		unsigned info;

		if (!nvme->aer_nr)
			return;
		if (!nvme->event_pending[type] || nvme->event_masked[type])
			continue;
		info = (unsigned)__builtin_ctz(nvme->event_pending[type]);
		nvme->event_pending[type] &= nvme->event_pending[type] - 1;
		nvme->event_masked[type] = true;
		req = nvme->aer[--nvme->aer_nr];
		req->dw0 = type | info << 8 | (uint32_t)log_of[type] << 16;
		nvme_finish(nvme, req, NVME_SUCCESS);
	}
}

void nvme_event(struct nvme *nvme, enum nvme_event type, unsigned info)
{
	nvme->event_pending[type] |= 1u << info;
	nvme_event_deliver(nvme);
}

void nvme_event_unmask(struct nvme *nvme, enum nvme_event type)
{
	nvme->event_masked[type] = false;
	nvme_event_deliver(nvme);
}

nvme_status nvme_async_event(struct nvme *nvme, struct nvme_req *req)
{
	if (nvme->aer_nr == NVME_AER_MAX)
		return NVME_AER_LIMIT | NVME_DNR;
	nvme->aer[nvme->aer_nr++] = req;
	nvme_event_deliver(nvme);
	return NVME_LATER;
}

bool nvme_async_event_abort(struct nvme *nvme, uint16_t cid)
{
	for (unsigned i = 0; i < nvme->aer_nr; i++) {
		struct nvme_req *req = nvme->aer[i];

		if (req->cmd.cid != cid)
			continue;
		nvme->aer[i] = nvme->aer[--nvme->aer_nr];
		nvme_finish(nvme, req, NVME_ABORT_REQUESTED);
		return true;
	}
	return false;
}
