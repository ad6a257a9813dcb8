/* SPDX-License-Identifier: MIT */
/*
 * A transaction's life, one step a file:
 *   issue.c      the model's call: loop over pages, copy or lend spans (lend.c), or store (store.c)
 *   p2p.c        what a port turns to a peer
 *   requester.c  bus master -> source -> requester -> declared form -> route
 *   iotlb.h      what an issuer remembers of the next step
 *   psc.h        and what of the tables that it goes through
 *   translate.c  page table -> permission -> window; alone calls pt_walk
 *   nested.c     the same where a stage 1 of the program's comes first; nested_event.c: what its
 *                guest is told
 *   ats.h        requests for translations, and translated ones; atc.c: a device's cache of them
 *   pri.c        requests for pages, and their answers
 *   batch.c      the same for models that go on to the memory by themselves; batch_many.c: many
 *                at once
 *   fault.c      what did not pass
 *   inflight.c   the promise that UNMAP and DETACH keep
 *   check_dirty.c, check_stale.c   --check-dirty and --check-invalidation
 */
#ifndef TLP_TLP_H
#define TLP_TLP_H

#include <ioas/tlp.h>
#include <ioas/device.h>
#include "tlp/inflight.h"
#include "tlp/iotlb.h"

struct check_dirty;
struct pt_walk;
struct route_set;
struct route_turn;

struct ioas_issuer {
	struct inflight_mark mark;
	struct ioas_device *dev;   /* constant */
	const struct inflight *in; /* constant: of its instance */
	struct check_dirty *check; /* constant: as well; NULL: not asked for */
	uint64_t recorded; /* the issuing thread's, as all that follows: its newest record */
	uint16_t reason;   /* of that */
	struct iotlb tlb;
};

/* Begins a batch, and ends it. */
static inline void tlp_enter(struct ioas_issuer *issuer)
{
	inflight_enter(&issuer->mark);
	issuer->tlb.generation = inflight_generation(issuer->in);
}

static inline void tlp_leave(struct ioas_issuer *issuer)
{
	inflight_leave(&issuer->mark);
}

/* Where a transaction goes, and by whose requester ID. */
struct tlp_route {
	struct pt *pt;
	struct stage1 *stage1;	    /* what comes before that; NULL: nothing */
	const struct ioas_tlp *tlp; /* whose route it is */
	uint64_t form;		    /* iotlb_form; 0: by another's requester ID */
	struct route_set *set;
	uint32_t id;  /* on the wire; PCI: with its segment */
	bool claimed; /* the set is not the device's own */
};

/* A piece of a transaction that passed: host memory, and the window to hold while it is used. */
struct tlp_span {
	void *host;
	uint64_t len;
	struct mem_window *window;
};

/*
 * Where a device's IOMMU has a window for that, writes are interrupts, and reads nothing; neither
 * is translated. `len` is not 0.
 */
static inline bool tlp_meets_interrupts(struct ioas_range msi, iova_t addr, uint64_t len)
{
	return addr <= msi.last && (addr >= msi.first || len > msi.first - addr);
}

static inline bool tlp_valid(const struct ioas_tlp *tlp)
{
	return tlp->len && (tlp->op == IOAS_TLP_READ || tlp->op == IOAS_TLP_WRITE);
}

/*
 * Sends a valid one that no port turns. 0 it passed; 1 *fault has a record that is not kept yet:
 * it was refused, or passed with another's requester ID. *moved: bytes.
 */
int tlp_issue_quiet(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, void *buf,
		    struct ioas_fault *fault, uint64_t *moved);

/* Counts one TLP that moved (or was lent) `len` bytes after `leaves` translations. */
void tlp_count(struct ioas_device *dev, unsigned op, uint64_t len, uint64_t leaves);
/* Bytes of one that asks for no snoop: did the page table make it snoop? */
void tlp_count_no_snoop(struct ioas_device *dev, uint64_t len, bool snooped);
/* Many, with the bytes by enum ioas_tlp_op. */
void tlp_count_batch(struct ioas_device *dev, uint64_t tlps, uint64_t leaves,
		     const uint64_t len[2]);

/*
 * The page table that tlp meets: bus, requester, declared form, route. In flight only.
 * IOAS_FAULT_NONE and the table, else the reason; nothing is recorded yet.
 */
enum ioas_fault_reason tlp_find_route(struct ioas_device *dev, const struct ioas_tlp *tlp,
				      struct tlp_route *out);
