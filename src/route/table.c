/* SPDX-License-Identifier: MIT */
/*
 * Devices by segment and requester ID.
 *
 * Four levels of 256, one a byte: segment high, segment low, bus, device and function. A level is
 * made when the first device below it comes, is never moved, and ends with the instance, so that
 * readers need no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include "iommu.h"
#include "route/route.h"
#include "util/alloc.h"

#define LEVELS 4

struct level {
	void *_Atomic slot[256]; /* the next level, in the last one devices */
};

struct route_table {
	pthread_mutex_t lock; /* insert and remove */
	struct level *root;
	struct route_shares *shares; /* src/route/attach.c */
};

static unsigned index_at(uint16_t segment, rid_t rid, unsigned level)
{
	uint32_t key = (uint32_t)segment << 16 | rid;

	return key >> (8 * (LEVELS - 1 - level)) & 0xff;
}

struct ioas_device *route_find(struct ioas_iommu *iommu, uint16_t segment, rid_t rid)
{
	void *at = iommu->routes->root;

	for (unsigned i = 0; at && i < LEVELS; i++)
		at = atomic_load_explicit(&((struct level *)at)->slot[index_at(segment, rid, i)],
					  memory_order_acquire);
	return at;
}

/* The last level for a requester ID, made if it is missing; NULL: no memory. Locked. */
static struct level *last_level(struct route_table *table, uint16_t segment, rid_t rid)
{
	struct level *at = table->root;

	for (unsigned i = 0; i < LEVELS - 1; i++) {
		void *_Atomic *slot = &at->slot[index_at(segment, rid, i)];
		struct level *next = atomic_load_explicit(slot, memory_order_relaxed);

		if (!next) {
			next = alloc_zero(1, sizeof(*next));
			if (!next)
				return NULL;
			atomic_store_explicit(slot, next, memory_order_release);
		}
		at = next;
	}
	return at;
}

int route_insert(struct ioas_device *dev)
{
	struct route_table *table = dev->iommu->routes;
	void *_Atomic *slot;
	struct level *last;
	int rc = 0;

	pthread_mutex_lock(&table->lock);
	last = last_level(table, dev->segment, dev->rid);
	slot = last ? &last->slot[index_at(dev->segment, dev->rid, LEVELS - 1)] : NULL;
	if (!slot)
		rc = -ENOMEM;
	else if (atomic_load_explicit(slot, memory_order_relaxed))
		rc = -EEXIST;
	else
		atomic_store_explicit(slot, dev, memory_order_release);
	pthread_mutex_unlock(&table->lock);
	return rc;
}

void route_remove(struct ioas_device *dev)
{
	struct route_table *table = dev->iommu->routes;
	struct level *last;

	pthread_mutex_lock(&table->lock);
	last = last_level(table, dev->segment, dev->rid);
	atomic_store_explicit(&last->slot[index_at(dev->segment, dev->rid, LEVELS - 1)], NULL,
			      memory_order_release);
	pthread_mutex_unlock(&table->lock);
}

struct route_shares *route_shares(struct ioas_iommu *iommu)
{
	return iommu->routes->shares;
}

int route_table_new(struct route_table **out)
{
	struct route_table *table = alloc_zero(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	pthread_mutex_init(&table->lock, NULL);
	table->root = alloc_zero(1, sizeof(*table->root));
	if (!table->root || route_shares_new(&table->shares)) {
		route_table_destroy(table);
		return -ENOMEM;
	}
	*out = table;
	return 0;
}

static void free_levels(struct level *level, unsigned depth)
{
	if (!level)
		return;
	for (unsigned i = 0; depth < LEVELS - 1 && i < 256; i++)
		free_levels(level->slot[i], depth + 1);
	free(level);
}

void route_table_destroy(struct route_table *table)
{
	if (!table)
		return;
	route_shares_destroy(table->shares);
	free_levels(table->root, 0);
	pthread_mutex_destroy(&table->lock);
	free(table);
}
