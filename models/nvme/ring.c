/* SPDX-License-Identifier: MIT */
/*
 * Drive I/O under way: io_uring on the spans of a request, or the plain calls where the kernel or
 * a sandbox refuses a ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "nvme/nvme.h"

void nvme_ring_open(struct nvme *nvme)
{
	nvme->has_ring = !io_uring_queue_init(NVME_IN_FLIGHT, &nvme->ring, 0);
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

static int mode_of(enum nvme_ring_op op)
{
	return FALLOC_FL_KEEP_SIZE |
	       (op == NVME_RING_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

struct work {
	enum nvme_ring_op op;
	struct iovec *iov;
	unsigned nr;
	uint64_t off, len;
};

static int64_t at_once(struct nvme *nvme, struct nvme_req *req, const struct work *work)
{
	int fd = nvme->drive.fd;
	int64_t off = (int64_t)work->off, rc = -1;

	do {
		switch (work->op) {
		case NVME_RING_SYNC:
			rc = fdatasync(fd);
			break;
		case NVME_RING_READ:
			rc = preadv(fd, work->iov, (int)work->nr, off);
			break;
		case NVME_RING_WRITE:
			rc = pwritev2(fd, work->iov, (int)work->nr, off, req->sync ? RWF_DSYNC : 0);
			break;
		case NVME_RING_PUNCH:
		case NVME_RING_ZERO:
			rc = fallocate(fd, mode_of(work->op), off, (int64_t)work->len);
			break;
		}
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

static void submit(struct nvme *nvme)
{
	while (nvme->ring_dirty) {
		int rc = io_uring_submit(&nvme->ring);

		if (rc >= 0 && !io_uring_sq_ready(&nvme->ring))
			nvme->ring_dirty = false;
		else if (rc < 0 && rc != -EINTR)
			poll(NULL, 0, 1); /* the kernel is short of something; it passes */
	}
}

static struct io_uring_sqe *get_sqe(struct nvme *nvme)
{
	struct io_uring_sqe *sqe;

	if (!nvme->has_ring)
		return NULL;
	sqe = io_uring_get_sqe(&nvme->ring);
	if (sqe)
		return sqe;
	submit(nvme);
	return io_uring_get_sqe(&nvme->ring);
}

static void begin(struct nvme *nvme, struct nvme_req *req, const struct work *work)
{
	struct io_uring_sqe *sqe = get_sqe(nvme);
	int fd = nvme->drive.fd;

	if (!sqe) {
		nvme_io_done(nvme, req, at_once(nvme, req, work));
		return;
	}
	switch (work->op) {
	case NVME_RING_SYNC:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	case NVME_RING_READ:
		io_uring_prep_readv(sqe, fd, work->iov, work->nr, work->off);
		break;
	case NVME_RING_WRITE:
		io_uring_prep_writev2(sqe, fd, work->iov, work->nr, work->off,
				      req->sync ? RWF_DSYNC : 0);
		break;
	case NVME_RING_PUNCH:
	case NVME_RING_ZERO:
		io_uring_prep_fallocate(sqe, fd, mode_of(work->op), (off_t)work->off,
					(off_t)work->len);
		break;
	}
	io_uring_sqe_set_data(sqe, req);
	nvme->io_nr++;
	nvme->ring_dirty = true;
}

void nvme_ring_start(struct nvme *nvme, struct nvme_req *req, enum nvme_ring_op op)
{
	struct work work = {.op = op, .off = req->off + req->done};

	req->op = op;
	if (op != NVME_RING_SYNC) {
		work.nr = rest_of(req, &work.iov);
		if (!work.nr) {
			nvme_io_done(nvme, req, -ENOMEM);
			return;
		}
	}
	begin(nvme, req, &work);
}

void nvme_ring_zero(struct nvme *nvme, struct nvme_req *req, uint64_t off, uint64_t len)
{
	struct work work = {.op = req->op, .off = off, .len = len};

	begin(nvme, req, &work);
}

bool nvme_ring_reap(struct nvme *nvme, bool wait)
{
	struct io_uring_cqe *cqe;
	bool any = false;

	if (!nvme->has_ring)
		return false;
	submit(nvme);
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
