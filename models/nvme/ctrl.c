/* SPDX-License-Identifier: MIT */
/* The controller's life: made from keys, started with the first need, ended. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "nvme/keys.h"
#include "nvme/nvme.h"
#include "util/lock.h"
#include "util/why.h"

#define STACK_LEN (256 * 1024) /* the program's static TLS is taken from it */

static int start_locked(struct nvme *nvme)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	lock_must_hold(&nvme->lock);
	nvme->eventfd = eventfd(0, EFD_CLOEXEC);
	if (nvme->eventfd < 0)
		return -errno;
	nvme->awake = true;
	nvme->stop_wanted = false;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_LEN);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&nvme->thread, &attr, nvme_worker, nvme);
	if (rc == EINVAL) /* the TLS alone is larger */
		rc = pthread_create(&nvme->thread, NULL, nvme_worker, nvme);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc) {
		close(nvme->eventfd);
		return -rc;
	}
	nvme_turn_give(&nvme->turn);
	__atomic_store_n(&nvme->running, true, __ATOMIC_RELEASE);
	return 0;
}

/* A controller whose thread cannot be had is a dead one. */
static void start_or_fail_locked(struct nvme *nvme)
{
	lock_must_hold(&nvme->lock);
	if (start_locked(nvme))
		nvme->csts |= NVME_CSTS_CFS;
}

bool nvme_runs(struct nvme *nvme)
{
	return __atomic_load_n(&nvme->running, __ATOMIC_ACQUIRE);
}

