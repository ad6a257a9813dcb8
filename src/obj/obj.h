/* SPDX-License-Identifier: MIT */
/*
 * Things with an id: what one open /dev/iommu holds.
 *
 * An object is allocated (it has an id that nobody finds), finished, then published. Destroying
 * cannot fail. Two counts keep it: `users` are other objects that need it (DESTROY says EBUSY),
 * calls that are at work with it right now keep it *busy* (DESTROY waits for them).
 *
 * Locks. ctx->lock serialises everything that changes which object needs which: allocating page
 * tables, attaching, destroying. ctx->ids_lock, inside it, protects the table of ids and who is
 * busy alone, so that maps in different spaces never meet. A call that holds an object busy must
 * not wait for ctx->lock. Order: ctx->lock -> space -> ...;  ctx->lock -> ctx->ids_lock
 * (innermost);  ctx->lock -> a device's requests_lock -> a fault queue's.
 */
#ifndef OBJ_OBJ_H
#define OBJ_OBJ_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <ioas/access.h>
#include <ioas/device.h>
#include <ioas/door.h>
#include <ioas/space.h>
#include "kind/kind.h"
#include "obj/ids.h"
#include "pt/pt.h"
#include "util/lock.h"
#include "util/tree.h"

enum obj_type {
	OBJ_IOAS,
	OBJ_HWPT,     /* a page table on an IOAS: "paging" */
	OBJ_NESTED,   /* one of the program's own, on a page table */
	OBJ_DEVICE,   /* lives as long as its driver has it */
	OBJ_ACCESS,   /* likewise */
	OBJ_FAULT,    /* a queue of page requests */
	OBJ_VIOMMU,   /* a guest's share of an IOMMU */
	OBJ_VDEVICE,  /* a device as the guest knows it */
	OBJ_VEVENTQ,  /* a queue of a viommu's events */
	OBJ_HW_QUEUE, /* a guest's queue in memory, used by the IOMMU itself */
	OBJ_SELFTEST, /* a device of IOMMU_TEST_CMD */
	OBJ_TYPE_NR,
	OBJ_ANY = OBJ_TYPE_NR,
};

struct obj {
	struct obj_ctx *ctx;   /* constant */
	enum obj_type type;    /* constant */
	uint32_t id;	       /* constant, from 1 */
	uint32_t users;	       /* (ctx->lock) obj_user_add, obj_user_drop */
	uint32_t gets;	       /* (ctx->ids_lock) how often a call has begun to use it */
	_Atomic uint32_t puts; /* and ended */
};

struct obj_fault_group;
TAILQ_HEAD(obj_fault_groups, obj_fault_group);

/* One open /dev/iommu and all it made. Lives until the file and all bound devices have closed. */
struct obj_ctx {
	struct ioas_iommu *iommu; /* constant */
	_Atomic uint32_t refs;
	pthread_mutex_t lock;
	pthread_mutex_t ids_lock;
	pthread_cond_t idle;	    /* some object may be busy no more */
	_Atomic uint32_t waiting;   /* written with ids_lock: who waits for that */
	struct ids ids;		    /* (ids_lock) value at id - 1 */
	uint32_t ids_nr;	    /* (ids_lock) ids taken */
	struct obj_ioas *compat;    /* (ids_lock) what VFIO type1 ioctls act on; NULL: none */
	bool rlimit_mm;		    /* (ids_lock) IOMMU_OPTION_RLIMIT_MODE */
	struct ioas_caller *caller; /* constant: who opened it; NULL: nobody with descriptors */
	struct tree regions;	    /* (lock) struct obj_region by offset: viommu.h */
	/* (lock) page requests whose attachment has ended: obj_ctx_unlock answers them */
	struct obj_fault_groups refused;
};

int obj_ctx_new(struct ioas_iommu *iommu, struct ioas_caller *caller, struct obj_ctx **out);
struct obj_ctx *obj_ctx_get(struct obj_ctx *ctx);
/* The last put destroys all objects. */
void obj_ctx_put(struct obj_ctx *ctx);
/*
 * Unlocks ctx->lock where something may have been detached since it was taken: who waits for the
 * answer to a page request that then never comes is told so when no lock is held.
 */
void obj_ctx_unlock(struct obj_ctx *ctx); /* fault.c */

