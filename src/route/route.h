/* SPDX-License-Identifier: MIT */
/*
 * Routes: whose TLP is this, and which page table does it meet.
 *
 * A device holds its route directly, so that its own TLPs need no table lookup; table.c finds the
 * device of a claimed requester ID.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdatomic.h>
#include <pthread.h>
#include <ioas/device.h>
#include "mem/lend.h"
#include "pt/pt.h"

struct route_shared;

struct ioas_device {
	struct ioas_iommu *iommu; /* constant */
	char name[IOAS_NAME_LEN]; /* constant: "0000:01:00.0" */
	uint16_t segment;	  /* constant */
	rid_t rid;		  /* constant */
	_Atomic uint32_t forms;	  /* declared at bind; ROUTE_BOUND while bound */
	_Atomic bool dma_on;	  /* the bus lets its memory requests out (PCI bus master) */
	struct pt *_Atomic pt;	  /* where untagged requests meet memory; NULL: blocked */
	struct ioas_device_counters *counters; /* relaxed atomic adds */
	struct mem_lend lent;		       /* transfers that have spans of memory */
	pthread_mutex_t lock;		       /* serialises attach and detach; protects `shared` */
	struct route_shared *shared;	       /* of ioas_device_attach; NULL for route_attach */
};

#define ROUTE_BOUND (1u << 31)

/* Makes a device known to the IOMMU. dma_on starts false. 0; -EEXIST the RID is taken; -ENOMEM. */
int route_device_new(struct ioas_iommu *iommu, const char *name, uint16_t segment, rid_t rid,
		     struct ioas_device **out);
/* The device must be unbound and without issuers. */
void route_device_destroy(struct ioas_device *dev);

/* May its untagged requests be routed? 0; -EINVAL not bound with IOAS_FORM_RID. */
int route_check(struct ioas_device *dev, struct ioas_why *why);
/*
 * Points the device's untagged requests at `pt` (replacing what was there; NULL: they are blocked).
 * Fails as route_check, and else never. On return no TLP uses the old table, lent spans included:
 * what was lent is waited for.
 */
int route_attach(struct ioas_device *dev, struct pt *pt, struct ioas_why *why);
/* Blocks them. On return none is in flight. */
void route_detach(struct ioas_device *dev);

/* Opens or closes the bus (PCI bus master). Closing waits until nothing is in flight or lent. */
void route_dma_enable(struct ioas_device *dev, bool on);

/* The device that owns a requester ID, or NULL. Constant time, lock-free; in flight only. */
struct ioas_device *route_find(struct ioas_iommu *iommu, uint16_t segment, rid_t rid);

/* Enters the device under its requester ID. 0; -EEXIST taken; -ENOMEM. */
int route_insert(struct ioas_device *dev);
/* Takes it out. Readers may still see it until inflight_wait. Never fails. */
void route_remove(struct ioas_device *dev);

/*
 * The page table that all devices attached to `space` by ioas_device_attach share; made and filled
 * when it is first asked for. Errors as ioas_device_attach. Takes its lock, then the space's.
 */
int route_shared_get(struct ioas_iommu *iommu, struct ioas_space *space, struct route_shared **out,
		     struct ioas_why *why);
/* The last put empties and frees the table; nobody may be in flight through it. */
void route_shared_put(struct ioas_iommu *iommu, struct route_shared *shared);
struct pt *route_shared_pt(const struct route_shared *shared);

/* Of src/route/attach.c, for the table's life: nothing is shared any more when it ends. */
struct route_shares;
int route_shares_new(struct route_shares **out);
void route_shares_destroy(struct route_shares *shares);
struct route_shares *route_shares(struct ioas_iommu *iommu);

#endif
