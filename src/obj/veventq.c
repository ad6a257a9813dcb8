/* SPDX-License-Identifier: MIT */
/*
 * A queue of a viommu's events.
 *
 * Each event that is reported has a number, whether it is queued or lost. That the last ones were
 * lost shows at the end of the queue as a header without data; when an event is queued behind it,
 * the gap in the numbers says the same, and the header goes.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <ioas/uapi/iommufd.h>
#include "obj/viommu.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

struct event {
	STAILQ_ENTRY(event) next;
	uint32_t sequence; /* constant, so is the rest */
	size_t len;
	uint8_t data[];
};

struct obj_events {
	_Atomic uint32_t refs;
	pthread_mutex_t lock; /* protects which ones there are; around that of each */
	struct tree veventqs; /* (lock) by type */
};

struct obj_veventq {
	struct obj obj;
	struct key_node by_type;     /* (events->lock) in veventqs; the key is constant */
	struct obj_viommu *viommu;   /* constant; this is one of its users */
	uint32_t depth;		     /* constant */
	pthread_mutex_t read_lock;   /* around lock: who holds it alone takes events out */
	pthread_mutex_t lock;	     /* protects the rest */
	STAILQ_HEAD(, event) events; /* oldest first */
	uint32_t nr;		     /* of them */
	uint32_t sequence;	     /* of the next report; at most INT_MAX */
	bool lost;		     /* the last report, of number lost_sequence, is not queued */
	uint32_t lost_sequence;
	void (*notify)(void *arg, bool ready);
	void *notify_arg;
};

struct obj_events *obj_events_new(void)
{
	struct obj_events *events = alloc_zero(1, sizeof(*events));

	if (!events)
		return NULL;
	atomic_init(&events->refs, 1);
	lock_init(&events->lock, LOCK_EVENTS);
	lock_guards(&events->lock, &events->veventqs, events + 1);
	return events;
}

struct obj_events *obj_events_get(struct obj_events *events)
{
	atomic_fetch_add_explicit(&events->refs, 1, memory_order_relaxed);
	return events;
}

