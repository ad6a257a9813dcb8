/* SPDX-License-Identifier: MIT */
/*
 * Many TLPs at once: while some are looked at, what the next ones need of page tables is on its way
 * from memory. Where tables are remembered (psc.h), that is the last entry, whose place is kept so
 * that it is read at once; else what a walk needs is fetched, and the TLP judged by itself.
 */
#include "iommu.h"
#include "route/route.h"
#include "tlp/tlp.h"

/* So many on their way together, and as many more: about what one core can have. */
#define TOGETHER 16u

/* Where the leaf of a TLP is; NULL: it is not known. */
struct lane {
	const _Atomic uint64_t *leaf;
	const struct psc_entry *entry;
	uint64_t tag; /* of the entry, if it is still that */
};

static bool is_alike(const struct ioas_tlp *a, const struct ioas_tlp *b)
{
	return a->flags == b->flags && a->pasid == b->pasid && a->at == b->at;
}

/*
 * What walks need. Of TLPs by the form of `first`, if a page table alone is asked: not behind a
 * stage 1, and not with addresses that are translated already.
 */
static void fetch(struct ioas_issuer *issuer, const struct ioas_tlp *first, const iova_t *iova,
		  unsigned nr)
{
	struct tlp_route route = {0};

	if (tlp_valid(first) && !first->at && !tlp_route(issuer, first, &route) && !route.stage1)
		tlp_prefetch(route.pt, iova, nr);
}

/* By the batch's newest form, and alone in what would have to be asked besides. */
static inline bool is_near(const struct ioas_batch *batch, const struct psc_context *near,
			   const struct ioas_tlp *tlp)
{
	return near && near->plain && ((uint64_t)tlp->flags << 32 | tlp->pasid) == batch->form &&
	       !tlp->at && tlp->op <= IOAS_TLP_WRITE && tlp->len &&
	       !tlp_meets_interrupts(batch->issuer->dev->msi, tlp->addr, tlp->len);
}

static void begin(struct ioas_batch *batch, const struct ioas_tlp *tlps, unsigned nr,
		  struct lane *lane)
{
	struct psc *psc = &batch->issuer->tlb.psc;
	const struct psc_context *near = batch->near;
	const struct pt_shape shape = pt_shape_plain();
	iova_t iova[TOGETHER];
	unsigned some = 0;

	for (unsigned i = 0; i < nr; i++) {
		lane[i].leaf = NULL;
		if (is_near(batch, near, &tlps[i])) {
			uint64_t tag = psc_tag(near, shape, tlps[i].addr);
			const struct psc_entry *entry = psc_place(psc, tag);

			if (entry->way.tag == tag)
				lane[i].leaf = pt_way_leaf(entry->way.table, entry->way.pointer,
							   shape, tlps[i].addr);
			lane[i].entry = entry;
			lane[i].tag = tag;
		}
		if (lane[i].leaf)
			__builtin_prefetch((const void *)lane[i].leaf);
		else if (is_alike(&tlps[i], tlps) && tlps[i].addr - batch->first > batch->reach)
			iova[some++] = tlps[i].addr;
	}
	if (some)
		fetch(batch->issuer, tlps, iova, some);
}

/* false: it is to be judged by itself. */
static inline bool end(struct ioas_batch *batch, const struct ioas_tlp *tlp,
		       const struct lane *lane, void **host, uint64_t *len)
{
	const struct pt_shape shape = pt_shape_plain();
	const struct psc_entry *entry = lane->entry;
	uint64_t nr, rest;

	if (!lane->leaf || entry->way.tag != lane->tag || !(entry->way.ops >> tlp->op & 1))
		return false;
	nr = pt_way_pages(atomic_load_explicit(lane->leaf, memory_order_acquire), entry->way.leaf,
			  shape);
	if (__builtin_expect(nr > entry->way.last, 0))
		return false;
	rest = (~tlp->addr & ((1ull << shape.page_lg2) - 1)) + 1;
	*len = tlp->len < rest ? tlp->len : rest;
	*host = (void *)(entry->way.to_host + ((nr + 1) << shape.page_lg2) - rest);
	batch->tlps++;
	batch->len[tlp->op] += *len;
	return true;
}

static unsigned at_most(unsigned nr)
{
	return nr < TOGETHER ? nr : TOGETHER;
}

unsigned ioas_batch_at_many(struct ioas_batch *batch, const struct ioas_tlp *tlps, unsigned nr,
			    void **hosts, uint64_t *lens, int *rc)
{
	struct lane lane[2][TOGETHER];
	unsigned done = 0, turn = 0;

	*rc = 0;
	/* The first one shows where the others are likely to be. */
	if (nr && !batch->near) {
		*rc = ioas_batch_at(batch, tlps, hosts, lens);
		done = !*rc;
	}
	if (*rc || done == nr)
		return done;
	begin(batch, tlps + done, at_most(nr - done), lane[0]);
	for (unsigned some; done < nr; done += some, turn ^= 1) {
		some = at_most(nr - done);
		if (nr - done > some)
			begin(batch, tlps + done + some, at_most(nr - done - some), lane[turn ^ 1]);
		for (unsigned i = done; i < done + some; i++) {
			if (__builtin_expect(end(batch, &tlps[i], &lane[turn][i - done], &hosts[i],
						 &lens[i]),
					     1))
				continue;
			*rc = ioas_batch_at(batch, &tlps[i], &hosts[i], &lens[i]);
			if (*rc)
				return i;
		}
	}
	return nr;
}
