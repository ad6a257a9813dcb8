/* SPDX-License-Identifier: MIT */
/*
 * Batches: one in-flight mark for many TLPs whose sender goes on to the memory by itself.
 *
 * The mark stays from begin to end, so that every address which was given out stays good. What
 * cannot be done under it, waiting for memory that moves and calling a peer's model, is left to the
 * sender. A fault is recorded at once: its log's lock is short, and comes after all others.
 */
#include <errno.h>
#include <string.h>
#include "iommu.h"
#include "mem/mem.h"
#include "route/route.h"
#include "tlp/tlp.h"

void ioas_batch_begin(struct ioas_batch *batch, struct ioas_issuer *issuer)
{
	*batch = (struct ioas_batch){.issuer = issuer};
	tlp_enter(issuer);
}

void ioas_batch_end(struct ioas_batch *batch)
{
	struct ioas_device *dev = batch->issuer->dev;

	tlp_leave(batch->issuer);
	tlp_count_batch(dev, batch->tlps, batch->tlps + batch->pieces, batch->len);
	batch->ops = 0;
}

/*
 * Interrupts and peers are looked for at each TLP, and so are writes that are to be noted: then
 * nothing is remembered in the batch.
 */
static bool can_remember(const struct ioas_device *dev, const struct iotlb_entry *entry)
{
	const struct ioas_range *msi = &dev->msi;

	if (dev->iommu->check_dirty || !entry->form ||
	    atomic_load_explicit(&dev->bus_ops, memory_order_relaxed))
		return false;
	return entry->last < msi->first || entry->first > msi->last;
}

/* tlp_translate has just found it, so that it is the hottest. */
static void remember(struct ioas_batch *batch, const struct ioas_tlp *tlp)
{
	const struct iotlb_entry *entry = batch->issuer->tlb.hot;

	batch->form = (uint64_t)tlp->flags << 32 | tlp->pasid;
	batch->first = entry->first;
	batch->reach = entry->last - entry->first;
	batch->to_host = entry->to_host;
	/* Its form does not tell translated addresses from others. */
	batch->ops = !tlp->at && can_remember(batch->issuer->dev, entry) ? entry->ops : 0;
}

/*
 * Judged for the batch's newest form: what comes before its page table, and that nobody looks at
 * each of them. Others are told apart by the form, in which each flag and the address type count.
 */
static void keep_near(struct ioas_batch *batch, const struct tlp_route *route)
{
	struct ioas_issuer *issuer = batch->issuer;

	batch->near = NULL;
	if (route->form && !route->stage1 && !route->tlp->at && !issuer->check &&
	    !atomic_load_explicit(&issuer->dev->bus_ops, memory_order_relaxed))
		batch->near = psc_context(&issuer->tlb.psc, route->form, issuer->tlb.generation);
}

static bool meets_interrupts(const struct ioas_range *msi, const struct ioas_tlp *tlp)
{
	return __builtin_expect(tlp->addr <= msi->last, 0) &&
	       (tlp->addr >= msi->first || tlp->len > msi->first - tlp->addr);
}

static int find(struct ioas_batch *batch, const struct ioas_tlp *tlp, void **host, uint64_t *len);

/* A page that psc has found. */
static inline __attribute__((always_inline)) int near_page(struct ioas_batch *batch,
							   const struct ioas_tlp *tlp,
							   const struct psc_found *found,
							   void **host, uint64_t *len)
{
	uint64_t some = tlp->len < found->rest ? tlp->len : found->rest;
	iova_t addr = tlp->addr;
	unsigned op = tlp->op;

	if (__builtin_expect(!(found->entry->ops >> op & 1), 0))
		return find(batch, tlp, host, len);
	batch->form = (uint64_t)tlp->flags << 32 | tlp->pasid;
	batch->first = addr;
	batch->reach = found->rest - 1;
	batch->to_host = found->host - addr;
	batch->ops = found->entry->ops;
	batch->tlps++;
	batch->len[op] += some;
	*host = (void *)found->host;
	*len = some;
	return 0;
}

static __attribute__((noinline)) int turn(struct ioas_batch *batch, const struct ioas_tlp *tlp,
					  void **host, uint64_t *len)
{
	struct ioas_issuer *issuer = batch->issuer;
	struct psc_found found;

	if (!psc_turn(issuer->dev->iommu->mem, &issuer->tlb.psc, batch->near, tlp->addr, &found))
		return find(batch, tlp, host, len);
	return near_page(batch, tlp, &found, host, len);
}

/* By the tables that are remembered, which nearly all misses are found by; no call on the way. */
int ioas_batch_find(struct ioas_batch *batch, const struct ioas_tlp *tlp, void **host,
		    uint64_t *len)
{
	const struct psc_context *near = batch->near;
	struct ioas_issuer *issuer = batch->issuer;
	enum psc_answer answer;
	struct psc_found found;

	if (__builtin_expect(!near || near->form != iotlb_form_of(tlp) ||
				     tlp->op > IOAS_TLP_WRITE || !tlp->len ||
				     meets_interrupts(&issuer->dev->msi, tlp),
			     0))
		return find(batch, tlp, host, len);
	answer = psc_find(&issuer->tlb.psc, near, tlp->addr, &found);
	if (__builtin_expect(answer == PSC_FOUND, 1))
		return near_page(batch, tlp, &found, host, len);
	return answer == PSC_OTHER ? turn(batch, tlp, host, len) : find(batch, tlp, host, len);
}