void obj_events_put(struct obj_events *events)
{
	if (!events || atomic_fetch_sub_explicit(&events->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&events->lock);
	free(events);
}

int obj_veventq_alloc_locked(struct obj_viommu *viommu, uint32_t type, uint32_t depth,
			     struct obj_veventq **out, struct ioas_why *why)
{
	struct obj_events *events = viommu->events;
	struct obj *obj;
	struct obj_veventq *veventq;
	int rc;

	lock_must_hold(&viommu->obj.ctx->lock);
	/* They come and go with ctx->lock held. */
	if (keys_find(&events->veventqs, type))
		return why_set(why, -EEXIST, "viommu %u has a queue of events of type 0x%x already",
			       viommu->obj.id, type);
	rc = obj_alloc(viommu->obj.ctx, OBJ_VEVENTQ, sizeof(*veventq), &obj);
	if (rc)
		return why_set(why, rc, "no memory for a queue of events");
	veventq = (struct obj_veventq *)obj;
	veventq->viommu = viommu;
	veventq->depth = depth;
	STAILQ_INIT(&veventq->events);
	lock_init(&veventq->read_lock, LOCK_QUEUE_READ);
	lock_init(&veventq->lock, LOCK_QUEUE);
	lock_guards(&veventq->lock, &veventq->events, veventq + 1);
	veventq->by_type.key = type;
	pthread_mutex_lock(&events->lock);
	keys_insert(&events->veventqs, &veventq->by_type);
	pthread_mutex_unlock(&events->lock);
	obj_user_add(&viommu->obj);
	*out = veventq;
	return 0;
}

void obj_veventq_destroy(struct obj *obj)
{
	struct obj_veventq *veventq = (struct obj_veventq *)obj;
	struct event *event;

	pthread_mutex_lock(&veventq->viommu->events->lock);
	keys_remove(&veventq->viommu->events->veventqs, &veventq->by_type);
	pthread_mutex_unlock(&veventq->viommu->events->lock);
	obj_user_drop(&veventq->viommu->obj);
	while ((event = STAILQ_FIRST(&veventq->events))) {
		STAILQ_REMOVE_HEAD(&veventq->events, next);
		free(event);
	}
	pthread_mutex_destroy(&veventq->lock);
	pthread_mutex_destroy(&veventq->read_lock);
}

struct obj *obj_of_veventq(struct obj_veventq *veventq)
{
	return &veventq->obj;
}

void obj_veventq_watch(struct obj_veventq *veventq, void (*notify)(void *arg, bool ready),
		       void *arg)
{
	pthread_mutex_lock(&veventq->lock);
	veventq->notify = notify;
	veventq->notify_arg = arg;
	pthread_mutex_unlock(&veventq->lock);
}

/* Under the lock, so that the last thing said is true. */
static void notify_locked(struct obj_veventq *veventq)
{
	lock_must_hold(&veventq->lock);
	if (veventq->notify)
		veventq->notify(veventq->notify_arg, veventq->nr || veventq->lost);
}

/* `event` NULL: it is lost. */
static void put_locked(struct obj_veventq *veventq, struct event *event)
{
	uint32_t sequence = veventq->sequence;

	lock_must_hold(&veventq->lock);
	veventq->sequence = (sequence + 1) & INT_MAX;
	veventq->lost = !event;
	if (event) {
		event->sequence = sequence;
		STAILQ_INSERT_TAIL(&veventq->events, event, next);
		veventq->nr++;
	} else {
		veventq->lost_sequence = sequence;
	}
	notify_locked(veventq);
}

/* Too many unread, or no memory: it counts, and is lost. */
static int report(struct obj_veventq *veventq, const void *data, size_t len)
{
	struct event *event = NULL;
	int rc = 0;

	pthread_mutex_lock(&veventq->lock);
	if (veventq->nr < veventq->depth) {
		event = alloc_raw(sizeof(*event) + len);
		rc = event ? 0 : -ENOMEM;
	}
	if (event) {
		event->len = len;
		memcpy(event->data, data, len);
	}
	put_locked(veventq, event);
	pthread_mutex_unlock(&veventq->lock);
	return rc;
}

int obj_events_report(struct obj_events *events, uint32_t type, const void *data, size_t len)
{
	struct key_node *found;
	int rc = -EOPNOTSUPP;

	pthread_mutex_lock(&events->lock);
	found = keys_find(&events->veventqs, type);
	if (found)
		rc = report(tree_entry(found, struct obj_veventq, by_type), data, len);
	pthread_mutex_unlock(&events->lock);
	return rc;
}

int obj_veventq_report_locked(struct obj_viommu *viommu, uint32_t type, const void *data,
			      size_t len)
{
	lock_must_hold(&viommu->obj.ctx->lock);
	return obj_events_report(viommu->events, type, data, len);
}

/* The next thing to read: its header, and the event; NULL: there is none, or only the header. */
static bool peek(struct obj_veventq *veventq, struct iommufd_vevent_header *header,
		 struct event **event)
{
	bool found;

	pthread_mutex_lock(&veventq->lock);
	*event = STAILQ_FIRST(&veventq->events);
	found = *event || veventq->lost;
	*header = (struct iommufd_vevent_header){
		.flags = *event ? 0 : IOMMU_VEVENTQ_FLAG_LOST_EVENTS,
		.sequence = *event ? (*event)->sequence : veventq->lost_sequence,
	};
	pthread_mutex_unlock(&veventq->lock);
	return found;
}

/* It was read. A header may have become another's meanwhile, which stays. */
static void take(struct obj_veventq *veventq, const struct iommufd_vevent_header *header,
		 struct event *event)
{
	pthread_mutex_lock(&veventq->lock);
	if (event) {
		STAILQ_REMOVE_HEAD(&veventq->events, next);
		veventq->nr--;
	} else if (veventq->lost_sequence == header->sequence) {
		veventq->lost = false;
	}
	notify_locked(veventq);
	pthread_mutex_unlock(&veventq->lock);
	free(event);
}

static ssize_t read_next(struct obj_veventq *veventq, size_t room,
			 int (*write)(void *arg, size_t at, const void *data, size_t len),
			 void *arg)
{
	struct iommufd_vevent_header header;
	struct event *event;
	size_t len = sizeof(header);
	int rc;

	lock_must_hold(&veventq->read_lock);
	if (!peek(veventq, &header, &event))
		return 0;
	if (event)
		len += event->len;
	if (room < len)
		return -EINVAL;
	rc = write(arg, 0, &header, sizeof(header));
	if (!rc && event)
		rc = write(arg, sizeof(header), event->data, event->len);
	if (rc)
		return rc;
	take(veventq, &header, event);
	return (ssize_t)len;
}

ssize_t obj_veventq_read(struct obj_veventq *veventq, size_t room,
			 int (*write)(void *arg, size_t at, const void *data, size_t len),
			 void *arg)
{
	ssize_t rc;

	pthread_mutex_lock(&veventq->read_lock);
	rc = read_next(veventq, room, write, arg);
	pthread_mutex_unlock(&veventq->read_lock);
	return rc;
}
