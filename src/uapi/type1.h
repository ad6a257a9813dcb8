/* SPDX-License-Identifier: MIT */
/*
 * Type1's ioctls act on an address space: a container's, or the IOAS that an iommufd context has
 * for this (compat). The two differ in details that programs can see.
 */
#ifndef UAPI_TYPE1_H
#define UAPI_TYPE1_H

#include "obj/obj.h"
#include "uapi/uapi.h"

struct vfio_container;

struct type1 {
	struct ioas_space *space;
	bool v2;			  /* a range that cuts a mapping is refused */
	uint64_t pgsizes;		  /* bit n: pages of 1 << n */
	uint64_t avail;			  /* mappings that can still be made */
	struct obj_ioas *ioas;		  /* compat: kept busy; else NULL */
	struct vfio_container *container; /* locked; or NULL */
};

/* Finds and holds the space that the call's file acts on. 0; -EINVAL, -ENODEV none. */
int type1_enter(struct uapi_call *call, struct type1 *out);
void type1_leave(struct type1 *type1);

/* On /dev/iommu. */
long type1_compat_coherent(struct uapi_call *call);
long type1_compat_set_iommu(struct uapi_call *call);
/* Makes sure that the context has an IOAS for this. 0; -ENOMEM. */
int type1_compat_create(struct obj_ctx *ctx);
/* Its id; 0: none. */
uint32_t type1_compat_id(struct obj_ctx *ctx);

#endif
