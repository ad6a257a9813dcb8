/* SPDX-License-Identifier: MIT */
/*
 * Sets by requester ID.
 *
 * A tree for each bus, of four levels of 256, one a byte of the ID: for PCI segment high, segment
 * low, bus, device and function. A level is made when the first device below it comes, is never
 * moved, and ends with the instance, so that readers need no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include "iommu.h"
#include "route/route.h"
#include "util/alloc.h"
#include "util/lock.h"

#define LEVELS 4

struct level {
	void *_Atomic slot[256]; /* the next level, in the last one sets */
	uint32_t *refs;		 /* (table->lock) in the last one: how often each was entered */
};

struct route_table {
	pthread_mutex_t lock; /* insert and remove */
	struct level *root[ROUTE_BUS_NR];
	struct route_shares *shares; /* src/route/shared.c */
	struct route_wide *wide;     /* src/route/attach.c */
};

static unsigned index_at(uint32_t id, unsigned level)
{
	return id >> (8 * (LEVELS - 1 - level)) & 0xff;
}

struct route_set *route_find(struct ioas_iommu *iommu, enum route_bus bus, uint32_t id)
{
	void *at = iommu->routes->root[bus];

	for (unsigned i = 0; at && i < LEVELS; i++)
		at = atomic_load_explicit(&((struct level *)at)->slot[index_at(id, i)],
					  memory_order_acquire);
	return at;
}

/* The last level for an ID, made if it is missing; NULL: no memory. Locked. */
static struct level *last_level(struct route_table *table, enum route_bus bus, uint32_t id)
{
	struct level *at = table->root[bus];

	for (unsigned i = 0; i < LEVELS - 1; i++) {
		void *_Atomic *slot = &at->slot[index_at(id, i)];
		struct level *next = atomic_load_explicit(slot, memory_order_relaxed);

		if (!next) {
			next = alloc_zero(1, sizeof(*next));
			if (!next)
				return NULL;
			atomic_store_explicit(slot, next, memory_order_release);
		}
		at = next;
	}
	if (!at->refs)
		at->refs = alloc_zero(256, sizeof(*at->refs));
	return at->refs ? at : NULL;
}

int route_insert(struct route_set *set, enum route_bus bus, uint32_t id)
{
	struct route_table *table = set->iommu->routes;
	unsigned index = index_at(id, LEVELS - 1);
	struct level *last;
	void *found;
	int rc = 0;

	pthread_mutex_lock(&table->lock);
	last = last_level(table, bus, id);
	found = last ? last->slot[index] : NULL;
	if (!last)
		rc = -ENOMEM;
	else if (found && found != set)
		rc = -EEXIST;
	else
		atomic_store_explicit(&last->slot[index], set, memory_order_release);
	if (!rc)
		last->refs[index]++;
	pthread_mutex_unlock(&table->lock);
	return rc;
}

void route_remove(struct ioas_iommu *iommu, enum route_bus bus, uint32_t id)
{
	struct route_table *table = iommu->routes;
	unsigned index = index_at(id, LEVELS - 1);
	struct level *last;

	pthread_mutex_lock(&table->lock);
	last = last_level(table, bus, id);
	if (!--last->refs[index])
		atomic_store_explicit(&last->slot[index], NULL, memory_order_release);
	pthread_mutex_unlock(&table->lock);
}

struct route_shares *route_shares(struct ioas_iommu *iommu)
{
	return iommu->routes->shares;
}

struct route_wide *route_wide(struct ioas_iommu *iommu)
{
	return iommu->routes->wide;
}

int route_table_new(struct ioas_iommu *iommu, struct route_table **out)
{
	struct route_table *table = alloc_zero(1, sizeof(*table));
	bool whole = true;

	if (!table)
		return -ENOMEM;
	lock_init(&table->lock, LOCK_TABLE);
	lock_guards(&table->lock, table->root, &table->shares);
	for (unsigned bus = 0; bus < ROUTE_BUS_NR; bus++) {
		table->root[bus] = alloc_zero(1, sizeof(*table->root[bus]));
		whole &= table->root[bus] != NULL;
	}
	if (!whole || route_shares_new(&table->shares) || route_wide_new(iommu, &table->wide)) {
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
	free(level->refs);
	free(level);
}

void route_table_destroy(struct route_table *table)
{
	if (!table)
		return;
	route_wide_destroy(table->wide);
	route_shares_destroy(table->shares);
	for (unsigned bus = 0; bus < ROUTE_BUS_NR; bus++)
		free_levels(table->root[bus], 0);
	pthread_mutex_destroy(&table->lock);
	free(table);
}
