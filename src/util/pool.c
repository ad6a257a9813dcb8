/* SPDX-License-Identifier: MIT */
/* Slabs of equal items, each at a multiple of its length, so that an item leads to its slab. */
#include "util/pool.h"
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include "util/inject.h"
#include "util/lock.h"
#include "util/sys.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len)   ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#define SLAB_LEN   65536ul
#define ALIGN	   8ul
#define UNUSED_MAX 16u /* slabs kept for what comes next */
#define SHELF_MAX  64u
#define SHELF_MOVE 32u /* at once between a shelf and the pool */

struct pool_item {
	struct pool_item *next;
};

struct pool_slab {
	LIST_ENTRY(pool_slab) list; /* of those with free items */
	struct pool_item *free;	    /* used once, free now */
	uint32_t fresh, nr;	    /* from here on they were never used; of so many */
	uint32_t used;
};

#define FIRST ((sizeof(struct pool_slab) + ALIGN - 1) & ~(ALIGN - 1))

void pool_init(struct pool *pool, size_t size)
{
	lock_init(&pool->lock, LOCK_POOL);
	pool->size = (size + ALIGN - 1) & ~(ALIGN - 1);
	LIST_INIT(&pool->slabs);
	pool->used = pool->unused_nr = pool->slab_nr = 0;
	lock_guards(&pool->lock, &pool->slabs, pool + 1);
}

static void free_slab(struct pool *pool, struct pool_slab *slab)
{
	ASAN_UNPOISON_MEMORY_REGION(slab, SLAB_LEN);
	LIST_REMOVE(slab, list);
	pool->slab_nr--;
	sys_call(SYS_munmap, slab, SLAB_LEN);
}

#ifdef IOAS_LOCK_ORDER
/* What is still taken would be freed under its owner, and is one that somebody forgot. */
static void check_all_back(struct pool *pool)
{
	if (!pool->used)
		return;
	dprintf(STDERR_FILENO, "libioas: pool: %zu items of %zu bytes were never given back\n",
		pool->used, pool->size);
	__builtin_trap();
}
#else
static void check_all_back(struct pool *pool)
{
	(void)pool;
}
#endif

void pool_fini(struct pool *pool)
{
	check_all_back(pool);
	while (!LIST_EMPTY(&pool->slabs))
		free_slab(pool, LIST_FIRST(&pool->slabs));
	pthread_mutex_destroy(&pool->lock);
}

/* (lock) NULL: no memory. */
static struct pool_slab *new_slab(struct pool *pool)
{
	long at = sys_call(SYS_mmap, NULL, 2 * SLAB_LEN, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t start = ((uintptr_t)at + SLAB_LEN - 1) & ~(SLAB_LEN - 1);
	struct pool_slab *slab = (struct pool_slab *)start;

	if (sys_failed(at))
		return NULL;
	if (start > (uintptr_t)at)
		sys_call(SYS_munmap, at, start - (uintptr_t)at);
	sys_call(SYS_munmap, start + SLAB_LEN, (uintptr_t)at + SLAB_LEN - start);
	slab->nr = (uint32_t)((SLAB_LEN - FIRST) / pool->size);
	ASAN_POISON_MEMORY_REGION((char *)slab + FIRST, SLAB_LEN - FIRST);
	LIST_INSERT_HEAD(&pool->slabs, slab, list);
	pool->unused_nr++;
	pool->slab_nr++;
	return slab;
}

/* (lock) */
static struct pool_item *take(struct pool *pool)
{
	struct pool_slab *slab = LIST_FIRST(&pool->slabs);
	struct pool_item *item;

	if (!slab)
		slab = new_slab(pool);
	if (!slab)
		return NULL;
	item = slab->free;
	if (!item)
		item = (struct pool_item *)((char *)slab + FIRST + slab->fresh++ * pool->size);
	ASAN_UNPOISON_MEMORY_REGION(item, pool->size);
	if (slab->free)
		slab->free = item->next;
	pool->unused_nr -= !slab->used;
	pool->used++;
	if (++slab->used == slab->nr)
		LIST_REMOVE(slab, list);
	return item;
}

/* (lock) */
static void give(struct pool *pool, struct pool_item *item)
{
	struct pool_slab *slab = (struct pool_slab *)((uintptr_t)item & ~(SLAB_LEN - 1));

	item->next = slab->free;
	slab->free = item;
	ASAN_POISON_MEMORY_REGION(item, pool->size);
	pool->used--;
	if (slab->used-- == slab->nr)
		LIST_INSERT_HEAD(&pool->slabs, slab, list);
	if (slab->used)
		return;
	if (pool->unused_nr == UNUSED_MAX)
		free_slab(pool, slab);
	else
		pool->unused_nr++;
}

void *pool_take(struct pool *pool)
{
	struct pool_item *item;

	if (inject())
		return NULL;
	pthread_mutex_lock(&pool->lock);
	item = take(pool);
	pthread_mutex_unlock(&pool->lock);
	return item;
}

void pool_give(struct pool *pool, void *item)
{
	pthread_mutex_lock(&pool->lock);
	give(pool, item);
	pthread_mutex_unlock(&pool->lock);
}

size_t pool_bytes(struct pool *pool)
{
	size_t bytes;

	pthread_mutex_lock(&pool->lock);
	bytes = pool->slab_nr * SLAB_LEN;
	pthread_mutex_unlock(&pool->lock);
	return bytes;
}

static void shelve(struct pool *pool, struct pool_shelf *shelf, struct pool_item *item)
{
	item->next = shelf->items;
	shelf->items = item;
	shelf->nr++;
	ASAN_POISON_MEMORY_REGION(item, pool->size);
}

static struct pool_item *unshelve(struct pool *pool, struct pool_shelf *shelf)
{
	struct pool_item *item = shelf->items;

	ASAN_UNPOISON_MEMORY_REGION(item, pool->size);
	shelf->items = item->next;
	shelf->nr--;
	return item;
}

static void fill(struct pool *pool, struct pool_shelf *shelf)
{
	struct pool_item *item;

	pthread_mutex_lock(&pool->lock);
	while (shelf->nr < SHELF_MOVE && (item = take(pool)))
		shelve(pool, shelf, item);
	pthread_mutex_unlock(&pool->lock);
}

static void drain(struct pool *pool, struct pool_shelf *shelf, unsigned nr)
{
	pthread_mutex_lock(&pool->lock);
	while (nr--)
		give(pool, unshelve(pool, shelf));
	pthread_mutex_unlock(&pool->lock);
}

void *pool_shelf_take(struct pool *pool, struct pool_shelf *shelf)
{
	if (inject())
		return NULL;
	if (__builtin_expect(!shelf->nr, 0))
		fill(pool, shelf);
	return shelf->nr ? unshelve(pool, shelf) : NULL;
}

void pool_shelf_give(struct pool *pool, struct pool_shelf *shelf, void *item)
{
	if (__builtin_expect(shelf->nr == SHELF_MAX, 0))
		drain(pool, shelf, SHELF_MOVE);
	shelve(pool, shelf, item);
}

void pool_shelf_clear(struct pool *pool, struct pool_shelf *shelf)
{
	if (shelf->nr)
		drain(pool, shelf, shelf->nr);
}
