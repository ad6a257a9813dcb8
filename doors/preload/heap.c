/* SPDX-License-Identifier: MIT */
/*
 * Memory that malloc would give back to the system while it is mapped for DMA.
 *
 * What glibc unmaps inside itself passes no interposed function, so free and realloc are: a block
 * of a page or more that meets such memory is *kept*, allocated as it was, until the last of it is
 * unmapped. So it is never the end of a heap that shrinks either. Where smaller blocks share a page
 * that is mapped for DMA, shrinking is turned off, once and for all.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>
#include "preload.h"
#include "real.h"
#include "util/tree.h"

#define PAGE	 4096ul
#define SLAB_LEN 65536ul

struct kept {
	struct tree_node node; /* in `kept` by address */
	uintptr_t start, end;  /* of whole pages */
	uintptr_t max;	       /* the highest end in the subtree */
	void *block;
	struct kept *next; /* free, or due */
};

#define KEPT(ptr) tree_entry(ptr, struct kept, node)

static bool update(struct tree_node *node);

/* Taken in the engine, outside its locks of src/mem; never by what runs inside malloc. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tree kept = {.update = update}; /* (lock) */
static struct kept *spare;		      /* (lock) */
static struct kept *due;		      /* (lock) something of it has been unmapped */
static _Atomic size_t kept_nr;		      /* in the tree, or about to be */
_Atomic bool heap_any_due;
static _Atomic bool trim_off;
static _Atomic bool moved; /* realloc has: what is unmapped may lie elsewhere than it was mapped */

static bool update(struct tree_node *node)
{
	uintptr_t max = KEPT(node)->end;
	bool changed;

	for (int side = 0; side < 2; side++)
		if (node->child[side] && KEPT(node->child[side])->max > max)
			max = KEPT(node->child[side])->max;
	changed = max != KEPT(node)->max;
	KEPT(node)->max = max;
	return changed;
}

/* (lock) Pages, not malloc: this runs inside free. */
static struct kept *get_spare(void)
{
	struct kept *slab, *item;

	if (!spare) {
		slab = real.mmap(NULL, SLAB_LEN, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (slab == MAP_FAILED)
			return NULL;
		for (size_t i = 0; i < SLAB_LEN / sizeof(*slab); i++) {
			slab[i].next = spare;
			spare = &slab[i];
		}
	}
	item = spare;
	spare = item->next;
	return item;
}

/* (lock) */
static void put_spare(struct kept *item)
{
	item->next = spare;
	spare = item;
}

/* (lock) */
static void enter(struct kept *item)
{
	struct tree_node *parent = NULL, *at = kept.root;
	int side = 0;

	while (at) {
		parent = at;
		side = item->start > KEPT(at)->start;
		at = at->child[side];
	}
	item->max = 0;
	tree_insert(&kept, &item->node, parent, side);
}

/* (lock) One that meets the range, or NULL. */
static struct kept *meets(uintptr_t start, uintptr_t end)
{
	struct tree_node *at = kept.root;

