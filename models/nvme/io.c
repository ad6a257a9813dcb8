/* SPDX-License-Identifier: MIT */
/*
 * NVM commands (6): every check comes before the first byte moves, so that a malformed command
 * changes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "nvme/nvme.h"

#define CHUNK	65536 /* of Compare, which has to look at both sides */
#define BY_HAND 4096  /* on the stack */

/* What a real drive would say of a host error. */
static nvme_status media_status(struct nvme *nvme, int err, bool write)
{
	if (err == -EFAULT)
		return NVME_DATA_TRANSFER_ERROR;
	if (err == -ENOMEM || err == -EAGAIN)
		return NVME_INTERNAL_ERROR;
	if (write && (err == -ENOSPC || err == -EDQUOT || err == -EFBIG))
		return NVME_CAPACITY_EXCEEDED | NVME_DNR;
	nvme->media_errors++;
	return write ? NVME_WRITE_FAULT : NVME_READ_ERROR;
}

static bool in_range(const struct nvme *nvme, uint64_t first, uint64_t nr)
{
	return nr <= nvme->drive.blocks && first <= nvme->drive.blocks - nr;
}

nvme_status nvme_check_range(struct nvme *nvme, const struct nvme_cmd *cmd, bool data, bool write)
{
	uint64_t nr = (cmd->cdw12 & 0xffff) + 1;
	uint64_t len = nr << nvme->drive.lba_lg2;

	/* No metadata, so no protection information either. */
	if (NVME_RW_PRINFO(cmd->cdw12) || (data && len > NVME_DATA_MAX))
		return NVME_INVALID_FIELD | NVME_DNR;
	if (!in_range(nvme, nvme_slba(cmd), nr))
		return NVME_LBA_OUT_OF_RANGE | NVME_DNR;
	if (write && nvme->drive.readonly)
		return NVME_WRITE_PROTECTED | NVME_DNR;
	return NVME_SUCCESS;
}

/* The same, and what follows from it for the request. */
static nvme_status check_range(struct nvme *nvme, struct nvme_req *req, bool data, bool write)
{
	const struct nvme_cmd *cmd = &req->cmd;
	uint64_t len = (uint64_t)((cmd->cdw12 & 0xffff) + 1) << nvme->drive.lba_lg2;
	nvme_status status = nvme_check_range(nvme, cmd, data, write);

	if (status)
		return status;
	req->off = nvme_slba(cmd) << nvme->drive.lba_lg2;
	req->done = 0;
	req->sync = write && (cmd->cdw12 & NVME_RW_FUA || !nvme_write_cache(nvme));
	return data ? nvme_prp(nvme, req, len) : NVME_SUCCESS;
}

void nvme_count_io(struct nvme *nvme, uint8_t opcode, uint32_t nr, uint64_t len)
{
	if (opcode == NVME_IO_WRITE) {
		nvme->host_writes += nr;
		nvme->written_sectors += len >> 9;
	} else {
		nvme->host_reads += nr;
		nvme->read_sectors += len >> 9;
	}
}

static void count(struct nvme *nvme, const struct nvme_req *req)
{
	nvme_count_io(nvme, req->cmd.opcode, 1, req->len);
}

/*
 * The rest of a request, through a buffer: what the program has forbidden itself the kernel does
 * not fill or read for it, but TLPs reach it. What is not there at all is a fault of the TLP's.
 */
static nvme_status by_hand(struct nvme *nvme, struct nvme_req *req, bool write)
{
	struct nvme_cursor cursor = {0};
	uint8_t buf[BY_HAND];

	nvme_skip(req, &cursor, req->done);
	while (req->done < req->len) {
		uint64_t left = req->len - req->done, n = left < BY_HAND ? left : BY_HAND;
		nvme_status status = NVME_SUCCESS;
		int rc = 0;

		if (write)
			status = nvme_copy(nvme, req, &cursor, buf, n, IOAS_TLP_READ);
		if (!status && write)
			rc = drive_write(&nvme->drive, buf, n, req->off + req->done, req->sync);
		else if (!status)
			rc = drive_read(&nvme->drive, buf, n, req->off + req->done);
		if (!status && !rc && !write)
			status = nvme_copy(nvme, req, &cursor, buf, n, IOAS_TLP_WRITE);
		if (status || rc)
			return status ? status : media_status(nvme, rc, write);
		req->done += n;
	}
	return NVME_SUCCESS;
}

