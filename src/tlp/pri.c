/* SPDX-License-Identifier: MIT */
/* Page requests: counted, handed to who serves them, and answered. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "iommu.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/pri.h"
#include "tlp/tlp.h"
#include "util/alloc.h"
#include "util/lock.h"

#define FORM (IOAS_PAGE_PASID | IOAS_PAGE_PRIV)
#define PAGE 4096 /* what a request names */

int pri_add(struct ioas_device *dev, unsigned room)
{
	struct pri *pri = alloc_zero(1, sizeof(*pri));

	if (!pri)
		return -ENOMEM;
	pri->dev = dev;
	pri->room = room;
	lock_init(&pri->serving, LOCK_PRI_SERVER);
	lock_guards(&pri->serving, &pri->server, &pri->lock);
	lock_init(&pri->lock, LOCK_PRI);
	lock_guards(&pri->lock, &pri->ops, pri + 1);
	pthread_cond_init(&pri->quiet, NULL);
	TAILQ_INIT(&pri->late);
	dev->pri = pri;
	return 0;
}

void pri_free(struct pri *pri)
{
	if (!pri)
		return;
	pthread_cond_destroy(&pri->quiet);
	pthread_mutex_destroy(&pri->lock);
	pthread_mutex_destroy(&pri->serving);
	free(pri);
}

int ioas_pri_open(struct ioas_device *dev, const struct ioas_pri_ops *ops, void *arg)
{
	struct pri *pri = dev->pri;
	int rc = 0;

	if (!pri)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&pri->lock);
	if (pri->ops)
		rc = -EBUSY;
	else
		pri->ops = ops;
	if (!rc)
		pri->arg = arg;
	pthread_mutex_unlock(&pri->lock);
	return rc;
}

void ioas_pri_close(struct ioas_device *dev)
{
	struct pri *pri = dev->pri;

	if (!pri)
		return;
	pthread_mutex_lock(&pri->lock);
	pri->ops = NULL;
	while (pri->calling)
		pthread_cond_wait(&pri->quiet, &pri->lock);
	pthread_mutex_unlock(&pri->lock);
}

void pri_serve(struct ioas_device *dev, const struct pri_server *server, void *arg)
{
	struct pri *pri = dev->pri;

	if (!pri)
		return;
	pthread_mutex_lock(&pri->serving);
	pri->server = server;
	pri->server_arg = arg;
	pthread_mutex_unlock(&pri->serving);
}

void pri_reset(struct ioas_device *dev)
{
	struct pri *pri = dev->pri;

	if (!pri)
		return;
	pthread_mutex_lock(&pri->lock);
	for (unsigned i = 0; i < IOAS_PAGE_GROUPS; i++)
		pri->stats.forgotten += pri->group[i].waits;
	memset(pri->group, 0, sizeof(pri->group));
	TAILQ_INIT(&pri->late);
	pri->stats.outstanding = 0;
	pri->failed = false;
	pthread_mutex_unlock(&pri->lock);
}

void pri_enabled(struct ioas_device *dev)
{
	struct pri *pri = dev->pri;

	if (!pri)
		return;
	pthread_mutex_lock(&pri->lock);
	pri->failed = false;
	pthread_mutex_unlock(&pri->lock);
}

bool pri_failed(struct pri *pri, bool *outstanding)
{
	bool failed;

	pthread_mutex_lock(&pri->lock);
	failed = pri->failed;
	*outstanding = pri->stats.outstanding;
	pthread_mutex_unlock(&pri->lock);
	return failed;
}

static void count_answer(struct ioas_pri_stats *stats, enum ioas_page_code code, bool served)
{
	if (code == IOAS_PAGE_SUCCESS)
		stats->success++;
	else if (code == IOAS_PAGE_INVALID)
		stats->invalid++;
	else
		stats->failure++;
	stats->unserved += code == IOAS_PAGE_INVALID && !served;
}