	while (at && (KEPT(at)->start >= end || KEPT(at)->end <= start)) {
		struct tree_node *before = at->child[0];

		at = before && KEPT(before)->max > start ? before : at->child[1];
	}
	return at ? KEPT(at) : NULL;
}

void heap_unpinned(uintptr_t start, uintptr_t end)
{
	struct kept *item;

	/* Who keeps a block counts it before he asks whether it is mapped; it was until now. */
	if (likely(!atomic_load(&kept_nr)))
		return;
	if (atomic_load(&moved)) {
		start = 0;
		end = UINTPTR_MAX;
	}
	pthread_mutex_lock(&lock);
	while ((item = meets(start, end))) {
		tree_remove(&kept, &item->node);
		atomic_fetch_sub(&kept_nr, 1);
		item->next = due;
		due = item;
		atomic_store(&heap_any_due, true);
	}
	pthread_mutex_unlock(&lock);
}

/* Takes a block out that can go: what is still mapped for DMA elsewhere goes back. NULL: none. */
static void *take_due(void)
{
	struct kept *item;
	void *block = NULL;

	pthread_mutex_lock(&lock);
	while (!block && (item = due)) {
		due = item->next;
		atomic_fetch_add(&kept_nr, 1);
		if (pinned_held(item->start, item->end)) {
			enter(item);
			continue;
		}
		atomic_fetch_sub(&kept_nr, 1);
		block = item->block;
		put_spare(item);
	}
	if (!due)
		atomic_store(&heap_any_due, false);
	pthread_mutex_unlock(&lock);
	return block;
}

void heap_drain_now(void)
{
	void *block;

	while ((block = take_due()))
		real.free(block);
}

/* Nothing in malloc's words tells that a page is in use by a device: it must not shrink at all. */
void heap_pinned(uintptr_t start, uintptr_t end)
{
	if (atomic_load_explicit(&trim_off, memory_order_relaxed) || start >= (uintptr_t)sbrk(0))
		return;
	if (end > getauxval(AT_PHDR) && !atomic_exchange(&trim_off, true))
		mallopt(M_TRIM_THRESHOLD, -1);
}

int heap_trim(size_t pad)
{
	return atomic_load(&trim_off) ? 0 : real.malloc_trim(pad);
}

struct block {
	uintptr_t start, end; /* the pages it meets */
	size_t size;
};

/* Is it one that may have to be kept? */
static bool look(void *ptr, struct block *out)
{
	uintptr_t at = (uintptr_t)ptr;

	out->size = real.malloc_usable_size(ptr);
	out->start = at & ~(PAGE - 1);
	out->end = (at + out->size + PAGE - 1) & ~(PAGE - 1);
	return out->size >= PAGE && pinned_maybe(out->start, out->end);
}

/* In the engine. Where memory for this is lacking, the block is lost rather than used twice. */
static bool keep(void *ptr, const struct block *block)
{
	struct kept *item;
	bool held;

	pthread_mutex_lock(&lock);
	atomic_fetch_add(&kept_nr, 1);
	held = pinned_held(block->start, block->end);
	item = held ? get_spare() : NULL;
	if (item) {
		item->start = block->start;
		item->end = block->end;
		item->block = ptr;
		enter(item);
	} else {
		atomic_fetch_sub(&kept_nr, 1);
	}
	pthread_mutex_unlock(&lock);
	return held;
}

bool heap_free(void *ptr)
{
	struct door_call call;
	struct block block;
	bool done;

	if (door_inside || !look(ptr, &block) || !door_enter(&call))
		return false;
	done = keep(ptr, &block);
	if (!done)
		real.free(ptr);
	door_leave(&call);
	return true;
}

/* Is malloc glibc's own, whose blocks tell whether they are mappings of their own? */
static bool is_glibc(void)
{
	Dl_info a, b;

	return dladdr((void *)(uintptr_t)real.realloc, &a) &&
	       dladdr((void *)(uintptr_t)real.malloc_trim, &b) &&
	       dladdr((void *)(uintptr_t)real.openat, &b) && a.dli_fbase == b.dli_fbase;
}

/* The two words before a block: what lies before it in its mapping, and its size with flags. */
#define HEAD_BEFORE(ptr) (((const size_t *)(ptr))[-2])
#define HEAD_SIZE(ptr)	 (((const size_t *)(ptr))[-1])
#define HEAD_MAPPED	 2ul
#define HEAD_FLAGS	 7ul

static bool own_mapping(void *ptr, struct ioas_memory_range *out)
{
	if (!is_glibc() || !(HEAD_SIZE(ptr) & HEAD_MAPPED))
		return false;
	out->start = (uintptr_t)ptr - 2 * sizeof(size_t) - HEAD_BEFORE(ptr);
	out->end = out->start + HEAD_BEFORE(ptr) + (HEAD_SIZE(ptr) & ~HEAD_FLAGS);
	return !(out->start & (PAGE - 1)) && !(out->end & (PAGE - 1));
}

struct resize {
	void *ptr, *result;
	size_t size;
	uint64_t start;
};

static long resize_call(void *arg, uint64_t *to)
{
	struct resize *resize = arg;

	resize->result = real.realloc(resize->ptr, resize->size);
	if (!resize->result)
		return -ENOMEM;
	*to = resize->start + ((uintptr_t)resize->result - (uintptr_t)resize->ptr);
	return 0;
}

/* In the engine. A mapping of its own moves with its pages, everything else is copied. */
static void *grow(void *ptr, size_t size, const struct block *block)
{
	struct resize resize = {.ptr = ptr, .size = size};
	struct ioas_memory_change change = {.call = resize_call, .arg = &resize};

	if (own_mapping(ptr, &change.moved)) {
		resize.start = change.moved.start;
		atomic_store(&moved, true);
		return pinned_change(&change) ? NULL : resize.result;
	}
	resize.result = malloc(size);
	if (resize.result) {
		memcpy(resize.result, ptr, block->size);
		if (!keep(ptr, block))
			real.free(ptr);
	}
	return resize.result;
}

bool heap_realloc(void *ptr, size_t size, void **result)
{
	struct door_call call;
	struct block block;
	bool held;

	if (door_inside || !size || !look(ptr, &block) || !door_enter(&call))
		return false;
	held = pinned_held(block.start, block.end);
	if (held)
		*result = size <= block.size ? ptr : grow(ptr, size, &block);
	door_leave(&call);
	if (held && !*result)
		errno = ENOMEM;
	return held;
}
