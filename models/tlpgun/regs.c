/* SPDX-License-Identifier: MIT */
/*
 * The function's BARs: registers, buffer, portals. Runs in the program's threads, perhaps in a
 * signal handler: notes what was written, and wakes the worker.
 */
#include <string.h>
#include "tlpgun/gun.h"

/* The writable register that holds these 4 bytes, and which half of it; NULL: there is none. */
static void *reg_at(struct gun_regs *regs, uint64_t off, unsigned *size)
{
	*size = off < IOAS_TLPGUN_CTRL || off >= IOAS_TLPGUN_COUNT ? 8 : 4;
	switch (*size == 8 ? off & ~7ull : off) {
	case IOAS_TLPGUN_ADDR:
		return &regs->addr;
	case IOAS_TLPGUN_LEN:
		return &regs->len;
	case IOAS_TLPGUN_CTRL:
		return &regs->ctrl;
	case IOAS_TLPGUN_PASID:
		return &regs->pasid;
	case IOAS_TLPGUN_RID:
		return &regs->rid;
	case IOAS_TLPGUN_VECTOR:
		return &regs->vector;
	case IOAS_TLPGUN_COUNT:
		return &regs->count;
	case IOAS_TLPGUN_STRIDE:
		return &regs->stride;
	case IOAS_TLPGUN_BUF:
		return &regs->buf;
	case IOAS_TLPGUN_BUF_STRIDE:
		return &regs->buf_stride;
	}
	return NULL;
}

static uint32_t half(uint64_t value, uint64_t off)
{
	return (uint32_t)(off & 4 ? value >> 32 : value);
}

static uint32_t status(const struct ioas_tlpgun *gun)
{
	return (gun_busy_locked(gun) ? IOAS_TLPGUN_BUSY : 0u) |
	       (gun->ended ? IOAS_TLPGUN_ENDED : 0u) | (gun->invalid ? IOAS_TLPGUN_INVALID : 0u) |
	       (gun->untranslatable ? IOAS_TLPGUN_UNTRANSLATABLE : 0u) |
	       (uint32_t)gun->reason << IOAS_TLPGUN_REASON_SHIFT;
}

static uint32_t read_ats(struct ioas_tlpgun *gun, uint64_t off)
{
	struct ioas_atc_stats stats = {0};

	switch (off & ~4ull) {
	case IOAS_TLPGUN_ATS_CAPS:
		if (off & 4)
			return atomic_load(&gun->ats_ctrl);
		return (gun->atc ? IOAS_TLPGUN_HAS_ATS : 0u) |
		       (gun->pages ? IOAS_TLPGUN_HAS_PAGES : 0u) |
		       ioas_page_room(gun->dev) << IOAS_TLPGUN_ROOM_SHIFT;
	case IOAS_TLPGUN_HELD:
		if (gun->atc)
			ioas_atc_stats(gun->atc, &stats);
		return half(stats.held, off);
	case IOAS_TLPGUN_REQUESTED:
		return half(gun->requested, off);
	case IOAS_TLPGUN_REFUSED:
		return half(gun->refused, off);
	}
	return 0;
}

static uint32_t read_reg(struct ioas_tlpgun *gun, uint64_t off)
{
	unsigned size;
	void *reg = reg_at(&gun->regs, off, &size);

	if (reg)
		return size == 8 ? half(*(uint64_t *)reg, off) : *(uint32_t *)reg;
	switch (off) {
	case IOAS_TLPGUN_ID:
		return IOAS_TLPGUN_MAGIC;
	case IOAS_TLPGUN_CAPS:
		return gun->shape.pasid_lg2 | gun->shape.portal_nr << 8 | gun->shape.depth << 16;
	case IOAS_TLPGUN_BUF_LEN:
	case IOAS_TLPGUN_BUF_LEN + 4:
		return half(gun->shape.buf_len, off);
	case IOAS_TLPGUN_STATUS:
		return status(gun);
	case IOAS_TLPGUN_PASSED:
	case IOAS_TLPGUN_PASSED + 4:
		return half(atomic_load(&gun->passed), off);
	case IOAS_TLPGUN_FAULTED:
	case IOAS_TLPGUN_FAULTED + 4:
		return half(atomic_load(&gun->faulted), off);
	case IOAS_TLPGUN_RECORD:
	case IOAS_TLPGUN_RECORD + 4:
		return half(gun->record, off);
	case IOAS_TLPGUN_ITEMS:
	case IOAS_TLPGUN_ITEMS + 4:
		return half(gun->items, off);
	case IOAS_TLPGUN_QUEUE:
		return gun->hold ? IOAS_TLPGUN_HOLD : 0;
	case IOAS_TLPGUN_QUEUED:
		return gun->queued;
	}
	return read_ats(gun, off);
}