/* false: it has been answered, or was sent before a reset, and the device knows nothing of it. */
static bool answer(struct pri *pri, uint64_t tag, uint32_t nr, enum ioas_page_code code,
		   bool served)
{
	struct pri_group *group = &pri->group[nr];
	const struct ioas_pri_ops *ops = NULL;
	bool waits;

	pthread_mutex_lock(&pri->lock);
	waits = tag == group->tag && group->waits;
	if (waits) {
		if (group->deadline_ms)
			TAILQ_REMOVE(&pri->late, group, in_late);
		pri->stats.outstanding -= group->nr;
		*group = (struct pri_group){0};
		count_answer(&pri->stats, code, served);
		pri->failed = pri->failed || code == IOAS_PAGE_FAILURE;
		ops = pri->ops;
		pri->calling += ops != NULL;
	}
	pthread_mutex_unlock(&pri->lock);
	if (!ops)
		return waits;
	ops->respond(pri->arg, (uint16_t)nr, code);
	pthread_mutex_lock(&pri->lock);
	pri->calling--;
	pthread_cond_broadcast(&pri->quiet);
	pthread_mutex_unlock(&pri->lock);
	return waits;
}

void pri_answer(struct ioas_device *dev, uint64_t tag, uint32_t group, enum ioas_page_code code)
{
	answer(dev->pri, tag, group, code, true);
}

static int check_locked(const struct pri *pri, const struct ioas_page_request *request)
{
	const struct pri_group *group;

	lock_must_hold(&pri->lock);
	if (!pri->ops)
		return -EOPNOTSUPP;
	if (request->group >= IOAS_PAGE_GROUPS ||
	    (request->flags & IOAS_PAGE_PASID && request->pasid >> IOAS_PASID_BITS))
		return -EINVAL;
	if (!ioas_ats_enabled(pri->dev) ||
	    !atomic_load_explicit(&pri->dev->dma_on, memory_order_acquire))
		return -ENODEV;
	if (pri->failed)
		return -EIO;
	group = &pri->group[request->group];
	if (group->waits)
		return -EBUSY;
	if (group->nr && ((group->flags ^ request->flags) & FORM ||
			  (group->flags & IOAS_PAGE_PASID && group->pasid != request->pasid)))
		return -EINVAL;
	return pri->stats.outstanding < pri->room ? 0 : -EAGAIN;
}

/* Notes that it is sent. */
static int send_locked(struct pri *pri, const struct ioas_page_request *request, uint64_t *tag,
		       bool *lost)
{
	struct pri_group *group = &pri->group[request->group % IOAS_PAGE_GROUPS];
	int rc = check_locked(pri, request);

	lock_must_hold(&pri->lock);
	if (rc) {
		pri->stats.refused++;
		return rc;
	}
	if (!group->nr++) {
		group->tag = ++pri->tag;
		group->flags = request->flags;
		group->pasid = request->pasid;
		group->addr = request->addr;
	}
	group->waits = request->flags & IOAS_PAGE_LAST;
	pri->stats.requests++;
	pri->stats.groups += group->waits;
	pri->stats.outstanding++;
	*tag = group->tag;
	*lost = group->lost;
	return 0;
}