/*
 * Makes an object of `size` bytes (struct obj first, the rest zero) with the lowest free id.
 * 0; -ENOMEM. Then either obj_finalize (publish) or obj_abort (free).
 */
int obj_alloc(struct obj_ctx *ctx, enum obj_type type, size_t size, struct obj **out);
void obj_finalize(struct obj *obj);
void obj_finalize_locked(struct obj *obj); /* with ids_lock held */
void obj_abort(struct obj *obj);

/* One more that keeps it from being destroyed, or one less. With ctx->lock held. */
static inline void obj_user_add(struct obj *obj)
{
	lock_must_hold(&obj->ctx->lock);
	obj->users++;
}

static inline void obj_user_drop(struct obj *obj)
{
	lock_must_hold(&obj->ctx->lock);
	obj->users--;
}

/* The object with that id and type (OBJ_ANY: whichever), kept busy until obj_put; NULL: none. */
struct obj *obj_get(struct obj_ctx *ctx, uint32_t id, enum obj_type type);
void obj_put(struct obj *obj);
/* The same without keeping it busy: valid while ctx->lock is held. */
struct obj *obj_peek(struct obj_ctx *ctx, uint32_t id, enum obj_type type);
/* "IOAS", "page table", "device": for reasons. */
const char *obj_type_name(enum obj_type type);

/* IOMMU_DESTROY: 0; -ENOENT; -EBUSY it has users, or is a device. */
int obj_destroy(struct obj_ctx *ctx, uint32_t id, struct ioas_why *why);
/* Takes an object without users out of the table and frees it. ctx->lock held. */
void obj_remove_locked(struct obj *obj);
/* The same, but that its id is never given out again: nothing has it any more. */
void obj_tombstone_locked(struct obj *obj);

/* An address space with an id. */
struct obj_ioas {
	struct obj obj;
	struct ioas_space *space;     /* constant */
	struct obj_ioas *parent;      /* constant: it is nested on; this is a user of it; or NULL */
	TAILQ_HEAD(, obj_hwpt) hwpts; /* (ctx->lock) all page tables on it, the oldest first */
};

/* Makes one, not published yet: obj_finalize follows, or obj_ioas_abort. 0; -ENOMEM. */
int obj_ioas_alloc(struct obj_ctx *ctx, struct obj_ioas **out);
/* The same, nested on one in software. ctx->lock held, as for its abort. Also -EINVAL. */
int obj_ioas_alloc_nested_locked(struct obj_ioas *parent, struct obj_ioas **out,
				 struct ioas_why *why);
void obj_ioas_abort(struct obj_ioas *ioas);
void obj_ioas_destroy(struct obj *obj);
/* As obj_get; a NULL has filled `why`. */
struct obj_ioas *obj_ioas_get(struct obj_ctx *ctx, uint32_t id, struct ioas_why *why);

/*
 * What devices attach to: a page table that a space keeps filled (OBJ_HWPT), or one of the
 * program's on top of such a one (OBJ_NESTED).
 */
struct obj_hwpt {
	struct obj obj;
	const struct kind_ops *ops; /* constant: the kind of IOMMU it is for */
	void *kind;		    /* constant: that kind's part */
	uint32_t flags;		    /* constant: IOMMU_HWPT_ALLOC_* */
	struct obj_fault *fault;    /* constant: where page requests go; this is a user; or NULL */
	/* Constant: where routes lead; of an OBJ_NESTED the kind's stage 1. NULL: they are blocked.
	 */
	struct pt_target *to;

	/* OBJ_HWPT */
	struct obj_ioas *ioas;	    /* constant; this is one of its users */
	struct pt *pt;		    /* constant */
	bool auto_domain;	    /* made by an attach to the IOAS, goes with the last detach */
	bool dirty;		    /* constant: dirty tracking can be switched on */
	pthread_mutex_t dirty_lock; /* held while its dirty bits are read, or switched on or off */
	bool coherent;		    /* constant: all requests through it snoop caches */
	TAILQ_ENTRY(obj_hwpt) in_ioas; /* (ctx->lock) in ioas->hwpts */

