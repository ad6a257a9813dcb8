/* SPDX-License-Identifier: MIT */
/*
 * The areas of a space in address order, and the search for the lowest free range that fits.
 *
 * Each area stands for the *gap* before it. A subtree's summary says how many pages could be
 * mapped in its best gap, once for each alignment a map can ask for; so the lowest gap in which a
 * request fits is found by one descent, however fragmented the space is.
 */
#ifndef SPACE_AREAS_H
#define SPACE_AREAS_H

#include <ioas/types.h>
#include "util/tree.h"

struct pages_pin;
struct space_pages;

/* Alignments 4 KiB (and below), 8 KiB ... 2 MiB. */
#define AREAS_ORDERS	10
#define AREAS_ALIGN_MIN 4096ull
#define AREAS_ALIGN_MAX (AREAS_ALIGN_MIN << (AREAS_ORDERS - 1))

/*
 * For each alignment how many pages can be mapped in the best gap, a broken page counting as one:
 * a bound that no request larger than it fits, exact where all is page-aligned and below 2^32 - 1
 * pages. The best gap for a larger alignment has hardly fewer pages than the best of all, less than
 * the alignment: only the difference is kept, and where it is more than there are nothing fits.
 */
struct areas_fit {
	int16_t skip[AREAS_ORDERS - 2]; /* 16 KiB and more: one vector of the processor's */
	int32_t skip_odd;		/* 8 KiB */
	uint32_t pages;			/* 4 KiB */
};

/* One mapping. Belongs to the space whose tree it is in; protected by that space's lock. */
struct space_area {
	struct tree_node node; /* its tag is the area's enum ioas_prot */
	iova_t first, last;
	uint64_t gap_first; /* first free address of the gap before it; == first: no gap */
	struct areas_fit fit;
	struct space_pages *pages;
	uint64_t offset;       /* of its first byte in the pages */
	struct pages_pin *pin; /* for page tables; NULL: the space has none */
	uint32_t accesses;     /* parts of accesses' pins */
	uint32_t locks;	       /* it cannot be unmapped: lock.c */
	uint32_t busy;	       /* copies of accesses at work */
	bool closing;	       /* being unmapped: nothing new may use it */
};

struct areas {
	struct tree tree;
	uint64_t nr;
};

/* What to find room for. */
struct areas_request {
	uint64_t len;
	uint64_t align;	 /* power of two, at most AREAS_ALIGN_MAX */
	uint64_t offset; /* below 4096, multiple of align: ORed into the aligned address */
};

void areas_init(struct areas *areas);
/* Adds an area that overlaps no other; first and last are set. */
void areas_insert(struct areas *areas, struct space_area *area);
void areas_remove(struct areas *areas, struct space_area *area);
/* The first area that ends at or after iova, or NULL. */
struct space_area *areas_find(const struct areas *areas, iova_t iova);
/* The area after, or NULL. */
struct space_area *areas_next(const struct space_area *area);

/* The address a request would take in an empty range that begins at `first`; false: none. */
bool areas_place(const struct areas_request *req, iova_t first, iova_t last, iova_t *out);
/* The lowest address in first..last where a request fits between the areas; false: none. */
bool areas_room(const struct areas *areas, const struct areas_request *req, iova_t first,
		iova_t last, iova_t *out);
/* The bound of areas_fit for first..last. */
void areas_fit_range(const struct areas *areas, iova_t first, iova_t last, struct areas_fit *out);
/* The bound of one empty range. */
void areas_fit_gap(iova_t first, iova_t last, struct areas_fit *out);
/* Can a request fit where this is the bound? */
bool areas_fits(const struct areas_fit *fit, const struct areas_request *req);
/* *fit becomes the larger of the two, alignment by alignment. */
void areas_fit_merge(struct areas_fit *fit, const struct areas_fit *other);

#endif
