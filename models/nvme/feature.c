/* SPDX-License-Identifier: MIT */
/*
 * Get and Set Features (5.9, 5.21): one table says which there are. Nothing is saved over a reset.
 */
#include <string.h>
#include "nvme/nvme.h"

enum feature {
	FEATURE_ARBITRATION = 0x01,
	FEATURE_POWER = 0x02,
	FEATURE_TEMPERATURE = 0x04,
	FEATURE_ERROR_RECOVERY = 0x05,
	FEATURE_WRITE_CACHE = 0x06,
	FEATURE_QUEUES = 0x07,
	FEATURE_COALESCING = 0x08,
	FEATURE_VECTOR = 0x09,
	FEATURE_ATOMICITY = 0x0a,
	FEATURE_EVENTS = 0x0b,
};

#define SAVE	    (1u << 31)
#define SELECT(dw)  ((dw) >> 8 & 7)
#define QUEUES_BOTH ((NVME_IO_QUEUES - 1) | (NVME_IO_QUEUES - 1) << 16)

static const struct {
	bool present, by_namespace;
	uint32_t initial;
	uint32_t writable; /* bits that stick; others must be 0 */
} features[NVME_FEATURES_NR] = {
	[FEATURE_ARBITRATION] = {true, false, 0x7 /* no burst limit */, 0xffffff07},
	[FEATURE_POWER] = {true, false, 0, 0xe0}, /* one power state; any workload hint */
	[FEATURE_TEMPERATURE] = {true, false, 343, 0x3fffff},
	[FEATURE_ERROR_RECOVERY] = {true, true, 0, 0xffff},
	[FEATURE_WRITE_CACHE] = {true, false, 1, 1},
	[FEATURE_QUEUES] = {true, false, QUEUES_BOTH, 0xffffffff},
	[FEATURE_COALESCING] = {true, false, 0, 0xffff},
	[FEATURE_VECTOR] = {true, false, 0, 0x1ffff},
	[FEATURE_ATOMICITY] = {true, false, 0, 1},
	[FEATURE_EVENTS] = {true, false, 0, 0x1f | 3 << 8},
};

void nvme_features_reset(struct nvme *nvme)
{
	for (unsigned i = 0; i < NVME_FEATURES_NR; i++)
		nvme->feature[i] = features[i].initial;
	nvme->temp_under = 0;
	memset(nvme->vector_config, 0, sizeof(nvme->vector_config));
}

bool nvme_write_cache(const struct nvme *nvme)
{
	return nvme->feature[FEATURE_WRITE_CACHE] & 1;
}

/*
 * Features of the whole controller take no namespace in Set Features (7.8), but for the write
 * cache: QEMU's driver names its namespace there, and drives let it.
 */
static nvme_status check_namespace(const struct nvme_cmd *cmd, unsigned id, bool set)
{
	if (features[id].by_namespace)
		return cmd->nsid == 1 || (set && cmd->nsid == NVME_NSID_ALL)
			       ? NVME_SUCCESS
			       : NVME_INVALID_NAMESPACE;
	if (!set || !cmd->nsid || cmd->nsid == NVME_NSID_ALL)
		return NVME_SUCCESS;
	if (cmd->nsid != 1)
		return NVME_INVALID_NAMESPACE;
	return id == FEATURE_WRITE_CACHE ? NVME_SUCCESS : NVME_FEATURE_NOT_NS;
}

/* TMPSEL 0: the composite temperature; Fh, in Set: all. THSEL 0: over, 1: under. */
static nvme_status temperature(struct nvme *nvme, uint32_t cdw11, bool set, uint32_t *out)
{
	unsigned sensor = cdw11 >> 16 & 15, type = cdw11 >> 20 & 3;

	if ((sensor && !(set && sensor == 15)) || type > 1)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (set && type)
		nvme->temp_under = cdw11 & 0xffff;
	else if (set)
		nvme->feature[FEATURE_TEMPERATURE] = cdw11 & 0xffff;
	else
		*out = type ? nvme->temp_under : nvme->feature[FEATURE_TEMPERATURE];
	return NVME_SUCCESS;
}

static uint32_t initial(unsigned id, uint32_t cdw11)
{
	if (id == FEATURE_TEMPERATURE && cdw11 >> 20 & 3)
		return 0;
	if (id == FEATURE_VECTOR)
		return cdw11 & 0xffff;
	return features[id].initial;
}

