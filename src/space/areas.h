/* SPDX-License-Identifier: MIT */
/*
 * The areas of a space in address order, and the search for the lowest free range that fits.
 *
 * They are in a B+ tree, so that looking one up meets few lines of memory and a mapping has no node
 * of its own. Each area stands for the *gap* before it. Beside each node its parent has a bound of
 * what could be mapped in the best gap below, once for each alignment a map can ask for; so the
 * lowest gap in which a request fits is found without looking at most others, however fragmented
 * the space is. Bounds may be too high: mapping does not touch them, unmapping raises those above
 * the gap that it leaves, and a search that fails below one makes it exact.
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
struct areas_fit {
	int16_t skip[AREAS_ORDERS - 2]; /* 16 KiB and more: one vector of the processor's */
	int32_t skip_odd;		/* 8 KiB */
	uint32_t pages;			/* 4 KiB */
};

/* One mapping. Belongs to the space whose tree it is in; protected by that space's lock. */
struct space_area {
	iova_t first, last;
	struct space_pages *pages;
	uint64_t offset;	 /* of its first byte in the pages */
	struct pages_pin *pin;	 /* for page tables; NULL: the space has none */
	struct space_area *next; /* in a list of such that are in no tree */
	uint32_t accesses;	 /* parts of accesses' pins */
	uint32_t locks;		 /* it cannot be unmapped: lock.c */
	uint32_t busy;		 /* copies of accesses at work */
	uint8_t prot;		 /* enum ioas_prot */
	bool closing;		 /* being unmapped: nothing new may use it */
};

struct areas {
	struct areas_node *root;  /* NULL: there are none */
	struct areas_node *spare; /* for areas_insert */
	unsigned spare_nr;
	uint64_t nr;
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
/* Can a request fit where this is the bound? */
bool areas_fits(const struct areas_fit *fit, const struct areas_request *req);
/* *fit becomes the larger of the two, alignment by alignment. */
void areas_fit_merge(struct areas_fit *restrict fit, const struct areas_fit *restrict other);

#endif
