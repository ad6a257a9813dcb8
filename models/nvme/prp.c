/* SPDX-License-Identifier: MIT */
/*
 * Physical Region Pages (4.3): from two addresses in a command to a list of segments.
 *
 * PRP1 may start anywhere in its page; all others start their page. PRP2 is the second page where
 * two are enough, else the address of a list, at any multiple of 8. The last entry of a page of
 * the list leads to the next page of it when more than one entry is still to come.
 */
#include <errno.h>
#include <stdlib.h>
#include "nvme/nvme.h"

#define LIST_READ 64 /* entries at a time */

static bool add(struct nvme_req *req, iova_t addr, uint64_t len)
{
	struct nvme_seg *last = req->seg_nr ? &req->seg[req->seg_nr - 1] : NULL;

	req->len += len;
	if (last && last->addr + last->len == addr) {
		last->len += len;
		return true;
	}
	if (req->seg_nr == req->seg_cap) {
		unsigned cap = req->seg_cap ? req->seg_cap * 2 : 8;
		struct nvme_seg *seg = realloc(req->seg, cap * sizeof(*seg));

		if (!seg)
			return false;
		req->seg = seg;
		req->seg_cap = cap;
	}
	req->seg[req->seg_nr++] = (struct nvme_seg){addr, len};
	return true;
}

/* Reads the list at `list`, whose entries give `len` bytes of data. */
static nvme_status walk(struct nvme *nvme, struct nvme_req *req, iova_t list, uint64_t len)
{
	uint64_t page = 1ull << nvme->page_lg2;
	uint64_t entry[LIST_READ];

	if (list % 8)
		return NVME_PRP_OFFSET_INVALID | NVME_DNR;
	while (len) {
		uint64_t room = (page - list % page) / 8; /* entries to the end of this page */
		uint64_t want = (len + page - 1) / page;
		unsigned n = want < room ? want : room;

		if (n > LIST_READ)
			n = LIST_READ;
		if (ioas_dma_read(nvme->issuer, list, entry, n * 8))
			return NVME_DATA_TRANSFER_ERROR;
		for (unsigned i = 0; i < n; i++) {
			uint64_t piece = len < page ? len : page;

			if (entry[i] % page)
				return NVME_PRP_OFFSET_INVALID | NVME_DNR;
			if (i + 1 == room && len > page) {
				list = entry[i];
				break;
			}
			if (!add(req, entry[i], piece))
				return NVME_INTERNAL_ERROR;
			len -= piece;
			list += 8;
		}
	}
	return NVME_SUCCESS;
}

nvme_status nvme_prp(struct nvme *nvme, struct nvme_req *req, uint64_t len)
{
	uint64_t page = 1ull << nvme->page_lg2;
	uint64_t first = page - req->cmd.prp1 % page;

	req->seg_nr = 0;
	req->len = 0;
	if (!len)
		return NVME_SUCCESS;
	if (req->cmd.prp1 % 4)
		return NVME_PRP_OFFSET_INVALID | NVME_DNR;
	if (first > len)
		first = len;
	if (!add(req, req->cmd.prp1, first))
		return NVME_INTERNAL_ERROR;
	len -= first;
	if (!len)
		return NVME_SUCCESS;
	if (len > page)
		return walk(nvme, req, req->cmd.prp2, len);
	if (req->cmd.prp2 % page)
		return NVME_PRP_OFFSET_INVALID | NVME_DNR;
	return add(req, req->cmd.prp2, len) ? NVME_SUCCESS : NVME_INTERNAL_ERROR;
}

nvme_status nvme_lend(struct nvme *nvme, struct nvme_req *req, enum ioas_tlp_op op)
{
	for (unsigned i = 0; i < req->seg_nr; i++) {
		struct ioas_tlp tlp = {.addr = req->seg[i].addr, .len = req->seg[i].len, .op = op};
		int rc = ioas_dma_add(&req->dma, &tlp);

		if (rc) {
			ioas_dma_end(&req->dma);
			return rc == -EFAULT ? NVME_DATA_TRANSFER_ERROR : NVME_INTERNAL_ERROR;
		}
	}
	return NVME_SUCCESS;
}

void nvme_skip(struct nvme_req *req, struct nvme_cursor *cursor, uint64_t len)
{
	cursor->off += len;
	while (cursor->seg < req->seg_nr && cursor->off >= req->seg[cursor->seg].len)
		cursor->off -= req->seg[cursor->seg++].len;
}

nvme_status nvme_copy(struct nvme *nvme, struct nvme_req *req, struct nvme_cursor *cursor,
		      void *buf, uint64_t len, enum ioas_tlp_op op)
{
	for (uint8_t *at = buf; len;) {
		struct nvme_seg *seg = &req->seg[cursor->seg];
		uint64_t n = seg->len - cursor->off < len ? seg->len - cursor->off : len;
		struct ioas_tlp tlp = {.addr = seg->addr + cursor->off, .len = n, .op = op};

		if (nvme_send(nvme, &tlp, at))
			return NVME_DATA_TRANSFER_ERROR;
		nvme_skip(req, cursor, n);
		at += n;
		len -= n;
	}
	return NVME_SUCCESS;
}

nvme_status nvme_answer(struct nvme *nvme, struct nvme_req *req, void *buf, uint64_t len)
{
	struct nvme_cursor cursor = {0};
	nvme_status status = nvme_prp(nvme, req, len);

	if (status)
		return status;
	return nvme_copy(nvme, req, &cursor, buf, len, IOAS_TLP_WRITE);
}
