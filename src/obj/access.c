/* SPDX-License-Identifier: MIT */
/* An access with an id: a user of its IOAS for as long as it is attached there. */
#include <errno.h>
#include "obj/obj.h"
#include "util/lock.h"
#include "util/why.h"

/* The IOAS, counted as used, so that it can be attached to without the context's lock. */
static struct obj_ioas *use(struct obj_ctx *ctx, uint32_t id, struct ioas_why *why)
{
	struct obj_ioas *ioas;

	pthread_mutex_lock(&ctx->lock);
	ioas = (struct obj_ioas *)obj_peek(ctx, id, OBJ_IOAS);
	if (ioas)
		obj_user_add(&ioas->obj);
	else
		why_set(why, -ENOENT, "no IOAS has id %u", id);
	pthread_mutex_unlock(&ctx->lock);
	return ioas;
}

static void unuse(struct obj_ctx *ctx, struct obj_ioas *ioas)
{
	pthread_mutex_lock(&ctx->lock);
	obj_user_drop(&ioas->obj);
	pthread_mutex_unlock(&ctx->lock);
}

int obj_access_replace(struct obj_access *access, uint32_t ioas_id, struct ioas_why *why)
{
	struct obj_ctx *ctx = access->obj.ctx;
	struct obj_ioas *ioas = use(ctx, ioas_id, why), *other;
	int rc;

	if (!ioas)
		return -ENOENT;
	pthread_mutex_lock(&access->moving);
	rc = ioas_access_attach(access->access, ioas->space, why);
	other = rc ? ioas : access->ioas;
	if (!rc)
		access->ioas = ioas;
	pthread_mutex_unlock(&access->moving);
	if (other)
		unuse(ctx, other);
	return rc;
}

int obj_access_new(struct obj_ctx *ctx, uint32_t ioas_id, const struct ioas_access_ops *ops,
		   void *arg, uint32_t flags, struct obj_access **out, struct ioas_why *why)
{
	struct obj_access *access;
	struct obj *obj;
	int rc = obj_alloc(ctx, OBJ_ACCESS, sizeof(*access), &obj);

	if (rc)
		return why_set(why, rc, "no memory for an access");
	access = (struct obj_access *)obj;
	rc = ioas_access_new(ctx->iommu, ops, arg, flags, &access->access);
	if (rc) {
		obj_abort(obj);
		return why_set(why, rc, "no memory for an access");
	}
	lock_init(&access->moving, LOCK_MOVING);
	lock_guards(&access->moving, &access->ioas, access + 1);
	rc = obj_access_replace(access, ioas_id, why);
	if (rc) {
		ioas_access_destroy(access->access);
		pthread_mutex_destroy(&access->moving);
		obj_abort(obj);
		return rc;
	}
	obj_ctx_get(ctx);
	obj_finalize(obj);
	*out = access;
	return 0;
}

void obj_access_close(struct obj_access *access)
{
	struct obj_ctx *ctx = access->obj.ctx;

	ioas_access_destroy(access->access);
	if (access->ioas)
		unuse(ctx, access->ioas);
	pthread_mutex_destroy(&access->moving);
	pthread_mutex_lock(&ctx->lock);
	obj_remove_locked(&access->obj);
	pthread_mutex_unlock(&ctx->lock);
	obj_ctx_put(ctx);
}
