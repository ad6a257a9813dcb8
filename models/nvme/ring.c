/* SPDX-License-Identifier: MIT */
/*
 * Drive I/O under way: io_uring on the spans of a request, or the plain calls where the kernel or
 * a sandbox refuses a ring.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "nvme/nvme.h"

void nvme_ring_open(struct nvme *nvme)
{
	nvme->has_ring = !io_uring_queue_init(NVME_IN_FLIGHT, &nvme->ring, 0);
	nvme->ring_dirty = false;
	if (nvme->has_ring && io_uring_register_eventfd(&nvme->ring, nvme->eventfd)) {
		io_uring_queue_exit(&nvme->ring);
		nvme->has_ring = false;
	}
	nvme_ring_notify(nvme, false);
}

void nvme_ring_close(struct nvme *nvme)
{
	if (nvme->has_ring)
		io_uring_queue_exit(&nvme->ring);
	nvme->has_ring = false;
}

void nvme_ring_notify(struct nvme *nvme, bool on)
{
	if (nvme->has_ring)
		io_uring_cq_eventfd_toggle(&nvme->ring, on);
}

bool nvme_ring_waits(struct nvme *nvme)
{
	return nvme->has_ring && io_uring_cq_ready(&nvme->ring);
}

/* The spans after the `done` first bytes, in req->rest. The engine's own vector stays whole. */
static unsigned rest_of(struct nvme_req *req, struct iovec **out)
{
	uint64_t skip = req->done;
	unsigned from = 0, nr;

	*out = req->dma.iov;
	if (!skip)
		return req->dma.iov_nr;
	while (from < req->dma.iov_nr && skip >= req->dma.iov[from].iov_len)
		skip -= req->dma.iov[from++].iov_len;
	nr = req->dma.iov_nr - from;
	if (req->rest_cap < nr) {
		struct iovec *rest = realloc(req->rest, nr * sizeof(*rest));

		if (!rest)
			return 0;
		req->rest = rest;
		req->rest_cap = nr;
	}
	memcpy(req->rest, req->dma.iov + from, nr * sizeof(*req->rest));
	req->rest[0].iov_base = (char *)req->rest[0].iov_base + skip;
	req->rest[0].iov_len -= skip;
	*out = req->rest;
	return nr;
}

static int64_t at_once(struct nvme *nvme, struct nvme_req *req, enum nvme_ring_op op,
		       struct iovec *iov, unsigned nr)
{
	int64_t off = (int64_t)(req->off + req->done);
	int64_t rc;

	do {
		if (op == NVME_RING_SYNC)
			rc = fdatasync(nvme->drive.fd);
		else if (op == NVME_RING_READ)
			rc = preadv(nvme->drive.fd, iov, (int)nr, off);
		else
			rc = pwritev2(nvme->drive.fd, iov, (int)nr, off, req->sync ? RWF_DSYNC : 0);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

void nvme_ring_start(struct nvme *nvme, struct nvme_req *req, enum nvme_ring_op op)
{
	uint64_t off = req->off + req->done;
	struct io_uring_sqe *sqe;
	struct iovec *iov = NULL;
	unsigned nr = op == NVME_RING_SYNC ? 0 : rest_of(req, &iov);

	if (op != NVME_RING_SYNC && !nr) {
		nvme_io_done(nvme, req, -ENOMEM);
		return;
	}
	sqe = nvme->has_ring ? io_uring_get_sqe(&nvme->ring) : NULL;
	if (!sqe) {
		nvme_io_done(nvme, req, at_once(nvme, req, op, iov, nr));
		return;
	}
	if (op == NVME_RING_SYNC)
		io_uring_prep_fsync(sqe, nvme->drive.fd, IORING_FSYNC_DATASYNC);
	else if (op == NVME_RING_READ)
		io_uring_prep_readv(sqe, nvme->drive.fd, iov, nr, off);
	else
		io_uring_prep_writev2(sqe, nvme->drive.fd, iov, nr, off, req->sync ? RWF_DSYNC : 0);
	io_uring_sqe_set_data(sqe, req);
	nvme->io_nr++;
	nvme->ring_dirty = true;
}

void nvme_ring_submit(struct nvme *nvme)
{
	while (nvme->ring_dirty) {
		int rc = io_uring_submit(&nvme->ring);

		if (rc >= 0 && !io_uring_sq_ready(&nvme->ring))
			nvme->ring_dirty = false;
		else if (rc < 0 && rc != -EINTR)
			poll(NULL, 0, 1); /* the kernel is short of something; it passes */
	}
}

bool nvme_ring_reap(struct nvme *nvme, bool wait)
{
	struct io_uring_cqe *cqe;
	bool any = false;

	if (!nvme->has_ring)
		return false;
	nvme_ring_submit(nvme);
	if (wait && nvme->io_nr)
		while (io_uring_wait_cqe(&nvme->ring, &cqe) == -EINTR)
			;
	while (!io_uring_peek_cqe(&nvme->ring, &cqe)) {
		struct nvme_req *req = io_uring_cqe_get_data(cqe);
		int64_t result = cqe->res;

		io_uring_cqe_seen(&nvme->ring, cqe);
		nvme->io_nr--;
		any = true;
		nvme_io_done(nvme, req, result);
	}
	return any;
}
