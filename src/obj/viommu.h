/* SPDX-License-Identifier: MIT */
/*
 * What a guest has of an IOMMU.
 *
 * A viommu is a guest's share, on a page table that can be nested on. A vdevice says by which id
 * the guest knows one of its devices. What the share has to tell goes into a veventq, one for each
 * type. A hardware queue is memory of the guest's that the IOMMU works on by itself. A region is
 * memory of the share that the program maps, as if it were registers.
 *
 * All of it is protected by ctx->lock, except which veventqs there are and what is in them: these
 * have locks of their own below ctx->lock, in this order, so that who has a fault to tell of, maybe
 * in flight, takes no more. Reading a veventq takes its lock alone.
 */
#ifndef OBJ_VIOMMU_H
#define OBJ_VIOMMU_H

#include <sys/queue.h>
#include "obj/obj.h"
#include "util/keys.h"

/* viommu.c */

struct obj_region;

struct obj_viommu {
	struct obj obj;
	const struct kind_viommu_ops *ops; /* constant */
	/* Constant: the kind of IOMMU it is a share of. Its device may have gone. */
	const struct kind_ops *kind_ops;
	void *kind;			 /* constant: the kind's part */
	uint32_t type;			 /* constant: IOMMU_VIOMMU_TYPE_* */
	struct obj_hwpt *parent;	 /* constant; this is one of its users */
	struct tree vdevices;		 /* (ctx->lock) by the guest's ids */
	struct obj_events *events;	 /* constant; referenced: where what it tells goes */
	LIST_HEAD(, obj_region) regions; /* (ctx->lock) */
};

/*
 * Makes one on a nest parent, not published yet: obj_finalize follows, or obj_remove_locked.
 * ctx->lock held. 0; -EINVAL `parent` is none; -ENOMEM; what the kind says.
 */
int obj_viommu_alloc_locked(struct kind_device *dev, const struct kind_viommu_ops *ops,
			    uint32_t type, struct obj_hwpt *parent, const struct kind_data *data,
			    struct obj_viommu **out, struct ioas_why *why);
void obj_viommu_destroy(struct obj *obj);
/* As obj_hwpt_drain_locked, of all that its devices looked up. */
void obj_viommu_drain_locked(struct obj_viommu *viommu);

/* vdevice.c */

struct obj_vdevice {
	struct obj obj;
	struct key_node by_virt_id; /* (ctx->lock) in viommu->vdevices; the key is constant */
	struct obj_viommu *viommu;  /* constant; this is one of its users */
	struct obj_device *device;  /* constant: this ends before it */
};

/*
 * As obj_viommu_alloc_locked. 0; -EINVAL the device is behind another IOMMU; -EEXIST it has a
 * vdevice, or the id is another's; -ENOMEM.
 */
int obj_vdevice_alloc_locked(struct obj_viommu *viommu, struct obj_device *device, uint64_t virt_id,
			     struct obj_vdevice **out, struct ioas_why *why);
void obj_vdevice_destroy(struct obj *obj);
/* The device is being unbound: its vdevice, if it has one, goes, and leaves a tombstone. */
void obj_vdevice_end_locked(struct obj_device *device);
/* By the guest's id. NULL: none. ctx->lock held. */
struct obj_vdevice *obj_vdevice_find_locked(struct obj_viommu *viommu, uint64_t virt_id);
/* Does that guest know the device? ctx->lock held. */
bool obj_vdevice_in(const struct obj_device *device, const struct obj_viommu *viommu);
/*
 * Requests have begun to go to `hwpt`: from now on events there name them by the id that its guest
 * knows them by. ctx->lock held.
 */
void obj_vdevice_name(const struct obj_attach *attach, const struct obj_hwpt *hwpt);

/* veventq.c; its descriptor is uapi/veventq_file.c's */

struct obj_veventq;
/* The veventqs of a viommu. Outlives it while anybody has a reference. */
struct obj_events;

struct obj_events *obj_events_new(void); /* with a reference; NULL: no memory */
struct obj_events *obj_events_get(struct obj_events *events);
void obj_events_put(struct obj_events *events);
/* As obj_veventq_report_locked, from anywhere. */
int obj_events_report(struct obj_events *events, uint32_t type, const void *data, size_t len);