/* All is in the file; with `sync` it must be on stable storage before the command completes. */
static nvme_status settle(struct nvme *nvme, struct nvme_req *req, bool sync)
{
	if (!sync)
		return NVME_SUCCESS;
	nvme_ring_start(nvme, req, NVME_RING_SYNC);
	return NVME_LATER;
}

/* One range less to be zeroed; the last one ends the command. */
static void range_done(struct nvme *nvme, struct nvme_req *req, int64_t result)
{
	bool zeroes = req->cmd.opcode == NVME_IO_WRITE_ZEROES;
	nvme_status status;

	/* What the file system cannot do: zeroes are written, a hint is only a hint. */
	if (result == -EOPNOTSUPP || result == -ENOSYS || result == -EINVAL || result == -EINTR ||
	    result == -EAGAIN)
		result = zeroes ? drive_zero(&nvme->drive, req->off, req->len,
					     req->op == NVME_RING_PUNCH)
				: 0;
	if (result < 0 && !req->error)
		req->error = (int)result;
	if (--req->pending)
		return;
	if (zeroes && !req->error)
		nvme->host_writes++;
	if (req->error)
		status = media_status(nvme, req->error, true);
	else
		status = settle(nvme, req, req->sync);
	if (status != NVME_LATER)
		nvme_finish(nvme, req, status);
}

static void copy_done(struct nvme *nvme, struct nvme_req *req, int64_t result)
{
	bool write = req->op == NVME_RING_WRITE;
	nvme_status status = NVME_SUCCESS;

	if (result == -EINTR || result == -EAGAIN)
		result = 0;
	else if (!result)
		result = write ? -ENOSPC : -ENODATA;
	if (result >= 0) {
		req->done += (uint64_t)result;
		if (req->done < req->len) {
			nvme_ring_start(nvme, req, req->op);
			return;
		}
	} else if (result == -EFAULT) {
		status = by_hand(nvme, req, write);
	} else {
		status = media_status(nvme, (int)result, write);
	}
	ioas_dma_end(&req->dma);
	if (!status)
		count(nvme, req);
	nvme_finish(nvme, req, status);
}

void nvme_io_done(struct nvme *nvme, struct nvme_req *req, int64_t result)
{
	switch (req->op) {
	case NVME_RING_READ:
	case NVME_RING_WRITE:
		copy_done(nvme, req, result);
		break;
	case NVME_RING_SYNC:
		nvme_finish(nvme, req,
			    result < 0 ? media_status(nvme, (int)result, true) : NVME_SUCCESS);
		break;
	case NVME_RING_ZERO:
	case NVME_RING_PUNCH:
		range_done(nvme, req, result);
		break;
	}
}

/* Into the volatile cache, a page at a time, straight from the program's memory. */
static nvme_status write_cached(struct nvme *nvme, struct nvme_req *req)
{
	struct nvme_cursor cursor = {0};
	uint64_t off = req->off, end = req->off + req->len;

	while (off < end) {
		uint64_t index = off >> VOLATILE_PAGE_LG2, in = off % VOLATILE_PAGE_LEN;
		uint64_t n =
			VOLATILE_PAGE_LEN - in < end - off ? VOLATILE_PAGE_LEN - in : end - off;
		struct volatile_page *page = volatile_get(&nvme->drive.cache, index);
		nvme_status status;

		if (!page)
			return NVME_INTERNAL_ERROR;
		status = nvme_copy(nvme, req, &cursor, page->data + in, n, IOAS_TLP_READ);
		if (status && !page->valid)
			volatile_drop(&nvme->drive.cache, index);
		if (status)
			return status;
		page->valid |= volatile_mask(index, off, n);
		off += n;
	}
	return NVME_SUCCESS;
}

/* Straight from the file, and then over it what only the cache has. */
static nvme_status read_cached(struct nvme *nvme, struct nvme_req *req)
{
	uint64_t off = req->off, at = off, end = off + req->len;
	struct nvme_cursor cursor = {0};
	struct iovec *iov = req->dma.iov;
	uint8_t zeroes[512] = {0};
	struct drive_cached piece;

	if (nvme->atc) {
		nvme_status status = by_hand(nvme, req, false);

		if (status)
			return status;
	}
	for (unsigned i = 0; i < req->dma.iov_nr; off += iov[i++].iov_len) {
		int rc = drive_read(&nvme->drive, iov[i].iov_base, iov[i].iov_len, off);

		if (rc == -EFAULT) {
			nvme_status status = by_hand(nvme, req, false);

			if (status)
				return status;
			break;
		}
		if (rc)
			return media_status(nvme, rc, false);
		req->done += iov[i].iov_len;
	}
	while (drive_cached(&nvme->drive, at, end - at, &piece)) {
		nvme_skip(req, &cursor, piece.off - at);
		for (uint64_t i = 0; i < piece.len; i += 512) {
			const void *from = piece.data ? piece.data + i : zeroes;
			nvme_status status =
				nvme_copy(nvme, req, &cursor, (void *)from, 512, IOAS_TLP_WRITE);

			if (status)
				return status;
		}
		at = piece.off + piece.len;
	}
	return NVME_SUCCESS;
}