/* The same, remembered while nothing changes. */
enum ioas_fault_reason tlp_route(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
				 struct tlp_route *out);

/* Does a port turn it to a peer? Not in flight; and the same in flight. */
bool tlp_turns(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, struct route_turn *out);
bool tlp_turns_here(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, struct route_turn *out);
/*
 * Does that, with a record. `buf` NULL: it was to be lent, which a peer's registers cannot be. 0;
 * -EFAULT.
 */
int tlp_to_peer(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, void *buf,
		const struct route_turn *turn);

/*
 * Translates up to `len` bytes at `addr`: what is left of one leaf. `op`: enum ioas_tlp_op.
 * In flight only. IOAS_FAULT_NONE and the span; TLP_MOVING the memory is just being moved, leave,
 * mem_map_wait, and try again; else the reason; nothing is recorded yet.
 */
#define TLP_MOVING ((enum ioas_fault_reason)255)
enum ioas_fault_reason tlp_translate(struct ioas_issuer *issuer, const struct tlp_route *route,
				     unsigned op, iova_t addr, uint64_t len, struct tlp_span *out);

/*
 * What the route's page table says of `addr`, in all its dimensions: NONE, what it allows, and
 * where that is in the table of the space's (*table_addr); the program's own has been asked for the
 * op of route->tlp. Else the reason. In flight only.
 */
enum ioas_fault_reason tlp_look(struct ioas_issuer *issuer, const struct tlp_route *route,
				iova_t addr, struct pt_walk *out, iova_t *table_addr);

/*
 * One dimension: what `pt` says of `addr` for `op`. In flight only. IOAS_FAULT_NONE, or the reason.
 */
enum ioas_fault_reason tlp_walk(const struct pt *pt, unsigned op, iova_t addr,
				struct pt_walk *walk);
/* Has what a walk of each of these will look at fetched. In flight only. */
void tlp_prefetch(const struct pt *pt, const iova_t *iova, unsigned nr);
/*
 * The address in the page table of the route, of the byte at `addr` that tlp_translate has just
 * found.
 */
static inline iova_t tlp_table_addr(const struct ioas_issuer *issuer, const struct tlp_route *route,
				    iova_t addr)
{
	return route->stage1 ? addr + issuer->tlb.hot->to_table : addr;
}

/*
 * Where this process sees the byte that a page table leads to, for tests: when it answers, the
 * memory may have moved. Not in flight. 0; -ENOENT nothing is mapped there.
 */
int tlp_host_at(struct ioas_iommu *iommu, struct pt *pt, iova_t iova, void **host);

/* Not in flight: waits and answers IOAS_FAULT_NONE if the reason is TLP_MOVING, else the reason. */
enum ioas_fault_reason tlp_moved(struct ioas_device *dev, enum ioas_fault_reason reason);

/*
 * A fault is recorded in two steps, so that neither the log's lock nor the host's hook can keep an
 * UNMAP waiting. In flight: fills *fault with what the tables say of `addr`.
 */
void fault_look(struct ioas_fault *fault, struct ioas_device *dev, const struct ioas_tlp *tlp,
		iova_t addr, enum ioas_fault_reason reason);
/* The same without a look at tables, for what the IOMMU never saw. */
void fault_note(struct ioas_fault *fault, struct ioas_device *dev, const struct ioas_tlp *tlp,
		enum ioas_fault_reason reason);
/* The same where there is a reason, or a requester ID was claimed and that is on record. */
static inline void fault_look_if(struct ioas_fault *fault, struct ioas_device *dev,
				 const struct ioas_tlp *tlp, uint64_t done,
				 enum ioas_fault_reason reason, bool claimed)
{
	if (__builtin_expect(reason && reason != TLP_MOVING, 0))
		fault_look(fault, dev, tlp, tlp->addr + done, reason);
	else if (__builtin_expect(!reason && claimed, 0))
		fault_look(fault, dev, tlp, tlp->addr, IOAS_PASSED_CLAIMED);
}
/*
 * Not in flight: numbers the record, keeps it, counts it, tells the issuer and the host. Returns
 * -EFAULT, or 0 for one that passed.
 */
int fault_record(struct ioas_issuer *issuer, struct ioas_fault *fault);
/* The same for what is no issuer's newest: nobody is told but the log and the host. */
void fault_add(struct ioas_iommu *iommu, struct ioas_fault *fault);
/* The same of a device, where no issuer has to do with it. */
void fault_keep(struct ioas_device *dev, struct ioas_fault *fault);

#endif