	/* OBJ_NESTED */
	struct obj_hwpt *parent;   /* constant; this is one of its users, or a viommu's */
	struct obj_viommu *viommu; /* constant; this is one of its users; NULL: no viommu between */
	bool any_device; /* constant: devices attach to it that its viommu does not know */
	LIST_HEAD(, obj_attach) attached; /* (ctx->lock) whose requests go here */
};

/* What IOMMU_HWPT_ALLOC asks for. */
struct obj_hwpt_request {
	struct obj_device *device;
	uint32_t flags;		      /* IOMMU_HWPT_ALLOC_*, FAULT_ID_VALID too */
	const struct kind_data *data; /* NULL: none */
	bool auto_domain;
};

/*
 * Makes a page table on `ioas` and fills it, not published yet. ctx->lock held.
 * 0; -EOPNOTSUPP, -EINVAL, -EFAULT of the kind; -ENOMEM; what space_domain_attach returns.
 */
int obj_hwpt_alloc_locked(struct obj_ioas *ioas, const struct obj_hwpt_request *request,
			  struct obj_hwpt **out, struct ioas_why *why);
/*
 * The same on a page table (`viommu` NULL), or through a viommu, whose parent that then is. 0;
 * -EOPNOTSUPP; -EINVAL the parent cannot be nested on; -EFAULT; -ENOMEM.
 */
int obj_nested_alloc_locked(struct obj_hwpt *parent, struct obj_viommu *viommu,
			    const struct obj_hwpt_request *request, struct obj_hwpt **out,
			    struct ioas_why *why);
/* Says where the page requests of one that is not published yet go. ctx->lock held. */
void obj_hwpt_set_fault_locked(struct obj_hwpt *hwpt, struct obj_fault *fault);
void obj_hwpt_destroy(struct obj *obj);
void obj_nested_destroy(struct obj *obj);
/*
 * What was looked up in an OBJ_NESTED until now is used no more on return: nothing of it is
 * remembered or in flight, and nothing lent that went through it. ctx->lock held.
 */
void obj_hwpt_drain_locked(struct obj_hwpt *hwpt);
/* For an OBJ_NESTED its parent's: the page table on an IOAS under any hwpt. */
static inline struct obj_hwpt *obj_hwpt_paging(struct obj_hwpt *hwpt)
{
	return hwpt->parent ? hwpt->parent : hwpt;
}

/* Where requests of one form of a device go. */
struct obj_attach {
	struct obj_device *device;	/* constant */
	bool has_pasid;			/* constant; false: requests without one */
	pasid_t pasid;			/* constant */
	struct obj_hwpt *hwpt;		/* (ctx->lock) this is a user; NULL: nowhere */
	LIST_ENTRY(obj_attach) in_hwpt; /* (ctx->lock) if that is an OBJ_NESTED: its `attached` */

	/* How page requests find it: device->requests_lock. */
	struct tree_node by_form; /* in device->takers, while it is attached */
	struct obj_hwpt *takes;	  /* the page table whose fault queue has them */

	/* Page requests that came this way (the lock of takes->fault; empty where there is none).
	 */
	struct obj_fault_groups groups; /* those that have no answer yet */
	struct tree incomplete;		/* of them, those whose last request is to come, by grpid */
};

/* A device bound to the context. */
struct obj_device {
	struct obj obj;
	struct ioas_device *dev;	   /* constant; NULL: it sends no TLPs */
	struct kind_device *kind;	   /* constant: the IOMMU it is behind */
	const struct ioas_range *reserved; /* constant: where it cannot do DMA */
	size_t reserved_nr;
	struct obj_attach rid;	     /* requests without a PASID */
	struct ids pasids;	     /* (ctx->lock) struct obj_attach by PASID */
	struct obj_vdevice *vdevice; /* (ctx->lock) what a viommu knows it as; or NULL */
	/*
	 * Where page requests go. A device that ctx->lock's holder waits for may just be sending
	 * one: this lock is taken instead, inside ctx->lock and around a fault queue's.
	 */
	pthread_mutex_t requests_lock;
	struct tree takers; /* (requests_lock) attachments, by PASID; those without one come last */
	LIST_ENTRY(obj_device)
	in_set; /* (ctx->lock) with others of its share set: route_set.peers */
};
LIST_HEAD(obj_peers, obj_device);

