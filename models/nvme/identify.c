/* SPDX-License-Identifier: MIT */
/* Identify (5.15): who we are. Structures 04h and later are not there; 1.4 lets us say so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nvme/nvme.h"

#define DATA_LEN 4096

enum cns {
	CNS_NAMESPACE = 0,
	CNS_CONTROLLER = 1,
	CNS_ACTIVE_LIST = 2,
	CNS_DESCRIPTORS = 3,
};

/* Text fields are padded with spaces, without a NUL. */
static void pad(char *field, size_t len, const char *text)
{
	size_t n = strlen(text);

	memset(field, ' ', len);
	memcpy(field, text, n < len ? n : len);
}

static void name_subsystem(const struct nvme *nvme, char *out, size_t len)
{
	const uint8_t *u = nvme->uuid;

	snprintf(out, len,
		 "nqn.2014-08.org.nvmexpress:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

static nvme_status controller(struct nvme *nvme, struct nvme_req *req, void *buf)
{
	struct nvme_id_ctrl *id = buf;

	id->vid = id->ssvid = NVME_PCI_VENDOR;
	pad(id->sn, sizeof(id->sn), nvme->serial);
	pad(id->mn, sizeof(id->mn), "uiommufd NVMe drive");
	pad(id->fr, sizeof(id->fr), "0.1.0");
	id->ieee[2] = 0x02; /* locally administered */
	id->mdts = NVME_MDTS;
	id->ver = NVME_VS_1_4;
	id->cntrltype = 1; /* I/O controller */
	id->oacs = 1 << 8; /* shadow doorbells */
	id->acl = 3;
	id->aerl = NVME_AER_MAX - 1;
	id->frmw = 1 << 1 | 1; /* one slot, read-only */
	id->lpa = 1 | 1 << 2;  /* SMART by namespace; offsets in log pages */
	id->elpe = NVME_ERROR_LOG - 1;
	id->wctemp = 343;
	id->cctemp = 353;
	id->sqes = NVME_SQE_LEN_LG2 << 4 | NVME_SQE_LEN_LG2;
	id->cqes = NVME_CQE_LEN_LG2 << 4 | NVME_CQE_LEN_LG2;
	id->nn = 1;
	id->oncs = 1 | 1 << 2 | 1 << 3 | 1 << 4; /* compare, DSM, write zeroes, feature select */
	id->vwc = 1 | 3 << 1;			 /* a cache; Flush takes all namespaces too */
	name_subsystem(nvme, id->subnqn, sizeof(id->subnqn));
	id->psd[0].mp = 500;
	return nvme_answer(nvme, req, buf, DATA_LEN);
}

static void make_eui64(const struct nvme *nvme, uint8_t out[8])
{
	memcpy(out, nvme->uuid + 8, 8);
	out[0] = (out[0] & ~1) | 2; /* locally administered */
}

static nvme_status namespace(struct nvme *nvme, struct nvme_req *req, void *buf)
{
	const struct nvme_drive *drive = &nvme->drive;
	struct nvme_id_ns *id = buf;

	if (req->cmd.nsid != 1)
		return NVME_INVALID_NAMESPACE | NVME_DNR;
	id->nsze = id->ncap = drive->blocks;
	id->nuse = drive_used(drive);
	id->nsfeat = 1; /* thin: NUSE moves, and writing may find no room */
	id->dlfeat = drive_is_null(drive) ? 0 : 1 | 1 << 3; /* zeroes; by Write Zeroes too */
	id->nsattr = drive->readonly;
	make_eui64(nvme, id->eui64);
	memcpy(id->nguid, nvme->uuid, 16);
	id->lbaf[0].lbads = (uint8_t)drive->lba_lg2;
	return nvme_answer(nvme, req, buf, DATA_LEN);
}

static nvme_status active_list(struct nvme *nvme, struct nvme_req *req, void *buf)
{
	if (req->cmd.nsid >= 0xfffffffe)
		return NVME_INVALID_NAMESPACE | NVME_DNR;
	if (!req->cmd.nsid)
		*(uint32_t *)buf = 1;
	return nvme_answer(nvme, req, buf, DATA_LEN);
}

static nvme_status descriptors(struct nvme *nvme, struct nvme_req *req, uint8_t *buf)
{
	if (req->cmd.nsid != 1)
		return NVME_INVALID_NAMESPACE | NVME_DNR;
	buf[0] = 1; /* EUI-64 */
	buf[1] = 8;
	make_eui64(nvme, buf + 4);
	buf[12] = 2; /* NGUID */
	buf[13] = 16;
	memcpy(buf + 16, nvme->uuid, 16);
	buf[32] = 3; /* UUID */
	buf[33] = 16;
	memcpy(buf + 36, nvme->uuid, 16);
	return nvme_answer(nvme, req, buf, DATA_LEN);
}

nvme_status nvme_identify(struct nvme *nvme, struct nvme_req *req)
{
	nvme_status status = NVME_INVALID_FIELD | NVME_DNR;
	void *buf = calloc(1, DATA_LEN);

	if (!buf)
		return NVME_INTERNAL_ERROR;
	switch (req->cmd.cdw10 & 0xff) {
	case CNS_NAMESPACE:
		status = namespace(nvme, req, buf);
		break;
	case CNS_CONTROLLER:
		status = controller(nvme, req, buf);
		break;
	case CNS_ACTIVE_LIST:
		status = active_list(nvme, req, buf);
		break;
	case CNS_DESCRIPTORS:
		status = descriptors(nvme, req, buf);
		break;
	}
	free(buf);
	return status;
}
