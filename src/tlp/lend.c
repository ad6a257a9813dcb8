/* SPDX-License-Identifier: MIT */
/*
 * Lending memory to a model: host spans that outlive the in-flight mark they were found under.
 *
 * Each transfer holds the device (so that DETACH can wait for it) and every window it has a span in
 * (so that UNMAP can). The first hold is the device's.
 *
 * Dirty tracking: a span lent for writing is marked when it is lent, for bytes may land at once,
 * and again at its end, for bytes may land until then. So whoever reads dirty bits in between need
 * not wait for a transfer, and hears of its bytes once more. At the end there is no in-flight mark
 * (that is the issuer's thread's); but a table is freed only after the holds on all windows that it
 * led to are back, and a page table only after those on all devices that used it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "mem/mem.h"
#include "route/route.h"
#include "tlp/check_dirty.h"
#include "tlp/tlp.h"
#include "util/alloc.h"

#define BATCH_LEAVES 512
#define PAGE	     4096ul

/* Lent for writing, by this way. */
struct ioas_dma_written {
	struct pt *pt;
	iova_t addr;
	uint64_t len;
};

/* Where a transfer stood, to go back there when a TLP fails halfway. */
struct mark {
	unsigned iov_nr, hold_nr, written_nr;
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
	free(dma->written);
	memset(dma, 0, sizeof(*dma));
}

static struct mark mark_of(const struct ioas_dma *dma)
{
	return (struct mark){dma->iov_nr, dma->hold_nr, dma->written_nr,
			     dma->iov_nr ? dma->iov[dma->iov_nr - 1].iov_len : 0, dma->len};
}

static void go_back(struct ioas_dma *dma, struct mark mark)
{
	while (dma->hold_nr > mark.hold_nr)
		mem_lend_release(dma->hold[--dma->hold_nr]);
	dma->iov_nr = mark.iov_nr;
	dma->written_nr = mark.written_nr;
	dma->len = mark.len;
	if (mark.iov_nr)
		dma->iov[mark.iov_nr - 1].iov_len = mark.last_len;
}

/* What was unmapped meanwhile is not there: UNMAP waits for us. */
static void mark_again(const struct ioas_issuer *issuer, const struct ioas_dma_written *written)
{
	uint64_t generation;

	if (!pt_dirty_tracked(written->pt))
		return;
	generation = inflight_generation(issuer->in);
	pt_dirty_set_range(written->pt, written->addr, written->addr + written->len - 1);
	check_dirty_wrote(issuer->check, issuer->dev, written->pt, written->addr, written->len,
			  generation);
}

void ioas_dma_end(struct ioas_dma *dma)
{
	for (unsigned i = 0; i < dma->written_nr; i++)
		mark_again(dma->issuer, &dma->written[i]);
	go_back(dma, (struct mark){0});
}

/* Makes an array longer until `need` elements fit. `array` points to its pointer. */
static int grow(void *array, unsigned *cap, unsigned need, size_t size)
{
	unsigned longer = *cap ? *cap * 2 : 16;
	void *moved;

	if (need <= *cap)
		return 0;
	moved = alloc_resize(*(void **)array, longer * size);
	if (!moved)
		return -ENOMEM;
	*(void **)array = moved;
	*cap = longer;
	return 0;
}

/* Room for one more leaf and the device. Not in flight: malloc may take any time. */
static int make_room(struct ioas_dma *dma)
{
	int rc = grow(&dma->iov, &dma->iov_cap, dma->iov_nr + 1, sizeof(*dma->iov));

	if (!rc)
		rc = grow(&dma->hold, &dma->hold_cap, dma->hold_nr + 2, sizeof(*dma->hold));
	if (!rc)
		rc = grow(&dma->written, &dma->written_cap, dma->written_nr + 1,
			  sizeof(*dma->written));
	return rc;
}

