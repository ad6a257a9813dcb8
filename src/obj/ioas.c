/* SPDX-License-Identifier: MIT */
/* An IOAS: an address space with an id. */
#include <errno.h>
#include "obj/obj.h"
#include "space/space.h"
#include "util/lock.h"
#include "util/why.h"

static int alloc(struct obj_ctx *ctx, struct obj_ioas *parent, struct obj_ioas **out,
		 struct ioas_why *why)
{
	struct obj *obj;
	struct obj_ioas *ioas;
	int rc = obj_alloc(ctx, OBJ_IOAS, sizeof(*ioas), &obj);

	if (rc)
		return rc;
	ioas = (struct obj_ioas *)obj;
	TAILQ_INIT(&ioas->hwpts);
	rc = parent ? ioas_space_new_nested(parent->space, &ioas->space, why)
		    : ioas_space_new(ctx->iommu, &ioas->space);
	if (rc) {
		obj_abort(obj);
		return rc;
	}
	/* Fixed while any object exists, this one too. */
	pthread_mutex_lock(&ctx->ids_lock);
	space_set_rule(ioas->space, ctx->rlimit_mm ? ACCOUNT_PROCESS : ACCOUNT_USER);
	pthread_mutex_unlock(&ctx->ids_lock);
	*out = ioas;
	return 0;
}

int obj_ioas_alloc(struct obj_ctx *ctx, struct obj_ioas **out)
{
	return alloc(ctx, NULL, out, NULL);
}

int obj_ioas_alloc_nested_locked(struct obj_ioas *parent, struct obj_ioas **out,
				 struct ioas_why *why)
{
	int rc = alloc(parent->obj.ctx, parent, out, why);

	lock_must_hold(&parent->obj.ctx->lock);
	if (rc)
		return rc;
	(*out)->parent = parent;
	obj_user_add(&parent->obj);
	return 0;
}

void obj_ioas_abort(struct obj_ioas *ioas)
{
	obj_ioas_destroy(&ioas->obj);
	obj_abort(&ioas->obj);
}

void obj_ioas_destroy(struct obj *obj)
{
	struct obj_ioas *ioas = (struct obj_ioas *)obj;

	ioas_space_put(ioas->space);
	if (ioas->parent)
		obj_user_drop(&ioas->parent->obj);
}

struct obj_ioas *obj_ioas_get(struct obj_ctx *ctx, uint32_t id, struct ioas_why *why)
{
	struct obj_ioas *ioas = (struct obj_ioas *)obj_get(ctx, id, OBJ_IOAS);

	if (!ioas)
		why_set(why, -ENOENT, "no IOAS has id %u", id);
	return ioas;
}
