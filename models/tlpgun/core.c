/* SPDX-License-Identifier: MIT */
/* The gun's life, whatever its bus, and what the library asks of it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "tlpgun/gun.h"
#include "util/lock.h"

#define STACK_LEN (256 * 1024) /* the program's static TLS is taken from it */

int gun_new(const struct gun_shape *shape, struct ioas_tlpgun **out)
{
	struct ioas_tlpgun *gun = calloc(1, sizeof(*gun));
	pthread_condattr_t attr;

	if (!gun)
		return -ENOMEM;
	gun->shape = *shape;
	lock_init(&gun->lock, LOCK_MODEL);
	pthread_cond_init(&gun->work, NULL);
	pthread_cond_init(&gun->idle, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&gun->answered, &attr);
	pthread_condattr_destroy(&attr);
	gun->buf = calloc(1, shape->buf_len);
	gun->chunk = malloc(GUN_CHUNK);
	gun->item = calloc(shape->depth ? shape->depth : 1, sizeof(*gun->item));
	gun->portals = calloc(shape->portal_nr ? shape->portal_nr : 1, sizeof(*gun->portals));
	if (!gun->buf || !gun->chunk || !gun->item || !gun->portals) {
		gun_free(gun);
		return -ENOMEM;
	}
	*out = gun;
	return 0;
}

int gun_arm(struct ioas_tlpgun *gun, struct ioas_device *dev)
{
	int rc;

	gun->dev = dev;
	rc = ioas_issuer_new(dev, &gun->issuer);
	return rc ?: gun_ats_open(gun);
}

void gun_free(struct ioas_tlpgun *gun)
{
	gun_suspend(gun);
	gun_ats_close(gun);
	while (gun->callers) {
		struct gun_caller *caller = gun->callers;

		gun->callers = caller->next;
		ioas_issuer_destroy(caller->issuer);
		free(caller);
	}
	ioas_issuer_destroy(gun->issuer);
	pthread_cond_destroy(&gun->work);
	pthread_cond_destroy(&gun->idle);
	pthread_cond_destroy(&gun->answered);
	pthread_mutex_destroy(&gun->lock);
	free(gun->portals);
	free(gun->item);
	free(gun->chunk);
	free(gun->buf);
	free(gun);
}

/* SIGSEGV and SIGBUS stay open: guarded copies recover by them (guard.h). */
int gun_start_locked(struct ioas_tlpgun *gun)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	if (gun->running)
		return 0;
	gun->ending = false;
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_LEN);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&gun->thread, &attr, gun_worker, gun);
	if (rc == EINVAL) /* the TLS alone is larger */
		rc = pthread_create(&gun->thread, NULL, gun_worker, gun);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	gun->running = !rc;
	return rc ? -EAGAIN : 0;
}

void gun_suspend(struct ioas_tlpgun *gun)
{
	bool running;

	pthread_mutex_lock(&gun->lock);
	running = gun->running;
	gun->ending = true;
	atomic_store(&gun->halt, true);
	pthread_cond_broadcast(&gun->answered);
	pthread_cond_signal(&gun->work);
	pthread_mutex_unlock(&gun->lock);
	if (running)
		pthread_join(gun->thread, NULL);
	pthread_mutex_lock(&gun->lock);
	gun->running = false;
	atomic_store(&gun->halt, false);
	pthread_mutex_unlock(&gun->lock);
}

void gun_resume(struct ioas_tlpgun *gun)
{
	pthread_mutex_lock(&gun->lock);
	if (gun->on || (gun->queued && !gun->hold))
		gun_start_locked(gun);
	pthread_mutex_unlock(&gun->lock);
}

bool gun_busy_locked(const struct ioas_tlpgun *gun)
{
	return gun->on || gun->shooting;
}

void gun_halt_locked(struct ioas_tlpgun *gun)
{
	if (!gun->on)
		return;
	if (!gun->running) { /* between suspend and resume */
		gun->on = false;
		gun->ended = true;
		return;
	}
	gun->stopping = true;
	atomic_store(&gun->halt, true);
	pthread_cond_broadcast(&gun->answered);
	pthread_cond_signal(&gun->work);
}

