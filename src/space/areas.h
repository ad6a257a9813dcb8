/* SPDX-License-Identifier: MIT */
/*
 * The areas of a space in address order, and the search for the lowest free range that fits.
 *
 * They are in a B+ tree, so that looking one up meets few lines of memory and a mapping has no node
 * of its own. Each area stands for the *gap* before it. Beside each node its parent has a bound of
 * what could be mapped in the best gap below, once for each alignment a map can ask for; so the
 * lowest gap in which a request fits is found without looking at most others, however fragmented
 * the space is. Bounds may be too high: mapping does not touch them, unmapping raises those above
 * the gap that it leaves, if that is large for more than it needs, and a search that fails below
 * one makes it exact.
 *
 * Where the last one was found, entered or taken out is remembered: UNMAP finds an area and takes
 * it out, then mostly the next one, MAP looks whether there is room and enters one there.
 */
#ifndef SPACE_AREAS_H
#define SPACE_AREAS_H

#include <stdbool.h>
#include <stddef.h>
#include <ioas/types.h>

/* No lower address is ever chosen: what is free there is no room. */
#define AREAS_CHOOSE_FIRST 4096ull

struct areas_node;
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
#define AREAS_FIT_FAR 1024 /* larger than any difference within one */
struct areas_fit {
	int16_t skip[AREAS_ORDERS - 2]; /* 16 KiB and more: one vector of the processor's */
	int32_t skip_odd;		/* 8 KiB */
	uint32_t pages;			/* 4 KiB */
};

/*
 * One mapping. Belongs to the space whose tree it is in; protected by that space's lock. Mostly it
 * is part of the page object that it shows (private.h), which then says all that is not here.
 */
struct space_area {
	iova_t first, last;
	union {
		struct {		   /* in a tree: */
			uint32_t accesses; /* parts of accesses' pins */
			uint32_t locks;	   /* it cannot be unmapped: lock.c */
		};
		struct space_area *next; /* or in a list of such that are in none */
	};
	uint32_t busy;	  /* copies of accesses at work */
	uint16_t offset;  /* of its first byte in the pages, unless it is apart */
	uint8_t prot;	  /* enum ioas_prot */
	bool closing : 1; /* being unmapped: nothing new may use it */
	bool pinned : 1;  /* for page tables; else the space has none */
	bool apart : 1;	  /* constant: it is an area_apart */
};

struct areas {
	struct areas_node *root;  /* NULL: there are none */
	struct areas_node *spare; /* for areas_insert */
	unsigned spare_nr;
	unsigned near_at; /* so many of the leaf `near`'s begin below `near_iova`, */
	uint64_t nr;
	struct areas_node *near; /* which belongs there; NULL: nothing is remembered */
	iova_t near_iova;
};

/* What to find room for. */
struct areas_request {
	uint64_t len;
	uint64_t align;	 /* power of two, at most AREAS_ALIGN_MAX */
	uint64_t offset; /* below 4096, multiple of align: ORed into the aligned address */
};

void areas_init(struct areas *areas);
/* There are none left. */
void areas_fini(struct areas *areas);
/* Memory for `nr` more, one after the other with no other area between. 0 or -ENOMEM. */
int areas_reserve(struct areas *areas, size_t nr);
/* Adds an area that overlaps no other, after areas_reserve; first and last are set. */
void areas_insert(struct areas *areas, struct space_area *area);
void areas_remove(struct areas *areas, struct space_area *area);
/* The first area that ends at or after iova, or NULL. */
struct space_area *areas_find(const struct areas *areas, iova_t iova);
/* The same, by who is going to take it out, or to enter one there. */
struct space_area *areas_seek(struct areas *areas, iova_t iova);
/* The area after, or NULL. */
struct space_area *areas_next(const struct areas *areas, const struct space_area *area);

/* The address a request would take in an empty range that begins at `first`; false: none. */
bool areas_place(const struct areas_request *req, iova_t first, iova_t last, iova_t *out);
/*
 * The lowest address in first..last where a request fits between the areas; false: none. `first` is
 * at least AREAS_CHOOSE_FIRST.
 */
bool areas_room(const struct areas *areas, const struct areas_request *req, iova_t first,
		iova_t last, iova_t *out);
/* The bound of areas_fit for first..last. */
void areas_fit_range(const struct areas *areas, iova_t first, iova_t last, struct areas_fit *out);
/* The bound of one empty range. */
void areas_fit_gap(iova_t first, iova_t last, struct areas_fit *out);
/* What it says for an alignment of 4 KiB << order, in pages; none fit where it is below 1. */
int64_t areas_fit_pages(const struct areas_fit *fit, unsigned order);
/* Can a request fit where this is the bound? */
bool areas_fits(const struct areas_fit *fit, const struct areas_request *req);
/* *fit becomes the larger of the two, alignment by alignment. */
void areas_fit_merge(struct areas_fit *restrict fit, const struct areas_fit *restrict other);

#endif
