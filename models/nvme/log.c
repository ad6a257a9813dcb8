/* SPDX-License-Identifier: MIT */
/* Get Log Page (5.14): errors, health, firmware slots. */
#include <stdlib.h>
#include <string.h>
#include "nvme/nvme.h"

static struct nvme_error_entry *new_entry(struct nvme *nvme)
{
	struct nvme_error_entry *entry = &nvme->error[nvme->error_nr % NVME_ERROR_LOG];

	memset(entry, 0, sizeof(*entry));
	entry->count = ++nvme->error_nr;
	entry->param = 0xffff;
	return entry;
}

void nvme_log_error(struct nvme *nvme, const struct nvme_sq *sq, const struct nvme_cmd *cmd,
		    nvme_status status)
{
	struct nvme_error_entry *entry = new_entry(nvme);

	entry->sqid = sq->id;
	entry->cid = cmd->cid;
	entry->status = (uint16_t)(status << 1 | sq->cq->phase);
	entry->nsid = cmd->nsid;
	if (sq->id)
		entry->lba = nvme_slba(cmd);
}

void nvme_log_db_error(struct nvme *nvme)
{
	struct nvme_error_entry *entry = new_entry(nvme);

	entry->sqid = entry->cid = 0xffff;
}

uint8_t nvme_critical(const struct nvme *nvme)
{
	bool hot = NVME_TEMPERATURE >= nvme->feature[4],
	     cold = NVME_TEMPERATURE <= nvme->temp_under;

	return hot || cold ? 1 << 1 : 0;
}

/* Newest first. */
static size_t fill_errors(struct nvme *nvme, uint8_t *buf)
{
	struct nvme_error_entry *out = (struct nvme_error_entry *)buf;

	for (uint64_t i = 0; i < NVME_ERROR_LOG && i < nvme->error_nr; i++)
		out[i] = nvme->error[(nvme->error_nr - 1 - i) % NVME_ERROR_LOG];
	return sizeof(nvme->error);
}

static size_t fill_smart(struct nvme *nvme, uint8_t *buf)
{
	struct nvme_smart *smart = (struct nvme_smart *)buf;

	smart->critical = nvme_critical(nvme);
	smart->temperature[0] = NVME_TEMPERATURE & 0xff;
	smart->temperature[1] = NVME_TEMPERATURE >> 8;
	smart->spare = 100;
	smart->spare_threshold = 10;
	smart->data_units_read[0] = (nvme->read_sectors + 999) / 1000;
	smart->data_units_written[0] = (nvme->written_sectors + 999) / 1000;
	smart->host_reads[0] = nvme->host_reads;
	smart->host_writes[0] = nvme->host_writes;
	smart->power_cycles[0] = nvme->power_cycles;
	smart->unsafe_shutdowns[0] = nvme->unsafe_shutdowns;
	smart->media_errors[0] = nvme->media_errors;
	smart->error_entries[0] = nvme->error_nr;
	return sizeof(*smart);
}

static size_t fill_firmware(uint8_t *buf)
{
	buf[0] = 1; /* slot 1 is active */
	memcpy(buf + 8, "0.1.0   ", 8);
	return 512;
}

/* The log's bytes into `buf` (zeroed, 4 KiB); returns how many, 0: no such log. */
static size_t fill(struct nvme *nvme, unsigned id, uint8_t *buf)
{
	switch (id) {
	case NVME_LOG_ERROR:
		return fill_errors(nvme, buf);
	case NVME_LOG_SMART:
		return fill_smart(nvme, buf);
	case NVME_LOG_FIRMWARE:
		return fill_firmware(buf);
	}
	return 0;
}

static nvme_status send_part(struct nvme *nvme, struct nvme_req *req, const uint8_t *log,
			     size_t log_len, uint64_t off, uint64_t len)
{
	uint64_t n = log_len - off < len ? log_len - off : len;
	uint8_t *out = calloc(1, len);
	nvme_status status;

	if (!out)
		return NVME_INTERNAL_ERROR;
	memcpy(out, log + off, n);
	status = nvme_answer(nvme, req, out, len);
	free(out);
	return status;
}

/* Reading a log page without "retain" lets events of its type come again. */
static void unmask(struct nvme *nvme, unsigned id)
{
	if (id == NVME_LOG_ERROR)
		nvme_event_unmask(nvme, NVME_EVENT_ERROR);
	else if (id == NVME_LOG_SMART)
		nvme_event_unmask(nvme, NVME_EVENT_SMART);
}

nvme_status nvme_get_log(struct nvme *nvme, struct nvme_req *req)
{
	const struct nvme_cmd *cmd = &req->cmd;
	unsigned id = cmd->cdw10 & 0xff;
	uint64_t dwords = ((cmd->cdw10 >> 16) | (uint64_t)(cmd->cdw11 & 0xffff) << 16) + 1;
	uint64_t off = cmd->cdw12 | (uint64_t)cmd->cdw13 << 32;
	nvme_status status;
	uint8_t *log;
	size_t len;

	if (cmd->nsid > 1 && cmd->nsid != NVME_NSID_ALL)
		return NVME_INVALID_NAMESPACE | NVME_DNR;
	log = calloc(1, 4096);
	if (!log)
		return NVME_INTERNAL_ERROR;
	len = fill(nvme, id, log);
	if (!len)
		status = NVME_LOG_PAGE_INVALID | NVME_DNR;
	else if (off % 4 || off >= len || dwords * 4 > NVME_DATA_MAX)
		status = NVME_INVALID_FIELD | NVME_DNR;
	else
		status = send_part(nvme, req, log, len, off, dwords * 4);
	free(log);
	if (!status && !(cmd->cdw10 >> 15 & 1))
		unmask(nvme, id);
	return status;
}
