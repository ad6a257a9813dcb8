/* SPDX-License-Identifier: MIT */
/* What the files of this folder share: the space itself, page objects, and filling tables. */
#ifndef SPACE_PRIVATE_H
#define SPACE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include "iommu.h"
#include "mem/account.h"
#include "mem/file.h"
#include "mem/mem.h"
#include "space/areas.h"
#include "space/ranges.h"
#include "space/space.h"

#define SPACE_PAGE 4096ull

/*
 * A piece of caller memory, or of a file. Filled (pinned, with a window in the physical map) while
 * an area that shows it lies in a space with a domain. Only COPY shares one, perhaps between two
 * spaces; so the fields below `refs` are protected by the lock of its only area's space, or by the
 * instance's pages lock while there is more than one reference. Who pays changes only with the
 * locks of all spaces of a context held.
 */
struct space_pages {
	_Atomic uint32_t refs;	    /* areas, and COPYs at work */
	uint32_t fills;		    /* areas that need it filled */
	struct ioas_caller *caller; /* constant */
	struct mem_file *file;	    /* constant; NULL: the caller's own memory */
	uint64_t va, len;	    /* constant, whole pages; in a file: offset */
	void *host;		    /* while filled: what pin answered */
	struct mem_window *window;  /* while filled */
	bool writable;		    /* constant: mapped with WRITE */
	bool moving;		    /* CHANGE_PROCESS has counted it */
	uint32_t epoch;		    /* constant once mapped: a dma-buf's at that time */
	uint64_t charged;	    /* bytes that the payer pays for now */
	struct account_payer payer;
};

/* A page table that is kept filled. */
struct space_domain {
	struct pt *pt;
	struct space_domain *next;
};

struct ioas_space {
	struct ioas_iommu *iommu; /* constant */
	_Atomic uint32_t refs;
	enum account_rule rule;		 /* constant once in use */
	struct ioas_space *dmabuf_next;	 /* (instance's dmabuf lock) has shown dma-bufs */
	struct ioas_space **dmabuf_prev; /* (likewise) NULL: never */
	pthread_mutex_t lock;		 /* protects all below */
	bool small_pages;		 /* IOMMU_OPTION_HUGE_PAGES is off */
	struct areas areas;
	struct reserved reserved;
	struct ioas_range *allowed; /* sorted, disjoint */
	size_t allowed_nr;
	struct zones zones;
	struct space_domain *domains;
	uint64_t domain_page; /* the largest of the domains' smallest pages; 1: no domain */
};

/* A piece of memory to map: some of a page object, of which it owns a reference. */
struct space_piece {
	struct space_pages *pages;
	uint64_t offset;
	uint64_t len;
};

/* pages.c */

/*
 * Makes a page object for va .. va + len - 1, which may begin and end inside a page, of the
 * caller's memory or of `file` (NULL: none). The caller pays for it by the space's rule. -ENOMEM.
 */
int pages_new(struct ioas_space *space, struct ioas_caller *caller, struct mem_file *file,
	      uint64_t va, uint64_t len, bool writable, struct space_pages **out);
struct space_pages *pages_get(struct space_pages *pages);
/* Nothing of the pages is filled when the last reference goes. NULL is fine. */
void pages_put(struct space_pages *pages);
/* `len` more bytes of the pages are pinned, or no longer. Locked. 0; -ENOMEM, and why. */
int pages_charge(struct space_pages *pages, uint64_t len, struct ioas_why *why);
void pages_uncharge(struct space_pages *pages, uint64_t len);
static inline bool pages_dmabuf(const struct space_pages *pages)
{
	return pages->file && mem_file_is_dmabuf(pages->file);
}
/* Has the dma-buf been revoked since it was mapped? Then no table may show it. */
static inline bool pages_revoked(const struct space_pages *pages)
{
	return pages_dmabuf(pages) && mem_dmabuf_epoch(pages->file, NULL) != pages->epoch;
}
/*
 * One more area needs these pages filled; the first one pins them and makes their window, congruent
 * with `iova`, where their first byte would be. 0, -EFAULT, -ENOMEM, or what mem_file_pin returns.
 * `why` is filled in where there is more to say than that.
 */
int pages_fill(struct ioas_iommu *iommu, struct space_pages *pages, iova_t iova,
	       struct ioas_why *why);
/*
 * The reverse, after the area's entries are gone and inflight_wait: waits for spans lent out, and
 * ends window and pin with the last area. Never fails.
 */
void pages_drain(struct ioas_iommu *iommu, struct space_pages *pages);

/* fill.c: all with the space's lock held. A list of areas is linked by node.child[1]. */

/*
 * Enters an area, whose pages are filled, in one table. 0, or -ENOMEM and some of it may be in: the
 * caller takes it out.
 */
int fill_enter(const struct ioas_space *space, struct pt *pt, const struct space_area *area);
/* Fills an area's pages and enters it in all domains. As pages_fill: an error has done nothing. */
int fill_area(struct ioas_space *space, struct space_area *area, struct ioas_why *why);
/*
 * Takes a list of areas, which lie in first..last with no other area among them, out of all
 * domains, and drains their pages. On return no transaction uses them. Never fails.
 */
void fill_undo(struct ioas_space *space, struct space_area *list, iova_t first, iova_t last);
/* Frees a list of areas and puts their pages. */
void fill_free(struct space_area *list);

/* map.c */

/*
 * Maps pieces one after the other (`len` bytes in all), all or nothing, at *iova or where `va`
 * suggests. Takes over the pieces' references, also when it fails. Takes the lock.
 */
int map_pieces(struct ioas_space *space, iova_t *iova, uint64_t va, struct space_piece *pieces,
	       size_t nr, uint64_t len, uint32_t flags, struct ioas_why *why);

/* file.c */

/* The space is about to show a dma-buf, whose revocation has to find it. Not locked. */
void space_shows_dmabuf(struct ioas_space *space);
/* It ends. */
void space_forget_dmabufs(struct ioas_space *space);

/* space.c: with the lock held */

/* Every address and length is a multiple of this. */
uint64_t space_alignment(const struct ioas_space *space);
/* 0, or -EADDRINUSE: an area is no multiple of `alignment`. */
int space_check_alignment(struct ioas_space *space, uint64_t alignment, struct ioas_why *why);
/* space_reserve without taking the lock. */
int reserve_locked(struct ioas_space *space, iova_t first, iova_t last, const void *owner,
		   struct ioas_why *why);
void unreserve_locked(struct ioas_space *space, const void *owner);

#endif
