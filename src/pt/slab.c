/* SPDX-License-Identifier: MIT */
/* Slabs of tables: from the C library the first, from the kernel the others, as they are needed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "pt/slab.h"
#include "util/alloc.h"
#include "util/sys.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len)   ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define NEAR_NR	    7u	 /* tables besides the root */
#define SLAB_LG2    21u	 /* bytes, or so many that it has SLAB_TABLES */
#define SLAB_TABLES 128u /* at least */
#define LINE	    64ul
/* From so many slabs on upper tables have their own: one more is a hundredth of what there is. */
#define UPPER_FROM 4u
/* From so many on a slab more is little beside what there is, though it comes all at once. */
#define HUGE_FROM 16u

static uint64_t table_len(const struct pt_store *store)
{
	return 1ull << store->table_lg2;
}

static uint64_t slab_len(const struct pt_store *store)
{
	return ~store->mask + 1;
}

/* Bytes of one of the two dirty maps of so many tables. */
static size_t map_len(const struct pt_store *store, uint64_t nr)
{
	size_t len = store->dirty ? nr * (table_len(store) / sizeof(uint64_t) / 8) : 0;

	return (len + LINE - 1) & ~(LINE - 1);
}

/* Bytes of what else belongs to `nr` tables. */
static size_t meta_len(uint64_t nr)
{
	return (nr * sizeof(struct pt_meta) + LINE - 1) & ~(LINE - 1);
}

/* `meta`: meta_len bytes; `maps`, `maps` + step: map_len bytes each. All zeroed, aligned to LINE.
 */
static void set_up(const struct pt_store *store, struct pt_slab *slab, uintptr_t first, uint64_t nr,
		   void *meta, char *maps, size_t step)
{
	slab->first = first;
	slab->nr = (uint32_t)nr;
	slab->meta = meta;
	for (unsigned i = 0; store->dirty && i < 2; i++) {
		slab->bits[i] = (_Atomic uint64_t *)(maps + i * step);
		slab->words[i] = (uintptr_t)slab->bits[i] - first / 64;
	}
}

/* Bytes of one of the two maps in a slot. */
static uint64_t slot_len(const struct pt_store *store)
{
	return slab_len(store) / 2 / PT_MAPS_SLOTS;
}

/* Bytes of a slab without its tables, its maps included. */
static uint64_t own_len(const struct pt_store *store, const struct pt_slab *slab)
{
	return slab->first - (uintptr_t)slab + 2 * map_len(store, slab->nr);
}

static void list(struct pt_store *store, struct pt_slab *slab)
{
	LIST_INSERT_HEAD(&store->slabs[slab->upper], slab, list);
	slab->listed = true;
}

static void unlist(struct pt_slab *slab)
{
	LIST_REMOVE(slab, list);
	slab->listed = false;
}

static int new_near(struct pt_store *store, uint64_t root_nr)
{
	uint64_t nr = root_nr + NEAR_NR;
	size_t rest_len = meta_len(nr) + 2 * map_len(store, nr);
	void *tables, *rest;

	if (inject() || posix_memalign(&tables, root_nr * table_len(store), nr * table_len(store)))
		return -ENOMEM;
	if (inject() || posix_memalign(&rest, LINE, rest_len)) {
		free(tables);
		return -ENOMEM;
	}
	memset(rest, 0, rest_len);
	memset(tables, 0, root_nr * table_len(store));
	set_up(store, &store->near, (uintptr_t)tables, nr, rest, (char *)rest + meta_len(nr),
	       map_len(store, nr));
	store->near_len = nr * table_len(store);
	store->near.fresh = store->near.used = (uint32_t)root_nr;
	for (uint64_t i = 0; i < root_nr; i++)
		store->near.meta[i].table = tables;
	store->len = nr * table_len(store) + rest_len;
	list(store, &store->near);
	return 0;
}

/* The root of several tables in one has the meta of the first. */
int pt_store_init(struct pt_store *store, unsigned table_lg2, uint64_t root_len, bool dirty,
		  struct pt_table **root)
{
	unsigned lg2 = SLAB_LG2;
	int rc;

	while (1ull << (lg2 - table_lg2) < SLAB_TABLES)
		lg2++;
	*store = (struct pt_store){
		.table_lg2 = table_lg2, .mask = ~((1ul << lg2) - 1), .dirty = dirty};
	LIST_INIT(&store->slabs[0]);
	LIST_INIT(&store->slabs[1]);
	LIST_INIT(&store->full);
	LIST_INIT(&store->maps);
	LIST_INIT(&store->idle_maps);
	rc = new_near(store, root_len >> table_lg2);
	if (!rc)
		*root = store->near.meta[0].table;
	return rc;
}