void gun_reset(struct ioas_tlpgun *gun)
{
	pthread_mutex_lock(&gun->lock);
	gun->resetting = true;
	gun->on = gun->stopping = false;
	atomic_store(&gun->halt, true);
	atomic_store(&gun->drop, true);
	pthread_cond_broadcast(&gun->answered);
	while (gun->shooting || gun->serving || gun->calling)
		pthread_cond_wait(&gun->idle, &gun->lock);
	atomic_store(&gun->halt, false);
	atomic_store(&gun->drop, false);
	memset(&gun->regs, 0, sizeof(gun->regs));
	memset(gun->portals, 0, gun->shape.portal_nr * sizeof(*gun->portals));
	memset(gun->buf, 0, gun->shape.buf_len);
	gun->first = gun->queued = 0;
	gun->items = gun->record = 0;
	gun->passed = gun->faulted = 0;
	gun->reason = IOAS_FAULT_NONE;
	gun->hold = gun->ended = gun->invalid = gun->untranslatable = gun->waiting = false;
	gun->requested = gun->refused = 0;
	atomic_store(&gun->ats_ctrl, 0);
	if (gun->atc)
		ioas_atc_clear(gun->atc);
	gun->resetting = false;
	pthread_cond_broadcast(&gun->idle);
	pthread_mutex_unlock(&gun->lock);
}

void gun_interrupt(struct ioas_tlpgun *gun, bool wanted, unsigned vector)
{
	if (wanted && gun->pci)
		ioas_pci_msix_send(gun->pci, vector);
}

/* Does all of its data lie in the buffer? */
static bool fits(const struct ioas_tlpgun *gun, const struct ioas_tlpgun_burst *burst)
{
	uint64_t more = burst->count ? burst->count - 1 : 0;
	uint64_t last = gun->shape.buf_len - burst->tlp.len;

	return burst->tlp.len && burst->tlp.len <= gun->shape.buf_len && burst->buf <= last &&
	       (!more || burst->buf_stride <= (last - burst->buf) / more);
}

int gun_burst_locked(struct ioas_tlpgun *gun, const struct ioas_tlpgun_burst *burst, bool again)
{
	int rc = gun_busy_locked(gun) || gun->resetting ? -EBUSY : 0;

	if (!rc && (!gun->atc ? burst->by_ats : burst->by_ats && burst->tlp.at))
		rc = -EINVAL;
	if (!rc && burst->pages && !(burst->by_ats && gun->pages))
		rc = -EINVAL;
	if (!rc && (!fits(gun, burst) || burst->tlp.op > IOAS_TLP_WRITE ||
		    burst->tlp.at > IOAS_TLP_TRANSLATED))
		rc = -EINVAL;
	if (!rc)
		rc = gun_start_locked(gun);
	if (rc)
		return rc;
	gun->burst = *burst;
	if (!burst->count)
		gun->burst.count = 1;
	gun->again = again;
	gun->on = true;
	gun->stopping = gun->ended = gun->invalid = gun->untranslatable = false;
	gun->at = gun->record = 0;
	gun->reason = IOAS_FAULT_NONE;
	gun->passed = gun->faulted = 0;
	pthread_cond_signal(&gun->work);
	return 0;
}

int ioas_tlpgun_start(struct ioas_tlpgun *gun, const struct ioas_tlpgun_burst *burst, bool again)
{
	int rc;

	pthread_mutex_lock(&gun->lock);
	rc = gun_burst_locked(gun, burst, again);
	pthread_mutex_unlock(&gun->lock);
	return rc;
}

void ioas_tlpgun_stop(struct ioas_tlpgun *gun)
{
	pthread_mutex_lock(&gun->lock);
	gun_halt_locked(gun);
	while (gun->stopping || gun->shooting)
		pthread_cond_wait(&gun->idle, &gun->lock);
	pthread_mutex_unlock(&gun->lock);
}

