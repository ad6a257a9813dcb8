/* SPDX-License-Identifier: MIT */
/*
 * Translated requests through a cache of the gun's, and requests for the pages that are missing: no
 * translation, a group of page requests, the answer, and once more. Or, when it is told to, with
 * translations that it ought to have given back.
 */
#include <errno.h>
#include <time.h>
#include "tlpgun/gun.h"

#define PAGE	4096ull
#define ENTRIES 64 /* translations that the cache holds */
#define AHEAD	8  /* pages of a group */
#define TRIES	16 /* that a page is requested for one and the same byte */

static bool invalidate(void *arg, const struct ioas_ats_invalidation *what)
{
	struct ioas_tlpgun *gun = arg;
	uint32_t ctrl = atomic_load(&gun->ats_ctrl);

	if (!(ctrl & IOAS_TLPGUN_KEEP))
		ioas_atc_invalidate(gun->atc, what);
	return !(ctrl & IOAS_TLPGUN_SILENT);
}

static void respond(void *arg, uint16_t group, enum ioas_page_code code)
{
	struct ioas_tlpgun *gun = arg;

	pthread_mutex_lock(&gun->lock);
	if (gun->waiting && group == gun->group) {
		gun->waiting = false;
		gun->code = code;
		gun->refused += code != IOAS_PAGE_SUCCESS;
		pthread_cond_broadcast(&gun->answered);
	}
	pthread_mutex_unlock(&gun->lock);
}

static const struct ioas_ats_ops ats_ops = {.invalidate = invalidate};
static const struct ioas_pri_ops pri_ops = {.respond = respond};

int gun_ats_open(struct ioas_tlpgun *gun)
{
	int rc;

	if (!gun->shape.ats || !ioas_ats_unit(gun->dev))
		return 0;
	rc = ioas_atc_new(ENTRIES, &gun->atc);
	if (!rc)
		rc = ioas_ats_open(gun->dev, &ats_ops, gun);
	if (rc)
		return rc;
	gun->pages = !ioas_pri_open(gun->dev, &pri_ops, gun);
	return 0;
}

void gun_ats_close(struct ioas_tlpgun *gun)
{
	if (!gun->atc)
		return;
	if (gun->pages)
		ioas_pri_close(gun->dev);
	ioas_ats_close(gun->dev);
	ioas_atc_destroy(gun->atc);
}

void ioas_tlpgun_ats_ctrl(struct ioas_tlpgun *gun, uint32_t ctrl)
{
	atomic_store(&gun->ats_ctrl, ctrl);
}

static struct ioas_page_request request_of(const struct ioas_tlp *tlp, uint16_t group)
{
	return (struct ioas_page_request){
		.flags = (tlp->op == IOAS_TLP_WRITE ? IOAS_PAGE_WRITE : IOAS_PAGE_READ) |
			 (tlp->flags & IOAS_TLP_EXEC ? IOAS_PAGE_EXEC : 0) |
			 (tlp->flags & IOAS_TLP_PRIV ? IOAS_PAGE_PRIV : 0) |
			 (tlp->flags & IOAS_TLP_PASID ? IOAS_PAGE_PASID : 0),
		.pasid = tlp->pasid,
		.group = group,
	};
}

/* Is the page that begins at addr missing, too? */
static bool missing(struct ioas_tlpgun *gun, const struct ioas_tlp *tlp, iova_t addr)
{
	struct ioas_ats_translation found;
	struct ioas_tlp ask = *tlp;

	ask.addr = addr;
	ask.len = 1;
	if (ioas_ats_translate(gun->issuer, &ask, &found, 1) != 1)
		return false;
	return !(found.flags & (tlp->op == IOAS_TLP_WRITE ? IOAS_ATS_WRITE : IOAS_ATS_READ));
}

/* The pages of the TLP that are missing from its first on, in a row. */
static unsigned pages_of(struct ioas_tlpgun *gun, const struct ioas_tlp *tlp, iova_t *page)
{
	iova_t first = tlp->addr & ~(PAGE - 1), last = (tlp->addr + tlp->len - 1) & ~(PAGE - 1);
	unsigned room = ioas_page_room(gun->dev), nr = 0;

	do
		page[nr++] = first;
	while (nr < AHEAD && nr < room && first != last && missing(gun, tlp, first += PAGE));
	return nr;
}

/* Sends a group under a new index. 0, or what the first request that was not sent got. */
static int send_group(struct ioas_tlpgun *gun, const struct ioas_tlp *tlp)
{
	struct ioas_page_request request;
	iova_t page[AHEAD];
	unsigned nr = pages_of(gun, tlp, page);
	int rc = 0;

	pthread_mutex_lock(&gun->lock);
	gun->group = (gun->group + 1) % IOAS_PAGE_GROUPS;
	gun->waiting = true;
	gun->requested += nr;
	request = request_of(tlp, gun->group);
	pthread_mutex_unlock(&gun->lock);
	for (unsigned i = 0; !rc && i < nr; i++) {
		request.addr = page[i];
		request.flags |= i == nr - 1 ? IOAS_PAGE_LAST : 0;
		rc = ioas_page_request(gun->dev, &request);
	}
	return rc;
}

/* Until there is one, as a rule. The answer may be that the program is late. (lock) */
static void wait_for_answer(struct ioas_tlpgun *gun)
{
	struct timespec until;
	unsigned ms;

	pthread_mutex_unlock(&gun->lock);
	ms = ioas_pri_expire(gun->dev);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&gun->lock);
	if (!gun->waiting || atomic_load(&gun->halt))
		return;
	if (ms)
		pthread_cond_timedwait(&gun->answered, &gun->lock, &until);
	else
		pthread_cond_wait(&gun->answered, &gun->lock);
}

/* 0: it is there, look again; -ENXIO it is refused; -EINTR. */
static int get_page(struct ioas_tlpgun *gun, const struct ioas_tlp *tlp)
{
	int rc = send_group(gun, tlp);

	pthread_mutex_lock(&gun->lock);
	while (!rc && gun->waiting && !atomic_load(&gun->halt))
		wait_for_answer(gun);
	if (rc)
		rc = -ENXIO;
	else if (gun->waiting)
		rc = -EINTR;
	else
		rc = gun->code == IOAS_PAGE_SUCCESS ? 0 : -ENXIO;
	gun->waiting = false;
	pthread_mutex_unlock(&gun->lock);
	return rc;
}

/* A page that is answered for, and still not there, is requested again, but not for ever. */
int gun_ats_send(struct ioas_tlpgun *gun, const struct ioas_tlp *tlp, uint8_t *buf)
{
	struct ioas_tlp rest = *tlp;
	unsigned tries = 0;
	uint64_t done;
	int rc = 0;

	while (!rc && rest.len) {
		rc = ioas_atc_issue(gun->atc, gun->issuer, &rest, buf, &done);
		rest.addr += done;
		rest.len -= done;
		buf += done;
		if (rc != -EAGAIN)
			continue;
		tries = done ? 1 : tries + 1;
		rc = gun->burst.pages && tries <= TRIES ? get_page(gun, &rest) : -ENXIO;
	}
	return rc;
}