static void note_lost(struct pri *pri, uint64_t tag, uint16_t nr)
{
	pthread_mutex_lock(&pri->lock);
	if (tag == pri->group[nr].tag)
		pri->group[nr].lost = true;
	pthread_mutex_unlock(&pri->lock);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A server has the whole group, and may have answered it. */
static void begin_to_wait(struct pri *pri, uint64_t tag, uint16_t nr)
{
	unsigned ms = pri->dev->iommu->config.pri_timeout_ms;
	struct pri_group *group = &pri->group[nr];

	if (!ms)
		return;
	pthread_mutex_lock(&pri->lock);
	if (tag == group->tag) {
		group->deadline_ms = now_ms() + ms;
		TAILQ_INSERT_TAIL(&pri->late, group, in_late);
	}
	pthread_mutex_unlock(&pri->lock);
}

/* Takes out the first group whose time is over. false: none; and how long until one's is. */
static bool first_late(struct pri *pri, struct pri_group *out, uint16_t *nr, unsigned *wait)
{
	uint64_t now = now_ms();
	struct pri_group *group;
	bool late;

	pthread_mutex_lock(&pri->lock);
	group = TAILQ_FIRST(&pri->late);
	late = group && group->deadline_ms <= now;
	*wait = group && !late ? (unsigned)(group->deadline_ms - now) : 0;
	if (late) {
		*out = *group;
		*nr = (uint16_t)(group - pri->group);
		TAILQ_REMOVE(&pri->late, group, in_late);
		group->deadline_ms = 0;
	}
	pthread_mutex_unlock(&pri->lock);
	return late;
}

static void record_late(struct pri *pri, const struct pri_group *group)
{
	struct ioas_tlp tlp = {
		.addr = group->addr,
		.len = PAGE,
		.op = group->flags & IOAS_PAGE_WRITE ? IOAS_TLP_WRITE : IOAS_TLP_READ,
		.flags = (group->flags & IOAS_PAGE_PASID ? IOAS_TLP_PASID : 0) |
			 (group->flags & IOAS_PAGE_PRIV ? IOAS_TLP_PRIV : 0) |
			 (group->flags & IOAS_PAGE_EXEC ? IOAS_TLP_EXEC : 0),
		.pasid = group->pasid,
	};
	struct ioas_fault fault;

	fault_note(&fault, pri->dev, &tlp, IOAS_FAULT_PAGE_TIMEOUT);
	fault_keep(pri->dev, &fault);
}

/* Who serves gives it up first, so that what nobody reads does not pile up there. */
static void expire(struct pri *pri, const struct pri_group *group, uint16_t nr)
{
	const struct ioas_page_request of = {
		.flags = group->flags & FORM, .pasid = group->pasid, .group = nr};
	bool dropped;

	pthread_mutex_lock(&pri->serving);
	dropped = pri->server && pri->server->drop(pri->server_arg, &of, group->tag);
	pthread_mutex_unlock(&pri->serving);
	if (dropped && answer(pri, group->tag, nr, IOAS_PAGE_INVALID, true))
		record_late(pri, group);
}

unsigned ioas_pri_expire(struct ioas_device *dev)
{
	struct pri *pri = dev->pri;
	struct pri_group group;
	unsigned wait = 0;
	uint16_t nr;

	if (!pri)
		return 0;
	while (first_late(pri, &group, &nr, &wait))
		expire(pri, &group, nr);
	return wait;
}

int ioas_page_request(struct ioas_device *dev, const struct ioas_page_request *request)
{
	struct pri *pri = dev->pri;
	bool last = request->flags & IOAS_PAGE_LAST, lost = false;
	uint64_t tag = 0;
	int rc;

	if (!pri)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&pri->lock);
	rc = send_locked(pri, request, &tag, &lost);
	pthread_mutex_unlock(&pri->lock);
	if (rc)
		return rc;
	if (!lost) {
		pthread_mutex_lock(&pri->serving);
		rc = pri->server ? pri->server->take(pri->server_arg, request, tag) : 1;
		pthread_mutex_unlock(&pri->serving);
	}
	if (rc < 0 && !last)
		note_lost(pri, tag, request->group);
	if (last && !rc && !lost)
		begin_to_wait(pri, tag, request->group);
	if (last && (rc || lost))
		answer(pri, tag, request->group, rc > 0 ? IOAS_PAGE_INVALID : IOAS_PAGE_FAILURE,
		       false);
	return 0;
}

unsigned ioas_page_room(const struct ioas_device *dev)
{
	return dev->pri ? dev->pri->room : 0;
}

void ioas_pri_stats(struct ioas_device *dev, struct ioas_pri_stats *out)
{
	*out = (struct ioas_pri_stats){0};
	if (!dev->pri)
		return;
	pthread_mutex_lock(&dev->pri->lock);
	*out = dev->pri->stats;
	pthread_mutex_unlock(&dev->pri->lock);
}
