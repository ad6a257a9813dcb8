/* SPDX-License-Identifier: MIT */
/*
 * The worker: a work item and a few TLPs of the burst in turn. It sends without the lock, and comes
 * back often, so that whoever wants it to stop need not wait long.
 */
#include <errno.h>
#include <string.h>
#include "tlpgun/gun.h"

#define SLICE 64 /* TLPs between two looks at what is wanted */

/* What a slice came to. */
struct slice {
	uint64_t at;
	uint16_t reason; /* of the first TLP on record */
	uint64_t record;
	bool stop;
	bool given_up; /* a TLP of it has no translation */
};

static void send(struct ioas_tlpgun *gun, struct slice *slice)
{
	const struct ioas_tlpgun_burst *burst = &gun->burst;
	struct ioas_tlp tlp = burst->tlp;
	uint8_t *buf = gun->buf + burst->buf + slice->at * burst->buf_stride;
	uint64_t before, after;
	uint16_t reason;
	int rc;

	tlp.addr += slice->at * burst->stride;
	ioas_issuer_fault(gun->issuer, &before);
	rc = burst->by_ats ? gun_ats_send(gun, &tlp, buf) : ioas_tlp_issue(gun->issuer, &tlp, buf);
	if (rc == -EINTR)
		return;
	slice->given_up = slice->given_up || rc == -ENXIO;
	reason = (uint16_t)ioas_issuer_fault(gun->issuer, &after);
	if (after != before && !slice->record) {
		slice->record = after;
		slice->reason = reason;
	}
	atomic_fetch_add(rc ? &gun->faulted : &gun->passed, 1);
	slice->stop = rc && burst->stop_at_fault;
	slice->at++;
}

static void shoot(struct ioas_tlpgun *gun, struct slice *slice)
{
	for (unsigned i = 0; i < SLICE && !slice->stop && !atomic_load(&gun->halt); i++) {
		send(gun, slice);
		if (slice->at < gun->burst.count)
			continue;
		slice->stop = slice->stop || !gun->again;
		slice->at = 0;
		if (slice->stop)
			return;
	}
}

/* Some of the burst. Comes and goes with the lock. */
static void do_burst(struct ioas_tlpgun *gun)
{
	struct slice slice = {.at = gun->at};
	bool over;

	gun->shooting = true;
	pthread_mutex_unlock(&gun->lock);
	shoot(gun, &slice);
	pthread_mutex_lock(&gun->lock);
	if (!gun->record && slice.record) {
		gun->record = slice.record;
		gun->reason = slice.reason;
	}
	gun->untranslatable = gun->untranslatable || slice.given_up;
	gun->at = slice.at;
	gun->on = gun->on && !gun->stopping && !slice.stop;
	over = !gun->on && !gun->resetting;
	if (over && gun->burst.irq) {
		unsigned vector = gun->burst.vector;

		/* Before it is seen to be over: who then looks for the interrupt finds it. */
		pthread_mutex_unlock(&gun->lock);
		gun_interrupt(gun, true, vector);
		pthread_mutex_lock(&gun->lock);
	}
	gun->shooting = false;
	gun->ended = over;
	gun->stopping = gun->stopping && gun->on;
	pthread_cond_broadcast(&gun->idle);
}

/* One work item, which keeps its place until it has ended. */
static void do_item(struct ioas_tlpgun *gun)
{
	struct ioas_tlpgun_item item = gun->item[gun->first];

	gun->serving = true;
	pthread_mutex_unlock(&gun->lock);
	gun_item_run(gun, &item);
	gun_interrupt(gun, item.irq, item.vector);
	pthread_mutex_lock(&gun->lock);
	gun->serving = false;
	gun->first = (gun->first + 1) % gun->shape.depth;
	gun->queued--;
	gun->items++;
	pthread_cond_broadcast(&gun->idle);
}

void *gun_worker(void *arg)
{
	struct ioas_tlpgun *gun = arg;

	pthread_mutex_lock(&gun->lock);
	while (!gun->ending) {
		bool any = false;

		if (!gun->resetting && !gun->stopping)
			atomic_store(&gun->halt, false);
		if (!gun->resetting && gun->queued && !gun->hold) {
			do_item(gun);
			any = true;
		}
		if (!gun->resetting && !gun->ending && gun->on) {
			do_burst(gun);
			any = true;
		}
		if (!any)
			pthread_cond_wait(&gun->work, &gun->lock);
	}
	pthread_mutex_unlock(&gun->lock);
	return NULL;
}
