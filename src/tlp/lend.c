/* SPDX-License-Identifier: MIT */
/*
 * Lending memory to a model: host spans that outlive the in-flight mark they were found under.
 *
 * Each transfer holds the device (so that DETACH can wait for it) and every window it has a span in
 * (so that UNMAP can). The first hold is the device's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "mem/mem.h"
#include "route/route.h"
#include "tlp/tlp.h"
#include "util/alloc.h"

#define BATCH_LEAVES 512
#define PAGE	     4096ul

/* Where a transfer stood, to go back there when a TLP fails halfway. */
struct mark {
	unsigned iov_nr, hold_nr;
	size_t last_len; /* of the last span, which may have been joined with new memory */
	uint64_t len;
};

void ioas_dma_init(struct ioas_dma *dma, struct ioas_issuer *issuer)
{
	memset(dma, 0, sizeof(*dma));
	dma->issuer = issuer;
}

void ioas_dma_fini(struct ioas_dma *dma)
{
	ioas_dma_end(dma);
	free(dma->iov);
	free(dma->hold);
	memset(dma, 0, sizeof(*dma));
}

static struct mark mark_of(const struct ioas_dma *dma)
{
	return (struct mark){dma->iov_nr, dma->hold_nr,
			     dma->iov_nr ? dma->iov[dma->iov_nr - 1].iov_len : 0, dma->len};
}

static void go_back(struct ioas_dma *dma, struct mark mark)
{
	while (dma->hold_nr > mark.hold_nr)
		mem_lend_release(dma->hold[--dma->hold_nr]);
	dma->iov_nr = mark.iov_nr;
	dma->len = mark.len;
	if (mark.iov_nr)
		dma->iov[mark.iov_nr - 1].iov_len = mark.last_len;
}

void ioas_dma_end(struct ioas_dma *dma)
{
	go_back(dma, (struct mark){0});
}

/* Room for one more leaf and the device. Not in flight: malloc may take any time. */
static int make_room(struct ioas_dma *dma)
{
	if (dma->iov_nr == dma->iov_cap) {
		unsigned cap = dma->iov_cap ? dma->iov_cap * 2 : 16;
		struct iovec *iov = alloc_resize(dma->iov, cap * sizeof(*iov));

		if (!iov)
			return -ENOMEM;
		dma->iov = iov;
		dma->iov_cap = cap;
	}
	if (dma->hold_nr + 2 > dma->hold_cap) {
		unsigned cap = dma->hold_cap ? dma->hold_cap * 2 : 16;
		uintptr_t *hold = alloc_resize(dma->hold, cap * sizeof(*hold));

		if (!hold)
			return -ENOMEM;
		dma->hold = hold;
		dma->hold_cap = cap;
	}
	return 0;
}

static bool has_room(const struct ioas_dma *dma)
{
	return dma->iov_nr < dma->iov_cap && dma->hold_nr + 2 <= dma->hold_cap;
}

/* A hold keeps all of its window, so neighbours in one window need one. In flight, with room. */
static void add_span(struct ioas_dma *dma, const struct tlp_span *span)
{
	struct iovec *last = dma->iov_nr ? &dma->iov[dma->iov_nr - 1] : NULL;
	struct mem_lend *lend = &span->window->lend;

	if (!dma->hold_nr)
		dma->hold[dma->hold_nr++] = mem_lend_hold(&dma->issuer->dev->lent);
	if (mem_hold_lend(dma->hold[dma->hold_nr - 1]) != lend)
		dma->hold[dma->hold_nr++] = mem_lend_hold(lend);
	if (last && (char *)last->iov_base + last->iov_len == span->host)
		last->iov_len += span->len;
	else
		dma->iov[dma->iov_nr++] = (struct iovec){span->host, span->len};
	dma->len += span->len;
}

/* Lends tlp's bytes from *done on, and moves it on. In flight. */
static enum ioas_fault_reason lend_batch(struct ioas_dma *dma, const struct ioas_tlp *tlp,
					 uint64_t *done, uint64_t *leaves)
{
	struct ioas_device *dev = dma->issuer->dev;
	struct pt *pt;
	enum ioas_fault_reason reason = tlp_route(dev, tlp, &pt);

	for (unsigned i = 0; !reason && *done < tlp->len && i < BATCH_LEAVES && has_room(dma);
	     i++) {
		struct tlp_span span;

		reason =
			tlp_translate(dev, pt, tlp->op, tlp->addr + *done, tlp->len - *done, &span);
		if (reason)
			break;
		add_span(dma, &span);
		*done += span.len;
		++*leaves;
	}
	return reason;
}

int ioas_dma_add(struct ioas_dma *dma, const struct ioas_tlp *tlp)
{
	enum ioas_fault_reason reason = IOAS_FAULT_NONE;
	struct ioas_issuer *issuer = dma->issuer;
	struct mark mark = mark_of(dma);
	uint64_t done = 0, leaves = 0;
	struct ioas_fault fault;
	int rc = 0;

	if (!tlp_valid(tlp))
		return -EINVAL;
	while (!rc && !reason && done < tlp->len) {
		rc = make_room(dma);
		if (rc)
			break;
		inflight_enter(issuer);
		reason = lend_batch(dma, tlp, &done, &leaves);
		if (reason && reason != TLP_MOVING)
			fault_look(&fault, issuer->dev, tlp, tlp->addr + done, reason);
		inflight_leave(issuer);
		reason = tlp_moved(issuer->dev, reason);
	}
	if (rc || reason)
		go_back(dma, mark);
	tlp_count(issuer->dev, tlp->op, rc || reason ? 0 : tlp->len, leaves);
	return reason ? fault_record(issuer->dev, &fault) : rc;
}

/* Is the memory of one page there, as far as tlp may use it? */
static bool usable(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, iova_t addr,
		   uint64_t len)
{
	struct ioas_device *dev = issuer->dev;
	enum ioas_fault_reason reason;
	struct tlp_span span;
	struct pt *pt;
	bool again;

	do {
		inflight_enter(issuer);
		reason = tlp_route(dev, tlp, &pt);
		if (!reason)
			reason = tlp_translate(dev, pt, tlp->op, addr, len, &span);
		if (!reason && mem_guard_touch(span.host, span.len, tlp->op == IOAS_TLP_WRITE))
			reason = IOAS_FAULT_MEMORY;
		inflight_leave(issuer);
		again = reason == TLP_MOVING;
		reason = tlp_moved(dev, reason);
	} while (again);
	return !reason;
}

/* Looks for the first page that is not there; when all are there again, the TLP's first is named.
 */
void ioas_dma_failed(struct ioas_dma *dma, const struct ioas_tlp *tlp)
{
	struct ioas_issuer *issuer = dma->issuer;
	struct ioas_device *dev = issuer->dev;
	struct ioas_fault fault;
	uint64_t done = 0;
	bool good = true;

	while (good && done < tlp->len) {
		iova_t addr = tlp->addr + done;
		uint64_t len = PAGE - (addr & (PAGE - 1));

		if (len > tlp->len - done)
			len = tlp->len - done;
		good = usable(issuer, tlp, addr, len);
		if (good)
			done += len;
	}
	inflight_enter(issuer);
	fault_look(&fault, dev, tlp, tlp->addr + (good ? 0 : done), IOAS_FAULT_MEMORY);
	inflight_leave(issuer);
	fault_record(dev, &fault);
}
