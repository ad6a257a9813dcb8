/* SPDX-License-Identifier: MIT */
/*
 * Registers and doorbells (3.1). Runs in the program's threads: notes what was written, does what
 * can be done at once, wakes the worker for the rest. Registers take 4 and 8 bytes; narrower writes
 * are ignored, narrower reads give the part.
 */
#include "nvme/nvme.h"

#define TIMEOUT 60 /* of 500 ms: a busy machine may be slow to schedule the worker */

static uint64_t cap(void)
{
	return (NVME_QUEUE_MAX - 1) | 1ull << 16 /* contiguous queues */ | (uint64_t)TIMEOUT << 24 |
	       1ull << 37 /* NVM command set */ | (uint64_t)NVME_MPS_MAX << 52;
}

static uint32_t read_reg(struct nvme *nvme, uint64_t off)
{
	switch (off) {
	case NVME_REG_CAP:
		return (uint32_t)cap();
	case NVME_REG_CAP + 4:
		return (uint32_t)(cap() >> 32);
	case NVME_REG_VS:
		return NVME_VS_1_4;
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		return nvme->intms;
	case NVME_REG_CC:
		return nvme->cc;
	case NVME_REG_CSTS:
		return nvme->csts;
	case NVME_REG_AQA:
		return nvme->aqa;
	case NVME_REG_ASQ:
		return (uint32_t)nvme->asq;
	case NVME_REG_ASQ + 4:
		return (uint32_t)(nvme->asq >> 32);
	case NVME_REG_ACQ:
		return (uint32_t)nvme->acq;
	case NVME_REG_ACQ + 4:
		return (uint32_t)(nvme->acq >> 32);
	}
	return 0;
}

uint64_t nvme_bar_read(void *model, unsigned bar, uint64_t off, unsigned size)
{
	struct nvme *nvme = model;
	uint64_t word = off & ~3ull, value;

	if (bar || off >= NVME_REG_DOORBELLS)
		return 0;
	pthread_mutex_lock(&nvme->lock);
	value = read_reg(nvme, word);
	if (size == 8)
		value |= (uint64_t)read_reg(nvme, word + 4) << 32;
	pthread_mutex_unlock(&nvme->lock);
	value >>= off % 4 * 8;
	return size < 8 ? value & ((1ull << size * 8) - 1) : value;
}

static void half(uint64_t *reg, uint64_t off, uint32_t value)
{
	if (off & 4)
		*reg = (uint32_t)*reg | (uint64_t)value << 32;
	else
		*reg = (*reg & ~0xffffffffull) | value;
}

static void write_cc(struct nvme *nvme, uint32_t value)
{
	uint32_t old = nvme->cc;

	value &= NVME_CC_WRITABLE;
	nvme->cc = value;
	if (old & NVME_CC_EN && !(value & NVME_CC_EN))
		nvme->reset_wanted = true;
	if ((old ^ value) & NVME_CC_EN || NVME_CC_SHN(value) != NVME_CC_SHN(old))
		nvme_attend_locked(nvme);
}

static void write_intm(struct nvme *nvme, uint32_t value)
{
	nvme->intms = value;
	if (!ioas_pci_msix_enabled(nvme->pci))
		ioas_pci_intx_set(nvme->pci, nvme->intx && !(nvme->intms & 1));
}

static void write_reg(struct nvme *nvme, uint64_t off, uint32_t value)
{
	switch (off) {
	case NVME_REG_INTMS:
		write_intm(nvme, nvme->intms | value);
		break;
	case NVME_REG_INTMC:
		write_intm(nvme, nvme->intms & ~value);
		break;
	case NVME_REG_CC:
		write_cc(nvme, value);
		break;
	case NVME_REG_AQA:
		nvme->aqa = value & 0x0fff0fff;
		break;
	case NVME_REG_ASQ:
	case NVME_REG_ASQ + 4:
		half(&nvme->asq, off, value);
		nvme->asq &= ~0xfffull;
		break;
	case NVME_REG_ACQ:
	case NVME_REG_ACQ + 4:
		half(&nvme->acq, off, value);
		nvme->acq &= ~0xfffull;
		break;
	}
}

void nvme_bad_doorbell(struct nvme *nvme, enum nvme_event what)
{
	atomic_fetch_or(&nvme->db_errors, 1u << what);
	nvme_kick(nvme);
}