/* As obj_viommu_alloc_locked. `depth`: unread events it holds. 0; -EEXIST of that type; -ENOMEM. */
int obj_veventq_alloc_locked(struct obj_viommu *viommu, uint32_t type, uint32_t depth,
			     struct obj_veventq **out, struct ioas_why *why);
void obj_veventq_destroy(struct obj *obj);
struct obj *obj_of_veventq(struct obj_veventq *veventq);
/* `notify` (NULL: no more) is told, with the queue's lock held, when there is something to read. */
void obj_veventq_watch(struct obj_veventq *veventq, void (*notify)(void *arg, bool ready),
		       void *arg);
/*
 * Queues an event of a viommu. Too many unread: it is lost, and the reader is told. 0; -EOPNOTSUPP
 * no queue of that type; -ENOMEM it is lost, too. ctx->lock held.
 */
int obj_veventq_report_locked(struct obj_viommu *viommu, uint32_t type, const void *data,
			      size_t len);
/*
 * Reads the next event. `write` stores a piece (a header, then data) at `at` bytes of the reader's,
 * of whom there are `room`: 0 or -errno, and the event stays the next. Returns how long it was; 0:
 * nothing is queued; -EINVAL it is longer than `room`. Readers are one at a time; no lock is held
 * that a report takes.
 */
ssize_t obj_veventq_read(struct obj_veventq *veventq, size_t room,
			 int (*write)(void *arg, size_t at, const void *data, size_t len),
			 void *arg);

/* hw_queue.c */

struct obj_hw_queue {
	struct obj obj;
	struct obj_viommu *viommu;   /* constant; this is one of its users */
	uint32_t index;		     /* constant */
	iova_t iova;		     /* constant: in the parent's space, locked there */
	uint64_t len;		     /* constant */
	void *kind;		     /* constant: the kind's part */
	struct obj_hw_queue *needed; /* constant: what it depends on; this is a user; or NULL */
	/* (ctx->lock) those that depend on this one */
	LIST_HEAD(, obj_hw_queue) needers;
	LIST_ENTRY(obj_hw_queue) in_needers;
};

/*
 * As obj_viommu_alloc_locked. 0; -EOPNOTSUPP no such type; -ENOENT a part is not mapped;
 * -EADDRINUSE the space has mappings that are not of whole pages; -EINVAL memory that cannot be
 * pinned; -EFAULT it is not contiguous; -ENOMEM; what the kind says. Until it ends what is mapped
 * there cannot be unmapped.
 */
int obj_hw_queue_alloc_locked(struct obj_viommu *viommu, uint32_t type, uint32_t index, iova_t iova,
			      uint64_t len, struct obj_hw_queue **out, struct ioas_why *why);
void obj_hw_queue_destroy(struct obj *obj);
/* For a kind's hw_queue_init: `queue` ends before `needed`, which is refused to be destroyed. */
void obj_hw_queue_depend_locked(struct obj_hw_queue *queue, struct obj_hw_queue *needed);

/* region.c: what the program maps of its iommufd */

/*
 * For a kind's viommu init: zeroed memory of `len` bytes, whole pages, that can be mapped at the
 * lowest free offset of the iommufd from 4096. *host is where this process has it. It goes with the
 * viommu. ctx->lock held. 0; -ENOMEM.
 */
int obj_region_alloc_locked(struct obj_viommu *viommu, uint64_t len, uint64_t *offset, void **host);
void obj_region_free_locked(struct obj_region *region);
/* For ctx->regions. */
bool obj_region_update(struct tree_node *node);
/*
 * A mapping of all of a region begins: *fd is its memory, and its viommu has one user more. 0;
 * -ENXIO there is no region of just that offset and length.
 */
int obj_region_map(struct obj_ctx *ctx, uint64_t offset, uint64_t len, int *fd,
		   struct ioas_why *why);
/* `len` bytes at `offset`, a whole mapping or a part of one, are not mapped any more. */
void obj_region_unmap(struct obj_ctx *ctx, uint64_t offset, uint64_t len);

#endif
