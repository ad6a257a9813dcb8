/* SPDX-License-Identifier: MIT */
/*
 * A queue of page requests, and what waits for its answer.
 *
 * A group is collected (incomplete, by the attachment it comes by) until its last request has come,
 * then queued, then read and waits for its answer under a cookie. Each step is a list, and in each
 * the group is also in its attachment's list, so that what came by an attachment that ends is found
 * at once. Who takes a group out of all of them answers and frees it; a reader holds a reference
 * besides, since it copies the group to the program without a lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <ioas/uapi/iommufd.h>
#include "obj/fault_late.h"
#include "obj/obj.h"
#include "route/route.h"
#include "util/alloc.h"
#include "util/lock.h"

enum state { INCOMPLETE, QUEUED, READ };

struct obj_fault {
	struct obj obj;
	pthread_mutex_t lock; /* protects the rest, and each group's that is in the queue */
	struct obj_fault_groups queue;
	struct ids cookies; /* groups that were read, at cookie - 1; and, without one, those late */
	struct fault_late late;
	void (*notify)(void *arg, bool ready);
	void *notify_arg;
};

struct obj_fault_group {
	_Atomic uint32_t refs; /* who will answer, and a reader */
	enum state state;
	struct obj_attach *attach;
	TAILQ_ENTRY(obj_fault_group) in_attach; /* or in a list of those to refuse */
	TAILQ_ENTRY(obj_fault_group) in_queue;
	struct tree_node node; /* in attach->incomplete */
	uint32_t grpid;	       /* constant */
	uint32_t cookie;
	obj_respond_t *respond;
	void *arg;
	uint64_t tag; /* the sender's: another one is another group */
	size_t nr, room;
	struct iommu_hwpt_pgfault *record;
};

int obj_fault_alloc(struct obj_ctx *ctx, struct obj_fault **out)
{
	struct obj *obj;
	struct obj_fault *fault;
	int rc = obj_alloc(ctx, OBJ_FAULT, sizeof(*fault), &obj);

	if (rc)
		return rc;
	fault = (struct obj_fault *)obj;
	lock_init(&fault->lock, LOCK_QUEUE);
	lock_guards(&fault->lock, &fault->queue, fault + 1);
	TAILQ_INIT(&fault->queue);
	*out = fault;
	return 0;
}

void obj_fault_abort(struct obj_fault *fault)
{
	obj_fault_destroy(&fault->obj);
	obj_abort(&fault->obj);
}

/* No page table has it any more, so that no attachment leads here: nothing is queued. */
void obj_fault_destroy(struct obj *obj)
{
	struct obj_fault *fault = (struct obj_fault *)obj;

	ids_fini(&fault->cookies);
	pthread_mutex_destroy(&fault->lock);
}

struct obj *obj_of_fault(struct obj_fault *fault)
{
	return &fault->obj;
}

void obj_fault_watch(struct obj_fault *fault, void (*notify)(void *arg, bool ready), void *arg)
{
	pthread_mutex_lock(&fault->lock);
	fault->notify = notify;
	fault->notify_arg = arg;
	pthread_mutex_unlock(&fault->lock);
}

/* Under the lock, so that the last thing said is true. */
static void notify_locked(struct obj_fault *fault)
{
	lock_must_hold(&fault->lock);
	if (fault->notify)
		fault->notify(fault->notify_arg, !TAILQ_EMPTY(&fault->queue));
}

