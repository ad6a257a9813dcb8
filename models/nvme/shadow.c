/* SPDX-License-Identifier: MIT */
/*
 * Shadow doorbells (5.7, 7.13): a driver writes queue pointers into memory, and rings only where
 * the event index, which is ours to write, asks for it.
 *
 * While the worker is at work, and a while after, it looks into that memory, and no event is asked
 * for: a driver that polls then never leaves its memory. Before it sleeps, and after a doorbell's
 * thread has done the work by itself, the next change is asked for; whoever asks looks once more,
 * since the driver writes its pointer and then reads the index. What counts is a change of a word,
 * as if it were a register: what an earlier queue has left there means nothing.
 *
 * The admin queues have none: drivers write their registers, whatever they do with the memory.
 */
#include "nvme/nvme.h"

#define NONE UINT32_MAX

#define PAIR_LEN 8 /* the tail of a submission queue, and the head of the completion queue */

static void lose(struct nvme *nvme)
{
	nvme->shadow.on = false;
	nvme_event(nvme, NVME_EVENT_ERROR, NVME_EVENT_ERROR_INTERNAL);
	nvme_fail(nvme);
}

/* 0 or -EFAULT. */
static int read_pair(struct nvme *nvme, unsigned id, uint64_t *pair)
{
	return ioas_dma_read(nvme->issuer, nvme->shadow.pointers + id * PAIR_LEN, pair, PAIR_LEN);
}

/* What a queue has that is new: true if it counts, and no more until it changes if it cannot. */
static bool is_new(uint32_t value, uint32_t known, uint32_t size, uint32_t *ignored)
{
	if (value == *ignored)
		return false;
	*ignored = NONE;
	return size && value != known;
}

/*
 * What is known of a pointer is read before the memory is: where a doorbell moves it meanwhile, the
 * doorbell is the newer one, and its value is in memory by now.
 */
static bool look_at(struct nvme *nvme, unsigned id)
{
	struct nvme_sq *sq = &nvme->sq[id];
	struct nvme_cq *cq = &nvme->cq[id];
	uint32_t known_tail = atomic_load(&sq->tail), known_head = atomic_load(&cq->head);
	uint32_t *ignored = nvme->shadow.ignored[id], tail, head;
	bool any = false;
	uint64_t pair;

	if (read_pair(nvme, id, &pair)) {
		lose(nvme);
		return false;
	}
	tail = (uint32_t)pair;
	head = (uint32_t)(pair >> 32);
	if (is_new(tail, known_tail, atomic_load(&sq->size), &ignored[0])) {
		any = nvme_sq_tail(nvme, sq, tail, &known_tail);
		if (any)
			nvme_mask_set(nvme->ready, id);
		else if (atomic_load(&sq->tail) == known_tail)
			ignored[0] = tail;
	}
	if (is_new(head, known_head, atomic_load(&cq->size), &ignored[1]) &&
	    !nvme_cq_head(nvme, cq, head, &known_head) && atomic_load(&cq->head) == known_head)
		ignored[1] = head;
	return any;
}

static bool may_look(struct nvme *nvme)
{
	return nvme->shadow.on && nvme->enabled && !nvme->failed &&
	       !atomic_load(&nvme->shadow.blocked);
}

bool nvme_shadow_look(struct nvme *nvme)
{
	bool any = false;

	for (unsigned w = 0; w < NVME_MASK_WORDS; w++)
		for (uint64_t ids = nvme->shadow.ids[w]; ids && may_look(nvme); ids &= ids - 1)
			any |= look_at(nvme, w * 64 + (unsigned)__builtin_ctzll(ids));
	return any;
}

/*
 * Asks for the next change of a submission queue; and of its completion queue where somebody waits
 * for room, or a pin for its end.
 */
