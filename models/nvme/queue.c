/* SPDX-License-Identifier: MIT */
/*
 * Queues: commands come in, completions go out, interrupts tell of them.
 *
 * A completion that finds its queue full waits in the queue's backlog, and submission queues that
 * post there are not fetched from until the program has made room.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "nvme/nvme.h"
#include "util/lock.h"

static uint32_t get(const _Atomic uint32_t *from)
{
	return atomic_load_explicit(from, memory_order_relaxed);
}

struct nvme_req *nvme_req_get(struct nvme *nvme, struct nvme_sq *sq)
{
	struct nvme_req *req = nvme->free;

	if (req) {
		nvme->free = req->next;
	} else {
		req = calloc(1, sizeof(*req));
		if (!req)
			return NULL;
		ioas_dma_init(&req->dma, nvme->issuer);
	}
	req->sq = sq;
	req->dw0 = 0;
	sq->in_flight++;
	nvme->busy++;
	return req;
}

void nvme_req_put(struct nvme *nvme, struct nvme_req *req)
{
	req->next = nvme->free;
	nvme->free = req;
	nvme->busy--;
}

void nvme_intx_update_locked(struct nvme *nvme, struct nvme_cq *cq)
{
	bool wants = get(&cq->size) && cq->ien && get(&cq->head) != get(&cq->tail);

	lock_must_hold(&nvme->lock);
	if (wants != cq->asserting) {
		cq->asserting = wants;
		nvme->intx += wants ? 1 : -1;
	}
	ioas_pci_intx_set(nvme->pci, nvme->intx && !(nvme->intms & 1));
}

void nvme_intx_update(struct nvme *nvme, struct nvme_cq *cq)
{
	pthread_mutex_lock(&nvme->lock);
	nvme_intx_update_locked(nvme, cq);
	pthread_mutex_unlock(&nvme->lock);
}

void nvme_interrupt(struct nvme *nvme)
{
	for (unsigned w = 0; w < NVME_MASK_WORDS; w++) {
		while (nvme->irq[w]) {
			unsigned id = w * 64 + (unsigned)__builtin_ctzll(nvme->irq[w]);
			struct nvme_cq *cq = &nvme->cq[id];

			nvme->irq[w] &= nvme->irq[w] - 1;
			if (!cq->ien)
				continue;
			if (ioas_pci_msix_enabled(nvme->pci))
				ioas_pci_msix_send(nvme->pci, cq->vector);
			else
				nvme_intx_update(nvme, cq);
		}
	}
}

/*
 * Looks once more behind a fence before it says so: cq_doorbell stores the head and then looks
 * whether the queue was full, so one of the two sees the other.
 */
static bool full(const struct nvme_cq *cq)
{
	uint32_t next = (get(&cq->tail) + 1) % get(&cq->size);

	if (next != atomic_load_explicit(&cq->head, memory_order_acquire))
		return false;
	atomic_thread_fence(memory_order_seq_cst);
	return next == atomic_load(&cq->head);
}

/* Writes one completion. The phase bit goes last, in one store with what identifies the command. */
static void post(struct nvme *nvme, struct nvme_cq *cq, const struct nvme_req *req)
{
	uint64_t low = req->dw0, high = nvme_cqe_high(req->sq, req->cmd.cid, req->status);
	iova_t addr = nvme_cq_advance(cq, 1);

	if (ioas_dma_write(nvme->issuer, addr, &low, 8) ||
	    ioas_dma_store(nvme->issuer, addr + 8, high, 8)) {
		if (cq->id)
			nvme_event(nvme, NVME_EVENT_ERROR, NVME_EVENT_ERROR_INTERNAL);
		nvme_fail(nvme);
		return;
	}
	nvme_mask_set(nvme->irq, cq->id);
}

void nvme_sq_gone(struct nvme *nvme, struct nvme_sq *sq)
{
	sq->cq->sq_nr--;
	nvme->io_queues--;
}

static void retire(struct nvme *nvme, struct nvme_req *req)
{
	struct nvme_sq *sq = req->sq;
	struct nvme_req *deleting;

	nvme_req_put(nvme, req);
	if (--sq->in_flight || !sq->deleting)
		return;
	deleting = sq->deleting;
	sq->deleting = NULL;
	nvme_sq_gone(nvme, sq);
	nvme_finish(nvme, deleting, NVME_SUCCESS);
}