/*
 * Gives a device, which its driver has bound (ioas_device_bind), an id in the context and holds
 * the context. 0; -ENOMEM.
 */
int obj_device_bind(struct obj_ctx *ctx, struct ioas_device *dev, struct kind_device *kind,
		    const struct ioas_range *reserved, size_t reserved_nr, struct obj_device **out);
/*
 * What follows ends attachments; the forms with ctx->lock held leave that to be released by
 * obj_ctx_unlock.
 */

/* Detaches it, ends its vdevice, its id, and lets the context go. */
void obj_device_unbind(struct obj_device *device);
/* The same with ctx->lock held, so that the context does not go: the caller puts it. */
void obj_device_unbind_locked(struct obj_device *device);

/*
 * Attaches requests without a PASID to an IOAS (through a page table of its own making, shared by
 * all that attach so and can) or to a page table; a device that is attached moves in one step.
 * *pt_id receives the page table's id. 0; 1 there was nothing to do: it is attached there already,
 * or a device that shares requester IDs with it is; -ENOENT pt_id is nothing, or of a viommu that
 * does not know the device; -EINVAL it is neither, or cannot serve the device, or a PASID is
 * attached and it was not made with IOMMU_HWPT_ALLOC_PASID, or a device that shares requester IDs
 * with it is attached elsewhere; -EADDRINUSE something lies where the device cannot do DMA;
 * -EFAULT, -ENOMEM; what the kind says. An error leaves the old route. A replace moves all of its
 * share set.
 */
int obj_device_attach(struct obj_device *device, uint32_t *pt_id, struct ioas_why *why);
int obj_device_attach_locked(struct obj_device *device, uint32_t *pt_id, struct ioas_why *why);
/* Blocks its DMA. Nothing attached: nothing happens. */
void obj_device_detach(struct obj_device *device);

/* What is wrong: -EBUSY for OBJ_ATTACH it is attached; -EINVAL for OBJ_REPLACE it is not. */
enum obj_attach_how { OBJ_ATTACH, OBJ_REPLACE, OBJ_ATTACH_OR_REPLACE };
/*
 * The same for requests with a PASID. Also -EINVAL where the page table (one that an attach makes,
 * too), or the one that requests without a PASID go to, was not made with IOMMU_HWPT_ALLOC_PASID,
 * and for a PASID the device cannot send. What the device has reserved is kept out of the space
 * that its requests without a PASID go to, only there, as in Linux.
 */
int obj_device_attach_pasid(struct obj_device *device, pasid_t pasid, enum obj_attach_how how,
			    uint32_t *pt_id, struct ioas_why *why);
int obj_device_attach_pasid_locked(struct obj_device *device, pasid_t pasid,
				   enum obj_attach_how how, uint32_t *pt_id, struct ioas_why *why);
void obj_device_detach_pasid(struct obj_device *device, pasid_t pasid);
void obj_device_detach_pasid_locked(struct obj_device *device, pasid_t pasid);
/* For device.c: all of its attachments end. */
void obj_device_detach_all_locked(struct obj_device *device);
void obj_attach_init(struct obj_attach *attach, struct obj_device *device);
/* Where requests of a PASID (has_pasid), or without one, go; NULL: nowhere. ctx->lock held. */
struct obj_hwpt *obj_device_hwpt_locked(struct obj_device *device, bool has_pasid, pasid_t pasid);

/*
 * A queue of page requests. fault.c; its descriptor is uapi/fault_file.c's. The queue's own lock
 * comes after ctx->lock and protects what is queued and what waits for an answer.
 */
struct obj_fault;

/* Makes one, not published yet: obj_finalize follows, or obj_fault_abort. 0; -ENOMEM. */
int obj_fault_alloc(struct obj_ctx *ctx, struct obj_fault **out);
void obj_fault_abort(struct obj_fault *fault);
void obj_fault_destroy(struct obj *obj);
struct obj *obj_of_fault(struct obj_fault *fault);
/* `notify` (NULL: no more) is told, with the queue's lock held, when there is something to read. */
void obj_fault_watch(struct obj_fault *fault, void (*notify)(void *arg, bool ready), void *arg);