/* The queue exists, and has such an entry. */
static bool can_point(struct nvme *nvme, uint32_t size, uint32_t value)
{
	if (value < size)
		return true;
	nvme_bad_doorbell(nvme, size ? NVME_EVENT_ERROR_DB_VALUE : NVME_EVENT_ERROR_DB_REGISTER);
	return false;
}

static bool set_known(_Atomic uint32_t *pointer, uint32_t value, uint32_t known)
{
	return atomic_compare_exchange_strong(pointer, &known, value);
}

bool nvme_sq_tail(struct nvme *nvme, struct nvme_sq *sq, uint32_t value, const uint32_t *known)
{
	if (!can_point(nvme, atomic_load(&sq->size), value))
		return false;
	if (known)
		return set_known(&sq->tail, value, *known);
	/* No fence, though nvme_watch_follow looks next: who begins to watch has one for all. */
	atomic_store_explicit(&sq->tail, value, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

static void sq_doorbell(struct nvme *nvme, struct nvme_sq *sq, uint32_t value)
{
	if (!nvme_sq_tail(nvme, sq, value, NULL))
		return;
	nvme_watch_follow(nvme, 2u * sq->id, value);
	nvme_rung(nvme, sq);
}

bool nvme_cq_head(struct nvme *nvme, struct nvme_cq *cq, uint32_t value, const uint32_t *known)
{
	uint32_t size = atomic_load(&cq->size), head = atomic_load(&cq->head), tail;
	bool was_full;

	if (!can_point(nvme, size, value))
		return false;
	/* It has moved since the value was stored: who moved it was later. */
	if (known && head != *known)
		return false;
	/* May the head come this far, or would entries be taken that are not there? */
	tail = atomic_load_explicit(&cq->tail, memory_order_acquire);
	if ((value + size - head) % size > (tail + size - head) % size) {
		nvme_bad_doorbell(nvme, NVME_EVENT_ERROR_DB_VALUE);
		return false;
	}
	was_full = (tail + 1) % size == head;
	if (known) {
		if (!set_known(&cq->head, value, *known))
			return false;
	} else {
		atomic_store(&cq->head, value);
	}
	if (cq->ien && !ioas_pci_msix_enabled(nvme->pci))
		nvme_intx_update(nvme, cq);
	/* The worker cares only when it may be waiting for room. It looks at `head` afresh. */
	tail = atomic_load(&cq->tail);
	if (was_full || (tail + 1) % size == head) {
		atomic_fetch_or(&nvme->db_cq[cq->id / 64], 1ull << cq->id % 64);
		nvme_kick(nvme);
	}
	return true;
}

static void cq_doorbell(struct nvme *nvme, struct nvme_cq *cq, uint32_t value)
{
	if (nvme_cq_head(nvme, cq, value, NULL))
		nvme_watch_follow(nvme, 2u * cq->id + 1, value);
}

static void doorbell(struct nvme *nvme, uint64_t off, uint32_t value)
{
	uint64_t index = (off - NVME_REG_DOORBELLS) / 4;

	if (!(nvme->csts & NVME_CSTS_RDY))
		return;
	if (index >= NVME_DOORBELLS)
		nvme_bad_doorbell(nvme, NVME_EVENT_ERROR_DB_REGISTER);
	else if (nvme_watch_takes(nvme, (unsigned)index, value))
		;
	else if (index % 2)
		cq_doorbell(nvme, &nvme->cq[index / 2], value);
	else
		sq_doorbell(nvme, &nvme->sq[index / 2], value);
}

void nvme_bar_write(void *model, unsigned bar, uint64_t off, uint64_t value, unsigned size)
{
	struct nvme *nvme = model;

	if (bar || size < 4)
		return;
	if (off >= NVME_REG_DOORBELLS) {
		doorbell(nvme, off, (uint32_t)value);
		if (size == 8)
			doorbell(nvme, off + 4, (uint32_t)(value >> 32));
		return;
	}
	pthread_mutex_lock(&nvme->lock);
	write_reg(nvme, off, (uint32_t)value);
	if (size == 8)
		write_reg(nvme, off + 4, (uint32_t)(value >> 32));
	pthread_mutex_unlock(&nvme->lock);
}
