/* SPDX-License-Identifier: MIT */
/*
 * Inside an IO address space.
 *
 * Words. An *area* is one mapping, first..last inclusive. *Pages* are a piece of caller memory that
 * one or several areas (COPY) show. A *domain* is a page table that the space keeps filled: while
 * a space has one, every area's pages are pinned, have a window in the physical map, and are
 * entered in each domain. *Reserved* ranges can't be mapped, *allowed* ones restrict where
 * addresses are chosen.
 *
 * Lock order: dmabufs (of the instance) -> space -> pages (of the instance, only for those that
 * COPY shares) -> mem map. COPY locks its source and its destination one after the other, never
 * both; only CHANGE_PROCESS holds several spaces, by rising id with the context's lock held.
 */
#ifndef SPACE_SPACE_H
#define SPACE_SPACE_H

#include <ioas/space.h>
#include <ioas/door.h>
#include "mem/account.h"
#include "pt/pt.h"

/*
 * Attaches a page table to the space: reserves what lies outside the table's aperture, pins all
 * pages and enters them. From then on all addresses are multiples of its smallest page. `pt` stays
 * the caller's. 0; -EEXIST attached already; -EADDRINUSE a mapping or allowed range lies outside,
 * or is misaligned; -EFAULT; -ENOMEM. An error changes nothing.
 */
int space_domain_attach(struct ioas_space *space, struct pt *pt, struct ioas_why *why);
/* Takes the entries out again, and unpins with the last domain. On return no TLP uses them. */
void space_domain_detach(struct ioas_space *space, struct pt *pt);

/*
 * Dirty tracking of an attached table (pt_dirty_...), with the space locked.
 * track: on also makes all of it clean; on return every write that it misses has landed. Not while
 * a reading goes on.
 * read: as pt_dirty_read, whose `inflight` it fills in, but nothing is dirty while it is off.
 * put_back: what was told of a piece as ranges and lines, with `clear`, could not be passed on, and
 * is dirty again. put_back_lines: the same of lines side by side, the first one's pages from
 * `first`. end: pt_dirty_end. set: the leaf at iova, for a write that only a test made; 0 or
 * -ENOENT.
 */
void space_dirty_track(struct ioas_space *space, struct pt *pt, bool on);
bool space_dirty_read(struct ioas_space *space, struct pt *pt, struct pt_dirty *read);
void space_dirty_put_back(struct ioas_space *space, struct pt *pt, const struct pt_dirty *read);
void space_dirty_put_back_lines(struct ioas_space *space, struct pt *pt, const pt_dirty_line *lines,
				size_t nr, iova_t first);
void space_dirty_end(struct ioas_space *space, struct pt *pt);
int space_dirty_set(struct ioas_space *space, struct pt *pt, iova_t iova);

/*
 * Reserves a range for `owner` (any pointer). May overlap others' reserved ranges. -EADDRINUSE a
 * mapping or an allowed range is there; -ENOMEM. Dropped by owner.
 */
int space_reserve(struct ioas_space *space, iova_t first, iova_t last, const void *owner,
		  struct ioas_why *why);
void space_unreserve(struct ioas_space *space, const void *owner);

/* IOMMU_OPTION_HUGE_PAGES: leaves above one page allowed? set: as 5.6 of the option's errors. */
bool space_huge_pages(struct ioas_space *space);
int space_set_huge_pages(struct ioas_space *space, bool on, struct ioas_why *why);

/* One mapping, for VFIO type1's own rules. 0, or -ENOENT none at or after iova. */
struct space_area_info {
	struct ioas_range range;
	uint32_t prot;
};
int space_area_at_or_after(struct ioas_space *space, iova_t iova, struct space_area_info *out);
/* Has the program mapped anything there, shown or (in a nested space) blocked? */
bool space_maps_any(struct ioas_space *space, iova_t first, iova_t last);
/*
 * Cuts the mapping that goes on behind `last` in two there. Only where leaves above one page are
 * forbidden, else nothing happens. 0; -EBUSY it is being unmapped; -EINVAL `last` ends no page, or
 * an access has pinned some of it; -ENOMEM.
 */
int space_cut(struct ioas_space *space, iova_t last, struct ioas_why *why);
/* Number of mappings. */
uint64_t space_area_nr(struct ioas_space *space);

/* Who pays for what is mapped from now on. A new space limits nobody. Before its first use. */
void space_set_rule(struct ioas_space *space, enum account_rule rule);

struct mem_file;
/*
 * As ioas_space_map, of `len` bytes at `start` of a file; the space takes a reference of its own.
 * With a page table attached also -EINVAL, -EPERM as mem_file_pin; and for a dma-buf, page table or
 * not, -EINVAL the range is not in it; -ENODEV it is revoked.
 */
int space_map_file(struct ioas_space *space, struct ioas_caller *caller, struct mem_file *file,
		   iova_t *iova, uint64_t start, uint64_t len, uint32_t flags,
		   struct ioas_why *why);
/*
 * Revokes a dma-buf: takes it out of all page tables of the instance, while its areas stay. On
 * return no transaction uses it. Not revoked: it can be mapped again. Never fails.
 */
void space_dmabuf_revoke(struct ioas_iommu *iommu, struct mem_file *file, bool revoked);

/*
 * Lets `caller` pay for all that the spaces map, which are all those of one context, each once, in
 * an order that all calls keep. 0; -EINVAL something mapped is not of a file (a dma-buf is none);
 * -ENOMEM above the caller's limit. An error changes nothing.
 */
int space_change_process(struct ioas_space *const *spaces, size_t nr, struct ioas_caller *caller,
			 struct ioas_why *why);

/*
 * Locks what is mapped in first..last, in whole pages, for who uses its memory by physical address:
 * UNMAP answers -EBUSY until it is unlocked, and all addresses are multiples of a page. *pa is that
 * of `first`. A page table must be attached, and stay so. 0; -EADDRINUSE something is mapped that
 * is not aligned to pages; -ENOENT a part is not mapped; -EINVAL a dma-buf's memory, or
 * memory that lies otherwise in its pages; -EFAULT it is not contiguous, or cannot be pinned.
 */
int space_lock_range(struct ioas_space *space, iova_t first, iova_t last, pa_t *pa,
		     struct ioas_why *why);
void space_unlock_range(struct ioas_space *space, iova_t first, iova_t last);

struct ioas_iommu *space_iommu(struct ioas_space *space);

#endif
