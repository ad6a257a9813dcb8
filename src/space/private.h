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

/* What one call of the caller's pin answered. Lives while a pin shows some of it. */
struct pages_memory {
	void *host;	     /* constant */
	uint64_t start, len; /* constant: in the pages, whole pages */
	uint32_t refs;	     /* of pins that hold some of it */
};

/* A part of such memory that a pin shows. */
struct pages_held {
	struct pages_memory *memory;
	uint64_t start, end; /* in the pages */
};

/*
 * Some of a page object, pinned, with a window in the physical map: what an area shows, while page
 * tables need it, or what an access was asked for. Pins that overlap show the same memory, whatever
 * the program has done with its own mapping since the first of them. A page is given back as soon
 * as no pin covers it. Those that came from one that was cut share its window.
 *
 * It is a pages_first's or a pin_block's, which pin_start and so on below know.
 */
struct pages_pin {
	uint32_t users;
	uint32_t tag; /* PIN_... */
};
#define PIN_ENDING 1u /* nobody new may use it, but what it covers is pinned yet */
#define PIN_FIRST  2u /* constant: a pages_first's */
#define PIN_IN	   4u /* a first one: it is among the pins of its pages */

/* Of a pin among others: by start, then length; several may be equal. */
struct pin_entry {
	struct tree_node node;
	uint64_t max; /* end of the pin of this subtree that ends last */
	struct pages_pin *pin;
};

/* A pin, its window, and what it holds. The window may live on after it, for those that share it.
 */
struct pin_block {
	uint32_t shared; /* pins that show the window */
	bool pin_used, window_used;
	struct mem_window_owned own;
	struct pages_pin pin;
	uint64_t start, len;	  /* constant: in the pages, whole pages */
	uint64_t skip;		  /* constant: where it begins in the window */
	struct mem_window *shows; /* constant: its own, or that of the pin that was cut */
	struct pin_entry entry;
	uint32_t held_nr;
	struct pages_held held[]; /* by start, all of it */
};

struct pages_others;

/* Whose memory a page object is of. */
enum pages_of {
	PAGES_OF_CALLER,
	PAGES_OF_FILE,
	PAGES_OF_DMABUF,
};

struct pages_dmabuf {
	struct mem_file *file;
	uint32_t epoch; /* as it was mapped */
};

/*
 * A piece of caller memory, or of a file. Only COPY shares one, perhaps between two spaces; so the
 * fields below `refs` are protected by the lock of its only area's space, or by the instance's
 * pages lock while there is more than one reference. Who pays changes only with the locks of all
 * spaces of a context held.
 *
 * There is one for each mapping. So it has no field for what another one says, or for what only
 * some need: its length is at the end, or in a pages_first; pins that are not alone, and what goes
 * with them, are in `others`.
 */
struct space_pages {
	_Atomic uint32_t refs; /* areas, and COPYs at work */
	bool writable;	       /* constant: mapped with WRITE */
	bool moving;	       /* CHANGE_PROCESS has counted it */
	bool area_used;	       /* `area` is one, or was */
	uint8_t of : 2;	       /* constant: enum pages_of */
	bool has_first : 1;    /* constant: it is a pages_first; else a pages_plain */
	union {		       /* constant */
		struct ioas_caller *caller;
		struct mem_file *file;
		struct pages_dmabuf *dmabuf;
	};
	uint64_t va;			       /* constant, of a whole page; in a file: offset */
	_Atomic(struct pages_others *) others; /* NULL: there is no pin, or a lonely first one */
	struct account_share *payer;
	struct space_area area; /* the first that shows it; COPY's are by themselves */
};

struct pages_plain {
	struct space_pages pages;
	uint64_t len; /* constant, whole pages */
};

/*
 * A page object with what it mostly needs in a space that has page tables: the pin of all of it,
 * made when there is no other, with its window, whose length is always that of the pages, and its
 * memory.
 */
struct pages_first {
	struct space_pages pages;
	struct mem_window window;
	void *host; /* what the caller's pin answered */
	struct pages_pin pin;
};

/*
 * The pins of a page object, since there was one beside a lonely first one; until the pages go.
 * What it says of the first pin is right as long as it is there.
 */