void nvme_finish(struct nvme *nvme, struct nvme_req *req, nvme_status status)
{
	struct nvme_cq *cq = req->sq->cq;

	req->status = status;
	if (status && !nvme->dropping)
		nvme_log_error(nvme, req->sq, &req->cmd, status);
	if (nvme->dropping || nvme->failed) {
		retire(nvme, req);
		return;
	}
	if (!cq->backlog && !full(cq)) {
		post(nvme, cq, req);
		retire(nvme, req);
		return;
	}
	if (req->sq->deleting) {
		retire(nvme, req);
		return;
	}
	if (!cq->backlog)
		cq->backlog_end = &cq->backlog;
	nvme->waiting++;
	req->next = NULL;
	*cq->backlog_end = req;
	cq->backlog_end = &req->next;
}

void nvme_cq_moved(struct nvme *nvme, struct nvme_cq *cq)
{
	while (cq->backlog && !nvme->failed && !full(cq)) {
		struct nvme_req *req = cq->backlog;

		cq->backlog = req->next;
		nvme->waiting--;
		post(nvme, cq, req);
		retire(nvme, req);
	}
	if (!cq->backlog)
		for (unsigned w = 0; w < NVME_MASK_WORDS; w++)
			nvme->ready[w] |= cq->sqs[w];
}

void nvme_cq_drop_backlog(struct nvme *nvme, struct nvme_cq *cq, const struct nvme_sq *sq)
{
	struct nvme_req **at = &cq->backlog;

	while (*at) {
		struct nvme_req *req = *at;

		if (sq && req->sq != sq) {
			at = &req->next;
			continue;
		}
		*at = req->next;
		nvme->waiting--;
		retire(nvme, req);
	}
	cq->backlog_end = at;
}

static void start(struct nvme *nvme, struct nvme_req *req)
{
	nvme_status status;

	if (NVME_CMD_FUSE(req->cmd.flags) || NVME_CMD_PSDT(req->cmd.flags))
		status = NVME_INVALID_FIELD | NVME_DNR;
	else if (req->sq->id)
		status = nvme_io(nvme, req);
	else
		status = nvme_admin(nvme, req);
	if (status != NVME_LATER)
		nvme_finish(nvme, req, status);
}

bool nvme_sq_run(struct nvme *nvme, struct nvme_sq *sq)
{
	uint32_t size = get(&sq->size), tail, n;
	unsigned busy = nvme->busy - nvme->waiting;

	nvme_mask_clear(nvme->ready, sq->id);
	tail = atomic_load_explicit(&sq->tail, memory_order_acquire);
	/* tail >= size: a doorbell that raced with the queue's making. */
	if (!size || tail >= size || tail == sq->head || sq->cq->backlog)
		return false; /* a doorbell or a queue with room sets it ready again */
	if (sq->id && nvme->drive.at_hand && nvme_direct(nvme, sq, 1)) {
		if (sq->head != tail)
			nvme_mask_set(nvme->ready, sq->id);
		return true;
	}
	n = nvme_sq_burst(sq, (tail > sq->head ? tail : size) - sq->head);
	/* Admin commands pass, however many I/O commands are under way. */
	if (sq->id && busy >= NVME_IN_FLIGHT)
		n = 0;
	else if (sq->id && n > NVME_IN_FLIGHT - busy)
		n = NVME_IN_FLIGHT - busy;
	if (n && ioas_dma_read(nvme->issuer, sq->base + ((uint64_t)sq->head << NVME_SQE_LEN_LG2),
			       nvme->fetch, n << NVME_SQE_LEN_LG2)) {
		nvme_event(nvme, NVME_EVENT_ERROR, NVME_EVENT_ERROR_INTERNAL);
		nvme_fail(nvme);
		return false;
	}
	for (uint32_t i = 0; i < n && !nvme->failed; i++) {
		struct nvme_req *req = nvme_req_get(nvme, sq);

		if (!req) {
			poll(NULL, 0, 1); /* memory is short; it passes */
			break;
		}
		nvme_sq_advance(sq, 1);
		req->cmd = nvme->fetch[i];
		start(nvme, req);
	}
	if (sq->head != tail)
		nvme_mask_set(nvme->ready, sq->id);
	return n > 0;
}
