/* SPDX-License-Identifier: MIT */
/* The context: its table of ids, and how objects come and go. */
#include <errno.h>
#include <stdlib.h>
#include "obj/obj.h"
#include "obj/viommu.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

/* In order of dying when the context ends: users before what they use. */
static const struct {
	const char *name;
	void (*destroy)(struct obj *obj);
} types[OBJ_TYPE_NR] = {
	[OBJ_IOAS] = {"IOAS", obj_ioas_destroy},
	[OBJ_HWPT] = {"page table", obj_hwpt_destroy},
	[OBJ_NESTED] = {"nested page table", obj_nested_destroy},
	[OBJ_DEVICE] = {"device", NULL}, /* these two die with who made them only */
	[OBJ_ACCESS] = {"access", NULL},
	[OBJ_FAULT] = {"fault queue", obj_fault_destroy},
	[OBJ_VIOMMU] = {"viommu", obj_viommu_destroy},
	[OBJ_VDEVICE] = {"vdevice", obj_vdevice_destroy},
	[OBJ_VEVENTQ] = {"virtual event queue", obj_veventq_destroy},
	[OBJ_HW_QUEUE] = {"hardware queue", obj_hw_queue_destroy},
	[OBJ_SELFTEST] = {"test device", obj_selftest_destroy},
};
static const enum obj_type dying_order[] = {OBJ_SELFTEST, OBJ_VDEVICE, OBJ_VEVENTQ,
					    OBJ_HW_QUEUE, OBJ_NESTED,  OBJ_VIOMMU,
					    OBJ_HWPT,	  OBJ_FAULT,   OBJ_IOAS};

const char *obj_type_name(enum obj_type type)
{
	return type < OBJ_TYPE_NR ? types[type].name : "object";
}

int obj_ctx_new(struct ioas_iommu *iommu, struct ioas_caller *caller, struct obj_ctx **out)
{
	struct obj_ctx *ctx = alloc_zero(1, sizeof(*ctx));

	if (!ctx)
		return -ENOMEM;
	ctx->iommu = iommu;
	ctx->caller = caller;
	ctx->regions.update = obj_region_update;
	atomic_init(&ctx->refs, 1);
	lock_init(&ctx->lock, LOCK_CTX);
	lock_guards(&ctx->lock, &ctx->regions, ctx + 1);
	lock_init(&ctx->ids_lock, LOCK_IDS);
	lock_guards(&ctx->ids_lock, &ctx->ids, &ctx->caller);
	pthread_cond_init(&ctx->idle, NULL);
	TAILQ_INIT(&ctx->refused);
	*out = ctx;
	return 0;
}

struct obj_ctx *obj_ctx_get(struct obj_ctx *ctx)
{
	atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
	return ctx;
}

static void destroy_all(struct obj_ctx *ctx, enum obj_type type)
{
	struct obj *obj;
	bool again;

	pthread_mutex_lock(&ctx->lock);
	/* An IOAS goes when those that are nested on it have gone. */
	do {
		again = false;
		for (uint32_t id = 0; (obj = ids_next(&ctx->ids, &id)); id++)
			if (obj->type != type)
				continue;
			else if (type == OBJ_IOAS && obj->users)
				again = true;
			else
				obj_remove_locked(obj);
	} while (again);
	obj_ctx_unlock(ctx);
}

void obj_ctx_put(struct obj_ctx *ctx)
{
	if (atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < sizeof(dying_order) / sizeof(dying_order[0]); i++)
		destroy_all(ctx, dying_order[i]);
	ids_fini(&ctx->ids);
	pthread_cond_destroy(&ctx->idle);
	pthread_mutex_destroy(&ctx->ids_lock);
	pthread_mutex_destroy(&ctx->lock);
	free(ctx);
}

int obj_alloc(struct obj_ctx *ctx, enum obj_type type, size_t size, struct obj **out)
{
	struct obj *obj = alloc_zero(1, size);
	uint32_t slot;
	int rc;

	if (!obj)
		return -ENOMEM;
	pthread_mutex_lock(&ctx->ids_lock);
	rc = ids_take(&ctx->ids, &slot);
	if (!rc)
		ctx->ids_nr++;
	pthread_mutex_unlock(&ctx->ids_lock);
	if (rc) {
		free(obj);
		return -ENOMEM;
	}
	obj->ctx = ctx;
	obj->type = type;
	obj->id = slot + 1;
	*out = obj;
	return 0;
}

