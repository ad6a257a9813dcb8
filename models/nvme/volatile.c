/* SPDX-License-Identifier: MIT */
/* The volatile write cache: a radix tree of pages. */
#include <stdlib.h>
#include "nvme/volatile.h"

#define FAN_LG2 9
#define FAN	(1u << FAN_LG2)

struct node {
	unsigned used;
	void *slot[FAN]; /* nodes, or pages at the lowest level */
};

/* Does `index` fit below a root of `height` levels? */
static bool fits(unsigned height, uint64_t index)
{
	return height * FAN_LG2 >= 64 || !(index >> height * FAN_LG2);
}

static unsigned slot_of(uint64_t index, unsigned level)
{
	return index >> (level - 1) * FAN_LG2 & (FAN - 1);
}

static int grow(struct nvme_volatile *cache, uint64_t index)
{
	while (!cache->height || !fits(cache->height, index)) {
		struct node *node = calloc(1, sizeof(*node));

		if (!node)
			return -1;
		node->slot[0] = cache->root;
		node->used = cache->root != NULL;
		cache->root = node;
		cache->height++;
	}
	return 0;
}

/* Takes out empty nodes on the way to `index`. */
static void prune(struct nvme_volatile *cache, uint64_t index)
{
	struct node *path[64 / FAN_LG2 + 1];
	unsigned level = cache->height;

	if (!level || !fits(level, index))
		return;
	path[level] = cache->root;
	while (level > 1) {
		struct node *next = path[level]->slot[slot_of(index, level)];

		if (!next)
			break;
		path[--level] = next;
	}
	while (!path[level]->used) {
		free(path[level]);
		if (level == cache->height) {
			cache->root = NULL;
			cache->height = 0;
			return;
		}
		level++;
		path[level]->slot[slot_of(index, level)] = NULL;
		path[level]->used--;
	}
}

struct volatile_page *volatile_get(struct nvme_volatile *cache, uint64_t index)
{
	struct node *node;

	if (grow(cache, index))
		return NULL;
	node = cache->root;
	for (unsigned level = cache->height;; level--) {
		void **slot = &node->slot[slot_of(index, level)];

		if (!*slot) {
			*slot = calloc(1, level > 1 ? sizeof(struct node)
						    : sizeof(struct volatile_page));
			if (!*slot) {
				prune(cache, index);
				return NULL;
			}
			node->used++;
			cache->pages += level == 1;
		}
		if (level == 1)
			return *slot;
		node = *slot;
	}
}

static struct volatile_page *next_below(struct node *node, unsigned level, uint64_t *index)
{
	uint64_t step = 1ull << (level - 1) * FAN_LG2;

	for (unsigned i = slot_of(*index, level); i < FAN; i++) {
		struct volatile_page *page = node->slot[i];

		if (page && level > 1)
			page = next_below(node->slot[i], level - 1, index);
		if (page)
			return page;
		*index = (*index & ~(step - 1)) + step;
	}
	/* What ran over counts in the level above; take back what this level carried. */
	*index -= step * FAN;
	*index &= ~(step * FAN - 1);
	return NULL;
}

struct volatile_page *volatile_next(struct nvme_volatile *cache, uint64_t *index)
{
	if (!cache->height || !fits(cache->height, *index))
		return NULL;
	return next_below(cache->root, cache->height, index);
}

void volatile_drop(struct nvme_volatile *cache, uint64_t index)
{
	struct node *node = cache->root;

	if (!cache->height || !fits(cache->height, index))
		return;
	for (unsigned level = cache->height; node; level--) {
		void **slot = &node->slot[slot_of(index, level)];

		if (level == 1 && *slot) {
			free(*slot);
			*slot = NULL;
			node->used--;
			cache->pages--;
			prune(cache, index);
			return;
		}
		if (level == 1)
			return;
		node = *slot;
	}
}

uint8_t volatile_mask(uint64_t index, uint64_t off, uint64_t len)
{
	uint64_t start = index << VOLATILE_PAGE_LG2;
	unsigned first = off > start ? (off - start) >> 9 : 0;
	uint64_t end = off + len - start;
	unsigned last = end >= VOLATILE_PAGE_LEN ? 7 : (unsigned)(end >> 9) - 1;

	return (uint8_t)(0xff << first & 0xff >> (7 - last));
}

void volatile_forget(struct nvme_volatile *cache, uint64_t off, uint64_t len)
{
	uint64_t index = off >> VOLATILE_PAGE_LG2;
	uint64_t last = (off + len - 1) >> VOLATILE_PAGE_LG2;
	struct volatile_page *page;

	while (len && (page = volatile_next(cache, &index)) && index <= last) {
		page->valid &= ~volatile_mask(index, off, len);
		if (!page->valid)
			volatile_drop(cache, index);
		index++;
	}
}

void volatile_fini(struct nvme_volatile *cache)
{
	uint64_t index = 0;

	while (volatile_next(cache, &index))
		volatile_drop(cache, index);
}
