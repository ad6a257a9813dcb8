/* SPDX-License-Identifier: MIT */
/* The volatile write cache: a radix tree of pages. */
#include <stdlib.h>
#include <string.h>
#include "nvme/volatile.h"

#define FAN_LG2 9
#define FAN	(1u << FAN_LG2)

struct node {
	unsigned used;
	void *slot[FAN]; /* nodes, or pages at the lowest level; or ZEROES: all below reads as zero
			  */
};

static const char zeroes;
#define ZEROES ((void *)&zeroes)

/* Does `index` fit below a root of `height` levels? */
static bool fits(unsigned height, uint64_t index)
{
	return height * FAN_LG2 >= 64 || !(index >> height * FAN_LG2);
}

static unsigned slot_of(uint64_t index, unsigned level)
{
	return index >> (level - 1) * FAN_LG2 & (FAN - 1);
}

/* A node below a slot that is empty or ZEROES. */
static struct node *new_node(void *was)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node || !was)
		return node;
	node->used = FAN;
	for (unsigned i = 0; i < FAN; i++)
		node->slot[i] = ZEROES;
	return node;
}

static int grow(struct nvme_volatile *cache, uint64_t index)
{
	unsigned height = cache->height;

	while (!cache->root || !fits(height, index)) {
		struct node *node = new_node(NULL);

		if (!node)
			return -1;
		height++;
		if (cache->root) {
			node->slot[0] = cache->root;
			node->used = 1;
		} else {
			while (!fits(height, index))
				height++;
		}
		cache->root = node;
		cache->height = height;
	}
	return 0;
}

/* Frees what a slot of a node at `level` has. */
static void free_slot(struct nvme_volatile *cache, void *slot, unsigned level)
{
	if (!slot || slot == ZEROES)
		return;
	for (unsigned i = 0; level > 1 && i < FAN; i++)
		free_slot(cache, ((struct node *)slot)->slot[i], level - 1);
	cache->pages -= level == 1;
	free(slot);
}

/* Takes out empty nodes on the way to `index`. */
static void prune(struct nvme_volatile *cache, uint64_t index)
{
	struct node *path[64 / FAN_LG2 + 2];
	unsigned level = cache->height;

	if (!level || !fits(level, index))
		return;
	path[level] = cache->root;
	while (level > 1) {
		struct node *next = path[level]->slot[slot_of(index, level)];

		if (!next || next == ZEROES)
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

static struct volatile_page *new_page(struct nvme_volatile *cache, void *was)
{
	struct volatile_page *page = calloc(1, sizeof(*page));

	if (page) {
		page->valid = was ? 0xff : 0;
		cache->pages++;
	}
	return page;
}

struct volatile_page *volatile_get(struct nvme_volatile *cache, uint64_t index)
{
	struct node *node;

	if (grow(cache, index))
		return NULL;
	node = cache->root;
	for (unsigned level = cache->height;; level--) {
		void **slot = &node->slot[slot_of(index, level)];

		if (!*slot || *slot == ZEROES) {
			void *made = level > 1 ? (void *)new_node(*slot)
					       : (void *)new_page(cache, *slot);

			if (!made) {
				prune(cache, index);
				return NULL;
			}
			node->used += !*slot;
			*slot = made;
		}
		if (level == 1)
			return *slot;
		node = *slot;
	}
}

static bool next_below(struct node *node, unsigned level, uint64_t index,
		       struct volatile_extent *out)
{
	uint64_t step = 1ull << (level - 1) * FAN_LG2;

	for (unsigned i = slot_of(index, level); i < FAN; i++) {
		void *slot = node->slot[i];
		uint64_t first = index & ~(step - 1);

		if (slot == ZEROES) {
			*out = (struct volatile_extent){first, step, NULL};
			return true;
		}
		if (slot && level == 1) {
			*out = (struct volatile_extent){first, 1, slot};
			return true;
		}
		if (slot && next_below(slot, level - 1, index, out))
			return true;
		index = first + step;
	}
	return false;
}

bool volatile_next(struct nvme_volatile *cache, uint64_t from, struct volatile_extent *out)
{
	if (!cache->height || !fits(cache->height, from))
		return false;
	return next_below(cache->root, cache->height, from, out);
}

void volatile_drop(struct nvme_volatile *cache, uint64_t index)
{
	struct node *node = cache->root;

	if (!cache->height || !fits(cache->height, index))
		return;
	for (unsigned level = cache->height; node; level--) {
		void **slot = &node->slot[slot_of(index, level)];

		if (*slot && (level == 1 || *slot == ZEROES)) {
			free_slot(cache, *slot, level);
			*slot = NULL;
			node->used--;
			prune(cache, index);
			return;
		}
		if (level == 1)
			return;
		node = *slot;
	}
}

/* Pages first to last, which lie below `node`, become zeroes. */
static int zero_below(struct nvme_volatile *cache, struct node *node, unsigned level,
		      uint64_t first, uint64_t last)
{
	uint64_t step = 1ull << (level - 1) * FAN_LG2;

	while (first <= last) {
		uint64_t end = first | (step - 1);
		void **slot = &node->slot[slot_of(first, level)];

		if (end <= last && !(first & (step - 1))) {
			node->used += !*slot;
			free_slot(cache, *slot, level);
			*slot = ZEROES;
		} else if (*slot != ZEROES) {
			if (!*slot) {
				*slot = new_node(NULL);
				if (!*slot)
					return -1;
				node->used++;
			}
			if (zero_below(cache, *slot, level - 1, first, end < last ? end : last))
				return -1;
		}
		first = end + 1;
	}
	return 0;
}

/* Zeroes within one page. */
static int zero_part(struct nvme_volatile *cache, uint64_t off, uint64_t len)
{
	uint64_t index = off >> VOLATILE_PAGE_LG2;
	struct volatile_page *page = volatile_get(cache, index);

	if (!page)
		return -1;
	memset(page->data + off % VOLATILE_PAGE_LEN, 0, len);
	page->valid |= volatile_mask(index, off, len);
	return 0;
}

int volatile_zero(struct nvme_volatile *cache, uint64_t off, uint64_t len)
{
	uint64_t end = off + len;
	uint64_t first = (off + VOLATILE_PAGE_LEN - 1) >> VOLATILE_PAGE_LG2;
	uint64_t stop = end >> VOLATILE_PAGE_LG2;

	if (first > stop) /* inside one page */
		return zero_part(cache, off, len);
	if (off % VOLATILE_PAGE_LEN &&
	    zero_part(cache, off, VOLATILE_PAGE_LEN - off % VOLATILE_PAGE_LEN))
		return -1;
	if (end % VOLATILE_PAGE_LEN &&
	    zero_part(cache, stop << VOLATILE_PAGE_LG2, end % VOLATILE_PAGE_LEN))
		return -1;
	if (first == stop)
		return 0;
	if (grow(cache, stop - 1))
		return -1;
	return zero_below(cache, cache->root, cache->height, first, stop - 1);
}

uint8_t volatile_mask(uint64_t index, uint64_t off, uint64_t len)
{
	uint64_t start = index << VOLATILE_PAGE_LG2;
	unsigned first = off > start ? (off - start) >> 9 : 0;
	uint64_t end = off + len - start;
	unsigned last = end >= VOLATILE_PAGE_LEN ? 7 : (unsigned)(end >> 9) - 1;

	return (uint8_t)(0xff << first & 0xff >> (7 - last));
}

void volatile_fini(struct nvme_volatile *cache)
{
	if (cache->height)
		free_slot(cache, cache->root, cache->height + 1);
	cache->root = NULL;
	cache->height = 0;
}