static void group_put(struct obj_fault_group *group)
{
	if (atomic_fetch_sub_explicit(&group->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(group->record);
	free(group);
}

/* It is in no list any more. No locks held. */
static void group_answer(struct obj_fault_group *group, uint32_t code)
{
	if (group->respond)
		group->respond(group->arg, group->tag, group->grpid, code);
	group_put(group);
}

static struct obj_fault_group *group_of(struct tree_node *node)
{
	return tree_entry(node, struct obj_fault_group, node);
}

/* The incomplete group of that number, or NULL and where it would be. */
static struct obj_fault_group *find(const struct obj_attach *attach, uint32_t grpid,
				    struct tree_node **parent, int *side)
{
	struct tree_node *node = attach->incomplete.root;

	*parent = NULL;
	*side = 0;
	while (node) {
		struct obj_fault_group *group = group_of(node);

		if (group->grpid == grpid)
			return group;
		*parent = node;
		*side = grpid > group->grpid;
		node = node->child[*side];
	}
	return NULL;
}

static struct obj_fault_group *group_get(struct obj_attach *attach, uint32_t grpid)
{
	struct tree_node *parent;
	int side;
	struct obj_fault_group *group = find(attach, grpid, &parent, &side);

	if (group)
		return group;
	group = alloc_zero(1, sizeof(*group));
	if (!group)
		return NULL;
	atomic_init(&group->refs, 1);
	group->attach = attach;
	group->grpid = grpid;
	tree_insert(&attach->incomplete, &group->node, parent, side);
	TAILQ_INSERT_TAIL(&attach->groups, group, in_attach);
	return group;
}

static int group_add(struct obj_fault_group *group, const struct iommu_hwpt_pgfault *record)
{
	if (group->nr == group->room) {
		size_t room = group->room ? 2 * group->room : 1;
		void *bigger = alloc_resize(group->record, room * sizeof(*record));

		if (!bigger)
			return -ENOMEM;
		group->record = bigger;
		group->room = room;
	}
	group->record[group->nr++] = *record;
	return 0;
}

/* `late`: what the program says of it is still to come. */
static void group_leave_locked(struct obj_fault *fault, struct obj_fault_group *group, bool late)
{
	lock_must_hold(&fault->lock);
	TAILQ_REMOVE(&group->attach->groups, group, in_attach);
	switch (group->state) {
	case INCOMPLETE:
		tree_remove(&group->attach->incomplete, &group->node);
		break;
	case QUEUED:
		TAILQ_REMOVE(&fault->queue, group, in_queue);
		break;
	case READ:
		if (late)
			fault_late_begin(&fault->late, &fault->cookies, group->cookie);
		else
			ids_drop(&fault->cookies, group->cookie - 1);
		break;
	}
	group->attach = NULL;
}

static int take_locked(struct obj_fault *fault, struct obj_attach *attach,
		       const struct iommu_hwpt_pgfault *record, uint64_t tag,
		       obj_respond_t *respond, void *arg)
{
	struct obj_fault_group *group = group_get(attach, record->grpid);

	lock_must_hold(&fault->lock);
	if (!group)
		return -ENOMEM;
	/* The device has begun anew: the rest of what there is never comes. */
	if (group->tag != tag)
		group->nr = 0;
	group->tag = tag;
	if (group_add(group, record)) {
		group_leave_locked(fault, group, false);
		group_put(group);
		return -ENOMEM;
	}
	if (!(record->flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE))
		return 0;
	group->respond = respond;
	group->arg = arg;
	tree_remove(&attach->incomplete, &group->node);
	group->state = QUEUED;
	TAILQ_INSERT_TAIL(&fault->queue, group, in_queue);
	notify_locked(fault);
	return 0;
}

static struct obj_attach *taker_of(struct tree_node *node)
{
	return tree_entry(node, struct obj_attach, by_form);
}

/* Where an attachment stands among those of its device. */
static uint64_t form_of(bool has_pasid, pasid_t pasid)
{
	return has_pasid ? pasid : UINT64_MAX;
}

/* The device's attachment of that form, or NULL and where it would be. (requests_lock) */
static struct obj_attach *find_taker(const struct obj_device *device, uint64_t form,
				     struct tree_node **parent, int *side)
{
	struct tree_node *node = device->takers.root;

	*parent = NULL;
	*side = 0;
	while (node) {
		struct obj_attach *attach = taker_of(node);
		uint64_t at = form_of(attach->has_pasid, attach->pasid);

		if (at == form)
			return attach;
		*parent = node;
		*side = form > at;
		node = node->child[*side];
	}
	return NULL;
}

/*
 * Where PASID 0 is none it goes where requests without go. A PASID that is not attached is one of
 * the program's own table of PASIDs: the nested one's.
 */
static struct obj_attach *attach_of(struct obj_device *device, bool has_pasid, pasid_t pasid)
{
	bool none = has_pasid && !pasid && device->dev && device->dev->pasid_0_same;
	struct tree_node *parent;
	int side;
	struct obj_attach *attach =
		find_taker(device, form_of(has_pasid && !none, pasid), &parent, &side);

	if (!attach && device->rid.takes && device->rid.takes->parent)
		attach = &device->rid;
	return attach && attach->takes->fault ? attach : NULL;
}

int obj_fault_take(struct obj_device *device, bool has_pasid, pasid_t pasid,
		   const struct obj_page_request *request, obj_respond_t *respond, void *arg)
{
	struct iommu_hwpt_pgfault record = {
		.flags = (has_pasid ? IOMMU_PGFAULT_FLAGS_PASID_VALID : 0) |
			 (request->last ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0),
		.dev_id = device->obj.id,
		.pasid = has_pasid ? pasid : 0,
		.grpid = request->grpid,
		.perm = request->perm,
		.addr = request->addr,
	};
	struct obj_attach *attach;
	struct obj_fault *fault;
	int rc = 1;

	pthread_mutex_lock(&device->requests_lock);
	attach = attach_of(device, has_pasid, pasid);
	if (attach) {
		fault = attach->takes->fault;
		pthread_mutex_lock(&fault->lock);
		rc = take_locked(fault, attach, &record, request->tag, respond, arg);
		pthread_mutex_unlock(&fault->lock);
	}
	pthread_mutex_unlock(&device->requests_lock);
	return rc;
}

/*
 * (requests_lock) The complete group of that number and tag, in no list any more. All groups have
 * the same time: those that are late are the first.
 */
static struct obj_fault_group *take_out(struct obj_attach *attach, struct obj_fault *fault,
					uint32_t grpid, uint64_t tag)
{
	struct obj_fault_group *group;

	pthread_mutex_lock(&fault->lock);
	TAILQ_FOREACH(group, &attach->groups, in_attach)
	{
		if (group->state != INCOMPLETE && group->grpid == grpid && group->tag == tag)
			break;
	}
	if (group) {
		group_leave_locked(fault, group, true);
		notify_locked(fault);
	}
	pthread_mutex_unlock(&fault->lock);
	return group;
}

int obj_fault_report(struct obj_device *device, bool has_pasid, pasid_t pasid,
		     const struct obj_page_request *request, obj_respond_t *respond, void *arg)
{
	int rc = obj_fault_take(device, has_pasid, pasid, request, respond, arg);

	if (rc == 1 && request->last && respond)
		respond(arg, request->tag, request->grpid, IOMMUFD_PAGE_RESP_INVALID);
	return rc < 0 ? rc : 0;
}

static void refuse_all(struct obj_attach *attach, struct obj_fault *fault)
{
	struct obj_fault_groups *refused = &attach->device->obj.ctx->refused;
	struct obj_fault_group *group;

	pthread_mutex_lock(&fault->lock);
	while ((group = TAILQ_FIRST(&attach->groups))) {
		group_leave_locked(fault, group, false);
		TAILQ_INSERT_TAIL(refused, group, in_attach);
	}
	notify_locked(fault);
	pthread_mutex_unlock(&fault->lock);
}

void obj_fault_move_locked(struct obj_attach *attach, struct obj_hwpt *old, struct obj_hwpt *to)
{
	struct obj_device *device = attach->device;
	struct tree_node *parent;
	int side;

	lock_must_hold(&device->obj.ctx->lock);
	pthread_mutex_lock(&device->requests_lock);
	if (old && old->fault)
		refuse_all(attach, old->fault);
	attach->takes = to;
	if (!to)
		tree_remove(&device->takers, &attach->by_form);
	else if (!old &&
		 !find_taker(device, form_of(attach->has_pasid, attach->pasid), &parent, &side))
		tree_insert(&device->takers, &attach->by_form, parent, side);
	pthread_mutex_unlock(&device->requests_lock);
}

bool obj_fault_drop(struct obj_device *device, bool has_pasid, pasid_t pasid, uint32_t grpid,
		    uint64_t tag)
{
	struct obj_fault_group *group = NULL;
	struct obj_attach *attach;

	pthread_mutex_lock(&device->requests_lock);
	attach = attach_of(device, has_pasid, pasid);
	if (attach)
		group = take_out(attach, attach->takes->fault, grpid, tag);
	pthread_mutex_unlock(&device->requests_lock);
	if (group)
		group_put(group);
	return group;
}

/* Who sent only a part of a group knows nothing of an answer yet: `respond` is NULL. */
static void refuse(struct obj_fault_groups *groups)
{
	struct obj_fault_group *group;

	while ((group = TAILQ_FIRST(groups))) {
		TAILQ_REMOVE(groups, group, in_attach);
		group_answer(group, IOMMUFD_PAGE_RESP_INVALID);
	}
}

void obj_ctx_unlock(struct obj_ctx *ctx)
{
	struct obj_fault_groups refused = TAILQ_HEAD_INITIALIZER(refused);

	TAILQ_CONCAT(&refused, &ctx->refused, in_attach);
	pthread_mutex_unlock(&ctx->lock);
	refuse(&refused);
}

static int read_locked(struct obj_fault *fault, size_t room, struct obj_fault_group **out)
{
	struct obj_fault_group *group = TAILQ_FIRST(&fault->queue);
	uint32_t slot;

	lock_must_hold(&fault->lock);
	if (!group)
		return 0;
	if (group->nr > room)
		return -EINVAL;
	if (ids_take(&fault->cookies, &slot))
		return -ENOMEM;
	ids_set(&fault->cookies, slot, group);
	group->cookie = slot + 1;
	for (size_t i = 0; i < group->nr; i++)
		group->record[i].cookie = group->cookie;
	TAILQ_REMOVE(&fault->queue, group, in_queue);
	group->state = READ;
	atomic_fetch_add_explicit(&group->refs, 1, memory_order_relaxed);
	notify_locked(fault);
	*out = group;
	return 1;
}

int obj_fault_read(struct obj_fault *fault, size_t room, struct obj_fault_group **out)
{
	int rc;

	pthread_mutex_lock(&fault->lock);
	rc = read_locked(fault, room, out);
	pthread_mutex_unlock(&fault->lock);
	return rc;
}

const struct iommu_hwpt_pgfault *obj_fault_records(const struct obj_fault_group *group, size_t *nr)
{
	*nr = group->nr;
	return group->record;
}

/* It may have been refused, or even answered by a guess, meanwhile. */
void obj_fault_read_end(struct obj_fault *fault, struct obj_fault_group *group, bool taken)
{
	pthread_mutex_lock(&fault->lock);
	if (!taken && group->attach) {
		ids_drop(&fault->cookies, group->cookie - 1);
		group->state = QUEUED;
		TAILQ_INSERT_HEAD(&fault->queue, group, in_queue);
		notify_locked(fault);
	}
	pthread_mutex_unlock(&fault->lock);
	group_put(group);
}

int obj_fault_respond(struct obj_fault *fault, uint32_t cookie, uint32_t code)
{
	struct obj_fault_group *group;

	if (code != IOMMUFD_PAGE_RESP_SUCCESS && code != IOMMUFD_PAGE_RESP_INVALID)
		return -EINVAL;
	pthread_mutex_lock(&fault->lock);
	group = cookie ? ids_get(&fault->cookies, cookie - 1) : NULL;
	if (group)
		group_leave_locked(fault, group, false);
	else
		fault_late_answer(&fault->late, &fault->cookies, cookie);
	pthread_mutex_unlock(&fault->lock);
	if (!group)
		return -EINVAL;
	group_answer(group, code);
	return 0;
}