struct pages_others {
	struct tree_node *pins; /* all, a lonely first one excepted */
	/* What the first pin has no room for: */
	struct pin_entry first;	    /* `pin` is NULL: it is not among them */
	struct pages_memory memory; /* of which others may hold some */
	uint32_t shared;	    /* pins that show its window */
	/*
	 * (lock of the space of the page object's own area) What shows that, if it is pinned; NULL:
	 * the first pin.
	 */
	struct pages_pin *shown;
};

/* An area that is not part of its pages. */
struct area_apart {
	struct space_area area;
	struct space_pages *pages;
	uint64_t offset;
	struct pages_pin *pin;
};

static inline struct pages_first *pin_first(const struct pages_pin *pin)
{
	return tree_entry((uintptr_t)pin, struct pages_first, pin);
}

static inline struct pin_block *pin_block(const struct pages_pin *pin)
{
	return tree_entry((uintptr_t)pin, struct pin_block, pin);
}

/* Where it begins and how long it is, in the pages; */
static inline uint64_t pin_start(const struct pages_pin *pin)
{
	return pin->tag & PIN_FIRST ? 0 : pin_block(pin)->start;
}

static inline uint64_t pin_len(const struct pages_pin *pin)
{
	return pin->tag & PIN_FIRST ? pin_first(pin)->window.len : pin_block(pin)->len;
}

/* which window shows it, and where it begins there. */
static inline struct mem_window *pin_window(const struct pages_pin *pin)
{
	return pin->tag & PIN_FIRST ? &pin_first(pin)->window : pin_block(pin)->shows;
}

static inline uint64_t pin_skip(const struct pages_pin *pin)
{
	return pin->tag & PIN_FIRST ? 0 : pin_block(pin)->skip;
}

static inline struct pages_first *pages_first(const struct space_pages *pages)
{
	return tree_entry((uintptr_t)pages, struct pages_first, pages);
}

static inline struct pages_plain *pages_plain(const struct space_pages *pages)
{
	return tree_entry((uintptr_t)pages, struct pages_plain, pages);
}

static inline uint64_t pages_len(const struct space_pages *pages)
{
	return pages->has_first ? pages_first(pages)->window.len : pages_plain(pages)->len;
}

static inline bool pages_dmabuf(const struct space_pages *pages)
{
	return pages->of == PAGES_OF_DMABUF;
}

static inline struct pages_others *pages_others(const struct space_pages *pages)
{
	return atomic_load_explicit(&pages->others, memory_order_acquire);
}

/* The file they are of, or NULL. */
static inline struct mem_file *pages_file(const struct space_pages *pages)
{
	if (__builtin_expect(pages->of == PAGES_OF_CALLER, 1))
		return NULL;
	return pages_dmabuf(pages) ? pages->dmabuf->file : pages->file;
}

static inline struct area_apart *area_apart(const struct space_area *area)
{
	return tree_entry((uintptr_t)area, struct area_apart, area);
}

/* What an area shows, */
static inline struct space_pages *area_pages(const struct space_area *area)
{
	return __builtin_expect(area->apart, 0)
		       ? area_apart(area)->pages
		       : tree_entry((uintptr_t)area, struct space_pages, area);
}

/* where its first byte is in these, */
static inline uint64_t area_offset(const struct space_area *area)
{
	return __builtin_expect(area->apart, 0) ? area_apart(area)->offset : area->offset;
}

/*
 * and the pin for page tables, if the space has any; else NULL. Mostly it is the first one, beside
 * which there never was another; area.c knows the rest.
 */
static inline bool area_by_first(const struct space_area *area)
{
	return __builtin_expect(!area->apart && area->pinned && !pages_others(area_pages(area)), 1);
}

struct pages_pin *area_pinned_apart(const struct space_area *area);
static inline struct pages_pin *area_pinned(const struct space_area *area)
{
	return area_by_first(area) ? &pages_first(area_pages(area))->pin : area_pinned_apart(area);
}

