/* SPDX-License-Identifier: MIT */
/*
 * Things with an id: what one open /dev/iommu holds.
 *
 * An object is allocated (it has an id that nobody finds), finished, then published. Destroying
 * cannot fail. Two counts keep it: `users` are other objects that need it (DESTROY says EBUSY),
 * `busy` are calls that use it right now (DESTROY waits for them).
 *
 * Locks. ctx->lock serialises everything that changes which object needs which: allocating page
 * tables, attaching, destroying. ctx->ids_lock, inside it, protects the table of ids and `busy`
 * alone, so that maps in different spaces never meet. A call that holds an object busy must not
 * wait for ctx->lock.
 * Order: ctx->lock -> space -> ...;  ctx->lock -> ctx->ids_lock (innermost).
 */
#ifndef OBJ_OBJ_H
#define OBJ_OBJ_H

#include <pthread.h>
#include <stdatomic.h>
#include <ioas/device.h>
#include <ioas/space.h>
#include "obj/ids.h"
#include "pt/pt.h"

enum obj_type {
	OBJ_IOAS,
	OBJ_HWPT,
	OBJ_DEVICE,
	OBJ_TYPE_NR,
	OBJ_ANY = OBJ_TYPE_NR,
};

struct obj {
	struct obj_ctx *ctx; /* constant */
	enum obj_type type;  /* constant */
	uint32_t id;	     /* constant, from 1 */
	uint32_t users;	     /* (ctx->lock) */
	uint32_t busy;	     /* (ctx->ids_lock) */
};

/* One open /dev/iommu and all it made. Lives until the file and all bound devices have closed. */
struct obj_ctx {
	struct ioas_iommu *iommu; /* constant */
	_Atomic uint32_t refs;
	pthread_mutex_t lock;
	pthread_mutex_t ids_lock;
	pthread_cond_t idle;	 /* some object's busy became 0 */
	struct ids ids;		 /* (ids_lock) value at id - 1 */
	uint32_t ids_nr;	 /* (ids_lock) ids taken */
	struct obj_ioas *compat; /* (ids_lock) what VFIO type1 ioctls act on; NULL: none */
	bool rlimit_mm;		 /* (ids_lock) IOMMU_OPTION_RLIMIT_MODE */
};

int obj_ctx_new(struct ioas_iommu *iommu, struct obj_ctx **out);
struct obj_ctx *obj_ctx_get(struct obj_ctx *ctx);
/* The last put destroys all objects. */
void obj_ctx_put(struct obj_ctx *ctx);

/*
 * Makes an object of `size` bytes (struct obj first, the rest zero) with the lowest free id.
 * 0; -ENOMEM. Then either obj_finalize (publish) or obj_abort (free).
 */
int obj_alloc(struct obj_ctx *ctx, enum obj_type type, size_t size, struct obj **out);
void obj_finalize(struct obj *obj);
void obj_finalize_locked(struct obj *obj); /* with ids_lock held */
void obj_abort(struct obj *obj);

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

/* An address space with an id. */
struct obj_ioas {
	struct obj obj;
	struct ioas_space *space; /* constant */
	struct obj_hwpt *hwpts;	  /* (ctx->lock) all page tables on it */
};

/* Makes one, not published yet: obj_finalize follows, or obj_ioas_abort. 0; -ENOMEM. */
int obj_ioas_alloc(struct obj_ctx *ctx, struct obj_ioas **out);
void obj_ioas_abort(struct obj_ioas *ioas);
void obj_ioas_destroy(struct obj *obj);
/* As obj_get; a NULL has filled `why`. */
struct obj_ioas *obj_ioas_get(struct obj_ctx *ctx, uint32_t id, struct ioas_why *why);

/* A page table that a space keeps filled, and that devices attach to. */
struct obj_hwpt {
	struct obj obj;
	struct obj_ioas *ioas; /* constant; this is one of its users */
	struct pt *pt;	       /* constant */
	bool auto_domain;      /* made by an attach to the IOAS, goes with the last detach */
	struct obj_hwpt *next; /* (ctx->lock) in ioas->hwpts */
};

/*
 * Makes a page table on `ioas` and fills it, not published yet. ctx->lock held.
 * 0; -ENOMEM; what space_domain_attach returns.
 */
int obj_hwpt_alloc_locked(struct obj_ioas *ioas, bool auto_domain, struct obj_hwpt **out,
			  struct ioas_why *why);
void obj_hwpt_destroy(struct obj *obj);

/* A device bound to the context. */
struct obj_device {
	struct obj obj;
	struct ioas_device *dev;	   /* constant */
	const struct ioas_range *reserved; /* constant: where it cannot do DMA */
	size_t reserved_nr;
	struct obj_hwpt *hwpt; /* (ctx->lock) attached to; NULL: nothing */
};

/*
 * Gives a device, which its driver has bound (ioas_device_bind), an id in the context and holds
 * the context. 0; -ENOMEM.
 */
int obj_device_bind(struct obj_ctx *ctx, struct ioas_device *dev, const struct ioas_range *reserved,
		    size_t reserved_nr, struct obj_device **out);
/* Detaches it, ends its id and lets the context go. */
void obj_device_unbind(struct obj_device *device);

/*
 * Attaches to an IOAS (through a page table of its own making, shared by all that attach so) or to
 * a page table; a device that is attached moves in one step. *pt_id receives the page table's id.
 * 0; -ENOENT; -EINVAL pt_id is neither; -EADDRINUSE something lies where the device cannot do
 * DMA; -EFAULT, -ENOMEM. An error leaves the old route.
 */
int obj_device_attach(struct obj_device *device, uint32_t *pt_id, struct ioas_why *why);
/* Blocks its DMA. Nothing attached: nothing happens. */
void obj_device_detach(struct obj_device *device);

#endif
