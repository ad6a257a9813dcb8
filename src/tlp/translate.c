/* SPDX-License-Identifier: MIT */
/* From the page table on: the walk, the permission, the memory. */
#include <errno.h>
#include "iommu.h"
#include "mem/mem.h"
#include "pt/mark.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/nested.h"
#include "tlp/check_dirty.h"
#include "tlp/tlp.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Large leaves stand side by side: a region is one range, whatever leaves it took. One of 16 GiB
 * has, beside its largest leaf of 8 GiB, on each side at most one of each smaller size.
 */
#define WIDEN_LEN (2ull << 20)
#define WIDEN_NR  12

/* Leaves on both sides that go on in the same window with the same permissions. */
static void widen(const struct pt *pt, const struct pt_walk *leaf, const struct mem_window *window,
		  struct iotlb_entry *entry)
{
	pa_t pa = leaf->pa - (leaf->pa & (leaf->leaf_len - 1)), end = pa + leaf->leaf_len;
	struct pt_walk next;

	for (unsigned i = 0; i < WIDEN_NR && end < window->pa + window->len; i++) {
		if (pt_walk(pt, entry->last + 1, &next) || next.pa != end ||
		    next.prot != leaf->prot)
			break;
		entry->last = next.leaf_first + next.leaf_len - 1;
		end += next.leaf_len;
	}
	for (unsigned i = 0; i < WIDEN_NR && pa > window->pa; i++) {
		if (pt_walk(pt, entry->first - 1, &next) || next.pa != pa - 1 ||
		    next.prot != leaf->prot)
			break;
		entry->first = next.leaf_first;
		pa -= next.leaf_len;
	}
}

/* What a leaf is good for. One whose dirty bit is to be set at a write is not, until it is set. */
static uint32_t ops_of(const struct pt_walk *walk, bool dirty)
{
	uint32_t ops = walk->prot & IOAS_PROT_READ ? 1u << IOAS_TLP_READ : 0u;

	return walk->prot & IOAS_PROT_WRITE && dirty ? ops | 1u << IOAS_TLP_WRITE : ops;
}

/* All of the leaf, which lies in one window; where that is in several pieces, what was asked for.
 */
static void remember(struct ioas_issuer *issuer, const struct tlp_route *route, unsigned op,
		     iova_t addr, const struct nested_found *found, const struct tlp_span *span)
{
	const struct pt_walk *walk = &found->walk;
	bool whole = mem_window_whole(span->window);
	uint64_t before = whole ? addr - walk->leaf_first : 0;
	uint64_t rest = whole ? walk->leaf_len - before : span->len;
	struct iotlb_entry entry = {
		.generation = issuer->tlb.generation,
		.form = route->form,
		.first = addr - before,
		.last = addr + rest - 1,
		.to_host = (uintptr_t)span->host - addr,
		.window = span->window,
		.ops = ops_of(walk, op == IOAS_TLP_WRITE || !(walk->tracked || found->clean)),
	};
	struct iotlb_entry *place;

	if (__builtin_expect(route->stage1 != NULL, 0)) {
		entry.to_table = found->gpa - addr;
		/* With IOAS_TLP_EXEC reads are fetches: neither's permission says what the other's
		 * is. */
		entry.ops = route->tlp->flags & IOAS_TLP_EXEC ? 1u << op : entry.ops | 1u << op;
		/* Each request is to be walked. */
		if (route->stage1->check)
			entry.form = 0;
	} else if (whole && !walk->tracked && walk->leaf_len >= WIDEN_LEN)
		widen(route->pt, walk, span->window, &entry);
	place = iotlb_place(&issuer->tlb, route->form, addr, entry.last - entry.first + 1);
	*place = entry;
	issuer->tlb.hot = place;
}

static inline __attribute__((always_inline)) enum ioas_fault_reason judge(int rc, unsigned op,
									  const struct pt_walk *out)
{
	if (rc)
		return rc == -ERANGE ? IOAS_FAULT_WIDTH : IOAS_FAULT_NOT_MAPPED;
	if (op == IOAS_TLP_WRITE && !(out->prot & IOAS_PROT_WRITE))
		return IOAS_FAULT_NO_WRITE;
	if (op == IOAS_TLP_READ && !(out->prot & IOAS_PROT_READ))
		return IOAS_FAULT_NO_READ;
	return IOAS_FAULT_NONE;
}

enum ioas_fault_reason tlp_walk(const struct pt *pt, unsigned op, iova_t addr, struct pt_walk *out)
{
	return judge(pt_walk(pt, addr, out), op, out);
}

void tlp_prefetch(const struct pt *pt, const iova_t *iova, unsigned nr)
{
	pt_prefetch(pt, iova, nr);
}

/*
 * --check-invalidation: the request may have gone by an entry that is no more. It is on record at
 * once, in flight: the log's lock comes after all others.
 */