static __attribute__((noinline)) int find(struct ioas_batch *batch, const struct ioas_tlp *tlp,
					  void **host, uint64_t *len)
{
	struct ioas_issuer *issuer = batch->issuer;
	struct ioas_fault fault;
	enum ioas_fault_reason reason;
	struct tlp_route route = {0};
	struct route_turn turn;
	struct tlp_span span;

	if (!tlp_valid(tlp))
		return -EINVAL;
	if (tlp_turns_here(issuer, tlp, &turn))
		return -EAGAIN;
	reason = tlp_route(issuer, tlp, &route);
	if (!reason)
		reason = tlp_translate(issuer, &route, tlp->op, tlp->addr, tlp->len, &span);
	if (reason == TLP_MOVING)
		return -EAGAIN;
	fault_look_if(&fault, issuer->dev, tlp, 0, reason, route.claimed);
	if (reason || route.claimed)
		fault_record(issuer, &fault);
	if (reason) {
		tlp_count(issuer->dev, tlp->op, 0, 0);
		return -EFAULT;
	}
	if (route.form)
		remember(batch, tlp);
	keep_near(batch, &route);
	*host = span.host;
	*len = span.len;
	batch->tlps++;
	batch->len[tlp->op] += span.len;
	return 0;
}

/* So many looked up together: what one core can have on its way from memory. */
#define TOGETHER 32u

/*
 * Of the TLPs by the form of the first, which mostly are all, if a page table alone is asked: not
 * behind a stage 1, and not with addresses that are translated already.
 */
static void fetch(struct ioas_issuer *issuer, const struct ioas_tlp *tlps, unsigned nr)
{
	struct tlp_route route = {0};
	iova_t iova[TOGETHER];
	unsigned some = 0;

	if (!tlp_valid(tlps) || tlps->at || tlp_route(issuer, tlps, &route) || route.stage1)
		return;
	for (unsigned i = 0; i < nr; i++)
		if (!tlps[i].at && tlps[i].flags == tlps->flags && tlps[i].pasid == tlps->pasid)
			iova[some++] = tlps[i].addr;
	tlp_prefetch(route.pt, iova, some);
}

unsigned ioas_batch_at_many(struct ioas_batch *batch, const struct ioas_tlp *tlps, unsigned nr,
			    void **hosts, uint64_t *lens, int *rc)
{
	*rc = 0;
	for (unsigned i = 0; i < nr; i++) {
		unsigned left = nr - i;

		if (i % TOGETHER == 0 && left > 1)
			fetch(batch->issuer, tlps + i, left < TOGETHER ? left : TOGETHER);
		*rc = ioas_batch_at(batch, &tlps[i], &hosts[i], &lens[i]);
		if (*rc)
			return i;
	}
	return nr;
}

/* The program took memory away: byte `done` of tlp is not there. */
static int lost(struct ioas_batch *batch, const struct ioas_tlp *tlp, uint64_t done)
{
	struct ioas_fault fault;

	fault_look(&fault, batch->issuer->dev, tlp, tlp->addr + done, IOAS_FAULT_MEMORY);
	return fault_record(batch->issuer, &fault);
}

/* It is one TLP, in however many pieces. */
static void another_piece(struct ioas_batch *batch)
{
	batch->tlps--;
	batch->pieces++;
}

int ioas_batch_move(struct ioas_batch *batch, const struct ioas_tlp *tlp, uint64_t off, void *host,
		    void *buf, uint64_t len)
{
	size_t copied = mem_pinned_copy(host, buf, len, tlp->op != IOAS_TLP_READ,
					batch->issuer->dev->iommu->config.memory_told);

	return __builtin_expect(copied == len, 1) ? 0 : lost(batch, tlp, off + copied);
}

int ioas_batch_words(struct ioas_batch *batch, const struct ioas_tlp *tlp, const uint64_t *words)
{
	bool told = batch->issuer->dev->iommu->config.memory_told;
	struct ioas_tlp rest = *tlp;
	int rc = 0;

	if (tlp->op != IOAS_TLP_WRITE || !tlp->len || (tlp->len | tlp->addr) % 8)
		return -EINVAL;
	while (!rc && rest.len) {
		uint64_t len, done;
		void *host;

		rc = ioas_batch_at(batch, &rest, &host, &len);
		if (rc)
			break;
		done = 8 * mem_pinned_words(host, words, len / 8, told);
		words += done / 8;
		rest.addr += done;
		rest.len -= done;
		if (done < len)
			rc = lost(batch, tlp, tlp->len - rest.len);
		if (!rc && rest.len)
			another_piece(batch);
	}
	return rc;
}

int ioas_batch_copy(struct ioas_batch *batch, const struct ioas_tlp *tlp, void *buf)
{
	struct ioas_tlp rest = *tlp;
	char *own = buf;
	int rc = tlp_valid(tlp) ? 0 : -EINVAL;

	while (!rc && rest.len) {
		uint64_t len;
		void *host;

		rc = ioas_batch_at(batch, &rest, &host, &len);
		if (rc)
			break;
		rc = ioas_batch_move(batch, tlp, tlp->len - rest.len, host, own, len);
		if (rc)
			break;
		own += len;
		rest.addr += len;
		rest.len -= len;
		if (rest.len)
			another_piece(batch);
	}
	return rc;
}
