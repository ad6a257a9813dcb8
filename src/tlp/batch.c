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

/* For the batch that comes after this one. */
static void keep(const struct ioas_batch *batch)
{
	struct iotlb *tlb = &batch->issuer->tlb;

	tlb->ended.generation = tlb->generation;
	tlb->ended.newest = (struct ioas_batch_place){batch->form, batch->first, batch->reach,
						      batch->to_host, batch->ops};
	tlb->ended.aside = batch->aside;
	tlb->ended.way = batch->way;
}

void ioas_batch_end(struct ioas_batch *batch)
{
	struct ioas_device *dev = batch->issuer->dev;

	tlp_leave(batch->issuer);
	keep(batch);
	tlp_count_batch(dev, batch->tlps, batch->tlps + batch->pieces, batch->len);
	batch->ops = batch->aside.ops = 0;
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

static void take(struct ioas_batch *batch, const struct iotlb_entry *entry)
{
	batch->first = entry->first;
	batch->reach = entry->last - entry->first;
	batch->to_host = entry->to_host;
	batch->ops = entry->ops;
}

/* tlp_translate has just found it, so that it is the hottest. */
static void remember(struct ioas_batch *batch, const struct ioas_tlp *tlp)
{
	const struct iotlb_entry *entry = batch->issuer->tlb.hot;

	batch->form = (uint64_t)tlp->flags << 32 | tlp->pasid;
	take(batch, entry);
	/* Its form does not tell translated addresses from others. */
	if (tlp->at || !can_remember(batch->issuer->dev, entry))
		batch->ops = 0;
}

/* NULL: none. Only tables of the plain shape are looked at by ioas_batch_near. */
static void set_near(struct ioas_batch *batch, const struct psc_context *near)
{
	batch->near = near;
	batch->number = near && near->plain ? near->number : UINT64_MAX;
}

/* What the batch before has ended with, as good as in the IOTLB. false: with nothing. In flight. */
static bool go_on(struct ioas_batch *batch)
{
	struct ioas_issuer *issuer = batch->issuer;
	const struct ioas_batch_place *newest = &issuer->tlb.ended.newest;

	if (issuer->tlb.ended.generation != issuer->tlb.generation || !newest->ops ||
	    atomic_load_explicit(&issuer->dev->bus_ops, memory_order_relaxed))
		return false;
	batch->form = newest->form;
	batch->first = newest->first;
	batch->reach = newest->reach;
	batch->to_host = newest->to_host;
	batch->ops = newest->ops;
	batch->aside = issuer->tlb.ended.aside;
	batch->way = issuer->tlb.ended.way;
	set_near(batch,
		 psc_context(&issuer->tlb.psc, batch->form | IOTLB_FORM, issuer->tlb.generation));
	return true;
}

/*
 * The newest of the batch before, which is as good as in the IOTLB; and of its form, where the
 * tables are. In flight.
 */
static void recall(struct ioas_batch *batch)
{
	struct ioas_issuer *issuer = batch->issuer;
	const struct iotlb_entry *entry = issuer->tlb.hot;

	batch->form = batch->first = batch->reach = batch->to_host = 0;
	batch->ops = 0;
	batch->way = &issuer->tlb.psc.entry[0].way;
	set_near(batch, NULL);
	batch->aside = (struct ioas_batch_place){0};
	if (entry->generation != issuer->tlb.generation || !iotlb_untranslated(entry->form) ||
	    !can_remember(issuer->dev, entry))
		return;
	take(batch, entry);
	batch->form = entry->form & ~IOTLB_FORM;
	set_near(batch, psc_context(&issuer->tlb.psc, entry->form, entry->generation));
}

void ioas_batch_begin(struct ioas_batch *batch, struct ioas_issuer *issuer)
{
	batch->issuer = issuer;
	batch->pieces = batch->tlps = 0;
	batch->len[0] = batch->len[1] = 0;
	tlp_enter(issuer);
	if (!go_on(batch))
		recall(batch);
}

/* Who waits has counted that before. A mark that nobody waits for may as well go on. */
void ioas_batch_renew(struct ioas_batch *batch)
{
	struct ioas_issuer *issuer = batch->issuer;

	if (__builtin_expect(inflight_generation(issuer->in) == issuer->tlb.generation, 1))
		return;
	tlp_leave(issuer);
	tlp_enter(issuer);
	batch->ops = batch->aside.ops = 0;
	set_near(batch, NULL);
}

/*
 * Judged for the batch's newest form: what comes before its page table, and that nobody looks at
 * each of them. Others are told apart by the form, in which each flag and the address type count.
 */
static void keep_near(struct ioas_batch *batch, const struct tlp_route *route)
{
	struct ioas_issuer *issuer = batch->issuer;

	set_near(batch, NULL);
	if (route->form && !route->stage1 && !route->tlp->at && !issuer->check &&
	    !atomic_load_explicit(&issuer->dev->bus_ops, memory_order_relaxed))
		set_near(batch, psc_enter(&issuer->tlb.psc, route->form, issuer->tlb.generation,
					  route->pt));
}

static struct ioas_batch_found find(struct ioas_batch *batch, iova_t addr, uint64_t len,
				    uint64_t form, uint32_t what);

/* A range of the IOTLB, by the form of the one before. `what` is an op alone, as in what follows.
 */
static __attribute__((noinline)) struct ioas_batch_found
near_range(struct ioas_batch *batch, iova_t addr, uint64_t len, uint32_t what)
{
	const struct psc_context *near = batch->near;
	struct ioas_issuer *issuer = batch->issuer;
	const struct iotlb_entry *entry = iotlb_find(&issuer->tlb, near->form, addr, what & 1);
	uint64_t rest;

	if (!entry || !can_remember(issuer->dev, entry))
		return find(batch, addr, len, batch->form, what);
	rest = entry->last - addr;
	len = len - 1 < rest ? len : rest + 1;
	take(batch, entry);
	batch->tlps++;
	batch->len[what & 1] += len;
	return (struct ioas_batch_found){(void *)(addr + entry->to_host), len};
}

/* A page that psc has found, by the same form. */
static inline __attribute__((always_inline)) struct ioas_batch_found
near_page(struct ioas_batch *batch, iova_t addr, uint64_t len, uint32_t what,
	  const struct psc_found *found)
{
	uint64_t rest = found->first + found->reach - addr;
	uint32_t ops = found->entry->way.ops, op = what & 1;

	if (__builtin_expect(!(ops >> op & 1), 0))
		return near_range(batch, addr, len, what);
	len = len - 1 < rest ? len : rest + 1;
	batch->first = found->first;
	batch->reach = found->reach;
	batch->to_host = found->to_host;
	batch->ops = ops;
	batch->way = &found->entry->way;
	batch->tlps++;
	batch->len[op] += len;
	return (struct ioas_batch_found){(void *)(addr + found->to_host), len};
}

/* Of another window than the page before. */
static inline __attribute__((always_inline)) struct ioas_batch_found
turn(struct ioas_batch *batch, iova_t addr, uint64_t len, uint32_t what, struct psc_entry *entry,
     uint64_t leaf)
{
	const struct psc_context *near = batch->near;
	struct mem_map *map = batch->issuer->dev->iommu->mem;
	struct psc_found found;

	if (!psc_turn(map, near->plain ? psc_plain(near) : near->shape, addr, entry, leaf, &found))
		return find(batch, addr, len, batch->form, what);
	return near_page(batch, addr, len, what, &found);
}

/* By the tables that are remembered, whatever they look like. */
static __attribute__((noinline)) struct ioas_batch_found
near_tables(struct ioas_batch *batch, iova_t addr, uint64_t len, uint64_t form, uint32_t what)
{
	const struct psc_context *near = batch->near;
	enum psc_answer answer;
	struct psc_found found;

	/* Without the requester ID, whose flag would be in the form. */
	if (__builtin_expect(!near || form != batch->form || (uint16_t)what > IOAS_TLP_WRITE ||
				     !len ||
				     tlp_meets_interrupts(batch->issuer->dev->msi, addr, len),
			     0))
		return find(batch, addr, len, form, what);
	answer = psc_find(&batch->issuer->tlb.psc, near, addr, &found);
	if (answer == PSC_FOUND)
		return near_page(batch, addr, len, what, &found);
	return answer == PSC_OTHER ? turn(batch, addr, len, what, found.entry, found.leaf)
				   : near_range(batch, addr, len, what);
}

/* Of another way than the one before, which ioas_batch_at has tried, nearly all are found at once.
 */
struct ioas_batch_found ioas_batch_find(struct ioas_batch *batch, iova_t addr, uint64_t len,
					uint64_t form, uint32_t what)
{
	uint64_t tag = batch->number | addr >> pt_way_lg2(pt_shape_plain());
	const struct ioas_batch_way *way = &psc_place(&batch->issuer->tlb.psc, tag)->way;
	void *host;

	if (__builtin_expect(way->tag == tag && way != batch->way && form == batch->form &&
				     (uint16_t)what <= IOAS_TLP_WRITE,
			     1)) {
		batch->way = way;
		host = ioas_batch_near(batch, way, addr, len, what & 1);
		if (__builtin_expect(host != NULL, 1))
			return (struct ioas_batch_found){host, len};
	}
	return near_tables(batch, addr, len, form, what);
}

static struct ioas_batch_found refused(int rc)
{
	return (struct ioas_batch_found){NULL, (uint64_t)rc};
}

static __attribute__((noinline)) struct ioas_batch_found
find(struct ioas_batch *batch, iova_t addr, uint64_t len, uint64_t form, uint32_t what)
{
	const struct ioas_tlp tlp = {.addr = addr,
				     .len = len,
				     .flags = (uint32_t)(form >> 32),
				     .pasid = (pasid_t)form,
				     .rid = (rid_t)(what >> 16),
				     .op = (uint8_t)what,
				     .at = (uint8_t)(what >> 8)};
	struct ioas_issuer *issuer = batch->issuer;
	struct ioas_fault fault;
	enum ioas_fault_reason reason;
	struct tlp_route route = {0};
	struct route_turn turn;
	struct tlp_span span;

	if (!tlp_valid(&tlp))
		return refused(-EINVAL);
	if (tlp_turns_here(issuer, &tlp, &turn))
		return refused(-EAGAIN);
	reason = tlp_route(issuer, &tlp, &route);
	if (!reason)
		reason = tlp_translate(issuer, &route, tlp.op, tlp.addr, tlp.len, &span);
	if (reason == TLP_MOVING)
		return refused(-EAGAIN);
	fault_look_if(&fault, issuer->dev, &tlp, 0, reason, route.claimed);
	if (reason || route.claimed)
		fault_record(issuer, &fault);
	if (reason) {
		tlp_count(issuer->dev, tlp.op, 0, 0);
		return refused(-EFAULT);
	}
	if (route.form)
		remember(batch, &tlp);
	keep_near(batch, &route);
	batch->tlps++;
	batch->len[tlp.op] += span.len;
	return (struct ioas_batch_found){span.host, span.len};
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

/* Where all of a TLP is, which passed, if the newest translation serves; NULL: nothing happened. */
static inline void *hit(struct ioas_batch *batch, const struct ioas_tlp *tlp)
{
	uint64_t off = tlp->addr - batch->first;

	if (__builtin_expect(((uint64_t)tlp->flags << 32 | tlp->pasid) != batch->form ||
				     off > batch->reach || tlp->len - 1 > batch->reach - off ||
				     (tlp->op | tlp->at << 8) > IOAS_TLP_WRITE ||
				     !(batch->ops >> tlp->op & 1),
			     0))
		return NULL;
	batch->tlps++;
	batch->len[tlp->op] += tlp->len;
	return (void *)(tlp->addr + batch->to_host);
}

static __attribute__((noinline)) int
words_by_pieces(struct ioas_batch *batch, const struct ioas_tlp *tlp, const uint64_t *words)
{
	bool told = batch->issuer->dev->iommu->config.memory_told;
	struct ioas_tlp rest = *tlp;
	int rc = 0;

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

int ioas_batch_words(struct ioas_batch *batch, const struct ioas_tlp *tlp, const uint64_t *words)
{
	uint64_t done;
	void *host;

	if (tlp->op != IOAS_TLP_WRITE || !tlp->len || (tlp->len | tlp->addr) % 8)
		return -EINVAL;
	host = hit(batch, tlp);
	if (__builtin_expect(!host, 0))
		return words_by_pieces(batch, tlp, words);
	done = 8 * mem_pinned_words(host, words, tlp->len / 8,
				    batch->issuer->dev->iommu->config.memory_told);
	return __builtin_expect(done == tlp->len, 1) ? 0 : lost(batch, tlp, done);
}

static __attribute__((noinline)) int copy_by_pieces(struct ioas_batch *batch,
						    const struct ioas_tlp *tlp, void *buf)
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

int ioas_batch_copy(struct ioas_batch *batch, const struct ioas_tlp *tlp, void *buf)
{
	void *host = hit(batch, tlp);

	return __builtin_expect(!host, 0) ? copy_by_pieces(batch, tlp, buf)
					  : ioas_batch_move(batch, tlp, 0, host, buf, tlp->len);
}
