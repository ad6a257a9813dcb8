/* SPDX-License-Identifier: MIT */
/*
 * What a program can map of its iommufd: memory of viommus, each at an offset of its own.
 *
 * Each region stands for the free room before it, and a subtree's summary is the most there is
 * before any of its regions; so the lowest room that is enough is found by one descent.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "obj/viommu.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/sys.h"

#include "util/why.h"

#define PAGE 4096ull

struct obj_region {
	struct key_node node; /* (ctx->lock) in ctx->regions; the key is its offset */
	uint64_t room, most;  /* (ctx->lock) before it; of the subtree */
	uint64_t len;	      /* constant, whole pages */
	struct obj_viommu *viommu;
	LIST_ENTRY(obj_region) in_viommu;
	int fd;	    /* constant: its memory */
	void *host; /* constant: here */
	uint64_t
		mapped; /* (ctx->lock) bytes, each as often as it is; not 0: a user of the viommu */
};

static struct obj_region *region_of(struct tree_node *node)
{
	return node ? tree_entry(node, struct obj_region, node.node) : NULL;
}

static uint64_t most_of(struct tree_node *node)
{
	return node ? region_of(node)->most : 0;
}

bool obj_region_update(struct tree_node *node)
{
	struct obj_region *region = region_of(node);
	uint64_t most = region->room;

	for (int side = 0; side < 2; side++)
		if (most_of(node->child[side]) > most)
			most = most_of(node->child[side]);
	if (most == region->most)
		return false;
	region->most = most;
	return true;
}

/* The region with the lowest room of at least `len` bytes before it, or NULL. */
static struct obj_region *find_room(const struct tree *tree, uint64_t len)
{
	struct tree_node *node = tree->root;

	if (most_of(node) < len)
		return NULL;
	for (;;) {
		if (most_of(node->child[0]) >= len)
			node = node->child[0];
		else if (region_of(node)->room >= len)
			return region_of(node);
		else
			node = node->child[1];
	}
}

static void set_room(struct tree *tree, struct obj_region *region, uint64_t room)
{
	region->room = room;
	tree_refresh(tree, &region->node.node);
}

/* At the beginning of the lowest room, or behind all others. */
static int place(struct tree *tree, struct obj_region *region)
{
	struct obj_region *after = find_room(tree, region->len);
	struct obj_region *last = region_of(tree_end(tree, 1));

	if (after)
		region->node.key = after->node.key - after->room;
	else
		region->node.key = last ? last->node.key + last->len : PAGE;
	if (region->node.key + region->len > INT64_MAX)
		return -ENOMEM;
	keys_insert(tree, &region->node);
	if (after)
		set_room(tree, after, after->room - region->len);
	return 0;
}

static void displace(struct tree *tree, struct obj_region *region)
{
	struct obj_region *after = region_of(tree_step(&region->node.node, 1));

	if (after)
		set_room(tree, after, after->room + region->len + region->room);
	keys_remove(tree, &region->node);
}

/* close(2), which a door has to see; sys_call would go past it. */
static void close_memory(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* A descriptor that the program does not see, where there is a program. */
static int memory_new(struct ioas_caller *caller, uint64_t len)
{
	int fd = inject() ? -ENOMEM : (int)sys_call(SYS_memfd_create, "ioas-region", MFD_CLOEXEC);

	if (fd < 0)
		return -ENOMEM;
	if (sys_call(SYS_ftruncate, fd, len)) {
		close_memory(fd);
		return -ENOMEM;
	}
	return caller && caller->ops->fd_hide ? caller->ops->fd_hide(caller, fd) : fd;
}

static int memory_init(struct obj_region *region, struct ioas_caller *caller)
{
	long at;

	region->fd = memory_new(caller, region->len);
	if (region->fd < 0)
		return -ENOMEM;
	at = sys_call(SYS_mmap, NULL, region->len, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd,
		      0);
	if (at < 0) {
		close_memory(region->fd);
		return -ENOMEM;
	}
	region->host = (void *)at;
	return 0;
}

static void memory_fini(struct obj_region *region)
{
	sys_call(SYS_munmap, region->host, region->len);
	close_memory(region->fd);
}

int obj_region_alloc_locked(struct obj_viommu *viommu, uint64_t len, uint64_t *offset, void **host)
{
	struct obj_ctx *ctx = viommu->obj.ctx;
	struct obj_region *region = alloc_zero(1, sizeof(*region));
	int rc;

	lock_must_hold(&ctx->lock);
	if (!region)
		return -ENOMEM;
	region->len = len;
	region->viommu = viommu;
	rc = memory_init(region, ctx->caller);
	if (rc) {
		free(region);
		return rc;
	}
	rc = place(&ctx->regions, region);
	if (rc) {
		memory_fini(region);
		free(region);
		return rc;
	}
	LIST_INSERT_HEAD(&viommu->regions, region, in_viommu);
	*offset = region->node.key;
	*host = region->host;
	return 0;
}

/* Where a program still has it mapped, which only the end of the context allows, it stays there. */
void obj_region_free_locked(struct obj_region *region)
{
	lock_must_hold(&region->viommu->obj.ctx->lock);
	LIST_REMOVE(region, in_viommu);
	displace(&region->viommu->obj.ctx->regions, region);
	memory_fini(region);
	free(region);
}

static int map_locked(struct obj_ctx *ctx, uint64_t offset, uint64_t len, int *fd,
		      struct ioas_why *why)
{
	struct key_node *found = keys_find(&ctx->regions, offset);
	struct obj_region *region = found ? region_of(&found->node) : NULL;

	lock_must_hold(&ctx->lock);
	if (!region)
		return why_set(why, -ENXIO, "nothing can be mapped at %#" PRIx64, offset);
	if (region->len != len)
		return why_set(why, -ENXIO,
			       "what can be mapped at %#" PRIx64 " has %#" PRIx64
			       " bytes, not %#" PRIx64,
			       offset, region->len, len);
	if (!region->mapped)
		obj_user_add(&region->viommu->obj);
	region->mapped += len;
	*fd = region->fd;
	return 0;
}

int obj_region_map(struct obj_ctx *ctx, uint64_t offset, uint64_t len, int *fd,
		   struct ioas_why *why)
{
	int rc;

	pthread_mutex_lock(&ctx->lock);
	rc = map_locked(ctx, offset, len, fd, why);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

/* The region that has the offset, or NULL. */
static struct obj_region *find_around(const struct tree *tree, uint64_t offset)
{
	struct tree_node *node = tree->root;
	struct obj_region *found = NULL;

	while (node) {
		struct obj_region *region = region_of(node);

		if (region->node.key <= offset)
			found = region;
		node = node->child[region->node.key <= offset];
	}
	return found && offset - found->node.key < found->len ? found : NULL;
}

/* Mapped regions stay as long as the context does, so that what is not found is none's. */
void obj_region_unmap(struct obj_ctx *ctx, uint64_t offset, uint64_t len)
{
	struct obj_region *region;

	pthread_mutex_lock(&ctx->lock);
	region = find_around(&ctx->regions, offset);
	if (region && len && len <= region->mapped) {
		region->mapped -= len;
		if (!region->mapped)
			obj_user_drop(&region->viommu->obj);
	}
	pthread_mutex_unlock(&ctx->lock);
}
