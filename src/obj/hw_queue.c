/* SPDX-License-Identifier: MIT */
/*
 * A guest's queue in memory, which the IOMMU works on by itself. It reads it by physical addresses,
 * past all page tables; so what is mapped there stays mapped.
 */
#include <errno.h>
#include <inttypes.h>
#include "obj/viommu.h"
#include "space/space.h"
#include "util/lock.h"
#include "util/why.h"

static struct ioas_space *space_of(const struct obj_hw_queue *queue)
{
	return queue->viommu->parent->ioas->space;
}

static int pin(struct obj_hw_queue *queue, struct ioas_why *why)
{
	const struct kind_viommu_ops *ops = queue->viommu->ops;
	iova_t last = queue->iova + (queue->len - 1);
	pa_t pa;
	int rc = space_lock_range(space_of(queue), queue->iova, last, &pa, why);

	if (rc)
		return rc;
	rc = ops->hw_queue_init(queue, pa, why);
	if (rc)
		space_unlock_range(space_of(queue), queue->iova, last);
	return rc;
}

int obj_hw_queue_alloc_locked(struct obj_viommu *viommu, uint32_t type, uint32_t index, iova_t iova,
			      uint64_t len, struct obj_hw_queue **out, struct ioas_why *why)
{
	const struct kind_viommu_ops *ops = viommu->ops;
	struct obj *obj;
	struct obj_hw_queue *queue;
	int rc;

	lock_must_hold(&viommu->obj.ctx->lock);
	if (!ops->hw_queue_type || !ops->hw_queue_init || !ops->hw_queue_type(viommu, type))
		return why_set(why, -EOPNOTSUPP, "viommu %u has no hardware queues of type 0x%x",
			       viommu->obj.id, type);
	rc = obj_alloc(viommu->obj.ctx, OBJ_HW_QUEUE, sizeof(*queue), &obj);
	if (rc)
		return why_set(why, rc, "no memory for a hardware queue");
	queue = (struct obj_hw_queue *)obj;
	queue->viommu = viommu;
	queue->index = index;
	queue->iova = iova;
	queue->len = len;
	LIST_INIT(&queue->needers);
	rc = pin(queue, why);
	if (rc) {
		obj_abort(obj);
		return rc;
	}
	obj_user_add(&viommu->obj);
	*out = queue;
	return 0;
}

void obj_hw_queue_depend_locked(struct obj_hw_queue *queue, struct obj_hw_queue *needed)
{
	lock_must_hold(&queue->obj.ctx->lock);
	queue->needed = needed;
	obj_user_add(&needed->obj);
	LIST_INSERT_HEAD(&needed->needers, queue, in_needers);
}

/* With its context even a queue goes that others need: they go first. */
void obj_hw_queue_destroy(struct obj *obj)
{
	struct obj_hw_queue *queue = (struct obj_hw_queue *)obj, *needer;

	while ((needer = LIST_FIRST(&queue->needers)))
		obj_remove_locked(&needer->obj);
	if (queue->needed) {
		LIST_REMOVE(queue, in_needers);
		obj_user_drop(&queue->needed->obj);
	}
	if (queue->viommu->ops->hw_queue_fini)
		queue->viommu->ops->hw_queue_fini(queue);
	space_unlock_range(space_of(queue), queue->iova, queue->iova + (queue->len - 1));
	obj_user_drop(&queue->viommu->obj);
}
