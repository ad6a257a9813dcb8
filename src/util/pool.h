/* SPDX-License-Identifier: MIT */
/*
 * Memory for many things of one size that come and go with ioctls: from slabs of the kernel's, with
 * nothing kept beside an item that is in use.
 *
 * A *shelf* is a few items that somebody keeps at hand under a lock of his own, so that the pool
 * is locked once for many of them.
 *
 * Lock: the pool's own, innermost.
 */
#ifndef UTIL_POOL_H
#define UTIL_POOL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct pool_item;
struct pool_slab;

LIST_HEAD(pool_slabs, pool_slab);

struct pool {
	pthread_mutex_t lock;
	size_t size;		 /* constant: of an item, in bytes */
	struct pool_slabs slabs; /* (lock) with free items, what was freed last first */
	size_t used;		 /* (lock) items taken, those on shelves included */
	size_t unused_nr;	 /* (lock) slabs without any */
	size_t slab_nr;		 /* (lock) */
};

struct pool_shelf {
	struct pool_item *items;
	unsigned nr;
};

/* A pool of items of `size` bytes, each aligned to 8. Takes no memory. */
void pool_init(struct pool *pool, size_t size);
/*
 * Frees all of it. Everything has been given back by then: debug builds stop with a line that tells
 * how much has not.
 */
void pool_fini(struct pool *pool);

/* An item, not zeroed. NULL: no memory. And back. */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *item);

/* Bytes that it has from the kernel just now. */
size_t pool_bytes(struct pool *pool);

/*
 * The same by way of a shelf, which begins as zeros and belongs to one pool; not locked here. An
 * item may be given back another way than it was taken.
 */
void *pool_shelf_take(struct pool *pool, struct pool_shelf *shelf);
void pool_shelf_give(struct pool *pool, struct pool_shelf *shelf, void *item);
/* Gives all that is on it back. */
void pool_shelf_clear(struct pool *pool, struct pool_shelf *shelf);

#endif