static void ring(struct ioas_tlpgun *gun, uint32_t bell)
{
	const struct gun_regs *regs = &gun->regs;
	struct ioas_tlpgun_burst burst = {
		.tlp =
			{
				.addr = regs->addr,
				.len = regs->len,
				/* Bits 1 to 5 are enum ioas_tlp_flags, one up. */
				.flags = regs->ctrl >> 1 & 0x1f,
				.pasid = regs->pasid & ((1u << IOAS_PASID_BITS) - 1),
				.rid = (rid_t)regs->rid,
				.op = regs->ctrl & IOAS_TLPGUN_WRITE ? IOAS_TLP_WRITE
								     : IOAS_TLP_READ,
				.at = regs->ctrl >> IOAS_TLPGUN_AT_SHIFT & 3,
			},
		.count = regs->count,
		.stride = regs->stride,
		.buf = regs->buf,
		.buf_stride = regs->buf_stride,
		.stop_at_fault = regs->ctrl & IOAS_TLPGUN_STOP_AT_FAULT,
		.by_ats = regs->ctrl & IOAS_TLPGUN_BY_ATS,
		.pages = regs->ctrl & IOAS_TLPGUN_PAGES,
		.irq = regs->ctrl & IOAS_TLPGUN_IRQ,
		.vector = (uint16_t)regs->vector,
	};

	if (bell == IOAS_TLPGUN_STOP)
		gun_halt_locked(gun);
	else if ((bell == IOAS_TLPGUN_SHOOT || bell == IOAS_TLPGUN_FIRE) && !gun_busy_locked(gun))
		gun->invalid = gun_burst_locked(gun, &burst, bell == IOAS_TLPGUN_FIRE) != 0;
}

static void write_reg(struct ioas_tlpgun *gun, uint64_t off, uint32_t value)
{
	unsigned size;
	void *reg = reg_at(&gun->regs, off, &size);

	if (reg && size == 8) {
		uint64_t *wide = reg;

		*wide = off & 4 ? (uint32_t)*wide | (uint64_t)value << 32
				: (*wide & ~0xffffffffull) | value;
	} else if (reg) {
		*(uint32_t *)reg = value;
	} else if (off == IOAS_TLPGUN_DOORBELL) {
		ring(gun, value);
	} else if (off == IOAS_TLPGUN_ATS_CTRL) {
		atomic_store(&gun->ats_ctrl, value);
	} else if (off == IOAS_TLPGUN_QUEUE) {
		gun->hold = value & IOAS_TLPGUN_HOLD;
		if (!gun->hold && gun->queued)
			gun_start_locked(gun);
		pthread_cond_signal(&gun->work);
	}
}

static uint64_t read_regs(struct ioas_tlpgun *gun, uint64_t off, unsigned size)
{
	uint64_t word = off & ~3ull, value = read_reg(gun, word);

	if (size == 8)
		value |= (uint64_t)read_reg(gun, word + 4) << 32;
	return value >> off % 4 * 8;
}

static struct gun_portal *portal_at(struct ioas_tlpgun *gun, uint64_t off)
{
	uint64_t nr = off / IOAS_TLPGUN_PORTAL_LEN;

	return nr < gun->shape.portal_nr ? &gun->portals[nr] : NULL;
}

static uint64_t read_portal(struct ioas_tlpgun *gun, uint64_t off, unsigned size)
{
	const struct gun_portal *portal = portal_at(gun, off);
	uint64_t value = 0;

	if (!portal)
		return UINT64_MAX;
	switch (off % IOAS_TLPGUN_PORTAL_LEN & ~7ull) {
	case IOAS_TLPGUN_PORTAL_RESULT:
		value = portal->result;
		break;
	case IOAS_TLPGUN_PORTAL_ACCEPTED:
		value = portal->accepted;
		break;
	case IOAS_TLPGUN_PORTAL_RETRIED:
		value = portal->retried;
		break;
	}
	return value >> off % 8 * 8;
}

static void write_portal(struct ioas_tlpgun *gun, uint64_t off, uint64_t value, unsigned size)
{
	struct gun_portal *portal = portal_at(gun, off);
	unsigned at = off % sizeof(portal->stage);

	if (!portal || size < 4)
		return;
	memcpy(portal->stage + at, &value, size);
	if (at + size < sizeof(portal->stage))
		return;
	if (gun_enqueue_locked(gun, portal->stage)) {
		portal->result = IOAS_TLPGUN_RETRY;
		portal->retried++;
	} else {
		portal->result = IOAS_TLPGUN_ACCEPTED;
		portal->accepted++;
	}
	memset(portal->stage, 0, sizeof(portal->stage));
}

uint64_t gun_bar_read(void *model, unsigned bar, uint64_t off, unsigned size)
{
	struct ioas_tlpgun *gun = model;
	uint64_t value = 0;

	if (bar == IOAS_TLPGUN_BAR_BUFFER) {
		memcpy(&value, gun->buf + off, size);
		return value;
	}
	pthread_mutex_lock(&gun->lock);
	if (bar == IOAS_TLPGUN_BAR_REGS && off < IOAS_TLPGUN_REGS_LEN)
		value = read_regs(gun, off, size);
	else if (bar == IOAS_TLPGUN_BAR_PORTALS)
		value = read_portal(gun, off, size);
	pthread_mutex_unlock(&gun->lock);
	return size < 8 ? value & ((1ull << size * 8) - 1) : value;
}

void gun_bar_write(void *model, unsigned bar, uint64_t off, uint64_t value, unsigned size)
{
	struct ioas_tlpgun *gun = model;

	if (bar == IOAS_TLPGUN_BAR_BUFFER) {
		memcpy(gun->buf + off, &value, size);
		return;
	}
	pthread_mutex_lock(&gun->lock);
	if (bar == IOAS_TLPGUN_BAR_REGS && off < IOAS_TLPGUN_REGS_LEN && size >= 4) {
		write_reg(gun, off, (uint32_t)value);
		if (size == 8)
			write_reg(gun, off + 4, (uint32_t)(value >> 32));
	} else if (bar == IOAS_TLPGUN_BAR_PORTALS) {
		write_portal(gun, off, value, size);
	}
	pthread_mutex_unlock(&gun->lock);
}