/* From now on that pin shows it. */
void area_shown_by(struct space_area *area, struct pages_pin *pin);

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
	struct pool_shelf pages_shelf, first_shelf; /* memory for more */
	struct account_purse payer;		    /* who mapped last */
	struct reserved reserved;
	struct ioas_range *allowed; /* sorted, disjoint */
	size_t allowed_nr;
	struct zones zones;
	struct space_domain *domains;
	uint32_t locks;		      /* ranges that are locked: lock.c */
	struct access_link *accesses; /* those attached */
	uint32_t pinning;	      /* how many of them pin */
	uint64_t domain_page;	      /* the largest of the domains' smallest pages; 1: no domain */
	pthread_cond_t idle;	     /* an area's `accesses` or `busy`, or a link's `calls`, sank */
	struct space_nest *nest;     /* constant once it is in use: on a parent; or NULL. nest.c */
	struct ioas_space *children; /* those nested on it */
	_Atomic bool is_parent;	     /* it has, or had, any */
};

/* What to make a page object of: memory that begins and ends where it likes. */
struct pages_spec {
	struct ioas_caller *caller; /* NULL: this process */
	struct mem_file *file;	    /* NULL: the caller's memory */
	uint64_t va, len;	    /* in a file: offset */
	bool writable;
	uint32_t epoch;
};

/* A piece of memory to map: some of a page object, of which it owns a reference. */
struct space_piece {
	struct space_pages *pages;     /* NULL: to be made, of all that `spec` says */
	const struct pages_spec *spec; /* or NULL */
	uint64_t offset;
	uint64_t len;
};

/* map.c: may that be mapped at a fixed address? Locked. 0; -EINVAL; -EOVERFLOW; -EEXIST. */
int space_check_fixed(struct ioas_space *space, iova_t iova, uint64_t len, struct ioas_why *why);
/* unmap.c: the areas of the space itself, as ioas_space_unmap. `len` may be NULL. */
int space_unmap(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		struct ioas_why *why);
/* space.c: a reference, unless the last one has gone. */
bool space_get_if_used(struct ioas_space *space);

/* pages.c */

/* Makes a page object. The caller pays for it by the space's rule. Space locked. -ENOMEM. */
int pages_new(struct ioas_space *space, const struct pages_spec *spec, struct space_pages **out);
struct space_pages *pages_get(struct space_pages *pages);
/*
 * Nothing of the pages is pinned when the last reference goes. NULL is fine. The second one with
 * the lock of any space held.
 */
void pages_put(struct ioas_iommu *iommu, struct space_pages *pages);
void pages_put_locked(struct ioas_space *space, struct space_pages *pages);
/* `len` more bytes of the pages are pinned, or no longer. Locked. 0; -ENOMEM, and why. */
int pages_charge(struct space_pages *pages, uint64_t len, struct ioas_why *why);
static inline void pages_uncharge(struct space_pages *pages, uint64_t len)
{
	if (!pages_dmabuf(pages))
		account_uncharge(&pages->payer->payer, len);
}
/* Has the dma-buf been revoked since it was mapped? Then no table may show it. */
static inline bool pages_revoked(const struct space_pages *pages)
{
	return pages_dmabuf(pages) &&
	       mem_dmabuf_epoch(pages->dmabuf->file, NULL) != pages->dmabuf->epoch;
}
/*
 * Makes `len` bytes at `start` of the pages (whole pages) present: the only way to their memory,
 * and its end. 0, -EFAULT, -ENOMEM, or what mem_file_pin returns. `why` is filled in where there is
 * more to say than that.
 */
int pages_memory_pin(struct ioas_iommu *iommu, struct space_pages *pages, uint64_t start,
		     uint64_t len, void **host, struct ioas_why *why);
/*
 * `len` bytes at `start` of it are pinned no more; and the last reference to it goes. One of the
 * two gives a byte back.
 */
void pages_memory_unpin(struct space_pages *pages, const struct pages_memory *memory,
			uint64_t start, uint64_t len);
void pages_memory_end(struct space_pages *pages, const struct pages_memory *memory);
/* Both at once, of memory that is pinned whole. */
void pages_memory_give(struct space_pages *pages, uint64_t start, uint64_t len, void *host);

/* pin.c: all with the lock of a space held that has them; "locked" is pages_lock. */

/*
 * Who holds the lock of the space of the only reference keeps others from getting one: then there
 * is nobody to lock out, and the answer is false.
 */
static inline bool pages_lock(struct ioas_iommu *iommu, struct space_pages *pages)
{
	if (atomic_load_explicit(&pages->refs, memory_order_acquire) == 1)
		return false;
	pthread_mutex_lock(&iommu->pages_lock);
	return true;
}