/* For who found the worker asleep. With the lock: a worker that is stopped closes its eventfd. */
static void wake_locked(struct nvme *nvme)
{
	uint64_t one = 1;

	lock_must_hold(&nvme->lock);
	while (write(nvme->eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void nvme_kick(struct nvme *nvme)
{
	if (nvme_runs(nvme) && atomic_exchange(&nvme->awake, true))
		return;
	pthread_mutex_lock(&nvme->lock);
	if (nvme->running)
		wake_locked(nvme);
	else
		start_or_fail_locked(nvme);
	pthread_mutex_unlock(&nvme->lock);
}

void nvme_attend_locked(struct nvme *nvme)
{
	lock_must_hold(&nvme->lock);
	atomic_store(&nvme->attention, true);
	if (!nvme->running)
		start_or_fail_locked(nvme);
	else if (!atomic_exchange(&nvme->awake, true))
		wake_locked(nvme);
}

void nvme_fail(struct nvme *nvme)
{
	nvme->failed = true;
	pthread_mutex_lock(&nvme->lock);
	nvme->csts |= NVME_CSTS_CFS;
	pthread_mutex_unlock(&nvme->lock);
}

void nvme_clear_locked(struct nvme *nvme)
{
	lock_must_hold(&nvme->lock);
	nvme->dropping = true;
	for (unsigned i = 0; i < NVME_QUEUES; i++) {
		if (nvme->cq[i].size)
			nvme_cq_drop_backlog(nvme, &nvme->cq[i], NULL);
	}
	while (nvme->aer_nr)
		nvme_finish(nvme, nvme->aer[--nvme->aer_nr], NVME_ABORT_REQUESTED);
	nvme->dropping = false;
	for (unsigned i = 0; i < NVME_QUEUES; i++) {
		atomic_store(&nvme->sq[i].size, 0);
		atomic_store(&nvme->cq[i].size, 0);
		nvme->sq[i].deleting = NULL;
		nvme->sq[i].in_flight = 0;
		nvme->cq[i].sq_nr = 0;
		nvme->cq[i].asserting = false;
		memset(nvme->cq[i].sqs, 0, sizeof(nvme->cq[i].sqs));
	}
	for (unsigned i = 0; i < NVME_DOORBELLS; i++)
		nvme_watch_set(nvme, i);
	nvme_shadow_clear(nvme);
	nvme->intx = 0;
	ioas_pci_intx_set(nvme->pci, false);
	for (unsigned w = 0; w < NVME_MASK_WORDS; w++) {
		nvme->db_sq[w] = nvme->db_cq[w] = 0;
		nvme->ready[w] = nvme->irq[w] = 0;
	}
	nvme->db_errors = 0;
	nvme->io_queues = 0;
	memset(nvme->event_pending, 0, sizeof(nvme->event_pending));
	memset(nvme->event_masked, 0, sizeof(nvme->event_masked));
	nvme_features_reset(nvme);
	nvme->enabled = nvme->failed = false;
}

void nvme_registers_reset_locked(struct nvme *nvme)
{
	lock_must_hold(&nvme->lock);
	nvme->cc = nvme->csts = nvme->aqa = nvme->intms = 0;
	nvme->asq = nvme->acq = 0;
	nvme->reset_wanted = nvme->flr_wanted = false;
}

/*
 * Bus mastering comes on in a plain call: the best moment to have the worker ready. When it goes
 * off, nobody looks at shadow doorbells any more: whoever has the turn now may still.
 */
static void bus_master(void *model, bool on)
{
	struct nvme *nvme = model;
	bool mine = false;

	atomic_store(&nvme->shadow.blocked, !on);
	if (on) {
		nvme_kick(nvme);
		return;
	}
	while (nvme_runs(nvme) && !mine) {
		mine = nvme_turn_try(&nvme->turn);
		if (!mine)
			poll(NULL, 0, 1);
	}
	if (mine)
		nvme_turn_give(&nvme->turn);
}

static void reset(void *model)
{
	struct nvme *nvme = model;

	pthread_mutex_lock(&nvme->lock);
	if (nvme->running) {
		nvme->flr_wanted = true;
		nvme->cc &= ~NVME_CC_EN;
		nvme_attend_locked(nvme);
		while (nvme->flr_wanted)
			pthread_cond_wait(&nvme->flr_done, &nvme->lock);
	} else { /* so nothing is in flight, and none starts while we have the lock */
		nvme_clear_locked(nvme);
		nvme_registers_reset_locked(nvme);
	}
	pthread_mutex_unlock(&nvme->lock);
	nvme_ats_reset(nvme);
}

static void suspend(void *model)
{
	struct nvme *nvme = model;
	bool running;

	pthread_mutex_lock(&nvme->lock);
	running = nvme->running;
	if (running) {
		nvme->stop_wanted = true;
		nvme_attend_locked(nvme);
	}
	pthread_mutex_unlock(&nvme->lock);
	if (!running)
		return;
	pthread_join(nvme->thread, NULL);
	pthread_mutex_lock(&nvme->lock);
	__atomic_store_n(&nvme->running, false, __ATOMIC_RELEASE);
	close(nvme->eventfd);
	pthread_mutex_unlock(&nvme->lock);
}

/* Did the worker leave something, when it went? */
static bool left_work_locked(struct nvme *nvme)
{
	lock_must_hold(&nvme->lock);
	for (unsigned w = 0; w < NVME_MASK_WORDS; w++)
		if (nvme->ready[w])
			return true;
	return nvme_work_waits(nvme);
}

/*
 * The worker comes back by itself with the next doorbell, which may be at any time, but not while
 * we have the lock; or now.
 */
static void resume(void *model)
{
	struct nvme *nvme = model;
	bool wanted;

	pthread_mutex_lock(&nvme->lock);
	wanted = !nvme->running && left_work_locked(nvme);
	pthread_mutex_unlock(&nvme->lock);
	if (wanted)
		nvme_kick(nvme);
}

static void destroy(void *model)
{
	struct nvme *nvme = model;

	suspend(nvme);
	pthread_mutex_lock(&nvme->lock);
	nvme_clear_locked(nvme);
	pthread_mutex_unlock(&nvme->lock);
	while (nvme->free) {
		struct nvme_req *req = nvme->free;

		nvme->free = req->next;
		ioas_dma_fini(&req->dma);
		free(req->seg);
		free(req->rest);
		free(req);
	}
	nvme_ats_close(nvme);
	if (nvme->issuer)
		ioas_issuer_destroy(nvme->issuer);
	drive_close(&nvme->drive);
	pthread_mutex_destroy(&nvme->lock);
	pthread_cond_destroy(&nvme->flr_done);
	free(nvme);
}

static const struct ioas_pci_ops ops = {
	.bar_read = nvme_bar_read,
	.bar_write = nvme_bar_write,
	.bus_master = bus_master,
	.reset = reset,
	.suspend = suspend,
	.resume = resume,
	.destroy = destroy,
};

static const struct ioas_pci_desc desc = {
	.vendor = NVME_PCI_VENDOR,
	.device = NVME_PCI_DEVICE,
	.subsystem_vendor = NVME_PCI_VENDOR,
	.subsystem = NVME_PCI_DEVICE,
	.class_code = 0x010802,
	.revision = 1,
	.intx_pin = 1,
	.bar[0] = {.len = 16384, .flags = IOAS_PCI_BAR_64},
	.msix_nr = NVME_VECTORS,
	.msix_bar = 0,
	.msix_table = NVME_MSIX_TABLE,
	.msix_pba = NVME_MSIX_PBA,
};

/* FNV-1a, twice, over the serial: the same drive has the same names in every run. */
static void make_uuid(struct nvme *nvme)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t hash = 0xcbf29ce484222325ull + i;

		for (const char *c = nvme->serial; *c; c++)
			hash = (hash ^ (uint8_t)*c) * 0x100000001b3ull;
		memcpy(nvme->uuid + i * 8, &hash, 8);
	}
	nvme->uuid[6] = (nvme->uuid[6] & 0x0f) | 0x80; /* version 8: our own making */
	nvme->uuid[8] = (nvme->uuid[8] & 0x3f) | 0x80;
}

static int create(struct ioas_iommu *iommu, struct ioas_pci_addr addr,
		  const struct ioas_param *params, size_t params_nr, struct ioas_pci **out,
		  struct ioas_why *why)
{
	struct ioas_pci_desc mine = desc;
	struct nvme_keys keys;
	struct nvme *nvme;
	int rc = nvme_keys_parse(params, params_nr, &keys, why);

	if (rc)
		return rc;
	nvme = calloc(1, sizeof(*nvme));
	if (!nvme)
		return why_set(why, -ENOMEM, "out of memory");
	rc = drive_open(&nvme->drive, &keys.drive, why);
	if (rc) {
		free(nvme);
		return rc;
	}
	nvme_serial(nvme->serial, keys.serial, addr);
	make_uuid(nvme);
	lock_init(&nvme->lock, LOCK_MODEL);
	lock_guards(&nvme->lock, &nvme->aqa, &nvme->turn);
	pthread_cond_init(&nvme->flr_done, NULL);
	for (uint16_t i = 0; i < NVME_QUEUES; i++)
		nvme->sq[i].id = nvme->cq[i].id = i;
	nvme->power_cycles = 1;
	nvme_features_reset(nvme);
	nvme->watch.allowed = keys.watch;
	mine.ats = keys.ats;
	rc = ioas_pci_add(iommu, addr, &mine, &ops, nvme, &nvme->pci, why);
	if (rc) {
		drive_close(&nvme->drive);
		free(nvme);
		return rc;
	}
	rc = ioas_issuer_new(ioas_pci_device(nvme->pci), &nvme->issuer);
	if (!rc && keys.ats)
		rc = nvme_ats_open(nvme);
	if (rc) {
		ioas_pci_remove(nvme->pci);
		return why_set(why, rc, "out of memory");
	}
	*out = nvme->pci;
	return 0;
}

const struct ioas_model nvme_model = {
	.name = "nvme",
	.help = "NVM Express 1.4 controller with one drive",
	.keys = nvme_keys,
	.create = create,
};