static void record_stale(struct ioas_issuer *issuer, const struct tlp_route *route, iova_t addr,
			 const struct stale_found *stale)
{
	struct ioas_fault fault;

	fault_look(&fault, issuer->dev, route->tlp, addr, IOAS_PASSED_STALE);
	fault.stale_level = stale->level;
	fault.stale_gpa = stale->gpa;
	fault.stale_old = stale->old;
	fault.stale_now = stale->now;
	fault_record(issuer, &fault);
}

static __attribute__((noinline)) enum ioas_fault_reason walk_nested(struct ioas_issuer *issuer,
								    const struct tlp_route *route,
								    iova_t addr,
								    struct nested_found *out)
{
	struct nested_request request = nested_request_of(route->tlp, addr);
	enum ioas_fault_reason reason;

	request.issuer = issuer;
	reason = nested_walk(issuer->dev->iommu, route->stage1, &request, out, NULL);
	if (__builtin_expect(out->stale.found, 0))
		record_stale(issuer, route, addr, &out->stale);
	return reason;
}

/* A translated request: what was handed out says what it may, the window where. */
static enum ioas_fault_reason miss_translated(struct ioas_issuer *issuer,
					      const struct tlp_route *route, unsigned op, pa_t pa,
					      uint64_t len, struct tlp_span *out)
{
	struct ioas_device *dev = issuer->dev;
	struct mem_window *window;
	struct iotlb_entry *entry;
	struct ioas_range held;
	uint64_t before, rest;
	uint32_t ops;

	if (!ats_holds(dev, pa, op, &held, &ops))
		return IOAS_FAULT_NOT_HELD;
	window = mem_window_find(dev->iommu->mem, pa);
	if (!window)
		return IOAS_FAULT_MEMORY;
	rest = held.last - pa + 1;
	out->host = mem_window_at(window, pa - window->pa, &rest);
	out->len = least(len, rest);
	out->window = window;
	if (!out->host)
		return TLP_MOVING;
	/* No page table stands between that could make it snoop. */
	if (route->tlp->flags & IOAS_TLP_NO_SNOOP)
		tlp_count_no_snoop(dev, out->len, false);
	if (__builtin_expect(dev->iommu->config.check_invalidation, 0)) {
		/* Each request is to be looked at. */
		ats_check_stale(issuer, route->tlp, pa);
		return IOAS_FAULT_NONE;
	}
	if (!route->form)
		return IOAS_FAULT_NONE;
	before = mem_window_whole(window) ? pa - held.first : 0;
	entry = iotlb_place(&issuer->tlb, route->form, pa, held.last - held.first + 1);
	*entry = (struct iotlb_entry){
		.generation = issuer->tlb.generation,
		.form = route->form,
		.first = pa - before,
		.last = pa + rest - 1,
		.to_host = (uintptr_t)out->host - pa,
		.window = window,
		.ops = ops,
	};
	issuer->tlb.hot = entry;
	return IOAS_FAULT_NONE;
}

enum ioas_fault_reason tlp_look(struct ioas_issuer *issuer, const struct tlp_route *route,
				iova_t addr, struct pt_walk *out, iova_t *table_addr)
{
	struct nested_found found;
	enum ioas_fault_reason reason;
	int rc;

	*table_addr = addr;
	if (!route->stage1) {
		rc = pt_walk(route->pt, addr, out);
		return rc == -ERANGE ? IOAS_FAULT_WIDTH : rc ? IOAS_FAULT_NOT_MAPPED : 0;
	}
	reason = walk_nested(issuer, route, addr, &found);
	*out = found.walk;
	*table_addr = found.gpa;
	return reason;
}

/* Not remembered: through the page table. A range that wraps runs into the end of the width. */
static enum ioas_fault_reason miss(struct ioas_issuer *issuer, const struct tlp_route *route,
				   unsigned op, iova_t addr, uint64_t len, struct tlp_span *out)
{
	struct ioas_iommu *iommu = issuer->dev->iommu;
	struct nested_found found;
	enum ioas_fault_reason reason;
	struct mem_window *window;
	struct pt_way way;

	if (__builtin_expect(route->tlp->at == IOAS_TLP_TRANSLATED, 0))
		return miss_translated(issuer, route, op, addr, len, out);
	if (__builtin_expect(route->stage1 != NULL, 0)) {
		way.table = NULL;
		reason = walk_nested(issuer, route, addr, &found);
	} else {
		found.clean = false;
		reason = judge(pt_walk_way(route->pt, addr, &found.walk, &way), op, &found.walk);
	}
	if (reason)
		return reason;
	window = mem_window_find(iommu->mem, found.walk.pa);
	if (!window)
		return IOAS_FAULT_MEMORY;
	out->len = least(len, found.walk.leaf_len - (addr - found.walk.leaf_first));
	out->host = mem_window_at(window, found.walk.pa - window->pa, &out->len);
	out->window = window;
	if (!out->host)
		return TLP_MOVING;
	if (__builtin_expect(found.walk.tracked, 0) && op == IOAS_TLP_WRITE)
		pt_dirty_mark(route->pt, &found.walk);
	if (__builtin_expect(route->tlp->flags & IOAS_TLP_NO_SNOOP, 0))
		tlp_count_no_snoop(issuer->dev, out->len,
				   pt_prot_fit(route->pt, 0) & PT_PROT_COHERENT);
	if (route->form || route->stage1)
		remember(issuer, route, op, addr, &found, out);
	/* Each write is to be noted where that is asked for. */
	if (route->form && way.table && !issuer->check)
		psc_keep(&issuer->tlb.psc, route->form, issuer->tlb.generation, route->pt, addr,
			 &way, window, ops_of(&found.walk, !found.walk.tracked), issuer->dev->msi);
	return IOAS_FAULT_NONE;
}

