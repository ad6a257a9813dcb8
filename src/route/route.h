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
#include "pt/pt.h"

struct ioas_device {
	struct ioas_iommu *iommu; /* constant */
	char name[IOAS_NAME_LEN]; /* constant: "0000:01:00.0" */
	uint16_t segment;	  /* constant */
	rid_t rid;		  /* constant */
	_Atomic uint32_t forms;	  /* declared at bind; BOUND_BIT while bound */
	_Atomic bool dma_on;	  /* the bus lets its memory requests out (PCI bus master) */
	struct pt *_Atomic pt;	  /* where untagged requests meet memory; NULL: blocked */
	struct ioas_device_counters *counters; /* relaxed atomic adds */
	pthread_mutex_t lock;		       /* serialises attach and detach; protects `space` */
	struct ioas_space *space;	       /* of ioas_device_attach; NULL for route_attach */
	struct pt *own_pt;		       /* of ioas_device_attach */
};

#define ROUTE_BOUND (1u << 31)

/* Makes a device known to the IOMMU. dma_on starts false. 0; -EEXIST the RID is taken; -ENOMEM. */
int route_device_new(struct ioas_iommu *iommu, const char *name, uint16_t segment, rid_t rid,
		     struct ioas_device **out);
/* The device must be unbound and without issuers. */
void route_device_destroy(struct ioas_device *dev);

/*
 * Points the device's untagged requests at `pt` (replacing what was there). -EINVAL: not bound with
 * IOAS_FORM_RID. On return no TLP uses the old table.
 */
int route_attach(struct ioas_device *dev, struct pt *pt, struct ioas_why *why);
/* Blocks them. On return none is in flight. */
void route_detach(struct ioas_device *dev);

/* Opens or closes the bus (PCI bus master). Closing waits until nothing is in flight. */
void route_dma_enable(struct ioas_device *dev, bool on);

/* The device that owns a requester ID, or NULL. Constant time, lock-free; in flight only. */
struct ioas_device *route_find(struct ioas_iommu *iommu, uint16_t segment, rid_t rid);

#endif
