/* SPDX-License-Identifier: MIT */
/*
 * What an issuer remembers of its translations: the IOTLB of one thread of a device, in its own
 * memory, without a lock. Of translated requests (ATS) it remembers which addresses were handed out
 * to the device, and what memory is there.
 *
 * Entries are ranges: all of a leaf that is one piece of host memory. They hold as long as nothing
 * of the machine has been unpublished, be it a mapping, a route, a page that moves, or dirty bits:
 * each of these ends with inflight_wait, whose count is the generation that entries carry. A batch
 * reads the generation when it is in flight: then whoever unpublishes later waits for its end. So
 * a hit compares a generation of the issuer's own, and what UNMAP promises holds at any state of
 * the cache. What was refused is not remembered.
 *
 * A leaf of a page table that tracks dirty bits is remembered for writing once its bit is set: who
 * clears bits begins a generation.
 *
 * Of a stage 1 in the program's memory both stages are remembered as one. What the program changes
 * there without saying so may go on as it was, as with any IOMMU; INVALIDATE begins a generation.
 */
#ifndef TLP_IOTLB_H
#define TLP_IOTLB_H

#include <ioas/batch.h>
#include "tlp/inflight.h"
#include "tlp/psc.h"

struct mem_window;
struct pt;
struct stage1;

/*
 * By which form of request: flags, address type and PASID. 0: not to be remembered, since each is
 * to be looked at: who claims a requester ID, and who asks for no snoop, which is counted.
 */
#define IOTLB_FORM     (1ull << 63)
#define IOTLB_AT_SHIFT 48
static inline uint64_t iotlb_form_of(const struct ioas_tlp *tlp)
{
	uint64_t pasid = tlp->flags & IOAS_TLP_PASID ? tlp->pasid : 0;
	uint64_t at = (uint64_t)tlp->at << IOTLB_AT_SHIFT;

	return IOTLB_FORM | (uint64_t)tlp->flags << 32 | at | pasid;
}

/* Is it a form to be remembered, of requests that are translated here? */
static inline bool iotlb_untranslated(uint64_t form)
{
	return form >> IOTLB_AT_SHIFT == IOTLB_FORM >> IOTLB_AT_SHIFT;
}

static inline uint64_t iotlb_form(const struct ioas_tlp *tlp)
{
	if (__builtin_expect(tlp->flags & (IOAS_TLP_RID | IOAS_TLP_NO_SNOOP), 0))
		return 0;
	return iotlb_form_of(tlp);
}

struct iotlb_entry {
	uint64_t generation; /* valid if it is the issuer's */
	uint64_t form;
	iova_t first, last;
	uintptr_t to_host; /* an IOVA plus this is where this process sees it */
	struct mem_window *window;
	uint32_t ops; /* 1 << enum ioas_tlp_op */
	/* An IOVA plus this is what the page table translates: 0, unless a stage 1 is before it. */
	uint64_t to_table;
};

/*
 * By how long a range is it has its place, each kind its own entries, of which the address chooses
 * one: 1 << index_lg2, one for each 1 << page_lg2 bytes side by side. Pages are few, since most are
 * found by their tables (psc.h).
 */
struct iotlb_kind {
	uint8_t page_lg2;
	uint8_t index_lg2;
	uint16_t first; /* the entry that is the first of the kind */
};

static const struct iotlb_kind iotlb_kinds[] = {
	{12, 6, 0}, {21, 8, 64}, {27, 6, 320}, {30, 7, 384}};
#define IOTLB_KINDS (sizeof(iotlb_kinds) / sizeof(iotlb_kinds[0]))
#define IOTLB_NR    512

struct iotlb {
	uint64_t generation;	 /* of the batch */
	struct iotlb_entry *hot; /* the newest hit; never NULL */
	struct {
		uint64_t generation, form;
		struct pt *pt;
		struct stage1 *stage1;
	} route; /* the newest */
	struct iotlb_entry entry[IOTLB_NR];
	struct iotlb_entry by_psc; /* the page that psc found last */
	struct psc psc;
	struct {
		uint64_t generation;
		struct ioas_batch_place newest, aside;
		const struct ioas_batch_way *way;
	} ended; /* what the last batch ended with; newest.ops 0: with nothing */
};

static inline void iotlb_init(struct iotlb *tlb)
{
	tlb->hot = &tlb->entry[0];
}

static inline struct iotlb_entry *iotlb_at(struct iotlb *tlb, struct iotlb_kind kind, uint64_t form,
					   iova_t addr)
{
	/* PASIDs next to one another, at the same address, must not meet in one entry. */
	uint64_t hash = form * 0x9e3779b97f4a7c15ull >> 48;

	return &tlb->entry[kind.first +
			   (((addr >> kind.page_lg2) ^ hash) & ((1u << kind.index_lg2) - 1))];
}

/* Where a range of that length around addr is remembered. */
static inline struct iotlb_entry *iotlb_place(struct iotlb *tlb, uint64_t form, iova_t addr,
					      uint64_t len)
{
	unsigned i = IOTLB_KINDS - 1;

	while (i && len >> iotlb_kinds[i].page_lg2 == 0)
		i--;
	return iotlb_at(tlb, iotlb_kinds[i], form, addr);
}

static inline bool iotlb_hits(const struct iotlb *tlb, const struct iotlb_entry *entry,
			      uint64_t form, iova_t addr, unsigned op)
{
	return entry->generation == tlb->generation && entry->form == form &&
	       addr - entry->first <= entry->last - entry->first && entry->ops >> op & 1;
}

/* The newest, if it covers addr. In flight only, as what follows. */
static inline struct iotlb_entry *iotlb_hot(struct iotlb *tlb, uint64_t form, iova_t addr,
					    unsigned op)
{
	return __builtin_expect(iotlb_hits(tlb, tlb->hot, form, addr, op), 1) ? tlb->hot : NULL;
}

/* Any entry that covers addr, or NULL. */
static inline struct iotlb_entry *iotlb_find(struct iotlb *tlb, uint64_t form, iova_t addr,
					     unsigned op)
{
	if (iotlb_hot(tlb, form, addr, op))
		return tlb->hot;
#pragma GCC unroll 4
	for (unsigned i = 0; i < IOTLB_KINDS; i++) {
		struct iotlb_entry *entry = iotlb_at(tlb, iotlb_kinds[i], form, addr);

		if (iotlb_hits(tlb, entry, form, addr, op)) {
			tlb->hot = entry;
			return entry;
		}
	}
	return NULL;
}

#endif
