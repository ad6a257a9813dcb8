/* SPDX-License-Identifier: MIT */
/*
 * A volatile write cache: what was written to a drive and not flushed, kept in memory.
 *
 * A radix tree of 4 KiB pages by their number in the drive, each with a bit for every 512-byte
 * sector that it holds. Grows at the root as higher pages come in.
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

void volatile_fini(struct nvme_volatile *cache);
/* The page, made if need be; NULL: no memory. */
struct volatile_page *volatile_get(struct nvme_volatile *cache, uint64_t index);
/* The first page at or after *index, which receives its number. NULL: none. */
struct volatile_page *volatile_next(struct nvme_volatile *cache, uint64_t *index);
/* Frees a page. */
void volatile_drop(struct nvme_volatile *cache, uint64_t index);
/* Forgets the sectors of a byte range (multiples of 512). */
void volatile_forget(struct nvme_volatile *cache, uint64_t off, uint64_t len);
/* Sectors of a page that lie in off .. off + len - 1, as `valid` bits. */
uint8_t volatile_mask(uint64_t index, uint64_t off, uint64_t len);

#endif
