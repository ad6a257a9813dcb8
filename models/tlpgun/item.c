/* SPDX-License-Identifier: MIT */
/* Work items: taken into the queue as ENQCMD submits them, and done with the PASID they carry. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "tlpgun/gun.h"

int gun_enqueue_locked(struct ioas_tlpgun *gun, const void *item)
{
	uint32_t at;

	if (gun->resetting || gun->queued == gun->shape.depth)
		return -EAGAIN;
	if (!gun->hold && gun_start_locked(gun))
		return -EAGAIN;
	at = (gun->first + gun->queued) % gun->shape.depth;
	memcpy(&gun->item[at], item, sizeof(gun->item[at]));
	gun->queued++;
	pthread_cond_signal(&gun->work);
	return 0;
}

/* An item under way. */
struct run {
	struct ioas_tlpgun *gun;
	const struct ioas_tlpgun_item *item;
	struct ioas_tlpgun_record record;
};

static struct ioas_tlp tlp_of(const struct run *run, unsigned op, iova_t addr, uint64_t len)
{
	return (struct ioas_tlp){
		.addr = addr,
		.len = len,
		.op = (uint8_t)op,
		.flags = IOAS_TLP_PASID |
			 (run->item->pasid & IOAS_TLPGUN_PASID_PRIV ? IOAS_TLP_PRIV : 0),
		.pasid = run->item->pasid & ((1u << IOAS_PASID_BITS) - 1),
	};
}

/* One TLP of the item. False: it was refused, and the record says so. */
static bool send(struct run *run, unsigned op, iova_t addr, uint64_t len)
{
	struct ioas_tlp tlp = tlp_of(run, op, addr, len);
	uint64_t seq;

	if (!ioas_tlp_issue(run->gun->issuer, &tlp, run->gun->chunk))
		return true;
	run->record.status = IOAS_TLPGUN_ITEM_FAULT;
	run->record.reason = (uint8_t)ioas_issuer_fault(run->gun->issuer, &seq);
	run->record.addr = addr;
	return false;
}

static bool move(struct run *run, uint64_t done, uint64_t len)
{
	const struct ioas_tlpgun_item *item = run->item;
	bool passed = true;

	if (item->op != IOAS_TLPGUN_FILL)
		passed = send(run, IOAS_TLP_READ,
			      (item->op == IOAS_TLPGUN_COPY ? item->src : item->addr) + done, len);
	if (passed && item->op == IOAS_TLPGUN_READ && !done)
		memcpy(&run->record.value, run->gun->chunk,
		       len < sizeof(run->record.value) ? len : sizeof(run->record.value));
	if (passed && item->op != IOAS_TLPGUN_READ)
		passed = send(run, IOAS_TLP_WRITE, item->addr + done, len);
	return passed;
}

static void fill_chunk(struct run *run)
{
	for (unsigned i = 0; i < GUN_CHUNK; i += sizeof(run->item->src))
		memcpy(run->gun->chunk + i, &run->item->src, sizeof(run->item->src));
}

/* A reset gives up what is left of it. */
static void move_all(struct run *run)
{
	const struct ioas_tlpgun_item *item = run->item;

	if (item->op == IOAS_TLPGUN_FILL)
		fill_chunk(run);
	run->record.status = IOAS_TLPGUN_ITEM_DONE;
	while (run->record.done < item->len && !atomic_load(&run->gun->drop)) {
		uint64_t left = item->len - run->record.done;
		uint64_t len = left < GUN_CHUNK ? left : GUN_CHUNK;

		if (!move(run, run->record.done, len))
			return;
		run->record.done += len;
	}
}

/* The word with the status comes last, and is one store. */
static void complete(struct run *run)
{
	size_t rest = offsetof(struct ioas_tlpgun_record, addr);
	iova_t at = run->item->record;
	struct ioas_tlp tlp;

	if (!at)
		return;
	memcpy(run->gun->chunk, (char *)&run->record + rest, sizeof(run->record) - rest);
	tlp = tlp_of(run, IOAS_TLP_WRITE, at + rest, sizeof(run->record) - rest);
	if (ioas_tlp_issue(run->gun->issuer, &tlp, run->gun->chunk))
		return;
	tlp = tlp_of(run, IOAS_TLP_WRITE, at, 8);
	ioas_tlp_store(run->gun->issuer, &tlp, run->record.status | run->record.reason << 8);
}

void gun_item_run(struct ioas_tlpgun *gun, const struct ioas_tlpgun_item *item)
{
	struct run run = {.gun = gun, .item = item};

	if (item->op > IOAS_TLPGUN_READ || item->len > IOAS_TLPGUN_ITEM_MAX ||
	    item->record % sizeof(run.record))
		run.record.status = IOAS_TLPGUN_ITEM_INVALID;
	else if (item->op == IOAS_TLPGUN_NOP)
		run.record.status = IOAS_TLPGUN_ITEM_DONE;
	else
		move_all(&run);
	if (!atomic_load(&gun->drop) && !(item->record % sizeof(run.record)))
		complete(&run);
}
