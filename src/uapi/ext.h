/* SPDX-License-Identifier: MIT */
/*
 * The ioctls of ours that Linux does not have (ioas/uapi_ext.h), on /dev/iommu and on descriptors
 * of VFIO devices alike: which device is meant, and lists of what there is to say of it.
 *
 *   ext_device.c   IOAS_GET_DEVICE, IOAS_GET_MEMBERS
 *   ext_reasons.c  IOAS_GET_REQUESTERS, IOAS_GET_REASONS
 *   ext_route.c    IOAS_GET_ROUTES, IOAS_ATTACH, IOAS_DETACH
 *   ext.c          what they have in common
 *   ext_nest.c     IOAS_NEST_ALLOC, _MAP and _INFO, which are about IOASes
 *
 * Facts are gathered under vfio_lock, which keeps the device from going, into memory of ours; the
 * caller's memory is touched when it is not held.
 */
#ifndef UAPI_EXT_H
#define UAPI_EXT_H

#include <ioas/topology.h>
#include <ioas/uapi_ext.h>
#include "uapi/uapi.h"
#include "vfio/vfio.h"

/* The device that a call means. Valid until ext_end. */
struct ext_device {
	struct ioas_device *dev;	      /* NULL: it sends no TLPs */
	struct ioas_pci *pci;		      /* NULL: it is not on PCI */
	const struct ioas_topology *topology; /* after ext_find_topology */
	struct ioas_topology *copy;	      /* ext_end frees it */
	struct obj_ctx *ctx; /* whose ids the caller knows; NULL: none, it is not bound to one */
};

/*
 * Finds it, and takes vfio_lock. 0; -ENOENT, -EINVAL as uapi_ext.h says. An error has let the lock
 * go.
 */
int ext_begin(struct uapi_call *call, uint32_t dev_id, struct ext_device *out);
/* The tree that it is in; for one on PCI, between begin and end. 0; -ENOMEM. */
int ext_find_topology(struct uapi_call *call, struct ext_device *device);
void ext_end(struct uapi_call *call, struct ext_device *device);

uint32_t ext_address(struct ioas_pci_addr addr); /* as uapi_ext.h has it */

/* A list in the making: entries of one size, and a line of text for each. */
struct ext_list {
	size_t entry_len; /* set by who begins one */
	size_t nr;
	char *entries, *text;
	size_t entries_cap, text_len, text_cap; /* bytes */
};

int ext_list_add(struct ext_list *list, const void *entry, const char *line); /* 0; -ENOMEM */
void ext_list_free(struct ext_list *list);

/*
 * Does a call of struct ioas_get_list: checks, finds the device, has `gather` fill the list (0 or
 * -ENOMEM), and answers.
 */
long ext_list_call(struct uapi_call *call, size_t entry_len,
		   int (*gather)(const struct ext_device *device, struct ext_list *list));

#endif