static nvme_status cached(struct nvme *nvme, struct nvme_req *req)
{
	bool write = req->cmd.opcode == NVME_IO_WRITE;
	nvme_status status = write ? write_cached(nvme, req) : read_cached(nvme, req);
	int rc = 0;

	ioas_dma_end(&req->dma);
	if (!status && req->sync)
		rc = drive_write_back(&nvme->drive, req->off, req->len);
	if (rc)
		status = media_status(nvme, rc, true);
	if (status)
		return status;
	count(nvme, req);
	return settle(nvme, req, req->sync);
}

static nvme_status in_memory(struct nvme *nvme, struct nvme_req *req)
{
	struct nvme_cursor cursor = {0};
	nvme_status status =
		nvme_copy(nvme, req, &cursor, nvme->drive.memory + req->off, req->len,
			  req->cmd.opcode == NVME_IO_WRITE ? IOAS_TLP_READ : IOAS_TLP_WRITE);

	ioas_dma_end(&req->dma);
	if (!status)
		count(nvme, req);
	return status;
}

/* What is lent is found by untranslated requests. A null drive has nothing else. */
static bool lends(const struct nvme *nvme)
{
	return !nvme->atc || drive_is_null(&nvme->drive);
}

static nvme_status through_buffer(struct nvme *nvme, struct nvme_req *req, bool write)
{
	nvme_status status = by_hand(nvme, req, write);

	if (!status)
		count(nvme, req);
	return status;
}

static nvme_status read_write(struct nvme *nvme, struct nvme_req *req)
{
	struct nvme_drive *drive = &nvme->drive;
	bool write = req->cmd.opcode == NVME_IO_WRITE;
	nvme_status status = check_range(nvme, req, true, write);

	if (!status && lends(nvme))
		status = nvme_lend(nvme, req, write ? IOAS_TLP_READ : IOAS_TLP_WRITE);
	if (status)
		return status;
	/* What is read with FUA must be on stable storage by then. */
	if (!write && req->cmd.cdw12 & NVME_RW_FUA && drive_flush(drive)) {
		ioas_dma_end(&req->dma);
		return media_status(nvme, -EIO, true);
	}
	if (drive_is_null(drive)) {
		ioas_dma_end(&req->dma);
		count(nvme, req);
		return NVME_SUCCESS;
	}
	if (drive->memory)
		return in_memory(nvme, req);
	if (drive->is_volatile)
		return cached(nvme, req);
	if (nvme->atc)
		return through_buffer(nvme, req, write);
	nvme_ring_start(nvme, req, write ? NVME_RING_WRITE : NVME_RING_READ);
	return NVME_LATER;
}

static nvme_status flush(struct nvme *nvme, struct nvme_req *req)
{
	struct nvme_drive *drive = &nvme->drive;
	int rc;

	if (drive_is_null(drive) || drive->readonly)
		return NVME_SUCCESS;
	rc = drive_write_back(drive, 0, drive->blocks << drive->lba_lg2);
	if (rc)
		return media_status(nvme, rc, true);
	return settle(nvme, req, true);
}

static nvme_status compare_chunks(struct nvme *nvme, struct nvme_req *req, uint8_t *ours,
				  uint8_t *theirs)
{
	struct nvme_cursor cursor = {0};

	for (uint64_t done = 0; done < req->len; done += CHUNK) {
		uint64_t n = req->len - done < CHUNK ? req->len - done : CHUNK;
		nvme_status status = nvme_copy(nvme, req, &cursor, theirs, n, IOAS_TLP_READ);
		int rc = status ? 0 : drive_read_through(&nvme->drive, ours, n, req->off + done);

		if (status)
			return status;
		if (rc)
			return media_status(nvme, rc, false);
		if (memcmp(ours, theirs, n))
			return NVME_COMPARE_FAILURE | NVME_DNR;
	}
	count(nvme, req);
	return NVME_SUCCESS;
}

