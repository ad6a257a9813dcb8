/* SPDX-License-Identifier: MIT */
/*
 * A volatile write cache: what was written to a drive and not flushed, kept in memory.
 *
 * A radix tree of 4 KiB pages by their number in the drive, each with a bit for every 512-byte
 * sector that it holds. A mark in place of a page or of a whole subtree says that it was zeroed, so
 * that zeroing a terabyte takes a few nodes. Grows at the root as higher pages come in.
 */
#ifndef NVME_VOLATILE_H
#define NVME_VOLATILE_H

#include <stdbool.h>
#include <stdint.h>

#define VOLATILE_PAGE_LG2 12
#define VOLATILE_PAGE_LEN (1u << VOLATILE_PAGE_LG2)

struct volatile_page {
	uint8_t valid; /* bit n: sector n is here */
	uint8_t data[VOLATILE_PAGE_LEN];
};

struct nvme_volatile {
	void *root;
	unsigned height; /* levels of nodes above the pages; 0: empty */
	uint64_t pages;
};

/* Pages first .. first + nr - 1: one page, or zeroes. */
struct volatile_extent {
	uint64_t first, nr;
	struct volatile_page *page; /* NULL: zeroes */
};

void volatile_fini(struct nvme_volatile *cache);
/* The page, made if need be; NULL: no memory. */
struct volatile_page *volatile_get(struct nvme_volatile *cache, uint64_t index);
/* The extent that holds page `from`, or else the first one after it. False: none. */
bool volatile_next(struct nvme_volatile *cache, uint64_t from, struct volatile_extent *out);
/* Forgets the extent that holds the page. */
void volatile_drop(struct nvme_volatile *cache, uint64_t index);
/*
 * A byte range (multiples of 512, len > 0) reads as zeroes from now on. -1: no memory; part of it
 * may do so.
 */
int volatile_zero(struct nvme_volatile *cache, uint64_t off, uint64_t len);
/* Sectors of a page that lie in off .. off + len - 1, as `valid` bits. */
uint8_t volatile_mask(uint64_t index, uint64_t off, uint64_t len);

#endif