void ioas_tlpgun_wait(struct ioas_tlpgun *gun)
{
	pthread_mutex_lock(&gun->lock);
	while (gun_busy_locked(gun))
		pthread_cond_wait(&gun->idle, &gun->lock);
	pthread_mutex_unlock(&gun->lock);
}

void ioas_tlpgun_status(struct ioas_tlpgun *gun, struct ioas_tlpgun_status *out)
{
	pthread_mutex_lock(&gun->lock);
	*out = (struct ioas_tlpgun_status){
		.busy = gun_busy_locked(gun),
		.reason = gun->reason,
		.record = gun->record,
		.passed = atomic_load(&gun->passed),
		.faulted = atomic_load(&gun->faulted),
		.items = gun->items,
		.queued = gun->queued,
		.untranslatable = gun->untranslatable,
		.requested = gun->requested,
		.refused = gun->refused,
	};
	if (gun->atc)
		ioas_atc_stats(gun->atc, &out->atc);
	pthread_mutex_unlock(&gun->lock);
}

struct ioas_device *ioas_tlpgun_device(struct ioas_tlpgun *gun)
{
	return gun->dev;
}

void *ioas_tlpgun_buffer(struct ioas_tlpgun *gun, uint64_t *len)
{
	if (len)
		*len = gun->shape.buf_len;
	return gun->buf;
}

/* Takes part in what a reset waits for, with an issuer that nobody else uses; NULL: no memory. */
static struct gun_caller *call_begin(struct ioas_tlpgun *gun)
{
	struct gun_caller *caller;

	pthread_mutex_lock(&gun->lock);
	while (gun->resetting)
		pthread_cond_wait(&gun->idle, &gun->lock);
	gun->calling++;
	caller = gun->callers;
	if (caller)
		gun->callers = caller->next;
	pthread_mutex_unlock(&gun->lock);
	if (caller)
		return caller;
	caller = calloc(1, sizeof(*caller));
	if (caller && ioas_issuer_new(gun->dev, &caller->issuer)) {
		free(caller);
		caller = NULL;
	}
	return caller;
}

static void call_end(struct ioas_tlpgun *gun, struct gun_caller *caller)
{
	pthread_mutex_lock(&gun->lock);
	gun->calling--;
	if (caller) {
		caller->next = gun->callers;
		gun->callers = caller;
	}
	pthread_cond_broadcast(&gun->idle);
	pthread_mutex_unlock(&gun->lock);
}

int ioas_tlpgun_issue(struct ioas_tlpgun *gun, const struct ioas_tlp *tlp, void *buf,
		      enum ioas_fault_reason *reason)
{
	struct gun_caller *caller = call_begin(gun);
	enum ioas_fault_reason why = IOAS_FAULT_NONE;
	uint64_t before = 0, after = 0;
	int rc = -ENOMEM;

	if (caller) {
		ioas_issuer_fault(caller->issuer, &before);
		rc = ioas_tlp_issue(caller->issuer, tlp, buf);
		why = ioas_issuer_fault(caller->issuer, &after);
	}
	call_end(gun, caller);
	if (reason)
		*reason = after == before ? IOAS_FAULT_NONE : why;
	return rc;
}

int ioas_tlpgun_enqueue(struct ioas_tlpgun *gun, const void *item)
{
	int rc;

	pthread_mutex_lock(&gun->lock);
	rc = gun->shape.depth ? gun_enqueue_locked(gun, item) : -EOPNOTSUPP;
	pthread_mutex_unlock(&gun->lock);
	return rc;
}

void ioas_tlpgun_hold(struct ioas_tlpgun *gun, bool on)
{
	pthread_mutex_lock(&gun->lock);
	gun->hold = on;
	if (!on && gun->queued && !gun->resetting)
		gun_start_locked(gun);
	pthread_cond_signal(&gun->work);
	pthread_mutex_unlock(&gun->lock);
}