static nvme_status compare(struct nvme *nvme, struct nvme_req *req)
{
	nvme_status status = check_range(nvme, req, true, false);
	uint8_t *buf;

	if (status)
		return status;
	if (drive_is_null(&nvme->drive)) {
		status = nvme_lend(nvme, req, IOAS_TLP_READ);
		ioas_dma_end(&req->dma);
		return status;
	}
	buf = malloc(2 * CHUNK);
	if (!buf)
		return NVME_INTERNAL_ERROR;
	status = compare_chunks(nvme, req, buf, buf + CHUNK);
	free(buf);
	return status;
}

/* Zeroes that wait for a flush like any write. */
static int zero_cached(struct nvme *nvme, struct nvme_req *req, uint64_t off, uint64_t len)
{
	if (volatile_zero(&nvme->drive.cache, off, len))
		return -ENOMEM;
	return req->sync ? drive_write_back(&nvme->drive, off, len) : 0;
}

/* Begins to zero a range; it ends in range_done, perhaps at once. */
static void zero(struct nvme *nvme, struct nvme_req *req, bool punch, uint64_t off, uint64_t len)
{
	struct nvme_drive *drive = &nvme->drive;

	req->pending++;
	req->op = punch ? NVME_RING_PUNCH : NVME_RING_ZERO;
	if (drive_is_null(drive) || !len) {
		range_done(nvme, req, 0);
	} else if (drive->is_volatile) {
		range_done(nvme, req, zero_cached(nvme, req, off, len));
	} else if (drive_inside(drive, off + len)) {
		nvme_ring_zero(nvme, req, off, len);
	} else { /* a file that shrank grows again, if it has to */
		bool must = req->cmd.opcode == NVME_IO_WRITE_ZEROES;

		range_done(nvme, req, must ? drive_zero(drive, off, len, punch) : 0);
	}
}

static nvme_status write_zeroes(struct nvme *nvme, struct nvme_req *req)
{
	nvme_status status = check_range(nvme, req, false, true);

	if (status)
		return status;
	req->len = (uint64_t)((req->cmd.cdw12 & 0xffff) + 1) << nvme->drive.lba_lg2;
	req->sync &= !drive_is_null(&nvme->drive);
	req->error = 0;
	req->pending = 0;
	zero(nvme, req, req->cmd.cdw12 & NVME_RW_DEAC, req->off, req->len);
	return NVME_LATER;
}

/* All ranges are checked before the first one goes; then they go all at once. */
static nvme_status dataset(struct nvme *nvme, struct nvme_req *req)
{
	unsigned nr = (req->cmd.cdw10 & 0xff) + 1, lg2 = nvme->drive.lba_lg2;
	struct nvme_dsm_range range[256];
	struct nvme_cursor cursor = {0};
	nvme_status status = nvme_prp(nvme, req, nr * sizeof(range[0]));

	if (!status)
		status = nvme_copy(nvme, req, &cursor, range, nr * sizeof(range[0]), IOAS_TLP_READ);
	for (unsigned i = 0; i < nr && !status; i++)
		if (!in_range(nvme, range[i].slba, range[i].nlb))
			status = NVME_LBA_OUT_OF_RANGE | NVME_DNR;
	if (status || !(req->cmd.cdw11 & NVME_DSM_AD))
		return status;
	if (nvme->drive.readonly)
		return NVME_WRITE_PROTECTED | NVME_DNR;
	req->sync = !nvme_write_cache(nvme) && !drive_is_null(&nvme->drive);
	req->error = 0;
	req->pending = 1; /* until all are begun */
	for (unsigned i = 0; i < nr; i++)
		zero(nvme, req, true, range[i].slba << lg2, (uint64_t)range[i].nlb << lg2);
	range_done(nvme, req, 0);
	return NVME_LATER;
}

nvme_status nvme_io(struct nvme *nvme, struct nvme_req *req)
{
	nvme_status (*run)(struct nvme * nvme, struct nvme_req * req);

	switch (req->cmd.opcode) {
	case NVME_IO_FLUSH:
		run = flush;
		break;
	case NVME_IO_WRITE:
	case NVME_IO_READ:
		run = read_write;
		break;
	case NVME_IO_COMPARE:
		run = compare;
		break;
	case NVME_IO_WRITE_ZEROES:
		run = write_zeroes;
		break;
	case NVME_IO_DSM:
		run = dataset;
		break;
	default:
		return NVME_INVALID_OPCODE | NVME_DNR;
	}
	/* Linux flushes with the namespace's id, others with all: there is just the one. */
	if (req->cmd.nsid != 1 && !(run == flush && req->cmd.nsid == NVME_NSID_ALL))
		return NVME_INVALID_NAMESPACE | NVME_DNR;
	return run(nvme, req);
}