static inline void pages_unlock(struct ioas_iommu *iommu, bool locked)
{
	if (locked)
		pthread_mutex_unlock(&iommu->pages_lock);
}
/*
 * Pins whole pages start .. start + len - 1, with a window congruent with `iova`. What other pins
 * cover is not looked at again, nor paid for. Locked. Errors and `why` as pages_memory_pin.
 */
int pages_pin(struct ioas_space *space, struct space_pages *pages, uint64_t start, uint64_t len,
	      iova_t iova, struct pages_pin **out, struct ioas_why *why);
/*
 * Cuts what one user of a pin has of it in two at `at`, whole pages inside it; the user has the
 * halves instead. The window stays where it is, shared. Locked. 0 or -ENOMEM.
 */
int pages_cut(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin,
	      uint64_t at, struct pages_pin *half[2]);
/*
 * The reverse of pages_pin, the pages not locked. Nothing of the window that was lent before is
 * lent then. Never fails.
 */
void pages_unpin(struct ioas_space *space, struct space_pages *pages, struct pages_pin *pin);
/*
 * The same for who is the only user of a first pin, beside which there never was another. Locked,
 * or nobody else has the pages; all that was lent is back.
 */
void pages_unpin_first(struct ioas_space *space, struct pages_first *first);
/*
 * A pin that shows byte `at` of the pages, or NULL: none does, and *end receives where the next one
 * begins, if it is below *end. Locked; O(log n).
 */
struct pages_pin *pages_pin_at(const struct space_pages *pages, uint64_t at, uint64_t *end);
/* How many bytes of the pages are pinned. Locked; takes as long as there are pins. */
uint64_t pages_pinned(const struct space_pages *pages);

/* area.c: all with the space's lock held. A list of areas is linked by `next`. */

/*
 * An area that shows pages, `offset` on, and takes over a reference, zeroed but for that. NULL: no
 * memory.
 */
struct space_area *area_new(struct space_pages *pages, uint64_t offset);
/* Puts its pages; and those of a list. */
void area_free(struct ioas_space *space, struct space_area *area);
void areas_free(struct ioas_space *space, struct space_area *list);
/* Pins what an area shows, for the page tables that the space has; errors as pages_pin. */
int area_pin(struct ioas_space *space, struct space_area *area, struct ioas_why *why);
/*
 * The reverse, after the area's entries are gone and inflight_wait: waits for spans lent out, never
 * fails.
 */
void area_unpin(struct ioas_space *space, struct space_area *area);
/* Where an area that is pinned begins in the physical map. */
static inline pa_t area_pa(const struct space_area *area)
{
	const struct pages_pin *pin;

	if (area_by_first(area))
		return pages_first(area_pages(area))->window.pa + area->offset;
	pin = area_pinned(area);
	return pin_window(pin)->pa + pin_skip(pin) + (area_offset(area) - pin_start(pin));
}

/* fill.c: as above. */

/*
 * Enters an area, which is pinned, in one table. 0, or -ENOMEM and some of it may be in: the
 * caller takes it out.
 */
int fill_enter(const struct ioas_space *space, struct pt *pt, const struct space_area *area);
/*
 * The entries of first..last are gone from all domains: on return no transaction uses them, a
 * translated one neither. Spans may be lent yet.
 */
void fill_settle(struct ioas_space *space, iova_t first, iova_t last, enum ioas_ats_cause cause);
/* Pins an area and enters it in all domains. As area_pin: an error has done nothing. */
int fill_area(struct ioas_space *space, struct space_area *area, struct ioas_why *why);
/*
 * Takes a list of areas, which lie in first..last with no other area among them, out of all
 * domains, and unpins them. On return no transaction uses them. Never fails.
 */
void fill_undo(struct ioas_space *space, struct space_area *list, iova_t first, iova_t last);

/* map.c */

/*
 * Maps pieces one after the other (`len` bytes in all), all or nothing, at *iova or where `va`
 * suggests. Takes over the pieces' references, also when it fails. Takes the lock.
 */
int map_pieces(struct ioas_space *space, iova_t *iova, uint64_t va, struct space_piece *pieces,
	       size_t nr, uint64_t len, uint32_t flags, struct ioas_why *why);
/* The same for programs: -EINVAL in a nested space; and the space's children show it, too. */
int map_into(struct ioas_space *space, iova_t *iova, uint64_t va, struct space_piece *pieces,
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