static nvme_status current(struct nvme *nvme, unsigned id, uint32_t cdw11, uint32_t *out)
{
	if (id == FEATURE_TEMPERATURE)
		return temperature(nvme, cdw11, false, out);
	if (id == FEATURE_VECTOR) {
		if ((cdw11 & 0xffff) >= NVME_VECTORS)
			return NVME_INVALID_FIELD | NVME_DNR;
		*out = nvme->vector_config[cdw11 & 0xffff] | (cdw11 & 0xffff);
		return NVME_SUCCESS;
	}
	*out = nvme->feature[id];
	return NVME_SUCCESS;
}

nvme_status nvme_get_features(struct nvme *nvme, struct nvme_req *req)
{
	const struct nvme_cmd *cmd = &req->cmd;
	unsigned id = cmd->cdw10 & 0xff;
	nvme_status status;

	if (id >= NVME_FEATURES_NR || !features[id].present)
		return NVME_INVALID_FIELD | NVME_DNR;
	status = check_namespace(cmd, id, false);
	if (status)
		return status | NVME_DNR;
	switch (SELECT(cmd->cdw10)) {
	case 0: /* current */
		return current(nvme, id, cmd->cdw11, &req->dw0);
	case 1: /* default, */
	case 2: /* and saved: with nothing saved, the default */
		status = current(nvme, id, cmd->cdw11, &req->dw0);
		req->dw0 = initial(id, cmd->cdw11);
		return status;
	case 3: /* capabilities: changeable, not saveable */
		req->dw0 = 1 << 2 | features[id].by_namespace << 1;
		return NVME_SUCCESS;
	}
	return NVME_INVALID_FIELD | NVME_DNR;
}

static nvme_status set_queues(struct nvme *nvme, struct nvme_req *req)
{
	uint32_t value = req->cmd.cdw11;

	if (nvme->io_queues)
		return NVME_COMMAND_SEQUENCE | NVME_DNR;
	if ((value & 0xffff) == 0xffff || value >> 16 == 0xffff)
		return NVME_INVALID_FIELD | NVME_DNR;
	req->dw0 = QUEUES_BOTH; /* more than asked for is fine */
	return NVME_SUCCESS;
}

/* A cache that is switched off holds nothing. */
static nvme_status set_write_cache(struct nvme *nvme, uint32_t value)
{
	if (!(value & 1) && nvme_write_cache(nvme) && drive_flush(&nvme->drive))
		return NVME_WRITE_FAULT;
	nvme->feature[FEATURE_WRITE_CACHE] = value & 1;
	return NVME_SUCCESS;
}

static void tell_health(struct nvme *nvme)
{
	if (nvme_critical(nvme) & nvme->feature[FEATURE_EVENTS])
		nvme_event(nvme, NVME_EVENT_SMART, NVME_EVENT_SMART_TEMPERATURE);
}

nvme_status nvme_set_features(struct nvme *nvme, struct nvme_req *req)
{
	const struct nvme_cmd *cmd = &req->cmd;
	unsigned id = cmd->cdw10 & 0xff;
	uint32_t value = cmd->cdw11;
	nvme_status status;

	if (id >= NVME_FEATURES_NR || !features[id].present)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (cmd->cdw10 & SAVE)
		return NVME_FEATURE_NOT_SAVEABLE | NVME_DNR;
	status = check_namespace(cmd, id, true);
	if (status)
		return status | NVME_DNR;
	if (id == FEATURE_QUEUES)
		return set_queues(nvme, req);
	/* Event kinds we do not have may be asked for: they just never come. */
	if (value & ~features[id].writable && id != FEATURE_EVENTS)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (id == FEATURE_WRITE_CACHE)
		return set_write_cache(nvme, value);
	if (id == FEATURE_VECTOR) {
		if ((value & 0xffff) >= NVME_VECTORS)
			return NVME_INVALID_FIELD | NVME_DNR;
		nvme->vector_config[value & 0xffff] = value & 0x10000;
		return NVME_SUCCESS;
	}
	if (id == FEATURE_TEMPERATURE)
		status = temperature(nvme, value, true, NULL);
	else
		nvme->feature[id] = value & features[id].writable;
	tell_health(nvme);
	return status;
}