/* By what is remembered of tables. Leaves it as the hottest, for those that come close behind. */
static const struct iotlb_entry *find_near(struct ioas_issuer *issuer,
					   const struct tlp_route *route, unsigned op, iova_t addr)
{
	struct iotlb *tlb = &issuer->tlb;
	const struct psc_context *context = psc_context(&tlb->psc, route->form, tlb->generation);
	struct iotlb_entry *entry = &tlb->by_psc;
	enum psc_answer answer;
	struct psc_found found;

	if (!context)
		return NULL;
	answer = psc_find(&tlb->psc, context, addr, &found);
	if (answer == PSC_OTHER && psc_turn(issuer->dev->iommu->mem, context->shape, addr,
					    found.entry, found.leaf, &found))
		answer = PSC_FOUND;
	if (answer != PSC_FOUND || !(found.entry->way.ops >> op & 1))
		return NULL;
	*entry = (struct iotlb_entry){
		.generation = tlb->generation,
		.form = route->form,
		.first = found.first,
		.last = found.first + found.reach,
		.to_host = found.to_host,
		.window = found.entry->window,
		.ops = found.entry->way.ops,
	};
	tlb->hot = entry;
	return entry;
}

/*
 * Under --check-dirty: whatever gets an address to write to, however it was found. No page table is
 * asked for translated requests: their leaf was marked as it was handed out.
 */
static __attribute__((noinline)) void
note_write(struct ioas_issuer *issuer, const struct tlp_route *route, iova_t addr, uint64_t len)
{
	if (route->tlp->at == IOAS_TLP_TRANSLATED) {
		ats_wrote(issuer, addr, len);
		return;
	}
	check_dirty_wrote(issuer->check, issuer->dev, route->pt,
			  tlp_table_addr(issuer, route, addr), len, issuer->tlb.generation);
}

enum ioas_fault_reason tlp_translate(struct ioas_issuer *issuer, const struct tlp_route *route,
				     unsigned op, iova_t addr, uint64_t len, struct tlp_span *out)
{
	const struct iotlb_entry *entry = NULL;

	if (route->form) {
		entry = iotlb_hot(&issuer->tlb, route->form, addr, op);
		if (!entry)
			entry = find_near(issuer, route, op, addr);
		if (!entry)
			entry = iotlb_find(&issuer->tlb, route->form, addr, op);
	}
	if (__builtin_expect(!entry, 0)) {
		enum ioas_fault_reason reason = miss(issuer, route, op, addr, len, out);

		if (__builtin_expect(issuer->check != NULL, 0) && !reason && op == IOAS_TLP_WRITE)
			note_write(issuer, route, addr, out->len);
		return reason;
	}
	out->host = (void *)(addr + entry->to_host);
	out->len = least(len, entry->last - addr + 1);
	out->window = entry->window;
	if (__builtin_expect(issuer->check != NULL, 0) && op == IOAS_TLP_WRITE)
		note_write(issuer, route, addr, out->len);
	return IOAS_FAULT_NONE;
}

/* What one look sees stays while it is in flight. */
static int look(struct ioas_iommu *iommu, struct inflight_mark *mark, struct pt *pt, iova_t iova,
		void **host)
{
	struct mem_window *window;
	struct pt_walk walk;
	uint64_t len = 1;
	int rc;

	inflight_enter(mark);
	rc = pt_walk(pt, iova, &walk);
	window = rc ? NULL : mem_window_find(iommu->mem, walk.pa);
	*host = window ? mem_window_at(window, walk.pa - window->pa, &len) : NULL;
	inflight_leave(mark);
	return rc || !window ? -ENOENT : *host ? 0 : -EAGAIN;
}

int tlp_host_at(struct ioas_iommu *iommu, struct pt *pt, iova_t iova, void **host)
{
	struct inflight_mark mark = {0};
	int rc;

	inflight_add(&iommu->inflight, &mark);
	while ((rc = look(iommu, &mark, pt, iova, host)) == -EAGAIN)
		mem_map_wait(iommu->mem);
	inflight_del(&iommu->inflight, &mark);
	return rc;
}