/* A page request: one of a group, which is queued when its last one has come. */
struct obj_page_request {
	uint32_t grpid;
	uint32_t perm; /* IOMMU_PGFAULT_PERM_* */
	uint64_t addr;
	bool last;
	uint64_t tag; /* the same in all of a group; for `respond` */
};
/*
 * Delivers one that a device sent, by where its requests go. The device stays bound meanwhile.
 * Takes the device's requests_lock, and no lock that somebody holds who waits for a device.
 * `respond` of the last one of a group (or NULL) is called, without that lock, with enum
 * iommufd_page_response_code when the group is answered, and with INVALID when its attachment ends
 * first, or where nobody takes page requests: then before this returns. 0; -ENOMEM the whole group
 * is dropped and nobody answers it.
 */
typedef void obj_respond_t(void *arg, uint64_t tag, uint32_t grpid, uint32_t code);
int obj_fault_report(struct obj_device *device, bool has_pasid, pasid_t pasid,
		     const struct obj_page_request *request, obj_respond_t *respond, void *arg);
/* The same, but 1: nobody takes page requests, and nobody was told. */
int obj_fault_take(struct obj_device *device, bool has_pasid, pasid_t pasid,
		   const struct obj_page_request *request, obj_respond_t *respond, void *arg);
/*
 * Takes back a complete group that was sent with that tag, and has no answer: the program neither
 * reads nor answers it any more, and nobody is called. False: there is none. Takes requests_lock.
 * Its cookie, if it was read, is no other group's until the program has used it: of the newest that
 * many.
 */
#define OBJ_FAULT_LATE 64
bool obj_fault_drop(struct obj_device *device, bool has_pasid, pasid_t pasid, uint32_t grpid,
		    uint64_t tag);
/*
 * The attachment goes to that hwpt now (NULL: to none), and no more to `old` (NULL: it went to
 * none). What came by way of it, and has no answer, is taken out of old's queue, to ctx->refused.
 * ctx->lock held.
 */
void obj_fault_move_locked(struct obj_attach *attach, struct obj_hwpt *old, struct obj_hwpt *to);
/*
 * A device of the instance's own has a server of its page requests, from its bind to its unbind
 * (fault_pri.c).
 */
void obj_fault_serve(struct obj_device *device, bool on);

struct iommu_hwpt_pgfault;
/*
 * Reads the next group, of at most `room` records: 1 and the group, which waits for its answer from
 * now on and must be given to obj_fault_read_end; 0 nothing is queued; -EINVAL it has more
 * records; -ENOMEM.
 */
int obj_fault_read(struct obj_fault *fault, size_t room, struct obj_fault_group **out);
const struct iommu_hwpt_pgfault *obj_fault_records(const struct obj_fault_group *group, size_t *nr);
/* taken: the reader has it; else it is queued again, as the next one. */
void obj_fault_read_end(struct obj_fault *fault, struct obj_fault_group *group, bool taken);
/* Answers a group. 0; -EINVAL no such code, or nothing with that cookie waits for an answer. */
int obj_fault_respond(struct obj_fault *fault, uint32_t cookie, uint32_t code);

/* src/uapi/testcmd_device.c's */
void obj_selftest_destroy(struct obj *obj);

/* access.c: who reads and writes a space by itself, with an id. */
struct obj_access {
	struct obj obj;
	struct ioas_access *access; /* constant */
	pthread_mutex_t moving;	    /* one replace at a time; outside ctx->lock */
	struct obj_ioas *ioas;	    /* (moving) this is one of its users */
};

/*
 * Makes one, attached to an IOAS, and holds the context. It goes with obj_access_close only.
 * Neither lock is held by who calls: `unmap` is called without any. 0; -ENOENT; -EINVAL;
 * -EADDRINUSE as ioas_access_attach; -ENOMEM.
 */
int obj_access_new(struct obj_ctx *ctx, uint32_t ioas_id, const struct ioas_access_ops *ops,
		   void *arg, uint32_t flags, struct obj_access **out, struct ioas_why *why);
/* To another IOAS; `unmap` is called for everything. 0; -ENOENT; -EADDRINUSE; -EBUSY. */
int obj_access_replace(struct obj_access *access, uint32_t ioas_id, struct ioas_why *why);
/* Ends all its pins and it. */
void obj_access_close(struct obj_access *access);

#endif