/* Memory of the kernel's, zeroed, at a multiple of its length. NULL: there is none. */
static void *map_aligned(uint64_t len)
{
	long at = sys_call(SYS_mmap, NULL, 2 * len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t start, end;

	if (sys_failed(at))
		return NULL;
	start = ((uintptr_t)at + len - 1) & ~(len - 1);
	end = (uintptr_t)at + 2 * len;
	if (start > (uintptr_t)at)
		sys_call(SYS_munmap, at, start - (uintptr_t)at);
	if (end > start + len)
		sys_call(SYS_munmap, start + len, end - start - len);
	return (void *)start;
}

static struct pt_maps *new_maps(struct pt_store *store)
{
	uint64_t len = slab_len(store);
	struct pt_maps *maps = alloc_zero(1, sizeof(*maps));

	if (!maps)
		return NULL;
	maps->at = map_aligned(len);
	if (!maps->at) {
		free(maps);
		return NULL;
	}
	if (store->slab_nr >= HUGE_FROM)
		sys_call(SYS_madvise, maps->at, len, MADV_HUGEPAGE);
	LIST_INSERT_HEAD(&store->maps, maps, list);
	return maps;
}

/* It is in no list. */
static void free_maps(const struct pt_store *store, struct pt_maps *maps)
{
	sys_call(SYS_munmap, maps->at, slab_len(store));
	free(maps);
}

/* One with a free slot. NULL: no memory. */
static struct pt_maps *maps_with_room(struct pt_store *store)
{
	struct pt_maps *idle = LIST_FIRST(&store->idle_maps);

	if (!LIST_EMPTY(&store->maps))
		return LIST_FIRST(&store->maps);
	if (!idle)
		return new_maps(store);
	LIST_REMOVE(idle, list);
	LIST_INSERT_HEAD(&store->maps, idle, list);
	return idle;
}

/* A slot for the maps of a slab, zeroed. NULL: no memory. */
static char *take_slot(struct pt_store *store, struct pt_maps **out)
{
	struct pt_maps *maps = maps_with_room(store);
	unsigned slot;

	if (!maps)
		return NULL;
	slot = (unsigned)__builtin_ctz(~maps->taken);
	maps->taken |= 1u << slot;
	if (maps->taken == UINT32_MAX)
		LIST_REMOVE(maps, list);
	*out = maps;
	return maps->at + slot * slot_len(store);
}

/* Its maps are zeros: so they were left by the last of its tables that was given back. */
static void give_slot(struct pt_store *store, struct pt_maps *maps, const void *at)
{
	if (maps->taken == UINT32_MAX)
		LIST_INSERT_HEAD(&store->maps, maps, list);
	maps->taken &= ~(1u << ((size_t)((const char *)at - maps->at) / slot_len(store)));
	if (maps->taken)
		return;
	LIST_REMOVE(maps, list);
	if (store->held)
		LIST_INSERT_HEAD(&store->idle_maps, maps, list);
	else
		free_maps(store, maps);
}

void pt_store_hold(struct pt_store *store)
{
	store->held = true;
}

void pt_store_release(struct pt_store *store)
{
	struct pt_maps *maps;

	store->held = false;
	while ((maps = LIST_FIRST(&store->idle_maps))) {
		LIST_REMOVE(maps, list);
		free_maps(store, maps);
	}
}

static struct pt_slab *new_slab(struct pt_store *store, bool upper)
{
	uint64_t len = slab_len(store), room = len >> store->table_lg2, nr = room;
	struct pt_slab *slab = map_aligned(len);
	size_t head = (sizeof(*slab) + LINE - 1) & ~(LINE - 1);
	struct pt_maps *maps = NULL;
	char *bits = NULL;

	if (slab && store->dirty)
		bits = take_slot(store, &maps);
	if (!slab || (store->dirty && !bits)) {
		if (slab)
			sys_call(SYS_munmap, slab, len);
		return NULL;
	}
	slab->huge = store->slab_nr >= HUGE_FROM;
	if (slab->huge)
		sys_call(SYS_madvise, slab, len, MADV_HUGEPAGE);
	while (head + meta_len(nr) + nr * table_len(store) > len)
		nr--;
	set_up(store, slab, (uintptr_t)slab + len - nr * table_len(store), nr, (char *)slab + head,
	       bits, len / 2);
	slab->maps = maps;
	slab->upper = upper;
	ASAN_POISON_MEMORY_REGION((void *)slab->first, nr * table_len(store));
	list(store, slab);
	store->slab_nr++;
	store->len += own_len(store, slab);
	store->unused[upper] = slab;
	return slab;
}

static void free_slab(struct pt_store *store, struct pt_slab *slab)
{
	ASAN_UNPOISON_MEMORY_REGION(slab, slab_len(store));
	unlist(slab);
	if (slab->maps)
		give_slot(store, slab->maps, (const void *)slab->bits[0]);
	store->slab_nr--;
	store->len -= own_len(store, slab) + slab->fresh * table_len(store);
	sys_call(SYS_munmap, slab, slab_len(store));
}

/* One that was never used; what comes from the kernel is zeroed. */
static struct pt_meta *take_fresh(struct pt_store *store, struct pt_slab *slab)
{
	struct pt_meta *meta = &slab->meta[slab->fresh];
	void *table = (void *)(slab->first + ((uintptr_t)slab->fresh << store->table_lg2));

	slab->fresh++;
	ASAN_UNPOISON_MEMORY_REGION(table, table_len(store));
	if (slab == &store->near)
		memset(table, 0, table_len(store));
	else
		store->len += table_len(store);
	meta->table = table;
	return meta;
}

/*
 * One page of the processor's for all of a slab: lookups far apart miss its TLB less. Where that
 * takes no more memory, because all of it is in use.
 */
static void make_huge(struct pt_store *store, struct pt_slab *slab)
{
	uint64_t len = slab_len(store);

	if (slab->huge || slab == &store->near)
		return;
	slab->huge = true;
	/* For now, if the kernel can (Linux 6.1); or when it comes to it. */
	sys_call(SYS_madvise, slab, len, MADV_HUGEPAGE);
	sys_call(SYS_madvise, slab, len, MADV_COLLAPSE);
}

struct pt_meta *pt_store_take(struct pt_store *store, bool upper)
{
	struct pt_slab *slab;
	struct pt_meta *meta;

	if (inject())
		return NULL;
	if (store->slab_nr < UPPER_FROM && LIST_EMPTY(&store->slabs[1]))
		upper = false;
	slab = LIST_FIRST(&store->slabs[upper]);
	if (!slab)
		slab = new_slab(store, upper);
	if (!slab)
		return NULL;
	meta = slab->free;
	if (meta) {
		slab->free = meta->next;
		ASAN_UNPOISON_MEMORY_REGION(meta->table, table_len(store));
	} else {
		meta = take_fresh(store, slab);
	}
	meta->next = NULL;
	if (slab == store->unused[slab->upper])
		store->unused[slab->upper] = NULL;
	if (++slab->used == slab->nr) {
		make_huge(store, slab);
		unlist(slab);
		LIST_INSERT_HEAD(&store->full, slab, list);
	}
	return meta;
}

static void clear_maps(const struct pt_store *store, const struct pt_slab *slab,
		       const struct pt_table *table)
{
	size_t word = pt_slab_bit(slab, table) / 64, nr = table_len(store) / sizeof(uint64_t) / 64;

	for (unsigned i = 0; store->dirty && i < 2; i++)
		for (size_t w = word; w < word + nr; w++)
			if (atomic_load_explicit(&slab->bits[i][w], memory_order_relaxed))
				atomic_store_explicit(&slab->bits[i][w], 0, memory_order_relaxed);
}

void pt_store_give(struct pt_store *store, struct pt_meta *meta)
{
	struct pt_slab *slab = pt_slab_of(store, meta->table);

	clear_maps(store, slab, meta->table);
	ASAN_POISON_MEMORY_REGION(meta->table, table_len(store));
	meta->live = 0;
	meta->up = NULL;
	meta->next = slab->free;
	slab->free = meta;
	if (!slab->listed) {
		unlist(slab);
		list(store, slab);
	}
	if (--slab->used || slab == &store->near)
		return;
	if (store->unused[slab->upper])
		free_slab(store, slab);
	else
		store->unused[slab->upper] = slab;
}

void pt_store_fini(struct pt_store *store)
{
	struct pt_slab *slab;

	while ((slab = LIST_FIRST(&store->slabs[0])) || (slab = LIST_FIRST(&store->slabs[1])) ||
	       (slab = LIST_FIRST(&store->full))) {
		if (slab == &store->near)
			unlist(slab);
		else
			free_slab(store, slab);
	}
	pt_store_release(store);
	free((void *)store->near.first);
	free(store->near.meta);
}