static void ask(struct nvme *nvme, unsigned id)
{
	iova_t at = nvme->shadow.events + id * PAIR_LEN;
	struct nvme_cq *cq = &nvme->cq[id];
	int rc = 0;

	if (atomic_load(&nvme->sq[id].size))
		rc = ioas_dma_store(nvme->issuer, at, atomic_load(&nvme->sq[id].tail), 4);
	if (!rc && atomic_load(&cq->size) && (cq->backlog || !ioas_pci_msix_enabled(nvme->pci)))
		rc = ioas_dma_store(nvme->issuer, at + 4, atomic_load(&cq->head), 4);
	if (rc)
		lose(nvme);
	atomic_thread_fence(memory_order_seq_cst);
}

bool nvme_shadow_ask(struct nvme *nvme)
{
	for (unsigned w = 0; w < NVME_MASK_WORDS; w++)
		for (uint64_t ids = nvme->shadow.ids[w]; ids && may_look(nvme); ids &= ids - 1)
			ask(nvme, w * 64 + (unsigned)__builtin_ctzll(ids));
	return nvme_shadow_look(nvme);
}

bool nvme_shadow_ask_one(struct nvme *nvme, const struct nvme_sq *sq)
{
	if (!may_look(nvme) || nvme->shadow.watched)
		return false;
	ask(nvme, sq->id);
	return may_look(nvme) && look_at(nvme, sq->id);
}

/*
 * Of a tail (`half` 0) or a head: where it stands is `known`. What an earlier queue has left there
 * is not meant for this one; and the next change is asked for.
 */
static void begin(struct nvme *nvme, unsigned id, unsigned half, uint32_t known)
{
	uint64_t at = id * PAIR_LEN + half * 4ul;
	uint32_t value;

	nvme->shadow.ignored[id][half] = NONE;
	if (!nvme->shadow.on)
		return;
	if (ioas_dma_read(nvme->issuer, nvme->shadow.pointers + at, &value, 4) ||
	    ioas_dma_store(nvme->issuer, nvme->shadow.events + at, known, 4))
		lose(nvme);
	else if (value != known)
		nvme->shadow.ignored[id][half] = value;
}

void nvme_shadow_add(struct nvme *nvme, unsigned id, bool completion)
{
	nvme_mask_set(nvme->shadow.ids, id);
	begin(nvme, id, completion, 0);
}

void nvme_shadow_drop(struct nvme *nvme, unsigned id)
{
	if (!atomic_load(&nvme->sq[id].size) && !atomic_load(&nvme->cq[id].size))
		nvme_mask_clear(nvme->shadow.ids, id);
}

/* The pin falls when a head moves: who waits for that must be told at once, by a register. */
static bool needs_pin(struct nvme *nvme)
{
	bool needs = false;

	for (unsigned id = 1; id < NVME_QUEUES; id++)
		needs |= atomic_load(&nvme->cq[id].size) && nvme->cq[id].ien;
	return needs && !ioas_pci_msix_enabled(nvme->pci);
}

nvme_status nvme_shadow_config(struct nvme *nvme, const struct nvme_cmd *cmd)
{
	uint64_t page = 1ull << nvme->page_lg2;

	if (cmd->prp1 % page || cmd->prp2 % page || needs_pin(nvme))
		return NVME_INVALID_FIELD | NVME_DNR;
	nvme->shadow.pointers = cmd->prp1;
	nvme->shadow.events = cmd->prp2;
	nvme->shadow.on = true;
	for (unsigned id = 1; id < NVME_QUEUES; id++) {
		if (atomic_load(&nvme->sq[id].size))
			begin(nvme, id, 0, atomic_load(&nvme->sq[id].tail));
		if (atomic_load(&nvme->cq[id].size))
			begin(nvme, id, 1, atomic_load(&nvme->cq[id].head));
	}
	return NVME_SUCCESS;
}

void nvme_shadow_clear(struct nvme *nvme)
{
	nvme->shadow.on = nvme->shadow.watched = false;
	nvme->watch.quick = 0;
	for (unsigned w = 0; w < NVME_MASK_WORDS; w++)
		nvme->shadow.ids[w] = 0;
}