static bool has_room(const struct ioas_dma *dma)
{
	return dma->iov_nr < dma->iov_cap && dma->hold_nr + 2 <= dma->hold_cap &&
	       dma->written_nr < dma->written_cap;
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

/* In flight, with room for one. */
static void note_written(struct ioas_dma *dma, struct pt *pt, iova_t addr, uint64_t len)
{
	struct ioas_dma_written *last = dma->written_nr ? &dma->written[dma->written_nr - 1] : NULL;

	if (last && last->pt == pt && last->addr + last->len == addr)
		last->len += len;
	else
		dma->written[dma->written_nr++] = (struct ioas_dma_written){pt, addr, len};
}

/* Lends tlp's bytes from *done on, and moves it on. In flight. */
static enum ioas_fault_reason lend_batch(struct ioas_dma *dma, const struct ioas_tlp *tlp,
					 struct tlp_route *route, uint64_t *done, uint64_t *leaves)
{
	struct ioas_issuer *issuer = dma->issuer;
	enum ioas_fault_reason reason = tlp_route(issuer, tlp, route);
	bool note;

	/* ATS may have been enabled just now. */
	if (!reason && tlp->at == IOAS_TLP_TRANSLATED)
		reason = IOAS_FAULT_TRANSLATED;
	note = !reason && tlp->op == IOAS_TLP_WRITE && pt_dirty_possible(route->pt);
	for (unsigned i = 0; !reason && *done < tlp->len && i < BATCH_LEAVES && has_room(dma);
	     i++) {
		struct tlp_span span;

		reason = tlp_translate(issuer, route, tlp->op, tlp->addr + *done, tlp->len - *done,
				       &span);
		if (reason)
			break;
		add_span(dma, &span);
		if (note)
			note_written(dma, route->pt,
				     tlp_table_addr(issuer, route, tlp->addr + *done), span.len);
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
	struct tlp_route route = {0};
	struct ioas_fault fault;
	struct route_turn turn;
	int rc = 0;

	if (!tlp_valid(tlp))
		return -EINVAL;
	/* What is lent outlives a translation; and nobody could mark at its end what was written.
	 */
	if (tlp->at == IOAS_TLP_TRANSLATED && ioas_ats_enabled(issuer->dev))
		return -EOPNOTSUPP;
	if (__builtin_expect(tlp_turns(issuer, tlp, &turn), 0))
		return tlp_to_peer(issuer, tlp, NULL, &turn);
	while (!rc && !reason && done < tlp->len) {
		rc = make_room(dma);
		if (rc)
			break;
		tlp_enter(issuer);
		reason = lend_batch(dma, tlp, &route, &done, &leaves);
		fault_look_if(&fault, issuer->dev, tlp, done, reason, route.claimed);
		tlp_leave(issuer);
		reason = tlp_moved(issuer->dev, reason);
	}
	if (rc || reason)
		go_back(dma, mark);
	tlp_count(issuer->dev, tlp->op, rc || reason ? 0 : tlp->len, leaves);
	if (reason || (route.claimed && !rc))
		rc = fault_record(issuer, &fault);
	return rc;
}

/* Is the memory of one page there, as far as tlp may use it? */
static bool usable(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, iova_t addr,
		   uint64_t len)
{
	struct ioas_device *dev = issuer->dev;
	enum ioas_fault_reason reason;
	struct tlp_route route;
	struct tlp_span span;
	bool again;

	do {
		tlp_enter(issuer);
		reason = tlp_route(issuer, tlp, &route);
		if (!reason)
			reason = tlp_translate(issuer, &route, tlp->op, addr, len, &span);
		if (!reason && mem_guard_touch(span.host, span.len, tlp->op == IOAS_TLP_WRITE))
			reason = IOAS_FAULT_MEMORY;
		tlp_leave(issuer);
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
	tlp_enter(issuer);
	fault_look(&fault, dev, tlp, tlp->addr + (good ? 0 : done), IOAS_FAULT_MEMORY);
	tlp_leave(issuer);
	fault_record(issuer, &fault);
}