void obj_finalize_locked(struct obj *obj)
{
	lock_must_hold(&obj->ctx->ids_lock);
	ids_set(&obj->ctx->ids, obj->id - 1, obj);
}

void obj_finalize(struct obj *obj)
{
	pthread_mutex_lock(&obj->ctx->ids_lock);
	obj_finalize_locked(obj);
	pthread_mutex_unlock(&obj->ctx->ids_lock);
}

void obj_abort(struct obj *obj)
{
	struct obj_ctx *ctx = obj->ctx;

	pthread_mutex_lock(&ctx->ids_lock);
	ids_drop(&ctx->ids, obj->id - 1);
	ctx->ids_nr--;
	pthread_mutex_unlock(&ctx->ids_lock);
	free(obj);
}

/* Id 0 never exists; 0 - 1 is above every number that ids gives. */
static struct obj *find_locked(struct obj_ctx *ctx, uint32_t id, enum obj_type type)
{
	struct obj *obj = ids_get(&ctx->ids, id - 1);

	lock_must_hold(&ctx->ids_lock);
	return obj && (type == OBJ_ANY || obj->type == type) ? obj : NULL;
}

struct obj *obj_get(struct obj_ctx *ctx, uint32_t id, enum obj_type type)
{
	struct obj *obj;

	if (inject())
		return NULL;
	pthread_mutex_lock(&ctx->ids_lock);
	obj = find_locked(ctx, id, type);
	if (obj)
		obj->gets++;
	pthread_mutex_unlock(&ctx->ids_lock);
	return obj;
}

/*
 * Either take_out sees this, or we see that it waits: both first write, then look. The object may
 * be gone at once.
 */
void obj_put(struct obj *obj)
{
	struct obj_ctx *ctx = obj->ctx;

	atomic_fetch_add_explicit(&obj->puts, 1, memory_order_seq_cst);
	if (!atomic_load_explicit(&ctx->waiting, memory_order_seq_cst))
		return;
	pthread_mutex_lock(&ctx->ids_lock);
	pthread_cond_broadcast(&ctx->idle);
	pthread_mutex_unlock(&ctx->ids_lock);
}

struct obj *obj_peek(struct obj_ctx *ctx, uint32_t id, enum obj_type type)
{
	struct obj *obj;

	lock_must_hold(&ctx->lock);
	if (inject())
		return NULL;
	pthread_mutex_lock(&ctx->ids_lock);
	obj = find_locked(ctx, id, type);
	pthread_mutex_unlock(&ctx->ids_lock);
	return obj;
}

/* It is not found any more, and nobody is at work on it. */
static void take_out(struct obj *obj)
{
	struct obj_ctx *ctx = obj->ctx;

	pthread_mutex_lock(&ctx->ids_lock);
	ids_set(&ctx->ids, obj->id - 1, NULL);
	atomic_fetch_add_explicit(&ctx->waiting, 1, memory_order_seq_cst);
	while (atomic_load_explicit(&obj->puts, memory_order_seq_cst) != obj->gets)
		pthread_cond_wait(&ctx->idle, &ctx->ids_lock);
	atomic_fetch_sub_explicit(&ctx->waiting, 1, memory_order_relaxed);
	if (ctx->compat && &ctx->compat->obj == obj)
		ctx->compat = NULL;
	pthread_mutex_unlock(&ctx->ids_lock);
	if (types[obj->type].destroy)
		types[obj->type].destroy(obj);
}

void obj_remove_locked(struct obj *obj)
{
	lock_must_hold(&obj->ctx->lock);
	take_out(obj);
	obj_abort(obj);
}

void obj_tombstone_locked(struct obj *obj)
{
	lock_must_hold(&obj->ctx->lock);
	take_out(obj);
	free(obj);
}

int obj_destroy(struct obj_ctx *ctx, uint32_t id, struct ioas_why *why)
{
	struct obj *obj;
	int rc = 0;

	pthread_mutex_lock(&ctx->lock);
	obj = obj_peek(ctx, id, OBJ_ANY);
	if (!obj)
		rc = why_set(why, -ENOENT, "no object has id %u", id);
	else if (!types[obj->type].destroy)
		rc = why_set(why, -EBUSY, "id %u is a %s; it goes when its owner closes it", id,
			     obj_type_name(obj->type));
	else if (obj->users)
		rc = why_set(why, -EBUSY, "%s %u is used by %u other object(s)",
			     obj_type_name(obj->type), id, obj->users);
	else
		obj_remove_locked(obj);
	obj_ctx_unlock(ctx);
	return rc;
}
